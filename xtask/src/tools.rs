//! The tools a fresh machine must have; each that is missing is named with the mend.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Done;

/// The first executable called `name` on PATH; a `name` with a slash is taken as a path.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    find_in(name, &env::var_os("PATH").unwrap_or_default())
}

fn find_in(name: &str, path: &OsStr) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|file| is_program(file));
    }
    env::split_paths(path).map(|folder| folder.join(name)).find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

/// LibTorch's shims are C++: without a compiler the build would fail minutes later, far from the reason.
pub(crate) fn need_cxx_compiler() -> Done {
    cxx_compiler(&env::var_os("PATH").unwrap_or_default(), env::var("CXX").ok().as_deref())
}

fn cxx_compiler(path: &OsStr, cxx: Option<&str>) -> Done {
    if let Some(program) = cxx.and_then(|cxx| cxx.split_whitespace().next()) {
        return match find_in(program, path) {
            Some(_) => Ok(()),
            None => Err(format!("CXX names `{program}`, which is not on PATH; unset CXX or name a C++ compiler that is")),
        };
    }
    if find_in("c++", path).is_some() {
        return Ok(());
    }
    // Build scripts ask for `c++`; another name works only when it is told.
    match ["g++", "clang++"].into_iter().find(|name| find_in(name, path).is_some()) {
        Some(name) => Err(format!("there is `{name}` but no `c++` on PATH; run `export CXX={name}` (also for plain cargo) and try again")),
        None => Err("no C++ compiler (c++, g++ or clang++) on PATH, and LibTorch's shims must be compiled; install one, e.g. \
             `apt-get install g++`, `dnf install gcc-c++` or `pacman -S gcc`, and try again"
            .to_owned()),
    }
}

/// Python fetches and unpacks (its index client checks the hashes); nothing of the project needs it at run time.
pub(crate) fn need_python() -> Done<PathBuf> {
    find("python3").ok_or_else(|| {
        "python3 is not on PATH; set-up fetches LibTorch with it (the project itself does not use Python). Install it, e.g. \
         `apt-get install python3 python3-pip`, and try again, or bring a LibTorch of your own (docs/setup.md)"
            .to_owned()
    })
}

/// Checks that this Python has pip.
pub(crate) fn need_pip(python: &Path) -> Done {
    let output = Command::new(python).args(["-m", "pip", "--version"]).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(_) => Err(format!(
            "{} has no pip; install it, e.g. `apt-get install python3-pip` or `python3 -m ensurepip --user`, and try again, \
             or bring a LibTorch of your own (docs/setup.md)",
            python.display()
        )),
        Err(error) => Err(format!("cannot run {}: {error}; reinstall python3", python.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn folder_with(test: &str, programs: &[&str]) -> PathBuf {
        let folder = env::temp_dir().join(format!("xtask-tools-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for program in programs {
            let file = folder.join(program);
            std::fs::write(&file, "").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder
    }

    #[test]
    fn a_missing_compiler_is_named_with_the_mend() {
        let empty = folder_with("none", &[]);
        let message = cxx_compiler(empty.as_os_str(), None).unwrap_err();
        assert!(message.contains("apt-get install g++"), "{message}");
        std::fs::remove_dir_all(empty).unwrap();
    }

    #[test]
    fn a_compiler_under_another_name_must_be_told_through_cxx() {
        let folder = folder_with("clang", &["clang++"]);
        let message = cxx_compiler(folder.as_os_str(), None).unwrap_err();
        assert!(message.contains("export CXX=clang++"), "{message}");
        assert_eq!(cxx_compiler(folder.as_os_str(), Some("clang++ -m64")), Ok(()));
        assert!(cxx_compiler(folder.as_os_str(), Some("icpx")).unwrap_err().contains("icpx"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_cannot_run_is_not_a_program() {
        let folder = folder_with("mode", &[]);
        std::fs::write(folder.join("c++"), "").unwrap();
        assert_eq!(find_in("c++", folder.as_os_str()), None);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
