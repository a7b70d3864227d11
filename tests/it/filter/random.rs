//! Random rows and queries: filters, orders, pages, and the events that a filter passes, against
//! the reference. The seed is fixed unless `RANDOM_SEED` gives another; `PROPTEST_CASES` sets the
//! number of cases. A failing case is shrunk, and its rows are printed as SQL.

mod conditions;
mod events;
mod rows;

use std::{
    cell::Cell,
    fmt::Debug,
    panic,
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use self::{
    conditions::{condition, literal},
    rows::Rows,
};
use super::{LISTS, List, matches, seed::rows as read};
use crate::{
    pagination::{self, order_by, sort},
    support::{
        database::{Kind, kind},
        server::Server,
    },
};

thread_local! {
    /// Whether this thread runs cases. Shrinking fails hundreds of times, so only the last message
    /// is printed.
    static RUNS_CASES: Cell<bool> = const { Cell::new(false) };
}

fn silence_panics_of_cases() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !RUNS_CASES.get() {
                hook(info);
            }
        }));
    });
}

/// Checks one case after the other, on one server that gets the rows of each.
fn check<C: Debug + AsRef<Rows>>(
    cases: u32,
    strategy: &impl Strategy<Value = C>,
    check: &impl AsyncFn(&Server, &C),
) {
    check_in(None, cases, strategy, check);
}

/// The same in tables of a character set of MariaDB's. Where it lacks a character, the rows have a
/// question mark.
fn check_in<C: Debug + AsRef<Rows>>(
    charset: Option<&str>,
    cases: u32,
    strategy: &impl Strategy<Value = C>,
    check: &impl AsyncFn(&Server, &C),
) {
    let seed: u64 = std::env::var("RANDOM_SEED").map_or(5, |seed| seed.parse().unwrap());
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: std::env::var("PROPTEST_CASES").map_or(cases, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (server, sql) = runtime.block_on(async {
        let server = Server::start().await;
        let sql = server.sql().await;
        if let Some(charset) = charset {
            for table in ["builders", "tags", "builds", "steps"] {
                sql.run(&format!(
                    "ALTER TABLE {table} CONVERT TO CHARACTER SET {charset}"
                ))
                .await;
            }
        }
        (server, sql)
    });
    silence_panics_of_cases();
    RUNS_CASES.set(true);
    let result = TestRunner::new_with_rng(config, rng).run(strategy, |case| {
        runtime.block_on(async {
            sql.run(&case.as_ref().sql()).await;
            if charset.is_some() {
                // Its hash is that of another name.
                sql.run("DELETE FROM tags WHERE name LIKE '%?%'").await;
            }
            check(&server, &case).await;
        });
        Ok(())
    });
    RUNS_CASES.set(false);
    if let Err(failure) = result {
        panic!("seed {seed}: {failure}");
    }
}

/// Rows, and a condition on those of one list.
#[derive(Debug)]
struct Filtered {
    rows: Rows,
    list: &'static List,
    condition: Value,
}

impl AsRef<Rows> for Filtered {
    fn as_ref(&self) -> &Rows {
        &self.rows
    }
}

fn filtered() -> impl Strategy<Value = Filtered> {
    let question = select(&[0, 1, 1, 2, 2, 2][..])
        .prop_flat_map(|i: usize| (Just(&LISTS[i]), condition(&LISTS[i])));
    (rows::rows(), question).prop_map(|(rows, (list, condition))| Filtered {
        rows,
        list,
        condition,
    })
}

#[test]
fn random_filters_match_the_reference() {
    let (informative, all) = (AtomicUsize::new(0), AtomicUsize::new(0));
    check(256, &filtered(), &async |server, case: &Filtered| {
        let rows = read(server, case.list.name).await;
        let client = server.client();
        let found = case.list.check(&client, &rows, &case.condition).await;
        informative.fetch_add(usize::from(found > 0 && found < rows.len()), Relaxed);
        all.fetch_add(1, Relaxed);
    });
    // Filters that pass everything or nothing prove little, so there must be others.
    let (informative, all) = (informative.into_inner(), all.into_inner());
    assert!(informative * 8 > all, "{informative} of {all}");
}

#[test]
fn random_filters_match_the_reference_in_every_character_set() {
    if kind() != Kind::Mariadb {
        return;
    }
    for charset in ["latin1", "utf8mb3", "utf8mb4 COLLATE utf8mb4_general_ci"] {
        check_in(
            Some(charset),
            96,
            &filtered(),
            &async |server, case: &Filtered| {
                let rows = read(server, case.list.name).await;
                case.list
                    .check(&server.client(), &rows, &case.condition)
                    .await;
            },
        );
    }
}

/// The keys that a list can be ordered by.
fn keys(list: &List) -> &'static [(&'static str, &'static str)] {
    match list.name {
        "builders" => &pagination::BUILDERS,
        "builds" => &pagination::BUILDS,
        _ => &pagination::STEPS,
    }
}

