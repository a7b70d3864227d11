//! The types of the schema, one file each.

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

use crate::graphql::schema::{
    mutation::Mutation, query::Query, root::Root, subscription::Subscription,
};

/// The schema that executes.
pub(crate) type GraphqlSchema = Schema<Root<Query>, Root<Mutation>, Root<Subscription>>;

/// Begins to build the schema.
pub(crate) fn build_schema() -> SchemaBuilder<Root<Query>, Root<Mutation>, Root<Subscription>> {
    Schema::build(Root(Query), Root(Mutation), Root(Subscription))
}

/// The schema as text, sorted: what `schema.graphql` holds.
#[must_use]
pub fn sdl() -> String {
    // Not the values of enums: the order of `Results` is that of Buildbot's codes.
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
