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
    Asc,
    Desc,
}

/// What steps can be ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepOrderField {
    Stepid,
    Number,
    Name,
    StartedAt,
    CompleteAt,
}

/// What builds can be ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuildOrderField {
    Buildid,
    Number,
    StartedAt,
    CompleteAt,
}

/// What builders can be ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuilderOrderField {
    Builderid,
    Name,
}

/// One key of an order of steps.
#[derive(InputObject, Clone, Copy, Debug)]
pub(crate) struct StepOrder {
    field: StepOrderField,
    #[graphql(default_with = "OrderDirection::Asc")]
    direction: OrderDirection,
}

/// One key of an order of builds.
#[derive(InputObject, Clone, Copy, Debug)]
pub(crate) struct BuildOrder {
    field: BuildOrderField,
    #[graphql(default_with = "OrderDirection::Asc")]
    direction: OrderDirection,
}

/// One key of an order of builders.
#[derive(InputObject, Clone, Copy, Debug)]
pub(crate) struct BuilderOrder {
    field: BuilderOrderField,
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
