//! Searching a log: a few chunks at a time are read, and unpacked and searched in several threads,
//! until there are enough matches.

use std::{mem, sync::Arc};

use futures_util::future::try_join_all;

use crate::{
    app::{App, log_workers::Abandoned},
    domain::{
        error::Result,
        log::LogType,
        log_text::{codec::ChunkDecoder, lines::NumberedLine, search::LineMatcher},
    },
    service::log_lines::{ChunkReader, LineReader, unpack},
    store::{db::database::Db, log, log_chunk::Model},
};

/// How many bytes of chunks are read at once, as they are stored.
const BYTES_AT_ONCE: usize = 2 << 20;

/// Lines that match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MatchPage {
    pub(crate) matches: Vec<NumberedLine>,
    /// The number of the first line that was not searched; `None` where the log ends.
    pub(crate) next: Option<i32>,
    /// How many lines were searched.
    pub(crate) searched: i32,
    /// How many rows were read for them.
    pub(crate) rows: usize,
}

/// How much of a log is searched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SearchRange {
    /// The number of the first line.
    pub(crate) from: i32,
    /// How many matches are wanted.
    pub(crate) limit: usize,
    /// About how many bytes their texts may have together; the first may have more.
    pub(crate) max_bytes: usize,
}

/// Finds the first lines that match.
pub(crate) async fn search(
    app: &App,
    db: &Db,
    log: &log::Model,
    matcher: &LineMatcher,
    range: SearchRange,
) -> Result<MatchPage> {
    let mut page = MatchPage::default();
    let reader = LineReader::new(app, log);
    if reader.log_type == LogType::Deleted {
        return Ok(page);
    }
    let limits = &app.config.limit;
    let (mut searched_bytes, mut text_bytes) = (0_usize, 0_usize);
    let mut chunks = ChunkReader::new(db, log.id, (range.from, i32::MAX), BYTES_AT_ONCE);
    let mut rows = chunks.next().await?;
    let mut at = range.from;
    while !rows.is_empty() {
        page.rows += rows.len();
        let found = search_chunks(app, &reader, matcher, mem::take(&mut rows), at);
        // The next ones are read while these are searched.
        let (found, next) = tokio::join!(found, chunks.next());
        for part in found? {
            searched_bytes = searched_bytes.saturating_add(part.bytes);
            for line in part.matches {
                let bytes = size_of::<NumberedLine>() + line.text.len();
                let is_full = text_bytes.saturating_add(bytes) > range.max_bytes;
                if page.matches.len() == range.limit || (is_full && !page.matches.is_empty()) {
                    return Ok(end_page(page, at, range.from));
                }
                text_bytes = text_bytes.saturating_add(bytes);
                at = line.number.saturating_add(1);
                page.matches.push(line);
            }
            at = at.max(part.after);
        }
        rows = next?;
        let is_enough = page.matches.len() == range.limit;
        let has_searched_enough = searched_bytes >= limits.log_search_bytes;
        if !rows.is_empty() && (is_enough || has_searched_enough) {
            return Ok(end_page(page, at, range.from));
        }
    }
    page.searched = at.saturating_sub(range.from);
    Ok(page)
}

/// A page that ends before the line `at`.
fn end_page(page: MatchPage, at: i32, from: i32) -> MatchPage {
    MatchPage {
        next: Some(at),
        searched: at.saturating_sub(from),
        ..page
    }
}

/// What was found in a few chunks.
#[derive(Default)]
struct SearchedPart {
    matches: Vec<NumberedLine>,
    /// The number of the line after them.
    after: i32,
    /// How many they unpacked to.
    bytes: usize,
}

/// Searches chunks in as many threads as there are; the parts are in the order of the chunks.
async fn search_chunks(
    app: &App,
    reader: &LineReader,
    matcher: &LineMatcher,
    rows: Vec<Model>,
    from: i32,
) -> Result<Vec<SearchedPart>> {
    let rows = Arc::new(rows);
    let each = rows.len().div_ceil(app.log_workers.count()).max(1);
    let max_bytes = app.config.limit.max_log_chunk_bytes;
    let parts = (0..rows.len()).step_by(each).map(|start| {
        let (rows, reader, matcher) = (rows.clone(), reader.clone(), matcher.clone());
        let part = move |abandoned: &Abandoned| {
            let end = rows.len().min(start + each);
            let mut decoder = ChunkDecoder::new(max_bytes);
            search_part(
                &mut decoder,
                &reader,
                &matcher,
                &rows[start..end],
                from,
                abandoned,
            )
        };
        async { app.log_workers.run(part).await? }
    });
    try_join_all(parts).await
}

fn search_part(
    decoder: &mut ChunkDecoder,
    reader: &LineReader,
    matcher: &LineMatcher,
    rows: &[Model],
    from: i32,
    abandoned: &Abandoned,
) -> Result<SearchedPart> {
    let mut part = SearchedPart::default();
    for row in rows {
        if abandoned.is_set() {
            break;
        }
        let text = unpack(decoder, row)?;
        part.bytes += text.len();
        let lines = (row.first_line, row.last_line);
        let found = matcher.lines_of(reader.log_type, lines, &text, from);
        part.matches
            .extend(found.into_iter().map(|line| reader.read(line)));
        part.after = row.last_line.saturating_add(1);
    }
    Ok(part)
}
