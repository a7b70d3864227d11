//! The moving list as rows of coloured text: what runs, what it does, and how far it is.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::watch::{
    board::{Board, BoardChange, WatchedBuild},
    line::escape,
};

/// How many cells a bar of progress has.
const BAR: i64 = 20;
/// The most cells that a builder's name and a build's number take.
const MOST_NAME: usize = 40;

/// How a text is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Dim,
    Bold,
    Good,
    Poor,
    Bad,
    Odd,
}

/// A row of the terminal, in parts.
pub(crate) type PaintedRow = Vec<(Paint, String)>;

/// How the connection is, for the first row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkStatus {
    Connecting,
    CatchingUp,
    Live,
    /// It is live, and nothing has come for so many seconds, though it was asked.
    Unanswered(u64),
    /// It is not connected, and why. Rows are of before.
    Away(String),
}

/// What the moving list is made of beside the builds.
pub(crate) struct FrameInput<'a> {
    pub(crate) url: &'a str,
    pub(crate) status: &'a LinkStatus,
    /// Seconds since the epoch, by the server's clock.
    pub(crate) now: i64,
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// The rows of the moving list, none wider than the terminal.
pub(crate) fn frame(board: &Board, input: &FrameInput<'_>) -> Vec<PaintedRow> {
    let running: Vec<_> = board.builds().filter(|w| !w.build.complete).collect();
    let mut rows = vec![header(running.len(), input)];
    let width = running.iter().map(|watched| label(watched).width()).max();
    let width = width.unwrap_or_default().min(MOST_NAME);
    // The header, a row that counts what is left out, and the row of the cursor.
    let room = input.rows.saturating_sub(3).max(1);
    rows.extend(
        running
            .iter()
            .take(room)
            .map(|watched| build_row(watched, width, input)),
    );
    if running.len() > room {
        let more = format!("and {} more", running.len() - room);
        rows.push(vec![(Paint::Dim, more)]);
    }
    // The last cell stays free: some terminals break the line there.
    let columns = input.columns.saturating_sub(1).max(1);
    rows.into_iter().map(|row| fit(row, columns)).collect()
}

/// The row that stays when a build or a step has changed for good.
pub(crate) fn lasting_row(change: &BoardChange, columns: usize) -> PaintedRow {
    let mut name = format!("{} #{}", escape(&change.builder), change.number);
    if let Some((number, step)) = &change.step {
        name = format!("{name}  {number} {}", escape(step));
    }
    let results = change.results.as_deref().unwrap_or("-");
    let row = vec![
        (Paint::Dim, format!("{}  ", escape(&change.at))),
        (Paint::Plain, format!("{name}  ")),
        (paint(results), escape(results).into_owned()),
        (Paint::Plain, format!("  {}", escape(&change.state))),
    ];
    fit(row, columns.saturating_sub(1).max(1))
}

/// The colour of a result.
fn paint(results: &str) -> Paint {
    match results {
        "SUCCESS" => Paint::Good,
        "WARNINGS" => Paint::Poor,
        "FAILURE" => Paint::Bad,
        "EXCEPTION" | "RETRY" | "CANCELLED" => Paint::Odd,
        _ => Paint::Dim,
    }
}

fn header(count: usize, input: &FrameInput<'_>) -> PaintedRow {
    let builds = if count == 1 { "build" } else { "builds" };
    let (look, text) = match input.status {
        LinkStatus::Connecting => (Paint::Dim, "connecting".to_owned()),
        LinkStatus::CatchingUp => (Paint::Dim, "catching up".to_owned()),
        LinkStatus::Live => (Paint::Good, format!("live: {count} {builds} running")),
        LinkStatus::Unanswered(seconds) => (Paint::Poor, format!("no answer for {seconds} s")),
        LinkStatus::Away(why) => {
            let text = format!("not connected, this is of before: {}", escape(why));
            (Paint::Bad, text)
        }
    };
    vec![
        (Paint::Bold, format!("{}  ", escape(input.url))),
        (look, text),
    ]
}

fn label(watched: &WatchedBuild) -> String {
    let build = &watched.build;
    format!("{} #{}", escape(&build.builder.name), build.number)
}

fn build_row(watched: &WatchedBuild, width: usize, input: &FrameInput<'_>) -> PaintedRow {
    let build = &watched.build;
    let name = fit(vec![(Paint::Plain, label(watched))], width);
    let name = name.into_iter().map(|(_, text)| text).collect::<String>();
    let pad = " ".repeat(width.saturating_sub(name.width()));
    let doing = match watched.current_step() {
        Some(step) => {
            let (name, state) = (escape(&step.name), escape(&step.state_string));
            format!("{} {name}: {state}", step.number)
        }
        None => escape(&build.state_string).into_owned(),
    };
    let is_live = matches!(input.status, LinkStatus::Live);
    let (bar, time) = match (build.started_at, is_live) {
        (Some(start), true) => progress(start, build.expected_complete_at, input.now),
        // Whoever is not connected does not know how far it is.
        _ => (" ".repeat(22), String::new()),
    };
    let look = if is_live { Paint::Plain } else { Paint::Dim };
    vec![
        (look, format!("{name}{pad}  ")),
        (if is_live { Paint::Good } else { Paint::Dim }, bar),
        (Paint::Dim, format!("  {time:<15}  ")),
        (look, doing),
    ]
}

/// A bar, and the time that has passed of the time that it should take.
fn progress(start: i64, expected: Option<i64>, now: i64) -> (String, String) {
    let passed = now.saturating_sub(start).max(0);
    let Some(whole) = expected.map(|end| end.saturating_sub(start)) else {
        return (" ".repeat(22), duration(passed));
    };
    let done = passed
        .saturating_mul(BAR)
        .checked_div(whole.max(0))
        .unwrap_or(BAR);
    let done = usize::try_from(done.clamp(0, BAR)).unwrap_or_default();
    let left = usize::try_from(BAR)
        .unwrap_or_default()
        .saturating_sub(done);
    let bar = format!("[{}{}]", "#".repeat(done), ".".repeat(left));
    (
        bar,
        format!("{} of {}", duration(passed), duration(whole.max(0))),
    )
}

/// A time of so many seconds, in its two largest units.
fn duration(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
    }
}

/// A row cut to so many cells.
fn fit(row: PaintedRow, columns: usize) -> PaintedRow {
    let mut left = columns;
    let mut fitted = Vec::with_capacity(row.len());
    for (look, text) in row {
        for (at, c) in text.char_indices() {
            let width = c.width().unwrap_or_default();
            if width > left {
                fitted.push((look, text[..at].to_owned()));
                return fitted;
            }
            left -= width;
        }
        fitted.push((look, text));
    }
    fitted
}

#[cfg(test)]
mod tests;
