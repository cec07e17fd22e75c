//! Tests of a model kept between builds: on its first day it changes no byte, and later it ranks
//! almost as well as a new one.

use std::collections::BTreeSet;
use std::fs;

use sinsang_core::surface::{View, new};
use sinsang_core::time::DAY_MS;
use sinsang_pipeline::build::Options;
use sinsang_pipeline::learn::taste::DIMS;
use sinsang_pipeline::report::built::Report;

use crate::world::{
    self, World, build, build_at, build_with, everything, files, mean, ndcg, now, options, tables, wanted,
};

fn trained_now(report: &Report) -> Option<bool> {
    report.model.as_ref().map(|model| model.trained_now)
}

/// Mean NDCG@20 of the new-product tab over users with tastes, and their number.
fn order(world: &World) -> (f64, usize) {
    let truth = world.truth_by_id();
    let gains = |user: &world::TrueUser| {
        let view = View { taste: Some(world.taste(&user.user_id)?), ..View::shared(&world.board, now()) };
        let shown = new::page(&view, &everything(now())).products;
        let wanted = shown.iter().map(|index| wanted(user, truth[&world.board.product(*index).id()]));
        Some(ndcg(&wanted.collect::<Vec<f64>>(), 20))
    };
    let measured: Vec<f64> = world.users.iter().filter_map(gains).collect();
    (mean(measured.iter().copied()), measured.len())
}

#[test]
fn who_and_what_came_since_is_placed_by_the_model_of_days_ago_nearly_as_well_as_by_a_new_one() {
    const DAYS: u32 = 45;
    const USERS: usize = 200;
    let new = World::make(DAYS, USERS);
    let mut before = BTreeSet::new();
    let kept = World::make_by(DAYS, USERS, |input, output| {
        let model = output.with_file_name("tastes.safetensors");
        let options = Options { model: Some(model.clone()), ..options(input, output) };
        let then = build_at(&options, now().plus(-5 * DAY_MS));
        assert_eq!(trained_now(&then), Some(true));
        let bytes = fs::read(&model).unwrap();
        let board = world::board(output);
        before.extend((0..board.product_count()).map(|index| board.product(index).id()));
        let report = build_with(&options);
        assert_eq!(trained_now(&report), Some(false), "{report}");
        assert_eq!(fs::read(&model).unwrap(), bytes, "a model that is young enough stays");
        assert!(report.notes.is_empty(), "{:?}", report.notes);
        report
    });
    assert_eq!(trained_now(&new.report), None);
    assert_eq!(kept.report.tastes.users, new.report.tastes.users);
    let products = (0..kept.board.product_count()).map(|index| kept.board.product(index));
    let came: Vec<_> = products.filter(|product| !before.contains(&product.id())).collect();
    let placed = came.iter().filter(|product| product.vector()[..DIMS].iter().any(|value| *value != 0)).count();
    assert!(came.len() > 50 && placed * 20 > came.len() * 19, "{placed} of {} that came have a vector", came.len());
    let ((kept, users), (new, of)) = (order(&kept), order(&new));
    println!("NDCG@20 of {users} users: {kept:.4} by a model five days old, {new:.4} by a new one");
    assert_eq!(users, of);
    assert!(kept >= 0.97 * new, "{kept:.4} against {new:.4}");
}

#[test]
fn keeping_and_using_a_model_changes_no_pack_and_one_that_can_not_be_used_or_kept_stops_no_build() {
    let work = tempfile::tempdir().unwrap();
    let [input, plain, output, model] =
        ["tables", "plain", "output", "tastes.safetensors"].map(|name| work.path().join(name));
    tables(&input, 30, 40);
    build(&input, &plain);
    let options = Options { model: Some(model.clone()), ..options(&input, &output) };
    for trains in [true, false] {
        let report = build_with(&options);
        assert_eq!((trained_now(&report), report.notes.len()), (Some(trains), 0));
        assert_eq!(files(&plain), files(&output));
    }
    let mut damaged = fs::read(&model).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&model, damaged).unwrap();
    // This one can't be written either: its folder is a file.
    let nowhere = Options { model: Some(input.join("tabs.csv/tastes.safetensors")), ..options.clone() };
    for (options, said) in [(options, "checksum mismatch"), (nowhere, "the next build trains again")] {
        let report = build_with(&options);
        assert_eq!(trained_now(&report), Some(true));
        assert!(report.notes.iter().any(|note| note.contains(said)), "{:?}", report.notes);
    }
}
