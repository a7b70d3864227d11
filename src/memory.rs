//! The memory that requests, queues and snapshots hold, counted for the whole server.
//!
//! What is counted is about what is held: enough to refuse new work before the machine has no
//! memory left, which would end the server for everybody.

use std::fs;

use prometheus_client::metrics::gauge::Gauge;

use crate::domain::error::{Error, Result};

/// What part of the machine's memory is the default.
const PART: u64 = 4;

/// How many bytes may be held, and how many are. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct MemoryBudget {
    max: i64,
    /// The bytes that are held; the count itself, so that the metric is never behind.
    held: Gauge,
}

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub(crate) struct MemoryShare {
    budget: MemoryBudget,
    bytes: usize,
}

impl MemoryBudget {
    /// A budget of `max` bytes: 0 is without a limit, `None` a quarter of the machine's memory.
    pub(crate) fn new(max: Option<u64>, held: &Gauge) -> Self {
        let max = match max {
            Some(0) => u64::MAX,
            Some(max) => max,
            None => machine_memory().map_or(u64::MAX, |bytes| bytes / PART),
        };
        Self {
            max: i64::try_from(max).unwrap_or(i64::MAX),
            held: held.clone(),
        }
    }

    /// Takes these bytes for something that has not begun.
    ///
    /// # Errors
    /// `OutOfMemory` where they are not there; then none are taken.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<MemoryShare> {
        let mut share = self.hold(0);
        share.grow(bytes)?;
        Ok(share)
    }

    /// Takes bytes that are there already, whether they are within the budget or not.
    pub(crate) fn hold(&self, bytes: usize) -> MemoryShare {
        self.held.inc_by(signed(bytes));
        let budget = self.clone();
        MemoryShare { budget, bytes }
    }

    /// Whether nothing is left.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.held.get() >= self.max
    }
}

impl MemoryShare {
    /// Takes more bytes.
    ///
    /// # Errors
    /// `OutOfMemory` where they are not there; then none are taken.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<()> {
        let MemoryBudget { max, held } = &self.budget;
        let before = held.inc_by(signed(bytes));
        if before.saturating_add(signed(bytes)) > *max {
            held.dec_by(signed(bytes));
            return Err(Error::OutOfMemory);
        }
        self.bytes += bytes;
        Ok(())
    }

    /// How many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counts so many bytes from now on, whether they are within the budget or not.
    pub(crate) fn resize(&mut self, bytes: usize) {
        if bytes != self.bytes {
            let change = signed(bytes) - signed(self.bytes);
            self.budget.held.inc_by(change);
            self.bytes = bytes;
        }
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.budget.held.dec_by(signed(self.bytes));
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The memory that this process may have, in bytes: the machine's, or its control group's if that
/// is less. `None` where the system does not say.
fn machine_memory() -> Option<u64> {
    let installed = fs::read_to_string("/proc/meminfo").ok();
    let installed = installed.as_deref().and_then(installed_memory);
    let group = fs::read_to_string("/proc/self/cgroup").ok();
    let group = group.as_deref().and_then(group_memory);
    installed.into_iter().chain(group).min()
}

/// The machine's memory in the text of `/proc/meminfo`, in bytes.
fn installed_memory(text: &str) -> Option<u64> {
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1_024)
}

/// The least limit of the control group (version 2) that the text of `/proc/self/cgroup` names, and
/// of those around it.
fn group_memory(text: &str) -> Option<u64> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let paths = std::path::Path::new(path).ancestors();
    // A group without a limit says "max".
    let limits = paths.filter_map(|path| {
        let file = std::path::Path::new("/sys/fs/cgroup")
            .join(path)
            .join("memory.max");
        fs::read_to_string(file).ok()?.trim().parse().ok()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_up_to_the_limit_and_come_back() {
        let held = Gauge::default();
        let budget = MemoryBudget::new(Some(100), &held);
        let mut share = budget.reserve(60).expect("there is room");
        assert!(matches!(budget.reserve(41), Err(Error::OutOfMemory)));
        assert_eq!(held.get(), 60, "what is refused takes nothing");
        share.grow(40).expect("there is room");
        assert!(share.grow(1).is_err());
        assert!(budget.is_exhausted());
        let there = budget.hold(50);
        assert_eq!(held.get(), 150);
        share.resize(10);
        assert_eq!(held.get(), 60);
        drop((share, there));
        assert_eq!(held.get(), 0);
    }

    #[test]
    fn zero_is_without_a_limit() {
        let budget = MemoryBudget::new(Some(0), &Gauge::default());
        drop(budget.reserve(usize::MAX / 4).expect("no limit"));
        assert!(!budget.is_exhausted());
    }

    #[test]
    fn the_machines_memory_is_read() {
        let text = "MemFree:  1 kB\nMemTotal:       24683520 kB\n";
        assert_eq!(installed_memory(text), Some(24_683_520 * 1_024));
        assert_eq!(installed_memory("MemFree: 1 kB\n"), None);
        assert_eq!(group_memory("1:memory:/\n"), None, "version 1");
    }
}
