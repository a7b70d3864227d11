//! Which builders a `where` asks for, and the translation into `domain::filter`.

use async_graphql::InputObject;

use crate::{
    domain::{builder::BuilderField, filter::Filter},
    graphql::schema::filter::{
        conditions::Conditions,
        operators::{IntFilter, StringFilter, StringListFilter},
    },
};

/// Which builders. All given conditions hold together; an empty input matches every builder.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct BuilderFilter {
    builderid: Option<IntFilter>,
    name: Option<StringFilter>,
    tags: Option<StringListFilter>,
    and: Option<Vec<BuilderFilter>>,
    or: Option<Vec<BuilderFilter>>,
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
