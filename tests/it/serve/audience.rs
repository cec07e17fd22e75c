//! Audiences: directives and experiments for some viewers are seen by those alone, whoever asks
//! beside them, and a list stays with the audiences that it began for.

use std::collections::BTreeSet;

use sinsang::reply::Reply;
use sinsang_core::audience::{AudienceSet, STRONGEST};
use sinsang_core::context::Context;
use sinsang_core::directive::{Deed, WHOLE};
use sinsang_core::key::Key;
use sinsang_core::pack::Kind;
use sinsang_core::pack::audience::AudiencePart;
use sinsang_core::pack::board_write::BoardParts;
use sinsang_core::pack::mix::DirectivePart;
use sinsang_core::pack::taste::{Taste, TasteShard};
use sinsang_core::surface::cursor::Cursor;
use sinsang_core::surface_name::Surface;
use sinsang_core::time::{HOUR_MS, UnixMillis};

use crate::support::at;
use crate::support::board::{BUILT_AT, Published, Shape, hasher, parts, publish, users, widths};
use crate::support::edge::{Ask, Edge, Fault, PREVIEW, ids, json, ok};
use crate::support::experiment::tried;

const SURFACES: [&str; 3] = ["/v1/new?limit=100", "/v1/live", "/v1/home?limit=100"];
const SEOUL: Context = Context { region: 11, device: 1 };
const JEJU: Context = Context { region: 49, device: 4 };
const NOWHERE: Context = Context { region: 0, device: 0 };
const LISTED_DEVICE: &str = "device-000000000007";
const LISTED_USER: &str = "u000002";
/// The category that the audience `beauty` names, by its index.
const BEAUTY: u16 = 0;

fn audience(name: &str) -> AudiencePart {
    AudiencePart { name: name.to_owned(), ..AudiencePart::default() }
}

/// One audience of each kind, and two that ask for several things.
fn audiences() -> Vec<AudiencePart> {
    let keys = vec![hasher().key(LISTED_USER).0, hasher().device(LISTED_DEVICE).0];
    vec![
        AudiencePart { regions: vec![11, 26], ..audience("seoul") },
        AudiencePart { devices: vec![4], ..audience("tv") },
        AudiencePart { is_newcomer: Some(true), ..audience("newcomers") },
        AudiencePart { is_newcomer: Some(false), ..audience("known") },
        AudiencePart { categories: Some(vec![BEAUTY]), ..audience("beauty") },
        AudiencePart { keys: Some(keys), ..audience("listed") },
        AudiencePart { regions: vec![49], devices: vec![1, 4], is_newcomer: Some(false), ..audience("jeju-known") },
        AudiencePart { categories: Some(Vec::new()), ..audience("of-no-category-here") },
    ]
}

/// A board that buries every second product for the audiences named.
fn board(of: &[&str]) -> BoardParts {
    let mut parts = parts(&Shape::DAY);
    parts.mix.audiences = audiences();
    parts.mix.directives = vec![DirectivePart {
        name: "a burial".to_owned(),
        deed: Deed::Weigh(-400_000),
        surfaces: Surface::New.bit() | Surface::Live.bit(),
        share: WHOLE,
        audiences: of.iter().map(|name| (*name).to_owned()).collect(),
        from: UnixMillis::from_seconds(0),
        until: UnixMillis::from_seconds(u32::MAX),
        products: parts.products.iter().step_by(2).map(|product| product.id).collect(),
    }];
    parts
}

fn published(parts: &BoardParts) -> Published {
    publish(parts, &Shape::DAY, &widths(parts), Vec::new())
}

fn edge(parts: &BoardParts) -> Edge {
    let mut edge = Edge::with(&published(parts), at(BUILT_AT).plus(2 * HOUR_MS));
    edge.get("/v1/tabs");
    edge
}

/// Who asks, from where.
#[derive(Clone, Copy, Debug)]
struct Who<'a> {
    user: Option<&'a str>,
    device: Option<&'a str>,
    context: Context,
}

