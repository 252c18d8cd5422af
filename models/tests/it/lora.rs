//! Adapters: their gradient, their modes, their files.

use collimate_bridge::DecodeRow;
use collimate_models::{
    AdapterMode, KvCache, LoraConfig, Model, Packed, PeftDir, open,
    peft::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, adapter_config_json, write_adapter},
    write_weights,
};
use collimate_types::Seed;
use tch::{Kind, Tensor};

use crate::gradients::{Way, blocks, naive_gradients, packed_gradients, rooted};
use crate::support::{data, farthest, relative, tiny};

const ALL: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

fn config(dropout: f64, targets: &[&str]) -> LoraConfig {
    LoraConfig { rank: 3, alpha: 5.0, dropout, targets: targets.iter().map(|t| (*t).to_owned()).collect(), rslora: false }
}

/// The tiny model with fresh adapters.
fn fresh(kind: Kind, config: &LoraConfig) -> Model {
    let source = open(&data("tiny")).unwrap();
    let mut model = source.load(kind).unwrap();
    source.adapt(&mut model, config, Seed(11)).unwrap();
    model
}

/// The same, with a B that is not zero: a function of the place, so that two models are equal.
fn adapted(kind: Kind, config: &LoraConfig) -> Model {
    let model = fresh(kind, config);
    move_adapters(&model, 0.05);
    model
}

fn move_adapters(model: &Model, by: f64) {
    for (i, param) in model.params().into_iter().filter(|p| p.is_adapter()).enumerate() {
        let value = param.value().detach();
        let wave = (Tensor::arange(value.numel() as i64, (Kind::Double, value.device())) * (0.7 + i as f64)).sin() * by;
        let _ = value.shallow_clone().g_add_(&wave.view(value.size().as_slice()).to_kind(value.kind()));
    }
}

fn packed() -> Packed {
    Packed::new(&blocks()).unwrap()
}

fn logits(model: &Model) -> Tensor {
    model.logits(&model.forward(&packed(), None).unwrap())
}

fn base_of(model: &Model) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_weights(model, &mut bytes).unwrap();
    bytes
}

#[test]
fn the_gradient_is_autograds_with_and_without_dropout_in_every_packing() {
    let _guard = tch::no_grad_guard();
    for (dropout, targets) in [(0.0, &ALL[..]), (0.3, &ALL[..]), (0.3, &["v_proj", "down_proj"][..])] {
        let config = config(dropout, targets);
        for all in [blocks(), rooted()] {
            let made = || adapted(Kind::Double, &config);
            let run = |model: &Model, work: &dyn Fn(&Model) -> _| model.with_adapters(model.training_mode(4), || work(model));
            let (logp, wanted) = run(&made(), &|m| naive_gradients(m, &all, 0.7));
            assert_eq!(wanted.len(), 2 * 2 * targets.len(), "two layers, A and B of each target, and nothing of the base");
            let cuts = [vec![all.clone()], all.iter().map(|b| vec![b.clone()]).collect()];
            for (micro, way) in cuts.iter().flat_map(|c| [Way::ByHand, Way::Recomputed, Way::Autograd].map(|w| (c, w))) {
                let (ours, grads) = run(&made(), &|m| packed_gradients(m, micro, 0.7, way));
                for (a, b) in ours.iter().zip(&logp) {
                    assert!((a.0, a.1) == (b.0, b.1) && (a.2 - b.2).abs() < 1e-11, "{a:?} against {b:?}");
                }
                assert_eq!(grads.len(), wanted.len());
                for ((name, grad), (other, wanted)) in grads.iter().zip(&wanted) {
                    let far = relative(grad, wanted);
                    assert!(name == other && far <= 1e-9, "{name}, {way:?}, dropout {dropout}: {far:e}");
                }
            }
        }
    }
}

#[test]
fn dropout_changes_with_the_update_and_stays_out_of_serving() {
    let _guard = tch::no_grad_guard();
    let model = adapted(Kind::Double, &config(0.3, &ALL));
    let at = |update| model.with_adapters(model.training_mode(update), || logits(&model));
    assert_eq!(farthest(&at(1), &at(1)), 0.0);
    assert!(farthest(&at(1), &at(2)) > 1e-6);
    assert_eq!(farthest(&logits(&model), &logits(&adapted(Kind::Double, &config(0.0, &ALL)))), 0.0);
}

#[test]
fn a_new_adapter_changes_nothing_and_the_reference_is_the_model_without_it() {
    let _guard = tch::no_grad_guard();
    let (plain, config) = (logits(&tiny(Kind::Float)), config(0.0, &ALL));
    assert_eq!(farthest(&logits(&fresh(Kind::Float, &config)), &plain), 0.0);
    let model = adapted(Kind::Float, &config);
    assert!(farthest(&logits(&model), &plain) > 1e-3);
    assert_eq!(farthest(&model.with_adapters(AdapterMode::Start, || logits(&model)), &plain), 0.0);
    assert!(farthest(&logits(&model), &plain) > 1e-3, "the mode is set back");
}

