//! Adapters through whole runs: resume, the base, the reference, export, and what takes an adapter.

use std::fs;
use std::path::Path;

use crate::support::{Bench, metrics, run, said, tiny_model};

/// What makes the small recipe train adapters, with a reference, a rate that moves them and one update a step.
pub(crate) const LORA: [&str; 5] = [
    "lora.rank=4",
    "lora.targets=[\"q_proj\", \"v_proj\", \"down_proj\"]",
    "algorithm.beta=0.05",
    "learner.lr=0.02",
    "learner.minibatches=1",
];

fn files(checkpoint: &Path) -> Vec<(&'static str, Vec<u8>)> {
    ["adapter_model.safetensors", "adapter_config.json", "trainer/optimizer.safetensors", "trainer/rng.bin"]
        .map(|name| (name, fs::read(checkpoint.join(name)).unwrap_or_else(|e| panic!("{}: {e}", checkpoint.join(name).display()))))
        .to_vec()
}

fn greedy(words: &[&str]) -> serde_json::Value {
    let args = ["generate", "--json", "--raw", "--threads", "1", "--max-new-tokens", "12", "-p", "3 + 4 ="];
    run(args.iter().chain(words)).with_code(0).json_lines().remove(0)
}

#[test]
fn with_adapters_k_steps_and_a_resume_equal_six_steps_byte_for_byte() {
    for more in [&[][..], &["lora.dropout=0.1"]] {
        let words = [&LORA[..], more].concat();
        let bench = Bench::new();
        bench.trained("whole", &words);
        let steps = |name: &str| metrics(&bench.run_dir(name));
        for k in [1, 3] {
            let (name, until) = (format!("parts-{k}"), format!("run.steps={k}"));
            bench.trained(&name, &[&words[..], &[until.as_str()]].concat());
            let said = bench.trained(&name, &[&words[..], &["--resume", "run.steps=6"]].concat());
            assert!(said.err.contains("bitwise: yes"), "{}", said.err);
            assert_eq!(steps(&name), steps("whole"));
            for ((file, a), (_, b)) in files(&bench.checkpoint(&name, 6)).iter().zip(&files(&bench.checkpoint("whole", 6))) {
                assert!(a == b, "{file} differs, {words:?}");
            }
        }
        let trained = files(&bench.checkpoint("whole", 1));
        assert!(trained[0].1 != files(&bench.checkpoint("whole", 6))[0].1, "nothing was learnt");
        assert!(!bench.checkpoint("whole", 6).join("model.safetensors").exists(), "the base is not written");
        // Step 1 is on the reference itself; later steps leave it.
        let lines: Vec<_> = steps("whole").into_iter().filter(|l| l.get("kl").is_some()).collect();
        let kl: Vec<f64> = lines.iter().map(|l| l["kl"].as_f64().unwrap()).collect();
        assert!(kl[0].abs() < 1e-6 && kl[5] > 1e-6, "{kl:?}");
        // The sampler adds the adapters as the learner does.
        let far = steps("whole").iter().filter_map(|l| l.get("sampling/logp_diff_max")?.as_f64()).fold(0.0, f64::max);
        assert!(far < 1e-4, "sampler and learner differ by {far}");
    }
}

#[test]
fn a_resume_over_another_base_is_refused() {
    let bench = Bench::new();
    crate::support::tiny_model_in(&bench.path("model"));
    let model = format!("model.path={}", bench.path("model").display());
    let words = [&LORA[..], &[model.as_str()]].concat();
    bench.trained("run", &[&words[..], &["run.steps=1"]].concat());
    let file = bench.path("model").join("model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    fs::write(&file, bytes).unwrap();
    said(&mut bench.train("run", &[&words[..], &["--resume"]].concat())).with_code(2).telling(&["the base model has changed"]);
}

#[test]
fn an_adapter_is_served_merged_exported_and_gone_on_with() {
    let bench = Bench::new();
    bench.trained("run", &[&LORA[..], &["run.steps=2"]].concat());
    let (checkpoint, base) = (bench.checkpoint("run", 2), tiny_model().to_str().unwrap());
    let adapter = checkpoint.to_str().unwrap();
    let served = greedy(&["--model", base, "--adapter", adapter]);
    assert_ne!(served["logp"], greedy(&["--model", base])["logp"]);
    assert_eq!(greedy(&["--model", adapter]), served, "an adapter names its base");
    assert_eq!(greedy(&["--model", bench.run_dir("run").to_str().unwrap()]), served, "a run stands for its newest checkpoint");

    let (whole, apart) = (bench.path("merged"), bench.path("adapter"));
    let (whole, apart) = (whole.to_str().unwrap(), apart.to_str().unwrap());
    run(["ckpt", "export", "--merge", adapter, whole]).with_code(0);
    run(["ckpt", "export", adapter, apart]).with_code(0);
    assert_eq!(greedy(&["--model", whole]), served);
    assert_eq!(greedy(&["--model", base, "--adapter", apart]), served);
    assert!(Path::new(whole).join("config.json").exists() && !Path::new(whole).join("adapter_config.json").exists());

    // Another run begins from it: with adapters of the same shape, or with all weights.
    let first = |name: &str| metrics(&bench.run_dir(name)).into_iter().find(|l| l.get("kl").is_some()).unwrap();
    bench.trained("more", &[&LORA[..], &["run.steps=1", "--init-from", apart]].concat());
    assert!(first("more")["kl"].as_f64().unwrap().abs() < 1e-6, "the reference is where training began");
    bench.trained("full", &["run.steps=1", "algorithm.beta=0.05", "--init-from", apart]);
    assert!(bench.checkpoint("full", 1).join("model.safetensors").exists());
    let other = [&LORA[1..], &["lora.rank=5", "run.steps=1", "--init-from", apart]].concat();
    said(&mut bench.train("other", &other)).with_code(3).telling(&["has rank 4", "ckpt export --merge"]);
}

#[test]
fn a_plan_counts_adapters_instead_of_weights() {
    let bench = Bench::new();
    let plan = |more: &[&str]| {
        let words = bench.words("plan", more);
        let args = std::iter::once("plan".to_owned()).chain(words).chain(["--json".to_owned()]);
        run(args).with_code(0).json_lines().remove(0)
    };
    let with = plan(&LORA);
    assert_eq!((with["memory_mb"]["reference"].as_u64(), with["lora"]["rank"].as_i64()), (Some(0), Some(4)));
    assert!(plan(&["algorithm.beta=0.05"])["lora"].is_null());
    let refused = bench.words("plan", &["lora.rank=2", "lora.targets=[]"]);
    run(std::iter::once("plan".to_owned()).chain(refused)).with_code(2).telling(&["lora.targets", "no projection to adapt"]);
}
