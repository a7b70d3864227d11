//! Paths: split on `/` first, then each element percent-decoded, then matched against the few forms there are.

use percent_encoding::percent_decode_str;

use crate::{domain::step::NameOrNumber, http::rest::response::RestError};

/// The number in a path element. One that no row can have is no error: there is just nothing there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathNumber {
    /// As it was written.
    pub(crate) text: String,
    /// Its value, where a row can have it.
    pub(crate) value: Option<i32>,
}

/// A builder by id or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BuilderRef {
    Id(PathNumber),
    Name(String),
}

/// A build by id, or by its builder and its number there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BuildRef {
    Id(PathNumber),
    Of(BuilderRef, PathNumber),
}

/// A step by id, or by its build and its number or name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StepRef {
    Id(PathNumber),
    Of(BuildRef, StepInBuild),
}

/// `{step_number_or_name}`; none where no row can have such a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StepInBuild {
    /// As it was written.
    pub(crate) text: String,
    pub(crate) which: Option<NameOrNumber>,
}

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResourcePath {
    Builders,
    Builder(BuilderRef),
    Builds(Option<BuilderRef>),
    Build(BuildRef),
    Steps(BuildRef),
    Step(StepRef),
    /// The description of all this.
    OpenApi,
}

impl PathNumber {
    /// ASCII digits with an optional sign.
    fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| Self {
            text: text.to_owned(),
            value: text.parse().ok(),
        })
    }
}

impl BuilderRef {
    /// A number wins.
    fn read(text: &str) -> Self {
        PathNumber::read(text).map_or_else(|| Self::Name(text.to_owned()), Self::Id)
    }
}

impl StepInBuild {
    /// ASCII digits are a number, anything else is a name; but a path that ends in a slash names nothing.
    fn read(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self {
            text: text.to_owned(),
            which: NameOrNumber::parse(text).ok(),
        })
    }
}

/// What the path of a request, as it came, asks for.
///
/// # Errors
/// 404 for any other form, 400 where an element is not UTF-8.
pub(crate) fn read(raw: &str) -> Result<ResourcePath, RestError> {
    let unknown = || RestError::no_path(raw);
    let mut elements = raw
        .strip_prefix("/api/")
        .ok_or_else(unknown)?
        .split('/')
        .map(|element| percent_decode_str(element).decode_utf8())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| RestError::bad("the path is not UTF-8"))?;
    if !matches!(&*elements.remove(0), "v2" | "latest") {
        return Err(unknown());
    }
    let elements: Vec<&str> = elements.iter().map(AsRef::as_ref).collect();
    matched(&elements).ok_or_else(unknown)
}

fn matched(elements: &[&str]) -> Option<ResourcePath> {
    let build = |id| Some(BuildRef::Id(PathNumber::read(id)?));
    let build_of = |b, n| Some(BuildRef::Of(BuilderRef::read(b), PathNumber::read(n)?));
    let step = |build, step| {
        Some(ResourcePath::Step(StepRef::Of(
            build,
            StepInBuild::read(step)?,
        )))
    };
    match *elements {
        ["openapi.json"] => Some(ResourcePath::OpenApi),
        ["steps", id] => Some(ResourcePath::Step(StepRef::Id(PathNumber::read(id)?))),
        ["builds"] => Some(ResourcePath::Builds(None)),
        ["builds", id] => Some(ResourcePath::Build(build(id)?)),
        ["builds", id, "steps"] => Some(ResourcePath::Steps(build(id)?)),
        ["builds", id, "steps", s] => step(build(id)?, s),
        ["builders"] => Some(ResourcePath::Builders),
        ["builders", b] => Some(ResourcePath::Builder(BuilderRef::read(b))),
        ["builders", b, "builds"] => Some(ResourcePath::Builds(Some(BuilderRef::read(b)))),
        ["builders", b, "builds", n] => Some(ResourcePath::Build(build_of(b, n)?)),
        ["builders", b, "builds", n, "steps"] => Some(ResourcePath::Steps(build_of(b, n)?)),
        ["builders", b, "builds", n, "steps", s] => step(build_of(b, n)?, s),
        _ => None,
    }
}
