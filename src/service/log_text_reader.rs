//! The text of a log, piece by piece, each made when it is asked for.

use std::collections::VecDeque;

use crate::{
    app::App,
    domain::{
        error::Result,
        log::LogType,
        log_text::{
            codec::ChunkDecoder,
            lines::{plain_text, split_stream, stored_lines},
        },
    },
    service::log_lines::{ChunkReader, LineReader, unpack},
    store::{db::database::Db, log, log_chunk::Model},
};

/// How many bytes of chunks are read at once, as they are stored: little, as many clients may read
/// slowly at the same time.
const BYTES_AT_ONCE: usize = 256 * 1_024;

/// Reads the text of some lines of a log.
pub(crate) struct LogTextReader {
    app: App,
    reader: LineReader,
    chunks: ChunkReader,
    /// Those that are still to be unpacked.
    rows: VecDeque<Model>,
    /// The number of the next line.
    next: i32,
    /// The number of the last line.
    last: i32,
    with_streams: bool,
}

impl LogTextReader {
    /// One for the lines `first` to `last`; each begins with the character of its stream where it
    /// is stored so and `with_streams` asks for it.
    pub(crate) fn new(
        app: &App,
        db: &Db,
        log: &log::Model,
        (first, last): (i32, i32),
        with_streams: bool,
    ) -> Self {
        let reader = LineReader::new(app, log);
        // The lines of a deleted log are gone, even if some rows are not.
        let is_empty = reader.log_type == LogType::Deleted;
        let last = if is_empty {
            first.saturating_sub(1)
        } else {
            last
        };
        Self {
            app: app.clone(),
            chunks: ChunkReader::new(db, log.id, (first, last), BYTES_AT_ONCE),
            reader,
            rows: VecDeque::new(),
            next: first,
            last,
            with_streams,
        }
    }

    /// The next piece, of whole lines; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<String>> {
        loop {
            if self.rows.is_empty() {
                self.rows = self.chunks.next().await?.into();
            }
            let Some(row) = self.rows.pop_front() else {
                return Ok(None);
            };
            let (reader, with_streams) = (self.reader.clone(), self.with_streams);
            let wanted = (self.next, self.last);
            let max_bytes = self.app.config.limit.max_log_chunk_bytes;
            let after = row.last_line.saturating_add(1);
            let piece = move |_: &_| text_of(&reader, &row, wanted, with_streams, max_bytes);
            let piece = self.app.log_workers.run(piece).await??;
            self.next = self.next.max(after);
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }
}

/// The text of the wanted lines of a chunk, each with its end.
fn text_of(
    reader: &LineReader,
    row: &Model,
    (first, last): (i32, i32),
    with_streams: bool,
    max_bytes: usize,
) -> Result<String> {
    let mut decoder = ChunkDecoder::new(max_bytes);
    let text = unpack(&mut decoder, row)?;
    let mut piece = String::with_capacity(text.len() + 1);
    let lines = stored_lines(row.first_line, row.last_line, &text);
    for (_, stored) in lines.filter(|(number, _)| (first..=last).contains(number)) {
        let line = if with_streams {
            stored
        } else {
            split_stream(reader.log_type, stored).1
        };
        piece.push_str(&plain_text(line, || reader.report_invalid()));
        piece.push('\n');
    }
    Ok(piece)
}
