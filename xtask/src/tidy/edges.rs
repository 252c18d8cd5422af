//! Who may use whom: the map of the crates in docs/architecture.md, held from the manifests.

use super::{Finding, manifest};

/// A crate's folder and the crates of ours that it may use. `cli` and `tests` may use all.
const ALLOWED: [(&str, &[&str]); 18] = [
    ("types", &[]),
    ("algorithms", &[]),
    ("bridge", &[]),
    ("sys", &[]),
    ("controller", &["types"]),
    ("evals", &["types"]),
    ("weights", &["types"]),
    ("store", &["types", "sys"]),
    ("rewards", &["types", "sys", "reward-sdk"]),
    ("rewards/sdk", &["types"]),
    ("text", &["types", "weights"]),
    ("datasets", &["types", "text", "parquet"]),
    ("datasets/parquet", &[]),
    ("models", &["types", "weights", "algorithms", "bridge"]),
    ("transport", &["types", "sys"]),
    ("simulation", &["types", "controller", "store"]),
    ("actors", &["types", "text", "models", "algorithms", "transport", "bridge"]),
    ("learners", &["types", "models", "algorithms", "transport", "bridge"]),
];
const MAY_USE_ALL: [&str; 2] = ["cli", "tests"];
/// Builds before anything else is there, so it may use nothing at all, not even a crate of others.
const ALONE: &str = "xtask";
/// The crates that link LibTorch; whoever writes a reward, a format or an evaluation never compiles it.
const WITH_LIBTORCH: [&str; 7] = ["algorithms", "bridge", "models", "actors", "learners", "cli", "tests"];

/// Checks every member's manifest.
pub(crate) fn check(files: &[(String, String)]) -> Vec<Finding> {
    let text_of = |name: &str| files.iter().find(|(file, _)| file == name).map(|(_, text)| text.as_str());
    let members = manifest::members(text_of("Cargo.toml").unwrap_or_default());
    let mut findings = Vec::new();
    for member in &members {
        let file = format!("{member}/Cargo.toml");
        match text_of(&file) {
            Some(text) => findings.extend(check_one(member, &file, text)),
            None => findings.push(Finding { file: "Cargo.toml".to_owned(), line: 1, what: format!("member `{member}` has no manifest") }),
        }
    }
    findings
}

fn check_one(member: &str, file: &str, text: &str) -> Vec<Finding> {
    let finding = |line, what| Finding { file: file.to_owned(), line, what };
    let all = MAY_USE_ALL.contains(&member);
    let allowed = ALLOWED.iter().find(|(folder, _)| *folder == member).map(|(_, allowed)| *allowed);
    if allowed.is_none() && !all && member != ALONE {
        return vec![finding(1, format!("crate `{member}` is not on the map: add it to ALLOWED in xtask/src/tidy/edges.rs"))];
    }
    let mut findings = Vec::new();
    for dependency in manifest::dependencies(text) {
        let package = dependency.package.as_str();
        let kind = if dependency.dev { " in its tests" } else { "" };
        let ours = package.strip_prefix("collimate-");
        if member == ALONE {
            findings.push(finding(dependency.line, format!("xtask uses nothing but the standard library, not `{package}`{kind}")));
        } else if let Some(used) = ours.filter(|used| !all && !allowed.unwrap_or_default().contains(used)) {
            findings.push(finding(dependency.line, format!("`{member}` may not use `{used}`{kind}")));
        } else if matches!(package, "tch" | "torch-sys") && !WITH_LIBTORCH.contains(&member) {
            findings.push(finding(dependency.line, format!("`{member}` may not use LibTorch (`{package}`){kind}")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(member: &str, manifest: &str) -> Vec<String> {
        let root = format!("[workspace]\nmembers = [\"{member}\"]\n");
        let files = [("Cargo.toml".to_owned(), root), (format!("{member}/Cargo.toml"), manifest.to_owned())];
        check(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_edge_that_is_not_on_the_map_is_found() {
        let manifest = "[dependencies]\ncollimate-types.workspace = true\ncollimate-learners.workspace = true\n";
        assert_eq!(findings("actors", manifest), ["actors/Cargo.toml:3: `actors` may not use `learners`"]);
        assert_eq!(findings("cli", manifest), [""; 0]);
    }

    #[test]
    fn a_dev_edge_is_held_too_but_not_in_the_crate_of_whole_system_tests() {
        let manifest = "[dev-dependencies]\ncollimate-models = { path = \"../models\" }\n";
        assert_eq!(findings("algorithms", manifest), ["algorithms/Cargo.toml:2: `algorithms` may not use `models` in its tests"]);
        assert_eq!(findings("tests", manifest), [""; 0]);
    }

    #[test]
    fn libtorch_stays_out_of_the_light_crates_and_everything_out_of_xtask() {
        assert_eq!(findings("rewards", "[dependencies]\ntch = \"1\"\n"), ["rewards/Cargo.toml:2: `rewards` may not use LibTorch (`tch`)"]);
        assert_eq!(findings("models", "[dependencies]\ntch = \"1\"\n"), [""; 0]);
        assert_eq!(findings("xtask", "[dependencies]\nanyhow = \"1\"\n").len(), 1);
    }

    #[test]
    fn a_crate_that_is_not_on_the_map_is_found() {
        assert!(findings("attic", "[dependencies]\n")[0].contains("not on the map"));
    }
}
