//! The few facts of a Cargo.toml that the rules need, read line by line.

/// One dependency as a manifest names it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// The package, also where it is renamed.
    pub(crate) package: String,
    /// Under `dev-dependencies`.
    pub(crate) dev: bool,
    /// From 1.
    pub(crate) line: usize,
}

/// All dependencies of a manifest, whatever the table's form.
pub(crate) fn dependencies(text: &str) -> Vec<Dependency> {
    let mut found: Vec<Dependency> = Vec::new();
    let mut table: Option<(bool, bool)> = None; // (dev, the header itself names the package)
    for (index, raw) in text.lines().enumerate() {
        let line = raw.split('#').next().unwrap_or_default().trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            let tail = header.rsplit_once("dependencies").map(|(head, tail)| (head.ends_with("dev-"), tail));
            table = match tail {
                _ if header.starts_with("workspace") => None,
                Some((dev, "")) => Some((dev, false)),
                Some((dev, tail)) if tail.starts_with('.') => {
                    let package = tail[1..].trim_matches(['"', '\'']).to_owned();
                    found.push(Dependency { package, dev, line: index + 1 });
                    Some((dev, true))
                }
                _ => None,
            };
            continue;
        }
        let Some((dev, named)) = table else { continue };
        let Some((key, value)) = line.split_once('=') else { continue };
        let renamed = quoted_after(line, "package");
        if named {
            if let (Some(package), Some(last)) = (renamed, found.last_mut()) {
                last.package = package;
            }
        } else {
            let name = key.split('.').next().unwrap_or(key).trim().trim_matches('"').to_owned();
            let package = if value.contains("package") { renamed.unwrap_or(name) } else { name };
            found.push(Dependency { package, dev, line: index + 1 });
        }
    }
    found
}

/// The value of `key = "value"` inside one line.
fn quoted_after(line: &str, key: &str) -> Option<String> {
    let rest = &line[line.find(key)? + key.len()..];
    let rest = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
    rest.split('"').next().map(str::to_owned)
}

/// The folders of the workspace's members.
pub(crate) fn members(root_manifest: &str) -> Vec<String> {
    let Some(start) = root_manifest.find("members = [") else { return Vec::new() };
    let list = root_manifest[start..].split(']').next().unwrap_or_default();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_dependency_is_read() {
        let text = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb = { path = \"../b\", package = \"real-b\" } # note\n\
                    [dev-dependencies.c]\npackage = \"real-c\"\n[target.'cfg(unix)'.build-dependencies]\n\"d\" = \"1\"\n[features]\ne = []\n";
        let found: Vec<_> = dependencies(text).into_iter().map(|d| (d.package, d.dev, d.line)).collect();
        let want = [("a", false, 4), ("real-b", false, 5), ("real-c", true, 6), ("d", false, 9)];
        assert_eq!(found, want.map(|(name, dev, line)| (name.to_owned(), dev, line)));
    }

    #[test]
    fn members_are_read_over_several_lines() {
        assert_eq!(members("[workspace]\nmembers = [\n  \"a\", \"b/c\",\n]\ndefault-members = [\"a\"]"), ["a", "b/c"]);
    }
}
