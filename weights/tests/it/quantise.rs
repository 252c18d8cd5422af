//! Plain quantisers, written from the block formats, and what their blocks must decode to. Only tests need them.

use half::f16;

/// The least and greatest of a block.
fn range(block: &[f32]) -> (f32, f32) {
    block.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)))
}

/// `d = max|x| / 127`, `q = round(x / d)`.
pub(crate) fn q8_0(values: &[f32]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in values.chunks(32) {
        let d = f16::from_f32(block.iter().fold(0.0_f32, |most, v| most.max(v.abs())) / 127.0);
        out.extend(d.to_le_bytes());
        out.extend(block.iter().map(|v| steps(*v, d.to_f32()).clamp(-127.0, 127.0) as i8 as u8));
    }
    out
}

/// `d` = the value farthest from zero, over −8; `q = round(x / d) + 8`.
pub(crate) fn q4_0(values: &[f32]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in values.chunks(32) {
        let far = block.iter().fold(0.0_f32, |far, &v| if v.abs() > far.abs() { v } else { far });
        let d = f16::from_f32(far / -8.0);
        out.extend(d.to_le_bytes());
        out.extend(nibbles(block, |v| steps(v, d.to_f32()) + 8.0));
    }
    out
}

/// `m = min`, `d = (max − min) / 15`, `q = round((x − m) / d)`.
pub(crate) fn q4_1(values: &[f32]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in values.chunks(32) {
        let (low, high) = range(block);
        let (d, m) = (f16::from_f32((high - low) / 15.0), f16::from_f32(low));
        out.extend(d.to_le_bytes());
        out.extend(m.to_le_bytes());
        out.extend(nibbles(block, |v| steps(v - m.to_f32(), d.to_f32())));
    }
    out
}

fn steps(value: f32, d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { (value / d).round() }
}

/// Byte `i` holds value `i` in its low nibble and value `i + 16` in its high one.
fn nibbles(block: &[f32], quant: impl Fn(f32) -> f32) -> Vec<u8> {
    let quant = |v: f32| quant(v).clamp(0.0, 15.0) as u8;
    (0..16).map(|i| quant(block[i]) | quant(block[i + 16]) << 4).collect()
}
