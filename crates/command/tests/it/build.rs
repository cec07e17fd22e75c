//! Whole builds of a generated data set, compared with the truth behind it, and the properties of
//! every snapshot.

#![expect(clippy::cast_precision_loss, reason = "the numbers of a test are small")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use serde_json::Value;
use sinsang_command::why::{self, Question};
use sinsang_core::context::Context;
use sinsang_core::key::Key;
use sinsang_core::mix::Mix;
use sinsang_core::pack::Kind;
use sinsang_core::pack::board::Board;
use sinsang_core::surface::{View, live, new, tabs};
use sinsang_core::surface_name::Surface;
use sinsang_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMillis};
use sinsang_core::verdict::VerdictKind;
use sinsang_core::viewer::UserHasher;
use sinsang_pipeline::read::correction::Corrections;
use sinsang_pipeline::read::product;
use sinsang_publish::snapshot::Snapshot;

use crate::world::{self, TrueProduct, TrueUser, World, everything, mean, ndcg, now, wanted, world};

mod background;
mod bytes;

/// Counts the pairs within groups of equal keys.
fn pairs<K: Eq + std::hash::Hash>(keys: impl Iterator<Item = K>) -> f64 {
    let mut sizes: HashMap<K, u64> = HashMap::new();
    for key in keys {
        *sizes.entry(key).or_default() += 1;
    }
    sizes.values().map(|size| size * (size - 1) / 2).sum::<u64>() as f64
}

#[test]
fn listings_become_the_products_that_they_are() {
    let world = world();
    let both = pairs(world.found.iter().zip(&world.truth_of));
    let precision = both / pairs(world.found.iter());
    let recall = both / pairs(world.truth_of.iter());
    // A detector by item code takes each code for a separate product.
    let code = |entry: usize| {
        let listing = &world.catalogue.entries[entry].listing;
        (listing.shop.as_str(), listing.listing_id.as_str())
    };
    let entries = || 0..world.found.len();
    let by_code = pairs(entries().map(|entry| (code(entry), world.truth_of[entry]))) / pairs(world.truth_of.iter());
    println!("identity, pairs of listings: precision {precision:.4}, recall {recall:.4}");
    println!("by item code alone: recall {by_code:.4}");
    print_mixed(world);
    // Wrongly joined titles differ in one word that only one of them has, or that other shops use
    // as praise. Thresholds lie just below the measurements and may only rise. The matcher is
    // fitted to real schedules, where an extra word is mostly wording; generated products differ by
    // one word (0.9178 by rules).
    assert!(precision >= 0.905, "precision {precision:.4}, measured 0.9103");
    assert!(recall >= 0.963, "recall {recall:.4}, measured 0.9664");
    assert!(recall > 10.0 * by_code, "{recall:.4} and {by_code:.4}");
}

/// Prints how many found products mix several true ones, with titles of the largest and smallest.
fn print_mixed(world: &World) {
    let mut found: BTreeMap<u64, BTreeMap<usize, Vec<usize>>> = BTreeMap::new();
    for (entry, id) in world.found.iter().enumerate() {
        found.entry(id.0).or_default().entry(world.truth_of[entry]).or_default().push(entry);
    }
    let products = found.len();
    let mut mixed: Vec<_> = found.into_values().filter(|parts| parts.len() > 1).collect();
    println!("{} of {products} products found are several in truth", mixed.len());
    mixed.sort_by_key(|parts| std::cmp::Reverse(parts.values().map(Vec::len).sum::<usize>()));
    for parts in mixed.iter().take(3).chain(mixed.iter().rev().take(6)) {
        println!("  {} listings of {} products", parts.values().map(Vec::len).sum::<usize>(), parts.len());
        for entries in parts.values().take(6) {
            let listing = &world.catalogue.entries[entries[0]].listing;
            println!("    {} | {:?} | {:?}", listing.titles[0], listing.brand, listing.price);
        }
    }
}

/// The truth about a product with broadcasts to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum True {
    New,
    Repeat,
    /// It aired before the records begin, but not since.
    Censored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Called {
    New,
    Repeat,
    Unknown,
}

