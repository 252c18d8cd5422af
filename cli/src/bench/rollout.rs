//! `collimate bench rollout`: prefill and decoding on distinct prompts.

use std::sync::Arc;
use std::time::Instant;

use collimate_actors::{Engine, Progress};
use collimate_models::Model;
use collimate_text::Tokenizer;
use collimate_types::{Prompt, Sampling};
use serde_json::{Value, json};

use crate::args::BenchRolloutArgs;
use crate::bench::{bare_questions, ceilings, requests, spread};
use crate::exit::{Code, Exit, OrExit, refused};
use crate::{machine, session, trace};

pub(super) fn bench(args: &BenchRolloutArgs) -> Result<Code, Exit> {
    if args.batch.contains(&0) || args.batch.is_empty() || args.prompt == 0 || args.new_tokens < 2 || args.repeats == 0 {
        return Err(refused("--batch, --prompt and --repeats must be 1 or more, --new-tokens 2 or more"));
    }
    let _trace = trace::start(args.on.trace.as_deref())?;
    let threads = session::start_libtorch(args.on.threads);
    let opened = session::open_model(&args.on.model)?;
    let model = session::load(&opened.source)?;
    let most = args.batch.iter().copied().max().unwrap_or(1);
    // Only questions of at least `prompt` ids can be cut to it, so more are read than are used.
    let cut = |mut p: Prompt| {
        (p.tokens.len() >= args.prompt).then(|| {
            p.tokens.truncate(args.prompt);
            Arc::new(p)
        })
    };
    let prompts: Vec<Arc<Prompt>> =
        bare_questions(&opened.tokenizer, &args.data, most * 4)?.into_iter().filter_map(cut).take(most).collect();
    if prompts.len() < most {
        return Err(refused(format!(
            "only {} of {} questions have {} ids; lower --prompt or --batch",
            prompts.len(),
            most * 4,
            args.prompt
        )));
    }
    let ceilings = ceilings::Ceilings::measure();
    let runs: Vec<Value> = args.batch.iter().map(|b| one(&model, &opened.tokenizer, &prompts[..*b], args)).collect::<Result<_, _>>()?;
    let result = json!({
        "bench": "rollout", "threads": threads, "prompt": args.prompt, "new_tokens": args.new_tokens, "repeats": args.repeats,
        "sgemm_gflops": ceilings.sgemm_gflops, "read_gbs": ceilings.read_gbs, "runs": runs,
    });
    session::print(&result.to_string())?;
    Ok(Code::Done)
}

fn one(model: &Model, tokenizer: &Tokenizer, prompts: &[Arc<Prompt>], args: &BenchRolloutArgs) -> Result<Value, Exit> {
    let sampling = Arc::new(Sampling { max_new_tokens: args.new_tokens, min_new_tokens: args.new_tokens, ..Sampling::default() });
    let mut engine = Engine::new();
    let (mut prefill, mut decode, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for repeat in 0..=args.repeats {
        let requests = requests(prompts, 1, &sampling, repeat);
        let start = Instant::now();
        let mut first = None;
        let mut observe = |_: Progress<'_>| {
            // The first token of the last row marks the end of prefill: all rows start together.
            first.get_or_insert_with(|| start.elapsed().as_secs_f64());
            true
        };
        engine.generate(model, tokenizer, &requests, prompts.len(), 0, &mut observe).or_failed()?;
        let (total, first) = (start.elapsed().as_secs_f64(), first.unwrap_or_default());
        if repeat > 0 {
            prefill.push((prompts.len() * args.prompt) as f64 / first);
            decode.push((prompts.len() * (args.new_tokens - 1)) as f64 / (total - first));
            whole.push((prompts.len() * args.new_tokens) as f64 / total);
        }
    }
    let median = |v: &[f64]| ceilings::median(&mut v.to_vec());
    Ok(json!({
        "batch": prompts.len(), "prefill_tok_s": median(&prefill), "decode_tok_s": median(&decode), "end_to_end_tok_s": median(&whole),
        "spread": spread(&decode), "peak_rss_mb": machine::peak_rss_mb(),
    }))
}
