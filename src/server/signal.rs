//! What signals do to a server.

use std::io;

use tokio::{
    select,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::http::listener::tls::Tls;

/// Waits for SIGTERM or SIGINT. Returns why a command is not done then.
pub(crate) async fn stopped() -> String {
    let signals = signal(SignalKind::terminate())
        .and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)));
    match signals {
        Ok((mut terminate, mut interrupt)) => {
            select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            "it was stopped by a signal".to_owned()
        }
        Err(error) => error.to_string(),
    }
}

/// SIGTERM and SIGINT stop the server after running requests have finished.
pub(crate) fn stop_on_signal(stop: &CancellationToken) -> io::Result<()> {
    // Registered here and not in the task, so that no signal comes too early and kills the process.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = stop.clone();
    tokio::spawn(async move {
        select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
    });
    Ok(())
}

/// SIGHUP reloads the certificate. It is handled without TLS too, since by default it would kill
/// the process.
pub(crate) fn reload_on_signal(stop: &CancellationToken, tls: Option<Tls>) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let stop = stop.clone();
    tokio::spawn(async move {
        while let Some(Some(())) = stop.run_until_cancelled(hangup.recv()).await {
            match tls.as_ref().map(Tls::reload) {
                Some(Ok(())) => tracing::info!("the TLS certificate was read anew"),
                Some(Err(error)) => tracing::error!(%error, "the old TLS certificate stays"),
                None => tracing::info!("SIGHUP: without TLS there is nothing to read anew"),
            }
        }
    });
    Ok(())
}
