//! The hash by which a document is kept, and by which clients name it.

use std::fmt;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

/// The SHA-256 of a document's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DocumentHash([u8; SHA256_OUTPUT_LEN]);

impl fmt::Debug for DocumentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl DocumentHash {
    pub(crate) fn of(text: &str) -> Self {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(hash)
    }

    /// Reads 64 hexadecimal digits.
    pub(crate) fn read(hex: &str) -> Option<Self> {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hex::decode_to_slice(hex, &mut hash).ok()?;
        Some(Self(hash))
    }

    pub(crate) fn hex(self) -> String {
        hex::encode(self.0)
    }
}
