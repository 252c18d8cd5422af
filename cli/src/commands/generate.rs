//! `collimate generate`: answers prompts with the engine that training uses.

use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::Arc;

use collimate_actors::{Engine, Progress};
use collimate_datasets::{DataConfig, load as load_data};
use collimate_text::Tokenizer;
use collimate_types::{Message, Prompt, RolloutRequest, Sampling, Seed, Speaker, Task};
use serde_json::{Value, json};

use crate::args::GenerateArgs;
use crate::exit::{Code, Exit, OrExit, refused};
use crate::session::{self, harmless};

/// Answers prompts.
pub(crate) fn generate(args: &GenerateArgs) -> Result<Code, Exit> {
    let sampling = Arc::new(sampling(args)?);
    if args.group == 0 || args.slots == 0 {
        return Err(refused("--group and --slots must be 1 or more"));
    }
    let opened = session::open_with_adapter(&args.model, args.adapter.as_deref())?;
    let prompts = prompts(args, &opened.tokenizer)?;
    session::start_libtorch(args.threads);
    let model = session::load(&opened.source)?;
    let request = |(i, prompt): (usize, &Arc<Prompt>)| RolloutRequest {
        prompt: prompt.clone(),
        group: args.group,
        sampling: sampling.clone(),
        seed: Seed(args.seed).fork("generate", i as u64),
    };
    let requests: Vec<RolloutRequest> = prompts.iter().enumerate().map(request).collect();
    // One answer is streamed as it grows; several would run into each other, so each is printed when it is whole.
    let single = requests.len() * args.group == 1;
    let mut printed: Result<(), Exit> = Ok(());
    let mut observe = |progress: Progress<'_>| {
        printed = match progress {
            Progress::Text { text, .. } if single && !args.json && !text.is_empty() => session::print_raw(&harmless(text)),
            Progress::Done { request, member, rollout } if args.json => {
                session::print(&line(&requests[request], member, rollout).to_string())
            }
            Progress::Done { rollout, request, .. } if !single => {
                let head = if requests.len() > 1 { format!("[{request}] ") } else { String::new() };
                session::print(&format!("{head}{}", harmless(rollout.text.trim_end())))
            }
            _ => Ok(()),
        };
        printed.is_ok()
    };
    let result = Engine::new().generate(&model, &opened.tokenizer, &requests, args.slots, 0, &mut observe);
    printed?;
    result.or_failed()?;
    if single && !args.json {
        session::print("")?;
    }
    Ok(Code::Done)
}

fn sampling(args: &GenerateArgs) -> Result<Sampling, Exit> {
    let sampling = Sampling {
        temperature: args.temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        min_p: args.min_p,
        repetition_penalty: args.repetition_penalty,
        stop: args.stop.clone(),
        max_new_tokens: args.max_new_tokens,
        min_new_tokens: args.min_new_tokens,
    };
    let faults = |f: Vec<collimate_types::SamplingError>| f.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    sampling.check().map_err(faults).or_refused()?;
    Ok(sampling)
}

/// From arguments, a file, or standard input.
fn prompts(args: &GenerateArgs, tokenizer: &Tokenizer) -> Result<Vec<Arc<Prompt>>, Exit> {
    let tasks = match &args.file {
        Some(file) if file.extension().is_some_and(|e| e == "jsonl") => jsonl(file)?,
        Some(file) if file.as_os_str() == "-" => texts(&stdin()?),
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|e| format!("cannot read `{}`: {e}", file.display())).or_refused()?;
            texts(&text)
        }
        None if !args.prompt.is_empty() => args.prompt.iter().map(|p| text_task(p)).collect(),
        // A person at a terminal gets to type one prompt; a pipe is one prompt as a whole.
        None if io::stdin().is_terminal() => {
            session::say("type a prompt and end it with Ctrl-D:");
            vec![text_task(stdin()?.trim_end())]
        }
        None => vec![text_task(stdin()?.trim_end())],
    };
    if tasks.is_empty() {
        return Err(refused("there is no prompt; give --prompt TEXT, --file FILE, or text on standard input"));
    }
    let asked = |mut task: Task| {
        if let Some(text) = task.text.take_if(|_| !args.raw && tokenizer.has_chat_template()) {
            task.messages = vec![Message::user(text)];
        }
        if let (Some(system), false) = (&args.system, task.messages.is_empty()) {
            task.messages.insert(0, Message { role: Speaker::System, content: system.clone() });
        }
        tokenizer.prompt(Arc::new(task)).map(Arc::new).or_refused()
    };
    tasks.into_iter().map(asked).collect()
}

fn stdin() -> Result<String, Exit> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).map_err(|e| format!("standard input cannot be read: {e}")).or_refused()?;
    Ok(text)
}

fn texts(text: &str) -> Vec<Task> {
    text.lines().filter(|l| !l.trim().is_empty()).map(text_task).collect()
}

fn text_task(text: &str) -> Task {
    Task { id: "prompt".into(), text: Some(text.to_owned()), messages: Vec::new(), truth: Value::Null, reward: None }
}

fn jsonl(file: &Path) -> Result<Vec<Task>, Exit> {
    let config =
        DataConfig { format: "prompts".into(), train: Some(file.into()), heldout_rows: 0, shuffle: false, ..DataConfig::default() };
    let join = |errors: Vec<collimate_datasets::DataError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let split = load_data(&config, Seed(0)).map_err(join).or_refused()?;
    Ok(split.train.tasks.iter().map(|t| (**t).clone()).collect())
}

fn line(request: &RolloutRequest, member: usize, rollout: &collimate_types::Rollout) -> Value {
    json!({
        "id": request.prompt.task.id, "member": member, "prompt": request.prompt.text, "text": rollout.text, "tokens": rollout.tokens,
        "logp": rollout.logp, "logp_behaviour": rollout.logp_behaviour, "finish": rollout.finish,
        "prompt_tokens": request.prompt.tokens.len(),
    })
}
