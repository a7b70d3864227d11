//! Random rows of every kind that the tables can hold, and the SQL that writes them.

use std::{collections::BTreeSet, fmt};

use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::*,
    sample::select,
};

use crate::{
    filter::seed::{TEXTS, named, quote},
    support::database::{Kind, kind},
};

/// Characters that may break a comparison, a pattern, quoting or a collation.
const CHARACTERS: [char; 31] = [
    '%', '_', '\\', '\'', '"', '*', ' ', '\n', '0', 'a', 'A', 's', 'ß', 'ẞ', 'ſ', 'i', 'ı', 'İ',
    'é', 'É', 'k', '\u{212a}', 'σ', 'ς', 'Σ', 'e', '\u{301}', '\u{200d}', '\u{fffd}', '\u{ffff}',
    '🙂',
];

/// A text that every database can store.
pub(super) fn text() -> impl Strategy<Value = String> {
    let short = vec(select(&CHARACTERS[..]), 0..4).prop_map(String::from_iter);
    let any = vec(any::<char>(), 0..6).prop_map(String::from_iter);
    let storable = |text: &String| !text.contains('\0');
    prop_oneof![
        4 => select(&TEXTS[..]).prop_map(str::to_owned),
        3 => short,
        1 => any.prop_filter("no database but SQLite has NUL", storable),
    ]
}

/// Mostly small numbers, so that two are often equal, and sometimes extreme ones.
pub(super) fn number() -> impl Strategy<Value = i32> {
    prop_oneof![
        8 => -1..4_i32,
        1 => select(&[i32::MIN, i32::MIN + 1, i32::MAX - 1, i32::MAX][..]),
        1 => any::<i32>(),
    ]
}

/// A time in seconds, including times that RFC 3339 cannot express.
pub(super) fn time() -> impl Strategy<Value = i64> {
    const EDGES: [i64; 8] = [
        i64::MIN,
        -62_167_219_201,
        -62_167_219_200,
        -1,
        1_795_328_160,
        253_402_300_799,
        253_402_300_800,
        i64::MAX,
    ];
    prop_oneof![6 => 0..3_i64, 2 => select(&EDGES[..]), 1 => any::<i64>()]
}

fn results() -> impl Strategy<Value = Option<i32>> {
    option::of(prop_oneof![4 => 0..7_i32, 1 => number()])
}

#[derive(Clone, Debug)]
struct Build {
    builder: usize,
    number: i32,
    worker: Option<i32>,
    times: (i64, Option<i64>),
    state: String,
    results: Option<i32>,
}

#[derive(Clone, Debug)]
struct Step {
    build: usize,
    number: i32,
    name: String,
    times: [Option<i64>; 3],
    state: String,
    results: Option<i32>,
    hidden: i32,
}

/// The rows of a case. Parents are given by their index.
#[derive(Clone)]
pub(super) struct Rows {
    builders: Vec<(String, BTreeSet<usize>)>,
    tags: BTreeSet<String>,
    builds: Vec<Build>,
    steps: Vec<Step>,
}

impl AsRef<Self> for Rows {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Prints the SQL with which a counterexample can be reproduced.
impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql())
    }
}

pub(super) fn rows() -> impl Strategy<Value = Rows> {
    let build = (
        any::<prop::sample::Index>(),
        number(),
        option::of(number()),
        (time(), option::of(time())),
        text(),
        results(),
    );
    let step = (
        any::<prop::sample::Index>(),
        number(),
        text(),
        [(); 3].map(|()| option::of(time())),
        text(),
        results(),
        select(&[0, 0, 1][..]),
    );
    (
        vec((text(), btree_set(0..4_usize, 0..3)), 1..5),
        btree_set(text(), 0..4),
        vec(build, 1..8),
        vec(step, 0..16),
    )
        .prop_map(|(builders, tags, builds, steps)| {
            let builds: Vec<Build> = builds
                .into_iter()
                .map(|(builder, number, worker, times, state, results)| Build {
                    builder: builder.index(builders.len()),
                    number,
                    worker,
                    times,
                    state,
                    results,
                })
                .collect();
            let steps = steps
                .into_iter()
                .map(
                    |(build, number, name, times, state, results, hidden)| Step {
                        build: build.index(builds.len()),
                        number,
                        name,
                        times,
                        state,
                        results,
                        hidden,
                    },
                )
                .collect();
            Rows {
                builders,
                tags,
                builds,
                steps,
            }
        })
}

/// A value in SQL, or NULL.
fn or_null<T: fmt::Display>(value: Option<T>) -> String {
    value.map_or("NULL".to_owned(), |value| value.to_string())
}

impl Rows {
    /// Statements that replace all rows by these. Of two rows with the same unique key, the first
    /// is kept.
    pub(super) fn sql(&self) -> String {
        let (insert, unless_taken) = match kind() {
            Kind::Sqlite => ("INSERT OR IGNORE INTO", ""),
            Kind::Postgres => ("INSERT INTO", " ON CONFLICT DO NOTHING"),
            Kind::Mariadb => ("INSERT IGNORE INTO", ""),
        };
        let mut sql = vec!["BEGIN".to_owned()];
        for table in ["steps", "builds", "builders_tags", "tags", "builders"] {
            sql.push(format!("DELETE FROM {table}"));
        }
        let mut add = |into: &str, values: &str| {
            sql.push(format!("{insert} {into} VALUES ({values}){unless_taken}"));
        };
        for (i, tag) in self.tags.iter().enumerate() {
            add(
                "tags (id, name, name_hash)",
                &format!("{i}, {}", named(tag)),
            );
        }
        // A repeated name gets a suffix, so that every build has a builder.
        let mut names = BTreeSet::new();
        for (i, (name, tags)) in self.builders.iter().enumerate() {
            let mut name = name.clone();
            while !names.insert(name.clone()) {
                name.push('~');
            }
            let id = i + 1;
            let values = format!("{id}, {}", named(&name));
            add("builders (id, name, name_hash)", &values);
            for tag in tags.iter().filter(|tag| **tag < self.tags.len()) {
                add("builders_tags (builderid, tagid)", &format!("{id}, {tag}"));
            }
        }
        let mut numbers = BTreeSet::new();
        for (i, build) in self.builds.iter().enumerate() {
            let mut number = build.number;
            while !numbers.insert((build.builder, number)) {
                number = number.wrapping_add(1);
            }
            let (started, complete) = build.times;
            add(
                "builds (id, number, builderid, workerid, started_at, complete_at, locks_duration_s, state_string, results)",
                &format!(
                    "{}, {number}, {}, {}, {started}, {}, 0, {}, {}",
                    i + 1,
                    build.builder + 1,
                    or_null(build.worker),
                    or_null(complete),
                    quote(&build.state),
                    or_null(build.results),
                ),
            );
        }
        for (i, step) in self.steps.iter().enumerate() {
            add(
                "steps (id, number, name, buildid, started_at, locks_acquired_at, complete_at, state_string, results, \
                 urls_json, hidden)",
                &format!(
                    "{}, {}, {}, {}, {}, {}, {}, '[]', {}",
                    i + 1,
                    step.number,
                    quote(&step.name),
                    step.build + 1,
                    step.times.map(or_null).join(", "),
                    quote(&step.state),
                    or_null(step.results),
                    step.hidden,
                ),
            );
        }
        sql.push("COMMIT".to_owned());
        sql.join(";\n")
    }
}
