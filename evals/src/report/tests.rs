//! The page as a whole.

use super::*;
use crate::record::tests::{outcomes, record};
use sha2::{Digest, Sha256};

/// A run with everything in it, names and texts as hostile as they come.
fn run(name: &str) -> Run {
    let numbers = |step: u64| {
        let wave = (step as f64 / 9.0).sin();
        let some = [("reward", 0.3 + 0.01 * step as f64), ("loss", wave), ("kl", 0.01 * wave.abs()), ("entropy", 2.0 - 0.01 * step as f64)];
        let more = [("completions/mean_length", 40.0 + wave), ("time/step", 3.0), ("time/update", 2.0), ("perf/tokens_per_s", 120.0)];
        let odd = [("rewards/</script>/mean", 0.5), ("faults/total", 0.0), ("eval/accuracy", 0.4), ("eval/n", 50.0)];
        Metrics(some.into_iter().chain(more).chain(odd).map(|(n, v)| (n.to_owned(), v)).collect())
    };
    let sample = Sample { step: 1, answer: "</pre><script>alert('x')</script>".into(), reward: Some(1.0), ..Sample::default() };
    Run {
        name: name.into(),
        config: "[run]\nname = \"<b>\"\n".into(),
        lines: (1..=50).map(|s| (s, numbers(s))).collect(),
        samples: vec![sample.clone(), Sample { step: 50, ..sample }],
        evaluations: outcomes().into_iter().map(|o| (o.name().to_owned(), record(o))).collect(),
        facts: vec![("libtorch".into(), "2.11.0".into())],
        notes: vec!["rollouts/step_3.jsonl:2: <half> a line".into()],
    }
}

#[test]
fn nothing_that_a_model_wrote_becomes_part_of_the_page() {
    let page = render(&[run("<img src=x onerror=alert(1)>"), run("b")], "0.1.0");
    assert_eq!(page.matches("<script").count(), 1, "the page's own");
    assert!(!page.contains("<img") && !page.contains("<half>") && !page.contains("<b>\""));
}

#[test]
fn the_page_asks_for_nothing_and_forbids_it() {
    let page = render(&[run("a")], "0.1.0");
    assert!(page.contains("default-src 'none'"));
    let (head, _) = page.split_once("<body>").unwrap();
    assert_eq!((head.matches("<link").count(), head.matches("href=\"data:,\"").count()), (1, 1));
    for way in ["src=\"", "@import", "url(", "fetch(", "XMLHttp", "http:", "https:"] {
        assert!(!page.contains(way), "{way}");
    }
}

#[test]
fn the_policy_names_the_hash_of_the_script() {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Sha256::digest(SCRIPT.as_bytes()).to_vec();
    bytes.push(0); // 32 bytes are 10 groups of three and two bytes
    let letters: Vec<u8> = bytes
        .chunks(3)
        .flat_map(|c| {
            let word = u32::from(c[0]) << 16 | u32::from(c[1]) << 8 | u32::from(c[2]);
            [18, 12, 6, 0].map(|shift| alphabet[(word >> shift) as usize & 63])
        })
        .collect();
    assert_eq!(SCRIPT_HASH, format!("{}=", String::from_utf8(letters[..43].to_vec()).unwrap()), "put the right side into SCRIPT_HASH");
}

#[test]
fn every_part_is_there_and_an_empty_run_is_a_page_too() {
    let page = render(&[run("a"), run("b")], "0.1.0");
    for id in ["summary", "evaluations", "rewards-table", "curves", "time", "samples", "recipe"] {
        assert!(page.contains(&format!("<section id=\"{id}\">")) && page.contains(&format!("href=\"#{id}\"")), "{id}");
    }
    assert!(page.contains("step_3.jsonl:2: &lt;half&gt;"));
    let empty = render(&[Run::default()], "0.1.0");
    assert!(empty.ends_with("</html>\n") && !empty.contains("<section"));
}

#[test]
fn tags_close_in_the_order_they_opened() {
    let page = render(&[run("a"), run("b")], "0.1.0");
    let body = &page[page.find("<body>").unwrap()..page.find("<script>").unwrap()];
    let mut open = Vec::new();
    for tag in body.split('<').skip(1) {
        let end = tag.find('>').unwrap();
        let inner = &tag[..end];
        let name: String = inner.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        if inner.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(name.as_str()), "at <{inner}>");
        } else if !inner.ends_with('/') && name != "input" {
            open.push(name);
        }
    }
    assert_eq!(open, ["body"]);
}
