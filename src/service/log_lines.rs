//! Reading logs: by the numbers of lines, a few chunks at a time, so that the memory is bounded by
//! what is asked for, and a log is read right while its chunks are merged.

use std::borrow::Cow;

use crate::{
    app::App,
    domain::{
        error::{Error, Result},
        id::LogId,
        log::LogType,
        log_text::{
            codec::ChunkDecoder,
            lines::{NumberedLine, StoredLine, read_line, stored_lines},
        },
    },
    store::{
        db::database::Db,
        invalid_values::InvalidValues,
        log,
        log_chunk::{self, Model},
    },
};

/// How many bytes of chunks are read at once for lines, as they are stored.
const BYTES_AT_ONCE: usize = 1 << 20;
/// What a chunk is taken to have before any was seen, in bytes, and how many are read at once at
/// most.
const USUAL_CHUNK_BYTES: usize = 16 * 1_024;
const MAX_CHUNKS: usize = 4_096;

/// Neighbouring lines of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinePage {
    /// The number of the first line.
    pub(crate) from: i32,
    /// The number of the line after the last; `None` where the log ends here.
    pub(crate) next: Option<i32>,
    pub(crate) lines: Vec<NumberedLine>,
    /// How many rows were read for them.
    pub(crate) rows: usize,
}

/// Which lines of a log, and how much of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineRange {
    /// The number of the first line.
    pub(crate) from: i32,
    /// How many lines at most.
    pub(crate) limit: i32,
    /// About how many bytes they may have together; the first is read whatever it has.
    pub(crate) max_bytes: usize,
}

impl LineRange {
    /// The number of the last line.
    fn last(self) -> i32 {
        self.from.saturating_add(self.limit - 1)
    }
}

/// The number of the line that `from` means: a negative one counts from the end.
#[must_use]
pub(crate) fn first_line(from: i32, num_lines: i32) -> i32 {
    if from < 0 {
        num_lines.saturating_add(from).max(0)
    } else {
        from
    }
}

/// Reads a log's chunks in order, a few at a time.
pub(crate) struct ChunkReader {
    db: Db,
    logid: LogId,
    /// The number of the next line to read.
    next: i32,
    /// That of the last one.
    last: i32,
    bytes_at_once: usize,
    /// How many bytes the chunks have that were read last, on average.
    chunk_bytes: usize,
    is_done: bool,
}

impl ChunkReader {
    /// One for the lines `first` to `last`.
    pub(crate) fn new(
        db: &Db,
        logid: LogId,
        (first, last): (i32, i32),
        bytes_at_once: usize,
    ) -> Self {
        Self {
            db: db.clone(),
            logid,
            next: first,
            last,
            bytes_at_once,
            chunk_bytes: USUAL_CHUNK_BYTES,
            is_done: false,
        }
    }

    /// The next chunks; none at the end. The first may begin with lines that were read before.
    pub(crate) async fn next(&mut self) -> Result<Vec<Model>> {
        let first = self.next;
        if self.is_done || first > self.last {
            return Ok(Vec::new());
        }
        let (lines, max_bytes) = ((first, self.last), self.bytes_at_once);
        let max_rows = (max_bytes / self.chunk_bytes + 1).min(MAX_CHUNKS);
        let read = log_chunk::in_range(&self.db, self.logid, lines, max_rows, max_bytes).await?;
        let bytes: usize = read.rows.iter().map(|row| row.content.len()).sum();
        self.chunk_bytes = (bytes / read.rows.len().max(1)).max(1);
        let last = read.rows.iter().map(|row| row.last_line).max();
        let after = last.and_then(|last| last.checked_add(1));
        match after {
            // Rows that do not say more than was read would be read for ever.
            Some(after) if after > first && read.is_cut => self.next = after,
            Some(after) => {
                self.next = after.max(first);
                self.is_done = true;
            }
            None => self.is_done = true,
        }
        Ok(read.rows)
    }
}

