//! Q8_0: 32 signed bytes and a scale, `y[i] = q[i]·d` (GGML `block_q8_0`).

use half::f16;

/// Dequantises whole blocks: 34 bytes become 32 values.
pub(super) fn decode(bytes: &[u8], out: &mut [f32]) {
    let blocks: &[[u8; 34]] = bytes.as_chunks().0;
    let values: &mut [[f32; 32]] = out.as_chunks_mut().0;
    for ([d0, d1, quants @ ..], y) in blocks.iter().zip(values) {
        let d = f16::from_le_bytes([*d0, *d1]).to_f32();
        for (y, &q) in y.iter_mut().zip(quants) {
            *y = f32::from(q.cast_signed()) * d;
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_block_is_its_bytes_times_the_scale() {
        // d = 0.5 (half 0x3800), quants −128, 127, then 0 to 29.
        let mut block = vec![0x00, 0x38, 0x80, 0x7f];
        block.extend(0..30_u8);
        let mut out = [0.0; 32];
        super::decode(&block, &mut out);
        let mut want = vec![-64.0, 63.5];
        want.extend((0..30_u8).map(|q| f32::from(q) / 2.0));
        assert_eq!(out.as_slice(), want);
    }
}
