//! What `cargo xtask algorithm` runs on a copy of the checkout that has one more algorithm.

use crate::support::{Bench, metrics, run, state};

#[test]
#[ignore = "`cargo xtask algorithm` runs it, on a copy that has the algorithm"]
fn an_added_algorithm_is_listed_and_trains_three_steps() {
    let name = std::env::var("COLLIMATE_ADDED").unwrap();
    let card = run(["algorithms", name.as_str()]).with_code(0);
    assert!(card.out.contains("median"), "{}", card.out);
    let bench = Bench::new();
    bench.trained("added", &["run.steps=3", &format!("algorithm.name={name}")]);
    let losses: Vec<f64> = metrics(&bench.run_dir("added")).iter().filter_map(|l| l.get("loss")?.as_f64()).collect();
    assert!(losses.len() == 3 && losses.iter().all(|l| l.is_finite()), "{losses:?}");
    assert_ne!(state(&bench.checkpoint("added", 1))["model.safetensors"], state(&bench.checkpoint("added", 3))["model.safetensors"]);
}