impl Who<'_> {
    fn ask(&self, target: &str) -> Ask {
        let ask = self.user.iter().fold(Ask::get(target), |ask, user| ask.user(user));
        let ask = self.device.iter().fold(ask, |ask, device| ask.device(device));
        Ask { context: Some(self.context), ..ask }
    }

    /// Whether the viewer is in an audience, told without the code that is tested.
    fn is_in(&self, audience: &AudiencePart, truth: &Truth) -> bool {
        let known = self.user.is_some_and(|user| users(&Shape::DAY).iter().any(|known| known == user));
        let key = self.user.map(|user| hasher().key(user)).or(self.device.map(|device| hasher().device(device)));
        (audience.regions.is_empty() || audience.regions.contains(&self.context.region))
            && (audience.devices.is_empty() || audience.devices.contains(&self.context.device))
            && audience.is_newcomer.is_none_or(|is_newcomer| is_newcomer != known)
            && audience.keys.as_ref().is_none_or(|keys| key.is_some_and(|key| keys.contains(&key.0)))
            && audience.categories.as_ref().is_none_or(|categories| {
                known && self.user.is_some_and(|user| categories.contains(&BEAUTY) && truth.lean(user))
            })
    }
}

/// The users that lean to [`BEAUTY`], by the mean agreement of their tastes with its products.
struct Truth(BTreeSet<String>);

impl Truth {
    fn of(parts: &BoardParts) -> Self {
        let published = published(parts);
        let leans = |user: &String| {
            let id = published.shard_of(user)?;
            let bytes = published.pack(Key::Pack(Kind::Tastes, id)).to_vec();
            let shard = TasteShard::parse(bytes, id).ok()?;
            let vector = Taste::cut(shard.find(hasher().key(user).0)?, shard.widths()).vector.to_vec();
            let mean = |is_meant: &dyn Fn(Option<u16>) -> bool| {
                let meant = parts.products.iter().filter(|product| is_meant(product.category));
                let dots = meant.map(|product| {
                    let pairs = product.vector.iter().zip(&vector);
                    pairs.map(|(a, b)| f64::from(*a) * f64::from(b.cast_signed())).sum::<f64>()
                });
                let all: Vec<f64> = dots.collect();
                all.iter().sum::<f64>() / f64::from(u32::try_from(all.len()).unwrap())
            };
            let all = mean(&|_| true);
            let of = |category: u16| mean(&|own| own == Some(category)) - all;
            let better = (0..6).filter(|other| of(*other) > of(BEAUTY)).count();
            (of(BEAUTY) > 0.0 && better < STRONGEST).then(|| user.clone())
        };
        Self(users(&Shape::DAY).iter().filter_map(leans).collect())
    }

    fn lean(&self, user: &str) -> bool {
        self.0.contains(user)
    }
}

/// Everybody who is asked for: with and without a name, known and not, here and there.
fn everybody(users: &[String]) -> Vec<Who<'_>> {
    let mut all = Vec::new();
    for context in [SEOUL, JEJU, NOWHERE, Context { region: 26, device: 0 }] {
        let who = |user, device| Who { user, device, context };
        all.extend([who(None, None), who(None, Some("device-000000000001")), who(None, Some(LISTED_DEVICE))]);
        all.extend([who(Some("a stranger"), None), who(Some(LISTED_USER), Some("device-000000000001"))]);
        all.extend(users.iter().take(4).map(|user| who(Some(user.as_str()), None)));
    }
    all
}

/// An answer without its snapshot, which the boards that are compared don't share.
fn shown(reply: &Reply) -> serde_json::Value {
    let mut body = ok(reply);
    body.as_object_mut().unwrap().remove("snapshot");
    if let Some(new) = body.get_mut("new").and_then(|new| new.as_object_mut()) {
        new.remove("next_cursor");
    }
    body.as_object_mut().unwrap().remove("next_cursor");
    body
}

