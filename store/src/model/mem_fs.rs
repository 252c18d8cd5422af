//! A file system in memory that can lose the power and refuse calls.
//!
//! It keeps every change with a mark whether a sync has covered it. After a power loss what was covered is there, and of the rest
//! whatever the test picks: disks and kernels may write what nobody asked for, in part and out of order.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::fs::{Entry, SaveFile, SaveFs};

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// It changes a name or a content.
    Change,
    /// It makes changes durable.
    Sync,
    /// It looks.
    Read,
}

/// From which call on the disk refuses, and how.
#[derive(Debug, Clone, Copy)]
pub struct Trouble {
    /// The call that is refused, counted from 0 over all calls.
    pub at: usize,
    /// The system's number of the error: 5 = EIO, 28 = ENOSPC, 30 = EROFS, 122 = EDQUOT.
    pub errno: i32,
    /// Whether all later calls are refused too. With it a process seems to die there: nothing of what it tries afterwards happens.
    pub lasting: bool,
}

#[derive(Debug, Clone)]
enum Node {
    File(Vec<u8>),
    Dir(BTreeMap<String, usize>),
}

#[derive(Debug, Clone)]
enum Change {
    Link { dir: usize, name: String, node: usize },
    Unlink { dir: usize, name: String },
    Move { from: (usize, String), to: (usize, String) },
    Write { node: usize, at: usize, bytes: Vec<u8> },
    Cut { node: usize, len: usize },
}

#[derive(Debug, Default)]
struct Disk {
    nodes: Vec<Node>,
    /// Each with whether a sync has covered it.
    changes: Vec<(Change, bool)>,
    calls: Vec<Call>,
    trouble: Option<Trouble>,
}

/// A file system in memory. Clones share one disk.
#[derive(Debug, Clone)]
pub struct MemFs {
    disk: Arc<Mutex<Disk>>,
    /// What it says is free, in bytes.
    pub free: u64,
}

impl Default for MemFs {
    fn default() -> Self {
        Self::new()
    }
}

impl MemFs {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        let disk = Disk { nodes: vec![Node::Dir(BTreeMap::new())], ..Disk::default() };
        Self { disk: Arc::new(Mutex::new(disk)), free: u64::MAX }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls since the last call of this.
    #[expect(clippy::must_use_candidate, reason = "it is also called to forget them")]
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.disk().calls)
    }

    /// Lets calls fail from now on, or no more.
    pub fn set_trouble(&self, trouble: Option<Trouble>) {
        self.disk().trouble = trouble;
    }

    /// Adds to a file as another part of the program would: beside the save, never synced; the file is made if it is not there.
    ///
    /// # Errors
    /// If the directory is not there, or a directory has the name.
    pub fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk();
        let node = disk.find(path).or_else(|_| disk.link(path, Node::File(Vec::new())))?;
        let at = disk.content(node)?.len();
        disk.change(Change::Write { node, at, bytes: bytes.to_vec() });
        Ok(())
    }

    /// How many changes no sync has covered.
    #[must_use]
    pub fn uncovered(&self) -> usize {
        self.disk().changes.iter().filter(|(_, synced)| !synced).count()
    }

    /// What is there after a power loss: every covered change, and of the others those that `survives` picks by their number; of the last one
    /// that survives, if it is a write, only half if `torn`. The disk it came from stays as it is.
    #[must_use]
    pub fn after_power_loss(&self, survives: impl Fn(usize) -> bool, torn: bool) -> Self {
        let old = self.disk();
        let empty = |node: &Node| match node {
            Node::File(_) => Node::File(Vec::new()),
            Node::Dir(_) => Node::Dir(BTreeMap::new()),
        };
        let mut disk = Disk { nodes: old.nodes.iter().map(empty).collect(), ..Disk::default() };
        let open = old.changes.iter().filter(|(_, synced)| !synced).count();
        let last = (0..open).rev().find(|n| survives(*n));
        let mut number = 0;
        for (change, synced) in &old.changes {
            let mut change = change.clone();
            if !synced {
                number += 1;
                if !survives(number - 1) {
                    continue;
                }
                if let (Change::Write { bytes, .. }, true) = (&mut change, torn && last == Some(number - 1)) {
                    bytes.truncate(bytes.len() / 2);
                }
            }
            disk.change(change);
        }
        disk.changes.iter_mut().for_each(|(_, synced)| *synced = true);
        Self { disk: Arc::new(Mutex::new(disk)), free: self.free }
    }
}

