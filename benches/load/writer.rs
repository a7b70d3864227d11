//! The writing side: mutations over HTTP on their own thread, so that reading does not delay them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    runtime,
    task::{JoinSet, spawn_blocking},
    time::sleep_until,
};

use crate::Result;

/// How many hexadecimal digits of a cursor are its position.
pub(crate) const DIGITS: usize = 16;
/// How many at its end are the mark of its event.
pub(crate) const MARK_DIGITS: usize = 8;

/// Microseconds since the program started. Each write carries this time, and its receipt is
/// compared with it.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn micros(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// The position in a cursor.
pub(crate) fn position(cursor: &str) -> Option<i64> {
    let end = cursor.len().checked_sub(MARK_DIGITS)?;
    let digits = cursor.get(end.checked_sub(DIGITS)?..end)?;
    i64::from_str_radix(digits, 16).ok()
}

/// Posts operations.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    address: SocketAddr,
}

/// A build to write to: one step per writer, and the cursor after the last event of their creation.
pub(crate) struct Build {
    pub(crate) id: i64,
    pub(crate) cursor: String,
    steps: Vec<i64>,
}

/// What was written.
pub(crate) struct Written {
    /// The positions of all events.
    pub(crate) positions: Vec<i64>,
    pub(crate) took: Duration,
}

impl Written {
    /// Events per second.
    pub(crate) fn rate(&self) -> f64 {
        self.positions.len() as f64 / self.took.as_secs_f64()
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            http: reqwest::Client::new(),
            address,
        }
    }

    /// The data of an operation.
    pub(crate) async fn data(&self, query: &str, variables: Value) -> Result<Value> {
        let url = format!("http://{}/graphql", self.address);
        let body = json!({ "query": query, "variables": variables });
        let answer = self.http.post(url).json(&body).send().await?;
        let mut answer: Value = answer.json().await?;
        match answer.get("errors") {
            Some(errors) => Err(format!("{query}: {errors}").into()),
            None => Ok(answer["data"].take()),
        }
    }

    async fn id(&self, query: &str, variables: Value, pointer: &str) -> Result<i64> {
        let data = self.data(query, variables).await?;
        let id = data.pointer(pointer).and_then(Value::as_i64);
        Ok(id.ok_or_else(|| format!("no {pointer} in {data}"))?)
    }

    /// Creates a build.
    pub(crate) async fn build(&self, writers: usize) -> Result<Build> {
        let builder = "mutation { findBuilder(name: \"load\") { builderid } }";
        let builder = self
            .id(builder, json!({}), "/findBuilder/builderid")
            .await?;
        let add = "mutation($b: Int!) { addBuild(builderid: $b) { build { buildid } } }";
        let id = self
            .id(add, json!({ "b": builder }), "/addBuild/build/buildid")
            .await?;
        let mut steps = Vec::new();
        for _ in 0..writers {
            let new =
                "mutation($b: Int!) { newStep(buildid: $b, name: \"load\") { step { stepid } } }";
            steps.push(
                self.id(new, json!({ "b": id }), "/newStep/step/stepid")
                    .await?,
            );
        }
        let data = self.data("{ eventCursor }", json!({})).await?;
        let cursor = data["eventCursor"].as_str().ok_or("no cursor")?.to_owned();
        Ok(Build { id, cursor, steps })
    }

    /// Creates a log of a build's first step.
    pub(crate) async fn log(&self, build: &Build) -> Result<i64> {
        let add = "mutation($s: Int!) { addLog(stepid: $s, name: \"stdio\") { log { logid } } }";
        let variables = json!({ "s": build.steps.first() });
        self.id(add, variables, "/addLog/log/logid").await
    }

    /// Writes one event that carries the time, and returns its position.
    async fn event(&self, stepid: i64, clock: Clock) -> Result<i64> {
        let query = "mutation($s: Int!, $t: String!) { setStepStateString(stepid: $s, stateString: $t) { cursor } }";
        let text = format!("load {}", clock.micros());
        let data = self.data(query, json!({ "s": stepid, "t": text })).await?;
        let cursor = data["setStepStateString"]["cursor"].as_str();
        Ok(cursor.and_then(position).ok_or("no cursor")?)
    }
}

/// See `Bench::write`. `newest` follows the newest acknowledged position.
pub(crate) async fn write(
    address: SocketAddr,
    clock: Clock,
    build: &Build,
    rate: Option<u32>,
    events: usize,
    newest: Arc<AtomicI64>,
) -> Result<Written> {
    let steps = build.steps.clone();
    let work = async move {
        let client = Client::new(address);
        let next = Arc::new(AtomicUsize::new(0));
        let began = tokio::time::Instant::now();
        let mut writers = JoinSet::new();
        for stepid in steps {
            let (client, next, newest) = (client.clone(), next.clone(), newest.clone());
            writers.spawn(async move {
                let mut positions = Vec::new();
                loop {
                    // The next free writer takes the next due event.
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= events {
                        return Result::Ok(positions);
                    }
                    if let Some(rate) = rate {
                        let due = n as f64 / f64::from(rate);
                        sleep_until(began + Duration::from_secs_f64(due)).await;
                    }
                    let position = client.event(stepid, clock).await?;
                    newest.fetch_max(position, Ordering::Relaxed);
                    positions.push(position);
                }
            });
        }
        let mut positions = Vec::with_capacity(events);
        while let Some(writer) = writers.join_next().await {
            positions.extend(writer??);
        }
        let took = began.elapsed();
        Ok(Written { positions, took })
    };
    on_own_thread(work).await
}

/// Does this on a thread of its own.
pub(crate) async fn on_own_thread<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    spawn_blocking(move || {
        runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(work)
    })
    .await?
}
