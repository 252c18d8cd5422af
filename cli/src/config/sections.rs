//! The sections of a recipe: every key with its help, default, range and what a change means on resume.

use std::path::PathBuf;

use super::field::{Field, Kind, Mark, Section, section};
use super::limit::Limit::{Above, AboveUpTo, AtLeast, Between, FromBelow, NotEmpty};

section! {
    /// The run itself.
    RunSection = "run" {
        /// Its name: the directory of the run inside `run.dir`. A name is used once; `--resume` goes on with it.
        name: String = String::new(), Mark::TO_TRAIN.limit(NotEmpty);
        /// The folder of all runs.
        dir: PathBuf = "runs".into(), Mark::OPTIONAL.free();
        /// The seed everything random is computed from.
        seed: u64 = 1, Mark::OPTIONAL;
        /// Flow steps: each draws prompts, answers them and learns from the answers; or takes rows of given data and learns from them.
        steps: u64 = 100, Mark::OPTIONAL.limit(AtLeast(1.0)).free();
        /// Threads of the engine.
        threads: usize = 0, Mark::OPTIONAL.auto("all cores").inexact();
    }
}

section! {
    /// The model that is trained.
    ModelSection = "model" {
        /// A Hugging Face directory, a checkpoint of a run, or a GGUF file.
        path: PathBuf = PathBuf::new(), Mark::ALWAYS.limit(NotEmpty);
    }
}

section! {
    /// How completions are drawn in training.
    SamplingSection = "sampling" {
        /// Divides the logits. Log-probabilities are taken at the same temperature.
        temperature: f64 = 1.0, Mark::OPTIONAL.limit(Above(0.0));
        /// Keep the k most likely tokens; 0 keeps all. `train` refuses filters: they make the sampler another law than the policy.
        top_k: usize = 0, Mark::OPTIONAL;
        /// Keep the most likely tokens up to this probability; 1 keeps all.
        top_p: f64 = 1.0, Mark::OPTIONAL.limit(AboveUpTo(0.0, 1.0));
        /// Keep tokens with at least this share of the most likely one's probability; 0 keeps all.
        min_p: f64 = 0.0, Mark::OPTIONAL.limit(FromBelow(0.0, 1.0));
        /// Make tokens already seen less likely; 1 changes nothing.
        repetition_penalty: f64 = 1.0, Mark::OPTIONAL.limit(Above(0.0));
        /// Texts that end a completion. They may span tokens and are not part of the answer.
        stop: Vec<String> = Vec::new(), Mark::OPTIONAL.limit(NotEmpty);
        /// The longest completion in tokens.
        max_new_tokens: usize = 256, Mark::OPTIONAL.limit(AtLeast(1.0));
        /// Until so many tokens are drawn, the end of the sequence cannot be.
        min_new_tokens: usize = 0, Mark::OPTIONAL;
        /// Every so many steps one group is computed again by the learner's forward and compared with what the sampler recorded; 0 = never.
        check_every: u64 = 10, Mark::OPTIONAL.free();
    }
}

section! {
    /// How many completions a step has.
    RolloutSection = "rollout" {
        /// Prompts of a step.
        prompts: usize = 32, Mark::OPTIONAL.limit(AtLeast(1.0));
        /// Completions of a prompt.
        group: usize = 8, Mark::OPTIONAL.limit(AtLeast(1.0));
        /// Rows decoded at once: a finished row leaves, a waiting one enters.
        slots: usize = 0, Mark::OPTIONAL.auto("prompts x group, at most 256");
        /// How often a step draws new prompts for groups that cannot be used, before it goes on with those it has.
        refills: u32 = 3, Mark::OPTIONAL;
    }
}

