//! Which responses are compressed, and how.

use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer, Predicate,
        predicate::{NotForContentType, SizeAbove},
    },
};

/// The smallest answer that is compressed, in bytes; smaller ones hardly shrink.
const MIN_COMPRESSED: u16 = 1_024;

/// Gzip, for clients that accept it.
pub(crate) fn gzip() -> CompressionLayer<impl Predicate> {
    // An event must not wait in the compressor's buffer for the next one.
    let predicate = SizeAbove::new(MIN_COMPRESSED)
        .and(NotForContentType::SSE)
        .and(NotForContentType::const_new("multipart/mixed"));
    CompressionLayer::new()
        .no_zstd()
        .quality(CompressionLevel::Fastest)
        .compress_when(predicate)
}

/// Zstd, for clients that accept it, of files but not of JSON: a widespread `fetch` for older
/// versions of Node.js accepts it and fails to read it.
pub(crate) fn zstd_of_files() -> CompressionLayer<impl Predicate> {
    let predicate =
        SizeAbove::new(MIN_COMPRESSED).and(NotForContentType::const_new("application/json"));
    CompressionLayer::new()
        .no_gzip()
        .quality(CompressionLevel::Fastest)
        .compress_when(predicate)
}