/// Counts by truth and verdict.
#[derive(Default)]
struct Table(BTreeMap<(True, Called), u32>);

impl Table {
    fn add(&mut self, truth: True, called: Called) {
        *self.0.entry((truth, called)).or_default() += 1;
    }

    fn count(&self, chosen: impl Fn(True, Called) -> bool) -> f64 {
        self.0
            .iter()
            .filter(|((truth, called), _)| chosen(*truth, *called))
            .map(|(_, count)| f64::from(*count))
            .fold(0.0, |sum, count| sum + count)
    }

    /// The share of new products among those called new.
    fn precision(&self) -> f64 {
        self.count(|t, c| (t, c) == (True::New, Called::New)) / self.count(|_, c| c == Called::New)
    }

    /// The share called new among the new products.
    fn recall(&self) -> f64 {
        self.count(|t, c| (t, c) == (True::New, Called::New)) / self.count(|t, _| t == True::New)
    }

    fn f1(&self) -> f64 {
        2.0 * self.precision() * self.recall() / (self.precision() + self.recall())
    }

    fn print(&self, name: &str) {
        println!("{name}: precision {:.4}, recall {:.4}", self.precision(), self.recall());
        println!("  {:<10} {:>6} {:>6} {:>7}", "truth", "new", "repeat", "unknown");
        for truth in [True::New, True::Repeat, True::Censored] {
            let cell = |called| self.count(|t, c| (t, c) == (truth, called));
            let [new, repeat, unknown] = [Called::New, Called::Repeat, Called::Unknown].map(cell);
            println!("  {:<10} {new:>6} {repeat:>6} {unknown:>7}", format!("{truth:?}"));
        }
    }
}

#[test]
fn what_is_new_is_called_new_and_what_cannot_be_told_unknown() {
    let world = world();
    // A product is a repeat once it was seen; one whose first broadcast may be on air now is
    // skipped.
    let seen: HashSet<usize> = ended(world).map(|entry| world.truth_of[entry]).collect();
    let truth = |product: usize| match &world.products[product] {
        TrueProduct { really_new: true, .. } => Some(True::New),
        TrueProduct { censored: true, .. } if !seen.contains(&product) => Some(True::Censored),
        TrueProduct { first_at, .. } if first_at.plus(4 * HOUR_MS) > now() => None,
        _ => Some(True::Repeat),
    };
    let called = |entry: usize| {
        let product = world.board.product(world.board.find_product(world.found[entry].0).unwrap());
        match product.verdict() {
            VerdictKind::New if product.first_ends_at() > now() => Called::New,
            VerdictKind::Unknown if product.first_ends_at() > now() => Called::Unknown,
            _ => Called::Repeat,
        }
    };
    let code = |entry: usize| {
        let listing = &world.catalogue.entries[entry].listing;
        (listing.shop.as_str(), listing.listing_id.as_str())
    };
    let aired: HashSet<(&str, &str)> = ended(world).map(code).collect();
    let coming: BTreeSet<usize> = (world.catalogue.airings.iter())
        .filter(|airing| airing.ends_at > now())
        .map(|airing| airing.entry.index())
        .collect();
    let (mut ours, mut by_code, mut by_product) = (Table::default(), Table::default(), Table::default());
    let mut products = BTreeSet::new();
    for entry in coming {
        let Some(truth) = truth(world.truth_of[entry]) else { continue };
        ours.add(truth, called(entry));
        by_code.add(truth, if aired.contains(&code(entry)) { Called::Repeat } else { Called::New });
        if products.insert(world.found[entry]) {
            by_product.add(truth, called(entry));
        }
    }
    ours.print("listings to come, by product");
    by_code.print("listings to come, by item code alone");
    by_product.print("products to come");
    let censored = ours.count(|t, _| t == True::Censored);
    let admitted = ours.count(|t, c| (t, c) == (True::Censored, Called::Unknown)) / censored;
    let told = 1.0 - ours.count(|t, c| t == True::New && c == Called::Unknown) / ours.count(|t, _| t == True::New);
    println!("of {censored} censored listings, called unknown {admitted:.4}; of the new ones not {told:.4}");
    // Thresholds lie just below the measurements and may only rise. Rules alone gave 0.9211,
    // 0.9150, 0.9178, 0.9371, 0.8403 and 0.9739; with the matcher, near-misses are unknown and
    // lines of one word repeats.
    assert!(ours.precision() >= 0.907, "{:.4}, measured 0.9124", ours.precision());
    assert!(ours.recall() >= 0.81, "{:.4}, measured 0.8170", ours.recall());
    assert!(by_product.precision() >= 0.905, "{:.4}, measured 0.9104", by_product.precision());
    assert!(by_product.recall() >= 0.81, "{:.4}, measured 0.8188", by_product.recall());
    assert!(admitted >= 0.89, "{admitted:.4}, measured 0.8992");
    assert!(told >= 0.92, "{told:.4}, measured 0.9281");
    // Calling a product new because its code is unseen is right less than one time in five here.
    assert!(ours.precision() > 4.0 * by_code.precision(), "{:.4} and {:.4}", ours.precision(), by_code.precision());
    assert!(ours.f1() > 2.0 * by_code.f1(), "{:.4} and {:.4}", ours.f1(), by_code.f1());
}