section! {
    /// How the policy learns from a step's completions.
    LearnerSection = "learner" {
        /// The learning rate at its peak.
        lr: f64 = 1e-5, Mark::OPTIONAL.limit(AtLeast(0.0));
        /// How the rate goes on after warm-up.
        schedule: String = "constant".into(), Mark::OPTIONAL;
        /// Updates over which the rate rises to its peak.
        warmup_steps: u64 = 0, Mark::OPTIONAL;
        /// The rate at the end as a share of the peak (linear, cosine and wsd).
        min_lr_ratio: f64 = 0.0, Mark::OPTIONAL.limit(Between(0.0, 1.0));
        /// The last share of the run over which the rate falls (wsd).
        decay_share: f64 = 0.2, Mark::OPTIONAL.limit(AboveUpTo(0.0, 1.0));
        /// Rows of a step, for an algorithm that learns from given data: demonstrations, pairs, judged answers.
        rows: usize = 32, Mark::OPTIONAL.limit(AtLeast(1.0));
        /// Tokens of prompt and answer of a row of given data at most; what is longer is cut at its end.
        max_length: usize = 0, Mark::OPTIONAL.auto("the model's context");
        /// Whether the reference's log-probabilities of given data are computed once, before the first step, and kept in the run's folder;
        /// otherwise the reference stays in memory and is asked at every step.
        reference_cache: bool = true, Mark::OPTIONAL.inexact();
        /// Passes over a step's completions.
        epochs: u32 = 1, Mark::OPTIONAL.limit(AtLeast(1.0));
        /// Optimizer updates a pass: the groups of a step are cut into so many parts.
        minibatches: usize = 1, Mark::OPTIONAL.limit(AtLeast(1.0));
        /// Tokens of one forward and backward pass; gradients add up exactly over them. Less needs less memory.
        micro_tokens: usize = 0, Mark::OPTIONAL.auto("4096").inexact();
        /// Whether the sampler's activations serve as the training forward of the first update after sampling: `auto` keeps as many as
        /// `tape_mb` holds, `off` computes all of them again. The gradient is the same.
        reuse_rollout: String = "auto".into(), Mark::OPTIONAL.inexact();
        /// Megabytes for activations that are kept for the backward pass; what does not fit is computed again. Less memory, more time.
        tape_mb: usize = 0, Mark::OPTIONAL.auto("two fifths of the memory that is free at the start").inexact();
        /// Largest norm of the whole gradient; 0 = no clipping.
        clip_grad: f64 = 1.0, Mark::OPTIONAL.limit(AtLeast(0.0));
        /// AdamW's decays of the two moments.
        betas: [f64; 2] = [0.9, 0.999], Mark::OPTIONAL.limit(FromBelow(0.0, 1.0));
        /// Added to the root of AdamW's second moment.
        eps: f64 = 1e-8, Mark::OPTIONAL.limit(Above(0.0));
        /// AdamW's decoupled weight decay.
        weight_decay: f64 = 0.0, Mark::OPTIONAL.limit(AtLeast(0.0));
        /// Updates in a row whose loss or gradient may fail to be finite before the run stops. Each is skipped and counted.
        max_skips: u64 = 3, Mark::OPTIONAL.limit(AtLeast(1.0)).free();
    }
}

section! {
    /// Low-rank adapters (LoRA): with a rank, the weights stay as they are and only the adapters are trained and saved, in PEFT's layout. The
    /// reference is the same model with the adapters switched off.
    LoraSection = "lora" {
        /// The rank of the adapters; 0 = no adapters, every weight is trained. A rate of about ten times `learner.lr` without adapters is usual.
        rank: usize = 0, Mark::OPTIONAL;
        /// The adapters' product is multiplied with alpha / rank.
        alpha: f64 = 0.0, Mark::OPTIONAL.limit(AtLeast(0.0)).auto("twice the rank");
        /// The share of an adapter's inputs that is set to zero in training passes. With it no pass can take the sampler's activations.
        dropout: f64 = 0.0, Mark::OPTIONAL.limit(FromBelow(0.0, 1.0));
        /// Which projections have an adapter, by their names in Hugging Face checkpoints.
        targets: Vec<String> = TARGETS.map(str::to_owned).to_vec(), Mark::OPTIONAL.limit(NotEmpty);
        /// Multiply with alpha / √rank instead (rsLoRA): the size of activations then does not depend on the rank.
        rslora: bool = false, Mark::OPTIONAL;
    }
}

/// The projections that have an adapter where the recipe does not say.
const TARGETS: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

