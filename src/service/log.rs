//! The update methods of logs. Each returns the log after the update, and the bookmark of the event
//! that the update caused.
//!
//! Each fails with `NotFound` for its step or log, `Invalid` for its arguments, and
//! `WrittenUnread` where it is written but has no position yet.

use crate::{
    app::App,
    domain::{
        error::{Error, Result},
        event::EventKind,
        id::{LogId, StepId},
        log::{LogStream, LogType, check_log_name},
        log_content::{check_content, chunks_of, line_prefix},
        log_text::codec::RAW,
    },
    service::{
        log_compression,
        write::{Updated, write_event},
        writer::Writer,
    },
    store::{
        event,
        log::{self, Model},
        log_chunk,
    },
};

/// Adds an empty log to a step, under the first free form of its name's slug.
pub(crate) async fn add_log(
    app: &App,
    writer: &Writer,
    stepid: StepId,
    name: &str,
    log_type: LogType,
) -> Result<Updated<Model>> {
    check_log_name(name)?;
    if log_type == LogType::Deleted {
        let rule = "STDIO, TEXT or HTML, got DELETED";
        return Err(Error::invalid("type", rule));
    }
    let name = name.to_owned();
    write_event(app, writer, |txn| {
        // `write` calls this again after a conflict, so each call needs its own copy.
        let name = name.clone();
        Box::pin(async move {
            let logid = log::insert(txn, stepid, &name, log_type).await?;
            event::of_log(txn, logid, EventKind::New).await
        })
    })
    .await
}

/// Adds lines to the end of a log. They have the next numbers, whoever else appends.
pub(crate) async fn append_log(
    app: &App,
    writer: &Writer,
    logid: LogId,
    content: String,
    stream: LogStream,
) -> Result<Updated<Model>> {
    check_content(&content)?;
    let content = std::sync::Arc::<str>::from(content);
    write_event(app, writer, |txn| {
        let content = content.clone();
        Box::pin(async move {
            // Without the lock, two appenders would give their lines the same numbers.
            let log = log::lock(txn, logid).await?;
            let prefix = line_prefix(log.log_type(), stream)?;
            if log.is_complete() {
                let rule = format!("a log that is not finished, got {logid}");
                return Err(Error::invalid("logid", rule));
            }
            let mut next = log.num_lines;
            let mut rows = Vec::new();
            for chunk in chunks_of(&content, prefix) {
                let first = next;
                next = first.checked_add(chunk.lines).ok_or_else(|| {
                    let rule = format!("at most {} lines in a log", i32::MAX);
                    Error::invalid("content", rule)
                })?;
                rows.push(log_chunk::Model {
                    logid,
                    first_line: first,
                    last_line: next - 1,
                    content: chunk.content,
                    compressed: RAW,
                });
            }
            log_chunk::insert(txn, rows).await?;
            log::set_num_lines(txn, logid, next).await?;
            event::of_log(txn, logid, EventKind::Updated).await
        })
    })
    .await
}

/// Marks a log as one that gets no more lines. What it has is then stored in less room.
pub(crate) async fn finish_log(app: &App, writer: &Writer, logid: LogId) -> Result<Updated<Model>> {
    let finished = write_event(app, writer, |txn| {
        Box::pin(async move {
            log::finish(txn, logid).await?;
            event::of_log(txn, logid, EventKind::Finished).await
        })
    })
    .await?;
    log_compression::begin(app, logid);
    Ok(finished)
}
