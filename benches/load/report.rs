//! What a run prints: the machine, the versions and the measurements.

use std::{fs, process::Command};

use crate::{Bench, Cli, Result, server::Process};

/// Prints what a reader needs to judge the figures.
pub(crate) fn heading(cli: &Cli) {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |m| m.trim_start_matches([' ', '\t', ':']));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let scheme = cli
        .common
        .database_url
        .as_deref()
        .and_then(|url| url.split(':').next());
    println!("machine   {cores} x {model}, load average before {load}");
    match &cli.common.server {
        Some(path) => println!("server    {}", path.display()),
        None => println!("commit    {}", commit()),
    }
    println!("database  {}", scheme.unwrap_or("sqlite"));
    println!(
        "options   {:?} {:?} {} writers",
        cli.mode, cli.common.server_flag, cli.common.writers
    );
}

fn commit() -> String {
    let said = Command::new("git")
        .args(["describe", "--always", "--dirty", "--exclude=*"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    match said {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(_) => "unknown".to_owned(),
    }
}

/// These percentiles of sorted microseconds, in milliseconds.
pub(crate) fn percentiles(sorted: &[u32]) -> String {
    format!(
        "p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
        millis(sorted, 50),
        millis(sorted, 90),
        millis(sorted, 99),
        millis(sorted, 100)
    )
}

/// A percentile of sorted microseconds, in milliseconds.
pub(crate) fn millis(sorted: &[u32], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    f64::from(sorted.get(at).copied().unwrap_or_default()) / 1000.0
}

/// The CPU that server and generator have used so far.
pub(crate) struct Usage {
    server: f64,
    own: f64,
    at: std::time::Instant,
}

impl Usage {
    pub(crate) fn now(bench: &Bench) -> Result<Self> {
        Ok(Self {
            server: bench.server.process.cpu()?,
            own: Process::own().cpu()?,
            at: std::time::Instant::now(),
        })
    }

    /// CPU used since then, in percent of one core.
    pub(crate) fn since(&self, bench: &Bench) -> Result<String> {
        let now = Self::now(bench)?;
        let percent = |cpu: f64| cpu / (now.at - self.at).as_secs_f64() * 100.0;
        Ok(format!(
            "server {:.0} % of a core, generator {:.0} %",
            percent(now.server - self.server),
            percent(now.own - self.own)
        ))
    }

    /// CPU used since then, also per delivery, the figure that depends least on other load on the
    /// machine.
    pub(crate) fn per_delivery(&self, bench: &Bench, deliveries: usize) -> Result<String> {
        let now = Self::now(bench)?;
        let each = |cpu: f64| cpu * 1e6 / deliveries as f64;
        Ok(format!(
            "{}; {:.1} us and {:.1} us a delivery",
            self.since(bench)?,
            each(now.server - self.server),
            each(now.own - self.own)
        ))
    }
}
