//! What the server says of a build and a step, as far as it is shown.

use serde::{Deserialize, Deserializer};

use crate::domain::time;

/// A build.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BuildRow {
    pub(crate) buildid: i64,
    pub(crate) number: i64,
    pub(crate) builder: BuilderName,
    pub(crate) state_string: String,
    pub(crate) complete: bool,
    pub(crate) results: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    pub(crate) started_at: Option<i64>,
    #[serde(default, deserialize_with = "seconds")]
    pub(crate) complete_at: Option<i64>,
    /// When it should be complete; asked for where it is shown.
    #[serde(default, deserialize_with = "seconds")]
    pub(crate) expected_complete_at: Option<i64>,
}

/// The builder of a build.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct BuilderName {
    pub(crate) name: String,
}

impl BuildRow {
    /// Whether a line of both would say the same.
    pub(crate) fn reads_as(&self, other: &Self) -> bool {
        let shown = |row: &Self| (row.complete, row.started_at, row.complete_at);
        let texts = self.state_string == other.state_string && self.results == other.results;
        texts && shown(self) == shown(other)
    }
}

/// A step.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WatchedStep {
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) state_string: String,
    pub(crate) complete: bool,
    pub(crate) results: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    pub(crate) started_at: Option<i64>,
    #[serde(default, deserialize_with = "seconds")]
    pub(crate) complete_at: Option<i64>,
}

/// Which build a step's event is of.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StepBuild {
    pub(crate) buildid: i64,
    pub(crate) number: i64,
    pub(crate) builder: BuilderName,
}

/// A change, as the feed sends it.
#[derive(Debug)]
pub(crate) struct HeardEvent {
    /// When it happened, as the server writes it.
    pub(crate) at: String,
    pub(crate) kind: String,
    pub(crate) object: HeardObject,
}

/// What it left.
#[derive(Debug)]
pub(crate) enum HeardObject {
    Build(BuildRow),
    Step(WatchedStep, StepBuild),
}

/// What there is, as a snapshot reads it.
#[derive(Debug, Default)]
pub(crate) struct SnapshotRows {
    pub(crate) builds: Vec<(BuildRow, Vec<WatchedStep>)>,
    /// Whether more builds run than were asked for.
    pub(crate) has_more: bool,
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.as_deref().and_then(time::parse))
}
