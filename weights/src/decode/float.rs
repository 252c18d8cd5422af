//! Plain floats of other widths.

use half::slice::HalfFloatSliceExt;
use zerocopy::FromBytes;

/// `out[i] = halves[i]`, exactly. Uses the processor's conversion where it has one.
pub(super) fn f16(bytes: &[u8], out: &mut [f32]) {
    if let Ok(halves) = <[half::f16]>::ref_from_bytes(bytes) {
        return halves.convert_to_f32_slice(out);
    }
    for (value, &half) in out.iter_mut().zip(bytes.as_chunks().0) {
        *value = half::f16::from_le_bytes(half).to_f32();
    }
}

/// `out[i] = brains[i]`, exactly: the 16 bits are the upper half of the float's.
pub(super) fn bf16(bytes: &[u8], out: &mut [f32]) {
    for (value, &half) in out.iter_mut().zip(bytes.as_chunks().0) {
        *value = f32::from_bits(u32::from(u16::from_le_bytes(half)) << 16);
    }
}

/// `out[i] = doubles[i]`, rounded to the nearest float.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what this does")]
pub(super) fn f64(bytes: &[u8], out: &mut [f32]) {
    for (value, &double) in out.iter_mut().zip(bytes.as_chunks().0) {
        *value = f64::from_le_bytes(double) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1, −2, the least subnormal half 2⁻²⁴, infinity.
    const HALVES: [u8; 8] = [0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00, 0x00, 0x7c];

    #[test]
    fn halves_convert_exactly_aligned_or_not() {
        let mut shifted = vec![0_u8];
        shifted.extend(HALVES);
        for bytes in [&HALVES[..], &shifted[1..]] {
            let mut out = [0.0; 4];
            f16(bytes, &mut out);
            assert_eq!(out, [1.0, -2.0, 2.0_f32.powi(-24), f32::INFINITY]);
        }
    }

    #[test]
    fn brain_floats_are_the_upper_half_of_a_float() {
        let mut out = [0.0; 3];
        bf16(&[0x80, 0x3f, 0x49, 0x40, 0x00, 0x80], &mut out);
        assert_eq!(out, [1.0, 3.140_625, 0.0]);
        assert!(out[2].is_sign_negative());
    }

    #[test]
    fn doubles_round_to_the_nearest_float() {
        let mut out = [0.0; 1];
        f64(&0.1_f64.to_le_bytes(), &mut out);
        assert_eq!(out, [0.1_f32]);
    }
}
