//! Tests of the moving list's rows.

use super::*;
use crate::watch::row::{BuildRow, BuilderName, SnapshotRows, WatchedStep};

fn board(count: i64) -> Board {
    let mut board = Board::new(false);
    let row = |id| BuildRow {
        buildid: id,
        number: id,
        builder: BuilderName {
            name: "lin\u{1b}ux".to_owned(),
        },
        state_string: "building".to_owned(),
        complete: false,
        results: None,
        started_at: Some(1_000),
        complete_at: None,
        expected_complete_at: Some(1_100),
    };
    let step = WatchedStep {
        number: 3,
        name: "compile".to_owned(),
        state_string: "cc \u{1b}[2J漢字漢字".to_owned(),
        complete: false,
        results: None,
        started_at: Some(1_010),
        complete_at: None,
    };
    let builds = (1..=count)
        .map(|id| (row(id), vec![step.clone()]))
        .collect();
    board.load(SnapshotRows {
        builds,
        has_more: false,
    });
    board.catch_up("t");
    board
}

fn texts(count: i64, status: &LinkStatus, columns: usize, rows: usize) -> Vec<String> {
    let input = FrameInput {
        url: "http://h",
        status,
        now: 1_050,
        columns,
        rows,
    };
    let rows = frame(&board(count), &input).into_iter();
    rows.map(|row| row.into_iter().map(|(_, text)| text).collect())
        .collect()
}

#[test]
fn a_row_says_what_runs_and_how_far_it_is() {
    let rows = texts(1, &LinkStatus::Live, 200, 50);
    assert_eq!(rows[0], "http://h  live: 1 build running");
    let expected =
        r"lin\u{1b}ux #1  [##########..........]  50s of 1m40s     3 compile: cc \u{1b}[2J漢字漢字";
    assert_eq!(rows[1], expected);
}

#[test]
fn what_is_of_before_does_not_look_live() {
    let rows = texts(1, &LinkStatus::Away("it is gone".to_owned()), 200, 50);
    assert_eq!(
        rows[0],
        "http://h  not connected, this is of before: it is gone"
    );
    assert!(
        !rows[1].contains('#') || !rows[1].contains("50s"),
        "{rows:?}"
    );
    assert!(!rows[1].contains("50s"), "{rows:?}");
}

#[test]
fn rows_fit_the_terminal() {
    for columns in [1, 2, 10, 60, 79, 80, 81] {
        for rows in [1, 3, 10] {
            let drawn = texts(30, &LinkStatus::Live, columns, rows);
            assert!(drawn.len() <= rows.max(3), "{columns}x{rows}: {drawn:?}");
            let widest = drawn.iter().map(|row| row.width()).max();
            assert!(widest < Some(columns.max(2)), "{columns}x{rows}: {drawn:?}");
        }
    }
    let drawn = texts(30, &LinkStatus::Live, 80, 10);
    assert_eq!(drawn.last().unwrap(), "and 23 more");
}

#[test]
fn times_have_two_units() {
    let texts = [0, 59, 60, 3_599, 3_600, 90_061].map(duration);
    assert_eq!(texts, ["0s", "59s", "1m00s", "59m59s", "1h00m", "25h01m"]);
    // A clock that is behind, and a build that takes longer than it should.
    assert_eq!(progress(100, None, 50).1, "0s");
    assert_eq!(
        progress(0, Some(10), 1_000).0,
        format!("[{}]", "#".repeat(20))
    );
    assert_eq!(progress(100, Some(50), 120).1, "20s of 0s");
}
