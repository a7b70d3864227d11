//! What a write of the server's own may have changed beside its row.

use crate::store::{
    build, builder,
    cache::key::{CacheKey, touched_by_build, touched_by_builder, touched_by_step},
    log, step,
};

/// A row that a write returns.
pub(crate) trait WrittenRow {
    /// Every key whose row the write may have changed.
    fn touched(&self) -> Vec<CacheKey>;
}

impl WrittenRow for builder::Model {
    fn touched(&self) -> Vec<CacheKey> {
        touched_by_builder(self.id).into()
    }
}

impl WrittenRow for build::Model {
    fn touched(&self) -> Vec<CacheKey> {
        touched_by_build(self.id, self.builderid).into()
    }
}

impl WrittenRow for step::Model {
    fn touched(&self) -> Vec<CacheKey> {
        let [step, steps] = touched_by_step(self.id, self.buildid);
        // The start of a step may change the build's lock waits, by an event of its own.
        vec![step, steps, CacheKey::Build(self.buildid)]
    }
}

impl WrittenRow for log::Model {
    /// Rows of logs are not kept.
    fn touched(&self) -> Vec<CacheKey> {
        Vec::new()
    }
}