/// The listings of broadcasts that have ended.
fn ended(world: &World) -> impl Iterator<Item = usize> {
    world.catalogue.airings.iter().filter(|airing| airing.ends_at <= now()).map(|airing| airing.entry.index())
}

#[test]
fn each_viewer_sees_first_what_they_like() {
    const SHOWN: usize = 20;
    let world = world();
    let truth = world.truth_by_id();
    let personas: Vec<&TrueUser> = world.users.iter().filter(|user| user.persona.is_some()).collect();
    assert!(personas.len() >= 8);
    let shared = View::shared(&world.board, now());
    let list = |view: &View<'_>| -> Vec<&TrueProduct> {
        let page = new::page(view, &everything(now()));
        page.products.iter().map(|index| truth[&world.board.product(*index).id()]).collect()
    };
    let bar = |view: &View<'_>| -> Vec<String> {
        let free = tabs::order(view).into_iter().map(|index| world.board.tab(index)).filter(|tab| !tab.is_pinned());
        free.map(|tab| {
            let head: Value = serde_json::from_slice(&[tab.head_json(), b"}"].concat()).unwrap();
            head["tab_id"].as_str().unwrap().to_owned()
        })
        .collect()
    };
    let measure = |user: &TrueUser, view: &View<'_>| -> [f64; 3] {
        let list = list(view);
        let gains: Vec<f64> = list.iter().map(|product| wanted(user, product)).collect();
        let favourite = user.categories.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        let own = list.iter().take(SHOWN).filter(|product| product.category == *favourite).count();
        let tabs: Vec<f64> = bar(view).iter().map(|tab| user.tabs.get(tab).copied().unwrap_or(0.0)).collect();
        [ndcg(&gains, SHOWN), own as f64 / SHOWN as f64, ndcg(&tabs, tabs.len())]
    };
    let mut rows = Vec::new();
    for user in &personas {
        let taste = world.taste(&user.user_id).unwrap_or_else(|| panic!("no tastes of {user:?}"));
        let row = [measure(user, &View { taste: Some(taste), ..shared }), measure(user, &shared)];
        let favourite = user.categories.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        let order = list(&View { taste: Some(taste), ..shared });
        let places = (1..).zip(order).filter(|(_, product)| product.category == *favourite).map(|(place, _)| place);
        let places: Vec<usize> = places.collect();
        println!("{favourite} is at {places:?}");
        println!("{:?} personal {:.3?} shared {:.3?}", user.persona.as_deref().unwrap_or_default(), row[0], row[1]);
        rows.push(row);
    }
    let [own, all] = [0, 1].map(|side| [0, 1, 2].map(|at| mean(rows.iter().map(|row: &[[f64; 3]; 2]| row[side][at]))));
    println!(
        "personas: NDCG@20, share of the favourite category in 20, NDCG of tabs: personal {own:.4?}, shared {all:.4?}"
    );
    let drawn = world.users.iter().filter(|user| user.persona.is_none());
    let drawn: Vec<[[f64; 3]; 2]> = drawn
        .filter_map(|user| {
            let taste = Some(world.taste(&user.user_id)?);
            Some([measure(user, &View { taste, ..shared }), measure(user, &shared)])
        })
        .collect();
    let [drawn_own, drawn_all] = [0, 1].map(|side| [0, 1, 2].map(|at| mean(drawn.iter().map(|row| row[side][at]))));
    println!("{} others: personal {drawn_own:.4?}, shared {drawn_all:.4?}", drawn.len());
    // The cost of mixing: caps, similarity and exploration, each alone and together.
    let mut tried = Board::parse(world.board.pack().bytes().to_vec(), world.board.id()).unwrap();
    let mix = world.board.mix();
    let plain = Mix { memory: mix.memory, tab_margin: mix.tab_margin, ..Mix::default() };
    let Mix { window, category, brand, channel, similarity, explore_every, explore_below, .. } = mix;
    let alone = [
        ("scores alone", plain),
        ("as published", mix),
        ("caps", Mix { window, category, brand, channel, ..plain }),
        ("cap of categories", Mix { window, category, ..plain }),
        ("likeness", Mix { window, similarity, ..plain }),
        ("exploration", Mix { explore_every, explore_below, ..plain }),
        ("no memory", Mix { memory: 0, ..plain }),
        ("no margin", Mix { tab_margin: 0, ..plain }),
        ("stricter category", Mix { window, category: category - 1, ..plain }),
        ("looser category", Mix { window, category: category + 1, ..plain }),
        ("four times the likeness", Mix { window, similarity: 4 * similarity, ..plain }),
    ];
    let costs = alone.map(|(name, mix)| {
        tried.try_mix(Some(mix));
        let base = View::shared(&tried, now());
        let users = world.users.iter().filter_map(|user| Some((user, world.taste(&user.user_id)?)));
        let viewer =
            |user: &TrueUser| user.user_id.bytes().fold(7, |sum: u64, byte| sum * 31 % 1_000_003 + u64::from(byte));
        let measured: Vec<[f64; 3]> = users
            .map(|(user, taste)| measure(user, &View { taste: Some(taste), viewer: viewer(user), ..base }))
            .collect();
        let [new, tabs] = [0, 2].map(|at| mean(measured.iter().map(|row| row[at])));
        println!("all users, {name}: NDCG@20 {new:.4}, tabs {tabs:.4}");
        new
    });
    assert!(costs[1] >= 0.97 * costs[0], "mixing costs more than 3 %: {costs:?}");
    let better = rows.iter().filter(|row| row[0][0] > row[1][0]).count();
    assert!(better + 1 >= rows.len(), "{better} of {} personas are better served by their own order", rows.len());
    // Thresholds lie just below the measurements without mixing: personas 0.8292, 0.5450 and 0.8696
    // (shared 0.1669, 0.0850 and 0.6444), others 0.6765, 0.4662 and 0.6996 (shared 0.2779, 0.1084
    // and 0.6262). Built lists are mixed, and tab bars wait for midnight and a margin.
    assert!(own[0] >= 0.82 && own[1] >= 0.48 && own[2] >= 0.84, "{own:?}");
    assert!(drawn_own[0] >= 0.67 && drawn_own[1] >= 0.41 && drawn_own[2] >= 0.68, "{drawn_own:?}");
    assert!(own[0] > 2.0 * all[0] && own[1] > 2.0 * all[1] && own[2] > all[2] + 0.2, "{own:?} {all:?}");
    assert!(
        drawn_own[0] > 1.5 * drawn_all[0] && drawn_own[1] > 2.0 * drawn_all[1] && drawn_own[2] > drawn_all[2],
        "{drawn_own:?} {drawn_all:?}"
    );
}

