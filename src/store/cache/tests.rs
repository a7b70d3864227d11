//! What is served, what is forgotten, and which reads are kept, step by step.

use super::*;
use crate::{
    domain::id::{BuildId, StepId},
    store::cache::key::touched_by_step,
};

const LONG: Duration = Duration::from_mins(1);
const STEP: CacheKey = CacheKey::Step(StepId(1));
const STEPS: CacheKey = CacheKey::StepsOf(BuildId(1));

fn cache() -> RowCache {
    let cache = RowCache::new(1 << 20, CacheCounters::default());
    cache.start(Position(10), Position(10));
    cache.confirm(Instant::now(), LONG);
    cache
}

fn new_row(key: CacheKey, depends_on: Vec<CacheKey>) -> NewRow<u8, impl FnOnce() -> Vec<CacheKey>> {
    NewRow {
        key,
        row: Arc::new(1),
        bytes: 1,
        depends_on: || depends_on,
    }
}

fn put(cache: &RowCache, ticket: Option<Ticket>) {
    let rows = [
        new_row(STEP, Vec::new()),
        new_row(STEPS, vec![STEP, CacheKey::Step(StepId(2))]),
    ];
    cache.put(ticket.expect("it is on"), rows.into_iter());
}

/// Whether the step and the list are served.
fn served(cache: &RowCache) -> [bool; 2] {
    let rows = cache.get::<u8>([STEP, STEPS].into_iter());
    [rows[0].is_some(), rows[1].is_some()]
}

#[test]
fn what_is_put_is_served_until_it_is_touched() {
    let cache = cache();
    assert_eq!(served(&cache), [false, false]);
    put(&cache, cache.ticket());
    assert_eq!(served(&cache), [true, true]);
    // The step has moved from the list's build to another.
    cache.apply(Some(&touched_by_step(StepId(2), BuildId(7))), Position(11));
    assert_eq!(served(&cache), [true, false]);
    cache.apply(Some(&touched_by_step(StepId(1), BuildId(1))), Position(12));
    assert_eq!(served(&cache), [false, false]);
}

#[test]
fn a_read_that_a_change_has_overtaken_is_not_kept() {
    let cache = cache();
    let ticket = cache.ticket();
    cache.apply(Some(&touched_by_step(StepId(2), BuildId(7))), Position(11));
    put(&cache, ticket);
    assert_eq!(served(&cache), [true, false]);
    let ticket = cache.ticket();
    cache.clear();
    put(&cache, ticket);
    assert_eq!(served(&cache), [false, false]);
    let ticket = cache.ticket();
    cache.stop();
    cache.start(Position(11), Position(11));
    cache.confirm(Instant::now(), LONG);
    put(&cache, ticket);
    assert_eq!(served(&cache), [false, false]);
}

#[test]
fn nothing_is_served_before_what_was_told_is_applied() {
    let cache = cache();
    put(&cache, cache.ticket());
    cache.require(Position(12));
    assert_eq!(served(&cache), [false, false]);
    cache.apply(Some(&[]), Position(11));
    assert_eq!(served(&cache), [false, false]);
    cache.apply(Some(&[]), Position(12));
    assert_eq!(served(&cache), [true, true]);
    // An own write's rows were forgotten, so the others go on.
    cache.require_forgotten(Position(13));
    assert_eq!(served(&cache), [true, true]);
    // Not where events in between are not applied.
    cache.require_forgotten(Position(15));
    assert_eq!(served(&cache), [false, false]);
}

#[test]
fn nothing_is_served_without_a_look_at_the_database() {
    let cache = RowCache::new(1 << 20, CacheCounters::default());
    cache.start(Position(10), Position(10));
    put(&cache, cache.ticket());
    assert_eq!(served(&cache), [false, false]);
    cache.confirm(Instant::now(), Duration::ZERO);
    assert_eq!(served(&cache), [false, false]);
    cache.confirm(Instant::now(), LONG);
    assert_eq!(served(&cache), [true, true]);
    cache.stop();
    assert_eq!(served(&cache), [false, false]);
    assert!(cache.ticket().is_none());
}

#[test]
fn the_rows_that_were_not_used_go_first() {
    let cache = RowCache::new(20_000, CacheCounters::default());
    cache.start(Position(0), Position(0));
    cache.confirm(Instant::now(), LONG);
    let step = |id| CacheKey::Step(StepId(id));
    for id in 0..200 {
        // Behind the part that takes any row, the second time counts.
        for _ in 0..2 {
            let ticket = cache.ticket().expect("it is on");
            cache.put(ticket, [new_row(step(id), Vec::new())].into_iter());
        }
        let first = cache.get::<u8>([step(0)].into_iter());
        assert!(first[0].is_some(), "{id}");
    }
    let second = cache.get::<u8>([step(1)].into_iter());
    assert!(second[0].is_none());
    let mut state = cache.state.lock();
    assert!(state.entries.bytes() <= 20_000);
    state.entries.clear();
    assert_eq!(state.entries.bytes(), 0);
}

#[test]
fn what_is_read_once_does_not_push_out_what_is_asked_for_again() {
    let cache = RowCache::new(1 << 16, CacheCounters::default());
    cache.start(Position(0), Position(0));
    cache.confirm(Instant::now(), LONG);
    let step = |id| CacheKey::Step(StepId(id));
    let read = |id| {
        let ticket = cache.ticket().expect("it is on");
        cache.put(ticket, [new_row(step(id), Vec::new())].into_iter());
        cache.get::<u8>([step(id)].into_iter())[0].is_some()
    };
    // There is room for a few.
    assert!(read(0));
    let kept = (1..1_000).filter(|id| read(*id)).count();
    assert!((20..100).contains(&kept), "{kept}");
    assert!(!read(2_000));
    assert!(read(2_000));
    assert!(cache.get::<u8>([step(0)].into_iter())[0].is_some());
    let bytes = cache.state.lock().entries.bytes();
    assert!(bytes < (1 << 16) / 4, "{bytes}");
}
