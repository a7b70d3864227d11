//! Page arguments: ranges, sizes and defaults, and rows added while a list is paged.

use serde_json::{Value, json};

use super::{List, ids, order_by, sort};
use crate::{
    filter::seed::{named, rows, seeded},
    support::{database::on_sqlite, server::Server},
};

const NULLS_FIRST: [(&str, &str, bool); 2] =
    [("completeAt", "COMPLETE_AT", false), ("name", "NAME", true)];

#[tokio::test]
async fn after_and_before_delimit_a_range() {
    let server = seeded().await;
    let client = server.client();
    let list = List {
        client: &client,
        of: None,
        field: "steps",
        arguments: order_by(&NULLS_FIRST),
        node: "stepid",
    };
    let all = list.page("first: 500").await;
    let (edges, count) = (&all["edges"], all["edges"].as_array().unwrap().len());
    for (from, to) in [(0, 1), (0, 9), (20, 33), (10, count - 1), (0, count - 1)] {
        let inside = &all["nodes"].as_array().unwrap()[from + 1..to];
        let range = format!(
            "after: {}, before: {}",
            edges[from]["cursor"], edges[to]["cursor"]
        );
        for size in [0, 1, 5, 500] {
            let taken = size.min(inside.len());
            for (end, part) in [
                ("first", &inside[..taken]),
                ("last", &inside[inside.len() - taken..]),
            ] {
                let page = list.page(&format!("{end}: {size}, {range}")).await;
                assert_eq!(page["nodes"], json!(part), "{end}: {size}, {range}");
                // The rows of the cursors lie on either side.
                assert_eq!(
                    page["pageInfo"]["hasNextPage"], true,
                    "{end}: {size}, {range}"
                );
                assert_eq!(
                    page["pageInfo"]["hasPreviousPage"], true,
                    "{end}: {size}, {range}"
                );
                assert_eq!(page["totalCount"], count, "{end}: {size}, {range}");
            }
        }
    }
    let reversed = format!(
        "after: {}, before: {}",
        edges[9]["cursor"], edges[3]["cursor"]
    );
    assert_eq!(list.page(&reversed).await["nodes"], json!([]));
}

#[tokio::test]
async fn an_empty_page_knows_its_neighbours() {
    let server = seeded().await;
    let client = server.client();
    let list = |filter: &str| List {
        client: &client,
        of: None,
        field: "steps",
        arguments: format!("where: {{ {filter} }}"),
        node: "stepid",
    };
    for (page, next, previous) in [("first: 0", true, false), ("last: 0", false, true)] {
        let some = list("").page(page).await;
        assert_eq!(some["nodes"], json!([]));
        assert_eq!(some["pageInfo"]["hasNextPage"], next, "{page}");
        assert_eq!(some["pageInfo"]["hasPreviousPage"], previous, "{page}");
        assert_eq!(some["totalCount"], 70);
        let none = list("or: []").page(page).await;
        assert_eq!(none["pageInfo"]["hasNextPage"], false, "{page}");
        assert_eq!(none["pageInfo"]["hasPreviousPage"], false, "{page}");
        assert_eq!(none["totalCount"], 0);
    }
}

#[tokio::test]
async fn a_page_has_fifty_rows_by_default_and_at_most_five_hundred() {
    let server = Server::start().await;
    let names: Vec<String> = (0..501)
        .map(|i| format!("({})", named(&format!("b{i}"))))
        .collect();
    let insert = format!(
        "INSERT INTO builders (name, name_hash) VALUES {}",
        names.join(", ")
    );
    server.sql().await.run(&insert).await;
    let client = server.client();
    let list = List {
        client: &client,
        of: None,
        field: "builders",
        arguments: "where: {}".into(),
        node: "builderid",
    };
    for (page, size) in [
        ("", 50),
        ("first: null", 50),
        ("first: 500", 500),
        ("last: 500", 500),
    ] {
        let nodes = list.page(page).await["nodes"].take();
        assert_eq!(nodes.as_array().unwrap().len(), size, "{page}");
    }
}

