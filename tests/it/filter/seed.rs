//! Rows for the tests of filters and pages: a fixed set of a few dozen, rich in nulls, duplicates
//! and unusual text.

use serde_json::Value;
use sha1::{Digest, Sha1};

use crate::support::{server::Server, sql::Sql};

/// Times close to each other, each as an Int and in several RFC 3339 spellings.
pub(crate) const TIMES: [(i64, [&str; 2]); 4] = [
    (0, ["1970-01-01T00:00:00Z", "1970-01-01T05:30:00+05:30"]),
    (
        1_795_328_159,
        ["2026-11-22T06:15:59Z", "2026-11-21T23:45:59-06:30"],
    ),
    (
        1_795_328_160,
        ["2026-11-22T06:16:00Z", "2026-11-22T07:16:00.000+01:00"],
    ),
    (
        1_795_328_161,
        ["2026-11-22T06:16:01Z", "2026-11-22t06:16:01z"],
    ),
];
/// In code point order, with every character that may break LIKE or quoting.
pub(crate) const TEXTS: [&str; 19] = [
    "",
    "%",
    "42",
    "A",
    "A_b",
    "Z",
    "\\",
    "a",
    "a ",
    "a%b",
    "a_b",
    "e",
    "e\u{301}",
    "it's \"x\"",
    "xa\\b",
    "É",
    "é",
    "日本",
    "🙂",
];
/// A text longer than any name.
pub(crate) fn long() -> String {
    "é".repeat(2_000)
}

/// Builders' tags. A filter on one must match the whole tag.
pub(crate) const TAGS: [&str; 6] = ["x", "X", "xy", "a%b", "日本", "unused"];
/// Includes codes beyond the seven results: Buildbot stores any integer.
const CODES: [&str; 10] = ["NULL", "0", "1", "2", "3", "4", "5", "6", "11", "-1"];

/// A deterministic generator of random-looking numbers.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `n`.
    pub(crate) fn roll(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    pub(crate) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())].clone()
    }

    /// A time in SQL.
    fn time(&mut self) -> String {
        self.pick(&TIMES).0.to_string()
    }

    /// A time in SQL, or null.
    fn time_or_null(&mut self) -> String {
        if self.roll(3) == 0 {
            "NULL".to_owned()
        } else {
            self.time()
        }
    }
}

/// A text in SQL.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name and its hash in SQL, as the tables of builders and tags have them.
pub(crate) fn named(name: &str) -> String {
    let hash: Vec<String> = Sha1::digest(name)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    format!("{}, '{}'", quote(name), hash.concat())
}

/// A server with the rows and without the default cost limit.
pub(crate) async fn seeded() -> Server {
    let flags = [
        "--anonymous",
        "write",
        "--max-cost",
        "10000000",
        "--max-values",
        "100000000",
    ];
    let server = Server::with_flags(&flags).await;
    fill(&server.sql().await).await;
    server
}

async fn fill(sql: &Sql) {
    let mut dice = Dice(7);
    let mut rows = vec!["BEGIN".to_owned()];
    for (i, tag) in TAGS.iter().enumerate() {
        rows.push(format!(
            "INSERT INTO tags (id, name, name_hash) VALUES ({i}, {})",
            named(tag)
        ));
    }
    // Ids run against the names, so that no order is right by chance.
    for (i, name) in TEXTS.iter().enumerate() {
        let id = TEXTS.len() - i;
        rows.push(format!(
            "INSERT INTO builders (id, name, name_hash) VALUES ({id}, {})",
            named(name)
        ));
        for tag in (0..5).filter(|_| dice.roll(3) == 0) {
            rows.push(format!(
                "INSERT INTO builders_tags (builderid, tagid) VALUES ({id}, {tag})"
            ));
        }
    }
    for id in 1..=40 {
        let (builder, worker) = (1 + dice.roll(4), dice.pick(&["NULL", "1", "2"]));
        let (started, complete) = (dice.time(), dice.time_or_null());
        let (state, code) = (quote(dice.pick(&TEXTS)), dice.pick(&CODES));
        rows.push(format!(
            "INSERT INTO builds (id, number, builderid, workerid, started_at, complete_at, locks_duration_s, state_string, results) \
             VALUES ({id}, {}, {builder}, {worker}, {started}, {complete}, 0, {state}, {code})",
            100 - id
        ));
    }
    for id in 1..=70 {
        // A name is unique within a build and repeats across builds.
        let (build, name) = (1 + id % 6, quote(TEXTS[(id / 6 * 7) % TEXTS.len()]));
        let [started, locks, complete] = [(); 3].map(|()| dice.time_or_null());
        let state = if id % 9 == 0 {
            &long()
        } else {
            dice.pick(&TEXTS)
        };
        let (state, code, hidden) = (quote(state), dice.pick(&CODES), dice.pick(&[0, 0, 1]));
        rows.push(format!(
            "INSERT INTO steps (id, number, name, buildid, started_at, locks_acquired_at, complete_at, state_string, results, urls_json, hidden) \
             VALUES ({id}, {}, {name}, {build}, {started}, {locks}, {complete}, {state}, {code}, '[]', {hidden})",
            20 - id / 6
        ));
    }
    rows.push("COMMIT".to_owned());
    sql.run(&rows.join(";\n")).await;
    sql.advance_ids().await;
}

/// The rows of a list by id, read by plain SQL: fields named as in filters, times in seconds,
/// results as codes.
pub(crate) async fn rows(server: &Server, list: &str) -> Vec<Value> {
    let query = match list {
        "builders" => {
            "SELECT json_object('builderid', id, 'name', name) AS json FROM builders ORDER BY id"
        }
        "builds" => {
            "SELECT json_object('buildid', id, 'builderid', builderid, 'number', number, 'workerid', workerid, \
             'stateString', state_string, 'startedAt', started_at, 'completeAt', complete_at, 'results', results) \
             AS json FROM builds ORDER BY id"
        }
        _ => {
            "SELECT json_object('stepid', s.id, 'buildid', buildid, 'number', s.number, 'name', s.name, \
             'stateString', s.state_string, 'startedAt', s.started_at, 'locksAcquiredAt', locks_acquired_at, \
             'completeAt', s.complete_at, 'hidden', hidden, 'results', s.results, 'builderid', builderid, \
             'builderName', r.name) AS json FROM steps s LEFT JOIN builds b ON b.id = buildid \
             LEFT JOIN builders r ON r.id = builderid ORDER BY s.id"
        }
    };
    let sql = server.sql().await;
    let mut rows = sql.rows(query).await;
    if list == "builders" {
        let query = "SELECT json_array(builderid, t.name) AS json FROM builders_tags JOIN tags t ON t.id = tagid";
        let tags = sql.rows(query).await;
        for row in &mut rows {
            let of = tags.iter().filter(|tag| tag[0] == row["builderid"]);
            row["tags"] = of.map(|tag| tag[1].clone()).collect();
        }
    }
    rows
}
