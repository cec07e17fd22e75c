//! Checkpoints: a trained model, kept and reused on another day.

use sinsang_taste::{Catalogue, DIMS, History, Lessons, Model, Recipe, Sparse, Trained, Tuned, Unusable};

const BESIDES: &str = "half-life 30 days";

/// Products alternating between two kinds, described by their kind and a word that a few share.
/// Users met the first ten, each those of their kind.
fn described(kinds: &[usize]) -> Sparse {
    let mut rows = Sparse::new(5);
    kinds.iter().enumerate().for_each(|(at, kind)| rows.push([(*kind, 0.8), (2 + at % 3, 0.6)]));
    rows
}

fn users() -> Sparse {
    let mut users = Sparse::new(12);
    for user in 0..60 {
        users.push(
            (0..5).filter(|at| (user / 2 + at) % 4 != 0).map(|at| (2 * at + user % 2, [1.0, 2.0, 3.0][user % 3])),
        );
    }
    users
}

fn history(row: &[(usize, f64)]) -> History {
    History { strengths: row.to_vec(), sums: row.to_vec(), fresh: row.to_vec() }
}

fn trained() -> Model {
    let (users, descriptions) = (users(), described(&[0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]));
    let ids: Vec<u64> = (100..112).collect();
    let month: Vec<f64> = (0..12).map(f64::from).collect();
    let catalogue =
        Catalogue { ids: &ids, descriptions: &descriptions, names: &descriptions, month: &month, fortnight: &month };
    let lessons = Lessons { strengths: &users, sums: &users, catalogue };
    let model = Model::train(&lessons, &(0..12).collect::<Vec<_>>(), &Tuned::default_of(Recipe::default(), 30.0));
    let again = Model::of(model.trained().clone(), &catalogue, &(0..12).collect::<Vec<_>>());
    for product in 0..12 {
        let bits = |model: &Model| model.product_float(product).map(f64::to_bits);
        assert_eq!(bits(&again), bits(&model), "trained and taken up are one");
    }
    model
}

fn score(model: &Model, user: &[i8; DIMS], product: usize) -> i32 {
    model.product(product).iter().zip(user).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

#[test]
fn what_was_kept_places_products_that_came_since_and_folds_in_users_who_did() {
    let model = trained();
    let kept = model.trained().keep(BESIDES, 1_800_000_000_000).unwrap();
    assert_eq!(
        kept,
        trained().trained().keep(BESIDES, 1_800_000_000_000).unwrap(),
        "the same training, the same bytes"
    );
    let (trained, at) = Trained::take_up(&kept, &Recipe::default(), BESIDES).unwrap();
    assert_eq!((trained.products(), at), (10, 1_800_000_000_000));

    // Another day: products 100 and 101 are gone, the others are reordered behind two new ones, one
    // of each kind.
    let ids: Vec<u64> = [900, 901].into_iter().chain((102..112).rev()).collect();
    let descriptions = described(&[0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0]);
    let nothing = vec![0.0; 12];
    let catalogue = Catalogue {
        ids: &ids,
        descriptions: &descriptions,
        names: &descriptions,
        month: &nothing,
        fortnight: &nothing,
    };
    let later = Model::of(trained, &catalogue, &(0..12).collect::<Vec<_>>());
    let place = |id: u64| ids.iter().position(|known| *known == id).unwrap();
    for kind in 0..2 {
        // Products 104 and 106 for the first kind, 105 and 107 for the second.
        let row = [4 + kind, 6 + kind].map(|at| (at, 1.0));
        let then = model.user(&history(&row), 1.0);
        let now = later.user(&history(&row.map(|(at, weight)| (place(100 + at as u64), weight))), 1.0);
        assert_eq!(now, then, "a user's bytes hang on what was trained alone");
        assert!(score(&later, &now, kind) > score(&later, &now, 1 - kind), "kind {kind}: what came is told apart");
        let nearest = later.fold(&history(&row.map(|(at, weight)| (place(100 + at as u64), weight)))).nearest(3);
        assert!(nearest.iter().all(|(at, _)| ids[*at] % 2 == kind as u64), "kind {kind}: {nearest:?}");
        assert!(!nearest.is_empty());
    }
    // A user whose whole history is gone has no taste.
    assert_eq!(later.user(&history(&[(0, 3.0), (1, 3.0)]), 1.0), [0; DIMS]);
}

#[test]
fn a_file_that_is_damaged_cut_or_of_another_training_is_refused() {
    let model = trained();
    let kept = model.trained().keep(BESIDES, 5).unwrap();
    let take_up = |bytes: &[u8]| Trained::take_up(bytes, &Recipe::default(), BESIDES);
    for length in (0..kept.len()).step_by(509) {
        assert!(take_up(&kept[..length]).is_err(), "cut to {length} bytes");
    }
    let mut refused = 0;
    for at in (0..kept.len()).step_by(61) {
        let mut damaged = kept.clone();
        damaged[at] ^= 0x10;
        match take_up(&damaged) {
            Err(_) => refused += 1,
            // The header's padding is not covered by the checksum.
            Ok((trained, at)) => assert_eq!(trained.keep(BESIDES, at).unwrap(), kept, "byte {at}"),
        }
    }
    assert!(refused > kept.len() / 61 - 3, "{refused}");
    let other = Recipe { ridge_penalty: 5.0, ..Recipe::default() };
    let error = Trained::take_up(&kept, &other, BESIDES).unwrap_err();
    assert!(matches!(&error, Unusable::TrainedOtherwise { found, asked } if found != asked), "{error}");
    let error = Trained::take_up(&kept, &Recipe::default(), "half-life 60 days").unwrap_err().to_string();
    assert!(error.contains("half-life 30 days, but") && error.ends_with("half-life 60 days was requested"), "{error}");
}
