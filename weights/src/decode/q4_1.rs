//! Q4_1: 32 nibbles, a scale and a minimum, `y[i] = q[i]·d + m` (GGML `block_q4_1`). Low nibbles are the first 16 values, high ones the last.

use half::f16;

/// Dequantises whole blocks: 20 bytes become 32 values.
pub(super) fn decode(bytes: &[u8], out: &mut [f32]) {
    let blocks: &[[u8; 20]] = bytes.as_chunks().0;
    let values: &mut [[f32; 32]] = out.as_chunks_mut().0;
    for ([d0, d1, m0, m1, quants @ ..], y) in blocks.iter().zip(values) {
        let d = f16::from_le_bytes([*d0, *d1]).to_f32();
        let m = f16::from_le_bytes([*m0, *m1]).to_f32();
        let (low, high) = y.split_at_mut(16);
        for ((low, high), &q) in low.iter_mut().zip(high).zip(quants) {
            *low = f32::from(q & 15) * d + m;
            *high = f32::from(q >> 4) * d + m;
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn low_nibbles_come_first_and_the_minimum_is_added() {
        // d = 0.25 (half 0x3400), m = −1 (half 0xbc00). Byte i holds i in its low nibble and 15 − i in its high one.
        let mut block = vec![0x00, 0x34, 0x00, 0xbc];
        block.extend((0..16_u8).map(|i| i | (15 - i) << 4));
        let mut out = [0.0; 32];
        super::decode(&block, &mut out);
        let low = [-1., -0.75, -0.5, -0.25, 0., 0.25, 0.5, 0.75, 1., 1.25, 1.5, 1.75, 2., 2.25, 2.5, 2.75];
        assert_eq!(out[..16], low);
        let high: Vec<f32> = low.into_iter().rev().collect();
        assert_eq!(out[16..], high);
    }
}
