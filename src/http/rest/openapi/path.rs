//! The paths of the document, and their operations.

use utoipa::openapi::{
    Content, HttpMethod, ObjectBuilder, PathItem, Paths, PathsBuilder, Ref, RefOr, Required,
    ResponseBuilder, Schema, Type,
    path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
};

use crate::http::rest::{
    build, builder, log, log_chunk,
    openapi::{
        error::with_errors,
        parameter::parameter_names,
        schema::{object, text},
    },
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

/// Stands for the answer of a path that is no JSON.
const RAW: &str = "raw";

/// The paths of one step, whose logs are below it.
const STEP_PATHS: [&str; 3] = [
    "/steps/{stepid}",
    "/builds/{buildid}/steps/{step_number_or_name}",
    "/builders/{builderid_or_buildername}/builds/{build_number}/steps/{step_number_or_name}",
];

/// The variable elements of paths.
const ELEMENTS: [(&str, Type, &str); 7] = [
    ("logid", Type::Integer, "The id of a log"),
    (
        "log_slug",
        Type::String,
        "What a log is called within its step, such as `stdio`",
    ),
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
    let known = PATHS.map(|(path, plural, is_collection)| (path.to_owned(), plural, is_collection));
    for (path, plural, is_collection) in known.into_iter().chain(log_paths()) {
        let operation = || operation(&path, plural, is_collection);
        let mut item = PathItem::new(HttpMethod::Get, operation());
        item.merge_operations(PathItem::new(HttpMethod::Head, operation()));
        paths = paths.path(&path, item);
    }
    paths.build()
}

/// The paths of logs and their texts, each with what it answers and whether that is a collection.
fn log_paths() -> Vec<(String, &'static str, bool)> {
    let mut paths = Vec::new();
    let mut logs = vec!["/logs/{logid}".to_owned()];
    for step in STEP_PATHS {
        paths.push((format!("{step}/logs"), "logs", true));
        logs.push(format!("{step}/logs/{{log_slug}}"));
    }
    for log in logs {
        paths.push((format!("{log}/contents"), "logchunks", false));
        paths.push((format!("{log}/raw"), RAW, false));
        paths.push((format!("{log}/raw_inline"), RAW, false));
        paths.push((log, "logs", false));
    }
    paths
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
    if plural == RAW {
        return file_operation(elements);
    }
    let (schema, parameters): (RefOr<Schema>, Vec<String>) = match plural {
        "logs" => (
            Ref::from_schema_name("Logs").into(),
            parameter_names(&log::RESOURCE, is_collection),
        ),
        "logchunks" => (
            Ref::from_schema_name("LogChunks").into(),
            parameter_names(&log_chunk::RESOURCE, is_collection),
        ),
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

/// The operation of a path that answers with a log as a file.
fn file_operation(elements: impl Iterator<Item = String>) -> OperationBuilder {
    let mut operation = OperationBuilder::new();
    for name in elements {
        operation = operation.parameter_ref(Ref::new(format!("#/components/parameters/{name}")));
    }
    let file = |description: &str| {
        ResponseBuilder::new()
            .description(description)
            .content("text/plain", Content::new(Some(text())))
            .content("text/html", Content::new(Some(text())))
    };
    let without = |description: &str| ResponseBuilder::new().description(description);
    let operation = operation
        .response("200", file("The whole log"))
        .response("206", file("The bytes that Range asks for"))
        .response("304", without("It is still what If-None-Match names"))
        .response(
            "416",
            without("The log has none of the bytes that Range asks for"),
        );
    with_errors(operation)
}
