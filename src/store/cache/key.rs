//! What is kept under which key, and which keys a change touches.

use std::sync::Arc;

use crate::domain::{
    build::BuildField,
    id::{BuildId, BuilderId, StepId},
    page::PageArgs,
};

/// What a kept row, or list of rows, is found by, or falls with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CacheKey {
    Builder(BuilderId),
    /// A builder's tags.
    Tags(BuilderId),
    Build(BuildId),
    /// A build by its number.
    BuildNumber(BuilderId, i32),
    /// A page of a builder's builds.
    BuildsPage(BuilderId, Arc<PageArgs<BuildField>>),
    /// Every page of a builder's builds. Nothing is found by it.
    BuildsOf(BuilderId),
    Step(StepId),
    /// All steps of a build, by number.
    StepsOf(BuildId),
}

/// What a change of a builder, its tags among it, touches.
pub(crate) fn touched_by_builder(id: BuilderId) -> [CacheKey; 2] {
    [CacheKey::Builder(id), CacheKey::Tags(id)]
}

/// What a change of a build touches. Its page by number falls with its id.
pub(crate) fn touched_by_build(id: BuildId, builder: BuilderId) -> [CacheKey; 2] {
    [CacheKey::Build(id), CacheKey::BuildsOf(builder)]
}

/// What a change of a step touches. The list of a build that it was in before falls with its id.
pub(crate) fn touched_by_step(id: StepId, build: BuildId) -> [CacheKey; 2] {
    [CacheKey::Step(id), CacheKey::StepsOf(build)]
}
