//! Reading a finished log while its chunks are merged: every answer is whole.

use std::{
    fmt::Write,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use buildbot_graphql::testing::{Clock, OnStatement};
use reqwest::Response;
use serde_json::{Value, json};
use tokio::task::block_in_place;

use super::{
    TestLog,
    tail::{follow, lines_to_end, lines_until},
};
use crate::support::{server::Server, wait_until, ws::Ws};

const APPENDS: usize = 200;
/// How many lines each append has, so that a merged chunk has those of three.
const LINES: usize = 100;
const ALL: usize = APPENDS * LINES;
/// Every such line has a word to search for.
const NEEDLE: usize = 400;

/// The text of a line, which does not compress well.
fn line(number: usize) -> String {
    let what = if number.is_multiple_of(NEEDLE) {
        "needle"
    } else {
        "hay"
    };
    let mut text = format!("{number} {what} ");
    let mut state = number as u64 + 1;
    for _ in 0..12 {
        state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
        write!(text, "{state:016x}").unwrap();
    }
    text
}

fn lines(numbers: Range<usize>) -> Vec<String> {
    numbers.map(line).collect()
}

/// Stops a merge each time that it has deleted chunks and not yet put others in their place.
#[derive(Clone, Default)]
struct Stops {
    reached: Arc<AtomicUsize>,
    passed: Arc<AtomicUsize>,
}

impl Stops {
    fn on_statement(&self) -> OnStatement {
        let stops = self.clone();
        Box::new(move |sql| {
            if !sql.starts_with("DELETE") || !sql.contains("logchunks") {
                return;
            }
            let stop = stops.reached.fetch_add(1, Ordering::SeqCst) + 1;
            // Moves this thread's other work to another thread.
            block_in_place(|| {
                while stops.passed.load(Ordering::SeqCst) < stop {
                    thread::sleep(Duration::from_millis(5));
                }
            });
        })
    }

    fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }

    fn pass(&self, stop: usize) {
        self.passed.store(stop, Ordering::SeqCst);
    }
}

/// Lets a merge go on when the test ends, even if it fails.
struct PassAll(Stops);

impl Drop for PassAll {
    fn drop(&mut self) {
        self.0.pass(usize::MAX);
    }
}

/// One who reads a log, and what it must find.
struct Reader<'s> {
    server: &'s Server,
    log: &'s TestLog,
    /// The file.
    text: String,
}

impl Reader<'_> {
    async fn file(&self) -> Response {
        let url = self.log.client.url.replace("/graphql", "/api/v2/logs");
        let url = format!("{url}/{}/raw", self.log.logid);
        let response = self.log.client.http.get(url).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response
    }

    async fn check_file(&self) {
        let text = self.file().await.text().await.unwrap();
        assert!(text == self.text, "the file is not the log");
    }

    async fn check_lines(&self, numbers: Range<usize>) {
        let (mut at, mut texts) = (json!(numbers.start), Vec::new());
        while texts.len() < numbers.len() {
            let left = (numbers.len() - texts.len()).min(10_000);
            let field =
                format!("lines(from: {at}, limit: {left}) {{ from next lines {{ text }} }}");
            let page = self.log.field(&field).await;
            assert_eq!(page["from"], at);
            let lines = page["lines"].as_array().unwrap();
            assert!(!lines.is_empty(), "{numbers:?} at {at}");
            texts.extend(lines.iter().map(|l| l["text"].as_str().unwrap().to_owned()));
            at = page["next"].clone();
        }
        assert!(texts == lines(numbers.clone()), "{numbers:?}");
    }

    async fn check_contents(&self, numbers: Range<usize>) {
        let url = self.log.client.url.replace("/graphql", "/api/v2/logs");
        let (offset, limit) = (numbers.start, numbers.len());
        let logid = self.log.logid;
        let url = format!("{url}/{logid}/contents?offset={offset}&limit={limit}");
        let response = self.log.client.http.get(url).send().await.unwrap();
        let body: Value = response.json().await.unwrap();
        let wanted: Vec<_> = numbers.map(|n| format!("o{}\n", line(n))).collect();
        assert!(
            body["logchunks"][0]["content"] == wanted.concat(),
            "{offset}"
        );
    }

    async fn check_tail(&self, from: usize) {
        let mut socket = self.server.ws().await;
        let number = i64::try_from(from).unwrap();
        follow(&mut socket, self.log, number).await;
        let texts = lines_to_end(&mut socket, number).await;
        assert!(texts == lines(from..ALL), "from {from}");
    }

    async fn check_search(&self) {
        let field = "search(text: \"needle\") { next searchedLines matches { number text } }";
        let wanted = (0..ALL).step_by(NEEDLE);
        let wanted = wanted.map(|n| json!({ "number": n, "text": line(n) }));
        let wanted =
            json!({ "next": null, "searchedLines": ALL, "matches": wanted.collect::<Vec<_>>() });
        assert!(self.log.field(field).await == wanted);
    }

    /// Reads the log in every way, all at once.
    async fn check(&self) {
        let all = async {
            tokio::join!(
                self.check_file(),
                self.check_lines(0..ALL),
                self.check_lines(5_150..5_151),
                self.check_lines(7_777..9_999),
                self.check_lines(ALL - 1_050..ALL),
                self.check_contents(10_049..12_051),
                self.check_tail(0),
                self.check_tail(ALL - 4_321),
                self.check_search(),
            );
        };
        // There is much of it.
        Box::pin(all).await;
    }
}

