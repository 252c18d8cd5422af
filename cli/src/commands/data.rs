//! `collimate data`: every problem of a file, located.

use collimate_datasets::check;

use crate::args::Data;
use crate::exit::{Code, Exit, OrExit};
use crate::session;

/// Looks at data files.
pub(crate) fn data(args: &Data) -> Result<Code, Exit> {
    let Data::Check { file, format, json } = args;
    let report = check(file, format).or_refused()?;
    if *json {
        session::print(&serde_json::to_string(&report).or_failed()?)?;
    } else {
        session::print(&report.to_string())?;
    }
    Ok(if report.usable() { Code::Done } else { Code::Refused })
}
