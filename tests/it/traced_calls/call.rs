//! A traced call in the form that our server expects, and whether a rule of ours refuses it.

use serde_json::{Map, Value};

use crate::support::client::Client;

pub(super) const STEP: &str = "stepid buildid number name startedAt locksAcquiredAt complete completeAt results stateString urls { name url } hidden";
pub(super) const RESULTS: [&str; 7] = [
    "SUCCESS",
    "WARNINGS",
    "FAILURE",
    "SKIPPED",
    "EXCEPTION",
    "RETRY",
    "CANCELLED",
];
const INVALID: &str = "GRAPHQL_VALIDATION_FAILED";
const BAD: &str = "BAD_USER_INPUT";

/// An argument: its name in Python, its name and type in GraphQL, and whether it is optional.
type Parameter = (&'static str, &'static str, &'static str, bool);
const STEPID: Parameter = ("stepid", "stepid", "Int!", false);

pub(super) struct Method {
    pub(super) mutation: &'static str,
    pub(super) kind: usize,
    parameters: &'static [Parameter],
}

fn method(name: &str) -> Method {
    let (mutation, kind, parameters): (_, _, &[Parameter]) = match name {
        // The documented name, which Buildbot itself does not have.
        "addStep" | "newStep" => (
            "newStep",
            1,
            &[
                ("buildid", "buildid", "Int!", false),
                ("name", "name", "String!", false),
            ],
        ),
        "startStep" => (
            "startStep",
            2,
            &[
                STEPID,
                ("started_at", "startedAt", "DateTime", true),
                ("locks_acquired", "locksAcquired", "Boolean!", true),
            ],
        ),
        "set_step_locks_acquired_at" => (
            "setStepLocksAcquiredAt",
            3,
            &[
                STEPID,
                ("locks_acquired_at", "locksAcquiredAt", "DateTime", true),
            ],
        ),
        "setStepStateString" => (
            "setStepStateString",
            3,
            &[STEPID, ("state_string", "stateString", "String!", false)],
        ),
        "addStepURL" => (
            "addStepURL",
            3,
            &[
                STEPID,
                ("name", "name", "String!", false),
                ("url", "url", "String!", false),
            ],
        ),
        "finishStep" => (
            "finishStep",
            4,
            &[
                STEPID,
                ("results", "results", "Results!", false),
                ("hidden", "hidden", "Boolean!", true),
            ],
        ),
        other => panic!("{other} is no update method"),
    };
    Method {
        mutation,
        kind,
        parameters,
    }
}

/// A call for our server: Python's arguments under GraphQL's names, and results by name.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) given: Map<String, Value>,
    surplus: bool,
}

impl Call {
    pub(super) fn new(name: &str, args: &[Value], kwargs: &Map<String, Value>) -> Self {
        let method = method(name);
        let mut given = Map::new();
        let positional = method
            .parameters
            .iter()
            .zip(args)
            .map(|(p, value)| (*p, value));
        let named = method
            .parameters
            .iter()
            .filter_map(|p| Some((*p, kwargs.get(p.0)?)));
        for ((_, name, kind, _), value) in positional.chain(named) {
            let result = value
                .as_u64()
                .and_then(|code| RESULTS.get(usize::try_from(code).unwrap()));
            let value = match result {
                Some(result) if kind == "Results!" => (*result).into(),
                _ => value.clone(),
            };
            given.insert(name.to_owned(), value);
        }
        let surplus = given.len() < args.len() + kwargs.len();
        Self {
            method,
            given,
            surplus,
        }
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.given[name].as_str().unwrap()
    }

    /// The given time, or the clock's.
    pub(super) fn time(&self, name: &str, clock: i64) -> i64 {
        self.given
            .get(name)
            .and_then(Value::as_i64)
            .unwrap_or(clock)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.given.get(name) == Some(&Value::Bool(true))
    }

    /// The code with which our rules and the schema refuse this call, whatever row it is about.
    pub(super) fn refusal(&self, clock: i64) -> Option<&'static str> {
        let parameters = self.method.parameters;
        let missing = parameters
            .iter()
            .any(|p| !p.3 && !self.given.contains_key(p.1));
        let fits = |(_, name, kind, _): &Parameter| match (*kind, self.given.get(*name)) {
            (_, None) | ("DateTime", _) => true,
            ("Int!", Some(value)) => value.is_i64(),
            ("String!", Some(value)) => value.is_string(),
            ("Boolean!", Some(value)) => value.is_boolean(),
            (_, Some(value)) => value
                .as_str()
                .is_some_and(|result| RESULTS.contains(&result)),
        };
        if missing || self.surplus || !parameters.iter().all(fits) {
            return Some(INVALID);
        }
        let plain = |text: &str, most: usize| {
            text.chars().count() <= most && !text.chars().any(char::is_control)
        };
        let allowed =
            self.given.iter().all(
                |(name, value)| match (self.method.mutation, name.as_str()) {
                    (_, "startedAt" | "locksAcquiredAt") => {
                        value.is_null()
                            || value
                                .as_i64()
                                .is_some_and(|t| (0..=clock + 86_400).contains(&t))
                    }
                    (_, "stepid" | "buildid") => i32::try_from(value.as_i64().unwrap()).is_ok(),
                    ("newStep", "name") => is_step_name(self.text("name")),
                    (_, "name") => {
                        let name = self.text("name");
                        plain(name, 255) && !name.trim().is_empty()
                    }
                    (_, "url") => {
                        let url = self.text("url");
                        plain(url, 2_048)
                            && ["http://", "https://"]
                                .iter()
                                .any(|s| url.len() > s.len() && url.starts_with(s))
                    }
                    (_, "stateString") => {
                        let text = self.text("stateString");
                        text.chars().count() <= 16_384 && !text.contains('\0')
                    }
                    _ => true,
                },
            );
        (!allowed).then_some(BAD)
    }

    pub(super) async fn send(&self, client: &Client) -> Value {
        let named = |name: &String| {
            self.method
                .parameters
                .iter()
                .find(|p| p.1 == name)
                .unwrap()
                .2
        };
        let declared: Vec<String> = self
            .given
            .keys()
            .map(|name| format!("${name}: {}", named(name)))
            .collect();
        let mut passed: Vec<String> = self
            .given
            .keys()
            .map(|name| format!("{name}: ${name}"))
            .collect();
        if self.surplus {
            passed.push("surplus: 1".to_owned());
        }
        let list = |items: &[String]| {
            if items.is_empty() {
                String::new()
            } else {
                format!("({})", items.join(", "))
            }
        };
        let (declared, passed, mutation) = (list(&declared), list(&passed), self.method.mutation);
        let query = format!(
            "mutation{declared} {{ done: {mutation}{passed} {{ cursor step {{ {STEP} }} }} }}"
        );
        client.execute(&query, self.given.clone().into()).await
    }
}

fn is_step_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || "_-".contains(c) || c >= '\u{a0}';
    let other = |c: char| first(c) || c.is_ascii_digit() || c == '.';
    (1..=50).contains(&name.chars().count()) && name.starts_with(first) && name.chars().all(other)
}