section! {
    /// The critic, where the algorithm has one (ppo): a model of its own that says one number a state.
    CriticSection = "critic" {
        /// What it starts from: `policy` (the trunk of model.path), or the directory or run of a reward model.
        init: PathBuf = "policy".into(), Mark::OPTIONAL.limit(NotEmpty);
        /// The head where that has none: `zero`, or `normal` numbers of the model's `initializer_range`.
        head: String = "zero".into(), Mark::OPTIONAL;
        /// Flow steps at the start in which the critic alone learns and the policy rests.
        warmup_steps: u64 = 0, Mark::OPTIONAL;
        /// The learning rate at its peak.
        lr: f64 = 1e-5, Mark::OPTIONAL.limit(AtLeast(0.0));
        /// How the rate goes on after its warm-up.
        schedule: String = "constant".into(), Mark::OPTIONAL;
        /// Updates over which the rate rises to its peak.
        lr_warmup_steps: u64 = 0, Mark::OPTIONAL;
        /// The rate at the end as a share of the peak (linear, cosine and wsd).
        min_lr_ratio: f64 = 0.0, Mark::OPTIONAL.limit(Between(0.0, 1.0));
        /// Passes over a step's completions.
        epochs: u32 = 0, Mark::OPTIONAL.auto("learner.epochs");
        /// Largest norm of the whole gradient; 0 = no clipping.
        clip_grad: f64 = 1.0, Mark::OPTIONAL.limit(AtLeast(0.0));
        /// AdamW's decoupled weight decay; its other numbers are the learner's.
        weight_decay: f64 = 0.0, Mark::OPTIONAL.limit(AtLeast(0.0));
    }
}

section! {
    /// Held-out evaluation on rows that are never trained on: greedy answers to questions, or the loss and accuracy of given data.
    EvalSection = "eval" {
        /// Before the first step, every so many steps, and at the end; 0 = never.
        every: u64 = 0, Mark::OPTIONAL.free();
        /// How many rows are measured on.
        rows: usize = 0, Mark::OPTIONAL.auto("all held-out rows").free();
        /// Divides the logits; 0 = the most likely token.
        temperature: f64 = 0.0, Mark::OPTIONAL.limit(AtLeast(0.0)).free();
        /// The longest answer in tokens.
        max_new_tokens: usize = 0, Mark::OPTIONAL.auto("sampling.max_new_tokens").free();
    }
}

section! {
    /// Checkpoints. One is always written at the end, at a new best held-out score, and when a signal stops the run.
    CheckpointSection = "checkpoint" {
        /// Every so many steps; 0 = only then.
        every: u64 = 0, Mark::OPTIONAL.free();
        /// How many of the newest are kept; the best is kept besides.
        keep: usize = 2, Mark::OPTIONAL.limit(AtLeast(1.0)).free();
    }
}

section! {
    /// What happens when rewards fail. A fault is never a score.
    RewardPolicySection = "reward_policy" {
        /// The run stops when so large a share of the last 200 verdicts are faults of the reward's machinery.
        max_fault_share: f64 = 0.05, Mark::OPTIONAL.limit(Between(0.0, 1.0)).free();
    }
}

section! {
    /// What is written beside metrics.jsonl.
    LogSection = "log" {
        /// Completions a step that are written to `rollouts/step_N.jsonl`; 0 = none.
        rollouts_per_step: usize = 16, Mark::OPTIONAL.free();
        /// Whether TensorBoard files are written.
        tensorboard: bool = true, Mark::OPTIONAL.free();
    }
}

/// Which learning-rate shapes there are.
pub(super) const SCHEDULES: [&str; 4] = ["constant", "linear", "cosine", "wsd"];

/// What becomes of bad rows.
const BAD_ROWS: [&str; 2] = ["strict", "skip"];
/// What becomes of rows that come twice.
const DEDUP: [&str; 3] = ["none", "exact", "near"];

