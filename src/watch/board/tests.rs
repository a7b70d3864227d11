//! Tests of what a board says has changed.

use super::*;
use crate::watch::row::{BuilderName, StepBuild};

fn build(buildid: i64, state: &str, complete: bool) -> BuildRow {
    BuildRow {
        buildid,
        number: buildid,
        builder: BuilderName {
            name: "b".to_owned(),
        },
        state_string: state.to_owned(),
        complete,
        results: None,
        started_at: Some(1),
        complete_at: None,
        expected_complete_at: None,
    }
}

fn step(number: i64, state: &str) -> WatchedStep {
    WatchedStep {
        number,
        name: format!("s{number}"),
        state_string: state.to_owned(),
        complete: false,
        results: None,
        started_at: None,
        complete_at: None,
    }
}

fn heard(object: HeardObject) -> HeardEvent {
    HeardEvent {
        at: "t".to_owned(),
        kind: "UPDATED".to_owned(),
        object,
    }
}

fn build_event(buildid: i64, state: &str, complete: bool) -> HeardEvent {
    heard(HeardObject::Build(build(buildid, state, complete)))
}

fn step_event(buildid: i64, number: i64, state: &str) -> HeardEvent {
    let builder = BuilderName {
        name: "b".to_owned(),
    };
    let of = StepBuild {
        buildid,
        number: buildid,
        builder,
    };
    heard(HeardObject::Step(step(number, state), of))
}

fn rows(builds: Vec<(BuildRow, Vec<WatchedStep>)>) -> SnapshotRows {
    SnapshotRows {
        builds,
        has_more: false,
    }
}

/// The build, the step and the state of each change.
fn said(changes: &[BoardChange]) -> Vec<(i64, Option<i64>, &str)> {
    let step = |change: &BoardChange| change.step.as_ref().map(|(number, _)| *number);
    changes
        .iter()
        .map(|c| (c.number, step(c), &*c.state))
        .collect()
}

#[test]
fn a_snapshot_is_shown_as_it_is_when_it_has_caught_up() {
    let mut board = Board::new(false);
    board.load(rows(vec![(build(1, "old", false), vec![step(0, "x")])]));
    // Rows may be newer than the cursor: what leads up to them is not shown.
    assert_eq!(board.apply(build_event(1, "older", false)), None);
    assert_eq!(board.apply(build_event(1, "new", false)), None);
    assert_eq!(board.apply(step_event(1, 1, "y")), None);
    let changes = board.catch_up("t");
    assert_eq!(
        said(&changes),
        [(1, None, "new"), (1, Some(0), "x"), (1, Some(1), "y")]
    );
    assert!(changes.iter().all(|change| change.kind == SNAPSHOT));
    assert!(board.catch_up("t").is_empty());
}

#[test]
fn a_change_of_what_no_line_shows_is_no_change() {
    let mut board = Board::new(false);
    assert!(board.apply(build_event(1, "a", false)).is_some());
    assert_eq!(board.apply(build_event(1, "a", false)), None);
    assert!(board.apply(step_event(1, 0, "x")).is_some());
    assert_eq!(board.apply(step_event(1, 0, "x")), None);
    assert!(board.apply(step_event(1, 0, "y")).is_some());
}

#[test]
fn a_new_snapshot_shows_what_was_missed_and_no_more() {
    let mut board = Board::new(false);
    let first = [1, 2, 3].map(|id| (build(id, "a", false), vec![step(0, "x")]));
    board.load(rows(first.into()));
    board.catch_up("t");
    board.apply(build_event(3, "done", true));
    assert_eq!(board.running_ids(), [1, 2]);
    // 1 goes on, 2 has ended, 3 had ended, 4 is new.
    let second = rows(vec![
        (build(1, "a", false), vec![step(0, "x"), step(1, "z")]),
        (build(2, "done", true), vec![]),
        (build(3, "done", true), vec![]),
        (build(4, "a", false), vec![]),
    ]);
    board.load(second);
    assert_eq!(
        board.running_ids(),
        [1, 2],
        "a second loss asks for the same builds"
    );
    let changes = board.catch_up("t");
    assert_eq!(
        said(&changes),
        [(1, Some(1), "z"), (2, None, "done"), (4, None, "a")]
    );
    assert_eq!(board.running_ids(), [1, 4]);
}

#[test]
fn ended_builds_leave_unless_they_are_kept() {
    for keeps in [false, true] {
        let mut board = Board::new(keeps);
        board.apply(build_event(1, "a", false));
        board.apply(build_event(1, "done", true));
        assert_eq!(board.builds().count(), usize::from(keeps));
        // What changes afterwards is still told.
        assert!(board.apply(build_event(1, "changed", true)).is_some());
        assert_eq!(board.builds().count(), usize::from(keeps));
    }
}
