//! Rows C*, D* and N2: files and data that are damaged, hostile or wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use collimate_weights::gguf::{self, Gguf, Value};
use collimate_weights::safetensors::SafetensorsFile;
use collimate_weights::{Dtype, Encoding, TensorSource, WeightsError};

use crate::row::{Args, Dice, Outcome, holds};
use crate::support::{Bench, Said, collimate, run, said, tiny_model, tiny_model_in};

/// What a reader may take beyond its file.
const SLACK_KB: u64 = 64 << 10;
/// How long a refusal may take: most of it is the start of the process on a busy machine.
const QUICK: Duration = Duration::from_secs(2);

type Open = fn(&Path) -> Result<(), WeightsError>;

fn open_safetensors(path: &Path) -> Result<(), WeightsError> {
    let file = SafetensorsFile::open(path)?;
    file.tensors().iter().try_for_each(|t| file.read_bytes(&t.name).map(drop))
}

fn open_gguf(path: &Path) -> Result<(), WeightsError> {
    let file = Gguf::open(path)?;
    file.tensors().iter().try_for_each(|t| match file.read_f32(&t.name, &mut vec![0.0; t.elements()]) {
        Err(WeightsError::Kind { .. }) => Ok(()),
        other => other,
    })
}

/// The most memory that this process has held, in KiB.
fn peak_kb() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with("VmHWM:")).unwrap_or_default();
    line.split_ascii_whitespace().nth(1).and_then(|k| k.parse().ok()).unwrap_or(0)
}

/// Cuts at every byte of the head, and a thousand mutations: a typed error or a file that reads, never a panic, never more memory.
fn damaged(mut dice: Dice, good: &[u8], head: usize, open: Open) -> Vec<Result<(), String>> {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("file");
    let before = peak_kb();
    let mut done = Vec::new();
    let mut tried = |bytes: &[u8], what: String, must_fail: bool| {
        fs::write(&path, bytes).unwrap();
        let seen = holds(|| {
            let clock = Instant::now();
            let opened = open(&path);
            assert!(clock.elapsed() < Duration::from_secs(1), "it took {:?}", clock.elapsed());
            assert!(!must_fail || opened.is_err(), "it was opened");
            if let Err(error) = opened {
                assert!(error.to_string().contains("file"), "the file is not named: {error}");
            }
            let grown = peak_kb().saturating_sub(before);
            assert!(grown < bytes.len() as u64 / 1024 + SLACK_KB, "{grown} KiB were taken for a file of {}", bytes.len());
        });
        done.push(seen.map_err(|why| format!("{what}: {why}")));
    };
    for len in 0..head {
        tried(&good[..len], format!("cut to {len} bytes"), true);
    }
    for i in 0..1000 {
        let mut bytes = good.to_vec();
        for _ in 0..=dice.below(2) {
            let reach = if dice.below(6) == 0 { bytes.len() } else { head.min(bytes.len()) };
            let at = dice.below(reach as u64) as usize;
            match dice.below(4) {
                0 => bytes[at] ^= 1 << dice.below(8),
                1 => bytes[at] = [0, 0x7f, 0x80, 0xff, b'9', b'"', b'}'][dice.below(7) as usize],
                2 => drop(bytes.splice(at..at, (0..dice.below(16)).map(|b| b as u8))),
                _ => bytes.truncate(at.max(1)),
            }
        }
        tried(&bytes, format!("mutation {i}"), false);
    }
    done
}

pub(crate) fn safetensors(args: &Args) -> Outcome {
    let good = fs::read(tiny_model().join("model.safetensors")).unwrap();
    let head = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    // A small body keeps the row quick; the head is the real one's shape.
    crate::count(damaged(args.dice("C1"), &good, head, open_safetensors))
}

/// A small GGUF file with every kind of metadata that a model has.
fn gguf_file() -> Vec<u8> {
    let metadata = BTreeMap::from([
        ("general.architecture".to_owned(), Value::Str("llama".to_owned())),
        ("llama.block_count".to_owned(), Value::U32(2)),
        ("llama.rope.freq_base".to_owned(), Value::F32(10_000.0)),
        ("general.name".to_owned(), Value::Str("x".repeat(100))),
    ]);
    let tensors =
        [8_usize, 64, 96].map(|n| gguf::Outgoing { name: format!("t{n}"), shape: vec![n], encoding: Encoding::Plain(Dtype::F32) });
    let mut bytes = Vec::new();
    let mut fill = |i: usize, out: &mut Vec<u8>| {
        let n = [8, 64, 96][i];
        out.extend((0..n).flat_map(|x| (x as f32).to_le_bytes()));
        Ok(())
    };
    gguf::write(&mut bytes, &metadata, &tensors, &mut fill).unwrap();
    bytes
}

