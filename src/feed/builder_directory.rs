//! What builders are called and tagged, for the subscribers that ask for builders by that.

use std::collections::{HashMap, HashSet};

use crate::{
    domain::{error::Result, id::BuilderId},
    store::{
        builder::{self, BuilderLabels},
        db::database::Db,
        event::{Event, EventObject},
    },
};

/// How many builders are kept.
const MAX: usize = 10_000;

/// The labels of the builders of some events. A builder without a row has none.
#[derive(Debug, Default)]
pub(crate) struct BuilderDirectory(HashMap<BuilderId, BuilderLabels>);

impl BuilderDirectory {
    pub(crate) fn get(&self, id: BuilderId) -> Option<&BuilderLabels> {
        self.0.get(&id)
    }

    /// The builders of these events that are not known, or that one of the events has changed.
    pub(crate) fn unknown(&self, events: &[Event]) -> Vec<BuilderId> {
        let mut ids = HashSet::new();
        for event in events {
            let is_change = matches!(event.object, EventObject::Builder { .. });
            let is_new = |id: &BuilderId| is_change || !self.0.contains_key(id);
            ids.extend(event.builderid.filter(is_new));
        }
        ids.into_iter().collect()
    }

    /// Reads these builders.
    pub(crate) async fn read(db: &Db, ids: &[BuilderId]) -> Result<Self> {
        builder::labels_of(db, ids).await.map(Self)
    }

    /// Takes over what was read.
    pub(crate) fn update(&mut self, read: Self) {
        if self.0.len() + read.0.len() > MAX {
            self.0.clear();
        }
        self.0.extend(read.0);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
