//! The collimate binary: wiring, run loop, command line. Nothing here that another crate could own.

pub mod args;
pub mod bench;
mod commands;
pub mod config;
mod eval;
pub mod exit;
mod judges;
pub mod machine;
mod measure;
mod render;
pub mod run;
mod selftest;
pub mod session;
mod trace;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    args::{Cli, Command},
    exit::{Code, Exit},
};

/// Reads the command line, does what it says, and returns the exit code.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    // One thread owns all tensors (grad mode and thread pools are per thread); a panic in it is reported and ends the process.
    let engine = std::thread::Builder::new().name("engine".into()).stack_size(64 << 20).spawn(move || dispatch(cli.command));
    let outcome = match engine.map(std::thread::JoinHandle::join) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Exit {
            code: Code::Failed,
            message: Some("the engine stopped at a fault of its own (the message above says where); please report it".into()),
        }),
        Err(error) => Err(Exit { code: Code::Failed, message: Some(format!("the engine thread could not be started: {error}")) }),
    };
    match outcome {
        Ok(code) => ExitCode::from(code as u8),
        Err(exit) => {
            if let Some(message) = exit.message {
                session::say(&format!("error: {message}"));
            }
            ExitCode::from(exit.code as u8)
        }
    }
}

fn dispatch(command: Command) -> Result<Code, Exit> {
    match command {
        Command::Plan(args) => commands::plan::plan(&args),
        Command::Train(args) => commands::train::train(&args),
        Command::Eval(args) => eval::eval(&args),
        Command::Report(args) => commands::report::report(&args),
        Command::Generate(args) => commands::generate::generate(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Algorithms(args) => commands::cards::algorithms(&args),
        Command::Rewards(args) => commands::cards::rewards(&args),
        Command::Reward(args) => commands::reward::reward(&args),
        Command::Formats(args) => commands::cards::formats(&args),
        Command::Config(args) => commands::config::config(&args),
        Command::Ckpt(args) => commands::ckpt::ckpt(&args),
        Command::Data(args) => commands::data::data(&args),
        Command::Doctor(args) => commands::doctor::doctor(&args),
        Command::Selftest(args) => selftest::selftest(&args),
        Command::Demo(args) => commands::demo::demo(&args),
    }
}
