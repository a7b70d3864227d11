//! Chance in simulated builds, seeded by the build's id: the same id always rolls the same.

use crate::domain::id::BuildId;

/// Another seed is another history.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// An xorshift generator, which is random enough for a demo.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(build: BuildId) -> Self {
        Self::seeded(u64::from(build.0.unsigned_abs()))
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        // Never zero, which xorshift maps to zero.
        Self(seed.wrapping_mul(SEED) | 1)
    }

    /// The next number, from 0 to 99.
    pub(crate) fn roll_percent(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % 100
    }
}
