//! The text of a log: as JSON, or as a file that is sent as fast as its client takes it.

use std::sync::Arc;

use asynk_strim::try_stream_fn;
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream::Stream;

use crate::{
    app::App,
    domain::{
        error::{Error, Result},
        log::LogType,
    },
    http::rest::{
        byte_range::ByteRange,
        log,
        log_file::{FileNames, file_names},
        parameters::Parameters,
        path::{LogRef, LogTextForm},
        response::RestError,
    },
    service::log_text_reader::LogTextReader,
    store::{db::database::Db, log::Model},
};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Whatever an HTML log has in it: no script runs, nothing is loaded, and it has an origin of its
/// own.
const SANDBOX: HeaderValue = HeaderValue::from_static(
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'",
);

/// How the text of a log is asked for.
pub(crate) struct LogTextRequest<'r> {
    pub(crate) headers: &'r HeaderMap,
    pub(crate) parameters: &'r Parameters,
    pub(crate) form: LogTextForm,
}

/// Answers with a log as a file, or with the bytes of it that `Range` asks for.
///
/// # Errors
/// `NotFound`; a chunk that cannot be read ends the answer where it stands.
pub(crate) async fn respond(
    app: &App,
    db: &Db,
    log: &LogRef,
    request: &LogTextRequest<'_>,
) -> Result<Response, RestError> {
    let log = log::find(db, log).await?;
    let names = file_names(db, &log).await?;
    let mut headers = headers_of(&log, &names, request.form);
    // What grows has no end yet, and no version.
    let tag = log.is_complete().then(|| entity_tag(&log)).flatten();
    if let Some(tag) = &tag {
        headers.insert(header::ETAG, tag.clone());
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if matches(request.headers, header::IF_NONE_MATCH, tag) {
            return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
        }
    }
    let source = TextSource {
        app: app.clone(),
        db: db.clone(),
        log: Arc::new(log),
        preamble: names.preamble,
    };
    let range = tag.and_then(|tag| asked_range(request.headers, &tag));
    let Some(range) = range else {
        return Ok((headers, source.body(None).await?).into_response());
    };
    let length = source.length().await?;
    let Some((first, last)) = range.within(length) else {
        let all = HeaderValue::try_from(format!("bytes */{length}")).map_err(Error::internal)?;
        let headers = [(header::CONTENT_RANGE, all)];
        return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
    };
    let part = format!("bytes {first}-{last}/{length}");
    let part = HeaderValue::try_from(part).map_err(Error::internal)?;
    headers.insert(header::CONTENT_RANGE, part);
    headers.insert(header::CONTENT_LENGTH, (last - first + 1).into());
    let body = source.body(Some((first, last))).await?;
    Ok((StatusCode::PARTIAL_CONTENT, headers, body).into_response())
}

fn headers_of(log: &Model, names: &FileNames, form: LogTextForm) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let is_html = log.log_type() == LogType::Html;
    headers.insert(header::CONTENT_TYPE, if is_html { HTML } else { TEXT });
    if is_html {
        headers.insert(header::CONTENT_SECURITY_POLICY, SANDBOX);
    }
    if form == LogTextForm::Raw {
        headers.insert(header::CONTENT_DISPOSITION, names.disposition());
    }
    headers
}

/// The version of a finished log, which changes once more if its lines are dropped.
fn entity_tag(log: &Model) -> Option<HeaderValue> {
    let letter = log.log_type().letter();
    let tag = format!("\"{}-{}-{letter}\"", log.id, log.num_lines);
    HeaderValue::try_from(tag).ok()
}

/// Whether a header names this version.
fn matches(headers: &HeaderMap, name: HeaderName, tag: &HeaderValue) -> bool {
    let values = headers.get_all(name).into_iter();
    let mut tags = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    tags.any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == tag.as_bytes()
    })
}

/// The range that is asked for, of this version.
fn asked_range(headers: &HeaderMap, tag: &HeaderValue) -> Option<ByteRange> {
    let range = ByteRange::parse(headers.get(header::RANGE)?.to_str().ok()?)?;
    let is_current = headers
        .get(header::IF_RANGE)
        .is_none_or(|known| known == tag);
    is_current.then_some(range)
}

/// Where the bytes of a file come from.
struct TextSource {
    app: App,
    db: Db,
    log: Arc<Model>,
    /// What stands before the log.
    preamble: String,
}

impl TextSource {
    fn reader(&self) -> LogTextReader {
        LogTextReader::new(&self.app, &self.db, &self.log, (0, i32::MAX), false)
    }

    /// How many bytes there are.
    async fn length(&self) -> Result<u64> {
        let text = if let Some(bytes) = self.app.log_lengths.get(&self.log) {
            bytes
        } else {
            let (mut reader, mut bytes) = (self.reader(), 0);
            while let Some(piece) = reader.next().await? {
                bytes += piece.len() as u64;
            }
            self.app.log_lengths.insert(&self.log, bytes);
            bytes
        };
        Ok(self.preamble.len() as u64 + text)
    }

    /// The bytes from the first to the last, or all. Fails if there is none to send.
    async fn body(self, range: Option<(u64, u64)>) -> Result<Body> {
        let mut reader = self.reader();
        // Read now, so that a log that cannot be read is an error, and not half an answer.
        let first = reader.next().await?;
        let pieces = pieces(self.preamble, first, reader);
        Ok(match range {
            None => Body::from_stream(pieces),
            Some(range) => Body::from_stream(cut(pieces, range)),
        })
    }
}

/// The pieces of a file.
fn pieces(
    preamble: String,
    first: Option<String>,
    mut reader: LogTextReader,
) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
    try_stream_fn(move |mut out| async move {
        if !preamble.is_empty() {
            out.yield_ok(preamble.into()).await;
        }
        let mut next = first;
        while let Some(piece) = next {
            out.yield_ok(piece.into()).await;
            next = reader.next().await.inspect_err(report)?;
        }
        Ok(())
    })
}

/// Logs why a file ends too early: its client sees only that it does.
pub(crate) fn report(error: &Error) {
    tracing::warn!(%error, "the text of a log is cut short");
}

/// The bytes of some pieces from the first to the last.
fn cut(
    pieces: impl Stream<Item = Result<Bytes>> + Send + 'static,
    (first, last): (u64, u64),
) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
    use futures_util::StreamExt;
    try_stream_fn(move |mut out| async move {
        let mut pieces = std::pin::pin!(pieces);
        let mut at = 0;
        while at <= last {
            let Some(piece) = pieces.next().await else {
                break;
            };
            let piece = piece?;
            let bytes = piece.len() as u64;
            let within = |place: u64| usize::try_from(place.saturating_sub(at).min(bytes));
            let (start, end) = (within(first), within(last + 1));
            at += bytes;
            // A place within a piece is one of memory.
            if let (Ok(start), Ok(end)) = (start, end)
                && start < end
            {
                out.yield_ok(piece.slice(start..end)).await;
            }
        }
        Ok(())
    })
}
