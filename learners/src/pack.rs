//! Cutting a credited batch into optimizer batches and micro-batches.

use collimate_models::{Block, ModelError, Packed, Suffix};
use collimate_types::{CreditedGroup, CreditedRow};
use tch::{Device, Kind, Tensor};

/// Blocks of one forward and backward pass, with the rows' numbers as `[B, T]` tensors.
#[derive(Debug)]
pub struct MicroBatch {
    /// What it was made of: groups, or the part of one that fits.
    pub groups: Vec<CreditedGroup>,
    /// The layout.
    pub packed: Packed,
    /// B of this micro-batch.
    pub rows: usize,
    /// T of this micro-batch.
    pub columns: usize,
    /// `[B, T]` log-probabilities under the policy that sampled.
    pub logp_old: Tensor,
    /// `[B, T]` log-probabilities under the reference.
    pub logp_ref: Option<Tensor>,
    /// `[B, T]` log-probabilities under the law that drew; the policy's own where it drew.
    pub logp_behaviour: Tensor,
    /// `[B, T]` credit.
    pub advantage: Tensor,
    /// `[B, T]` a critic's values when the batch was credited, and what it is to learn.
    pub critic: Option<CriticGrids>,
    /// `[B, T]` 1 where a token takes part in the loss.
    pub trained: Tensor,
}

/// A critic's numbers of a micro-batch, `[B, T]` each.
#[derive(Debug)]
pub struct CriticGrids {
    /// Its values when the batch was credited.
    pub values: Tensor,
    /// What it is to learn.
    pub returns: Tensor,
}

/// Cuts groups into micro-batches of at most `budget` tokens (a single row may be longer). A group is cut between rows, never inside
/// one; each part then computes the prompt again.
///
/// # Errors
/// When a row is empty.
pub fn micro_batches(groups: &[CreditedGroup], budget: usize, kind: Kind) -> Result<Vec<MicroBatch>, ModelError> {
    let mut batches = Vec::new();
    let mut open: Vec<(&CreditedGroup, Vec<&CreditedRow>)> = Vec::new();
    let mut used = 0;
    for group in groups {
        let prompt = group.prompt.tokens.len();
        let mut fresh = true; // whether this group's prompt must still be paid for in the open micro-batch
        for row in &group.rows {
            let own = row.tokens.len().saturating_sub(1); // the last token has no row
            let cost = own + if fresh { prompt } else { 0 };
            if used > 0 && used + cost > budget {
                batches.push(close(&open, kind)?);
                open.clear();
                (used, fresh) = (0, true);
            }
            if fresh {
                open.push((group, Vec::new()));
                used += prompt;
                fresh = false;
            }
            if let Some((_, rows)) = open.last_mut() {
                rows.push(row);
            }
            used += own;
        }
    }
    if !open.is_empty() {
        batches.push(close(&open, kind)?);
    }
    Ok(batches)
}

fn close(open: &[(&CreditedGroup, Vec<&CreditedRow>)], kind: Kind) -> Result<MicroBatch, ModelError> {
    let rows: Vec<&CreditedRow> = open.iter().flat_map(|(_, rows)| rows.iter().copied()).collect();
    let mut next = 0..;
    let mut suffix = |row: &&CreditedRow| {
        let number = next.next().unwrap_or_default();
        Suffix { tokens: row.tokens.clone(), scored: row.trained.clone(), row: number }
    };
    let blocks: Vec<Block> = open
        .iter()
        .map(|(group, rows)| Block { prefix: group.prompt.tokens.clone(), suffixes: rows.iter().map(&mut suffix).collect() })
        .collect();
    let columns = rows.iter().map(|r| r.tokens.len()).max().unwrap_or(0);
    let grid = |value: &dyn Fn(&CreditedRow, usize) -> f64| {
        let cell = |r: &&CreditedRow| (0..columns).map(|c| if c < r.tokens.len() { value(r, c) } else { 0.0 }).collect::<Vec<_>>();
        let numbers: Vec<f64> = rows.iter().flat_map(cell).collect();
        Tensor::from_slice(&numbers).to_kind(kind).to_device(Device::Cpu).view([rows.len() as i64, columns as i64])
    };
    let reference = rows.iter().all(|r| r.logp_ref.is_some());
    let critic = rows.iter().all(|r| r.critic.is_some());
    let part = |(group, rows): &(&CreditedGroup, Vec<&CreditedRow>)| CreditedGroup {
        prompt: group.prompt.clone(),
        rows: rows.iter().map(|r| (*r).clone()).collect(),
    };
    Ok(MicroBatch {
        groups: open.iter().map(part).collect(),
        packed: Packed::new(&blocks)?,
        rows: rows.len(),
        columns,
        logp_old: grid(&|r, c| f64::from(r.logp_old[c])),
        logp_ref: reference.then(|| grid(&|r, c| r.logp_ref.as_ref().map_or(0.0, |l| f64::from(l[c])))),
        logp_behaviour: grid(&|r, c| f64::from(r.logp_behaviour.as_ref().unwrap_or(&r.logp_old)[c])),
        advantage: grid(&|r, c| f64::from(r.advantage[c])),
        critic: critic.then(|| CriticGrids {
            values: grid(&|r, c| r.critic.as_ref().map_or(0.0, |k| f64::from(k.values[c]))),
            returns: grid(&|r, c| r.critic.as_ref().map_or(0.0, |k| f64::from(k.returns[c]))),
        }),
        trained: grid(&|r, c| f64::from(u8::from(r.trained[c]))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::{Prompt, Task};
    use std::sync::Arc;

    fn group(prompt: usize, rows: &[usize]) -> CreditedGroup {
        let task = Task { id: "t".into(), text: Some("x".into()), messages: vec![], truth: serde_json::Value::Null, reward: None };
        let prompt = Prompt { task: Arc::new(task), text: "x".into(), tokens: vec![7; prompt] };
        let row = |n: &usize| CreditedRow {
            tokens: vec![9; *n],
            trained: vec![true; *n],
            logp_old: vec![-1.0; *n],
            logp_ref: None,
            logp_behaviour: None,
            advantage: vec![0.5; *n],
            critic: None,
            version: 0,
        };
        CreditedGroup { prompt: Arc::new(prompt), rows: rows.iter().map(row).collect() }
    }

    #[test]
    fn micro_batches_hold_every_row_once_and_stay_in_budget() {
        let groups = [group(4, &[3, 3, 3]), group(2, &[5]), group(9, &[9, 9])];
        for budget in [1, 8, 14, 20, 1000] {
            let batches = micro_batches(&groups, budget, Kind::Double).unwrap();
            let rows: usize = batches.iter().map(|b| b.rows).sum();
            let leaves: usize = batches.iter().map(|b| b.packed.leaves.len()).sum();
            assert_eq!((rows, leaves), (6, 32), "budget {budget}");
            for b in &batches {
                assert!(b.packed.rows() <= budget || b.rows == 1, "budget {budget}: {} tokens in {} rows", b.packed.rows(), b.rows);
            }
        }
        assert_eq!(micro_batches(&groups, 1000, Kind::Double).unwrap().len(), 1);
        // A group that is cut computes its prompt again.
        assert_eq!(micro_batches(&groups[..1], 8, Kind::Double).unwrap().iter().map(|b| b.packed.rows()).collect::<Vec<_>>(), [8, 6]);
    }
}
