//! Buildbot's result codes.

/// How a step or build ended. The codes are Buildbot's: 0 to 6, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Results {
    /// 0
    Success,
    /// 1
    Warnings,
    /// 2
    Failure,
    /// 3
    Skipped,
    /// 4
    Exception,
    /// 5
    Retry,
    /// 6
    Cancelled,
}

impl Results {
    /// Every result, in the order of the codes.
    pub(crate) const ALL: [Self; 7] = [
        Self::Success,
        Self::Warnings,
        Self::Failure,
        Self::Skipped,
        Self::Exception,
        Self::Retry,
        Self::Cancelled,
    ];

    /// The code that the database holds.
    #[must_use]
    pub(crate) fn code(self) -> i64 {
        self as i64
    }

    /// The result with this code, or none: Buildbot stores any integer unchecked.
    #[must_use]
    pub(crate) fn from_code(code: i64) -> Option<Self> {
        usize::try_from(code)
            .ok()
            .and_then(|code| Self::ALL.get(code))
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_buildbots_and_others_are_none() {
        assert_eq!(Results::ALL.map(Results::code), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(Results::from_code(6), Some(Results::Cancelled));
        assert_eq!(Results::from_code(-1), None);
        assert_eq!(Results::from_code(7), None);
    }
}
