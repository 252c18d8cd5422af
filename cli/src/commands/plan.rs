//! `collimate plan`: what would run.

use crate::args::RecipeArgs;
use crate::config::{Layer, Purpose, load};
use crate::exit::{Code, Exit};
use crate::run::{self, build, refuse};
use crate::session;

/// Prints what would run.
pub(crate) fn plan(args: &RecipeArgs) -> Result<Code, Exit> {
    let loaded = load(&Layer::from_arguments(&args.parts), Purpose::Train).map_err(|d| refuse(&d, args.json))?;
    let job = build(&loaded).map_err(|d| refuse(&d, args.json))?;
    let opened = session::open_model(&job.files.model)?;
    let plan = run::plan::plan(&job, &opened)?;
    run::plan::check_context(&job, &opened)?;
    session::print(&if args.json { plan.to_string() } else { run::plan::text(&plan) })?;
    Ok(Code::Done)
}
