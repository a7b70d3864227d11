//! The paths of the document, and their operations.

use utoipa::openapi::{
    Content, HttpMethod, ObjectBuilder, PathItem, Paths, PathsBuilder, Ref, RefOr, Required,
    ResponseBuilder, Schema, Type,
    path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
};

use crate::http::rest::{
    build, builder,
    openapi::{error::with_errors, parameter::parameter_names, schema::object},
    response::MEDIA,
    step,
};

/// Every path, what it answers, and whether that is a collection.
const PATHS: [(&str, &str, bool); 12] = [
    ("/steps/{stepid}", "steps", false),
    ("/builds", "builds", true),
    ("/builds/{buildid}", "builds", false),
    ("/builds/{buildid}/steps", "steps", true),
    (
        "/builds/{buildid}/steps/{step_number_or_name}",
        "steps",
        false,
    ),
    ("/builders", "builders", true),
    ("/builders/{builderid_or_buildername}", "builders", false),
    (
        "/builders/{builderid_or_buildername}/builds",
        "builds",
        true,
    ),
    (
        "/builders/{builderid_or_buildername}/builds/{build_number}",
        "builds",
        false,
    ),
    (
        "/builders/{builderid_or_buildername}/builds/{build_number}/steps",
        "steps",
        true,
    ),
    (
        "/builders/{builderid_or_buildername}/builds/{build_number}/steps/{step_number_or_name}",
        "steps",
        false,
    ),
    ("/openapi.json", "", false),
];

/// The variable elements of paths.
const ELEMENTS: [(&str, Type, &str); 5] = [
    ("stepid", Type::Integer, "The id of a step"),
    ("buildid", Type::Integer, "The id of a build"),
    (
        "build_number",
        Type::Integer,
        "The number of a build within its builder",
    ),
    (
        "builderid_or_buildername",
        Type::String,
        "The id of a builder, or its name; what can be read as a number is an id",
    ),
    (
        "step_number_or_name",
        Type::String,
        "The number of a step within its build, or its name; ASCII digits are a number",
    ),
];

/// Every path with its operations.
pub(crate) fn paths() -> Paths {
    let mut paths = PathsBuilder::new();
    for (path, plural, is_collection) in PATHS {
        let operation = || operation(path, plural, is_collection);
        let mut item = PathItem::new(HttpMethod::Get, operation());
        item.merge_operations(PathItem::new(HttpMethod::Head, operation()));
        paths = paths.path(path, item);
    }
    paths.build()
}

/// The parameters for elements of paths, by name.
pub(crate) fn element_parameters() -> Vec<(String, Parameter)> {
    let parameter = |(name, kind, description): (&str, Type, &str)| {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(description))
            .schema(Some(ObjectBuilder::new().schema_type(kind)));
        (name.to_owned(), parameter.build())
    };
    ELEMENTS.map(parameter).into()
}

fn operation(path: &str, plural: &str, is_collection: bool) -> OperationBuilder {
    let elements = ELEMENTS
        .iter()
        .map(|(name, ..)| (*name).to_owned())
        .filter(|name| path.contains(&format!("{{{name}}}")));
    let (schema, parameters): (RefOr<Schema>, Vec<String>) = match plural {
        "builders" => (
            Ref::from_schema_name("Builders").into(),
            parameter_names(&builder::RESOURCE, is_collection),
        ),
        "builds" => (
            Ref::from_schema_name("Builds").into(),
            parameter_names(&build::RESOURCE, is_collection),
        ),
        "steps" => (
            Ref::from_schema_name("Steps").into(),
            parameter_names(&step::RESOURCE, is_collection),
        ),
        _ => (object().into(), Vec::new()),
    };
    let mut operation = OperationBuilder::new();
    for name in elements.chain(parameters) {
        operation = operation.parameter_ref(Ref::new(format!("#/components/parameters/{name}")));
    }
    let found = ResponseBuilder::new()
        .description("What was asked for")
        .content(MEDIA, Content::new(Some(schema)));
    with_errors(operation.response("200", found))
}
