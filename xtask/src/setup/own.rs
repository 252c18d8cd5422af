//! A LibTorch of the user's own, named by the variables that torch-sys reads; its version is checked here, because
//! torch-sys checks it only where a file `build-version` happens to lie.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Done;
use crate::checkout::Checkout;
use crate::setup::link;
use crate::setup::pins::LIBTORCH_VERSION;

const PREFIX: &str = "own-libtorch-";

/// Where the user's own LibTorch keeps its headers and libraries.
#[derive(Debug)]
pub(crate) struct Own {
    /// Holds `torch/`, `ATen/`, `c10/`.
    pub(crate) include: PathBuf,
    /// Holds `libtorch_cpu` and `libc10`.
    pub(crate) lib: PathBuf,
}

/// The LibTorch that the environment names, checked; `None` when it names none.
pub(crate) fn from_environment(here: &Checkout) -> Done<Option<Own>> {
    let (root, asked) = if here.users_own("LIBTORCH_USE_PYTORCH").is_some() {
        (python_torch()?, "LIBTORCH_USE_PYTORCH")
    } else if let Some(root) = here.users_own("LIBTORCH") {
        (PathBuf::from(root), "LIBTORCH")
    } else {
        return Ok(None);
    };
    // As in torch-sys: each of the two may name another root.
    let part = |variable, folder| here.users_own(variable).map_or_else(|| root.clone(), PathBuf::from).join(folder);
    let own = Own { include: part("LIBTORCH_INCLUDE", "include"), lib: part("LIBTORCH_LIB", "lib") };
    check(&own.include, &own.lib).map_err(|why| format!("{asked} names {}: {why}", root.display()))?;
    Ok(Some(own))
}

/// Checks that headers and libraries are there and of the version that tch is pinned to.
pub(crate) fn check(include: &Path, lib: &Path) -> Done {
    let mend = format!("bring LibTorch {LIBTORCH_VERSION}, or unset LIBTORCH and LIBTORCH_USE_PYTORCH to have it fetched");
    let headers = ["torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h"].map(|file| include.join(file));
    let found = headers.iter().find_map(|file| version(&fs::read_to_string(file).ok()?));
    match found {
        Some(found) if found == LIBTORCH_VERSION => {}
        Some(found) => return Err(format!("its headers are of version {found}, but the project needs {LIBTORCH_VERSION}; {mend}")),
        None => return Err(format!("{} tells no TORCH_VERSION; {mend}", headers[1].display())),
    }
    for name in ["libtorch_cpu", "libc10"] {
        if !["so", "dylib"].iter().any(|ext| lib.join(format!("{name}.{ext}")).is_file()) {
            return Err(format!("there is no {name} in {}; {mend}", lib.display()));
        }
    }
    Ok(())
}

/// The version that a `version.h` defines by its three numbers.
fn version(header: &str) -> Option<String> {
    let number = |part: &str| {
        let name = format!("TORCH_VERSION_{part}");
        let line = header.lines().find(|line| line.split_whitespace().nth(1) == Some(name.as_str()))?;
        line.split_whitespace().nth(2)?.parse::<u32>().ok()
    };
    Some(format!("{}.{}.{}", number("MAJOR")?, number("MINOR")?, number("PATCH")?))
}

/// Asks the Python that torch-sys would ask.
fn python_torch() -> Done<PathBuf> {
    let python = if std::env::var_os("VIRTUAL_ENV").is_some() { "python" } else { "python3" };
    let output = Command::new(python)
        .args(["-c", "import torch; print(torch.__path__[0])"])
        .output()
        .map_err(|e| format!("LIBTORCH_USE_PYTORCH is set, but {python} cannot run: {e}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let reason = text.trim().lines().last().unwrap_or("no reason given");
        return Err(format!(
            "LIBTORCH_USE_PYTORCH is set, but {python} cannot import torch ({reason}); install torch {LIBTORCH_VERSION} for it, or unset \
             the variable to have LibTorch fetched"
        ));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

impl Own {
    /// A folder of the cache whose `torch/include` and `torch/lib` lead to this LibTorch, so that `.libtorch` is a
    /// plain link in every case and is replaced in one step.
    pub(crate) fn place(&self, cache: &Path) -> Done<PathBuf> {
        let include = absolute(&self.include)?;
        let lib = absolute(&self.lib)?;
        let mut hasher = DefaultHasher::new();
        (&include, &lib).hash(&mut hasher);
        let place = cache.join(format!("{PREFIX}{:016x}", hasher.finish()));
        let torch = place.join("torch");
        fs::create_dir_all(&torch).map_err(|e| format!("cannot make {}: {e}", torch.display()))?;
        for (name, target) in [("include", include), ("lib", lib)] {
            link::point(&torch.join(name), &target)?;
        }
        Ok(place)
    }
}

/// Whether `target` is a folder that [`Own::place`] made.
pub(crate) fn is_place(cache: &Path, target: &Path) -> bool {
    target.parent() == Some(cache) && target.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
}

fn absolute(path: &Path) -> Done<PathBuf> {
    path.canonicalize().map_err(|e| format!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn libtorch(test: &str, minor: u32) -> PathBuf {
        let root = std::env::temp_dir().join(format!("xtask-own-{}-{test}", std::process::id()));
        fs::create_dir_all(root.join("include/torch/headeronly")).unwrap();
        fs::create_dir_all(root.join("lib")).unwrap();
        let header = format!(
            "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR {minor}\n#define TORCH_VERSION_PATCH 0\n\
             #define TORCH_VERSION \\\n  \"2.{minor}.0\"\n"
        );
        fs::write(root.join("include/torch/headeronly/version.h"), header).unwrap();
        for name in ["libtorch_cpu.so", "libc10.so"] {
            fs::write(root.join("lib").join(name), "").unwrap();
        }
        root
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let root = libtorch("other", 13);
        let message = check(&root.join("include"), &root.join("lib")).unwrap_err();
        assert!(message.contains("2.13.0") && message.contains(LIBTORCH_VERSION), "{message}");
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_folder_without_headers_or_libraries_is_refused() {
        let root = libtorch("half", 11);
        fs::remove_file(root.join("lib/libc10.so")).unwrap();
        assert!(check(&root.join("include"), &root.join("lib")).unwrap_err().contains("libc10"));
        fs::remove_dir_all(root.join("include")).unwrap();
        assert!(check(&root.join("include"), &root.join("lib")).unwrap_err().contains("TORCH_VERSION"));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn its_place_in_the_cache_leads_to_headers_and_libraries() {
        let root = libtorch("place", 11);
        let cache = root.join("cache");
        let own = Own { include: root.join("include"), lib: root.join("lib") };
        let place = own.place(&cache).unwrap();
        assert!(is_place(&cache, &place) && !is_place(&cache, &cache.join("libtorch-2.11.0")));
        assert_eq!(check(&place.join("torch/include"), &place.join("torch/lib")), Ok(()));
        assert_eq!(own.place(&cache).unwrap(), place);
        fs::remove_dir_all(root).unwrap();
    }
}
