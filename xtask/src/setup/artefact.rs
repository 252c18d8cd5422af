//! The state of one artefact on disk: a stamp, written last, that names the wheels it came from.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::Done;
use crate::setup::pins::Artefact;

const STAMP: &str = ".set-up";

/// What lies in the artefact's folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The stamp fits the pins and the key files have their sizes.
    Ready,
    /// No stamp, but every key file is there in its size: laid by hand, perhaps good; the hashes decide.
    Unstamped,
    /// Nothing there.
    Absent,
    /// Something there that is not the artefact, and why.
    Damaged(String),
}

/// Looks at sizes and the stamp only: a handful of system calls.
pub(crate) fn state(artefact: &Artefact, folder: &Path) -> State {
    if !folder.exists() {
        return State::Absent;
    }
    for key in artefact.keys {
        match fs::metadata(folder.join(key.path)) {
            Ok(meta) if meta.len() == key.bytes => {}
            Ok(meta) => return State::Damaged(format!("{} has {} bytes instead of {}", key.path, meta.len(), key.bytes)),
            Err(error) => return State::Damaged(format!("{}: {error}", key.path)),
        }
    }
    match fs::read_to_string(folder.join(STAMP)) {
        Ok(stamp) if stamp == stamp_text(artefact) => State::Ready,
        Ok(_) => State::Damaged("its stamp names other wheels".to_owned()),
        Err(_) => State::Unstamped,
    }
}

/// Writes the stamp, atomically, so that it can also be laid into a folder that others are reading.
pub(crate) fn stamp(artefact: &Artefact, folder: &Path) -> Done {
    let new = folder.join(format!("{STAMP}.new"));
    let write = || {
        let mut file = fs::File::create(&new)?;
        file.write_all(stamp_text(artefact).as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, folder.join(STAMP))
    };
    write().map_err(|e| format!("cannot write the stamp in {}: {e}", folder.display()))
}

fn stamp_text(artefact: &Artefact) -> String {
    let mut text = format!("{}, laid by cargo xtask setup\n", artefact.name);
    for wheel in artefact.wheels {
        text.push_str(&format!("{} {} sha256:{}\n", wheel.package, wheel.version, wheel.sha256));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::pins::{KeyFile, Wheel};

    const SMALL: Artefact = Artefact {
        name: "small",
        folder: "small",
        wheels: &[Wheel { package: "p", version: "1", file: "p-1.whl", bytes: 1, sha256: "00" }],
        keep: &["*"],
        drop: &[],
        strip: "",
        keys: &[KeyFile { path: "key", bytes: 3, sha256: "" }],
        unpacked: 3,
    };
    const MOVED: Artefact = Artefact { wheels: &[Wheel { package: "p", version: "2", file: "p-2.whl", bytes: 1, sha256: "01" }], ..SMALL };

    #[test]
    fn only_a_stamp_written_for_these_wheels_over_whole_key_files_is_ready() {
        let folder = std::env::temp_dir().join(format!("xtask-artefact-{}", std::process::id()));
        assert_eq!(state(&SMALL, &folder), State::Absent);
        fs::create_dir_all(&folder).unwrap();
        assert!(matches!(state(&SMALL, &folder), State::Damaged(why) if why.contains("key")));
        fs::write(folder.join("key"), "abc").unwrap();
        assert_eq!(state(&SMALL, &folder), State::Unstamped);
        stamp(&SMALL, &folder).unwrap();
        assert_eq!(state(&SMALL, &folder), State::Ready);
        assert!(matches!(state(&MOVED, &folder), State::Damaged(why) if why.contains("other wheels")));
        fs::write(folder.join("key"), "ab").unwrap();
        assert!(matches!(state(&SMALL, &folder), State::Damaged(why) if why.contains("2 bytes instead of 3")));
        fs::remove_dir_all(folder).unwrap();
    }
}
