//! What a dashboard asks for: the statistics of builders, when a build should be complete, and the
//! step that it is at, against a reference that reads the same random rows in plain Rust.

mod broken_rows;
mod reference;
mod refusals;
mod statements;

use std::fmt::Write;

use serde_json::{Value, json};

use reference::Reference;

use crate::{
    filter::seed::{Dice, named, quote},
    support::server::{Server, WITHOUT_LIMITS},
};

/// Everything that the reference knows of a builder.
const BUILDER: &str = "builderid \
     stats(last: $last) { builds results { results count } successRate medianDurationS \
     p95DurationS steps { name runs failures medianDurationS p95DurationS medianLockWaitS } } \
     builds(first: 500) { nodes { buildid durationS expectedCompleteAt currentStep { stepid } } }";

/// A builder without builds, then with ever more.
const BUILDERS: usize = 6;
const STEP_NAMES: [&str; 6] = ["a", "B", "b", "é", "日本", "x_1"];
const CODES: [&str; 12] = [
    "NULL", "0", "0", "0", "1", "2", "3", "4", "5", "6", "11", "-1",
];

/// A time in SQL: mostly such that durations repeat and some are negative, rarely beyond all years.
fn time(dice: &mut Dice) -> String {
    match dice.roll(30) {
        0 => dice
            .pick(&[
                "-9000000000000000000",
                "9000000000000000000",
                "253402300799",
            ])
            .to_owned(),
        n if n < 20 => (1_795_328_160 + dice.roll(40)).to_string(),
        _ => dice.roll(6).to_string(),
    }
}

fn time_or_null(dice: &mut Dice, nulls: usize) -> String {
    if dice.roll(10) < nulls {
        "NULL".to_owned()
    } else {
        time(dice)
    }
}

/// Random rows. The ids of builds run against their numbers, so that no order is right by chance.
fn rows(dice: &mut Dice) -> String {
    let mut sql = "BEGIN;".to_owned();
    let mut steps = String::new();
    let (mut build, mut step) = (5_000, 0);
    for builder in 1..=BUILDERS {
        let name = named(&format!("b{builder}"));
        write!(
            sql,
            "INSERT INTO builders (id, name, name_hash) VALUES ({builder}, {name});"
        )
        .unwrap();
        for number in 1..(builder - 1) * (builder - 1) * 2 {
            build -= 1;
            let (started, complete) = (time(dice), time_or_null(dice, 2));
            let code = dice.pick(&CODES);
            write!(
                sql,
                "INSERT INTO builds (id, number, builderid, started_at, complete_at, locks_duration_s, state_string, \
                 results) VALUES ({build}, {number}, {builder}, {started}, {complete}, 0, '', {code});"
            )
            .unwrap();
            let first = dice.roll(STEP_NAMES.len());
            let count = dice.roll(STEP_NAMES.len());
            for nth in 0..count {
                step += 1;
                let name = quote(STEP_NAMES[(first + nth) % STEP_NAMES.len()]);
                let [started, locks] = [(); 2].map(|()| time_or_null(dice, 2));
                let (complete, code) = (time_or_null(dice, 3), dice.pick(&CODES));
                // Numbers run against ids too.
                let number = count - nth;
                write!(
                    steps,
                    "INSERT INTO steps (id, number, name, buildid, started_at, locks_acquired_at, complete_at, \
                     state_string, results, urls_json, hidden) VALUES ({step}, {number}, {name}, {build}, {started}, \
                     {locks}, {complete}, '', {code}, '[]', 0);"
                )
                .unwrap();
            }
        }
    }
    sql + &steps + "COMMIT"
}

#[tokio::test]
async fn statistics_match_the_reference() {
    for seed in [1, 2, 3] {
        let server = Server::with_flags(&WITHOUT_LIMITS).await;
        let sql = server.sql().await;
        sql.run(&rows(&mut Dice(seed))).await;
        let reference = Reference::read(&sql).await;
        let client = server.client();
        let all = format!("query($last: Int!) {{ builders {{ nodes {{ {BUILDER} }} }} }}");
        for last in [1, 2, 7, 50, 500] {
            let data = client.data(&all, json!({ "last": last })).await;
            let nodes = data["builders"]["nodes"].as_array().unwrap();
            assert_eq!(nodes.len(), BUILDERS);
            for node in nodes {
                let expected = reference.builder(node["builderid"].as_i64().unwrap(), last);
                assert_eq!(*node, expected, "seed {seed}, last {last}");
            }
        }
        reference.is_informative();
    }
}

/// Builds with a step that runs, from the random rows.
#[tokio::test]
async fn a_builds_own_answers_are_the_same_by_every_way() {
    let server = Server::with_flags(&WITHOUT_LIMITS).await;
    let sql = server.sql().await;
    sql.run(&rows(&mut Dice(4))).await;
    let client = server.client();
    let fields = "buildid durationS expectedCompleteAt currentStep { stepid }";
    let list = format!("{{ builds(first: 500) {{ nodes {{ {fields} }} }} }}");
    let data = client.data(&list, json!({})).await;
    let builds = data["builds"]["nodes"].as_array().unwrap();
    for build in builds.iter().step_by(7) {
        let query = format!("query($b: Int!) {{ build(buildid: $b) {{ {fields} }} }}");
        let data = client.data(&query, json!({ "b": build["buildid"] })).await;
        assert_eq!(data["build"], *build);
    }
}

/// The default is fifty builds, the newest of more.
#[tokio::test]
async fn statistics_are_of_the_last_fifty_builds() {
    let server = Server::start().await;
    let sql = server.sql().await;
    let mut rows = format!(
        "BEGIN; INSERT INTO builders (id, name, name_hash) VALUES (1, {});",
        named("b")
    );
    for number in 1..=60 {
        write!(
            rows,
            "INSERT INTO builds (id, number, builderid, started_at, complete_at, locks_duration_s, state_string, \
             results) VALUES ({}, {number}, 1, 0, {number}, 0, '', 0);",
            100 - number
        )
        .unwrap();
    }
    sql.run(&(rows + "COMMIT")).await;
    let query =
        "{ builder(builderid: 1) { stats { builds medianDurationS p95DurationS successRate } } }";
    let data = server.client().data(query, json!({})).await;
    // Of 11 to 60: the 25th and the 48th.
    let expected: Value =
        json!({ "builds": 50, "medianDurationS": 35, "p95DurationS": 58, "successRate": 1.0 });
    assert_eq!(data["builder"]["stats"], expected);
}
