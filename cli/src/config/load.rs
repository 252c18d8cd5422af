//! Layers to a recipe, or to everything that is wrong with them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::check::check;
use super::diagnostics::{Diagnostics, Problem};
use super::field::Needed;
use super::parse::{argument, document};
use super::recipe::Recipe;
use super::source::{Layer, Place, Source, Sources};
use super::tree::{Content, Node};
use super::{rules, sections};

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
    check(&root, &sources, &mut faults);
    let recipe = if faults.is_empty() { build(&root, &sources, &mut faults) } else { None };
    faults.sort();
    let Some(recipe) = recipe else { return Err(faults) };
    let loaded = Loaded { recipe, root, sources };
    missing(&loaded, purpose, &mut faults);
    if purpose != Purpose::Show {
        faults.append(rules::check(&loaded, purpose).into_iter().collect());
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
            let Some(change) = argument(change, kind, sources, faults) else { return };
            let (key, path) = (change.node.key.clone(), change.path.clone());
            if let Err(at) = root.set(&path.split('.').collect::<Vec<_>>(), change.node) {
                faults.push(Problem::new(format!("`{at}` has no entries that could be set")).key(path).at(sources, &key));
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
            let problem = Problem::new(format!("byte {at} is not UTF-8")).file(name);
            faults.push(problem.help("save the recipe as UTF-8"));
        }
    }
}

/// The recipe of a tree without faults: given values over the defaults.
fn build(root: &Node, sources: &Sources, faults: &mut Diagnostics) -> Option<Recipe> {
    let mut value = serde_json::to_value(Recipe::default()).unwrap_or_default();
    merge(&mut value, serde_json::to_value(root.to_value()).unwrap_or_default());
    match serde_json::from_value(value) {
        Ok(recipe) => Some(recipe),
        Err(error) => {
            // What the walk let through are tables of rewards that miss a name.
            let place = root.at("reward").map_or(&root.value, |n| &n.value);
            faults.push(Problem::new(error.to_string()).at(sources, place).help("`collimate config schema` describes every key"));
            None
        }
    }
}

fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
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
            if needed && loaded.root.at(&key).is_none() {
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
