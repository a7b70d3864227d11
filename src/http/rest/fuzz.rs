//! Fuzz targets: paths and the query language, on arbitrary input.

use std::fmt::Debug;

use axum::{http::StatusCode, response::IntoResponse};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    domain::error::{Error, ErrorCode},
    http::rest::{
        build, builder,
        byte_range::ByteRange,
        log,
        parameters::{CONTROLS, Parameters},
        path::{BuildRef, BuilderRef, LogRef, LogTextForm, ResourcePath, StepRef},
        query::RestQuery,
        resource::Resource,
        step,
    },
};

/// Every message is shorter than this, in bytes, whatever was sent.
const MAX_MESSAGE: usize = 1_500;

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Parses a path as it comes in a request line.
///
/// # Panics
/// The same path in another spelling is parsed differently.
pub fn path(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    match ResourcePath::parse(&format!("/api/v2/{text}")) {
        Ok(path) => {
            let again = format!("/api/latest/{}", spell(&path));
            assert_eq!(ResourcePath::parse(&again).ok(), Some(path), "{again}");
        }
        Err(error) => {
            let status = error.into_response().status();
            assert!([StatusCode::NOT_FOUND, StatusCode::BAD_REQUEST].contains(&status));
        }
    }
}

/// Spells a path with every character escaped that could have a meaning.
fn spell(path: &ResourcePath) -> String {
    let builder = |builder: &BuilderRef| match builder {
        BuilderRef::Id(number) => encode(&number.text),
        BuilderRef::Name(name) => encode(name),
    };
    let build = |build: &BuildRef| match build {
        BuildRef::Id(number) => format!("builds/{}", encode(&number.text)),
        BuildRef::InBuilder(of, number) => {
            format!("builders/{}/builds/{}", builder(of), encode(&number.text))
        }
    };
    let step = |step: &StepRef| match step {
        StepRef::Id(number) => format!("steps/{}", encode(&number.text)),
        StepRef::InBuild(of, step) => format!("{}/steps/{}", build(of), encode(&step.text)),
    };
    let log = |log: &LogRef| match log {
        LogRef::Id(number) => format!("logs/{}", encode(&number.text)),
        LogRef::InStep(of, slug) => format!("{}/logs/{}", step(of), encode(slug)),
    };
    match path {
        ResourcePath::Builders => "builders".to_owned(),
        ResourcePath::Builder(of) => format!("builders/{}", builder(of)),
        ResourcePath::Builds(None) => "builds".to_owned(),
        ResourcePath::Builds(Some(of)) => format!("builders/{}/builds", builder(of)),
        ResourcePath::Build(of) => build(of),
        ResourcePath::Steps(of) => format!("{}/steps", build(of)),
        ResourcePath::Step(of) => step(of),
        ResourcePath::Logs(of) => format!("{}/logs", step(of)),
        ResourcePath::Log(of) => log(of),
        ResourcePath::LogText(of, LogTextForm::Contents) => format!("{}/contents", log(of)),
        ResourcePath::LogText(of, LogTextForm::Raw) => format!("{}/raw", log(of)),
        ResourcePath::LogText(of, LogTextForm::RawInline) => format!("{}/raw_inline", log(of)),
        ResourcePath::OpenApi => "openapi.json".to_owned(),
        ResourcePath::Root => String::new(),
    }
}

/// Parses the part of a URL after the question mark.
///
/// # Panics
/// The same query in another spelling is parsed differently, or a query exceeds a bound.
pub fn query(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Ok(parameters) = Parameters::parse(text) else {
        return;
    };
    let pairs = parameters
        .pairs()
        .map(|(n, v)| format!("{}={}", encode(n), encode(v)));
    let again = pairs.collect::<Vec<_>>().join(";");
    let again = Parameters::parse(&again).expect("as many, and in UTF-8");
    assert_eq!(again, parameters, "{text}");
    check_query(&builder::RESOURCE, &parameters);
    check_query(&build::RESOURCE, &parameters);
    check_query(&step::RESOURCE, &parameters);
    check_query(&log::RESOURCE, &parameters);
}

/// Reads the value of `Range`, and finds the bytes in files of several lengths.
///
/// # Panics
/// A byte lies outside of its file.
pub fn byte_range(data: &[u8]) {
    let Some(range) = str::from_utf8(data).ok().and_then(ByteRange::parse) else {
        return;
    };
    for bytes in [0, 1, 10, 1 << 20, u64::MAX] {
        if let Some((first, last)) = range.within(bytes) {
            assert!(first <= last && last < bytes, "{range:?} of {bytes}");
        }
    }
}

fn check_query<F: Copy + PartialEq + Debug>(
    resource: &'static Resource<F>,
    parameters: &Parameters,
) {
    const MAX: u64 = 10_000;
    let check_error = |error: Error| {
        assert_eq!(error.code(), ErrorCode::BadUserInput);
        let text = error.to_string();
        assert!(text.len() < MAX_MESSAGE, "{text}");
    };
    match RestQuery::list(resource, parameters, MAX) {
        Ok(query) => {
            let args = &query.args;
            assert!(args.limit <= MAX);
            let fields: Vec<F> = args.order.iter().map(|(field, _)| *field).collect();
            for (i, field) in fields.iter().enumerate() {
                assert!(!fields[..i].contains(field), "{field:?} twice");
            }
            assert!(resource.order.iter().all(|field| fields.contains(field)));
        }
        Err(error) => check_error(error),
    }
    match RestQuery::single(resource, parameters) {
        Ok(_) => assert!(parameters.pairs().all(|(name, _)| CONTROLS.contains(&name))),
        Err(error) => check_error(error),
    }
}