/// Unpacks a chunk.
///
/// # Errors
/// `BrokenChunk`.
pub(crate) fn unpack<'c>(decoder: &mut ChunkDecoder, chunk: &'c Model) -> Result<Cow<'c, [u8]>> {
    let text = decoder.decode(chunk.compressed, &chunk.content);
    text.map_err(|fault| Error::BrokenChunk {
        logid: chunk.logid,
        first_line: chunk.first_line,
        last_line: chunk.last_line,
        fault,
    })
}

/// What the lines of a log are read with.
#[derive(Clone, Debug)]
pub(crate) struct LineReader {
    pub(crate) logid: LogId,
    pub(crate) log_type: LogType,
    invalid: InvalidValues,
}

impl LineReader {
    pub(crate) fn new(app: &App, log: &log::Model) -> Self {
        Self {
            logid: log.id,
            log_type: log.log_type(),
            invalid: app.invalid_values.clone(),
        }
    }

    /// Reads a stored line. What is not UTF-8 is logged once for each log.
    pub(crate) fn read(&self, line: StoredLine<'_>) -> NumberedLine {
        read_line(self.log_type, line, || self.report_invalid())
    }

    pub(crate) fn report_invalid(&self) {
        self.invalid.report("logchunks.content", self.logid.0);
    }
}

/// Reads lines of a log.
pub(crate) async fn read_lines(
    app: &App,
    db: &Db,
    log: &log::Model,
    range: LineRange,
) -> Result<LinePage> {
    let mut page = LinePage {
        from: range.from,
        next: None,
        lines: Vec::new(),
        rows: 0,
    };
    let reader = LineReader::new(app, log);
    if range.limit < 1 || reader.log_type == LogType::Deleted {
        return Ok(page);
    }
    let mut chunks = ChunkReader::new(db, log.id, (range.from, range.last()), BYTES_AT_ONCE);
    let mut wanted = WantedLines {
        first: range.from,
        last: range.last(),
        bytes_left: range.max_bytes,
    };
    let max = app.config.limit.max_log_chunk_bytes;
    loop {
        let rows = chunks.next().await?;
        if rows.is_empty() {
            break;
        }
        page.rows += rows.len();
        let (reader, is_begun) = (reader.clone(), !page.lines.is_empty());
        let part = move |_: &_| lines_of(&reader, &rows, wanted, is_begun, max);
        let part = app.log_workers.run(part).await??;
        page.lines.extend(part.lines);
        wanted = part.still_wanted;
        if part.is_full {
            page.next = Some(wanted.first);
            return Ok(page);
        }
    }
    let after = range.last().saturating_add(1);
    page.next = (after < log.num_lines).then_some(after);
    Ok(page)
}

/// What is still to be read.
#[derive(Clone, Copy, Debug)]
struct WantedLines {
    first: i32,
    last: i32,
    bytes_left: usize,
}

/// Lines of some chunks.
struct LinePart {
    lines: Vec<NumberedLine>,
    still_wanted: WantedLines,
    /// There is no room for what is still wanted.
    is_full: bool,
}

/// The wanted lines of some chunks; `is_begun` says whether there are others before them.
fn lines_of(
    reader: &LineReader,
    chunks: &[Model],
    mut wanted: WantedLines,
    is_begun: bool,
    max_chunk_bytes: usize,
) -> Result<LinePart> {
    let mut decoder = ChunkDecoder::new(max_chunk_bytes);
    let mut lines = Vec::new();
    let mut is_full = false;
    'chunks: for chunk in chunks {
        let text = unpack(&mut decoder, chunk)?;
        for (number, stored) in stored_lines(chunk.first_line, chunk.last_line, &text) {
            // Rows may overlap if something else than Buildbot wrote them; a number has one line.
            if number < wanted.first || number > wanted.last {
                continue;
            }
            let line = reader.read((number, stored));
            let bytes = size_of::<NumberedLine>() + line.text.len();
            // One line at least, so that a page always goes on.
            is_full = bytes > wanted.bytes_left && (is_begun || !lines.is_empty());
            if is_full {
                break 'chunks;
            }
            wanted.bytes_left = wanted.bytes_left.saturating_sub(bytes);
            wanted.first = number.saturating_add(1);
            lines.push(line);
        }
    }
    Ok(LinePart {
        lines,
        still_wanted: wanted,
        is_full,
    })
}
