//! Fetches a data set of the Hugging Face hub into the hub's own cache, where every other tool finds it too.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::{codec, files};

/// What goes wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum HubError {
    #[error("`{url}` cannot be fetched: {source}; check the name and the network, and set HF_TOKEN for a data set that asks for it")]
    Fetch { url: String, source: Box<ureq::Error> },
    #[error("the hub's answer for `{name}` cannot be read: {source}")]
    Answer { name: String, source: serde_json::Error },
    #[error("the hub names a file `{file}` outside of the data set")]
    Outside { file: String },
    #[error("the data set `{name}` has no file that holds rows; it may be made by a script, which is not run")]
    NoRows { name: String },
    #[error("the cache cannot be written: {0}")]
    Disk(#[from] io::Error),
    #[error("there is no folder for the hub's cache; set HF_HOME")]
    NoCache,
}

#[derive(Deserialize)]
struct Description {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// Fetches the files of a data set that hold rows, and its README.md. The folder appears only when all are there.
pub(super) fn fetch(name: &str, revision: &str) -> Result<PathBuf, HubError> {
    let endpoint = std::env::var("HF_ENDPOINT").unwrap_or_else(|_| "https://huggingface.co".into());
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .build()
        .into();
    let described = get(&agent, &format!("{endpoint}/api/datasets/{name}/revision/{revision}"))?;
    let described: Description = serde_json::from_reader(described).map_err(|source| HubError::Answer { name: name.into(), source })?;
    let sha = described.sha;
    if sha.is_empty() || !sha.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(HubError::Outside { file: sha });
    }
    let repository = files::cache().ok_or(HubError::NoCache)?.join(format!("datasets--{}", name.replace('/', "--")));
    let (folder, temporary) =
        (repository.join("snapshots").join(&sha), repository.join("snapshots").join(format!("{sha}.{}.tmp", std::process::id())));
    let holds_rows = |file: &str| files::ENDINGS.contains(&codec::ending(Path::new(file)).as_str());
    let wanted: Vec<&str> =
        described.siblings.iter().map(|s| s.rfilename.as_str()).filter(|f| *f == "README.md" || holds_rows(f)).collect();
    if !wanted.iter().any(|f| holds_rows(f)) {
        return Err(HubError::NoRows { name: name.into() });
    }
    for file in wanted {
        if Path::new(file).components().any(|c| !matches!(c, std::path::Component::Normal(_))) {
            return Err(HubError::Outside { file: file.into() });
        }
        let path = temporary.join(file);
        fs::create_dir_all(path.parent().unwrap_or(&temporary))?;
        let mut target = File::create(&path)?;
        io::copy(&mut get(&agent, &format!("{endpoint}/datasets/{name}/resolve/{sha}/{file}"))?, &mut target)?;
        target.flush()?;
        target.sync_all()?;
    }
    if !folder.is_dir() {
        fs::rename(&temporary, &folder)?;
    }
    let refs = repository.join("refs").join(revision);
    fs::create_dir_all(refs.parent().unwrap_or(&repository))?;
    fs::write(refs, &sha)?;
    Ok(folder)
}

fn get(agent: &ureq::Agent, url: &str) -> Result<impl io::Read + use<>, HubError> {
    let mut request = agent.get(url);
    if let Ok(token) = std::env::var("HF_TOKEN") {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let response = request.call().map_err(|source| HubError::Fetch { url: url.into(), source: Box::new(source) })?;
    Ok(response.into_body().into_reader())
}