/// 64 bytes that claim a world: counts, lengths, dimensions that no file of that size can have.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let file = |tensors: u64, pairs: u64, rest: &[u8]| {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend(tensors.to_le_bytes());
        bytes.extend(pairs.to_le_bytes());
        bytes.extend(rest);
        bytes.resize(64, 0xff);
        bytes
    };
    let name = |len: u64| len.to_le_bytes().to_vec();
    let wide = [&1_u64.to_le_bytes()[..], b"t", &2_u32.to_le_bytes(), &(1_u64 << 40).to_le_bytes(), &(1_u64 << 40).to_le_bytes(), &[0; 8]]
        .concat();
    let align = [&17_u64.to_le_bytes()[..], b"general.alignment", &4_u32.to_le_bytes(), &0_u32.to_le_bytes()].concat();
    vec![
        ("2^32 tensors", file(1 << 32, 0, &[])),
        ("2^63 pairs", file(0, 1 << 63, &[])),
        ("a name of 2^62 bytes", file(1, 0, &name(1 << 62))),
        ("a tensor of 2^40 x 2^40", file(1, 0, &wide)),
        ("an alignment of 0", file(0, 1, &align)),
        ("all ones", vec![0xff; 64]),
    ]
}

pub(crate) fn gguf(args: &Args) -> Outcome {
    let good = gguf_file();
    let head = good.len() - (8 + 64 + 96) * 4;
    let dir = tempfile::tempdir().unwrap();
    let hostile: Vec<_> = hostile()
        .into_iter()
        .map(|(what, bytes)| {
            let path = dir.path().join("file");
            fs::write(&path, bytes).unwrap();
            holds(|| {
                let clock = Instant::now();
                assert!(open_gguf(&path).is_err(), "it was opened");
                assert!(clock.elapsed() < Duration::from_millis(10), "it took {:?}", clock.elapsed());
            })
            .map_err(|why| format!("{what}: {why}"))
        })
        .collect();
    crate::count(damaged(args.dice("C2"), &good, head.saturating_sub(64), open_gguf).into_iter().chain(hostile))
}

/// Refused in time, before anything is written, with the file named.
fn refused(bench: &Bench, more: &[&str], codes: &[i32], parts: &[&str]) {
    let clock = Instant::now();
    let told = said(&mut bench.train("new", more));
    assert!(clock.elapsed() < QUICK, "it took {:?}", clock.elapsed());
    assert!(codes.iter().any(|c| told.code == Some(*c)), "code {:?}: {}", told.code, told.err);
    told.telling(parts);
    assert!(!bench.path("runs/new").exists(), "a refused run left its directory");
}

pub(crate) fn tokenizer_and_template(args: &Args) -> Outcome {
    let (bench, mut dice) = (Bench::new(), args.dice("C3"));
    tiny_model_in(&bench.path("model"));
    let model = format!("model.path={}", bench.path("model").display());
    let mut done = Vec::new();
    for file in ["tokenizer.json", "config.json", "tokenizer_config.json"] {
        let good = fs::read(bench.path("model").join(file)).unwrap();
        for _ in 0..8 {
            let cut = dice.below(good.len() as u64 - 2) as usize;
            bench.write(&format!("model/{file}"), &good[..cut]);
            done.push(holds(|| refused(&bench, &[&model], &[2, 3], &[file])).map_err(|why| format!("{file} cut to {cut}: {why}")));
        }
        for (what, bytes) in [("no object", "[1]"), ("deep", &"[".repeat(100_000)), ("a null", "null"), ("not UTF-8", "\u{0}")] {
            bench.write(&format!("model/{file}"), bytes);
            done.push(holds(|| refused(&bench, &[&model], &[2, 3], &[file])).map_err(|why| format!("{file}, {what}: {why}")));
        }
        bench.write(&format!("model/{file}"), good);
    }
    let endless = "{% for i in range(100000000) %}{% for j in range(100000000) %}x{% endfor %}{% endfor %}";
    let nested = format!("{}x{}", "{% if true %}".repeat(5000), "{% endif %}".repeat(5000));
    let doubling = "{% set ns = namespace(t='xxxxxxxx') %}{% for i in range(64) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t }}";
    let recursive = "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}";
    for (what, template) in
        [("endless", endless), ("nested", &nested), ("doubling", doubling), ("recursive", recursive), ("broken", "{% for %}")]
    {
        let dir = bench.path("model");
        let mut config: serde_json::Value = serde_json::from_slice(&fs::read(dir.join("tokenizer_config.json")).unwrap()).unwrap();
        config["chat_template"] = template.into();
        fs::write(dir.join("tokenizer_config.json"), config.to_string()).unwrap();
        fs::write(dir.join("chat_template.jinja"), template).unwrap();
        done.push(
            holds(|| {
                let clock = Instant::now();
                let told = run(["generate", "-p", "x", "--max-new-tokens", "1", "--model", dir.to_str().unwrap()]);
                assert!(clock.elapsed() < QUICK, "it took {:?}", clock.elapsed());
                assert!(matches!(told.code, Some(2 | 3)), "code {:?}: {}", told.code, told.err);
                told.telling(&["template"]);
            })
            .map_err(|why| format!("template, {what}: {why}")),
        );
    }
    crate::count(done)
}

