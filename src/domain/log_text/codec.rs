//! How a chunk is packed: by one of Buildbot's codecs, each by a library. What is unpacked has a
//! bound, as anybody may have written the row.

use std::{
    borrow::Cow,
    io::{ErrorKind, Read},
};

use brotli_decompressor::Decompressor;
use bzip2::read::MultiBzDecoder;
use flate2::read::ZlibDecoder;
use zstd::bulk;

/// `logchunks.compressed` of a chunk that is stored as it is.
pub(crate) const RAW: i16 = 0;
const ZLIB: i16 = 1;
const BZ2: i16 = 2;
const LZ4: i16 = 3;
/// Also what `compress` makes.
pub(crate) const ZSTD: i16 = 4;
const BROTLI: i16 = 5;

/// That of zstd's own command.
const ZSTD_LEVEL: i32 = 3;
/// How much room there is at first for what zstd unpacks, in bytes: most chunks fit.
const FIRST_ROOM: usize = 256 * 1_024;
/// How much of a brotli stream is read at once, in bytes.
const BROTLI_BUFFER: usize = 4_096;

/// Why a chunk cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChunkFault {
    /// Buildbot has no codec of this number.
    #[error("its codec {0} is unknown")]
    UnknownCodec(i16),
    /// What it holds is not what the codec makes.
    #[error("it is not valid {0}")]
    Broken(&'static str),
    /// It unpacks to more bytes than it may.
    #[error("it unpacks to more than max-log-chunk-bytes, {0}")]
    TooLong(usize),
}

/// Unpacks chunks, one after the other.
pub(crate) struct ChunkDecoder {
    max_bytes: usize,
    /// Made for the first chunk that needs it: it is large.
    zstd: Option<bulk::Decompressor<'static>>,
}

impl ChunkDecoder {
    /// One that unpacks a chunk to `max_bytes` at most.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            zstd: None,
        }
    }

    /// The text of a chunk that is packed by this codec.
    ///
    /// # Errors
    /// Why it cannot be unpacked.
    pub(crate) fn decode<'c>(
        &mut self,
        codec: i16,
        content: &'c [u8],
    ) -> Result<Cow<'c, [u8]>, ChunkFault> {
        match codec {
            RAW if content.len() > self.max_bytes => Err(self.too_long()),
            RAW => Ok(content.into()),
            ZLIB => self.read(ZlibDecoder::new(content), "zlib"),
            BZ2 => self.read(MultiBzDecoder::new(content), "bz2"),
            LZ4 => self.lz4(content),
            ZSTD => self.zstd(content),
            BROTLI => self.read(Decompressor::new(content, BROTLI_BUFFER), "brotli"),
            other => Err(ChunkFault::UnknownCodec(other)),
        }
    }

    fn too_long(&self) -> ChunkFault {
        ChunkFault::TooLong(self.max_bytes)
    }

    fn read<'c>(&self, stream: impl Read, name: &'static str) -> Result<Cow<'c, [u8]>, ChunkFault> {
        let mut text = Vec::new();
        // One byte more than may be, so that an excess shows.
        let mut stream = stream.take((self.max_bytes as u64).saturating_add(1));
        let read = stream.read_to_end(&mut text);
        read.map_err(|_| ChunkFault::Broken(name))?;
        if text.len() > self.max_bytes {
            return Err(self.too_long());
        }
        Ok(text.into())
    }

    /// A block after its length.
    fn lz4<'c>(&self, content: &[u8]) -> Result<Cow<'c, [u8]>, ChunkFault> {
        const BROKEN: ChunkFault = ChunkFault::Broken("lz4");
        let (length, block) = content.split_first_chunk().ok_or(BROKEN)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| BROKEN)?;
        if length > self.max_bytes {
            return Err(self.too_long());
        }
        let text = lz4_flex::block::decompress(block, length).map_err(|_| BROKEN)?;
        if text.len() != length {
            return Err(BROKEN);
        }
        Ok(text.into())
    }

    /// A frame that need not say how long its text is.
    fn zstd<'c>(&mut self, content: &[u8]) -> Result<Cow<'c, [u8]>, ChunkFault> {
        const BROKEN: ChunkFault = ChunkFault::Broken("zstd");
        // For the library, nothing is no frame, and no error.
        if content.is_empty() {
            return Err(BROKEN);
        }
        let zstd = match &mut self.zstd {
            Some(zstd) => zstd,
            none => none.insert(bulk::Decompressor::new().map_err(|_| BROKEN)?),
        };
        let mut room = FIRST_ROOM.min(self.max_bytes);
        loop {
            let mut text = Vec::with_capacity(room);
            match zstd.decompress_to_buffer(content, &mut text) {
                Ok(_) => {
                    text.shrink_to_fit();
                    return Ok(text.into());
                }
                Err(error) if !is_out_of_room(&error) => return Err(BROKEN),
                Err(_) if room >= self.max_bytes => return Err(self.too_long()),
                Err(_) => room = room.saturating_mul(4).min(self.max_bytes),
            }
        }
    }
}

