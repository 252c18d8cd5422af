//! From a configuration to the two parts of a run. Everything that is wrong is found in one pass.

use std::path::Path;
use std::sync::Arc;

use collimate_types::{Seed, Task};

use crate::containers::Flow;
use crate::contamination::Contamination;
use crate::mixture::Mixture;
use crate::near::Near;
use crate::pass::{Located, Measure, Pass};
use crate::words::words_of;
use crate::{Counts, DataConfig, DataError, Example, Format, Item, Rejected, Set, Split, digest, settings, split};

/// Reads the tasks of a run, or makes them. `seed` (the run's) decides what a generator makes; what a file holds does not depend on it.
///
/// # Errors
/// Everything that is wrong with settings and rows, in one pass; of each file at most [`crate::MAX_LISTED`] rows are listed and the rest is
/// counted ([`DataError::More`]).
pub fn load(config: &DataConfig, seed: Seed) -> Result<Split, Vec<DataError>> {
    load_as::<Task>(config, seed, None)
}

/// Reads examples of one kind. `measure` counts tokens, for the rules that need it.
///
/// # Errors
/// As [`load`]; and if rows give another kind than is wanted.
pub fn load_as<T: Item>(config: &DataConfig, seed: Seed, measure: Option<&dyn Measure>) -> Result<Split<T>, Vec<DataError>> {
    let faults = settings::check(config, measure.is_some());
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut reader = Reader { measure, faults: Vec::new(), counts: Counts::default(), rejected: Vec::new(), format: None };
    let sources = settings::sources(config);
    let seed_of = |i: usize| if config.mixture.is_empty() { seed } else { seed.fork("source", i as u64) };
    let mut parts: Vec<Part<T>> = sources.iter().enumerate().map(|(i, (_, source))| reader.source(source, seed_of(i))).collect();
    if let (Some(path), [part, ..]) = (&config.heldout, parts.as_mut_slice()) {
        let format = if config.format == "auto" { reader.format } else { None };
        let name = format.map_or(config.format.as_str(), |f| f.card().name).to_owned();
        let heldout = reader.file::<T>("heldout", path, &DataConfig { format: name, split: String::new(), ..config.clone() });
        part.heldout = Some(heldout);
    }
    if !reader.faults.is_empty() {
        return Err(reader.faults);
    }
    let Reader { mut counts, rejected, format, .. } = reader;
    let before: Vec<u64> = parts.iter().map(|p| p.train.len() as u64).collect();
    thin_out(config, &mut parts, &mut counts);
    let (train, heldout) = separate(config, parts).map_err(|e| vec![e])?;
    let train = clean(config, train, &heldout, measure, &mut counts)?;
    for (part, (_, source)) in train.iter().zip(&sources) {
        if part.is_empty() {
            let path = source.train.clone().unwrap_or_else(|| format!("<{}>", source.format).into());
            let why = Counts::told(&counts.left_out);
            return Err(vec![if before.iter().sum::<u64>() == 0 && why.is_empty() {
                DataError::Empty { path }
            } else {
                DataError::NothingLeft { path, why }
            }]);
        }
    }
    let mixture = mixture(config, &sources, &train).map_err(|e| vec![e])?;
    let train: Vec<Arc<T>> = train.into_iter().flatten().collect();
    let overlap = split::overlap(&train, &heldout);
    let name = format.map_or("auto", |f| f.card().name);
    Ok(Split { train: Set::mixed(train, mixture), heldout: Set::new(heldout), overlap, format: name, counts, rejected })
}

/// What a source gives.
struct Part<T> {
    train: Vec<Arc<T>>,
    /// The held-out part, if it is not to be taken from `train`.
    heldout: Option<Vec<Arc<T>>>,
}

/// Reads source after source and gathers what is wrong.
struct Reader<'m> {
    measure: Option<&'m dyn Measure>,
    faults: Vec<DataError>,
    counts: Counts,
    rejected: Vec<Rejected>,
    format: Option<&'static dyn Format>,
}

impl Reader<'_> {
    fn source<T: Item>(&mut self, config: &DataConfig, seed: Seed) -> Part<T> {
        let Some(path) = &config.train else { return self.generated(config, seed) };
        Part { train: self.file("train", path, config), heldout: None }
    }

    fn generated<T: Item>(&mut self, config: &DataConfig, seed: Seed) -> Part<T> {
        let none = Part { train: Vec::new(), heldout: None };
        let Ok(format) = crate::format_named(&config.format) else { return none };
        let made = match format.generate(config, seed) {
            None => return none,
            Some(Err(error)) => {
                self.faults.push(error);
                return none;
            }
            Some(Ok(made)) => made,
        };
        let train = self.pass(config, |pass, sink| pass.made(format, made.train, &take::<T>, sink));
        let heldout = self.pass(config, |pass, sink| pass.made(format, made.heldout, &take::<T>, sink));
        Part { train, heldout: Some(heldout) }
    }

    fn file<T: Item>(&mut self, key: &'static str, path: &Path, config: &DataConfig) -> Vec<Arc<T>> {
        self.pass(config, |pass, sink| pass.read(key, path, &take::<T>, sink))
    }

    fn pass<T: Item>(&mut self, config: &DataConfig, run: impl FnOnce(&mut Pass<'_>, &mut dyn FnMut(Taken<T>) -> Flow)) -> Vec<Arc<T>> {
        let mut items = Vec::new();
        let mut pass = match Pass::new(config, self.measure) {
            Ok(pass) => pass,
            Err(error) => {
                self.faults.push(error);
                return items;
            }
        };
        let (mut other, mut unwanted) = (None, 0);
        run(&mut pass, &mut |taken| match taken {
            Taken::Item(item) => {
                items.push(item);
                Flow::Continue(())
            }
            Taken::Unwanted => {
                unwanted += 1;
                Flow::Continue(())
            }
            Taken::Other(error) => {
                other = Some(*error);
                Flow::Break(())
            }
        });
        self.faults.append(&mut pass.faults);
        self.faults.extend(other);
        self.counts.add(&pass.counts);
        self.counts.leave("an answer that is not wanted", unwanted);
        self.rejected.append(&mut pass.rejected);
        self.format = self.format.or(pass.found);
        items
    }
}

