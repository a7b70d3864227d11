//! The types of the GraphQL schema, one file for each noun, and the schema built from their roots.

pub(crate) mod build;
pub(crate) mod builder;
pub(crate) mod connection;
pub(crate) mod event;
pub(crate) mod filter;
pub(crate) mod mutation;
pub(crate) mod node;
pub(crate) mod order;
pub(crate) mod query;
pub(crate) mod results;
pub(crate) mod root;
pub(crate) mod scalar;
pub(crate) mod step;
pub(crate) mod subscription;

use async_graphql::{SDLExportOptions, Schema, SchemaBuilder};

use crate::{
    config::limit::LimitConfig,
    graphql::schema::{mutation::Mutation, query::Query, root::Root, subscription::Subscription},
};

/// The executable schema.
pub(crate) type GraphqlSchema = Schema<Root<Query>, Root<Mutation>, Root<Subscription>>;
type GraphqlSchemaBuilder = SchemaBuilder<Root<Query>, Root<Mutation>, Root<Subscription>>;

/// The schema without limits.
pub(crate) fn build_schema() -> GraphqlSchemaBuilder {
    Schema::build(Root(Query), Root(Mutation), Root(Subscription))
}

/// The schema with the operator's limits.
pub(crate) fn build_limited_schema(limits: &LimitConfig) -> GraphqlSchemaBuilder {
    let max_nesting = usize::try_from(limits.max_nesting).unwrap_or(usize::MAX);
    // The library's default of 32 would reject documents that `--max-nesting` allows.
    let schema = build_schema().limit_recursive_depth(max_nesting);
    if limits.no_introspection {
        // A suggestion in an error would name types and fields too.
        schema.disable_introspection().disable_suggestions()
    } else {
        schema
    }
}

/// The schema as text, sorted: what `schema.graphql` holds.
#[must_use]
pub fn sdl() -> String {
    // The values of enums stay unsorted: the order of `Results` is that of Buildbot's codes.
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .include_specified_by()
        .use_space_ident()
        .indent_width(2);
    let sdl = build_schema().finish().sdl_with_options(options);
    let lines: Vec<&str> = sdl.trim().lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}
