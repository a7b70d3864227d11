//! The ids of builders, builds, steps and logs, and the position of an event, as types that cannot
//! be mixed up.

use sea_orm::DeriveValueType;
use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone,
            Copy,
            Debug,
            Default,
            PartialEq,
            Eq,
            Hash,
            PartialOrd,
            Ord,
            DeriveValueType,
            Serialize,
            Deserialize,
        )]
        pub(crate) struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// The id of a builder (`builders.id`).
    BuilderId(i32)
);
id!(
    /// The id of a build (`builds.id`), unique over all builders.
    BuildId(i32)
);
id!(
    /// The id of a step (`steps.id`), unique over all builds.
    StepId(i32)
);
id!(
    /// The id of a log (`logs.id`), unique over all steps.
    LogId(i32)
);
id!(
    /// The position of an event in the change feed, in commit order, without gaps: 1 for the first,
    /// 0 is before all.
    Position(i64)
);
id!(
    /// A change that the feed has recorded (`graphql_events.id`). Only among the changes of one
    /// object does the order mean anything.
    ChangeId(i64)
);
