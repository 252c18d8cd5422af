//! Q4_0: 32 nibbles and a scale, `y[i] = (q[i] − 8)·d` (GGML `block_q4_0`). Low nibbles are the first 16 values, high ones the last 16.

use half::f16;

/// Dequantises whole blocks: 18 bytes become 32 values.
pub(super) fn decode(bytes: &[u8], out: &mut [f32]) {
    let blocks: &[[u8; 18]] = bytes.as_chunks().0;
    let values: &mut [[f32; 32]] = out.as_chunks_mut().0;
    for ([d0, d1, quants @ ..], y) in blocks.iter().zip(values) {
        let d = f16::from_le_bytes([*d0, *d1]).to_f32();
        let (low, high) = y.split_at_mut(16);
        for ((low, high), &q) in low.iter_mut().zip(high).zip(quants) {
            *low = f32::from((q & 15).cast_signed() - 8) * d;
            *high = f32::from((q >> 4).cast_signed() - 8) * d;
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn low_nibbles_come_first_and_eight_is_zero() {
        // d = −2 (half 0xc000). Byte i holds i in its low nibble and 15 − i in its high one.
        let mut block = vec![0x00, 0xc0];
        block.extend((0..16_u8).map(|i| i | (15 - i) << 4));
        let mut out = [0.0; 32];
        super::decode(&block, &mut out);
        let low = [16., 14., 12., 10., 8., 6., 4., 2., 0., -2., -4., -6., -8., -10., -12., -14.];
        assert_eq!(out[..16], low);
        let high: Vec<f32> = low.into_iter().rev().collect();
        assert_eq!(out[16..], high);
    }
}
