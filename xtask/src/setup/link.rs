//! The link `.libtorch` in the checkout, replaced in one step so that a build running meanwhile never misses it.

use std::path::Path;

use crate::Done;

/// Points `link` to `target`; does nothing when it does so already.
pub(crate) fn point(link: &Path, target: &Path) -> Done {
    if link.read_link().is_ok_and(|present| present == target) {
        return Ok(());
    }
    if link.is_dir() && !link.is_symlink() {
        return Err(format!("{} is a folder, not a link; move it away and run set-up again", link.display()));
    }
    let new = link.with_file_name(format!(".libtorch-{}", std::process::id()));
    let done = symlink(target, &new).and_then(|()| std::fs::rename(&new, link));
    done.map_err(|e| format!("cannot point {} to {}: {e}", link.display(), target.display()))
}

#[cfg(unix)]
pub(crate) fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
pub(crate) fn symlink(_target: &Path, _link: &Path) -> std::io::Result<()> {
    Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "set LIBTORCH by hand on this system"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_made_replaced_and_left_alone_but_a_folder_is_never_touched() {
        let base = std::env::temp_dir().join(format!("xtask-link-{}", std::process::id()));
        std::fs::create_dir_all(base.join("folder")).unwrap();
        let link = base.join(".libtorch");
        for target in ["/a", "/b", "/b"] {
            point(&link, Path::new(target)).unwrap();
            assert_eq!(link.read_link().unwrap(), Path::new(target));
        }
        assert!(point(&base.join("folder"), Path::new("/a")).unwrap_err().contains("move it away"));
        assert_eq!(std::fs::read_dir(&base).unwrap().count(), 2);
        std::fs::remove_dir_all(base).unwrap();
    }
}