/// The data: what every format shares. The knobs of a format stand in `data.<format>` and come from its card.
const DATA: Section = Section {
    path: "data",
    help: "What is learnt from and what is measured on.",
    fields: &[
        Field {
            name: "format",
            help: "A format (`collimate formats` lists them), or auto: the first row of each file decides.",
            kind: Kind::Text,
            mark: Mark::OPTIONAL,
        },
        Field {
            name: "train",
            help: "What to learn from: a file (JSON lines, a JSON array, CSV, TSV, text, Parquet; plain, gzip or zstd), a folder, a pattern with `*`, a Hugging Face data-set folder, or hub:OWNER/NAME.",
            kind: Kind::Text,
            mark: Mark::OPTIONAL.limit(NotEmpty),
        },
        Field {
            name: "heldout",
            help: "What to be measured on; without it, rows of `train` are kept back.",
            kind: Kind::Text,
            mark: Mark::OPTIONAL.limit(NotEmpty),
        },
        Field { name: "heldout_rows", help: "How many questions are kept back for measuring.", kind: Kind::Count, mark: Mark::OPTIONAL },
        Field {
            name: "shuffle",
            help: "Whether every epoch has its own order; otherwise the file's.",
            kind: Kind::Flag,
            mark: Mark::OPTIONAL,
        },
        Field {
            name: "mixture",
            help: "Several sources in fixed shares, in place of `train`: `[[data.mixture]]` tables with path, weight, format, columns, config, split.",
            kind: Kind::Free,
            mark: Mark::OPTIONAL,
        },
        Field {
            name: "block",
            help: "Rows of a block of the mixture; in each the shares are exact.",
            kind: Kind::Count,
            mark: Mark::OPTIONAL.limit(AtLeast(1.0)),
        },
        Field {
            name: "columns",
            help: "The format's names of columns to the file's, as `question = \"problem\"`; the file's may be a path such as `meta.answer`.",
            kind: Kind::Free,
            mark: Mark::OPTIONAL,
        },
        Field { name: "config", help: "The configuration of a data-set folder that has several.", kind: Kind::Text, mark: Mark::OPTIONAL },
        Field {
            name: "split",
            help: "The part of a folder to learn from, where it is not the one called train.",
            kind: Kind::Text,
            mark: Mark::OPTIONAL,
        },
        Field {
            name: "bad_rows",
            help: "strict: a bad row refuses the data. skip: it is set aside in the run's rejects.jsonl with its reason.",
            kind: Kind::Choice(&BAD_ROWS),
            mark: Mark::OPTIONAL,
        },
        Field {
            name: "max_bad_share",
            help: "The largest share of bad rows that `skip` sets aside.",
            kind: Kind::Number,
            mark: Mark::OPTIONAL.limit(Between(0.0, 1.0)),
        },
        Field {
            name: "min_chars",
            help: "Examples with fewer characters (prompt and answers together) are left out.",
            kind: Kind::Count,
            mark: Mark::OPTIONAL,
        },
        Field {
            name: "max_chars",
            help: "Examples with more characters are left out; 0 takes all.",
            kind: Kind::Count,
            mark: Mark::OPTIONAL,
        },
        Field {
            name: "max_prompt_tokens",
            help: "Examples whose prompt has more tokens are left out; 0 takes all.",
            kind: Kind::Count,
            mark: Mark::OPTIONAL,
        },
        Field {
            name: "max_tokens",
            help: "Examples whose prompt and longest answer have more tokens are left out; 0 takes all.",
            kind: Kind::Count,
            mark: Mark::OPTIONAL,
        },
        Field {
            name: "dedup",
            help: "none, exact (the same content comes once) or near (so does what is nearly the same).",
            kind: Kind::Choice(&DEDUP),
            mark: Mark::OPTIONAL,
        },
        Field {
            name: "near",
            help: "From which share of common word sequences two texts are nearly the same.",
            kind: Kind::Number,
            mark: Mark::OPTIONAL.limit(AboveUpTo(0.0, 1.0)),
        },
        Field {
            name: "decontaminate",
            help: "Evaluation sets: what shares a long word sequence with one of their prompts is not trained on. \"heldout\" stands for the held-out part.",
            kind: Kind::Texts,
            mark: Mark::OPTIONAL.limit(NotEmpty),
        },
        Field {
            name: "decontaminate_words",
            help: "How many words in a row must be common for that.",
            kind: Kind::Count,
            mark: Mark::OPTIONAL.limit(AtLeast(1.0)),
        },
    ],
    open: false,
    repeated: false,
};

