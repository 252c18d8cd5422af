//! The files of the checkout: those git knows or would add, so that build output and runs stay out.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Done;
use crate::checkout::Checkout;

/// All files, sorted; without git (an unpacked archive) a walk that passes over hidden folders and build output.
pub(crate) fn all(here: &Checkout) -> Done<Vec<PathBuf>> {
    let listed = here.command("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).output();
    let mut files: Vec<PathBuf> = match listed {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            text.split('\0').filter(|name| !name.is_empty()).map(|name| here.root.join(name)).filter(|path| path.is_file()).collect()
        }
        _ => {
            let mut files = Vec::new();
            walk(&here.root, &mut files).map_err(|e| format!("cannot read {}: {e}", here.root.display()))?;
            files
        }
    };
    files.sort();
    files.dedup();
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() {
            files.push(path);
        } else if path.is_dir() && !path.is_symlink() && (!name.starts_with('.') || name == ".ci") && name != "target" && name != "runs" {
            walk(&path, files)?;
        }
    }
    Ok(())
}

/// Text that people write: code, manifests, scripts, pages.
pub(crate) fn is_text(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".ci/run") || ["rs", "toml", "md", "sh", "py", "cpp", "h", "yml"].iter().any(|ext| name.ends_with(&format!(".{ext}")))
}
