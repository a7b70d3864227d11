//! What an operation's selections were translated to, once for every object that they are asked of.

use std::{
    any::Any,
    sync::{Arc, OnceLock},
};

use async_graphql::{
    Pos, Positioned,
    parser::types::{OperationDefinition, Selection, SelectionSet},
};

/// A plan for each selection set of an operation, made when it is first needed; `None` where there
/// is none.
///
/// The library executes a copy of the operation, so a set is known by a number. It stands where its
/// line would: nothing says where a canonical set begins.
pub(crate) struct Plans(Box<[OnceLock<Option<AnyPlan>>]>);

type AnyPlan = Arc<dyn Any + Send + Sync>;

impl Plans {
    /// Numbers the sets of a canonical operation.
    pub(crate) fn of(operation: &mut OperationDefinition) -> Self {
        let mut count = 0;
        number(&mut operation.selection_set, &mut count);
        Self((0..count).map(|_| OnceLock::new()).collect())
    }

    /// How many fields and fragments the operation has.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The plan of a set, whose type is the same each time.
    pub(crate) fn get<P: Any + Send + Sync>(
        &self,
        set: &Positioned<SelectionSet>,
        plan: impl FnOnce(&SelectionSet) -> Option<P>,
    ) -> Option<Arc<P>> {
        let planned = self.0.get(set.pos.line)?;
        let planned = planned.get_or_init(|| plan(&set.node).map(|plan| Arc::new(plan) as _));
        planned.clone()?.downcast().ok()
    }
}

fn number(set: &mut Positioned<SelectionSet>, count: &mut usize) {
    set.pos = Pos {
        line: *count,
        column: 0,
    };
    *count += 1;
    for item in &mut set.node.items {
        match &mut item.node {
            Selection::Field(field) => number(&mut field.node.selection_set, count),
            Selection::InlineFragment(fragment) => {
                number(&mut fragment.node.selection_set, count);
            }
            // A canonical operation has none.
            Selection::FragmentSpread(_) => {}
        }
    }
}
