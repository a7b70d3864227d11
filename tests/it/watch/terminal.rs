//! The moving list, in a pseudo-terminal.

use std::{
    fs::File, io::Read, net::SocketAddr, os::fd::OwnedFd, process::Stdio, sync::Arc, thread,
};

use parking_lot::Mutex;
use rustix::{
    fs::{Mode, OFlags, open},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use super::{change_step, finish_build, watch};
use crate::{
    fault::{free_address, serve},
    support::{TIMEOUT, client::Client, database::Database, server::Server, wait_until},
};

/// What hides the cursor and shows it again.
const HIDE: &str = "\u{1b}[?25l";
const SHOW: &str = "\u{1b}[?25h";

/// A `watch` that writes to a pseudo-terminal, and all that it has written.
struct TerminalWatch {
    child: Child,
    written: Arc<Mutex<String>>,
}

/// Both ends of a pseudo-terminal: ours, and the program's.
fn pseudo_terminal() -> (File, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let size = Winsize {
        ws_row: 24,
        ws_col: 100,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&theirs, size).unwrap();
    (File::from(ours), theirs)
}

impl TerminalWatch {
    fn start(address: SocketAddr, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let (mut ours, theirs) = pseudo_terminal();
        let mut command = watch(address, args);
        command
            .env_remove("NO_COLOR")
            .env("TERM", "xterm")
            .envs(environment.iter().copied());
        let child = command.stdout(Stdio::from(theirs)).spawn().unwrap();
        // It holds our copy of the program's end.
        drop(command);
        let written = Arc::new(Mutex::new(String::new()));
        let all = written.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4_096];
            // It fails once the program's end is closed.
            while let Ok(count) = ours.read(&mut buffer) {
                all.lock()
                    .push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        Self { child, written }
    }

    /// Waits until this is written, after what was written before.
    async fn expect(&self, text: &str) {
        let said = timeout(
            TIMEOUT,
            wait_until(async || self.written.lock().contains(text)),
        );
        assert!(
            said.await.is_ok(),
            "{text:?} is not in {:?}",
            self.written.lock()
        );
        self.written.lock().clear();
    }

    async fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        let done = Command::new("kill")
            .args([&format!("-{signal}"), &pid])
            .status()
            .await;
        assert!(done.unwrap().success());
    }

    /// The exit status, and all that was written since the last look.
    async fn end(mut self) -> (Option<i32>, String) {
        let status = timeout(TIMEOUT, self.child.wait()).await.unwrap().unwrap();
        // The terminal hands on what was written before its end.
        wait_until(async || Arc::strong_count(&self.written) == 1).await;
        (status.code(), self.written.lock().clone())
    }
}

#[tokio::test]
async fn a_terminal_shows_what_runs_and_gets_its_cursor_back() {
    let server = Server::start().await;
    let client = server.client();
    let done = client.add_build("linux").await;
    finish_build(&client, done, "SUCCESS").await;
    let build = client.add_build("linux").await;
    let (step, _) = client.new_step(build, "compile").await;
    let watch = TerminalWatch::start(server.address, &[], &[]);
    watch.expect(HIDE).await;
    watch.expect("live: 1 build running").await;
    client.set_state(step, "compiling \u{1b}[2J1 of 2").await;
    watch.expect(r"0 compile: compiling \u{1b}[2J1 of 2").await;
    change_step(&client, "finishStep", step, ", results: SUCCESS").await;
    // It is drawn anew in its place, and what is done stays above it, in its colour.
    finish_build(&client, build, "FAILURE").await;
    watch.expect("\u{1b}[38;5;1mFAILURE").await;
    watch.expect("live: 0 builds running").await;
    watch.signal("INT").await;
    let (code, written) = watch.end().await;
    assert_eq!(code, Some(130));
    assert!(written.ends_with(SHOW), "{written:?}");
}

#[tokio::test]
async fn a_build_that_is_waited_for_is_shown_with_its_steps() {
    let server = Server::start().await;
    let client = server.client();
    let build = client.add_build("b").await;
    let (step, _) = client.new_step(build, "first").await;
    change_step(&client, "finishStep", step, ", results: WARNINGS").await;
    let args = ["--builder", "b", "--build", "1", "--wait"];
    let watch = TerminalWatch::start(server.address, &args, &[("NO_COLOR", "1")]);
    watch.expect("0 first  WARNINGS").await;
    finish_build(&client, build, "EXCEPTION").await;
    let (code, written) = watch.end().await;
    assert_eq!(code, Some(14));
    assert!(written.contains("b #1  EXCEPTION  created"), "{written:?}");
    assert!(
        written.ends_with(SHOW) && !written.contains("\u{1b}[38"),
        "{written:?}"
    );
}

#[tokio::test]
async fn what_is_of_before_is_not_shown_as_live() {
    let (database, address) = (Database::fresh().await, free_address());
    let server = serve(address, &database, &[]).await;
    Client::new(address).add_build("b").await;
    let watch = TerminalWatch::start(address, &[], &[]);
    watch.expect("live: 1 build running").await;
    server.kill().await;
    watch.expect("not connected, this is of before").await;
    let _server = serve(address, &database, &[]).await;
    watch.expect("live: 1 build running").await;
}

#[tokio::test]
async fn a_terminal_without_a_cursor_gets_lines() {
    let server = Server::start().await;
    server.client().add_build("b").await;
    let watch = TerminalWatch::start(server.address, &[], &[("TERM", "dumb")]);
    watch.expect("\tb\t1\t-\t-\tSNAPSHOT\t-\tcreated").await;
    watch.signal("TERM").await;
    let (code, written) = watch.end().await;
    assert_eq!((code, written.contains('\u{1b}')), (Some(143), false));
}
