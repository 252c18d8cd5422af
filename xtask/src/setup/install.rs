//! Brings an artefact into the cache: everything happens in a temporary folder beside the final one, under a lock, and
//! one rename publishes it. A process killed at any moment leaves either nothing or a whole artefact.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::checkout::Checkout;
use crate::setup::artefact::{self, State};
use crate::setup::pins::Artefact;
use crate::setup::wheel::{self, Python};
use crate::{Done, say, tools};

/// The artefact's folder, filled if it was not.
pub(crate) fn ready(here: &Checkout, what: &Artefact) -> Done<PathBuf> {
    let folder = here.cache.join(what.folder);
    if artefact::state(what, &folder) == State::Ready {
        return Ok(folder);
    }
    let mut python = Python::new(tools::need_python()?);
    fs::create_dir_all(&here.cache).map_err(|e| format!("cannot make {}: {e}", here.cache.display()))?;
    python.hold(lock(&here.cache)?);
    // Another set-up may have done the work while this one waited.
    match artefact::state(what, &folder) {
        State::Ready => return Ok(folder),
        State::Unstamped if adopt(&python, what, &folder)? => return Ok(folder),
        State::Unstamped => say::line(&format!("set-up: {} is not {} byte for byte; fetching it anew", folder.display(), what.name)),
        State::Damaged(why) => say::line(&format!("set-up: {} is damaged ({why}); fetching it anew", folder.display())),
        State::Absent => {}
    }
    fetch(&python, here, what, &folder)?;
    Ok(folder)
}

/// Takes a folder laid by hand as ours if its key files are the pinned ones.
fn adopt(python: &Python, what: &Artefact, folder: &Path) -> Done<bool> {
    say::line(&format!("set-up: checking {}, which has no stamp", folder.display()));
    if foreign_key(python, what, folder)?.is_some() {
        return Ok(false);
    }
    artefact::stamp(what, folder)?;
    Ok(true)
}

/// The first key file whose content is not the pinned one.
fn foreign_key(python: &Python, what: &Artefact, folder: &Path) -> Done<Option<&'static str>> {
    for key in what.keys {
        if python.sha256(&folder.join(key.path))? != key.sha256 {
            return Ok(Some(key.path));
        }
    }
    Ok(None)
}

fn fetch(python: &Python, here: &Checkout, what: &Artefact, folder: &Path) -> Done {
    tools::need_pip(python.program())?;
    let temporary = here.cache.join(format!("tmp-{}", what.folder));
    let scratch = here.cache.join("tmp-pip");
    // Left by a set-up that was killed; the lock says that nobody is using them.
    remove(&temporary)?;
    remove(&scratch)?;
    let downloads = here.cache.join("downloads");
    for folder in [&temporary, &scratch, &downloads] {
        fs::create_dir_all(folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    }
    let wheels: u64 = what.wheels.iter().filter(|wheel| !downloads.join(wheel.file).is_file()).map(|wheel| wheel.bytes).sum();
    // pip holds a wheel twice for a moment, before anything is unpacked.
    need_space(python.free_space(&here.cache)?, wheels + what.unpacked.max(wheels), what.name, &here.cache)?;
    say::line(&format!("set-up: {}, {} to download, {} on disk", what.name, say::megabytes(wheels), say::megabytes(what.unpacked)));

    for one in what.wheels {
        let file = wheel::obtain(python, one, &downloads, &scratch)?;
        say::line(&format!("set-up: unpacking {}", one.file));
        python.unpack(&file, &temporary, what)?;
    }
    // What reached the disk is the pinned content, not only what left the index.
    if let Some(path) = foreign_key(python, what, &temporary)? {
        return Err(format!(
            "{path} of {} does not have the pinned hash, though its wheel has; correct xtask/src/setup/pins.rs",
            what.name
        ));
    }
    artefact::stamp(what, &temporary)?;
    publish(&temporary, folder)?;
    for one in what.wheels {
        remove(&downloads.join(one.file))?;
    }
    remove(&scratch)?;
    // Empty unless another artefact's download was interrupted.
    let _ = fs::remove_dir(&downloads);
    Ok(())
}

/// Puts `temporary` in the place of `folder`.
fn publish(temporary: &Path, folder: &Path) -> Done {
    let old = temporary.with_extension("old");
    remove(&old)?;
    match fs::rename(folder, &old) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(format!("cannot move {} aside: {error}", folder.display())),
    }
    fs::rename(temporary, folder).map_err(|e| format!("cannot move {} into place: {e}", temporary.display()))?;
    remove(&old)
}

/// Two set-ups at once would write into each other's files. The system frees the lock of a process that died.
fn lock(cache: &Path) -> Done<fs::File> {
    let path = cache.join("set-up.lock");
    let file = fs::File::create(&path).map_err(|e| format!("cannot make {}: {e}", path.display()))?;
    if file.try_lock().is_err() {
        say::line(&format!("set-up: waiting for another set-up, which holds {}", path.display()));
        file.lock().map_err(|e| format!("cannot lock {}: {e}", path.display()))?;
    }
    Ok(file)
}

/// Refuses before the first byte is fetched rather than with a full disk.
fn need_space(free: u64, need: u64, name: &str, cache: &Path) -> Done {
    if free >= need {
        return Ok(());
    }
    Err(format!(
        "{name} needs {} of free space in {}, and there are {}; make room, or export XDG_CACHE_HOME=/a/roomier/folder",
        say::megabytes(need),
        cache.display(),
        say::megabytes(free)
    ))
}

/// Removes a file or a folder with all that is in it; one that is not there is removed already.
fn remove(path: &Path) -> Done {
    let done = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    done.map_err(|e| format!("cannot remove {}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_space_is_refused_with_both_figures_and_the_mend() {
        assert_eq!(need_space(10, 10, "x", Path::new("/c")), Ok(()));
        let message = need_space(700_000_000, 1_100_000_000, "LibTorch", Path::new("/c")).unwrap_err();
        for part in ["1100 MB", "700 MB", "/c", "XDG_CACHE_HOME"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn publishing_replaces_what_was_there_and_leaves_nothing_beside_it() {
        let base = std::env::temp_dir().join(format!("xtask-publish-{}", std::process::id()));
        let (new, folder) = (base.join("tmp-a-1.0"), base.join("a-1.0"));
        for (path, text) in [(&new, "new"), (&folder, "old")] {
            fs::create_dir_all(path).unwrap();
            fs::write(path.join("file"), text).unwrap();
        }
        publish(&new, &folder).unwrap();
        assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), "new");
        assert_eq!(fs::read_dir(&base).unwrap().count(), 1);
        fs::remove_dir_all(base).unwrap();
    }
}