/// Rows added between two pages, before, at and after the cursor, neither hide an old row nor
/// repeat it.
#[tokio::test]
async fn cursors_stay_valid_while_rows_are_added() {
    for backward in [false, true] {
        let server = seeded().await;
        let (client, sql) = (server.client(), server.sql().await);
        let mut old = rows(&server, "steps").await;
        sort(&mut old, &NULLS_FIRST);
        let old = ids(&old, "stepid");
        let list = List {
            client: &client,
            of: None,
            field: "steps",
            arguments: order_by(&NULLS_FIRST),
            node: "stepid",
        };
        let (ask, side, end) = if backward {
            ("last: 4", "before", "startCursor")
        } else {
            ("first: 4", "after", "endCursor")
        };
        let (mut seen, mut page) = (Vec::new(), list.page(ask).await);
        for number in 1_000.. {
            let mut nodes = page["nodes"].as_array().unwrap().clone();
            if backward {
                nodes.reverse();
            }
            seen.append(&mut nodes);
            // A duplicate of every kind of row, with the same times and names.
            let duplicate = char::from_u32(number).unwrap();
            sql.run(&format!(
                "INSERT INTO steps (number, name, buildid, complete_at, state_string, urls_json) \
                 SELECT {number} * 1000 + id, name || '{duplicate}', buildid, complete_at, '', '[]' FROM steps WHERE id IN \
                 (SELECT max(id) FROM steps WHERE id <= 70 AND id % 3 = {number} % 3 GROUP BY complete_at)"
            ))
            .await;
            let more = if backward {
                "hasPreviousPage"
            } else {
                "hasNextPage"
            };
            if page["pageInfo"][more] == false || number == 1_100 {
                break;
            }
            page = list
                .page(&format!("{ask}, {side}: {}", page["pageInfo"][end]))
                .await;
        }
        if backward {
            seen.reverse();
        }
        let new = seen.iter().filter(|row| !old.contains(row)).count();
        seen.retain(|row| old.contains(row));
        assert_eq!(seen, old, "backward: {backward}");
        assert!(new > 0, "no new row came behind a cursor");
    }
}

/// A time that is no integer, which SQLite stores as it is, must not make a walk loop.
#[tokio::test]
async fn a_broken_time_does_not_break_the_walk() {
    if !on_sqlite("it alone keeps a text in a number's column") {
        return;
    }
    let mut wrong = Vec::new();
    for broken in ["'soon'", "1.5", "9e18"] {
        let server = Server::start().await;
        let client = server.client();
        let build = client.add_build("b").await;
        for name in ["a", "b", "c"] {
            client.new_step(build, name).await;
        }
        let set = format!(
            "UPDATE steps SET started_at = {broken} WHERE name = 'b'; UPDATE steps SET started_at = 1 WHERE name = 'a'"
        );
        server.sql().await.run(&set).await;
        for direction in ["ASC", "DESC"] {
            let list = |page: String| {
                format!(
                    "{{ steps(orderBy: {{ field: STARTED_AT, direction: {direction} }}, {page}) {{ nodes {{ name }} pageInfo {{ endCursor }} }} }}"
                )
            };
            let (mut seen, mut page) = (Vec::new(), "first: 1".to_owned());
            for _ in 0..4 {
                let data = client.data(&list(page), json!({})).await;
                let nodes = data["steps"]["nodes"].as_array().unwrap();
                if nodes.is_empty() {
                    break;
                }
                seen.extend(nodes.clone());
                page = format!(
                    "first: 1, after: {}",
                    data["steps"]["pageInfo"]["endCursor"]
                );
            }
            seen.sort_by_key(ToString::to_string);
            let expected = ["a", "b", "c"].map(|name| json!({ "name": name }));
            if seen != expected {
                wrong.push((broken, direction, json!(seen).to_string()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_builds_steps_page_by_limit_and_offset() {
    let server = seeded().await;
    let client = server.client();
    let mut steps = rows(&server, "steps").await;
    for (order, keys) in [
        ("", [("number", "", false)]),
        ("orderBy: null", [("number", "", false)]),
        (
            "orderBy: { field: STEPID, direction: DESC }",
            [("stepid", "", true)],
        ),
        (
            "orderBy: { field: NAME, direction: DESC }",
            [("name", "", true)],
        ),
    ] {
        sort(&mut steps, &keys);
        for filter in ["", "where: { hidden: false }"] {
            for (limit, offset) in [
                (None, None),
                (Some(3), None),
                (None, Some(4)),
                (Some(0), None),
                (Some(2), Some(9)),
                (Some(10_000), Some(99)),
            ] {
                let argument =
                    |value: Option<usize>| value.map_or("null".into(), |v| v.to_string());
                let (l, o) = (argument(limit), argument(offset));
                let arguments = format!("(limit: {l}, offset: {o} {order} {filter})");
                let data = client
                    .data(&format!("{{ builds(first: 500) {{ nodes {{ buildid steps{arguments} {{ stepid }} }} }} }}"), json!({}))
                    .await;
                for build in data["builds"]["nodes"].as_array().unwrap() {
                    let of_build = steps.iter().filter(|row| {
                        row["buildid"] == build["buildid"]
                            && (filter.is_empty() || row["hidden"] == 0)
                    });
                    let expected: Vec<Value> = of_build
                        .skip(offset.unwrap_or(0))
                        .take(limit.unwrap_or(usize::MAX))
                        .map(|row| json!({ "stepid": row["stepid"] }))
                        .collect();
                    assert_eq!(build["steps"], json!(expected), "{arguments}");
                }
            }
        }
        steps.sort_by_key(|step| step["stepid"].as_i64());
    }
}

/// An order without keys counts as none: a build's steps come by number, which runs against the ids
/// here.
#[tokio::test]
async fn an_empty_order_is_the_default_order() {
    let server = seeded().await;
    let query = "{ build(buildid: 2) { a: steps { stepid } b: steps(orderBy: []) { stepid } } }";
    let data = server.client().data(query, json!({})).await;
    assert_eq!(data["build"]["b"], data["build"]["a"]);
}
