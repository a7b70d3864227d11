//! Stores the lines of a finished log in less room: neighbouring chunks are merged and compressed,
//! a few at a time, so that no other writer waits for long. Should the server end meanwhile, the
//! rest stays as it is, which is as good to read.

use futures_util::{FutureExt, future::BoxFuture};
use tokio::task::spawn_blocking;

use crate::{
    app::App,
    domain::{
        error::{Error, Result},
        id::LogId,
        log::LogType,
        log_content::MAX_CHUNK_BYTES,
        log_text::codec::{RAW, compress},
    },
    service::log_lines::ChunkReader,
    store::{
        db::transaction::{Txn, Work},
        log,
        log_chunk::{self, Model},
    },
};

/// How many bytes of chunks are replaced in one transaction.
const BATCH_BYTES: usize = 1 << 20;

/// Begins to compress a log, beside the requests.
pub(crate) fn begin(app: &App, logid: LogId) {
    let work = app.clone();
    app.tasks.spawn(async move {
        if let Err(error) = compress_log(&work, logid).await {
            tracing::warn!(%error, %logid, "a finished log is not compressed");
        }
    });
}

async fn compress_log(app: &App, logid: LogId) -> Result<()> {
    let mut chunks = ChunkReader::new(&app.db, logid, (0, i32::MAX), BATCH_BYTES);
    while !app.stop.is_cancelled() {
        let rows = chunks.next().await?;
        if rows.is_empty() {
            break;
        }
        let merged = spawn_blocking(move || merge(rows)).await;
        let replacement = Replacement {
            logid,
            merged: merged.map_err(Error::internal)?,
        };
        app.db.write(&replacement).await?;
    }
    Ok(())
}

/// Chunks that are put in the place of others.
struct Replacement {
    logid: LogId,
    merged: Vec<Model>,
}

impl Work<()> for Replacement {
    fn run<'t>(&'t self, txn: &'t Txn) -> BoxFuture<'t, Result<()>> {
        async move {
            // Retention may have dropped the lines meanwhile.
            if log::lock(txn, self.logid).await?.log_type() == LogType::Deleted {
                return Ok(());
            }
            log_chunk::replace(txn, self.logid, self.merged.clone()).await
        }
        .boxed()
    }
}

/// Joins neighbouring raw chunks to as few as may be, and compresses each.
fn merge(rows: Vec<Model>) -> Vec<Model> {
    let mut merged: Vec<Model> = Vec::new();
    for row in rows {
        let fits = |last: &mut Model| {
            let bytes = last.content.len() + 1 + row.content.len();
            (last.compressed, row.compressed) == (RAW, RAW)
                && last.last_line.checked_add(1) == Some(row.first_line)
                && bytes <= MAX_CHUNK_BYTES
        };
        match merged.pop_if(fits) {
            Some(mut last) => {
                last.content.push(b'\n');
                last.content.extend_from_slice(&row.content);
                last.last_line = row.last_line;
                merged.push(last);
            }
            None => merged.push(row),
        }
    }
    merged.into_iter().map(compressed).collect()
}

/// The chunk as it is kept.
fn compressed(mut chunk: Model) -> Model {
    if chunk.compressed == RAW {
        (chunk.compressed, chunk.content) = compress(chunk.content);
    }
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(first_line: i32, last_line: i32, content: &str) -> Model {
        Model {
            logid: LogId(1),
            first_line,
            last_line,
            content: content.into(),
            compressed: RAW,
        }
    }

    #[test]
    fn neighbours_are_joined_and_others_are_not() {
        let apart = Model {
            compressed: 1,
            ..chunk(3, 3, "packed")
        };
        let rows = vec![
            chunk(0, 0, "oa"),
            chunk(1, 2, "ob\noc"),
            apart.clone(),
            chunk(4, 4, "od"),
            chunk(6, 6, "of"),
        ];
        let merged = merge(rows);
        let lines: Vec<_> = merged.iter().map(|c| (c.first_line, c.last_line)).collect();
        assert_eq!(lines, [(0, 2), (3, 3), (4, 4), (6, 6)]);
        assert_eq!(merged[1], apart);
        // Too short to get smaller.
        assert_eq!(merged[0].content, b"oa\nob\noc");
        assert_eq!(merged[0].compressed, RAW);
    }

    #[test]
    fn a_chunk_stays_as_small_as_it_must() {
        let half = "x".repeat(MAX_CHUNK_BYTES / 2);
        let merged = merge((0..3).map(|at| chunk(at, at, &half)).collect());
        // Two halves and the line feed between them are one byte too many.
        assert_eq!(merged.len(), 3);
        assert!(merged.iter().all(|chunk| chunk.content.len() < 1_000));
    }
}
