//! `collimate algorithms`, `rewards` and `formats`: printed from the cards that stand beside the code.

use collimate_datasets::{FORMATS, format_named};
use collimate_rewards::{CardCase, MODEL_CARD, http::HTTP_CARD, plugin::PLUGIN_CARD};
use serde_json::{Value, json};

use crate::args::CardArgs;
use crate::exit::{Code, Exit, OrExit, refused};
use crate::session::print;

/// Lists the algorithms, or shows one.
pub(crate) fn algorithms(args: &CardArgs) -> Result<Code, Exit> {
    let cards: Vec<_> = collimate_algorithms::roster().iter().map(|e| e.card).collect();
    let chosen = match &args.name {
        None => cards,
        Some(name) => vec![collimate_algorithms::find(name).or_refused()?.card],
    };
    if args.markdown {
        for card in &chosen {
            print(&card.to_markdown())?;
        }
        return Ok(Code::Done);
    }
    if args.json {
        print(&serde_json::to_string(&chosen).or_failed()?)?;
    } else if args.name.is_some() {
        print(&chosen.iter().map(ToString::to_string).collect::<String>())?;
    } else {
        table(chosen.iter().map(|c| (c.name, c.claim)))?;
    }
    Ok(Code::Done)
}

/// Lists the rewards, or shows one.
pub(crate) fn rewards(args: &CardArgs) -> Result<Code, Exit> {
    let cards = || collimate_rewards::roster().iter().map(|r| r.card()).chain([&PLUGIN_CARD, &HTTP_CARD, &MODEL_CARD]);
    let unknown = |name: &String| {
        let known = cards().map(|c| format!("`{}`", c.name)).collect::<Vec<_>>().join(", ");
        refused(format!("there is no reward `{name}`; there are {known}"))
    };
    let chosen: Vec<_> = match &args.name {
        None => cards().collect(),
        Some(name) => vec![cards().find(|c| c.name == *name).ok_or_else(|| unknown(name))?],
    };
    let json = || {
        let knob = |k: &collimate_rewards::KnobCard| json!({ "name": k.name, "help": k.help, "default": k.default });
        let case = |k: &CardCase| json!({ "knobs": k.knobs, "truth": k.truth, "answer": k.answer, "score": k.score });
        chosen
            .iter()
            .map(|c| {
                let (knobs, cases): (Vec<_>, Vec<_>) = (c.knobs.iter().map(knob).collect(), c.cases.iter().map(case).collect());
                json!({ "name": c.name, "claim": c.claim, "knobs": knobs, "cases": cases })
            })
            .collect::<Value>()
    };
    if args.json {
        print(&json().to_string())?;
    } else if args.name.is_none() && !args.markdown {
        table(chosen.iter().map(|c| (c.name, c.claim)))?;
    } else {
        for card in &chosen {
            let knobs = card.knobs.iter().map(|k| (k.name, k.default, k.help));
            print(&sheet(card.name, card.claim, knobs, args.markdown))?;
            print(&cases(card.cases, args.markdown))?;
        }
    }
    Ok(Code::Done)
}

/// What a reward says of some answers, a line each.
fn cases(cases: &[CardCase], markdown: bool) -> String {
    let one = |case: &CardCase| {
        let knobs = if case.knobs == "{}" { String::new() } else { format!(", with {}", case.knobs) };
        let score = case.score.map_or_else(|| "cannot be judged".to_owned(), |score| format!("scores {score}"));
        let (truth, answer) = (case.truth, format!("{:?}", case.answer));
        if markdown {
            format!("\n- `{answer}` {score} where the truth is `{truth}`{knobs}")
        } else {
            format!("\n  {answer} {score}\n      truth {truth}{knobs}")
        }
    };
    format!("\n{}cases:{}\n", if markdown { "" } else { "  " }, cases.iter().map(one).collect::<String>())
}

/// Lists the formats, or shows one.
pub(crate) fn formats(args: &CardArgs) -> Result<Code, Exit> {
    let chosen: Vec<_> = match &args.name {
        None => FORMATS.iter().map(|f| f.card()).collect(),
        Some(name) => vec![format_named(name).or_refused()?.card()],
    };
    if args.json {
        let field = |f: &collimate_datasets::FieldCard| json!({ "name": f.name, "kind": f.kind, "help": f.help });
        let knob = |k: &collimate_datasets::KnobCard| json!({ "name": k.name, "help": k.help, "default": k.default });
        let one = |c: &&collimate_datasets::FormatCard| {
            let (fields, knobs): (Vec<_>, Vec<_>) = (c.fields.iter().map(field).collect(), c.knobs.iter().map(knob).collect());
            json!({ "name": c.name, "claim": c.claim, "fields": fields, "knobs": knobs, "sample": c.sample })
        };
        print(&chosen.iter().map(one).collect::<Value>().to_string())?;
    } else if args.name.is_none() && !args.markdown {
        table(chosen.iter().map(|c| (c.name, c.claim)))?;
    } else {
        for card in &chosen {
            let knobs = card.knobs.iter().map(|k| (k.name, k.default, k.help));
            print(&sheet(card.name, card.claim, knobs, args.markdown))?;
            if args.markdown {
                let columns = card.fields.iter().map(|f| format!("- `{}` ({}): {}\n", f.name, f.kind, f.help)).collect::<String>();
                print(&format!("\nColumns:\n\n{columns}\nA row:\n\n```json\n{}\n```\n", card.sample))?;
                continue;
            }
            print("\n  columns")?;
            for field in card.fields {
                print(&format!("  {:<16} {:<22} {}", field.name, field.kind, field.help))?;
            }
            print(&format!("\n  sample: {}", card.sample))?;
        }
    }
    Ok(Code::Done)
}

/// Name and claim, a line each.
fn table<'a>(rows: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Result<(), Exit> {
    let width = rows.clone().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, claim) in rows {
        print(&format!("{name:<width$}  {claim}"))?;
    }
    Ok(())
}

/// A card as text or Markdown.
fn sheet<'a>(name: &str, claim: &str, knobs: impl Iterator<Item = (&'a str, &'a str, &'a str)>, markdown: bool) -> String {
    let mut text = if markdown { format!("## `{name}`\n\n{claim}\n") } else { format!("{name}\n  {claim}\n") };
    for (knob, default, help) in knobs {
        text.push_str(&if markdown {
            format!("\n- `{knob}` = `{default}`: {help}")
        } else {
            format!("\n  {knob} = {default}\n      {help}")
        });
    }
    text
}
