//! `watch`: shows the builds of a server as they change, over its subscription, and waits for one.

pub(crate) mod board;
pub(crate) mod document;
pub(crate) mod ending;
pub(crate) mod follow;
pub(crate) mod frame;
pub(crate) mod line;
pub(crate) mod log_follow;
pub(crate) mod log_line;
pub(crate) mod row;
pub(crate) mod screen;
pub(crate) mod session;
pub(crate) mod setback;
pub(crate) mod silence;
pub(crate) mod socket;
pub(crate) mod view;

use std::{future::pending, process::ExitCode, time::Duration};

use tokio::{
    select,
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};

use crate::{
    config::watch::WatchConfig,
    domain::command_error::CommandError,
    log::TARGET,
    watch::{
        document::WatchedPart,
        ending::Ending,
        follow::Follower,
        line::escape,
        log_follow::{LogFollower, LogName},
        session::WatchSession,
        view::View,
    },
};

/// How long the terminal may take to be restored.
const CLOSING: Duration = Duration::from_secs(1);

/// Watches a server until there is nothing more to see, or a signal comes.
///
/// # Errors
/// Why it cannot be watched.
pub(crate) async fn watch(config: WatchConfig) -> Result<ExitCode, CommandError> {
    let cannot = |reason: String| CommandError::Watch {
        url: config.url.given.clone(),
        // It may have what the server said.
        reason: escape(&reason).into_owned(),
    };
    // A task of its own, since writing may block: a signal must end it even then.
    let mut following = match new_log_follower(&config) {
        Some(follower) => tokio::spawn(follower.run()),
        None => {
            let follower = new_follower(&config).map_err(|error| cannot(error.to_string()))?;
            tokio::spawn(follower.run())
        }
    };
    let ending = select! {
        end = &mut following => match end {
            Ok(ending) => ending.map_err(cannot)?,
            Err(error) => return Err(cannot(error.to_string())),
        },
        ending = stopped(config.timeout) => {
            following.abort();
            // Its end restores the terminal.
            let _ = timeout(CLOSING, following).await;
            ending.map_err(|error| cannot(error.to_string()))?
        }
    };
    if let Ending::TimedOut(seconds) = ending {
        tracing::error!(target: TARGET, "the build was not complete within --timeout, {seconds} s");
    }
    match ending.status() {
        Some(status) => Ok(ExitCode::from(status)),
        None => Err(cannot(
            "the build is complete, with results that are none of the seven".to_owned(),
        )),
    }
}

fn new_log_follower(config: &WatchConfig) -> Option<LogFollower> {
    let name = LogName {
        builder: config.builder.clone()?,
        build: config.build?,
        log: config.follow_log.clone()?,
    };
    let (address, token) = (config.url.clone(), config.token.clone());
    Some(LogFollower::new(address, token, name))
}

fn new_follower(config: &WatchConfig) -> std::io::Result<Follower> {
    let part = match (&config.builder, config.build) {
        (Some(name), Some(number)) => WatchedPart::Build(name.clone(), number),
        (Some(name), None) => WatchedPart::Builder(name.clone()),
        _ => WatchedPart::Everything,
    };
    let is_one = config.build.is_some();
    let view = View::open(&config.url.given, config.quiet, is_one)?;
    let session = WatchSession::new(part, config.token.clone(), view.wants_expected());
    let address = config.url.clone();
    Ok(Follower::new(address, session, view, config.wait, is_one))
}

/// Waits for SIGINT, SIGTERM or the end of the time.
async fn stopped(seconds: Option<u64>) -> std::io::Result<Ending> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let late = async {
        match seconds {
            Some(seconds) => {
                sleep(Duration::from_secs(seconds)).await;
                seconds
            }
            None => pending().await,
        }
    };
    Ok(select! {
        _ = interrupt.recv() => Ending::Signalled(2),
        _ = terminate.recv() => Ending::Signalled(15),
        seconds = late => Ending::TimedOut(seconds),
    })
}