enum Taken<T> {
    Item(Arc<T>),
    /// An answer that is not to be imitated.
    Unwanted,
    /// Another kind than is wanted.
    Other(Box<DataError>),
}

fn take<T: Item>(located: Located) -> Taken<T> {
    let Located { example, row, format, .. } = located;
    let (found, bad) = (example.kind(), matches!(&example, Example::Rated(r) if !r.good));
    match T::of(example) {
        Some(item) => Taken::Item(Arc::new(item)),
        None if bad && T::KIND == <collimate_types::Demonstration as Item>::KIND => Taken::Unwanted,
        None => Taken::Other(DataError::Kind { file: row.file.to_path_buf(), line: row.line, format, found, wanted: T::KIND }.into()),
    }
}

/// Takes out what comes twice, over all sources in their order.
fn thin_out<T: Item>(config: &DataConfig, parts: &mut [Part<T>], counts: &mut Counts) {
    if config.dedup == "none" {
        return;
    }
    let mut known = std::collections::HashSet::new();
    let mut near = (config.dedup == "near").then(|| Near::new(config.near));
    let (mut same, mut alike) = (0, 0);
    let mut words = Vec::new();
    for part in parts {
        part.train.retain(|item| {
            if !known.insert(digest::of_content(item.as_ref())) {
                same += 1;
                return false;
            }
            let Some(near) = &mut near else { return true };
            words.clear();
            item.asked(&mut |text| words_of(text, &mut words));
            item.answers(&mut |text| words_of(text, &mut words));
            let seen = near.seen(&words);
            alike += u64::from(seen);
            !seen
        });
    }
    counts.leave("the same as an earlier row (data.dedup)", same);
    counts.leave("nearly the same as an earlier row (data.dedup)", alike);
}

/// The training part of each source, and the held-out part of all.
type Separated<T> = (Vec<Vec<Arc<T>>>, Vec<Arc<T>>);

fn separate<T: Item>(config: &DataConfig, parts: Vec<Part<T>>) -> Result<Separated<T>, DataError> {
    let (count, rows) = (parts.len(), config.heldout_rows);
    let given = config.heldout.is_some();
    let (mut trains, mut heldouts) = (Vec::new(), Vec::new());
    for (i, part) in parts.into_iter().enumerate() {
        // Each source gives its share of the rows that are kept back.
        let share = rows * (i + 1) / count - rows * i / count;
        let (train, heldout) = match part.heldout {
            Some(heldout) if given && rows == 0 => (part.train, heldout),
            Some(heldout) if given => (part.train, split::hold_out(heldout, rows).1),
            Some(heldout) => (part.train, heldout.into_iter().take(share).collect()),
            None if given => (part.train, Vec::new()),
            None => {
                let questions = split::distinct(&part.train);
                if !part.train.is_empty() && share >= questions {
                    let wanted = format!(
                        "the file has {questions} different questions, and some must be left to train on; lower it, or set `data.heldout`"
                    );
                    return Err(DataError::Setting { key: "heldout_rows".into(), value: rows.to_string(), wanted });
                }
                split::hold_out(part.train, share)
            }
        };
        trains.push(train);
        heldouts.extend(heldout);
    }
    Ok((trains, heldouts))
}

/// Takes out of the training part what stands in evaluation sets.
fn clean<T: Item>(
    config: &DataConfig,
    train: Vec<Vec<Arc<T>>>,
    heldout: &[Arc<T>],
    measure: Option<&dyn Measure>,
    counts: &mut Counts,
) -> Result<Vec<Vec<Arc<T>>>, Vec<DataError>> {
    if config.decontaminate.is_empty() {
        return Ok(train);
    }
    let mut known = Contamination::new(config.decontaminate_words);
    for name in &config.decontaminate {
        if name == "heldout" {
            heldout.iter().for_each(|item| known.add(item.as_ref()));
            continue;
        }
        let plain = DataConfig { format: "auto".into(), ..DataConfig::default() };
        let mut pass = Pass::new(&plain, measure).map_err(|e| vec![e])?;
        pass.read("decontaminate", Path::new(name), &|located| located.example, &mut |example| {
            known.add(example.content());
            Flow::Continue(())
        });
        if !pass.faults.is_empty() {
            return Err(pass.faults);
        }
    }
    let mut touched = 0;
    let mut keep = |part: Vec<Arc<T>>| -> Vec<Arc<T>> {
        let before = part.len();
        let kept: Vec<_> = part.into_iter().filter(|item| !known.touches(item.as_ref())).collect();
        touched += (before - kept.len()) as u64;
        kept
    };
    let train = train.into_iter().map(&mut keep).collect();
    counts.leave("shares words with an evaluation set (data.decontaminate)", touched);
    Ok(train)
}

fn mixture<T>(config: &DataConfig, sources: &[(f64, DataConfig)], train: &[Vec<T>]) -> Result<Option<Mixture>, DataError> {
    if config.mixture.is_empty() {
        return Ok(None);
    }
    let shares: Vec<_> = sources.iter().zip(train).map(|((weight, _), rows)| (*weight, rows.len() as u64)).collect();
    Mixture::new(config.block, &shares).map(Some)
}