#[test]
fn why_says_from_a_folder_what_previews_are_told() {
    let world = world();
    let snapshot = Snapshot::at(&world.snapshot);
    let question = |viewer, surface| Question { viewer, user_key: world::USER_KEY, surface, at: now() };
    let ask = |question: &Question<'_>, wanted: &[String]| {
        serde_json::to_value(why::places(&snapshot, question, wanted).unwrap()).unwrap()
    };
    let personas = world.users.iter().filter(|user| user.persona.is_some()).take(3);
    for viewer in personas.map(|user| user.user_id.as_str()).chain(["a stranger"]) {
        let taste = world.taste(viewer);
        let leaning = world.board.leaning(Context::default(), now());
        let context = leaning.as_deref().map(|leaning| world.board.context_taste(leaning));
        let key = UserHasher::new(world::USER_KEY.as_bytes()).unwrap().key(viewer).0;
        let view = View {
            taste: taste.or(context),
            is_of_context: taste.is_none(),
            viewer: taste.map_or(0, |_| key),
            is_explained: true,
            ..View::shared(&world.board, now())
        };
        let mut shown = [Vec::new(), Vec::new()];
        new::write_items(&view, &new::page(&view, &everything(now())), now(), &mut shown[0]);
        live::write_items(&view, &mut shown[1]);
        for (surface, shown) in Surface::of_products().zip(shown) {
            let items: Vec<Value> = serde_json::from_slice(&shown).unwrap();
            let wanted: BTreeSet<&str> = items.iter().map(|item| text(&item["product_id"])).collect();
            let wanted: Vec<String> = wanted.into_iter().map(str::to_owned).collect();
            let told = ask(&question(viewer, surface), &wanted);
            assert_eq!((&told["personalized"], &told["total"]), (&taste.is_some().into(), &items.len().into()));
            let mut places = told["products"].as_array().unwrap().clone();
            places.sort_by_key(|told| told["place"].as_u64());
            assert_eq!(places.len(), items.len());
            for ((place, item), told) in (1..).zip(&items).zip(places) {
                let found = (&told["place"], &told["product_id"], &told["why"]);
                assert_eq!(found, (&place.into(), &item["product_id"], &item["why"]), "{viewer} {surface:?}");
                let parts = told["why"]["parts"].as_object().unwrap().values().map(|part| part.as_i64().unwrap());
                assert_eq!(Some(parts.sum()), told["why"]["total"].as_i64());
                assert_eq!(told["verdict"], item["verdict"]);
            }
            let listing = &items[0]["listings"][0];
            let code = format!("{}:{}", text(&listing["shop"]), text(&listing["listing_id"]));
            assert_eq!(ask(&question(viewer, surface), &[code])["products"][0]["place"], 1);
        }
    }
    // An absent product has a reason, and an invalid question an error that names what is missing.
    let repeat = world.board.product(
        (0..world.board.product_count()).find(|at| world.board.product(*at).verdict() == VerdictKind::Repeat).unwrap(),
    );
    let told = ask(&question("u000001", Surface::New), &[format!("{:016x}", repeat.id())]);
    assert!(text(&told["products"][0]["absent"]).contains("전에 방송한"), "{told}");
    let refused = |snapshot: &Snapshot, question: &Question<'_>, wanted: &str| {
        why::places(snapshot, question, &[wanted.to_owned()]).unwrap_err().to_string()
    };
    let asked = question("u000001", Surface::New);
    assert!(refused(&snapshot, &asked, "no such listing").contains("no such listing"));
    assert!(refused(&snapshot, &Question { user_key: "", ..asked.clone() }, "x").contains("SINSANG_USER_KEY"));
    let nowhere = Snapshot::at(Path::new("no/such/folder"));
    assert!(refused(&nowhere, &asked, "x").contains("no/such/folder"));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn viewers_without_history_are_better_served_by_what_others_lean_to_who_come_as_they_do() {
    const SHOWN: usize = 20;
    // Enough users to show the common traits of a province or a device class.
    let world = &World::make(30, 1_500);
    let truth = world.truth_by_id();
    println!("{:?} contexts", world.report.tastes.contexts);
    let measure = |user: &TrueUser, at: UnixMillis, told: Option<Context>| -> f64 {
        let leaning = told.and_then(|context| world.board.leaning(context, at));
        let taste = leaning.as_deref().map(|leaning| world.board.context_taste(leaning));
        let view = View { taste, is_of_context: taste.is_some(), ..View::shared(&world.board, at) };
        let page = new::page(&view, &everything(at));
        let products = page.products.iter().map(|index| truth[&world.board.product(*index).id()]);
        let gains: Vec<f64> =
            products.map(|product| wanted(user, product) + world.lean(user.context, at, &product.category)).collect();
        ndcg(&gains, SHOWN)
    };
    // Two days, at every part of the week that they contain.
    let times: Vec<UnixMillis> = (0..12).map(|step| now().plus(4 * step * HOUR_MS)).collect();
    let mut rows: Vec<[f64; 5]> = Vec::new();
    for user in world.users.iter().filter(|user| user.persona.is_none()).take(400) {
        let Context { region, device } = user.context;
        for at in &times {
            let told = [(0, 0), (region, 0), (0, device), (region, device)];
            let [time, by_region, by_device, all] =
                told.map(|(region, device)| measure(user, *at, Some(Context { region, device })));
            rows.push([measure(user, *at, None), time, by_region, by_device, all]);
        }
    }
    let [plain, time, by_region, by_device, all] = [0, 1, 2, 3, 4].map(|at| mean(rows.iter().map(|row| row[at])));
    println!(
        "without history, NDCG@20: shared {plain:.4}, by time {time:.4}, with province {by_region:.4}, with device {by_device:.4}, all {all:.4}"
    );
    // Thresholds lie just below the measurements: .3392, .4409, .4606, .4768, .4941. They may only
    // rise.
    assert!(time > 1.28 * plain && all > 1.43 * plain, "{plain:.4} {time:.4} {all:.4}");
    assert!(by_region > 1.03 * time && by_device > 1.06 * time, "{time:.4} {by_region:.4} {by_device:.4}");
}

