//! Order inputs, and their translation into the plain values of `domain::filter`.

use async_graphql::{Enum, InputObject};

use crate::domain::{
    build::BuildField,
    builder::BuilderField,
    filter::{Direction, Order},
    step::StepField,
};

/// Which way an order goes. Nulls come first ascending and last descending.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "Direction")]
pub(crate) enum OrderDirection {
    /// From the least to the greatest, nulls first; texts by code point.
    Asc,
    /// From the greatest to the least, nulls last.
    Desc,
}

/// What steps can be ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepOrderField {
    /// The unique ID.
    Stepid,
    /// The number within the build.
    Number,
    /// The name, by code point.
    Name,
    /// When the step started; null until then.
    StartedAt,
    /// When the step was completed; null until then.
    CompleteAt,
}

/// What builds can be ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuildOrderField {
    /// The unique ID.
    Buildid,
    /// The number within the builder.
    Number,
    /// When the build started.
    StartedAt,
    /// When the build was completed; null until then.
    CompleteAt,
}

/// What builders can be ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuilderOrderField {
    /// The unique ID.
    Builderid,
    /// The name, by code point.
    Name,
}

/// One key of an order of steps.
#[derive(InputObject, Clone, Copy, Debug)]
pub(crate) struct StepOrder {
    /// What it compares.
    field: StepOrderField,
    /// Which way it goes.
    #[graphql(default_with = "OrderDirection::Asc")]
    direction: OrderDirection,
}

/// One key of an order of builds.
#[derive(InputObject, Clone, Copy, Debug)]
pub(crate) struct BuildOrder {
    /// What it compares.
    field: BuildOrderField,
    /// Which way it goes.
    #[graphql(default_with = "OrderDirection::Asc")]
    direction: OrderDirection,
}

/// One key of an order of builders.
#[derive(InputObject, Clone, Copy, Debug)]
pub(crate) struct BuilderOrder {
    /// What it compares.
    field: BuilderOrderField,
    /// Which way it goes.
    #[graphql(default_with = "OrderDirection::Asc")]
    direction: OrderDirection,
}

impl From<StepOrder> for (StepField, Direction) {
    fn from(order: StepOrder) -> Self {
        let field = match order.field {
            StepOrderField::Stepid => StepField::Stepid,
            StepOrderField::Number => StepField::Number,
            StepOrderField::Name => StepField::Name,
            StepOrderField::StartedAt => StepField::StartedAt,
            StepOrderField::CompleteAt => StepField::CompleteAt,
        };
        (field, order.direction.into())
    }
}

impl From<BuildOrder> for (BuildField, Direction) {
    fn from(order: BuildOrder) -> Self {
        let field = match order.field {
            BuildOrderField::Buildid => BuildField::Buildid,
            BuildOrderField::Number => BuildField::Number,
            BuildOrderField::StartedAt => BuildField::StartedAt,
            BuildOrderField::CompleteAt => BuildField::CompleteAt,
        };
        (field, order.direction.into())
    }
}

impl From<BuilderOrder> for (BuilderField, Direction) {
    fn from(order: BuilderOrder) -> Self {
        let field = match order.field {
            BuilderOrderField::Builderid => BuilderField::Builderid,
            BuilderOrderField::Name => BuilderField::Name,
        };
        (field, order.direction.into())
    }
}

/// Translates an `orderBy` and makes it total by the id. A repeated key changes nothing.
pub(crate) fn read_order<F: Copy + PartialEq, I: Into<(F, Direction)>>(
    input: Option<Vec<I>>,
    id: F,
) -> Order<F> {
    let mut order: Order<F> = Vec::new();
    let keys = input.into_iter().flatten().map(Into::into);
    for (field, direction) in keys.chain([(id, Direction::Asc)]) {
        if order.iter().all(|(known, _)| *known != field) {
            order.push((field, direction));
        }
        // The id is unique, so that later keys decide nothing.
        if field == id {
            break;
        }
    }
    order
}
