//! Set-up: LibTorch and the small real model lie in the per-user cache, and `.libtorch` in the checkout points there.
//!
//! A second run reads two stamp files and a link, which takes milliseconds; nothing is downloaded twice.

mod artefact;
mod install;
mod link;
mod own;
mod pins;
mod wheel;

use std::path::{Path, PathBuf};

use crate::checkout::Checkout;
use crate::{Done, say, tools};

/// What set-up hands to the other tasks.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The GGUF file of the small real model.
    pub(crate) model: PathBuf,
}

/// Makes everything ready, or says what is missing and the mend.
pub(crate) fn run(here: &Checkout) -> Done<Ready> {
    tools::need_cxx_compiler()?;
    let libtorch = libtorch(here)?;
    let model = install::ready(here, &pins::MODEL)?;
    let file = model.join(pins::MODEL_FILE);
    say::line(&format!("set-up: {libtorch}; the small model is {}", file.display()));
    Ok(Ready { model: file })
}

/// Provides LibTorch, the user's own first, and returns one phrase about it.
fn libtorch(here: &Checkout) -> Done<String> {
    if let Some(own) = own::from_environment(here)? {
        let target = own.place(&here.cache)?;
        link::point(&here.link(), &target)?;
        return Ok(format!("LibTorch {} is your own, {}", pins::LIBTORCH_VERSION, own.lib.display()));
    }
    if let Some(chosen) = chosen_earlier(here)? {
        return Ok(format!("LibTorch {} as chosen earlier, {} (remove .libtorch to undo)", pins::LIBTORCH_VERSION, chosen.display()));
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        return Err(format!(
            "set-up fetches LibTorch for x86_64 Linux with glibc only; elsewhere install PyTorch {v} or LibTorch {v} and run \
             `LIBTORCH=/path/to/libtorch cargo xtask setup` or `LIBTORCH_USE_PYTORCH=1 cargo xtask setup`",
            v = pins::LIBTORCH_VERSION
        ));
    }
    let target = install::ready(here, &pins::LIBTORCH)?;
    link::point(&here.link(), &target)?;
    let gpu = if gpu_present() { "; for the GPU see docs/setup.md" } else { "" };
    Ok(format!("{} is in {}{gpu}", pins::LIBTORCH.name, target.display()))
}

/// A LibTorch that `.libtorch` has pointed to since an earlier set-up or that someone laid there by hand.
fn chosen_earlier(here: &Checkout) -> Done<Option<PathBuf>> {
    let link = here.link();
    let by_hand = link.is_dir() && !link.is_symlink();
    let by_setup = link.read_link().is_ok_and(|target| own::is_place(&here.cache, &target));
    if !by_hand && !by_setup {
        return Ok(None);
    }
    own::check(&link.join("torch/include"), &link.join("torch/lib"))
        .map_err(|why| format!("{} no longer serves: {why}; remove it and run set-up again", link.display()))?;
    Ok(Some(link.join("torch").canonicalize().unwrap_or(link)))
}

/// Whether the person may wonder where CUDA is.
fn gpu_present() -> bool {
    Path::new("/dev/nvidia0").exists() || tools::find("nvidia-smi").is_some()
}