#[test]
fn the_new_products_tab_shows_no_product_whose_first_broadcast_is_over() {
    let world = world();
    let products = product::products(&world.catalogue, &world.found, &Corrections::default());
    let first_end: HashMap<u64, UnixMillis> =
        products.iter().map(|product| (product.id.0, world.catalogue.airings[product.airings[0]].ends_at)).collect();
    let (from, to) = world.board.window();
    assert!(from <= now().plus(-DAY_MS) && to >= now().plus(6 * DAY_MS), "{from} to {to}");
    let mut shown = 0;
    let steps = to.since(from) / (30 * MINUTE_MS);
    for at in (0..=steps).map(|step| from.plus(step * 30 * MINUTE_MS)) {
        let view = View::shared(&world.board, at);
        let page = new::page(&view, &everything(at));
        shown += page.products.len();
        for index in &page.products {
            let product = world.board.product(*index);
            assert!(first_end[&product.id()] > at, "{:016x} at {at}", product.id());
        }
        let mut json = Vec::new();
        new::write_items(&view, &page, at, &mut json);
        let items: Vec<Value> = serde_json::from_slice(&json).unwrap();
        assert_eq!(items.len(), page.products.len());
        for item in items {
            assert_eq!(item["verdict"]["kind"], "new", "at {at}: {item}");
            assert!(!item["broadcasts"].as_array().unwrap().is_empty(), "at {at}: {item}");
        }
    }
    assert!(shown > 1_000, "{shown}");
    let page = new::page(&View::shared(&world.board, now()), &everything(now()));
    assert_eq!(page.products.len(), world.report.verdicts.new);
    assert!(world.report.verdicts.unknown > 0 && world.report.verdicts.repeat > 0, "{:?}", world.report.verdicts);
}

fn board(snapshot: &Path) -> Board {
    let snapshot = Snapshot::at(snapshot);
    let id = snapshot.manifest().unwrap().board();
    snapshot.parse(Key::Pack(Kind::Board, id), |bytes| Board::parse(bytes, id)).unwrap()
}
