//! The rules between rows and a run: filters, repetitions, evaluation sets, mixtures, bad rows.

use collimate_datasets::{DataConfig, DataError, Measure, Source, check_with, load, load_as, stats};
use collimate_types::{Message, PreferencePair, Seed, Task};
use std::path::PathBuf;
use tempfile::TempDir;

fn write(dir: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

fn prompts(texts: &[&str]) -> String {
    texts.iter().map(|t| format!("{}\n", serde_json::json!({"prompt": t, "answer": t.len()}))).collect()
}

fn config(train: PathBuf) -> DataConfig {
    DataConfig { train: Some(train), heldout_rows: 0, ..DataConfig::default() }
}

fn texts(tasks: &[std::sync::Arc<Task>]) -> Vec<&str> {
    tasks.iter().map(|t| t.text.as_deref().unwrap()).collect()
}

/// A token a word.
struct Words;

impl Measure for Words {
    fn prompt(&self, text: Option<&str>, messages: &[Message]) -> Result<usize, String> {
        Ok(text.into_iter().chain(messages.iter().map(|m| m.content.as_str())).map(|t| t.split_whitespace().count()).sum())
    }

    fn answer(&self, text: &str) -> Result<usize, String> {
        Ok(text.split_whitespace().count())
    }
}

#[test]
fn long_and_short_rows_are_left_out_and_counted() {
    let dir = TempDir::new().unwrap();
    let base = config(write(&dir, "p.jsonl", prompts(&["a", "four words are here", "five words are in here"])));
    let chars = load(&DataConfig { min_chars: 2, max_chars: 20, ..base.clone() }, Seed(0)).unwrap();
    assert_eq!(texts(&chars.train.tasks), ["four words are here"]);
    assert_eq!(chars.counts.left_out.len(), 2);
    let tokens = DataConfig { max_prompt_tokens: 4, ..base.clone() };
    let split = load_as::<Task>(&tokens, Seed(0), Some(&Words)).unwrap();
    assert_eq!(texts(&split.train.tasks), ["a", "four words are here"]);
    assert!(load(&tokens, Seed(0)).unwrap_err()[0].to_string().contains("model.path"), "no tokenizer, no counting");
    let none = load(&DataConfig { min_chars: 100, ..base }, Seed(0)).unwrap_err();
    assert!(matches!(&none[..], [DataError::NothingLeft { why, .. }] if why.contains("3: fewer characters")), "{none:?}");
}

#[test]
fn rows_that_come_twice_or_nearly_so_are_taken_once() {
    let dir = TempDir::new().unwrap();
    let long = "The quick brown fox jumps over the lazy dog and runs through the dark wood until it finds a small warm house by the river.";
    let near = long.to_uppercase().replace("RIVER", "lake");
    let base = config(write(&dir, "p.jsonl", prompts(&[long, "x", "x", &near, "y"])));
    let of = |dedup: &str| load(&DataConfig { dedup: dedup.into(), ..base.clone() }, Seed(0)).unwrap();
    assert_eq!(of("none").train.len(), 5);
    assert_eq!(texts(&of("exact").train.tasks), [long, "x", &near, "y"]);
    assert_eq!(texts(&of("near").train.tasks), [long, "x", "y"]);
    assert_eq!(of("near").counts.left_out.values().collect::<Vec<_>>(), [&1, &1]);
    assert!(load(&DataConfig { dedup: "exakt".into(), ..base }, Seed(0)).unwrap_err()[0].to_string().contains("did you mean \"exact\"?"));
}

#[test]
fn what_an_evaluation_set_asks_is_not_trained_on() {
    let dir = TempDir::new().unwrap();
    let train = write(&dir, "t.jsonl", prompts(&["Anna has three green pens and two red ones, how many?", "Something else", "2+2?"]));
    let test = write(&dir, "e.jsonl", prompts(&["anna has three green pens AND four books", "2 + 2"]));
    let decontaminate = vec![test.display().to_string()];
    let split = load(&DataConfig { decontaminate, decontaminate_words: 5, ..config(train) }, Seed(0)).unwrap();
    assert_eq!(texts(&split.train.tasks), ["Something else"]);
    assert_eq!(split.counts.left_out.values().sum::<u64>(), 2);
}

#[test]
fn columns_are_mapped_and_errors_point_at_the_files_own_column() {
    let dir = TempDir::new().unwrap();
    let text = "{\"q\": \"2+2?\", \"meta\": {\"a\": \"4 #### 4\"}}\n{\"q\": \"x\", \"meta\": {\"a\": 7}}\n";
    let columns = [("question", "q"), ("answer", "meta.a")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
    let base = DataConfig { format: "gsm8k".into(), columns, ..config(write(&dir, "c.jsonl", text)) };
    let shown = load(&base, Seed(0)).unwrap_err()[0].to_string();
    assert!(shown.contains("c.jsonl:2:12: `answer` is a number"), "{shown}");
    let good = DataConfig { bad_rows: "skip".into(), max_bad_share: 0.5, ..base };
    assert_eq!(load(&good, Seed(0)).unwrap().train.tasks[0].truth["answer"], "4");
}

#[test]
fn one_bad_row_of_a_thousand_is_refused_or_set_aside() {
    let dir = TempDir::new().unwrap();
    let mut rows: Vec<String> = (0..1000).map(|i| format!("{{\"prompt\": \"question {i}\", \"answer\": {i}}}")).collect();
    rows[500] = "{\"prompt\": \"question 500\" \"answer\": 1}".into();
    let base = config(write(&dir, "d1.jsonl", rows.join("\n")));
    let strict = load(&base, Seed(0)).unwrap_err();
    assert!(strict.len() == 1 && strict[0].to_string().contains("d1.jsonl:501:27: not JSON"), "{strict:?}");
    let skip = DataConfig { bad_rows: "skip".into(), ..base.clone() };
    let split = load(&skip, Seed(0)).unwrap();
    assert_eq!((split.train.len(), split.rejected.len()), (999, 1));
    let rejected = &split.rejected[0];
    assert_eq!((rejected.line, rejected.column, rejected.row.as_str()), (501, 27, rows[500].as_str()));
    let report = check_with(base.train.as_ref().unwrap(), &skip).unwrap();
    assert_eq!((report.good, report.wrong, report.rejected.len(), report.usable()), (999, 1, 1, true));
    let capped = load(&DataConfig { max_bad_share: 0.0001, ..skip }, Seed(0)).unwrap_err();
    assert!(matches!(capped[0], DataError::TooManyBad { wrong: 1, rows: 1000, .. }), "{capped:?}");
    assert!(capped[1].to_string().contains("d1.jsonl:501:27"), "the rows themselves are shown");
}

#[test]
fn a_mixture_keeps_its_shares_and_its_held_out_rows() {
    let dir = TempDir::new().unwrap();
    let a: Vec<String> = (0..50).map(|i| format!("a{i}")).collect();
    let b: Vec<String> = (0..20).map(|i| format!("b{i}")).collect();
    let file = |name: &str, rows: &[String]| write(&dir, name, prompts(&rows.iter().map(String::as_str).collect::<Vec<_>>()));
    let source = |path: PathBuf, weight| Source { path: Some(path), weight, ..Source::default() };
    let made = Source { weight: 0.1, format: "arithmetic".into(), ..Source::default() };
    let mixture = vec![source(file("a.jsonl", &a), 0.7), source(file("b.jsonl", &b), 0.2), made];
    let config = DataConfig { mixture, block: 10, heldout_rows: 9, ..DataConfig::default() };
    let split = load(&config, Seed(4)).unwrap();
    assert_eq!(split.heldout.len(), 9);
    let order = collimate_datasets::Order::new(&split.train, Seed(4), true);
    for block in order.next(&mut Default::default(), 100).chunks(10) {
        let starting = |c: char| block.iter().filter(|t| t.text.as_ref().unwrap().starts_with(c)).count();
        assert_eq!((starting('a'), starting('b')), (7, 2));
    }
    let both = DataConfig { train: Some("x".into()), ..config.clone() };
    assert!(load(&both, Seed(0)).unwrap_err()[0].to_string().contains("either `data.train` or `[[data.mixture]]`"));
    let mut wrong = config;
    wrong.mixture[1].weight = 0.0;
    assert!(load(&wrong, Seed(0)).unwrap_err()[0].to_string().contains("`data.mixture.1.weight` = 0"));
}

#[test]
fn the_figures_of_a_set_are_right() {
    let dir = TempDir::new().unwrap();
    let pair =
        |p: &str, c: &str, r: &str, label: f64| serde_json::json!({"prompt": p, "chosen": c, "rejected": r, "label": label}).to_string();
    let rows =
        [pair("p q", "long answer", "no", 1.0), pair("p q", "a", "bbb", 1.0), pair("p q", "a", "bbb", 1.0), pair("z", "tie", "tie", 0.5)];
    let path = write(&dir, "s.jsonl", rows.join("\n"));
    let figures = stats(&path, &DataConfig::default(), None, Some(12)).unwrap();
    assert_eq!((figures.rows, figures.good, figures.repeated, figures.repeated_prompts), (4, 4, 1, 2));
    let pairs = figures.pairs.as_ref().unwrap();
    assert_eq!((pairs.pairs, pairs.ties, pairs.longer_shorter_same, pairs.length_sums), (4, 1, [1, 2, 0], [13, 8]));
    assert_eq!(figures.truncated.map(|t| (t.rows, t.share)), Some((1, 0.25)));
    assert_eq!((figures.prompt.mean(), figures.answer.quantile(1.0), figures.total.quantile(0.5)), (2.5, 11, 6));
    let tokens = stats(&path, &DataConfig::default(), Some(&Words), None).unwrap();
    assert_eq!((tokens.unit, tokens.prompt.mean(), tokens.answer.quantile(1.0)), ("tokens", 1.75, 2));
    let shown = figures.to_string();
    for part in ["length bias", "33.3%", "repeated rows  1 (25.00%)", "truncated      1 rows are longer than 12 characters (25.00%)", "█"]
    {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
}

#[test]
fn a_folder_is_split_by_the_names_of_its_files() {
    let dir = TempDir::new().unwrap();
    for (name, text) in [("train-00000.jsonl", "a"), ("train-00001.jsonl", "b"), ("test-00000.jsonl", "c")] {
        write(&dir, &format!("set/data/{name}"), prompts(&[text]));
    }
    let root = dir.path().join("set");
    let split = load(&DataConfig { heldout: Some(root.clone()), ..config(root.clone()) }, Seed(0)).unwrap();
    assert_eq!((texts(&split.train.tasks), texts(&split.heldout.tasks)), (vec!["a", "b"], vec!["c"]));
    let pattern = root.join("data/train-*.jsonl");
    assert_eq!(load(&config(pattern), Seed(0)).unwrap().train.len(), 2);
}

#[test]
fn the_real_pairs_are_read_and_the_odd_ones_named() {
    let Some(dir) = std::env::var_os("COLLIMATE_DATA") else {
        return println!(
            "skipped: COLLIMATE_DATA is not set; it names a folder with hh-rlhf/harmless-train.jsonl.gz, its first 1,700 rows"
        );
    };
    let file = std::path::Path::new(&dir).join("hh-rlhf/harmless-train.jsonl.gz");
    assert!(file.is_file(), "{} is not there", file.display());
    let split = load_as::<PreferencePair>(&config(file), Seed(0), None).unwrap();
    assert_eq!((split.train.len(), split.format), (1700, "hh-rlhf"));
    let notes: Vec<_> = split.counts.notes.iter().map(|(n, c)| (*n, *c)).collect();
    assert_eq!(notes, [("an answer is empty", 3), ("the sides part before the last answer", 4)]);
}