/// Whether zstd has more to unpack than there was room for. It says so in words alone.
fn is_out_of_room(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::Other && error.to_string().contains("too small")
}

/// Packs the text of a chunk; returns `logchunks.compressed` and `content`. What does not get
/// smaller stays as it is.
#[must_use]
pub(crate) fn compress(text: Vec<u8>) -> (i16, Vec<u8>) {
    match bulk::compress(&text, ZSTD_LEVEL) {
        Ok(packed) if packed.len() < text.len() => (ZSTD, packed),
        _ => (RAW, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that Buildbot 4.3.0 wrote, by codec: `tests/data/logs/log-chunks.py` makes them.
    const ROWS: &str = include_str!("../../../tests/data/logs/log-chunks.txt");
    const MAX: usize = 1 << 20;

    /// The rows: a codec, what was stored, and the text.
    fn rows() -> Vec<(i16, Vec<u8>, String)> {
        let rows = ROWS.lines().map(|row| {
            let mut columns = row.split(' ');
            let mut column = || columns.next().expect("a column");
            let codec = column().parse().expect("a number");
            let content = hex::decode(column()).expect("bytes");
            let text = hex::decode(column()).expect("bytes");
            (codec, content, String::from_utf8(text).expect("a text"))
        });
        rows.collect()
    }

    #[test]
    fn every_codec_of_buildbot_is_read() {
        let mut decoder = ChunkDecoder::new(MAX);
        let mut codecs: Vec<i16> = Vec::new();
        for (codec, content, text) in rows() {
            let text_again = decoder.decode(codec, &content).expect("a text");
            assert_eq!(String::from_utf8_lossy(&text_again), text, "codec {codec}");
            codecs.push(codec);
        }
        codecs.dedup();
        assert_eq!(codecs, [RAW, ZLIB, BZ2, LZ4, ZSTD, BROTLI]);
    }

    #[test]
    fn what_is_cut_short_or_of_another_codec_is_an_error() {
        let mut decoder = ChunkDecoder::new(MAX);
        for (codec, content, text) in rows().into_iter().filter(|row| row.0 != RAW) {
            for cut in [0, 1, content.len() / 2, content.len() - 1] {
                let text_again = decoder.decode(codec, &content[..cut]);
                assert!(text_again.is_err(), "codec {codec}, {cut} bytes");
            }
            for other in (ZLIB..=BROTLI).filter(|other| *other != codec) {
                let text_again = decoder.decode(other, &content).ok();
                assert_ne!(
                    text_again.as_deref(),
                    Some(text.as_bytes()),
                    "{codec} as {other}"
                );
            }
        }
        for codec in [-1, 6, i16::MAX] {
            let fault = decoder.decode(codec, b"x");
            assert_eq!(fault, Err(ChunkFault::UnknownCodec(codec)));
        }
    }

    #[test]
    fn a_bomb_is_an_error_and_takes_no_more_than_the_limit() {
        for (codec, content, text) in rows() {
            let length = text.len();
            let mut decoder = ChunkDecoder::new(length);
            decoder.decode(codec, &content).expect("just small enough");
            let mut decoder = ChunkDecoder::new(length - 1);
            let fault = decoder.decode(codec, &content);
            assert_eq!(fault, Err(ChunkFault::TooLong(length - 1)), "codec {codec}");
        }
        let bomb = bulk::compress(&vec![0; 64 << 20], 19).expect("a frame");
        assert!(bomb.len() < 10_000, "{}", bomb.len());
        let fault = ChunkDecoder::new(MAX).decode(ZSTD, &bomb);
        assert_eq!(fault, Err(ChunkFault::TooLong(MAX)));
        let claims_much = [&u32::MAX.to_le_bytes()[..], b"\0"].concat();
        let fault = ChunkDecoder::new(MAX).decode(LZ4, &claims_much);
        assert_eq!(fault, Err(ChunkFault::TooLong(MAX)));
        let claims_little = [&3_u32.to_le_bytes()[..], b"\x40abcd"].concat();
        let fault = ChunkDecoder::new(MAX).decode(LZ4, &claims_little);
        assert_eq!(fault, Err(ChunkFault::Broken("lz4")));
    }

    #[test]
    fn what_is_packed_is_read_again_and_never_larger() {
        for text in ["", "x", "oone\ntwo", &"oagain\n".repeat(9_000)] {
            let (codec, content) = compress(text.as_bytes().to_vec());
            assert!(content.len() <= text.len());
            let text_again = ChunkDecoder::new(MAX)
                .decode(codec, &content)
                .map(Cow::into_owned);
            assert_eq!(text_again, Ok(text.as_bytes().to_vec()));
        }
        assert_eq!(compress(b"x".to_vec()).0, RAW);
    }
}
