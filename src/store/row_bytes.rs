//! How much memory a row takes that was read.

/// A row in memory.
pub(crate) trait RowBytes: Sized {
    /// The bytes of its texts.
    fn text_bytes(&self) -> usize;
}
