//! The order of the queue, and that no permit is lost.

use proptest::{collection::vec, prelude::*, test_runner::TestCaseResult};

use super::*;

const READERS: Shares = Shares {
    total: 4,
    each: 2,
    waiting: 100,
    slow_after: Some(Duration::from_millis(100)),
};

type QueuedPermit = (Permit<u8>, oneshot::Receiver<()>);

fn enter(queue: &FairQueue<u8>, key: u8) -> QueuedPermit {
    queue.enter(key).expect("room in the queue")
}

/// Lets time pass for the queue.
fn pass(queue: &FairQueue<u8>, time: Duration) {
    let mut state = queue.0.lock();
    let state = &mut *state;
    let held = state.held.values_mut().map(|(_, since)| since);
    let callers = state.callers.values_mut();
    let waiting = callers.flat_map(|c| c.waiting.iter_mut().map(|waiter| &mut waiter.since));
    let known = state.slow_until.values_mut();
    for at in held.chain(waiting).chain(known) {
        *at -= time;
    }
}

/// Whether the place has become a permit; says so once.
fn is_granted(place: &mut QueuedPermit) -> bool {
    place.1.try_recv().is_ok()
}

#[test]
fn callers_take_turns() {
    let queue = FairQueue::new(Shares {
        total: 1,
        each: 1,
        ..READERS
    });
    let mut places: Vec<(u8, QueuedPermit)> = [1, 1, 1, 2, 3, 2]
        .map(|key| (key, enter(&queue, key)))
        .into();
    let mut order = Vec::new();
    while !places.is_empty() {
        let next = places.iter_mut().position(|(_, place)| is_granted(place));
        // Gives it back, so that the next has its turn.
        order.push(places.remove(next.expect("somebody's turn")).0);
    }
    assert_eq!(order, [1, 1, 2, 3, 1, 2]);
}

#[test]
fn nobody_holds_more_than_its_share_nor_the_last_besides_another() {
    let queue = FairQueue::new(READERS);
    let granted = |places: &mut Vec<QueuedPermit>| {
        places
            .iter_mut()
            .filter_map(|p| is_granted(p).then_some(()))
            .count()
    };
    let mut first: Vec<QueuedPermit> = (0..10).map(|_| enter(&queue, 1)).collect();
    assert_eq!(granted(&mut first), 2);
    let mut second: Vec<QueuedPermit> = (0..10).map(|_| enter(&queue, 2)).collect();
    assert_eq!(granted(&mut second), 1, "the last is for another");
    let mut third = enter(&queue, 3);
    assert!(is_granted(&mut third));
    drop(third);
    assert_eq!(granted(&mut first) + granted(&mut second), 0);
}

#[test]
fn slow_callers_have_one_share_together() {
    let queue = FairQueue::new(READERS);
    let mut places: Vec<QueuedPermit> = [1, 1, 2, 3].map(|key| enter(&queue, key)).into();
    assert!(places.iter_mut().all(is_granted));
    pass(&queue, Duration::from_secs(3));
    // All have been slow by now; a newcomer waits for the first who ends.
    let mut again: Vec<QueuedPermit> = [1, 2, 3].map(|key| enter(&queue, key)).into();
    let mut quick = enter(&queue, 4);
    assert_eq!(queue.longest_wait().as_secs(), 0);
    pass(&queue, Duration::from_secs(2));
    assert_eq!(queue.longest_wait().as_secs(), 2);
    drop(places.pop());
    assert!(is_granted(&mut quick));
    drop(quick);
    drop(places.pop());
    assert!(
        !again.iter_mut().any(is_granted),
        "two slow ones hold a share"
    );
    let mut quick = [enter(&queue, 4), enter(&queue, 5)];
    assert!(quick.iter_mut().all(is_granted));
    drop((quick, places));
    assert!(again.iter_mut().any(is_granted));
    drop(again);
    pass(&queue, MAX_SLOW);
    let mut quick: Vec<QueuedPermit> = [1, 2, 3].map(|key| enter(&queue, key)).into();
    assert!(quick.iter_mut().all(is_granted), "it is forgotten");
}

#[test]
fn a_queue_is_bounded_for_each_caller() {
    let queue = FairQueue::new(Shares {
        waiting: 1,
        ..READERS
    });
    let _places = [1, 1, 1].map(|key| enter(&queue, key));
    assert!(queue.enter(1).is_err());
    assert!(queue.enter(2).is_ok());
    assert_eq!(queue.held_by(&1), 2);
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Enter(u8),
    /// Drops the place with this index, whether it waits or holds.
    Leave(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        (0_u8..5).prop_map(Act::Enter),
        any::<usize>().prop_map(Act::Leave),
    ];
    vec(act, 0..200)
}

/// What is true at any time.
fn check(queue: &FairQueue<u8>, places: usize) -> TestCaseResult {
    let state = queue.0.lock();
    let Shares { total, each, .. } = state.shares;
    prop_assert!(state.held.len() <= total);
    prop_assert!(state.callers.values().all(|caller| caller.held <= each));
    let waiting: usize = state.callers.values().map(|c| c.waiting.len()).sum();
    prop_assert_eq!(state.held.len() + waiting, places);
    let now = Instant::now();
    if state.held.len() < total {
        prop_assert!(!state.turns.iter().any(|key| state.may_have(key, now)));
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_permit_is_lost_however_callers_leave(
        acts in acts(),
        total in 1_usize..6,
        each in 1_usize..4,
    ) {
        let queue = FairQueue::new(Shares { total, each, ..READERS });
        let mut places: Vec<QueuedPermit> = Vec::new();
        for act in acts {
            match act {
                Act::Enter(key) => places.push(enter(&queue, key)),
                Act::Leave(which) if !places.is_empty() => {
                    drop(places.swap_remove(which % places.len()));
                }
                Act::Leave(_) => {}
            }
            check(&queue, places.len())?;
        }
        drop(places);
        check(&queue, 0)?;
        prop_assert!(queue.0.lock().callers.is_empty());
        prop_assert!(queue.0.lock().turns.is_empty());
    }
}
