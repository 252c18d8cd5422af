//! What the machine can do at most, measured in the same process as the work.

use std::time::Instant;

use tch::{Device, Kind, Tensor};

/// Side of the square product.
const SIDE: i64 = 2048;
/// Repetitions of a measurement.
const REPEATS: usize = 9;
/// Bytes that are summed for the bandwidth.
const READ_BYTES: i64 = 256 << 20;

/// Speeds of a float32 matrix product and of reading memory.
#[derive(Debug, Clone, Copy)]
pub struct Ceilings {
    /// GFLOP/s of a 2048³ product, median of 9.
    pub sgemm_gflops: f64,
    /// GB/s of summing 256 MiB, median of 9.
    pub read_gbs: f64,
}

impl Ceilings {
    /// Measures both; takes about a second.
    #[must_use]
    pub fn measure() -> Self {
        Self { sgemm_gflops: sgemm_gflops(), read_gbs: read_gbs() }
    }

    /// The median of several measurements.
    #[must_use]
    pub fn median(all: &[Self]) -> Self {
        let of = |pick: fn(&Self) -> f64| median(&mut all.iter().map(pick).collect::<Vec<_>>());
        Self { sgemm_gflops: of(|c| c.sgemm_gflops), read_gbs: of(|c| c.read_gbs) }
    }
}

/// GFLOP/s of a 2048³ float32 product, median of 9.
#[must_use]
pub fn sgemm_gflops() -> f64 {
    let _guard = tch::no_grad_guard();
    let (a, b) = (Tensor::ones([SIDE, SIDE], (Kind::Float, Device::Cpu)), Tensor::ones([SIDE, SIDE], (Kind::Float, Device::Cpu)));
    let c = a.mm(&b);
    let once = || {
        let start = Instant::now();
        let _ = a.mm_out(&c, &b);
        start.elapsed().as_secs_f64()
    };
    2.0 * (SIDE as f64).powi(3) / median(&mut (0..REPEATS).map(|_| once()).collect::<Vec<_>>()) / 1e9
}

fn read_gbs() -> f64 {
    let _guard = tch::no_grad_guard();
    let memory = Tensor::ones([READ_BYTES / 4], (Kind::Float, Device::Cpu));
    let once = || {
        let start = Instant::now();
        let sum = memory.sum(Kind::Float);
        let seconds = start.elapsed().as_secs_f64();
        let _ = std::hint::black_box(sum);
        seconds
    };
    READ_BYTES as f64 / median(&mut (0..REPEATS).map(|_| once()).collect::<Vec<_>>()) / 1e9
}

/// The middle value (of an even number: the lower of the two in the middle).
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}
