//! Layers to a recipe, or to everything that is wrong with them.

use std::collections::BTreeMap;

use super::build::build;
use super::check::check;
use super::diagnostics::{Diagnostics, Problem};
use super::field::Needed;
use super::parse::{argument, document};
use super::recipe::Recipe;
use super::shorthand::shorthand;
use super::source::{Layer, Place, Source, Sources};
use super::tree::{Content, Node};
use super::{parts, rules, sections};

/// What a recipe is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Training: everything must be there.
    Train,
    /// Evaluation: what only training needs may be missing.
    Evaluate,
    /// Being shown: nothing must be there.
    Show,
}

/// A recipe with the places its values come from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The recipe.
    pub recipe: Recipe,
    root: Node,
    sources: Sources,
}

impl Loaded {
    /// A problem at a key: at its place if it was given, else at the last file.
    #[must_use]
    pub fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        let problem = Problem::new(message).key(key);
        match self.root.nearest_at(key) {
            Some(node) => problem.at(&self.sources, &node.value),
            None => match self.sources.last_file() {
                Some(file) => problem.file(&file.name),
                None => problem,
            },
        }
    }

    /// Where a value comes from: `recipe.toml:12:3`, `command line: key=value`, or `default`.
    #[must_use]
    pub fn origin(&self, key: &str) -> String {
        self.root.at(key).map_or_else(|| "default".into(), |node| self.sources.show(&node.value))
    }
}

/// Reads layers, later ones over earlier ones.
///
/// # Errors
/// Everything that is wrong, in one pass.
pub fn load(layers: &[Layer], purpose: Purpose) -> Result<Loaded, Diagnostics> {
    let (mut sources, mut faults) = (Sources::default(), Diagnostics::default());
    let nowhere = Place { source: sources.add(Source { name: "defaults".into(), text: "".into(), argument: true }), span: 0..0 };
    let mut root = Node { content: Content::Table(BTreeMap::new()), key: nowhere.clone(), value: nowhere };
    for layer in layers {
        lay(layer, &mut root, &mut sources, &mut faults);
    }
    let unread = !faults.is_empty();
    let mut found = Diagnostics::default();
    check(&root, &sources, &mut found);
    // On a line that is not TOML the parser had to guess what stands there.
    faults.append(found.iter().filter(|p| !faults.iter().any(|syntax| syntax.same_line(p))).cloned().collect());
    // What is wrong is taken out, so that the rest can be looked at in the same pass.
    for key in found.keys().collect::<Vec<_>>().into_iter().rev() {
        root.remove(&key.split('.').collect::<Vec<_>>());
    }
    let recipe = build(&mut root, &sources, &mut faults);
    let loaded = Loaded { recipe, root, sources };
    if !unread {
        missing(&loaded, purpose, &mut faults);
    }
    if purpose != Purpose::Show {
        faults.append(parts::check(&loaded).into_iter().collect());
        // A rule needs every layer: what it misses may stand in the part that could not be read.
        let broken = if unread { Vec::new() } else { rules::check(&loaded, purpose, &faults) };
        faults.append(broken.into_iter().collect());
    }
    faults.sort();
    faults.into_result()?;
    Ok(loaded)
}

fn lay(layer: &Layer, root: &mut Node, sources: &mut Sources, faults: &mut Diagnostics) {
    match layer {
        Layer::File(path) => match std::fs::read(path) {
            Ok(bytes) => text(path.display().to_string(), bytes, root, sources, faults),
            Err(error) => {
                let problem = Problem::new(format!("this recipe cannot be read: {error}")).file(path.display().to_string());
                faults.push(problem.help("give the path of a TOML file; changes are written `key=value`"));
            }
        },
        Layer::Text { name, text: toml } => text(name.clone(), toml.clone().into_bytes(), root, sources, faults),
        Layer::Set(change) => {
            let kind = |path: &str| sections::field(path).map(|(_, f)| f.kind);
            let Some(change) = argument(change, kind, sources, faults).map(shorthand) else { return };
            let (key, path) = (change.node.key.clone(), change.path.clone());
            if let Err(at) = root.set(&path.split('.').collect::<Vec<_>>(), change.node) {
                let help = "an entry of a list is chosen by its number, counted from 0, and a file must have written it";
                faults.push(Problem::new(format!("`{at}` has no entries that could be set")).key(path).at(sources, &key).help(help));
            }
        }
    }
}

fn text(name: String, bytes: Vec<u8>, root: &mut Node, sources: &mut Sources, faults: &mut Diagnostics) {
    match String::from_utf8(bytes) {
        Ok(toml) => {
            let source = sources.add(Source { name, text: toml.into(), argument: false });
            root.overlay(document(source, sources, faults));
        }
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let source = sources.add(Source { name, text: text.into(), argument: false });
            let problem = Problem::new(format!("byte {at} is not UTF-8")).at(sources, &Place { source, span: at..at + 1 });
            faults.push(problem.help("save the recipe as UTF-8"));
        }
    }
}

fn missing(loaded: &Loaded, purpose: Purpose, faults: &mut Diagnostics) {
    for section in sections::all() {
        for field in section.fields {
            let needed = match field.mark.needed {
                Needed::Never => false,
                Needed::ToTrain => purpose == Purpose::Train,
                Needed::Always => purpose != Purpose::Show,
            };
            let key = format!("{}.{}", section.path, field.name);
            if needed && loaded.root.at(&key).is_none() && !faults.touches(&key) {
                let problem = loaded.problem(&key, "this key is needed and missing");
                faults.push(problem.help(format!(
                    "add `{} = …` under `[{}]`, or `{key}=…` on the command line: {}",
                    field.name,
                    section.path,
                    field.help.trim()
                )));
            }
        }
    }
}
