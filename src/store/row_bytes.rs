//! How much memory rows take that were read.

use crate::store::{build, build_property, builder, step};

/// A row in memory.
pub(crate) trait RowBytes: Sized {
    /// The bytes of its texts.
    fn text_bytes(&self) -> usize;
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

impl RowBytes for build_property::Model {
    fn text_bytes(&self) -> usize {
        self.name.len() + self.value.len() + self.source.len()
    }
}
