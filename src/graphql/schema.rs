//! The types of the GraphQL schema, one file for each noun, and the schema built from their roots.

pub(crate) mod build;
pub(crate) mod builder;
pub(crate) mod builder_stats;
pub(crate) mod connection;
pub(crate) mod event;
pub(crate) mod event_run;
pub(crate) mod federation;
pub(crate) mod filter;
pub(crate) mod log;
pub(crate) mod log_lines;
pub(crate) mod log_tail;
pub(crate) mod mutation;
pub(crate) mod node;
pub(crate) mod order;
pub(crate) mod plain;
pub(crate) mod query;
pub(crate) mod representation;
pub(crate) mod results;
pub(crate) mod root;
pub(crate) mod scalar;
pub(crate) mod step;
pub(crate) mod subscription;
pub(crate) mod text;

use async_graphql::{
    ObjectType, SDLExportOptions, Schema, SchemaBuilder, SubscriptionType, ValidationMode,
};

use crate::graphql::schema::{
    mutation::Mutation, query::Query, root::Root, subscription::Subscription,
};

/// The executable schema.
pub(crate) type GraphqlSchema = Schema<Root<Query>, Mutation, Subscription>;

/// The schema, for canonical operations.
pub(crate) fn build_schema() -> SchemaBuilder<Root<Query>, Mutation, Subscription> {
    for_canonical_operations(Schema::build(Root(Query), Mutation, Subscription))
}

/// Lets a schema neither validate nor limit nor answer introspection: all of it is done before.
pub(crate) fn for_canonical_operations<Q, M, S>(
    schema: SchemaBuilder<Q, M, S>,
) -> SchemaBuilder<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    schema
        .validation_mode(ValidationMode::Fast)
        .limit_recursive_depth(usize::MAX)
        .disable_introspection()
}

/// The schema as text, sorted: what `schema.graphql` holds.
#[must_use]
pub fn sdl() -> String {
    sdl_of(&build_schema().finish())
}

/// The directives that a client may give and the library does not know. What they put off comes
/// with the first response, which the specification's draft allows.
const DIRECTIVES: &str = r#"
"""Allows the server to send a fragment later than the rest; this one sends it at once."""
directive @defer(
  """False: not to be deferred."""
  if: Boolean! = true
  """Names the fragment; unique among the labels of a document."""
  label: String
) on FRAGMENT_SPREAD | INLINE_FRAGMENT

"""Allows the server to send the rows of a list later than the rest; this one sends them at once."""
directive @stream(
  """False: not to be streamed."""
  if: Boolean! = true
  """Names the list; unique among the labels of a document."""
  label: String
  """How many rows the first response should have at least."""
  initialCount: Int! = 0
) on FIELD
"#;

/// What introspection says of the whole.
const DESCRIPTION: &str = "\
Buildbot's builders, builds, steps and logs: queries read them, mutations are Buildbot's update methods, and subscriptions \
(events, stepEvents) stream every change.
Lists come in pages of 50 rows, at most 500 (first, last), but a build's steps all at once, at most 10,000 (limit). \
A where holds at most 1,000 conditions and values, 20 deep. An operation is also limited in size, depth, cost and \
time, and a caller in its rate: an error LIMIT_EXCEEDED or RATE_LIMITED names the setting and its value.
Each error has a code in extensions.code.";

/// The text of a schema that was built already.
pub(crate) fn sdl_of(schema: &GraphqlSchema) -> String {
    // The values of enums stay unsorted: the order of `Results` is that of Buildbot's codes.
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .include_specified_by()
        .use_space_ident()
        .indent_width(2);
    let sdl = schema.sdl_with_options(options) + DIRECTIVES;
    let parsed = apollo_compiler::Schema::parse(sdl, "schema.graphql");
    let mut schema = parsed.unwrap_or_else(|invalid| invalid.partial);
    schema.schema_definition.make_mut().description = Some(DESCRIPTION.into());
    // Every server has these; the library prints them as if they were ours.
    let built_in = ["skip", "include", "deprecated", "specifiedBy", "oneOf"];
    schema
        .directive_definitions
        .retain(|name, _| !built_in.contains(&name.as_str()));
    schema.to_string()
}

#[cfg(test)]
mod tests {
    use apollo_compiler::{Schema as Parsed, ast::Type, schema::ExtendedType};
    use async_graphql::parser::types::SelectionSet;

    use super::{build::Build, builder::Builder, log::Log, plain::PlainObject, step::Step, *};

    /// The fields of an object that are not plain.
    fn others<T: PlainObject>() -> Vec<String> {
        let sdl = Parsed::parse(sdl(), "schema.graphql").expect("a schema");
        let Some(ExtendedType::Object(object)) = sdl.types.get(&*T::type_name()) else {
            panic!("no object: {}", T::type_name());
        };
        let set = SelectionSet::default();
        let is_other = |name: &str, ty: &Type| {
            let field = T::field(name, &set);
            assert!(field.is_none() || !ty.is_list() || name == "urls", "{name}");
            field.is_none()
        };
        let fields = object.fields.iter();
        let others = fields.filter(|(name, field)| is_other(name, &field.ty));
        let mut names: Vec<_> = others.map(|(name, _)| name.to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn all_that_a_row_has_is_plain() {
        let of_build = ["builder", "currentStep", "expectedCompleteAt", "steps"];
        assert_eq!(others::<Log>(), ["lines", "search", "step"]);
        assert_eq!(others::<Step>(), ["build", "log", "logs"]);
        assert_eq!(others::<Build>(), of_build);
        assert_eq!(others::<Builder>(), ["build", "builds", "stats", "tags"]);
    }
}
