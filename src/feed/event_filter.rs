//! Which events a subscriber asks for.

use crate::{
    domain::{
        event::EventKind,
        filter::{Filter, Test, Value},
        id::{BuildId, BuilderId, StepId},
        step::{NameOrNumber, StepField},
    },
    store::event::Event,
};

/// What an event must match; a field that is `None` matches every event.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventFilter {
    pub(crate) builderid: Option<BuilderId>,
    pub(crate) buildid: Option<BuildId>,
    pub(crate) stepid: Option<StepId>,
    pub(crate) name_or_number: Option<NameOrNumber>,
    pub(crate) kinds: Option<Vec<EventKind>>,
    pub(crate) hidden: Option<bool>,
}

impl EventFilter {
    pub(crate) fn matches(&self, event: &Event) -> bool {
        let step = &event.step;
        let has_kind = |kinds: &Vec<EventKind>| kinds.contains(&event.kind);
        self.buildid.is_none_or(|id| step.buildid == id)
            && self.stepid.is_none_or(|id| step.id == id)
            && self.builderid.is_none_or(|id| event.builderid == Some(id))
            && self.kinds.as_ref().is_none_or(has_kind)
            && self.hidden.is_none_or(|hidden| step.is_hidden() == hidden)
            && match &self.name_or_number {
                None => true,
                Some(NameOrNumber::Name(name)) => step.name == *name,
                Some(NameOrNumber::Number(number)) => step.number == *number,
            }
    }

    /// The condition on the steps of a snapshot, but for their builder. `kinds` is left out: it is
    /// about changes, and a snapshot shows the present state.
    pub(crate) fn step_filter(&self) -> Filter<StepField> {
        let int = |n: i32| Value::Int(n.into());
        let is = |field: StepField, id: i32| (field, Test::Eq(int(id)));
        let is_hidden = |hidden: bool| {
            // Buildbot writes 0 or 1, but any number other than 0 counts as hidden.
            if hidden {
                Test::Ne(int(0))
            } else {
                Test::Eq(int(0))
            }
        };
        let tests = [
            self.buildid.map(|id| is(StepField::Buildid, id.0)),
            self.stepid.map(|id| is(StepField::Stepid, id.0)),
            self.hidden
                .map(|hidden| (StepField::Hidden, is_hidden(hidden))),
            self.name_or_number.as_ref().map(NameOrNumber::test),
        ];
        let tests = tests.into_iter().flatten();
        Filter::All(
            tests
                .map(|(field, test)| Filter::Field(field, test))
                .collect(),
        )
    }
}