const ALGORITHM: Section = Section {
    path: "algorithm",
    help: "The algorithm; further keys are its knobs (`collimate algorithms NAME` lists them).",
    fields: &[Field { name: "name", help: "Its name.", kind: Kind::Text, mark: Mark::OPTIONAL.limit(NotEmpty) }],
    open: true,
    repeated: false,
};

const REWARD: Section = Section {
    path: "reward",
    help: "A reward; further keys are its knobs (`collimate rewards NAME` lists them). The first one decides what counts as right. A later layer replaces the whole list.",
    fields: &[
        Field { name: "name", help: "Its name.", kind: Kind::Text, mark: Mark::OPTIONAL.limit(NotEmpty) },
        Field {
            name: "plugin",
            help: "Instead of a built-in reward: a program of yours, a path or a list of path and arguments (`collimate rewards plugin`).",
            kind: Kind::Free,
            mark: Mark::OPTIONAL,
        },
        Field {
            name: "http",
            help: "Instead of a built-in reward: the address of a verifier (`collimate rewards http`).",
            kind: Kind::Text,
            mark: Mark::OPTIONAL.limit(NotEmpty),
        },
        Field {
            name: "model",
            help: "Instead of a built-in reward: a reward model, a run of `reward_model` or a directory (`collimate rewards model`).",
            kind: Kind::Text,
            mark: Mark::OPTIONAL.limit(NotEmpty),
        },
        Field {
            name: "label",
            help: "The name it is logged under; its own by default.",
            kind: Kind::Text,
            mark: Mark::OPTIONAL.limit(NotEmpty),
        },
        Field { name: "weight", help: "What its score is multiplied with; 0 only logs it.", kind: Kind::Number, mark: Mark::OPTIONAL },
        Field {
            name: "role",
            help: "term: weight times score is added; factor: the sum is multiplied with the score; gate: below `at_least` the total is `closed`.",
            kind: Kind::Choice(&["term", "factor", "gate"]),
            mark: Mark::OPTIONAL,
        },
        Field { name: "at_least", help: "The score from which a gate is open; 1 by default.", kind: Kind::Number, mark: Mark::OPTIONAL },
        Field { name: "closed", help: "The total where a gate is shut; 0 by default.", kind: Kind::Number, mark: Mark::OPTIONAL },
        Field {
            name: "normalise",
            help: "group: a term is added as (score - mean) / std over the answers of its group; none by default.",
            kind: Kind::Choice(&["none", "group"]),
            mark: Mark::OPTIONAL,
        },
        Field {
            name: "only_named",
            help: "Whether only rows whose `reward` names it are judged by it; false by default.",
            kind: Kind::Flag,
            mark: Mark::OPTIONAL,
        },
    ],
    open: true,
    repeated: true,
};

/// All sections, in the order in which a recipe is written.
pub(super) fn all() -> [Section; 14] {
    [
        RunSection::SECTION,
        ModelSection::SECTION,
        DATA,
        SamplingSection::SECTION,
        RolloutSection::SECTION,
        ALGORITHM,
        REWARD,
        RewardPolicySection::SECTION,
        LearnerSection::SECTION,
        LoraSection::SECTION,
        CriticSection::SECTION,
        EvalSection::SECTION,
        CheckpointSection::SECTION,
        LogSection::SECTION,
    ]
}

/// A key by its dotted path, with its section.
pub(super) fn field(path: &str) -> Option<(Section, Field)> {
    let (section, name) = path.rsplit_once('.')?;
    let found = all().into_iter().find(|s| s.path == section)?;
    let field = found.fields.iter().find(|f| f.name == name)?;
    let kind = match path {
        "learner.schedule" | "critic.schedule" => Kind::Choice(&SCHEDULES),
        "critic.head" => Kind::Choice(&["zero", "normal"]),
        "learner.reuse_rollout" => Kind::Choice(&["auto", "off"]),
        _ => field.kind,
    };
    Some((found, Field { kind, ..*field }))
}
