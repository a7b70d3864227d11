//! The trace's steps and builds as our server has them, without what we refused.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use super::call::{Call, RESULTS};

/// A traced step as our server would return it, with our id.
pub(super) fn as_answered(traced: &Value, stepid: i64) -> Value {
    let time = |name: &str| {
        let at = traced[name]
            .as_i64()
            .map(|t| DateTime::from_timestamp(t, 0).unwrap());
        at.map(|t| t.to_rfc3339_opts(SecondsFormat::Secs, true))
    };
    let results = traced["results"]
        .as_u64()
        .map(|code| RESULTS[usize::try_from(code).unwrap()]);
    json!({
        "stepid": stepid, "buildid": traced["buildid"], "number": traced["number"], "name": traced["name"],
        "startedAt": time("started_at"), "locksAcquiredAt": time("locks_acquired_at"),
        "complete": traced["complete"], "completeAt": time("complete_at"), "results": results,
        "stateString": traced["state_string"], "urls": traced["urls"], "hidden": traced["hidden"],
    })
}

/// A step of the trace on our server. While all its calls went as traced, so must all its
/// responses.
pub(super) struct Known {
    pub(super) id: i64,
    pub(super) step: Value,
    pub(super) as_traced: bool,
}

impl Known {
    /// Applies a call to the step.
    pub(super) fn change(&mut self, call: &Call, clock: i64) {
        let step = &mut self.step;
        match call.method.mutation {
            "startStep" => {
                step["started_at"] = call.time("startedAt", clock).into();
                if call.flag("locksAcquired") {
                    step["locks_acquired_at"] = step["started_at"].clone();
                }
            }
            "setStepLocksAcquiredAt" => {
                step["locks_acquired_at"] = call.time("locksAcquiredAt", clock).into();
            }
            "setStepStateString" => step["state_string"] = call.text("stateString").into(),
            "addStepURL" => {
                let link = json!({ "name": call.text("name"), "url": call.text("url") });
                let urls = step["urls"].as_array_mut().unwrap();
                if !urls.contains(&link) {
                    urls.push(link);
                }
            }
            _ => {
                step["complete"] = true.into();
                step["complete_at"] = clock.into();
                step["results"] = RESULTS
                    .iter()
                    .position(|r| *r == call.text("results"))
                    .into();
                step["hidden"] = call.flag("hidden").into();
            }
        }
    }
}

/// The names of a build's steps by number, and whether they are the trace's.
pub(super) struct Build {
    pub(super) names: Vec<String>,
    pub(super) as_traced: bool,
}

impl Build {
    /// The step that a name becomes, numbered and named as Buildbot does.
    pub(super) fn add(&mut self, buildid: i64, name: &str) -> Value {
        let suffixed = (1..)
            .map(|n| format!("_{n}"))
            .map(|s| name.chars().take(50 - s.len()).collect::<String>() + &s);
        let free = std::iter::once(name.to_owned())
            .chain(suffixed)
            .find(|n| !self.names.contains(n))
            .unwrap();
        self.names.push(free.clone());
        json!({
            "number": self.names.len() - 1, "name": free, "buildid": buildid, "started_at": null,
            "locks_acquired_at": null, "complete": false, "complete_at": null, "state_string": "pending",
            "results": null, "urls": [], "hidden": false,
        })
    }
}