#[test]
fn a_directive_is_seen_by_its_audience_and_by_nobody_else() {
    let users = users(&Shape::DAY);
    let mut without = board(&[]);
    without.mix.directives.clear();
    let truth = Truth::of(&without);
    assert!((4..=36).contains(&truth.0.len()), "{} lean to it", truth.0.len());
    let [mut without, mut with] = [without, board(&[])].map(|parts| edge(&parts));
    let all = audiences();
    for of in [
        &["seoul"][..],
        &["tv"],
        &["newcomers"],
        &["known"],
        &["beauty"],
        &["listed"],
        &["jeju-known"],
        &["tv", "listed"],
    ] {
        let mut own = edge(&board(of));
        let mut counts = [0, 0];
        for who in everybody(&users) {
            let is_in = all.iter().any(|one| of.contains(&one.name.as_str()) && who.is_in(one, &truth));
            counts[usize::from(is_in)] += 1;
            let as_there = if is_in { &mut with } else { &mut without };
            for target in SURFACES {
                let (reply, expected) = (own.ask(&who.ask(target)), as_there.ask(&who.ask(target)));
                assert_eq!(shown(&reply), shown(&expected), "{of:?} {who:?} {target}");
            }
        }
        assert!(counts.iter().all(|count| *count > 0), "{of:?}: {counts:?}");
    }
    // One whose categories the board lacks is nobody, and so is one that the board does not have.
    for of in ["of-no-category-here", "another"] {
        let mut own = edge(&board(&[of]));
        for who in everybody(&users) {
            assert_eq!(shown(&own.ask(&who.ask(SURFACES[0]))), shown(&without.ask(&who.ask(SURFACES[0]))), "{of}");
        }
    }
}

#[test]
fn caches_keep_audiences_apart_and_only_where_they_are() {
    let control = |reply: &Reply| reply.header("Cache-Control").unwrap().split(',').next().unwrap().to_owned();
    for (of, is_public, by_device) in [("seoul", false, false), ("newcomers", true, false), ("beauty", true, false)] {
        let mut parts = board(&[of]);
        parts.mix.audiences.retain(|audience| audience.name == of);
        let mut edge = edge(&parts);
        assert_eq!(edge.memory.tells_contexts_apart(), !is_public, "{of}");
        for target in SURFACES {
            let [seoul, jeju] =
                [SEOUL, JEJU].map(|context| edge.ask(&Ask { context: Some(context), ..Ask::get(target) }));
            for reply in [&seoul, &jeju] {
                assert_eq!(control(reply), if is_public { "public" } else { "private" }, "{of} {target}");
                assert_eq!(reply.header("Vary").unwrap().contains("Sinsang-Device"), by_device);
            }
            assert_eq!(seoul.header("ETag") == jeju.header("ETag"), is_public, "{of} {target}");
            assert_eq!(shown(&seoul) == shown(&jeju), is_public, "{of} {target}");
        }
    }
    // A device that is listed has an answer of its own.
    let mut parts = board(&["listed"]);
    parts.mix.audiences.retain(|audience| audience.name == "listed");
    let mut edge = edge(&parts);
    let [listed, other, nobody] = [Some(LISTED_DEVICE), Some("device-000000000001"), None].map(|device| Who {
        user: None,
        device,
        context: SEOUL,
    });
    let [listed, other, nobody] = [listed, other, nobody].map(|who| edge.ask(&who.ask(SURFACES[0])));
    for reply in [&listed, &other, &nobody] {
        assert!(reply.header("Vary").unwrap().contains("Sinsang-Device"));
    }
    assert_eq!([&listed, &other, &nobody].map(control), ["private", "private", "public"]);
    assert_ne!(listed.header("ETag"), other.header("ETag"));
    assert_ne!(shown(&listed), shown(&other));
    assert_eq!(shown(&other), shown(&nobody));
    assert_eq!(listed.header("Sinsang-Audiences"), None, "only previews tell");
}

#[test]
fn a_list_stays_with_the_audiences_that_it_began_for() {
    let mut edge = edge(&board(&["seoul"]));
    for user in [None, Some("u000001"), Some("a stranger")] {
        let who = |context| Who { user, device: None, context };
        for (first, then) in [(SEOUL, JEJU), (JEJU, SEOUL), (SEOUL, NOWHERE)] {
            let whole = ids(&ok(&edge.ask(&who(first).ask("/v1/new?limit=100"))));
            let (mut all, mut context, mut target) = (Vec::new(), first, "/v1/new?limit=7".to_owned());
            loop {
                let body = ok(&edge.ask(&who(context).ask(&target)));
                all.extend(ids(&body));
                let Some(cursor) = body["next_cursor"].as_str() else { break };
                assert!(cursor.len() < 64, "{}", cursor.len());
                (context, target) = (then, format!("/v1/new?limit=7&cursor={cursor}"));
            }
            assert!(whole.len() > 14);
            assert_eq!(all, whole, "{user:?}: {first:?}, then {then:?}");
        }
    }
    // What an older edge wrote, which knew no audiences, goes on for everybody.
    let body = ok(&edge.ask(&Who { user: None, device: None, context: SEOUL }.ask("/v1/new?limit=7")));
    let cursor = Cursor::decode(body["next_cursor"].as_str().unwrap()).unwrap();
    assert_ne!(cursor.audiences, AudienceSet::default());
    let before = Cursor { audiences: AudienceSet::default(), offset: 0, ..cursor }.encode();
    let list = ids(&ok(&edge.ask(&Ask::get(format!("/v1/new?limit=100&cursor={before}")))));
    assert_eq!(list, ids(&ok(&edge.ask(&Who { user: None, device: None, context: JEJU }.ask(SURFACES[0])))));
}

