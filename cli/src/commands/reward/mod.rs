//! `collimate reward`: tools for whoever writes a reward.

pub(crate) mod args;
mod bench;
mod fuzz;
mod new;
mod one;
mod test;

use crate::args::Reward;
use crate::exit::{Code, Exit};

/// Runs a tool.
pub(crate) fn reward(args: &Reward) -> Result<Code, Exit> {
    match args {
        Reward::New { name, sdk, sdk_version } => new::new(name, sdk.as_deref(), sdk_version.as_deref()),
        Reward::Test { reward, file, json } => test::test(reward, file, *json),
        Reward::Fuzz { reward, answers, seed, truth, json } => fuzz::fuzz(reward, *answers, (*seed, truth), *json),
        Reward::Bench { reward, calls, bytes, file, json } => bench::bench(reward, *calls, *bytes, file.as_deref(), *json),
    }
}
