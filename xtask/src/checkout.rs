//! The checkout and the per-user cache: where things lie, and how a child process sees the world as the user does.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Done;

/// The paths that every task needs.
#[derive(Debug)]
pub(crate) struct Checkout {
    /// The workspace root.
    pub(crate) root: PathBuf,
    /// The per-user cache of the project: `$XDG_CACHE_HOME/collimate`, else `~/.cache/collimate`.
    pub(crate) cache: PathBuf,
}

impl Checkout {
    /// Finds the workspace root (the folder above this crate) and the cache.
    pub(crate) fn find() -> Done<Self> {
        // cargo sets the variable at run time too; the compiled-in value serves a binary started by hand.
        let here = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
        let root = Path::new(&here).parent().map(Path::to_path_buf).unwrap_or_default();
        if !root.join("Cargo.lock").is_file() {
            return Err(format!("{} is not the checkout; start tasks as `cargo xtask TASK` inside it", root.display()));
        }
        let cache = cache_home(env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"))?.join("collimate");
        Ok(Self { root, cache })
    }

    /// The link that `.cargo/config.toml` points LIBTORCH into.
    pub(crate) fn link(&self) -> PathBuf {
        self.root.join(".libtorch")
    }

    /// The value of `name` as the user exported it: the LIBTORCH that this checkout's own `.cargo/config.toml` gives to
    /// whatever cargo runs does not count.
    pub(crate) fn users_own(&self, name: &str) -> Option<OsString> {
        let value = env::var_os(name)?;
        let from_config = name == "LIBTORCH" && Path::new(&value) == self.link().join("torch");
        (!from_config).then_some(value)
    }

    /// A command in the workspace root whose environment is the user's own.
    ///
    /// `cargo run` adds variables to what it starts. Were they passed on, build scripts that watch them would see
    /// another value than under plain cargo, and each switch between the two would compile LibTorch's shims anew.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO" {
                command.env_remove(&name);
            }
        }
        if self.users_own("LIBTORCH").is_none() {
            command.env_remove("LIBTORCH");
        }
        command
    }

    /// The cargo that runs this task.
    pub(crate) fn cargo(&self) -> Command {
        self.command(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
    }

    /// The target directory, asked from cargo, for the environment and any configuration file may move it.
    pub(crate) fn target_dir(&self) -> Done<PathBuf> {
        let output = self
            .cargo()
            .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
            .output()
            .map_err(|e| format!("cannot run cargo metadata: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        json_string(&text, "target_directory")
            .map(PathBuf::from)
            .ok_or_else(|| format!("cargo metadata did not tell the target directory: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// Shows a path the short way: relative to the checkout where it lies inside.
    pub(crate) fn show<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}

/// The XDG base directory rule: a relative XDG_CACHE_HOME is ignored.
fn cache_home(xdg: Option<OsString>, home: Option<OsString>) -> Done<PathBuf> {
    if let Some(xdg) = xdg.map(PathBuf::from).filter(|path| path.is_absolute()) {
        return Ok(xdg);
    }
    match home {
        Some(home) if !home.is_empty() => Ok(Path::new(&home).join(".cache")),
        _ => Err("neither XDG_CACHE_HOME nor HOME is set: export XDG_CACHE_HOME=/a/folder for the downloads".to_owned()),
    }
}

/// The string value of the first `"key":"value"` in `text`, with `\"` and `\\` undone.
fn json_string(text: &str, key: &str) -> Option<String> {
    let start = text.find(&format!("\"{key}\":\""))? + key.len() + 4;
    let mut value = String::new();
    let mut chars = text[start..].chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Some(value),
            '\\' => value.push(chars.next()?),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_follows_xdg_and_ignores_a_relative_value() {
        let home = Some(OsString::from("/h"));
        assert_eq!(cache_home(Some("/x".into()), home.clone()), Ok(PathBuf::from("/x")));
        assert_eq!(cache_home(Some("x".into()), home.clone()), Ok(PathBuf::from("/h/.cache")));
        assert_eq!(cache_home(None, home), Ok(PathBuf::from("/h/.cache")));
        assert!(cache_home(None, None).is_err_and(|e| e.contains("XDG_CACHE_HOME")));
    }

    #[test]
    fn a_json_string_is_read_with_its_escapes() {
        let text = r#"{"a":1,"target_directory":"/x \"y\" \\ z","b":"no"}"#;
        assert_eq!(json_string(text, "target_directory").as_deref(), Some(r#"/x "y" \ z"#));
        assert_eq!(json_string(text, "missing"), None);
    }
}
