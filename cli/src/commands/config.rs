//! `collimate config`: show, explain, schema.

use std::collections::BTreeMap;

use crate::args::Config;
use crate::config::{Layer, Purpose, explain, load, schema};
use crate::exit::{Code, Exit, OrExit};
use crate::run::refuse;
use crate::{machine, session};

/// Looks at the configuration.
pub(crate) fn config(args: &Config) -> Result<Code, Exit> {
    match args {
        Config::Show { recipe, origin } => {
            let loaded = load(&Layer::from_arguments(&recipe.parts), Purpose::Show).map_err(|d| refuse(&d, recipe.json))?;
            let resolved = loaded.recipe.clone().resolve(machine::cores(), machine::free_memory());
            if recipe.json {
                session::print(&serde_json::to_string_pretty(&resolved).or_failed()?)?;
            } else if *origin {
                session::print(with_origins(&resolved.to_toml(), |key| loaded.origin(key)).trim_end())?;
            } else {
                session::print(resolved.to_toml().trim_end())?;
            }
        }
        Config::Explain { key, parts } => {
            let loaded = match parts.is_empty() {
                true => None,
                false => Some(load(&Layer::from_arguments(parts), Purpose::Show).map_err(|d| refuse(&d, false))?),
            };
            session::print(&explain(key, loaded.as_ref()).map_err(|d| refuse(&d, false))?)?;
        }
        Config::Schema => session::print(&serde_json::to_string_pretty(&schema()).or_failed()?)?,
    }
    Ok(Code::Done)
}

/// Puts where a value comes from behind each line.
fn with_origins(toml: &str, origin: impl Fn(&str) -> String) -> String {
    let (mut section, mut out) = (String::new(), String::new());
    let mut tables: BTreeMap<String, usize> = BTreeMap::new();
    for line in toml.lines() {
        let header = line.trim_start_matches('[').trim_end_matches(']');
        if line.starts_with("[[") {
            // The n-th table of a list: `reward.0`.
            let n = tables.entry(header.to_owned()).or_default();
            section = format!("{header}.{n}");
            *n += 1;
        } else if line.starts_with('[') {
            section = header.to_owned();
        }
        match line.split_once(" = ") {
            Some((key, _)) if !line.starts_with('[') && !key.contains(' ') => {
                out.push_str(&format!("{line}  # {}\n", origin(&format!("{section}.{key}"))))
            }
            _ => out.push_str(&format!("{line}\n")),
        }
    }
    out
}
