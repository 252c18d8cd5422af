//! System calls as strace writes them, and how one of them is named so that another run can be hit there.

use std::path::Path;

/// The calls that change or sync files.
pub(crate) const CALLS: &str = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,ftruncate,\
                                symlink,symlinkat";

/// What stands for the process's number in a path.
pub(crate) const PID: &str = "<PID>";

/// A call of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// Absolute paths of its arguments: those of its handles first.
    pub(crate) paths: Vec<String>,
    /// The whole line, for messages.
    pub(crate) line: String,
}

/// One call of one run: the `k`-th (from 1) of this name that concerns this path. Another run of the same recipe makes the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) call: String,
    pub(crate) path: String,
    pub(crate) k: usize,
    pub(crate) line: String,
}

/// Reads a line of `strace -f -y`; none for what is no call.
pub(crate) fn parse(line: &str, pid: u32) -> Option<Call> {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
    let (name, arguments) = rest.split_once('(')?;
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
        return None;
    }
    let arguments = arguments.rsplit_once(") = ").map_or(arguments, |(arguments, _)| arguments);
    let (mut handles, mut texts) = (Vec::new(), Vec::new());
    let mut rest = arguments;
    while let Some(at) = rest.find(['<', '"']) {
        let (open, close) = if rest.as_bytes()[at] == b'<' { ('<', '>') } else { ('"', '"') };
        let inside = &rest[at + 1..];
        let Some(end) = inside.find(close) else { break };
        let here = rest[..at].ends_with("AT_FDCWD");
        if open == '<' && !here {
            handles.push(inside[..end].to_owned());
        } else if open == '"' {
            texts.push(inside[..end].to_owned());
        }
        rest = &inside[end + 1..];
        // A handle's content is not a path.
        if open == '"' && name.contains("write") {
            break;
        }
    }
    let mut paths = handles;
    if !name.contains("write") {
        paths.extend(texts);
    }
    let paths = paths.into_iter().filter(|p| p.starts_with('/')).map(|p| nameless(&p, pid)).collect();
    Some(Call { name: name.to_owned(), paths, line: nameless(rest_of(line), pid) })
}

fn rest_of(line: &str) -> &str {
    line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start()
}

/// A path with the process's number taken out where the run put it in.
fn nameless(text: &str, pid: u32) -> String {
    text.replace(&format!(".tmp-{pid}"), &format!(".tmp-{PID}")).replace(&format!(".gone-{pid}"), &format!(".gone-{PID}"))
}

/// The calls of the save of a step: from where it looks at the checkpoints to the last it does to them, or to what it replaces.
pub(crate) fn of_save(calls: &[Call], run: &Path, step: u64) -> Vec<Point> {
    let checkpoints = run.join("checkpoints").display().to_string();
    let concerns = |call: &Call| call.paths.iter().any(|p| p.starts_with(&checkpoints));
    let begins = format!("{checkpoints}/step-{step}.tmp-{PID}");
    let Some(made) = calls.iter().position(|c| c.name.starts_with("mkdir") && c.paths.contains(&begins)) else { return Vec::new() };
    let first = calls[..made].iter().rposition(|c| !concerns(c)).map_or(0, |at| at + 1);
    let log = |call: &Call| call.name == "write" && !concerns(call) && call.paths.iter().any(|p| p.starts_with(&run.display().to_string()));
    let end = calls[made..].iter().position(log).map_or(calls.len(), |at| made + at);
    let last = calls[..end].iter().rposition(concerns).map_or(end, |at| at + 1);
    let inside = |call: &Call| call.paths.iter().any(|p| p.starts_with(&run.display().to_string()));
    let mut points = Vec::new();
    for (at, call) in calls.iter().enumerate().take(last).skip(first).filter(|(_, c)| inside(c)) {
        let Some(path) = call.paths.first() else { continue };
        let k = calls[..=at].iter().filter(|c| c.name == call.name && c.paths.contains(path)).count();
        points.push(Point { call: call.name.clone(), path: path.clone(), k, line: call.line.clone() });
    }
    points
}
