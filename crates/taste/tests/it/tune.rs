//! The choice of a recipe: of what is made up to lead astray, the choice finds what does not.

use std::ops::Range;

use sinsang_taste::{Catalogue, History, Past, Recipe, Shares, Sparse, Tuned, tune};

const USERS: usize = 80;
const KINDS: usize = 4;
const KNOWN: usize = 40;
const NEW_A_WEEK: usize = 20;
const WEEKS: usize = 4;
const PRODUCTS: usize = KNOWN + WEEKS * NEW_A_WEEK;

/// Users who take what is of their kind. Names of new products tell another kind, by which users
/// choose in the latest week if they are fickle.
struct World {
    users: usize,
    /// Products and ages in days.
    acts: Vec<Vec<(usize, usize)>>,
    first: Vec<Option<i64>>,
}

fn days(age: usize) -> i64 {
    i64::try_from(age).unwrap()
}

fn kind(product: usize) -> usize {
    product % KINDS
}

fn named_kind(product: usize) -> usize {
    if product < KNOWN { kind(product) } else { product / KINDS % KINDS }
}

impl World {
    fn new(users: usize, is_fickle: bool) -> Self {
        let mut acts: Vec<Vec<(usize, usize)>> = vec![Vec::new(); users];
        for (user, acts) in acts.iter_mut().enumerate() {
            let own = user % KINDS;
            // Of ten known products of the kind seven, each in a month of its own.
            let known = (0..KNOWN).filter(|product| kind(*product) == own && (product / KINDS + user) % 10 < 7);
            acts.extend(known.zip(30 + user % 20..));
            for week in 0..WEEKS {
                let of = if is_fickle && week == 0 { named_kind } else { kind };
                let begins = KNOWN + week * NEW_A_WEEK;
                let new = (begins..begins + NEW_A_WEEK).filter(|product| of(*product) == own);
                acts.extend(new.zip(0..3).map(|(product, day)| (product, week * 7 + day)));
            }
        }
        let mut first = vec![None; PRODUCTS];
        for (product, age) in acts.iter().flatten() {
            first[*product] = first[*product].max(Some(days(*age)));
        }
        Self { users, acts, first }
    }

    fn tuned(&self, recipe: &Recipe) -> Tuned {
        let by = |kind: fn(usize) -> usize| {
            let mut rows = Sparse::new(KINDS);
            (0..PRODUCTS).for_each(|product| rows.push([(kind(product), 1.0)]));
            rows
        };
        let ids: Vec<u64> = (0..PRODUCTS as u64).collect();
        let (descriptions, names) = (by(kind), by(named_kind));
        let catalogue = Catalogue { ids: &ids, descriptions: &descriptions, names: &names, month: &[], fortnight: &[] };
        tune(self, &catalogue, recipe, 30.0)
    }
}

impl Past for World {
    fn oldest(&self) -> i64 {
        self.acts.iter().flatten().map(|(_, age)| days(*age)).max().unwrap()
    }

    fn first(&self) -> &[Option<i64>] {
        &self.first
    }

    fn histories(&self, before: i64, half_life_days: f64) -> Vec<History> {
        let history = |acts: &Vec<(usize, usize)>| {
            let mut row: Vec<(usize, f64)> = acts
                .iter()
                .filter(|(_, age)| days(*age) >= before)
                .map(|(product, age)| {
                    (*product, (-f64::from(i32::try_from(days(*age) - before).unwrap()) / half_life_days).exp2())
                })
                .collect();
            row.sort_by_key(|(product, _)| *product);
            History { strengths: row.clone(), sums: row.clone(), fresh: row }
        };
        self.acts.iter().map(history).collect()
    }

    fn taken(&self, within: Range<i64>) -> Vec<Vec<usize>> {
        let of = |acts: &Vec<(usize, usize)>| {
            let mut taken: Vec<usize> =
                acts.iter().filter(|(_, age)| within.contains(&days(*age))).map(|(at, _)| *at).collect();
            taken.sort_unstable();
            taken
        };
        self.acts.iter().map(of).collect()
    }
}

/// A recipe that follows names above all.
fn by_names() -> Recipe {
    let new = Shares { ease: 0.5, factors: 0.5, names: 5.0, trend: 0.0 };
    Recipe { new, ..Recipe::default() }
}

#[test]
fn names_that_lead_astray_are_given_up_and_the_last_week_says_what_that_is_worth() {
    let world = World::new(USERS, false);
    let tuned = world.tuned(&by_names());
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one_thread.install(|| world.tuned(&by_names())), tuned, "the number of threads does not show");
    let judged = &tuned.report.judged[0];
    assert!(tuned.recipe.new.names < 1.0 && judged.is_taken, "{judged}");
    assert!(judged.ratio.low > 1.1 && judged.ndcg_at_20[1] > 0.99, "{judged}");
    assert_eq!((tuned.report.window_days, judged.takers), (7, [3 * USERS, USERS]));
    assert_eq!((tuned.asked, world.users), (by_names(), USERS));
}

#[test]
fn a_choice_that_the_last_week_denies_is_told_and_not_taken() {
    let tuned = World::new(USERS, true).tuned(&by_names());
    let judged = &tuned.report.judged[0];
    assert!(judged.chosen.is_some() && !judged.is_taken && judged.ratio.high < 1.0, "{judged}");
    assert_eq!(tuned.recipe.new, by_names().new);
    assert!(judged.to_string().contains("by default, not EASE 0.5"), "{judged}");
}

#[test]
fn few_users_and_few_weeks_choose_nothing_and_what_is_right_stays() {
    let right = World::new(USERS, false).tuned(&Recipe::default());
    assert_eq!(right.recipe.new, Recipe::default().new, "{}", right.report.judged[0]);
    assert!(right.report.judged[0].to_string().contains("nothing is surely better"), "{}", right.report.judged[0]);

    let few = World::new(20, false).tuned(&by_names());
    assert_eq!((few.recipe, few.half_life_days, few.report.judged.len()), (by_names(), 30.0, 5));
    assert!(few.report.judged.iter().all(|judged| judged.to_string().contains("too few to tell")));

    let mut short = World::new(USERS, false);
    short.acts.iter_mut().for_each(|acts| acts.retain(|(_, age)| *age < 40));
    assert_eq!(short.tuned(&by_names()), Tuned::default_of(by_names(), 30.0));
}
