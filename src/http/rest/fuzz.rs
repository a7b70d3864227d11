//! Paths and the query language, given anything.

use std::fmt::Debug;

use axum::{http::StatusCode, response::IntoResponse};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    domain::error::{Error, ErrorCode},
    http::rest::{
        build, builder,
        path::{self, BuildRef, BuilderRef, ResourcePath, StepRef},
        query::{CONTROLS, Parameters, Resource, RestQuery},
        step,
    },
};

/// More than any message has to say, whatever was sent.
const LONGEST_MESSAGE: usize = 1_500;

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A path as it comes in a request line.
///
/// # Panics
/// What was understood is understood otherwise when it is written in another way.
pub fn path(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    match path::read(&format!("/api/v2/{text}")) {
        Ok(route) => {
            let again = format!("/api/latest/{}", written(&route));
            assert_eq!(path::read(&again).ok(), Some(route), "{again}");
        }
        Err(problem) => {
            let status = problem.into_response().status();
            assert!([StatusCode::NOT_FOUND, StatusCode::BAD_REQUEST].contains(&status));
        }
    }
}

/// The path of a route, with every character that could mean something in disguise.
fn written(route: &ResourcePath) -> String {
    let builder = |builder: &BuilderRef| match builder {
        BuilderRef::Id(number) => encoded(&number.text),
        BuilderRef::Name(name) => encoded(name),
    };
    let build = |build: &BuildRef| match build {
        BuildRef::Id(number) => format!("builds/{}", encoded(&number.text)),
        BuildRef::Of(of, number) => {
            format!("builders/{}/builds/{}", builder(of), encoded(&number.text))
        }
    };
    match route {
        ResourcePath::Builders => "builders".to_owned(),
        ResourcePath::Builder(of) => format!("builders/{}", builder(of)),
        ResourcePath::Builds(None) => "builds".to_owned(),
        ResourcePath::Builds(Some(of)) => format!("builders/{}/builds", builder(of)),
        ResourcePath::Build(of) => build(of),
        ResourcePath::Steps(of) => format!("{}/steps", build(of)),
        ResourcePath::Step(StepRef::Id(number)) => format!("steps/{}", encoded(&number.text)),
        ResourcePath::Step(StepRef::Of(of, step)) => {
            format!("{}/steps/{}", build(of), encoded(&step.text))
        }
        ResourcePath::OpenApi => "openapi.json".to_owned(),
    }
}

/// The part of a URL behind the question mark.
///
/// # Panics
/// What was understood is understood otherwise when it is written in another way, or gives more than it may.
pub fn query(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Ok(parameters) = Parameters::read(text) else {
        return;
    };
    let pairs = parameters
        .pairs()
        .map(|(n, v)| format!("{}={}", encoded(n), encoded(v)));
    let again = pairs.collect::<Vec<_>>().join(";");
    let again = Parameters::read(&again).expect("as many, and in UTF-8");
    assert_eq!(again, parameters, "{text}");
    both(&builder::NOUN, &parameters);
    both(&build::NOUN, &parameters);
    both(&step::NOUN, &parameters);
}

fn both<F: Copy + PartialEq + Debug>(noun: &'static Resource<F>, parameters: &Parameters) {
    const MAX: u64 = 10_000;
    let checked = |error: Error| {
        assert_eq!(error.code(), ErrorCode::BadUserInput);
        let text = error.to_string();
        assert!(text.len() < LONGEST_MESSAGE, "{text}");
    };
    match RestQuery::list(noun, parameters, MAX) {
        Ok(query) => {
            let args = &query.args;
            assert!(args.limit <= MAX);
            let fields: Vec<F> = args.order.iter().map(|(field, _)| *field).collect();
            for (i, field) in fields.iter().enumerate() {
                assert!(!fields[..i].contains(field), "{field:?} twice");
            }
            assert!(noun.order.iter().all(|field| fields.contains(field)));
        }
        Err(error) => checked(error),
    }
    match RestQuery::single(noun, parameters) {
        Ok(_) => assert!(parameters.pairs().all(|(name, _)| CONTROLS.contains(&name))),
        Err(error) => checked(error),
    }
}
