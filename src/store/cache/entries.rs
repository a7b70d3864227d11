//! The kept rows, bounded in bytes, and when each key was last forgotten.

use std::{
    any::Any,
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use hashlink::LruCache;

use crate::store::cache::key::CacheKey;

/// How long after its read began a row may be served: a deleted one is gone by then.
pub(super) const MAX_AGE: Duration = Duration::from_secs(5);

/// How many slots tell when a key was last forgotten. Keys that share one are refused together.
const SLOTS: usize = 4_096;
/// What an entry takes beside its row, and what each key takes that it depends on.
const ENTRY_BYTES: usize = 256;
const DEPENDENCY_BYTES: usize = 160;
/// The part of the cache that one entry may take.
const LARGEST_PART: usize = 8;
/// The part of the cache that takes any row. Behind it, only a row that is read for the second time
/// is kept: most are read once, and would push out those that are asked for again.
const OPEN_PART: usize = 8;
/// How many rows are known as read once; each pushes another out.
const DOORS: usize = 65_536;

/// A row of any noun, or a list of them.
pub(super) type CachedRow = Arc<dyn Any + Send + Sync>;

struct CacheEntry {
    row: CachedRow,
    row_bytes: usize,
    /// With what the entry itself takes.
    bytes: usize,
    depends_on: Vec<CacheKey>,
    /// When its read began.
    begun: Instant,
}

pub(super) struct Entries {
    by_key: LruCache<CacheKey, CacheEntry>,
    /// The keys of the entries that depend on a key.
    dependents: HashMap<CacheKey, Vec<CacheKey>>,
    bytes: usize,
    max_bytes: usize,
    /// How many times anything was forgotten.
    forgotten: u64,
    /// The same when everything was.
    cleared: u64,
    /// The same when a key of each slot was.
    slots: Vec<u64>,
    /// A part of the hash of the key that was last read in vain, of those that share a door.
    doors: Vec<u32>,
    hasher: RandomState,
}

impl Entries {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            // Bounded in bytes instead.
            by_key: LruCache::new_unbounded(),
            dependents: HashMap::new(),
            bytes: 0,
            max_bytes,
            forgotten: 0,
            cleared: 0,
            slots: vec![0; SLOTS],
            doors: vec![0; DOORS],
            hasher: RandomState::new(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The row of a key and its bytes, if it is not too old.
    pub(super) fn get(&mut self, key: &CacheKey, now: Instant) -> Option<(CachedRow, usize)> {
        let entry = self.by_key.get(key)?;
        if now.saturating_duration_since(entry.begun) >= MAX_AGE {
            self.remove(key);
            return None;
        }
        Some((entry.row.clone(), entry.row_bytes))
    }

    /// Whether none of these keys was forgotten since `forgotten` was so much.
    pub(super) fn is_untouched_since(
        &self,
        forgotten: u64,
        key: &CacheKey,
        depends_on: &[CacheKey],
    ) -> bool {
        let mut keys = depends_on.iter().chain([key]);
        self.cleared <= forgotten && keys.all(|key| self.slots[self.slot(key)] <= forgotten)
    }

    fn slot(&self, key: &CacheKey) -> usize {
        place(self.hasher.hash_one(key), SLOTS)
    }

    /// Whether a row that was just read is to be kept.
    pub(super) fn admits(&mut self, key: &CacheKey) -> bool {
        if self.bytes < self.max_bytes / OPEN_PART {
            return true;
        }
        let hash = self.hasher.hash_one(key);
        // The bits that did not choose the door.
        let sign = (hash >> 32) as u32;
        let door = &mut self.doors[place(hash, DOORS)];
        std::mem::replace(door, sign) == sign
    }

    /// Adds a row, in place of an earlier one, and drops others where there are too many bytes.
    pub(super) fn insert(
        &mut self,
        key: CacheKey,
        row: CachedRow,
        row_bytes: usize,
        depends_on: Vec<CacheKey>,
        begun: Instant,
    ) {
        let bytes = row_bytes + ENTRY_BYTES + depends_on.len() * DEPENDENCY_BYTES;
        if bytes > self.max_bytes / LARGEST_PART {
            return;
        }
        self.remove(&key);
        for other in &depends_on {
            let dependents = self.dependents.entry(other.clone()).or_default();
            dependents.push(key.clone());
        }
        self.bytes += bytes;
        let entry = CacheEntry {
            row,
            row_bytes,
            bytes,
            depends_on,
            begun,
        };
        self.by_key.insert(key, entry);
        while self.bytes > self.max_bytes
            && let Some((oldest, entry)) = self.by_key.remove_lru()
        {
            self.let_go(&oldest, &entry);
        }
    }

    /// Forgets a key and what depends on it. Returns how many entries there were.
    pub(super) fn forget(&mut self, key: &CacheKey) -> usize {
        self.forgotten += 1;
        let slot = self.slot(key);
        self.slots[slot] = self.forgotten;
        let dependents = self.dependents.remove(key).unwrap_or_default();
        let keys = dependents.iter().chain([key]);
        keys.filter(|key| self.remove(key).is_some()).count()
    }

    /// Forgets every key. Returns how many entries there were.
    pub(super) fn clear(&mut self) -> usize {
        self.forgotten += 1;
        self.cleared = self.forgotten;
        let count = self.by_key.len();
        self.by_key = LruCache::new_unbounded();
        self.dependents = HashMap::new();
        self.bytes = 0;
        count
    }

    fn remove(&mut self, key: &CacheKey) -> Option<CachedRow> {
        let entry = self.by_key.remove(key)?;
        self.let_go(key, &entry);
        Some(entry.row)
    }

    /// Takes an entry that was removed out of the bytes and the dependents.
    fn let_go(&mut self, key: &CacheKey, entry: &CacheEntry) {
        self.bytes -= entry.bytes;
        for other in &entry.depends_on {
            if let Some(dependents) = self.dependents.get_mut(other) {
                dependents.retain(|dependent| dependent != key);
                if dependents.is_empty() {
                    self.dependents.remove(other);
                }
            }
        }
    }
}

fn place(hash: u64, places: usize) -> usize {
    usize::try_from(hash % places as u64).unwrap_or_default()
}
