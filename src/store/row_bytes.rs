//! How much memory rows take that were read.

use crate::store::{build, builder, step};

/// A row in memory.
pub(crate) trait RowBytes: Sized {
    /// The bytes of its texts.
    fn text_bytes(&self) -> usize;
}

/// How many rows were read, and the memory that they take, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RowCount {
    pub(crate) rows: u64,
    pub(crate) bytes: usize,
}

impl RowCount {
    /// Counts these rows.
    pub(crate) fn of<'r, M: RowBytes + 'r>(rows: impl IntoIterator<Item = &'r M>) -> Self {
        let mut count = Self::default();
        for row in rows {
            count.rows += 1;
            count.bytes += size_of::<M>() + row.text_bytes();
        }
        count
    }
}

impl RowBytes for String {
    fn text_bytes(&self) -> usize {
        self.len()
    }
}

impl RowBytes for builder::Model {
    fn text_bytes(&self) -> usize {
        let described = [
            &self.description,
            &self.description_format,
            &self.description_html,
        ];
        let described: usize = described.into_iter().flatten().map(String::len).sum();
        self.name.len() + described
    }
}

impl RowBytes for build::Model {
    fn text_bytes(&self) -> usize {
        self.state_string.len()
    }
}

impl RowBytes for step::Model {
    fn text_bytes(&self) -> usize {
        self.name.len() + self.state_string.len() + self.urls_json.len()
    }
}