#[test]
fn merged_is_unmerged_and_saved_is_read_back() {
    let _guard = tch::no_grad_guard();
    for rslora in [false, true] {
        let config = LoraConfig { rslora, ..config(0.1, &["q_proj", "v_proj", "up_proj", "down_proj"]) };
        let mut model = adapted(Kind::Double, &config);
        let unmerged = logits(&model);
        let dir = tempfile::tempdir().unwrap();
        let json = adapter_config_json(&config, &data("tiny"));
        std::fs::write(dir.path().join(ADAPTER_CONFIG), json.to_string()).unwrap();
        write_adapter(&model, &mut std::fs::File::create(dir.path().join(ADAPTER_WEIGHTS)).unwrap()).unwrap();
        model.merge();
        assert!(farthest(&logits(&model), &unmerged) <= 1e-11, "merged");

        let source = open(dir.path()).unwrap();
        let read = source.adapter().unwrap();
        assert_eq!((read.config.rank, read.config.scale(), read.config.rslora), (config.rank, config.scale(), rslora));
        // The file holds float32.
        assert!(farthest(&logits(&source.load(Kind::Double).unwrap()), &unmerged) <= 1e-6, "read back and merged");
        let mut apart = open(dir.path()).unwrap();
        apart.keep_adapter_apart(true);
        let mut again = apart.load(Kind::Double).unwrap();
        apart.adapt(&mut again, &config, Seed(1)).unwrap();
        assert!(farthest(&logits(&again), &unmerged) <= 1e-6, "read back to be trained");
        // Gone on with, the reference is what training began from.
        let begun = logits(&again);
        move_adapters(&again, 0.03);
        assert!(farthest(&logits(&again), &begun) > 1e-4);
        assert_eq!(farthest(&again.with_adapters(AdapterMode::Start, || logits(&again)), &begun), 0.0);
        again.merge();
        let other = LoraConfig { rank: 4, ..config.clone() };
        let error = apart.adapt(&mut apart.load(Kind::Float).unwrap(), &other, Seed(1)).unwrap_err().to_string();
        assert!(error.contains("rank 3") && error.contains("--merge"), "{error}");
    }
}

#[test]
fn what_is_more_than_a_low_rank_product_is_refused_by_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let model = adapted(Kind::Float, &config(0.0, &ALL));
    write_adapter(&model, &mut std::fs::File::create(dir.path().join(ADAPTER_WEIGHTS)).unwrap()).unwrap();
    let good = adapter_config_json(&config(0.0, &ALL), &data("tiny"));
    let cases = [
        ("peft_type", serde_json::json!("IA3")),
        ("use_dora", serde_json::json!(true)),
        ("bias", serde_json::json!("all")),
        ("modules_to_save", serde_json::json!(["score"])),
        ("rank_pattern", serde_json::json!({"q_proj": 4})),
        ("r", serde_json::json!(0)),
    ];
    for (key, value) in cases {
        let mut bad = good.clone();
        bad[key] = value;
        std::fs::write(dir.path().join(ADAPTER_CONFIG), bad.to_string()).unwrap();
        let error = PeftDir::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains(key), "{key}: {error}");
    }
    std::fs::write(dir.path().join(ADAPTER_CONFIG), good.to_string()).unwrap();
    assert!(PeftDir::open(dir.path()).is_ok());
    let nothing = tiny(Kind::Float).adapt(&config(0.0, &["x_proj"]), &|module| module.ends_with("x_proj"), Seed(1));
    let nothing = nothing.unwrap_err().to_string();
    assert!(nothing.contains("lora.targets") && nothing.contains("gate_proj"), "{nothing}");
}

#[test]
fn decoding_with_adapters_is_the_packed_forward() {
    let _guard = tch::no_grad_guard();
    let model = adapted(Kind::Double, &config(0.2, &ALL));
    let (prompt, answer) = ([5_u32, 6, 7, 8], [20_u32, 21, 22]);
    let whole = Packed::new(&[collimate_models::Block { prefix: [&prompt[..], &answer].concat(), suffixes: vec![] }]).unwrap();
    let wanted = model.logits(&model.forward(&whole, None).unwrap());
    let (mut prefixes, hidden) = model.prefill(&[&prompt], None).unwrap();
    assert!(farthest(&model.decode_logits(&hidden).unwrap(), &wanted.narrow(0, 3, 1)) <= 1e-11);
    let mut cache = KvCache::new(&model.config, Kind::Double, 1, 8);
    let place = cache.insert(prefixes.remove(0));
    for (i, token) in (0_i64..).zip(&answer) {
        let row = DecodeRow { slot: 0, own_len: i, prefix: place, prefix_len: 4 };
        let hidden = model.decode(&[*token], vec![row], &cache, None).unwrap();
        let far = farthest(&model.decode_logits(&hidden).unwrap(), &wanted.narrow(0, 4 + i, 1));
        assert!(far <= 1e-11, "token {i}: {far:e}");
    }
}

#[test]
fn the_base_has_no_gradient_and_stays_as_it_is() {
    let _guard = tch::no_grad_guard();
    let model = adapted(Kind::Double, &config(0.0, &ALL));
    let before = base_of(&model);
    let _ = packed_gradients(&model, &[blocks()], 1.0, Way::ByHand);
    for param in model.params() {
        assert_eq!(param.trainable(), param.is_adapter(), "{}", param.name());
        assert_eq!(param.has_grad(), param.is_adapter(), "{}", param.name());
    }
    assert!(base_of(&model) == before && before == base_of(&tiny(Kind::Double)));
}
