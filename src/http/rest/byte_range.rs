//! `Range`: which bytes of a file are asked for.

/// One range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteRange {
    /// From the first byte to the last, which is in it; to the end if that is left out.
    From(u64, Option<u64>),
    /// So many at the end.
    Last(u64),
}

impl ByteRange {
    /// Reads the header's value. `None` for several ranges, for another unit, and for what cannot
    /// be read: then the whole is sent, as RFC 9110 has it.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let (unit, range) = value.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let number = |digits: &str| {
            let are_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            // What is too large for a file is beyond its end.
            are_digits.then(|| digits.parse().unwrap_or(u64::MAX))
        };
        match range.trim().split_once('-')? {
            ("", last) => Some(Self::Last(number(last)?)),
            (first, "") => Some(Self::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }

    /// The first byte and the last, of a file of so many; `None` where it has none of them.
    pub(crate) fn within(self, bytes: u64) -> Option<(u64, u64)> {
        let end = bytes.checked_sub(1)?;
        match self {
            Self::From(first, last) => {
                (first <= end).then(|| (first, last.unwrap_or(end).min(end)))
            }
            Self::Last(0) => None,
            Self::Last(count) => Some((bytes.saturating_sub(count), end)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_read() {
        let read = ByteRange::parse;
        assert_eq!(read("bytes=0-9"), Some(ByteRange::From(0, Some(9))));
        assert_eq!(read("Bytes= 5-"), Some(ByteRange::From(5, None)));
        assert_eq!(read("bytes=-5"), Some(ByteRange::Last(5)));
        let huge = "9".repeat(30);
        let beyond = Some(ByteRange::From(u64::MAX, None));
        assert_eq!(read(&format!("bytes={huge}-")), beyond);
        for bad in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=9-0",
            "bytes=0-1,3-4",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        for bad in ["lines=0-1", "bytes=--1", "bytes=+1-2", "bytes=1-2-3"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_range_ends_with_the_file() {
        assert_eq!(ByteRange::From(0, Some(9)).within(5), Some((0, 4)));
        assert_eq!(ByteRange::From(4, None).within(5), Some((4, 4)));
        assert_eq!(ByteRange::From(5, None).within(5), None);
        assert_eq!(ByteRange::From(0, None).within(0), None);
        assert_eq!(ByteRange::Last(2).within(5), Some((3, 4)));
        assert_eq!(ByteRange::Last(9).within(5), Some((0, 4)));
        assert_eq!(ByteRange::Last(0).within(5), None);
    }
}
