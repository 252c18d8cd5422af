//! The sweep of the ordinary tests; `cargo xtask simulate --seeds N` makes longer ones.

use collimate_simulation::{Fault, Scenario, simulate};

const SEEDS: u64 = 200;

#[test]
fn two_hundred_seeds_hold() {
    let (mut lives, mut faults) = (0, 0);
    for seed in 0..SEEDS {
        let tally = simulate(seed).unwrap_or_else(|broken| panic!("{broken}\nshow it again: cargo xtask simulate seed={seed}"));
        lives += tally.lives;
        faults += tally.faults;
    }
    assert!(lives > SEEDS + 50 && faults > 4 * SEEDS, "{lives} launcher starts and {faults} faults are too kind a world");
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    for seed in [3, 77, 4_000_000_007] {
        assert_eq!(simulate(seed), simulate(seed));
        assert_eq!(Scenario::of(seed), Scenario::of(seed));
    }
}

#[test]
fn every_kind_of_fault_is_drawn() {
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 0..SEEDS {
        kinds.extend(Scenario::of(seed).faults.iter().map(|(_, fault)| {
            let name = format!("{fault:?}");
            name.split([' ', '{']).next().map(str::to_owned)
        }));
    }
    let all = [
        Fault::Kill { actor: 0 },
        Fault::KillAll,
        Fault::Freeze { actor: 0, for_ms: 0 },
        Fault::Delay { actor: 0, by_ms: 0, for_ms: 0 },
        Fault::Echo { actor: 0 },
        Fault::BadStart { actor: 0 },
        Fault::Die,
        Fault::PowerLoss,
        Fault::DieInSave { at: 0, power: false },
        Fault::Disk { errno: 5, after: 0, for_ms: 0 },
        Fault::AskSave,
        Fault::AskStop,
    ];
    assert_eq!(kinds.len(), all.len(), "{kinds:?}");
}
