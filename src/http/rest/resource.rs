//! The kinds of resources: their fields, and what each field holds. Requests are parsed and the
//! OpenAPI document is made with these tables.

/// What a field holds, and so which values it can be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    /// A number, or a time in seconds.
    Number {
        nullable: bool,
    },
    Bool,
    Text {
        nullable: bool,
    },
    /// A step's name: Buildbot takes only identifiers of up to 50 characters as values.
    Identifier,
    /// A list of numbers.
    Numbers,
    /// A list of texts.
    Texts,
    /// No value can be compared with it.
    Opaque,
}

impl FieldKind {
    pub(crate) const NUMBER: Self = Self::Number { nullable: false };
    pub(crate) const NULLABLE_NUMBER: Self = Self::Number { nullable: true };
    pub(crate) const TEXT: Self = Self::Text { nullable: false };
    pub(crate) const NULLABLE_TEXT: Self = Self::Text { nullable: true };

    /// Whether the field can be null, so that the value `null` stands for null.
    pub(crate) fn is_nullable(self) -> bool {
        matches!(self, Self::NULLABLE_NUMBER | Self::NULLABLE_TEXT)
    }

    /// Whether the field is a list.
    pub(crate) fn is_list(self) -> bool {
        matches!(self, Self::Numbers | Self::Texts)
    }
}

/// A field of a resource.
#[derive(Debug)]
pub(crate) struct ResourceField<F> {
    pub(crate) name: &'static str,
    pub(crate) kind: FieldKind,
    /// The store's name for it; `None` where the store neither filters nor orders by it.
    pub(crate) store_field: Option<F>,
}

impl<F: Copy> ResourceField<F> {
    pub(crate) const fn new(name: &'static str, kind: FieldKind, store_field: F) -> Self {
        Self {
            name,
            kind,
            store_field: Some(store_field),
        }
    }
}

/// A kind of resource.
#[derive(Debug)]
pub(crate) struct Resource<F: 'static> {
    pub(crate) plural: &'static str,
    pub(crate) fields: &'static [ResourceField<F>],
    /// Whether `ne` and `notin` match null. Buildbot compares builders and steps in Python, where
    /// null differs from every value, and builds in SQL, where null matches nothing.
    pub(crate) ne_matches_null: bool,
    /// Appended to every order, ascending, to make it total.
    pub(crate) order: &'static [F],
}

impl<F> Resource<F> {
    pub(crate) fn field(&self, name: &str) -> Option<&'static ResourceField<F>> {
        self.fields.iter().find(|field| field.name == name)
    }
}
