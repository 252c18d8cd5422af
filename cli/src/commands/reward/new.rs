//! `collimate reward new`: a crate with a reward that builds and passes its own tests, wherever it lies.

use std::path::{Path, PathBuf};

use collimate_reward_sdk::wire::PROTOCOL;

use crate::exit::{Code, Exit, OrExit, refused};
use crate::session::{print, say};

const MANIFEST: &str = include_str!("template/manifest.toml");
const CODE: &str = include_str!("template/code.rs");
const CASES: &str = include_str!("template/cases.jsonl");
/// The SDK of the checkout that this program was built from.
const OWN_SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../rewards/sdk");

/// Writes the crate into a new folder.
pub(super) fn new(name: &str, sdk: Option<&Path>, version: Option<&str>) -> Result<Code, Exit> {
    check_name(name)?;
    let dependency = match (version, sdk) {
        (Some(version), _) => format!("{version:?}"),
        (None, sdk) => format!("{{ path = {:?} }}", sdk_folder(sdk)?.to_string_lossy()),
    };
    let folder = Path::new(name);
    if folder.exists() {
        return Err(refused(format!("`{name}` exists already; choose another name, or remove it")));
    }
    let files = [
        ("Cargo.toml", MANIFEST.replace("NAME", name).replace("SDK", &dependency)),
        ("src/main.rs", CODE.to_owned()),
        ("cases.jsonl", CASES.to_owned()),
        (".gitignore", "/target\n".to_owned()),
    ];
    std::fs::create_dir_all(folder.join("src")).or_failed()?;
    for (file, text) in &files {
        std::fs::write(folder.join(file), text).map_err(|e| format!("`{name}/{file}`: {e}")).or_failed()?;
    }
    print(&folder.display().to_string())?;
    say(&format!(
        "a reward (protocol {PROTOCOL}); the SDK is {dependency}\n\n\
         cd {name}\n\
         cargo test                                                         # its own tests\n\
         cargo build --release\n\
         collimate reward test ./target/release/{name} cases.jsonl          # golden cases, each twice\n\
         collimate reward bench ./target/release/{name}                     # calls a second\n\
         collimate train RECIPE.toml reward=./target/release/{name}"
    ));
    Ok(Code::Done)
}

fn check_name(name: &str) -> Result<(), Exit> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(good) {
        return Ok(());
    }
    Err(refused(format!("`{name}` is no name for a crate: letters, digits, `-` and `_`, and a letter first")))
}

fn sdk_folder(given: Option<&Path>) -> Result<PathBuf, Exit> {
    let folder = given.unwrap_or(Path::new(OWN_SDK));
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    if !manifest.contains("name = \"collimate-reward-sdk\"") {
        let whose = if given.is_some() { "`--sdk`" } else { "the checkout that this program was built from" };
        return Err(refused(format!(
            "the SDK is not at `{}` ({whose}); give `--sdk PATH` with the folder rewards/sdk of a checkout, or `--sdk-version VERSION` for a published one",
            folder.display()
        )));
    }
    folder.canonicalize().or_refused()
}
