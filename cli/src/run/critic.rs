//! The critic of a run: a model of its own, from the recipe to its checkpoint.

use std::path::{Path, PathBuf};

use collimate_algorithms::Algorithm;
use collimate_learners::{CriticConfig, CriticLearner, LearnerConfig, LearnerState, OptimizerConfig, Schedule};
use collimate_models::{Fresh, Recording, ScoreModel, Source, TensorFile, config_json, open, write_weights};
use collimate_store::{Blob, Checkpoint};
use collimate_types::{CreditedBatch, Metrics, Seed};
use tch::Kind;

use crate::config::Recipe;
use crate::exit::{Exit, OrExit, refused};
use crate::session;

/// Where a checkpoint holds the critic: a directory that is a model by itself.
const DIR: &str = "trainer/critic";
/// Its optimizer's moments.
const OPTIMIZER: &str = "trainer/critic/optimizer.safetensors";
/// What `critic.init` says of a critic that starts as the policy does.
const POLICY: &str = "policy";

/// A critic, as the recipe wants it.
#[derive(Debug, Clone)]
pub(crate) struct CriticJob {
    /// The trunk it starts from, and its head if it has one.
    pub(super) init: PathBuf,
    /// The head if there is none.
    pub(super) fresh: Fresh,
    /// How it learns.
    pub(super) config: CriticConfig,
}

/// The critic of a recipe, if its algorithm has one.
pub(super) fn job(recipe: &Recipe, algorithm: &dyn Algorithm, learner: &LearnerConfig, seed: Seed) -> Option<CriticJob> {
    algorithm.critic()?;
    let c = &recipe.critic;
    let epochs = if c.epochs == 0 { learner.epochs } else { c.epochs };
    let schedule = Schedule {
        shape: super::build::shape(&c.schedule),
        lr: c.lr,
        warmup: c.lr_warmup_steps,
        total: recipe.run.steps * u64::from(epochs) * learner.minibatches as u64,
        min_ratio: c.min_lr_ratio,
        decay_share: learner.schedule.decay_share,
    };
    let optimizer = OptimizerConfig { weight_decay: c.weight_decay, clip_grad: c.clip_grad, ..learner.optimizer };
    Some(CriticJob {
        init: if c.init.as_os_str() == POLICY { recipe.model.path.clone() } else { c.init.clone() },
        fresh: if c.head == "normal" { Fresh::Normal(seed.fork("critic", 0)) } else { Fresh::Zero },
        config: CriticConfig { warmup_steps: c.warmup_steps, learner: LearnerConfig { epochs, optimizer, schedule, ..*learner } },
    })
}

/// Opens a critic's model without reading its weights: the stored one of a checkpoint, or the one it starts from.
///
/// # Errors
/// With code 3 when it is bad or missing, with code 2 when it reads other tokens than the policy or shorter texts.
fn source(job: &CriticJob, checkpoint: Option<&Checkpoint>, policy: &Source) -> Result<Source, Exit> {
    let path = checkpoint.map_or_else(|| session::model_dir(&job.init), |c| Ok(c.dir.join(DIR)))?;
    let source = open(&path).or_model()?;
    let (critic, policy) = (&source.config, &policy.config);
    if critic.vocab != policy.vocab || critic.max_positions < policy.max_positions {
        return Err(refused(format!(
            "the critic `{}` has {} tokens and a context of {}, the policy {} and {}; it must read what the policy writes: set critic.init = \"policy\", or a model of the same family",
            path.display(),
            critic.vocab,
            critic.max_positions,
            policy.vocab,
            policy.max_positions
        )));
    }
    Ok(source)
}

/// A critic at work.
#[derive(Debug)]
pub(super) struct Critic {
    pub(super) model: ScoreModel,
    pub(super) learner: CriticLearner,
}

impl Critic {
    /// The critic of a run, at its start or as a checkpoint holds it: its weights are read.
    ///
    /// # Errors
    /// As [`source`], and when a weight cannot be read.
    pub(super) fn open(job: &CriticJob, checkpoint: Option<&Checkpoint>, policy: &Source) -> Result<Self, Exit> {
        let model = source(job, checkpoint, policy)?.load_scores(Kind::Float, Some(job.fresh)).or_model()?;
        let learner = CriticLearner::new(&model, job.config);
        Ok(Self { model, learner })
    }

    /// All updates of a flow step.
    pub(super) fn step(&mut self, algorithm: &dyn Algorithm, batch: &CreditedBatch, recording: &mut Recording) -> Result<Metrics, Exit> {
        let Some(loss) = algorithm.critic() else { return Ok(Metrics::default()) };
        self.learner.step(&self.model, loss, batch, recording.tape()).or_failed()
    }

    /// Its files in a checkpoint.
    pub(super) fn blobs(&self) -> Vec<Blob<'_>> {
        let file = |name: &str| format!("{DIR}/{name}");
        let (model, optimizer) = (&self.model, self.learner.optimizer());
        vec![
            Blob::bytes(file("config.json"), format!("{:#}\n", config_json(model)).into_bytes()),
            Blob::new(file("model.safetensors"), move |out| write_weights(model, out).map_err(std::io::Error::other)),
            Blob::new(OPTIMIZER, move |out| optimizer.write(model, out).map_err(std::io::Error::other)),
        ]
    }

    /// Takes a checkpoint's moments and numbers back; the weights were loaded from it.
    pub(super) fn restore(&mut self, checkpoint: &Checkpoint, state: Option<LearnerState>) -> Result<(), Exit> {
        let state = state.ok_or("the checkpoint holds no critic, and the run has one; start a new run with `--init-from`").or_model()?;
        let moments = TensorFile::open(Path::new(&checkpoint.path(OPTIMIZER))).or_model()?;
        self.learner.restore(&self.model, &moments, state).or_model()
    }
}
