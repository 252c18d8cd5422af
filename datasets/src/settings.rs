//! What the section `[data]` itself refuses, before a file is opened.

use crate::fields::nearest;
use crate::{DataConfig, DataError, FORMATS, Format, format_named};

/// The sources of a configuration with their weights, each as a configuration of its own.
pub(crate) fn sources(config: &DataConfig) -> Vec<(f64, DataConfig)> {
    if config.mixture.is_empty() {
        return vec![(1.0, config.clone())];
    }
    let or = |own: &String, shared: &String| if own.is_empty() { shared.clone() } else { own.clone() };
    let one = |source: &crate::formats::Source| {
        let own = DataConfig {
            train: source.path.clone(),
            format: or(&source.format, &config.format),
            columns: if source.columns.is_empty() { config.columns.clone() } else { source.columns.clone() },
            config: or(&source.config, &config.config),
            split: or(&source.split, &config.split),
            mixture: Vec::new(),
            ..config.clone()
        };
        (source.weight, own)
    };
    config.mixture.iter().map(one).collect()
}

/// Everything that means nothing or does not go together.
pub(crate) fn check(config: &DataConfig, measured: bool) -> Vec<DataError> {
    let mut faults = Vec::new();
    let mut want = |good: bool, key: &str, value: String, wanted: &str| {
        if !good {
            faults.push(DataError::Setting { key: key.into(), value, wanted: wanted.into() });
        }
    };
    choice(&mut want, "bad_rows", &config.bad_rows, &["strict", "skip"]);
    choice(&mut want, "dedup", &config.dedup, &["none", "exact", "near"]);
    let share = |x: f64| (0.0..=1.0).contains(&x);
    want(share(config.max_bad_share), "max_bad_share", config.max_bad_share.to_string(), "a share from 0 to 1");
    want(share(config.near) && config.near > 0.0, "near", config.near.to_string(), "a share above 0 and at most 1");
    want(config.decontaminate_words > 0, "decontaminate_words", "0".into(), "at least 1");
    let (least, most) = (config.min_chars, config.max_chars);
    want(most == 0 || least <= most, "min_chars", least.to_string(), "at most data.max_chars");
    for (key, tokens) in [("max_prompt_tokens", config.max_prompt_tokens), ("max_tokens", config.max_tokens)] {
        want(measured || tokens == 0, key, tokens.to_string(), "0 where there is no tokenizer; in a recipe `model.path` brings one");
    }
    let mixed = !config.mixture.is_empty();
    want(
        !(mixed && config.train.is_some()),
        "train",
        config.train.as_ref().map_or_else(String::new, |p| p.display().to_string()),
        "either `data.train` or `[[data.mixture]]`",
    );
    for (i, source) in config.mixture.iter().enumerate() {
        want(
            source.weight.is_finite() && source.weight > 0.0,
            &format!("mixture.{i}.weight"),
            source.weight.to_string(),
            "a number above 0",
        );
    }
    want((1..=1 << 20).contains(&config.block), "block", config.block.to_string(), "from 1 to 1048576");
    for (i, (_, source)) in sources(config).iter().enumerate() {
        let key = |name: &str| if mixed { format!("mixture.{i}.{name}") } else { name.to_owned() };
        faults.extend(source_faults(source, mixed, &key));
    }
    faults
}

fn choice(want: &mut impl FnMut(bool, &str, String, &str), key: &str, value: &str, known: &[&str]) {
    let close = nearest(value, known.iter().copied()).map_or_else(String::new, |n| format!(" (did you mean \"{n}\"?)"));
    want(known.contains(&value), key, format!("{value:?}"), &format!("one of {}{close}", known.join(", ")));
}

fn source_faults(source: &DataConfig, mixed: bool, key: &dyn Fn(&str) -> String) -> Vec<DataError> {
    let format = match source.format.as_str() {
        "auto" => None,
        name => match format_named(name) {
            Ok(format) => Some(format),
            Err(error) => return vec![error],
        },
    };
    let formats = format.map_or_else(|| FORMATS.to_vec(), |f| vec![f]);
    let mut faults: Vec<_> = formats.iter().flat_map(|f| f.check(source)).collect();
    match (format, &source.train) {
        (Some(format), Some(path)) if !format.reads() => {
            faults.push(reads_nothing(format, &key(if mixed { "path" } else { "train" }), path))
        }
        (Some(format), None) if format.generates() => {}
        (_, None) => {
            let wanted = "name a file of rows, or set format = \"arithmetic\" to make the data up".into();
            faults.push(DataError::Setting { key: key(if mixed { "path" } else { "train" }), value: "nothing".into(), wanted });
        }
        (_, Some(_)) => {}
    }
    if let (Some(format), Some(path)) = (format.filter(|f| f.generates() && !f.reads()), &source.heldout) {
        faults.push(reads_nothing(format, "heldout", path));
    }
    faults
}

fn reads_nothing(format: &'static dyn Format, key: &str, path: &std::path::Path) -> DataError {
    let wanted = format!("the format `{}` makes its rows itself; remove it, or set another `data.format`", format.card().name);
    DataError::Setting { key: key.into(), value: path.display().to_string(), wanted }
}
