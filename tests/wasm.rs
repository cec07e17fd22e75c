//! Wasm and native code read the golden packs alike: the same orders, the same scores bit for bit,
//! the same answers byte for byte.
//!
//! It runs natively, and on wasm32 under `wasm-bindgen-test-runner`.

mod support;

use support::experiment::{TINY, published_tried};
use support::golden::{Packs, answers, arithmetic, orders, pulse_of, variants, wanted, wanted_at};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test;

fn packs() -> Packs {
    Packs {
        manifest: include_bytes!("golden/manifest.pack").to_vec(),
        board: include_bytes!("golden/board.pack").to_vec(),
        tastes: vec![
            include_bytes!("golden/tastes-0.pack").to_vec(),
            include_bytes!("golden/tastes-1.pack").to_vec(),
            include_bytes!("golden/tastes-2.pack").to_vec(),
        ],
    }
}

/// Panics at the first differing line, without printing both texts in full.
fn assert_same_lines(made: &str, golden: &str) {
    for (number, (made, golden)) in made.lines().zip(golden.lines()).enumerate() {
        assert_eq!(made, golden, "line {}", number + 1);
    }
    assert_eq!(made.lines().count(), golden.lines().count(), "lines");
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn orders_and_scores_are_the_golden_ones_bit_for_bit() {
    assert_same_lines(&orders(&packs()), include_str!("golden/orders.tsv"));
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn whole_answers_are_the_golden_ones_byte_for_byte() {
    assert_same_lines(&answers(&packs()), include_str!("golden/answers.tsv"));
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn viewers_are_in_the_golden_variants_and_see_their_orders() {
    assert_same_lines(&variants(&published_tried(&TINY)), include_str!("golden/experiments.tsv"));
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn the_pulse_counts_by_the_golden_weights_of_the_second_format() {
    let board = include_bytes!("golden/format-2/board.pack").to_vec();
    let (_, pulse) = pulse_of(&board, wanted_at());
    let tastes = vec![
        include_bytes!("golden/format-2/tastes-0.pack").to_vec(),
        include_bytes!("golden/format-2/tastes-1.pack").to_vec(),
    ];
    let packs = Packs { manifest: include_bytes!("golden/format-2/manifest.pack").to_vec(), board, tastes };
    let mut values = packs.values();
    values.extend(pulse);
    assert_same_lines(&wanted(values), include_str!("golden/format-2/wanted.tsv"));
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn scores_beyond_the_golden_packs_agree_bit_for_bit() {
    assert_eq!(format!("{:016x}", arithmetic()), include_str!("golden/arithmetic.txt").trim_end());
}