impl Disk {
    fn call(&mut self, call: Call) -> io::Result<()> {
        self.calls.push(call);
        let number = self.calls.len() - 1;
        match self.trouble {
            Some(t) if number == t.at || (t.lasting && number > t.at) => Err(io::Error::from_raw_os_error(t.errno)),
            _ => Ok(()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let names = path.components().filter_map(|c| if let Component::Normal(name) = c { name.to_str() } else { None });
        names.into_iter().try_fold(0, |at, name| Ok(*self.dir(at)?.get(name).ok_or(io::ErrorKind::NotFound)?))
    }

    fn dir(&self, node: usize) -> io::Result<&BTreeMap<String, usize>> {
        match &self.nodes[node] {
            Node::Dir(entries) => Ok(entries),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn content(&self, node: usize) -> io::Result<&[u8]> {
        match &self.nodes[node] {
            Node::File(content) => Ok(content),
            Node::Dir(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// The directory that a path stands in, and its name there.
    fn place(&self, path: &Path) -> io::Result<(usize, String)> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str())) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        Ok((self.find(parent)?, name.to_owned()))
    }

    fn link(&mut self, path: &Path, new: Node) -> io::Result<usize> {
        let (dir, name) = self.place(path)?;
        if self.dir(dir)?.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.nodes.push(new);
        let node = self.nodes.len() - 1;
        self.change(Change::Link { dir, name, node });
        Ok(node)
    }

    fn unlink(&mut self, dir: usize, name: String) -> io::Result<()> {
        let node = *self.dir(dir)?.get(&name).ok_or(io::ErrorKind::NotFound)?;
        if let Node::Dir(entries) = self.nodes[node].clone() {
            entries.into_keys().try_for_each(|child| self.unlink(node, child))?;
        }
        self.change(Change::Unlink { dir, name });
        Ok(())
    }

    fn change(&mut self, change: Change) {
        self.apply(&change);
        self.changes.push((change, false));
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Link { dir, name, node } => self.enter(*dir, name, *node),
            Change::Unlink { dir, name } => drop(self.leave(*dir, name)),
            Change::Move { from, to } => {
                if let Some(node) = self.leave(from.0, &from.1) {
                    self.enter(to.0, &to.1, node);
                }
            }
            Change::Write { node, at, bytes } => {
                if let Node::File(content) = &mut self.nodes[*node] {
                    // A block before it that was lost reads as zeros.
                    let end = content.len().max(at + bytes.len());
                    content.resize(end, 0);
                    content[*at..at + bytes.len()].copy_from_slice(bytes);
                }
            }
            Change::Cut { node, len } => {
                if let Node::File(content) = &mut self.nodes[*node] {
                    content.resize(*len, 0);
                }
            }
        }
    }

    fn enter(&mut self, dir: usize, name: &str, node: usize) {
        if let Node::Dir(entries) = &mut self.nodes[dir] {
            entries.insert(name.to_owned(), node);
        }
    }

    fn leave(&mut self, dir: usize, name: &str) -> Option<usize> {
        match &mut self.nodes[dir] {
            Node::Dir(entries) => entries.remove(name),
            Node::File(_) => None,
        }
    }

    /// Covers the contents of a file, or the names in a directory.
    fn sync(&mut self, of: usize) {
        for (change, synced) in &mut self.changes {
            *synced |= match change {
                Change::Link { dir, .. } | Change::Unlink { dir, .. } => *dir == of,
                Change::Move { from, to } => from.0 == of || to.0 == of,
                Change::Write { node, .. } | Change::Cut { node, .. } => *node == of,
            };
        }
    }
}

#[derive(Debug)]
struct MemFile {
    disk: Arc<Mutex<Disk>>,
    node: usize,
}

impl Write for MemFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        // Short writes are legal: a writer that ignores them loses bytes here.
        let some = bytes.len().min(64);
        disk.call(Call::Change)?;
        let at = disk.content(self.node)?.len();
        disk.change(Change::Write { node: self.node, at, bytes: bytes[..some].to_vec() });
        Ok(some)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SaveFile for MemFile {
    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        disk.call(Call::Sync)?;
        disk.sync(self.node);
        Ok(())
    }
}

impl SaveFs for MemFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.call(Call::Change)?;
        disk.link(path, Node::Dir(BTreeMap::new())).map(drop)
    }

