//! From a committed change to the subscribers it concerns: each event once, in order and without a
//! gap, or an error that says so.
//!
//! The database is the log. A wake-up is a hint, reading is the guarantee. A subscriber passes from
//! the past to the present in four steps:
//!
//! 1. **Backfill.** [`backfill`] reads the events behind the subscriber's cursor from the table, or
//!    a snapshot of the present state and the events behind that. `at` is the position up to which
//!    everything was read. It goes on until less than a whole batch was left to read.
//! 2. **Handoff.** The subscriber registers with the [`dispatcher`], which says from which position
//!    on its queue gets events. [`live_events`] holds the registration.
//! 3. **Rest.** If the dispatcher is ahead of `at`, the backfill reads the events in between.
//! 4. **Live.** [`tail`] reads each new event once for all subscribers, and the dispatcher puts it
//!    into the queues of those it concerns. Events up to `at` were read already and are left out. A
//!    subscriber whose queue overflows starts again at step 1, from where it stands.

pub(crate) mod attachment;
pub(crate) mod backfill;
pub(crate) mod bookmark_reader;
pub(crate) mod builder_directory;
pub(crate) mod byte_queue;
pub(crate) mod cursor;
pub(crate) mod dispatcher;
pub(crate) mod epoch;
pub(crate) mod event_filter;
pub(crate) mod event_page;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod handle;
pub(crate) mod invalidation;
pub(crate) mod live_events;
pub(crate) mod recent;
pub(crate) mod retention;
pub(crate) mod sequencer;
pub(crate) mod snapshot;
pub(crate) mod snapshot_task;
pub(crate) mod tail;
