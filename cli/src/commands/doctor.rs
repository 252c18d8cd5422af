//! `collimate doctor`: what this machine and this build offer to a run, each line with what to do if it is not good.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::args::DoctorArgs;
use crate::exit::{Code, Exit, OrExit};
use crate::{machine, session};

/// How a finding is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Good,
    Notice,
    Bad,
}

/// A finding.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    state: State,
    found: String,
    /// What to do; nothing where all is well.
    mend: &'static str,
}

fn good(what: &'static str, found: impl Into<String>) -> Finding {
    Finding { what, state: State::Good, found: found.into(), mend: "" }
}

/// Looks at the machine.
pub(crate) fn doctor(args: &DoctorArgs) -> Result<Code, Exit> {
    let mut findings = vec![good("version", env!("CARGO_PKG_VERSION"))];
    findings.extend(libtorch());
    findings.extend(cpu());
    findings.push(memory());
    findings.push(disk(&args.dir));
    findings.extend(limits());
    findings.extend(built_in());
    if args.json {
        session::print(&serde_json::to_string_pretty(&findings).or_failed()?)?;
    } else {
        for finding in &findings {
            let sign = match finding.state {
                State::Good => "ok  ",
                State::Notice => "note",
                State::Bad => "BAD ",
            };
            let mend = if finding.mend.is_empty() { String::new() } else { format!("; {}", finding.mend) };
            session::print(&format!("{sign} {:<14} {}{mend}", finding.what, finding.found))?;
        }
    }
    let bad = findings.iter().any(|f| f.state == State::Bad);
    Ok(if bad { Code::Failed } else { Code::Done })
}

/// LibTorch, by a product that is known, twice.
fn libtorch() -> Vec<Finding> {
    let threads = session::start_libtorch(0);
    let product = || {
        let ones = tch::Tensor::ones([64, 64], (tch::Kind::Float, tch::Device::Cpu));
        f64::try_from(ones.matmul(&ones).sum(tch::Kind::Float)).unwrap_or(f64::NAN)
    };
    let computes = product() == 262_144.0 && product() == 262_144.0;
    let works = Finding {
        what: "LibTorch",
        state: if computes { State::Good } else { State::Bad },
        found: torch_version(&collimate_bridge::show_config()),
        mend: if computes { "" } else { "a product of ones is wrong: fetch LibTorch again with `cargo xtask setup`" },
    };
    let devices = if tch::Cuda::is_available() {
        good("devices", format!("cpu, {} CUDA", tch::Cuda::device_count()))
    } else {
        good("devices", "cpu")
    };
    vec![works, good("threads", format!("{threads} of {} cores", machine::cores())), devices]
}

/// The version in LibTorch's description of itself.
fn torch_version(config: &str) -> String {
    let version = config.split("TORCH_VERSION=").nth(1).and_then(|v| v.split([',', ' ']).next()).unwrap_or("unknown");
    format!("{version}, deterministic kernels on")
}

fn cpu() -> Vec<Finding> {
    let flags = machine::cpu_flags();
    let fast = flags.contains("avx2") || cfg!(not(target_arch = "x86_64"));
    let cpu = Finding {
        what: "cpu",
        state: if fast { State::Good } else { State::Notice },
        found: flags,
        mend: if fast { "" } else { "without AVX2 everything is several times slower" },
    };
    let quota = fs::read_to_string("/sys/fs/cgroup/cpu.max").ok().and_then(|text| {
        let (quota, period) = text.trim().split_once(' ')?;
        Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
    });
    let cramped = quota.filter(|quota| *quota + 0.5 < machine::cores() as f64).map(|quota| Finding {
        what: "cpu quota",
        state: State::Notice,
        found: format!("{quota:.1} cores of {} may be used", machine::cores()),
        mend: "set run.threads to what may be used",
    });
    std::iter::once(cpu).chain(cramped).collect()
}

fn memory() -> Finding {
    match machine::free_memory() {
        None => Finding { what: "memory", state: State::Notice, found: "unknown".into(), mend: "" },
        Some(bytes) => {
            let enough = bytes >= 2 << 30;
            let mend = if enough { "" } else { "a model of 135 M parameters needs about 2 GiB to be trained" };
            Finding { what: "memory", state: if enough { State::Good } else { State::Notice }, found: format!("{} free", gib(bytes)), mend }
        }
    }
}

fn disk(dir: &Path) -> Finding {
    let probe = dir.join(format!(".collimate-doctor-{}", std::process::id()));
    let written = fs::write(&probe, b"x").and_then(|()| fs::File::open(&probe)?.sync_all());
    let _ = fs::remove_file(&probe);
    let finding = |state, found, mend| Finding { what: "disk", state, found, mend };
    if let Err(error) = written {
        return finding(State::Bad, format!("{}: {error}", dir.display()), "give run.dir a folder that can be written");
    }
    match collimate_store::free_bytes(dir) {
        Ok(bytes) if bytes < 4 << 30 => {
            finding(State::Notice, format!("{} free in {}", gib(bytes), dir.display()), "a checkpoint of 135 M parameters has 1.6 GB")
        }
        Ok(bytes) => finding(State::Good, format!("{} free in {}", gib(bytes), dir.display()), ""),
        Err(error) => finding(State::Notice, format!("{}: {error}", dir.display()), ""),
    }
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1_u64 << 30) as f64)
}

/// What the system lets this process have.
fn limits() -> Vec<Finding> {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = |name: &str| {
        let line = text.lines().find(|l| l.starts_with(name))?;
        line[name.len()..].split_whitespace().next().map(str::to_owned)
    };
    let number = |value: &str| if value == "unlimited" { u64::MAX } else { value.parse().unwrap_or(0) };
    let limit = |what, name, least: u64, mend| {
        let value = soft(name)?;
        let enough = number(&value) >= least;
        Some(Finding { what, state: if enough { State::Good } else { State::Notice }, found: value, mend: if enough { "" } else { mend } })
    };
    [
        limit("open files", "Max open files", 256, "raise it with `ulimit -n 1024`"),
        limit("address space", "Max address space", 8 << 30, "`ulimit -v unlimited`: weights and their copies are mapped"),
        limit("file size", "Max file size", 4 << 30, "`ulimit -f unlimited`: a checkpoint is larger"),
        limit("processes", "Max processes", 64, "raise it with `ulimit -u`"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What this build brings along.
fn built_in() -> Vec<Finding> {
    let feature = |on: bool, name: &str| format!("{name} {}", if on { "yes" } else { "no" });
    let features = [feature(cfg!(feature = "parquet"), "parquet"), feature(cfg!(feature = "hub"), "hub")];
    vec![
        good("features", features.join(", ")),
        good("algorithms", collimate_algorithms::roster().len().to_string()),
        good("rewards", collimate_rewards::roster().len().to_string()),
        good("formats", collimate_datasets::FORMATS.len().to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_libtorchs_own_words() {
        assert_eq!(torch_version("  - Build settings: A=1, TORCH_VERSION=2.11.0, USE_X=ON"), "2.11.0, deterministic kernels on");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_bad() {
        assert_eq!(disk(Path::new("/no/such/folder")).state, State::Bad);
        assert_eq!(disk(&std::env::temp_dir()).state, State::Good);
    }
}
