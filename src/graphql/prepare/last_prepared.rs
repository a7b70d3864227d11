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