#[test]
fn random_pages_return_each_row_once_and_in_order() {
    let strategy = (filtered(), vec(any::<(u8, bool)>(), 0..3), 1_usize..5);
    let strategy = strategy.prop_map(|(filtered, order, size)| Paged {
        filtered,
        order,
        size,
    });
    check(96, &strategy, &async |server, case: &Paged| {
        let (client, list) = (server.client(), case.filtered.list);
        let keys: Vec<_> = case.keys();
        let condition = &case.filtered.condition;
        let mut rows = read(server, list.name).await;
        rows.retain(|row| matches(condition, row));
        sort(&mut rows, &keys);
        let pages = pagination::List {
            client: &client,
            of: None,
            field: list.name,
            arguments: format!("where: {} {}", literal(condition), order_by(&keys)),
            node: list.id,
        };
        pages
            .holds(&pagination::ids(&rows, list.id), case.size)
            .await;
        if list.name == "steps" {
            case.check_nested(server, &rows).await;
        }
    });
}

#[derive(Debug)]
struct Paged {
    filtered: Filtered,
    order: Vec<(u8, bool)>,
    size: usize,
}

impl AsRef<Rows> for Paged {
    fn as_ref(&self) -> &Rows {
        &self.filtered.rows
    }
}

impl Paged {
    fn keys(&self) -> Vec<(&'static str, &'static str, bool)> {
        let known = keys(self.filtered.list);
        let key = |(which, descending): &(u8, bool)| {
            let (field, name) = known[usize::from(*which) % known.len()];
            (field, name, *descending)
        };
        self.order.iter().map(key).collect()
    }

    /// The same steps in the lists of their builds, by `limit` and `offset`.
    async fn check_nested(&self, server: &Server, sorted: &[Value]) {
        let keys = self.keys();
        let mut sorted = sorted.to_vec();
        if keys.is_empty() {
            sort(&mut sorted, &[("number", "NUMBER", false)]);
        }
        let (limit, offset) = (self.size, self.size - 1);
        let query = format!(
            "{{ builds {{ nodes {{ buildid steps(where: {}, {}, limit: {limit}, offset: {offset}) \
             {{ stepid durationS lockWaitS startedAt locksAcquiredAt completeAt results urls {{ url }} }} }} }} }}",
            literal(&self.filtered.condition),
            order_by(&keys)
        );
        let data = server.client().data(&query, json!({})).await;
        for build in data["builds"]["nodes"].as_array().unwrap() {
            let of_build = sorted.iter().filter(|s| s["buildid"] == build["buildid"]);
            let expected: Vec<&Value> = of_build
                .skip(offset)
                .take(limit)
                .map(|s| &s["stepid"])
                .collect();
            let steps = build["steps"].as_array().unwrap();
            let found: Vec<&Value> = steps.iter().map(|s| &s["stepid"]).collect();
            assert_eq!(found, expected, "{query}");
        }
    }
}
