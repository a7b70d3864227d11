//! The reference: statistics in plain Rust, over rows read by plain SQL.

use buildbot_graphql::testing::format_time;
use serde_json::{Value, json};

use crate::support::sql::Sql;

const RESULTS: [&str; 7] = [
    "SUCCESS",
    "WARNINGS",
    "FAILURE",
    "SKIPPED",
    "EXCEPTION",
    "RETRY",
    "CANCELLED",
];

pub(super) struct Reference {
    builds: Vec<Value>,
    steps: Vec<Value>,
}

/// The seconds between two times of a row.
fn seconds(row: &Value, from: &str, to: &str) -> Option<i64> {
    let seconds = i128::from(row[to].as_i64()?) - i128::from(row[from].as_i64()?);
    let seconds = i32::try_from(seconds).ok()?;
    (seconds >= 0).then_some(seconds.into())
}

/// The least value that at least so many percent of all are not above.
fn percentile(values: &[i64], percent: usize) -> Option<i64> {
    let reaches = |limit: &&i64| {
        let below = values.iter().filter(|value| value <= limit).count();
        below * 100 >= percent * values.len()
    };
    values.iter().filter(reaches).min().copied()
}

fn is_code(row: &Value, codes: &[i64]) -> bool {
    row["results"]
        .as_i64()
        .is_some_and(|code| codes.contains(&code))
}

/// A number as the client reads it, which is not always the nearest double.
fn parsed(number: f64) -> Value {
    serde_json::from_str(&json!(number).to_string()).unwrap()
}

impl Reference {
    pub(super) async fn read(sql: &Sql) -> Self {
        let builds = "SELECT json_object('id', id, 'builderid', builderid, 'number', number, 'started', started_at, \
                      'complete', complete_at, 'results', results) AS json FROM builds ORDER BY id";
        let steps = "SELECT json_object('id', id, 'build', buildid, 'number', number, 'name', name, 'started', started_at, \
                     'locks', locks_acquired_at, 'complete', complete_at, 'results', results) AS json FROM steps";
        Self {
            builds: sql.rows(builds).await,
            steps: sql.rows(steps).await,
        }
    }

    /// The complete builds of a builder from the newest on.
    fn newest(&self, builder: i64) -> Vec<&Value> {
        let complete = |row: &&Value| row["builderid"] == builder && !row["complete"].is_null();
        let mut builds: Vec<&Value> = self.builds.iter().filter(complete).collect();
        builds.sort_by_key(|row| -row["number"].as_i64().unwrap());
        builds
    }

    fn current_step(&self, build: &Value) -> Value {
        let unfinished = self
            .steps
            .iter()
            .filter(|step| step["build"] == build["id"] && step["complete"].is_null());
        let last = unfinished.max_by_key(|step| step["number"].as_i64());
        last.filter(|_| build["complete"].is_null())
            .map_or(Value::Null, |step| json!({ "stepid": step["id"] }))
    }

    fn expected_complete_at(&self, build: &Value) -> Option<String> {
        let builds = self.newest(build["builderid"].as_i64()?);
        let good = builds.into_iter().filter(|row| is_code(row, &[0, 1]));
        let durations: Vec<i64> = good
            .take(20)
            .filter_map(|row| seconds(row, "started", "complete"))
            .collect();
        let median = percentile(&durations, 50).filter(|_| build["complete"].is_null())?;
        format_time(build["started"].as_i64()?.checked_add(median)?)
    }

    fn steps(&self, builds: &[&Value]) -> Vec<Value> {
        let ran = |step: &&Value| {
            builds.iter().any(|build| build["id"] == step["build"])
                && !step["started"].is_null()
                && !is_code(step, &[3])
        };
        let runs: Vec<&Value> = self.steps.iter().filter(ran).collect();
        let mut names: Vec<&str> = runs.iter().map(|s| s["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        names.dedup();
        let mut all: Vec<Value> = Vec::new();
        for name in names {
            let of: Vec<&&Value> = runs.iter().filter(|step| step["name"] == name).collect();
            let times = |to| -> Vec<i64> {
                of.iter()
                    .filter_map(|step| seconds(step, "started", to))
                    .collect()
            };
            all.push(json!({
                "name": name,
                "runs": of.len(),
                "failures": of.iter().filter(|step| is_code(step, &[2, 4])).count(),
                "medianDurationS": percentile(&times("complete"), 50),
                "p95DurationS": percentile(&times("complete"), 95),
                "medianLockWaitS": percentile(&times("locks"), 50),
            }));
        }
        // Stable, and null is the least.
        all.sort_by_key(|step| -step["medianDurationS"].as_i64().unwrap_or(-1));
        all
    }

    /// What the server should tell of a builder.
    pub(super) fn builder(&self, builder: i64, last: usize) -> Value {
        let newest = self.newest(builder);
        let builds = &newest[..newest.len().min(last)];
        let durations: Vec<i64> = builds
            .iter()
            .filter_map(|row| seconds(row, "started", "complete"))
            .collect();
        let count = |codes: &[i64]| builds.iter().filter(|row| is_code(row, codes)).count();
        let results = (0..).zip(RESULTS).filter_map(|(code, name)| {
            let count = count(&[code]);
            (count > 0).then(|| json!({ "results": name, "count": count }))
        });
        #[expect(clippy::cast_precision_loss, reason = "counts of a few builds")]
        let rate = count(&[0, 1]) as f64 / builds.len() as f64;
        let own = self.builds.iter().filter(|row| row["builderid"] == builder);
        let nodes = own.map(|build| {
            json!({
                "buildid": build["id"],
                "durationS": seconds(build, "started", "complete"),
                "expectedCompleteAt": self.expected_complete_at(build),
                "currentStep": self.current_step(build),
            })
        });
        json!({
            "builderid": builder,
            "stats": {
                "builds": builds.len(),
                "results": results.collect::<Value>(),
                "successRate": (!builds.is_empty()).then(|| parsed(rate)),
                "medianDurationS": percentile(&durations, 50),
                "p95DurationS": percentile(&durations, 95),
                "steps": self.steps(builds),
            },
            "builds": { "nodes": nodes.collect::<Value>() },
        })
    }

    /// Checks that the rows have what the tests are about: nulls alone would prove nothing.
    pub(super) fn is_informative(&self) {
        let count = |is: &dyn Fn(&Value) -> bool| self.builds.iter().filter(|row| is(row)).count();
        let (expected, current) = (
            count(&|build| self.expected_complete_at(build).is_some()),
            count(&|build| !self.current_step(build).is_null()),
        );
        let left = count(&|build| {
            let steps = self
                .steps
                .iter()
                .filter(|step| step["build"] == build["id"]);
            !build["complete"].is_null() && steps.filter(|s| s["complete"].is_null()).count() > 0
        });
        assert!(
            expected > 5 && current > 5 && left > 5,
            "{expected} {current} {left}"
        );
        let negative = count(&|build| {
            !build["complete"].is_null() && seconds(build, "started", "complete").is_none()
        });
        assert!(negative > 5, "{negative}");
    }
}