#[test]
fn nobody_counts_as_a_newcomer_while_their_tastes_are_out_of_reach() {
    let parts = board(&["newcomers"]);
    let published = published(&parts);
    let shard = published.shard_of("u000001").unwrap();
    let mut without = parts.clone();
    without.mix.directives.clear();
    let ask = Ask::get(SURFACES[0]).user("u000001");
    let shown_to_all = |parts: &BoardParts| shown(&edge(parts).get(SURFACES[0]));
    for fault in [Some(Fault::Error), Some(Fault::Timeout), None] {
        let mut edge = Edge::with(&published, at(BUILT_AT).plus(2 * HOUR_MS));
        if let Some(fault) = fault {
            edge.store.faults.insert(Key::Pack(Kind::Tastes, shard).to_string(), fault);
        }
        let body = ok(&edge.ask(&ask));
        assert_eq!(body["personalized"], fault.is_none());
        if fault.is_some() {
            assert_eq!(ids(&body), ids(&shown_to_all(&without)), "{fault:?}");
        }
    }
    assert_ne!(shown_to_all(&parts), shown_to_all(&without), "the anonymous are newcomers");
}

#[test]
fn an_experiment_for_an_audience_draws_from_it_alone() {
    let all = tried(&Shape::DAY);
    let mut of_seoul = all.clone();
    of_seoul.mix.audiences = audiences();
    for experiment in &mut of_seoul.mix.experiments {
        experiment.audiences = vec!["seoul".to_owned()];
    }
    let [mut everybody, mut seoul] = [&all, &of_seoul].map(edge);
    let mut seen = BTreeSet::new();
    for number in 0..60 {
        let device = format!("device-{number:012}");
        for context in [SEOUL, JEJU] {
            let who = Who { user: None, device: Some(&device), context };
            let [own, plain] = [&mut seoul, &mut everybody].map(|edge| edge.ask(&who.ask("/v1/new?limit=20")));
            let named = own.header("Sinsang-Experiments").map(str::to_owned);
            let expected = plain.header("Sinsang-Experiments").map(str::to_owned).filter(|_| context == SEOUL);
            assert_eq!(named, expected, "{device} {context:?}");
            // The list goes on in its variants, wherever its next page is asked for.
            if let Some(cursor) = ok(&own)["next_cursor"].as_str() {
                let away = Who { context: if context == SEOUL { JEJU } else { SEOUL }, ..who };
                let next = seoul.ask(&away.ask(&format!("/v1/new?limit=20&cursor={cursor}")));
                assert_eq!(next.header("Sinsang-Experiments").map(str::to_owned), named);
            }
            seen.insert(named);
        }
    }
    assert!(seen.len() > 2, "{seen:?}");
}

#[test]
fn a_preview_is_told_its_audiences() {
    let mut edge = edge(&board(&["seoul"]));
    for (query, expected) in [
        ("region=11&device_class=tv", "seoul, tv, newcomers"),
        ("viewer=u000002&region=49", "known, listed"),
        ("device_class=phone&viewer=u000002", "known, listed"),
    ] {
        let reply = edge.ask(&Ask::get(format!("/v1/live?{query}")).preview(PREVIEW));
        assert_eq!(json(&reply)["surface"], "live");
        let told = reply.header("Sinsang-Audiences").unwrap().parse().unwrap();
        let names = edge.memory.current().unwrap().board.audience_names(AudienceSet(told));
        assert_eq!(names.replace(", beauty", ""), expected, "{query}");
    }
}
