//! Buildbot's result codes.

use crate::domain::filter::{Filter, Test, Value};

/// How a step or build ended. The codes are Buildbot's: 0 to 6, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Results {
    /// 0
    Success,
    /// 1
    Warnings,
    /// 2
    Failure,
    /// 3
    Skipped,
    /// 4
    Exception,
    /// 5
    Retry,
    /// 6
    Cancelled,
}

impl Results {
    /// Every result, in the order of the codes.
    pub(crate) const ALL: [Self; 7] = [
        Self::Success,
        Self::Warnings,
        Self::Failure,
        Self::Skipped,
        Self::Exception,
        Self::Retry,
        Self::Cancelled,
    ];

    /// The code that the database holds.
    #[must_use]
    pub(crate) fn code(self) -> i64 {
        self as i64
    }

    /// The result with this code, or none: Buildbot stores any integer unchecked.
    #[must_use]
    pub(crate) fn from_code(code: i64) -> Option<Self> {
        usize::try_from(code)
            .ok()
            .and_then(|code| Self::ALL.get(code))
            .copied()
    }
}

/// Which results pass a test: each known one or not, and those that show as null or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResultsSet(u8);

impl ResultsSet {
    /// The bit of null; the others are those of the codes.
    const NULL: u8 = 7;

    /// Those that pass.
    pub(crate) fn of(passes: impl Fn(Option<Results>) -> bool) -> Self {
        let known = Results::ALL.into_iter().map(Some);
        let passing = known.chain([None]).filter(|results| passes(*results));
        Self(passing.fold(0, |bits, results| bits | Self::bit(results)))
    }

    fn bit(results: Option<Results>) -> u8 {
        1 << results.map_or(Self::NULL, |results| results as u8)
    }

    /// Whether these results pass.
    pub(crate) fn contains(self, results: Option<Results>) -> bool {
        self.0 & Self::bit(results) != 0
    }

    /// The condition on a column: any other integer shows as null, and must match as null.
    pub(crate) fn filter<F: Copy>(self, column: F) -> Filter<F> {
        // The complement of those that do not pass has every other integer, and null, in it.
        let has_null = self.contains(None);
        let listed = Results::ALL
            .into_iter()
            .filter(|r| self.contains(Some(*r)) != has_null);
        let listed = listed.map(|results| Value::Int(results.code())).collect();
        let listed = Filter::Field(column, Test::In(listed));
        if has_null { listed.negate() } else { listed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_buildbots_and_others_are_none() {
        assert_eq!(Results::ALL.map(Results::code), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(Results::from_code(6), Some(Results::Cancelled));
        assert_eq!(Results::from_code(-1), None);
        assert_eq!(Results::from_code(7), None);
    }
}
