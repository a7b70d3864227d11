//! The nouns whose changes the feed records.

/// A resource of Buildbot's: its events carry its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Noun {
    /// Builders, with their tags.
    Builder,
    /// Builds.
    Build,
    /// Steps.
    Step,
    /// Logs of steps.
    Log,
}

impl Noun {
    /// All of them, a parent before its children: the order of a snapshot.
    pub const ALL: [Self; 4] = [Self::Builder, Self::Build, Self::Step, Self::Log];

    /// The code that the database holds. Each is another bit, so that a sum of them is a set.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Builder => 1,
            Self::Build => 2,
            Self::Step => 4,
            Self::Log => 8,
        }
    }

    /// The noun of this code.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|noun| noun.code() == code)
    }

    /// The table of its rows, which is what many of them are called.
    #[must_use]
    pub const fn table(self) -> &'static str {
        match self {
            Self::Builder => "builders",
            Self::Build => "builds",
            Self::Step => "steps",
            Self::Log => "logs",
        }
    }
}

/// A set of nouns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NounSet(i16);

impl NounSet {
    /// Every noun.
    pub const ALL: Self = Self(Self::BEFORE_LOGS.0 | Noun::Log.code());

    /// Those that the feed had before there were logs.
    pub const BEFORE_LOGS: Self =
        Self(Noun::Builder.code() | Noun::Build.code() | Noun::Step.code());

    /// The set with this sum of codes; codes that are not known are left out.
    #[must_use]
    pub const fn from_codes(codes: i16) -> Self {
        Self(codes & Self::ALL.0)
    }

    /// The sum of the codes.
    #[must_use]
    pub const fn codes(self) -> i16 {
        self.0
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the noun is in it.
    #[must_use]
    pub const fn contains(self, noun: Noun) -> bool {
        self.0 & noun.code() != 0
    }

    /// Whether the sets have a noun in common.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Those that are in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in the other set.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Its nouns, a parent before its children.
    pub fn iter(self) -> impl Iterator<Item = Noun> {
        Noun::ALL
            .into_iter()
            .filter(move |noun| self.contains(*noun))
    }
}

impl From<Noun> for NounSet {
    fn from(noun: Noun) -> Self {
        Self(noun.code())
    }
}

impl FromIterator<Noun> for NounSet {
    fn from_iter<T: IntoIterator<Item = Noun>>(nouns: T) -> Self {
        Self(nouns.into_iter().fold(0, |codes, noun| codes | noun.code()))
    }
}

/// The tables' names, such as "builders and builds".
impl std::fmt::Display for NounSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.iter().map(Noun::table).collect();
        f.write_str(&names.join(" and "))
    }
}
