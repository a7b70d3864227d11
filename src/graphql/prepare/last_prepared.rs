//! The operation that a document's last request became. Whoever polls sends the same request again
//! and again.

use std::{collections::HashMap, sync::Arc};

use apollo_compiler::Name;
use async_graphql::Value;
use parking_lot::Mutex;

use crate::graphql::prepare::{operation::PreparedOperation, variables::bytes_of};

/// The variables' values that may be kept have at most so many bytes.
const MAX_VALUE_BYTES: u64 = 512;

/// An operation, kept until another takes its place.
#[derive(Default)]
pub(crate) struct LastPrepared(Mutex<Option<KeptOperation>>);

struct KeptOperation {
    values: HashMap<Name, Value>,
    operation: Arc<PreparedOperation>,
}

impl LastPrepared {
    /// The operation of this name with these values, if it was the last.
    pub(crate) fn get(
        &self,
        name: Option<&Name>,
        values: &HashMap<Name, Value>,
    ) -> Option<Arc<PreparedOperation>> {
        let kept = self.0.lock();
        let kept = kept.as_ref()?;
        let is_same =
            kept.operation.name.as_deref() == name.map(Name::as_str) && kept.values == *values;
        is_same.then(|| kept.operation.clone())
    }

    /// Keeps an operation of at most so many fields and fragments, unless each request needs its
    /// own: a mutation has a key, and what is asked of the schema holds the document.
    pub(crate) fn put(
        &self,
        values: HashMap<Name, Value>,
        operation: &Arc<PreparedOperation>,
        max_fields: usize,
    ) {
        if operation.is_mutation()
            || operation.introspection.is_some()
            || values.values().map(bytes_of).sum::<u64>() > MAX_VALUE_BYTES
            || operation.plans.len() > max_fields
        {
            return;
        }
        let operation = operation.clone();
        *self.0.lock() = Some(KeptOperation { values, operation });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::graphql::prepare::{cost::Cost, plans::Plans, testing::prepare};

    fn prepared(text: &str) -> Arc<PreparedOperation> {
        let mut canonical = prepare(text, &json!({}), &[]).expect("valid");
        Arc::new(PreparedOperation {
            name: None,
            plans: Arc::new(Plans::of(&mut canonical)),
            canonical,
            introspection: None,
            cost: Cost::default(),
            idempotency_key: None,
        })
    }

    #[test]
    fn what_is_large_or_done_once_takes_no_place() {
        let (last, none) = (LastPrepared::default(), HashMap::new());
        let is_last = |operation| {
            let found = last.get(None, &none);
            found.is_some_and(|found| Arc::ptr_eq(&found, operation))
        };
        let first = prepared("{ a: builds { totalCount } }");
        // The root, and two fields.
        last.put(none.clone(), &first, 3);
        assert!(is_last(&first));
        let second = prepared("{ b: builds { totalCount } }");
        last.put(none.clone(), &second, 2);
        assert!(is_last(&first));
        let mutation = prepared("mutation { startStep(stepid: 1) { cursor } }");
        last.put(none.clone(), &mutation, 9);
        assert!(is_last(&first));
        let long = Value::from("x".repeat(512));
        let long = HashMap::from([(Name::new_unchecked("v"), long)]);
        last.put(long.clone(), &second, 3);
        assert!(last.get(None, &long).is_none() && is_last(&first));
        last.put(none.clone(), &second, 3);
        assert!(is_last(&second));
    }
}
