//! Paths: split on `/`, then each element percent-decoded, then matched against the few forms there
//! are. So a builder's name can contain a slash, as `%2F`.

use percent_encoding::percent_decode_str;

use crate::{domain::step::NameOrNumber, http::rest::response::RestError};

/// The number in a path element. A number that no row can have is not an error: it finds nothing.
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
    InBuilder(BuilderRef, PathNumber),
}

/// A step by id, or by its build and its number or name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StepRef {
    Id(PathNumber),
    InBuild(BuildRef, StepElement),
}

/// A log by id, or by its step and its slug there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogRef {
    Id(PathNumber),
    InStep(StepRef, String),
}

/// How the text of a log is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogTextForm {
    /// As JSON, a part of it if asked.
    Contents,
    /// As a file to be kept.
    Raw,
    /// As a file to be shown.
    RawInline,
}

/// The element `{step_number_or_name}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StepElement {
    /// As it was written.
    pub(crate) text: String,
    /// `None` where no row can have such a number.
    pub(crate) name_or_number: Option<NameOrNumber>,
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
    Logs(StepRef),
    Log(LogRef),
    LogText(LogRef, LogTextForm),
    /// The description of all this.
    OpenApi,
    /// Nothing but the version, with a slash or without.
    Root,
}

impl PathNumber {
    /// ASCII digits with an optional sign.
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| Self {
            text: text.to_owned(),
            value: text.parse().ok(),
        })
    }
}

impl BuilderRef {
    /// What can be read as a number is an id.
    fn parse(text: &str) -> Self {
        PathNumber::parse(text).map_or_else(|| Self::Name(text.to_owned()), Self::Id)
    }
}

impl StepElement {
    /// ASCII digits are a number and anything else is a name; an empty element is neither.
    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self {
            text: text.to_owned(),
            name_or_number: NameOrNumber::parse(text).ok(),
        })
    }
}

impl ResourcePath {
    /// Parses the path of a request as it came.
    ///
    /// # Errors
    /// 404 for any other form, 400 where an element is not UTF-8.
    pub(crate) fn parse(raw: &str) -> Result<Self, RestError> {
        let unknown = || RestError::unknown_path(raw);
        let mut elements = raw
            .strip_prefix("/api/")
            .ok_or_else(unknown)?
            .split('/')
            .map(|element| percent_decode_str(element).decode_utf8())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| RestError::bad_request("the path is not UTF-8"))?;
        // `split` yields at least one element, so there is one to remove.
        if !matches!(&*elements.remove(0), "v2" | "latest") {
            return Err(unknown());
        }
        let elements: Vec<&str> = elements.iter().map(AsRef::as_ref).collect();
        Self::from_elements(&elements).ok_or_else(unknown)
    }

    fn from_elements(elements: &[&str]) -> Option<Self> {
        let build = |id| Some(BuildRef::Id(PathNumber::parse(id)?));
        let numbered = |builder, number| {
            let number = PathNumber::parse(number)?;
            Some(BuildRef::InBuilder(BuilderRef::parse(builder), number))
        };
        let step = |build, step| {
            let step = StepElement::parse(step)?;
            Some(Self::Step(StepRef::InBuild(build, step)))
        };
        match *elements {
            [] | [""] => Some(Self::Root),
            ["openapi.json"] => Some(Self::OpenApi),
            ["steps", id] => Some(Self::Step(StepRef::Id(PathNumber::parse(id)?))),
            ["builds"] => Some(Self::Builds(None)),
            ["builds", id] => Some(Self::Build(build(id)?)),
            ["builds", id, "steps"] => Some(Self::Steps(build(id)?)),
            ["builds", id, "steps", s] => step(build(id)?, s),
            ["builders"] => Some(Self::Builders),
            ["builders", b] => Some(Self::Builder(BuilderRef::parse(b))),
            ["builders", b, "builds"] => Some(Self::Builds(Some(BuilderRef::parse(b)))),
            ["builders", b, "builds", n] => Some(Self::Build(numbered(b, n)?)),
            ["builders", b, "builds", n, "steps"] => Some(Self::Steps(numbered(b, n)?)),
            ["builders", b, "builds", n, "steps", s] => step(numbered(b, n)?, s),
            _ => Self::from_log_elements(elements),
        }
    }

    /// The logs of a step, one of them, or its text.
    fn from_log_elements(elements: &[&str]) -> Option<Self> {
        let step = |elements| match Self::from_elements(elements)? {
            Self::Step(step) => Some(step),
            _ => None,
        };
        if let [log @ .., form] = elements
            && let Some(form) = LogTextForm::parse(form)
            && let Some(Self::Log(log)) = Self::from_log_elements(log)
        {
            return Some(Self::LogText(log, form));
        }
        match elements {
            ["logs", id] => Some(Self::Log(LogRef::Id(PathNumber::parse(id)?))),
            [of @ .., "logs"] => Some(Self::Logs(step(of)?)),
            [of @ .., "logs", slug] => {
                Some(Self::Log(LogRef::InStep(step(of)?, (*slug).to_owned())))
            }
            _ => None,
        }
    }
}

impl LogTextForm {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "contents" => Some(Self::Contents),
            "raw" => Some(Self::Raw),
            "raw_inline" => Some(Self::RawInline),
            _ => None,
        }
    }
}