    fn create_file(&self, path: &Path) -> io::Result<Box<dyn SaveFile>> {
        let mut disk = self.disk();
        disk.call(Call::Change)?;
        let node = disk.link(path, Node::File(Vec::new()))?;
        Ok(Box::new(MemFile { disk: Arc::clone(&self.disk), node }))
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.call(Call::Sync)?;
        let node = disk.find(path)?;
        disk.sync(node);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.sync_file(path)
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut disk = self.disk();
        disk.call(Call::Change)?;
        let node = disk.find(path)?;
        disk.content(node)?;
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        disk.change(Change::Cut { node, len });
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.call(Call::Change)?;
        let (from, to) = (disk.place(from)?, disk.place(to)?);
        disk.dir(from.0)?.get(&from.1).ok_or(io::ErrorKind::NotFound)?;
        if disk.dir(to.0)?.contains_key(&to.1) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk.change(Change::Move { from, to });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let (dir, name) = disk.place(path)?;
        disk.dir(dir)?.get(&name).ok_or(io::ErrorKind::NotFound)?;
        disk.call(Call::Change)?;
        disk.unlink(dir, name)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut disk = self.disk();
        disk.call(Call::Read)?;
        let entry = |(name, node): (&String, &usize)| match &disk.nodes[*node] {
            Node::File(content) => Entry { name: name.clone(), is_dir: false, bytes: content.len() as u64 },
            Node::Dir(_) => Entry { name: name.clone(), is_dir: true, bytes: 0 },
        };
        Ok(disk.dir(disk.find(path)?)?.iter().map(entry).collect())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        let mut disk = self.disk();
        disk.call(Call::Read)?;
        Ok(Box::new(io::Cursor::new(disk.content(disk.find(path)?)?.to_vec())))
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        self.disk().call(Call::Read)?;
        Ok(self.free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fs: &MemFs, path: &str) -> Option<Vec<u8>> {
        crate::fs::read(fs, Path::new(path)).ok()
    }

    #[test]
    fn only_what_was_synced_is_sure_to_survive_content_and_name_apart() {
        let fs = MemFs::new();
        let mut file = fs.create_file(Path::new("/a")).unwrap();
        file.write_all(b"first").unwrap();
        file.sync().unwrap();
        file.write_all(b"second").unwrap();
        assert_eq!(read(&fs, "/a").unwrap(), b"firstsecond");
        assert_eq!(read(&fs.after_power_loss(|_| false, false), "/a"), None, "the name was never synced");
        fs.sync_dir(Path::new("/")).unwrap();
        assert_eq!(read(&fs.after_power_loss(|_| false, false), "/a").unwrap(), b"first");
        assert_eq!(read(&fs.after_power_loss(|_| true, true), "/a").unwrap(), b"firstsec");
    }

    #[test]
    fn a_lost_write_before_one_that_survives_reads_as_zeros() {
        let fs = MemFs::new();
        fs.append(Path::new("/a"), b"12").unwrap();
        fs.append(Path::new("/a"), b"34").unwrap();
        fs.sync_dir(Path::new("/")).unwrap();
        assert_eq!(read(&fs.after_power_loss(|n| n == 1, false), "/a").unwrap(), b"\0\x0034");
    }
}
