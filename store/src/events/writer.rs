//! An event file that is being written.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use collimate_types::Metrics;
use prost::Message;

use super::message::{Event, START, SessionLog, What};
use super::record::framed;
use crate::error::{StoreError, failed};
use crate::logs::EVENTS;

/// A TensorBoard event file. Each event is in the file when the method returns; a save makes it durable.
#[derive(Debug)]
pub struct EventFile {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl EventFile {
    /// Starts a new event file in a run directory. `wall_time` is in seconds since 1970.
    ///
    /// After a resume from step N pass `Some(N + 1)` as the first step that will be written anew: a TensorBoard that is looking on then drops
    /// what it has from that step on.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn create(run: &Path, wall_time: f64, purge_step: Option<u64>) -> Result<Self, StoreError> {
        let path = run.join(next_name(run, wall_time)?);
        let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(failed("create", &path))?;
        let mut new = Self { file, path, bytes: 0 };
        let step = purge_step.map_or(0, clamp);
        new.write(&Event { wall_time, step, what: Some(What::FileVersion("brain.Event:2".to_owned())) })?;
        if purge_step.is_some() {
            new.write(&Event { wall_time, step, what: Some(What::SessionLog(SessionLog { status: START })) })?;
        }
        Ok(new)
    }

    /// Adds the numbers of a step, as 32-bit floats: that is all the format has. `metrics.jsonl` keeps them whole.
    ///
    /// # Errors
    /// [`StoreError::Io`]; then the file is as before.
    pub fn scalars(&mut self, step: u64, wall_time: f64, metrics: &Metrics) -> Result<(), StoreError> {
        self.write(&Event::scalars(wall_time, clamp(step), metrics.0.iter().map(|(tag, value)| (tag.as_str(), *value))))
    }

    /// Adds a text, which TensorBoard shows as Markdown.
    ///
    /// # Errors
    /// [`StoreError::Io`]; then the file is as before.
    pub fn text(&mut self, step: u64, wall_time: f64, tag: &str, text: &str) -> Result<(), StoreError> {
        self.write(&Event::text(wall_time, clamp(step), tag, text))
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The length of the file in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it starts with its version and is never empty")]
    pub fn len(&self) -> u64 {
        self.bytes
    }

    fn write(&mut self, event: &Event) -> Result<(), StoreError> {
        let record = framed(&event.encode_to_vec());
        if let Err(error) = self.file.write_all(&record) {
            let _ = self.file.set_len(self.bytes); // The first error is the one to report.
            return Err(failed("write", &self.path)(error));
        }
        self.bytes += record.len() as u64;
        Ok(())
    }
}

fn clamp(step: u64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX)
}

/// TensorBoard reads the files of a run in the order of their names and never goes back. So a new name sorts after all others, even if the
/// wall clock was set back meanwhile.
fn next_name(run: &Path, wall_time: f64) -> Result<String, StoreError> {
    let mut second = wall_time.max(0.0) as u64;
    for entry in fs::read_dir(run).map_err(failed("list", run))? {
        let name = entry.map_err(failed("list", run))?.file_name();
        let taken = name.to_str().and_then(|n| n.strip_prefix(EVENTS)).and_then(|n| n.split('.').next()?.parse::<u64>().ok());
        second = second.max(taken.map_or(0, |t| t.saturating_add(1)));
    }
    Ok(format!("{EVENTS}{second:010}.collimate"))
}

#[cfg(test)]
mod tests {
    use super::super::message::{Content, Value};
    use super::super::record::unframed;
    use super::*;

    fn events(path: &Path) -> Vec<Event> {
        unframed(&fs::read(path).unwrap()).unwrap().iter().map(|r| Event::decode(r.as_slice()).unwrap()).collect()
    }

    fn values(event: &Event) -> &[Value] {
        match &event.what {
            Some(What::Summary(summary)) => &summary.value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_starts_with_its_version_and_holds_numbers_and_texts() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = EventFile::create(dir.path(), 1_700_000_000.5, None).unwrap();
        let mut metrics = Metrics::default();
        metrics.set("reward", 0.0);
        metrics.set("kl", 0.25);
        file.scalars(7, 1_700_000_001.0, &metrics).unwrap();
        file.text(7, 1_700_000_001.0, "answers", "**4**").unwrap();
        let found = events(file.path());
        assert_eq!(file.len(), fs::metadata(file.path()).unwrap().len());
        assert_eq!(found[0].what, Some(What::FileVersion("brain.Event:2".to_owned())));
        assert_eq!((found[1].step, found[1].wall_time, found.len()), (7, 1_700_000_001.0, 3));
        let scalars: Vec<_> = values(&found[1]).iter().map(|v| (v.tag.as_str(), v.content.clone())).collect();
        assert_eq!(scalars, [("kl", Some(Content::SimpleValue(0.25))), ("reward", Some(Content::SimpleValue(0.0)))]);
        let text = &values(&found[2])[0];
        assert_eq!(text.metadata.as_ref().unwrap().plugin_data.as_ref().unwrap().plugin_name, "text");
        assert!(matches!(&text.content, Some(Content::Tensor(t)) if t.string_val == [b"**4**".to_vec()]));
    }

    #[test]
    fn a_resumed_run_starts_a_new_file_that_sorts_last_and_names_the_purge_step() {
        let dir = tempfile::tempdir().unwrap();
        let first = EventFile::create(dir.path(), 1_700_000_000.0, None).unwrap();
        let second = EventFile::create(dir.path(), 5.0, Some(4)).unwrap();
        assert!(second.path() > first.path(), "the clock went back by 54 years");
        let found = events(second.path());
        assert_eq!((found[1].step, &found[1].what), (4, &Some(What::SessionLog(SessionLog { status: START }))));
    }
}