/// Weights that run away: the run stops with code 1 at the first numbers that are not finite, and nothing of them was saved.
pub(crate) fn run_away(_: &Args) -> Outcome {
    let bench = Bench::new();
    crate::count(["1e20", "1e30", "1e38"].map(|lr| {
        holds(|| {
            let told = said(&mut bench.train(lr, &[&format!("learner.lr={lr}")]));
            assert_eq!(told.code, Some(1), "{}", told.err);
            told.telling(&["finite"]);
            for info in collimate_store::checkpoints(&bench.run_dir(lr)).unwrap() {
                let file = SafetensorsFile::open(info.dir.join("model.safetensors")).unwrap();
                for tensor in file.tensors() {
                    let mut values = vec![0.0; tensor.elements()];
                    file.read_f32(&tensor.name, &mut values).unwrap();
                    assert!(values.iter().all(|x| x.is_finite()), "`{}` of {} is not finite", tensor.name, info.dir.display());
                }
            }
        })
        .map_err(|why| format!("lr {lr}: {why}"))
    }))
}

fn rows(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{{\"prompt\": \"{i} + 1 =\", \"answer\": \"{}\"}}", i + 1)).collect()
}

/// A bench whose data are a file of prompts.
fn with_rows(bytes: &[u8]) -> (Bench, String) {
    let bench = Bench::new();
    let file = bench.write("rows.jsonl", bytes);
    bench.edit("format = \"arithmetic\"\nheldout_rows = 8\n", "format = \"prompts\"\nheldout_rows = 2\n");
    bench.edit("[data.arithmetic]\noperators = [\"+\"]\nmax = 9\nexamples = 1\n", "");
    (bench, format!("data.train={file}"))
}

pub(crate) fn one_bad_row(args: &Args) -> Outcome {
    let mut dice = args.dice("D1");
    let bad = [
        "{\"prompt\": \"x\", \"answer\": }",
        "{\"prompt\": 1, \"answer\": \"1\"}",
        "null",
        "{",
        "[]",
        "{\"prompt\": \"\", \"answer\": \"\"}",
        "x",
    ];
    crate::count(bad.map(|row| {
        let mut lines = rows(1000);
        let at = dice.below(1000) as usize;
        lines[at] = row.to_owned();
        let (bench, train) = with_rows((lines.join("\n") + "\n").as_bytes());
        holds(|| refused(&bench, &[&train], &[2], &[&format!("rows.jsonl:{}:", at + 1)])).map_err(|why| format!("{row}: {why}"))
    }))
}

