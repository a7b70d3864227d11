//! The shapes on the wire. They are separate from the GraphQL types, so that a change of those does
//! not break REST.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::store::{build, build_property, builder, log, step, unchecked_int::UncheckedInt};

/// A builder.
#[derive(Serialize, ToSchema)]
#[schema(as = Builder)]
pub(crate) struct BuilderView {
    /// The unique ID of this builder.
    builderid: i32,
    description: Option<String>,
    description_format: Option<String>,
    description_html: Option<String>,
    /// The running masters that have this builder; empty where the database is not Buildbot's.
    masterids: Vec<i32>,
    name: String,
    projectid: Option<i32>,
    tags: Vec<String>,
}

/// A build.
#[derive(Serialize, ToSchema)]
#[schema(as = Build)]
pub(crate) struct BuildView {
    builderid: i32,
    /// The unique ID of this build.
    buildid: i32,
    /// Null where the database is not Buildbot's.
    buildrequestid: Option<i32>,
    /// There is a time of completion.
    complete: bool,
    /// In seconds since 1970, as every time.
    complete_at: Option<i64>,
    /// For how many seconds its steps have waited for locks.
    locks_duration_s: i32,
    /// Null where the database is not Buildbot's.
    masterid: Option<i32>,
    /// Sequential within the builder, from 1.
    number: i32,
    /// Value and source by name, for the names that `property` gives, `*` being all.
    #[schema(value_type = BTreeMap<String, Vec<Value>>)]
    properties: BTreeMap<String, (Value, String)>,
    /// 0 to 6 as Buildbot's codes; another program may have stored any number.
    results: Option<i64>,
    started_at: Option<i64>,
    state_string: String,
    workerid: Option<i32>,
}

/// A step.
#[derive(Serialize, ToSchema)]
#[schema(as = Step)]
pub(crate) struct StepView {
    buildid: i32,
    /// There is a time of completion.
    complete: bool,
    /// In seconds since 1970, as every time.
    complete_at: Option<i64>,
    /// The step should not be displayed.
    hidden: bool,
    locks_acquired_at: Option<i64>,
    name: String,
    /// Sequential within the build, from 0.
    number: i32,
    /// 0 to 6 as Buildbot's codes; another program may have stored any number.
    results: Option<i64>,
    started_at: Option<i64>,
    state_string: String,
    /// The unique ID of this step.
    stepid: i32,
    urls: Vec<UrlView>,
}

/// A log of a step.
#[derive(Serialize, ToSchema)]
#[schema(as = Log)]
pub(crate) struct LogView {
    /// No line will follow.
    complete: bool,
    /// The unique ID of this log.
    logid: i32,
    name: String,
    num_lines: i32,
    /// Unique within the step.
    slug: String,
    stepid: i32,
    /// `s` output with streams, `t` text, `h` HTML, `d` deleted: the lines are gone.
    r#type: String,
}

/// A part of a log's text.
#[derive(Serialize, ToSchema)]
#[schema(as = LogChunk)]
pub(crate) struct LogChunkView {
    /// The lines, each with its end; those of a log of type `s` begin with `o`, `e` or `h` for the
    /// stream.
    pub(crate) content: String,
    /// The number of the first line, from 0.
    pub(crate) firstline: i32,
    pub(crate) logid: i32,
}

/// A link of a step. Both are texts, but whatever else is stored is passed on.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Url)]
pub(crate) struct UrlView {
    name: Value,
    url: Value,
}

fn int(column: Option<&UncheckedInt>) -> Option<i64> {
    column.and_then(UncheckedInt::int)
}

impl BuilderView {
    pub(crate) fn new(row: builder::Model, masterids: Vec<i32>, tags: Vec<String>) -> Self {
        Self {
            builderid: row.id.0,
            description: row.description,
            description_format: row.description_format,
            description_html: row.description_html,
            masterids,
            name: row.name,
            projectid: row.projectid,
            tags,
        }
    }
}

impl BuildView {
    /// A property whose value is not JSON is left out, and `report_invalid` called.
    pub(crate) fn new(
        row: build::Model,
        properties: Vec<build_property::Model>,
        report_invalid: impl Fn(),
    ) -> Self {
        let parse = |property: build_property::Model| {
            let value = serde_json::from_str(&property.value);
            let value = value.inspect_err(|_| report_invalid()).ok()?;
            Some((property.name, (value, property.source)))
        };
        Self {
            builderid: row.builderid.0,
            buildid: row.id.0,
            buildrequestid: row.buildrequestid,
            complete: row.complete_at.is_some(),
            complete_at: int(row.complete_at.as_ref()),
            locks_duration_s: row.locks_duration_s,
            masterid: row.masterid,
            number: row.number,
            properties: properties.into_iter().filter_map(parse).collect(),
            results: int(row.results.as_ref()),
            started_at: row.started_at.int(),
            state_string: row.state_string,
            workerid: row.workerid,
        }
    }
}

impl LogView {
    pub(crate) fn new(row: log::Model) -> Self {
        Self {
            complete: row.is_complete(),
            logid: row.id.0,
            name: row.name,
            num_lines: row.num_lines,
            slug: row.slug,
            stepid: row.stepid.0,
            r#type: row.letter,
        }
    }
}

impl StepView {
    /// Where no list of urls is stored there are none, and `report_invalid` is called.
    pub(crate) fn new(row: step::Model, report_invalid: impl FnOnce()) -> Self {
        let urls = serde_json::from_str(&row.urls_json).unwrap_or_else(|_| {
            report_invalid();
            Vec::new()
        });
        Self {
            buildid: row.buildid.0,
            complete: row.complete_at.is_some(),
            complete_at: int(row.complete_at.as_ref()),
            hidden: row.is_hidden(),
            locks_acquired_at: int(row.locks_acquired_at.as_ref()),
            name: row.name,
            number: row.number,
            results: int(row.results.as_ref()),
            started_at: int(row.started_at.as_ref()),
            state_string: row.state_string,
            stepid: row.id.0,
            urls,
        }
    }
}