/// Two who began to read before the log was finished, and go on as it is merged.
struct SlowReaders {
    file: Response,
    read: String,
    socket: Ws,
    lines: Vec<String>,
}

impl SlowReaders {
    async fn begin(reader: &Reader<'_>) -> Self {
        let mut socket = Ws::with_small_buffer(reader.server.address).await;
        follow(&mut socket, reader.log, 0).await;
        Self {
            file: reader.file().await,
            read: String::new(),
            socket,
            lines: Vec::new(),
        }
    }

    /// Reads on up to so many of ten parts.
    async fn read_on(&mut self, parts: usize, all_bytes: usize) {
        while self.read.len() < all_bytes * parts / 10 {
            let piece = self.file.chunk().await.unwrap();
            self.read.push_str(str::from_utf8(&piece.unwrap()).unwrap());
        }
        let (from, until) = (self.lines.len(), ALL * parts / 10);
        if from < until {
            let [from, until] = [from, until].map(|n| i64::try_from(n).unwrap());
            self.lines
                .extend(lines_until(&mut self.socket, from, until).await.0);
        }
    }

    async fn end(mut self, text: &str) {
        while let Some(piece) = self.file.chunk().await.unwrap() {
            self.read.push_str(str::from_utf8(&piece).unwrap());
        }
        assert!(self.read == text, "the slow file is not the log");
        let from = i64::try_from(self.lines.len()).unwrap();
        self.lines
            .extend(lines_to_end(&mut self.socket, from).await);
        assert!(self.lines == lines(0..ALL), "the slow tail is not the log");
    }
}

/// A log that is not finished yet, and its file.
async fn new_log(server: &Server) -> (TestLog, String) {
    let log = TestLog::new(server, "STDIO").await;
    let mut text = "Builder: runtests\nBuild number: 1\n".to_owned();
    for append in 0..APPENDS {
        let part = lines(append * LINES..(append + 1) * LINES).join("\n");
        log.append(&part).await;
        text.push_str(&part);
        text.push('\n');
    }
    (log, text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_answer_is_whole_while_chunks_are_merged() {
    let stops = Stops::default();
    let (watch, flags) = (stops.on_statement(), ["--anonymous", "write"]);
    let server = Server::build(&flags, None, Clock::System, Some(watch)).await;
    let _pass_all = PassAll(stops.clone());
    let sql = server.sql().await;
    let (log, text) = new_log(&server).await;
    let reader = Reader {
        server: &server,
        log: &log,
        text,
    };
    let mut slow = SlowReaders::begin(&reader).await;
    slow.read_on(1, reader.text.len()).await;
    log.finish().await;
    let is_merged = async || {
        let (all, compressed) = log.chunks(&sql).await;
        all == compressed
    };
    let mut stop = 1;
    loop {
        wait_until(async || stops.reached() == stop || is_merged().await).await;
        if stops.reached() < stop {
            break;
        }
        // Once while some chunks are gone, uncommitted, and once while others take their place.
        reader.check().await;
        slow.read_on(stop + 1, reader.text.len()).await;
        tokio::join!(reader.check(), async { stops.pass(stop) });
        stop += 1;
    }
    assert!(stop > 3, "{stop} stops");
    reader.check().await;
    slow.end(&reader.text).await;
}
