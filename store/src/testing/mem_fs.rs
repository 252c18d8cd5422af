//! A file system in memory that can lose the power and refuse operations.
//!
//! It keeps every change with a mark whether a sync has covered it. After a power loss what was covered is there, and of the rest
//! whatever the test picks: disks and kernels may write what nobody asked for, in part and out of order.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::fs::{Entry, SaveFile, SaveFs};

/// From which operation on the disk refuses, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trouble {
    /// The operation that is refused, counted from 0 over everything that changes or syncs something.
    pub(crate) at: usize,
    /// The system's number of the error: 5 = EIO, 28 = ENOSPC.
    pub(crate) errno: i32,
    /// Whether all later operations are refused too.
    pub(crate) lasting: bool,
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
    Write { node: usize, bytes: Vec<u8> },
}

#[derive(Debug, Default)]
struct Disk {
    nodes: Vec<Node>,
    changes: Vec<(Change, bool)>,
    calls: usize,
    trouble: Option<Trouble>,
}

/// Clones share one disk.
#[derive(Debug, Clone)]
pub(crate) struct MemFs {
    disk: Arc<Mutex<Disk>>,
    pub(crate) free: u64,
}

impl MemFs {
    pub(crate) fn new() -> Self {
        let disk = Disk { nodes: vec![Node::Dir(BTreeMap::new())], ..Disk::default() };
        Self { disk: Arc::new(Mutex::new(disk)), free: u64::MAX }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }

    /// How many operations there were since the last call of this.
    pub(crate) fn take_calls(&self) -> usize {
        std::mem::take(&mut self.disk().calls)
    }

    pub(crate) fn set_trouble(&self, trouble: Option<Trouble>) {
        self.disk().trouble = trouble;
    }

    /// Adds to a file as another part of the program would: not through the save, never synced.
    pub(crate) fn append(&self, path: &str, bytes: &[u8]) {
        let mut disk = self.disk();
        let path = Path::new(path);
        let node = disk.find(path).or_else(|_| disk.link(path, Node::File(Vec::new()))).unwrap();
        disk.change(Change::Write { node, bytes: bytes.to_vec() });
    }

    /// How many changes no sync has covered.
    pub(crate) fn uncovered(&self) -> usize {
        self.disk().changes.iter().filter(|(_, synced)| !synced).count()
    }

    /// What is there after a power loss: every covered change, and of the others those that `survives` picks by their number; of the last one
    /// that survives, if it is a write, only half if `torn`.
    pub(crate) fn after_power_loss(&self, survives: impl Fn(usize) -> bool, torn: bool) -> Self {
        let old = self.disk();
        let empty = |node: &Node| match node {
            Node::File(_) => Node::File(Vec::new()),
            Node::Dir(_) => Node::Dir(BTreeMap::new()),
        };
        let mut disk = Disk { nodes: old.nodes.iter().map(empty).collect(), ..Disk::default() };
        let mut number = 0;
        let last = (0..self.count_uncovered(&old)).rev().find(|n| survives(*n));
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

    fn count_uncovered(&self, disk: &Disk) -> usize {
        disk.changes.iter().filter(|(_, synced)| !synced).count()
    }
}

impl Disk {
    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        match self.trouble {
            Some(t) if self.calls - 1 == t.at || (t.lasting && self.calls > t.at) => Err(io::Error::from_raw_os_error(t.errno)),
            _ => Ok(()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let mut at = 0;
        for part in path.components().filter(|c| matches!(c, Component::Normal(_))) {
            let name = part.as_os_str().to_str().unwrap();
            at = *self.dir(at)?.get(name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    fn dir(&self, node: usize) -> io::Result<&BTreeMap<String, usize>> {
        match &self.nodes[node] {
            Node::Dir(entries) => Ok(entries),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// The directory that a path stands in, and its name there.
    fn place(&self, path: &Path) -> io::Result<(usize, String)> {
        Ok((self.find(path.parent().unwrap())?, path.file_name().unwrap().to_str().unwrap().to_owned()))
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
            Change::Write { node, bytes } => match &mut self.nodes[*node] {
                Node::File(content) => content.extend_from_slice(bytes),
                Node::Dir(_) => panic!("a directory was written to"),
            },
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
                Change::Write { node, .. } => *node == of,
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
        let mut disk = self.disk.lock().unwrap();
        // Short writes are legal: a writer that ignores them loses bytes here.
        let some = bytes.len().min(64);
        disk.call()?;
        disk.change(Change::Write { node: self.node, bytes: bytes[..some].to_vec() });
        Ok(some)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SaveFile for MemFile {
    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.disk.lock().unwrap();
        disk.call()?;
        disk.sync(self.node);
        Ok(())
    }
}

impl SaveFs for MemFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk().call()?;
        self.disk().link(path, Node::Dir(BTreeMap::new())).map(drop)
    }

    fn create_file(&self, path: &Path) -> io::Result<Box<dyn SaveFile>> {
        self.disk().call()?;
        let node = self.disk().link(path, Node::File(Vec::new()))?;
        Ok(Box::new(MemFile { disk: Arc::clone(&self.disk), node }))
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.call()?;
        let node = disk.find(path)?;
        disk.sync(node);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.sync_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.call()?;
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
        disk.call()?;
        disk.unlink(dir, name)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let disk = self.disk();
        let entry = |(name, node): (&String, &usize)| match &disk.nodes[*node] {
            Node::File(content) => Entry { name: name.clone(), is_dir: false, bytes: content.len() as u64 },
            Node::Dir(_) => Entry { name: name.clone(), is_dir: true, bytes: 0 },
        };
        Ok(disk.dir(disk.find(path)?)?.iter().map(entry).collect())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        let disk = self.disk();
        match &disk.nodes[disk.find(path)?] {
            Node::File(content) => Ok(Box::new(io::Cursor::new(content.clone()))),
            Node::Dir(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(self.free)
    }
}
