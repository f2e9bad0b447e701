//! The remainder by a number that is known beforehand, without a division.

/// Takes remainders by one number: Lemire, Kaser, Kurz, "Faster Remainder by Direct Computation" (2019).
///
/// Two multiplications where a division by a runtime `u64` takes 20 to 40 cycles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Modulus {
    divisor: u32,
    /// ⌈2⁶⁴ / divisor⌉, wrapped to 0 for a divisor of 1.
    inverse: u64,
}

impl Modulus {
    /// By `divisor`; of 0, every remainder is 0.
    pub(crate) fn new(divisor: usize) -> Self {
        // Members are indexed by u32 in core: more than that can't be there.
        let divisor = u32::try_from(divisor).unwrap_or(u32::MAX);
        let inverse = (u64::MAX).checked_div(u64::from(divisor)).map_or(0, |quotient| quotient.wrapping_add(1));
        Self { divisor, inverse }
    }

    /// The remainder of the lower half of `number`.
    #[inline]
    pub(crate) fn of(self, number: u64) -> usize {
        let fraction = self.inverse.wrapping_mul(number & u64::from(u32::MAX));
        ((u128::from(fraction) * u128::from(self.divisor)) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_remainder(divisor in 1u32.., number in any::<u64>()) {
            prop_assert_eq!(Modulus::new(divisor as usize).of(number), (number as u32 % divisor) as usize);
        }

        #[test]
        fn it_is_the_remainder_by_small_numbers(divisor in 1u32..2000, number in any::<u32>()) {
            prop_assert_eq!(Modulus::new(divisor as usize).of(u64::from(number)), (number % divisor) as usize);
        }
    }

    #[test]
    fn the_corners() {
        assert_eq!(Modulus::new(0).of(7), 0);
        assert_eq!(Modulus::new(1).of(u64::MAX), 0);
        assert_eq!(Modulus::new(u32::MAX as usize).of(u64::from(u32::MAX)), 0);
        assert_eq!(Modulus::new(3).of(u64::from(u32::MAX)), (u32::MAX % 3) as usize);
    }
}
