//! Which builders a `where` asks for, and the translation into `domain::filter`.

use async_graphql::InputObject;

use crate::{
    domain::{builder::BuilderField, filter::Filter},
    graphql::schema::filter::{
        conditions::Conditions,
        operators::{IntFilter, StringFilter, StringListFilter},
    },
};

/// Which builders. All given conditions hold together; an empty input matches every builder. At most 1,000 conditions and values in all, with `and`, `or` and `not` at most 20 deep.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct BuilderFilter {
    /// The unique ID.
    builderid: Option<IntFilter>,
    /// The name.
    name: Option<StringFilter>,
    /// The tags.
    tags: Option<StringListFilter>,
    /// All of these match; an empty list matches every builder.
    and: Option<Vec<BuilderFilter>>,
    /// At least one of these matches; an empty list matches no builder.
    or: Option<Vec<BuilderFilter>>,
    /// This does not match. Every builder matches either a filter or its `not`.
    not: Option<Box<BuilderFilter>>,
}

impl From<BuilderFilter> for Filter<BuilderField> {
    fn from(f: BuilderFilter) -> Self {
        let mut conditions = Conditions::new();
        conditions.test_int(BuilderField::Builderid, f.builderid);
        conditions.test_text(BuilderField::Name, f.name);
        conditions.test_list(BuilderField::Tags, f.tags);
        conditions.combine(f.and, f.or, f.not);
        conditions.into_filter()
    }
}