/// Files of odd bytes: each is read, or refused at its place; the rows that are good are counted exactly.
pub(crate) fn odd_bytes(_: &Args) -> Outcome {
    let good = rows(3).join("\n") + "\n";
    let row = |middle: &[u8]| [good.as_bytes(), b"{\"prompt\": \"a", middle, b"b\", \"answer\": \"1\"}\n"].concat();
    let mut files: Vec<(&str, Vec<u8>, bool)> = vec![
        ("a byte order mark", [b"\xef\xbb\xbf", good.as_bytes()].concat(), true),
        ("CRLF", good.replace('\n', "\r\n").into_bytes(), true),
        ("no last line end", good.trim_end().as_bytes().to_vec(), true),
        ("blank lines", good.replace('\n', "\n\n").into_bytes(), true),
        ("NUL in a text", row(b"\\u0000"), true),
        ("a raw NUL", row(b"\0"), false),
        ("a raw tab", row(b"\t"), false),
        ("a lone surrogate", row(b"\\ud800"), false),
        ("a pair of surrogates", row(b"\\ud83d\\ude00"), true),
        ("an escape that is none", row(b"\\x41"), false),
        ("UTF-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect(), false),
        ("nothing", Vec::new(), false),
        ("only line ends", b"\n\n\n".to_vec(), false),
        ("random", (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect(), false),
        ("a deep value", row(b"").iter().copied().chain("[".repeat(100_000).into_bytes()).collect(), false),
        ("a number as long as a book", format!("{good}{{\"prompt\": \"x\", \"answer\": {}}}\n", "9".repeat(100_000)).into_bytes(), false),
    ];
    let sequences: [&[u8]; 12] = [
        b"\xff",
        b"\xfe",
        b"\x80",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
        b"\xc3\x28",
        b"\xf4\x90\x80\x80",
        b"\xe0\x80\xaf",
        b"\xbf",
    ];
    files.extend(sequences.map(|bytes| ("not UTF-8", row(bytes), false)));
    files.push(("100 MB in a line", row(&vec![b'x'; 100 << 20]), false));
    let bench = Bench::new();
    crate::count(files.into_iter().map(|(what, bytes, is_good)| {
        let file = bench.write("odd.jsonl", &bytes);
        let outcome = holds(|| {
            let told = Said::from(collimate(["data", "check", "--format", "prompts", &file]).output().unwrap());
            let wanted = if is_good { 0 } else { 2 };
            assert_eq!(told.code, Some(wanted), "{}{}", told.out, told.err);
            assert!(is_good || (told.out + &told.err).contains("odd.jsonl"), "the file is not named");
        });
        outcome.map_err(|why| format!("{what}: {}", why.chars().take(600).collect::<String>()))
    }))
}

pub(crate) fn columns(_: &Args) -> Outcome {
    let long = format!("{{\"prompt\": \"{}\", \"answer\": \"2\"}}", "a".repeat(300));
    let cases: [(&str, &[&str]); 5] = [
        ("{\"question\": \"1 + 1 =\", \"answer\": \"2\"}", &["rows.jsonl:12:", "prompt", "question"]),
        ("{\"prompt\": 7, \"answer\": \"2\"}", &["rows.jsonl:12:", "prompt"]),
        ("{\"prompt\": [\"x\"], \"answer\": \"2\"}", &["rows.jsonl:12:", "prompt"]),
        ("{\"prompt\": \"\", \"answer\": \"2\"}", &["rows.jsonl:12:"]),
        (&long, &["300 tokens", "context"]),
    ];
    crate::count(cases.map(|(row, parts)| {
        let (bench, train) = with_rows(format!("{}\n{row}\n", rows(11).join("\n")).as_bytes());
        holds(|| refused(&bench, &[&train], &[2], parts)).map_err(|why| format!("{}: {why}", &row[..row.len().min(60)]))
    }))
}

pub(crate) fn changed_data(_: &Args) -> Outcome {
    type Change = fn(&mut Vec<String>);
    let changes: [(&str, Change); 4] = [
        ("a row more", |rows| rows.push("{\"prompt\": \"9 + 9 =\", \"answer\": \"18\"}".to_owned())),
        ("a row less", |rows| drop(rows.pop())),
        ("another answer", |rows| rows[3] = rows[3].replace("\"4\"", "\"5\"")),
        ("another order", |rows| rows.reverse()),
    ];
    crate::count(changes.map(|(what, change)| {
        let mut lines = rows(12);
        let (bench, train) = with_rows((lines.join("\n") + "\n").as_bytes());
        holds(|| {
            bench.trained("run", &[&train, "run.steps=1"]);
            change(&mut lines);
            bench.write("rows.jsonl", lines.join("\n") + "\n");
            let told = said(&mut bench.train("run", &[&train, "--resume", "run.steps=2"])).with_code(2);
            told.telling(&["has changed since the checkpoint (was ", ", is "]);
            assert!(!bench.checkpoint("run", 2).exists());
        })
        .map_err(|why| format!("{what}: {why}"))
    }))
}
