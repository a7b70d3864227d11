//! The text of a log, piece by piece, each made when it is asked for.

use std::collections::VecDeque;

use tokio_util::task::AbortOnDropHandle;

use crate::{
    app::App,
    domain::{
        error::{Error, Result},
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
const BYTES_AT_ONCE: usize = 64 * 1_024;

/// Reads the text of some lines of a log.
///
/// Each piece is read by a task of its own: nobody polls an answer whose client takes nothing, and
/// what it waited for then, a thread or a connection, would be given to it and lost to all others.
pub(crate) struct LogTextReader(Option<PieceReader>);

struct PieceReader {
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
        Self(Some(PieceReader {
            app: app.clone(),
            chunks: ChunkReader::new(db, log.id, (first, last), BYTES_AT_ONCE),
            reader,
            rows: VecDeque::new(),
            next: first,
            last,
            with_streams,
        }))
    }

    /// The next piece, of whole lines; `None` at the end, and behind an error.
    pub(crate) async fn next(&mut self) -> Result<Option<String>> {
        let Some(mut reader) = self.0.take() else {
            return Ok(None);
        };
        let task = tokio::spawn(async move {
            let piece = reader.next().await;
            (piece, reader)
        });
        let (piece, reader) = AbortOnDropHandle::new(task)
            .await
            .map_err(Error::internal)?;
        let piece = piece?;
        self.0 = Some(reader);
        Ok(piece)
    }
}

impl PieceReader {
    async fn next(&mut self) -> Result<Option<String>> {
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
