//! The memory that requests, queues and snapshots hold, counted for the whole server.
//!
//! What is counted is about what is held: enough to refuse new work before the machine has no
//! memory left, which would end the server for everybody.

pub(crate) mod answer_bytes;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::{
    caller_key::CallerKey,
    error::{Error, Result},
    per_caller::PerCaller,
};

/// What part of the machine's memory is the default.
const PART: u64 = 4;
/// When a caller that holds too much is to try again, in seconds.
const RETRY_SECONDS: u64 = 1;
/// In what units of bytes operations take turns.
const UNIT: usize = 1_024;

/// How many bytes may be held, and how many are, by everybody and by one caller. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct MemoryBudget {
    max: i64,
    /// The bytes that are held; the count itself, so that the metric is never behind.
    held: Gauge,
    callers: Arc<CallersMemory>,
    /// `None` for what belongs to no caller.
    of_caller: Option<Arc<CallerMemory>>,
}

/// How many bytes each caller may hold, and which hold some.
#[derive(Debug)]
struct CallersMemory {
    max: u64,
    held: PerCaller<CallerMemory>,
}

/// What one caller holds.
#[derive(Debug)]
struct CallerMemory {
    held: AtomicI64,
    /// Has a permit for each unit of what running operations may take before they are done.
    expected: Arc<Semaphore>,
}

/// What an operation may take while it runs.
#[derive(Debug)]
pub(crate) struct ExpectedMemory {
    _of_all: MemoryShare,
    _turn: Option<OwnedSemaphorePermit>,
    /// So that the caller is not forgotten, and its next operation waits for this one.
    _caller: Option<Arc<CallerMemory>>,
}

impl CallersMemory {
    /// How many units the operations of a caller may take: half as many as it may hold, since what
    /// they may take is more than they do.
    fn expected_units(&self) -> usize {
        let units = usize::try_from(self.max).unwrap_or(usize::MAX) / 2 / UNIT;
        units.clamp(1, u32::MAX as usize)
    }
}

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub(crate) struct MemoryShare {
    budget: MemoryBudget,
    bytes: usize,
}

impl MemoryBudget {
    /// A budget of `max` bytes: 0 is without a limit, `None` a quarter of the machine's memory.
    /// Each caller may hold `max_of_caller` of them, and no more than half; 0 is without a limit.
    pub(crate) fn new(max: Option<u64>, max_of_caller: u64, held: &Gauge) -> Self {
        let max = match max {
            Some(0) => u64::MAX,
            Some(max) => max,
            None => machine_memory().map_or(u64::MAX, |bytes| bytes / PART),
        };
        let max_of_caller = max_of_caller.min(max / 2);
        Self {
            max: i64::try_from(max).unwrap_or(i64::MAX),
            held: held.clone(),
            callers: Arc::new(CallersMemory {
                max: max_of_caller,
                held: PerCaller::default(),
            }),
            of_caller: None,
        }
    }

    /// The same budget, of which this caller takes. The networks of an IPv6 site are one caller.
    pub(crate) fn for_caller(&self, key: &CallerKey) -> Self {
        if self.callers.max == 0 {
            return self.clone();
        }
        let of_caller = self.callers.held.get(key, || CallerMemory {
            held: AtomicI64::new(0),
            expected: Arc::new(Semaphore::new(self.callers.expected_units())),
        });
        Self {
            of_caller: Some(of_caller),
            ..self.clone()
        }
    }

    /// Takes these bytes for something that has not begun.
    ///
    /// # Errors
    /// As [`MemoryShare::grow`].
    pub(crate) fn reserve(&self, bytes: usize) -> Result<MemoryShare> {
        let mut share = self.hold(0);
        share.grow(bytes)?;
        Ok(share)
    }

    /// Waits until what the caller's other operations may take leaves room for these bytes, in the
    /// order in which they came, and takes them from those of all.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub(crate) async fn expect(&self, bytes: usize) -> Result<ExpectedMemory> {
        let (turn, bytes) = match &self.of_caller {
            Some(caller) => {
                // What may be more than a caller may hold is not: its rows count as they are read.
                let bytes = bytes.min(usize::try_from(self.callers.max).unwrap_or(usize::MAX));
                // An operation that may take more than all of it runs alone.
                let units = bytes.div_ceil(UNIT).min(self.callers.expected_units());
                let units = u32::try_from(units).unwrap_or(u32::MAX);
                let turn = caller.expected.clone().acquire_many_owned(units).await;
                // It is never closed.
                (Some(turn.map_err(Error::internal)?), bytes)
            }
            None => (None, bytes),
        };
        let of_all = Self {
            of_caller: None,
            ..self.clone()
        };
        Ok(ExpectedMemory {
            _of_all: of_all.reserve(bytes)?,
            _turn: turn,
            _caller: self.of_caller.clone(),
        })
    }

    /// Takes bytes that are there already, whether they are within the budget or not.
    pub(crate) fn hold(&self, bytes: usize) -> MemoryShare {
        self.add(signed(bytes));
        let budget = self.clone();
        MemoryShare { budget, bytes }
    }

    /// Whether nothing is left.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.held.get() >= self.max
    }

    /// Adds to what is held, by all and by the caller. Returns both.
    fn add(&self, bytes: i64) -> (i64, i64) {
        let of_all = self.held.inc_by(bytes).saturating_add(bytes);
        let of_caller = self.of_caller.as_ref().map_or(0, |held| {
            let before = held.held.fetch_add(bytes, Ordering::Relaxed);
            before.saturating_add(bytes)
        });
        (of_all, of_caller)
    }
}

