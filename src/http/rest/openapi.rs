//! The OpenAPI document, made from the tables that requests are parsed with, so that the two cannot
//! disagree.

pub(crate) mod error;
pub(crate) mod parameter;
pub(crate) mod path;
pub(crate) mod schema;

use std::sync::LazyLock;

use serde_json::{Value, json};
use utoipa::openapi::{
    Components, ComponentsBuilder, InfoBuilder, OpenApiBuilder, ServerBuilder,
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

use crate::http::rest::{
    build, builder, log, log_chunk,
    openapi::{
        error::{error_responses, error_schema},
        parameter::{page_parameters, resource_parameters},
        path::{element_parameters, paths},
        schema::{list_schema, meta_schema, row_schemas},
    },
    step,
};

/// The document.
pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

fn document() -> Value {
    let info = InfoBuilder::new()
        .title("Buildbot's builders, builds, steps and logs")
        .description(Some(
            "The data API of Buildbot, read-only. /api/latest is the same as /api/v2. \
             Dates are seconds since 1970.",
        ))
        .version(env!("CARGO_PKG_VERSION"));
    // Either of the two: the empty one stands for no token, since many servers let anyone read.
    let security = [
        SecurityRequirement::default(),
        SecurityRequirement::new("bearerAuth", Vec::<String>::new()),
    ];
    let document = OpenApiBuilder::new()
        .security(Some(security))
        .info(info)
        .servers(Some([ServerBuilder::new().url("/api/v2").build()]))
        .paths(paths())
        .components(Some(components()))
        .build();
    json!(document)
}

/// What the paths refer to by name.
fn components() -> Components {
    let mut components = ComponentsBuilder::new()
        .schema("Meta", meta_schema())
        .schema("Problem", error_schema());
    for (name, schema) in row_schemas() {
        components = components.schema(name, schema);
    }
    for (name, plural) in [
        ("Builder", "builders"),
        ("Build", "builds"),
        ("Step", "steps"),
        ("Log", "logs"),
        ("LogChunk", "logchunks"),
    ] {
        components = components.schema(format!("{name}s"), list_schema(plural, name));
    }
    for (name, response) in error_responses() {
        components = components.response(name, response);
    }
    let parameters = [
        element_parameters(),
        resource_parameters(&builder::RESOURCE),
        resource_parameters(&build::RESOURCE),
        resource_parameters(&step::RESOURCE),
        resource_parameters(&log::RESOURCE),
        resource_parameters(&log_chunk::RESOURCE),
        page_parameters(),
    ];
    for (name, parameter) in parameters.into_iter().flatten() {
        components = components.parameter(name, parameter);
    }
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A token of this server, or a JWT of its identity provider",
        ));
    components
        .security_scheme("bearerAuth", SecurityScheme::Http(token.build()))
        .build()
}
