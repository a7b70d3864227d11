//! The two operations that `watch` sends: a query of what there is, and the subscription to what
//! changes after it.

use serde::Deserialize;
use serde_json::{Value, from_value, json};

use crate::watch::row::{BuildRow, SnapshotRows, WatchedStep};

/// The most running builds that a snapshot reads: a page of the server.
const MOST_BUILDS: usize = 500;
/// How many steps of its one build it reads, the newest.
const MOST_STEPS: usize = 500;
/// How many builds of its one builder it reads beside those that run.
const NEWEST_BUILDS: usize = 10;

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WatchedPart {
    /// All that runs.
    Everything,
    /// The builder of this name.
    Builder(String),
    /// The build of this number of the builder of this name.
    Build(String, i64),
}

const STEP: &str = "number name stateString complete results startedAt completeAt";

fn build_fields(wants_expected: bool) -> String {
    let expected = if wants_expected {
        " expectedCompleteAt"
    } else {
        ""
    };
    format!(
        "buildid number builder {{ name }} stateString complete results startedAt completeAt{expected}"
    )
}

/// The query of a snapshot. Builds in `known` are read even if they have ended.
pub(crate) fn snapshot(part: &WatchedPart, wants_expected: bool, known: &[i64]) -> Value {
    let known = &known[..known.len().min(MOST_BUILDS)];
    let build = build_fields(wants_expected);
    let with_step = format!("{build} currentStep {{ {STEP} }}");
    let running = format!(
        "running: builds(first: {MOST_BUILDS}, where: {{ complete: false }}) {{ \
         nodes {{ {with_step} }} pageInfo {{ hasNextPage }} }}"
    );
    let lost = format!(
        "known: builds(first: {MOST_BUILDS}, where: {{ buildid: {{ in: $known }} }}) {{ nodes {{ {build} }} }}"
    );
    match part {
        WatchedPart::Everything => json!({
            "query": format!("query($known: [Int!]) {{ eventCursor {running} {lost} }}"),
            "variables": { "known": known },
        }),
        WatchedPart::Builder(name) => json!({
            "query": format!(
                "query($known: [Int!], $name: String!) {{ eventCursor builder(name: $name) {{ \
                 newest: builds(last: {NEWEST_BUILDS}) {{ nodes {{ {with_step} }} }} {running} }} {lost} }}"
            ),
            "variables": { "known": known, "name": name },
        }),
        WatchedPart::Build(name, number) => json!({
            "query": format!(
                "query($name: String!, $number: Int!) {{ eventCursor builder(name: $name) {{ \
                 build(number: $number) {{ {build} steps(limit: {MOST_STEPS}, \
                 orderBy: [{{ field: NUMBER, direction: DESC }}]) {{ {STEP} }} }} }} }}"
            ),
            "variables": { "name": name, "number": number },
        }),
    }
}

/// The subscription behind a cursor.
pub(crate) fn events(
    part: &WatchedPart,
    buildid: Option<i64>,
    wants_expected: bool,
    after: &str,
) -> Value {
    let build = build_fields(wants_expected);
    let query = format!(
        "subscription($after: EventCursor, $where: EventFilter) {{ events(after: $after, where: $where) {{ \
         __typename cursor kind occurredAt \
         ... on BuildEvent {{ build {{ {build} }} }} \
         ... on StepEvent {{ step {{ {STEP} build {{ buildid number builder {{ name }} }} }} }} }} }}"
    );
    let mut filter = json!({ "types": ["BUILD", "STEP"] });
    match part {
        WatchedPart::Everything => {}
        WatchedPart::Builder(name) => filter["builderName"] = json!(name),
        WatchedPart::Build(..) => filter["buildid"] = json!(buildid),
    }
    json!({ "query": query, "variables": { "after": after, "where": filter } })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadBuild {
    #[serde(flatten)]
    build: BuildRow,
    current_step: Option<WatchedStep>,
    #[serde(default)]
    steps: Vec<WatchedStep>,
}

/// Reads the answer of a snapshot.
///
/// # Errors
/// What was asked for is not there, or the answer is not what a server of ours sends.
pub(crate) fn read_snapshot(part: &WatchedPart, mut data: Value) -> Result<SnapshotRows, String> {
    let builder = data["builder"].take();
    let mut lists = vec![data["running"].take(), data["known"].take()];
    match part {
        WatchedPart::Everything => {}
        WatchedPart::Builder(name) | WatchedPart::Build(name, _) if builder.is_null() => {
            return Err(format!(
                "--builder {name:?}: the server has no builder of this name"
            ));
        }
        WatchedPart::Builder(_) => {
            lists.extend([builder["newest"].clone(), builder["running"].clone()]);
        }
        WatchedPart::Build(name, number) if builder["build"].is_null() => {
            return Err(format!(
                "--build {number}: the builder {name:?} has no build of this number"
            ));
        }
        WatchedPart::Build(..) => lists.push(json!({ "nodes": [builder["build"]] })),
    }
    let mut rows = SnapshotRows::default();
    for mut list in lists {
        rows.has_more |= list["pageInfo"]["hasNextPage"] == true;
        let nodes = list["nodes"].take();
        if nodes.is_null() {
            continue;
        }
        let builds: Vec<ReadBuild> = from_value(nodes).map_err(|e| e.to_string())?;
        rows.builds.extend(builds.into_iter().map(|read| {
            let steps = read.current_step.into_iter().chain(read.steps);
            (read.build, steps.collect())
        }));
    }
    Ok(rows)
}