impl MemoryShare {
    /// Takes more bytes.
    ///
    /// # Errors
    /// `TooLarge` where this alone would be more than a caller may hold, `TooManyAtOnce` where
    /// the caller holds too many, `OutOfMemory` where all do; then none are taken.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<()> {
        let budget = &self.budget;
        let (of_all, of_caller) = budget.add(signed(bytes));
        let (limit, max) = ("max-memory-bytes-per-caller", budget.callers.max);
        let refusal = if budget.of_caller.is_some() && of_caller > signed(max) {
            let alone = (self.bytes + bytes) as u64;
            if alone > max {
                Error::TooLarge {
                    limit,
                    max,
                    advice: "ask for less at once",
                }
            } else {
                Error::TooManyAtOnce {
                    limit,
                    max,
                    what: "bytes of your requests and answers are in the server's memory",
                    seconds: RETRY_SECONDS,
                }
            }
        } else if of_all > budget.max {
            Error::OutOfMemory
        } else {
            self.bytes += bytes;
            return Ok(());
        };
        budget.add(-signed(bytes));
        Err(refusal)
    }

    /// How many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counts so many bytes from now on, whether they are within the budget or not.
    pub(crate) fn resize(&mut self, bytes: usize) {
        if bytes != self.bytes {
            self.budget.add(signed(bytes) - signed(self.bytes));
            self.bytes = bytes;
        }
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.budget.add(-signed(self.bytes));
    }
}

fn signed(bytes: impl TryInto<i64>) -> i64 {
    bytes.try_into().unwrap_or(i64::MAX)
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
        let budget = MemoryBudget::new(Some(100), 0, &held);
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
        let budget = MemoryBudget::new(Some(0), 0, &Gauge::default());
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

    #[test]
    fn a_caller_has_its_part_and_no_more() {
        let held = Gauge::default();
        // At most half of what all may hold.
        let budget = MemoryBudget::new(Some(120), 100, &held);
        let caller = |address: &str| {
            let address = address.parse().expect("an address");
            budget.for_caller(&CallerKey::of_address(address))
        };
        let (first, second) = (caller("192.0.2.1"), caller("192.0.2.2"));
        let share = first.reserve(60).expect("its part");
        let refused = caller("192.0.2.1").reserve(1);
        assert!(matches!(refused, Err(Error::TooManyAtOnce { max: 60, .. })));
        let alone = caller("192.0.2.1").reserve(61);
        assert!(matches!(alone, Err(Error::TooLarge { max: 60, .. })));
        assert_eq!(held.get(), 60, "what is refused takes nothing");
        let rest = second.reserve(40).expect("there is room");
        let third = caller("192.0.2.3");
        assert!(matches!(third.reserve(21), Err(Error::OutOfMemory)));
        drop(third.reserve(20).expect("there is room"));
        assert_eq!(held.get(), 100);
        drop(share);
        caller("192.0.2.1").reserve(60).expect("it came back");
        drop(rest);
        assert_eq!(held.get(), 0);
    }

    #[tokio::test]
    async fn operations_wait_for_what_others_of_their_caller_may_take() {
        let held = Gauge::default();
        let budget = MemoryBudget::new(Some(1 << 30), 1 << 20, &held);
        let caller = |address: &str| {
            let address = address.parse().expect("an address");
            budget.for_caller(&CallerKey::of_address(address))
        };
        // More than half, so that it runs alone.
        let first = caller("192.0.2.1").expect(1 << 20).await.expect("room");
        let busy = caller("192.0.2.1");
        let mut second = Box::pin(busy.expect(1));
        assert!(futures_util::poll!(&mut second).is_pending());
        let other = caller("192.0.2.2").expect(1 << 19).await;
        let other = other.expect("a caller of its own");
        drop(first);
        let second = second.await.expect("the first is done");
        assert_eq!(held.get(), (1 << 19) + 1);
        // What is held is another matter.
        let share = busy.reserve(1 << 20).expect("its part");
        drop((second, other, share));
        assert_eq!(held.get(), 0);
    }
}
