//! What the preview page asks of the core in the browser: the surfaces of a downloaded snapshot in any order that the ranking's weights
//! give, with the parts of every score, and a viewer's tastes in words.
//!
//! It ranks by the very functions that the edge ranks by. What it adds is told apart: weights that are being tried, places that are
//! pinned and products that are blocked.

#[cfg(all(target_arch = "wasm32", feature = "preview"))]
mod door;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sinsang_core::context::Context;
use sinsang_core::mix::Half;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::pulse::Pulse;
use sinsang_core::pack::taste::{Taste, TasteShard};
use sinsang_core::pack::{Damage, PackId};
use sinsang_core::rank::{HOUR_BUCKETS, Weights, dot};
use sinsang_core::signal::Score;
use sinsang_core::surface::new::{self, Page, Selection, Sort};
use sinsang_core::surface::{View, live, tabs, trusts_verdicts};
use sinsang_core::surface_name::Surface;
use sinsang_core::time::{SECOND_MS, UnixMillis};

/// Where a pack's header states the checksum that is its name (`pack/FORMAT.md`).
const ID_AT: usize = 16;
/// Classes of prices that a viewer's leanings are told of, of as many products each.
const PRICE_CLASSES: usize = 5;
/// From an inner product of vectors to the points of a signal, as `rank.rs` has it.
const AGREEMENT_SHIFT: u32 = 6;

/// What is asked of a [`Preview`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Question {
    /// The time that is looked at, in Unix milliseconds.
    pub now_ms: i64,
    /// The time by which the snapshot is too old to call anything new, or not, in Unix milliseconds; 0 where that is not looked at.
    pub checked_at_ms: i64,
    /// Whether the viewer's tastes are left aside.
    pub is_shared: bool,
    /// For who has no tastes of their own: the Korean province they come from, two digits of ISO 3166-2; empty for none.
    pub region: String,
    /// And the class of their device, of [`sinsang_core::context::DEVICE_CLASSES`]; empty for none.
    pub device_class: String,
    /// Only new products of this category.
    pub category: Option<String>,
    /// Only new products with a broadcast to come on this channel's id.
    pub channel: Option<String>,
    /// Whether new products are in the order of their first broadcasts.
    pub is_soonest: bool,
    /// Whether each item says why it stands where it does, as `explain=1` has the edge say it.
    pub is_explained: bool,
    /// Most new products.
    pub limit: usize,
    /// Weights to try in place of the published ones.
    pub weights: Option<Weights>,
    /// Variants to show things by, as `experiment:variant`; those that the board does not have are passed over. Weights to try count before them.
    pub variants: Vec<String>,
    /// New products that keep a place for everybody, whatever they score.
    pub pins: Vec<Pin>,
    /// New products that are left out, by their ids.
    pub blocks: Vec<String>,
}

/// A new product that is held in a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The product's id, 16 hex digits.
    pub product_id: String,
    /// Its place, from 0.
    pub place: usize,
}

#[derive(Serialize)]
struct Scores {
    tabs: Vec<Score>,
    live: Vec<Score>,
    new: Vec<Score>,
}

/// A snapshot's board with at most one viewer's tastes.
#[derive(Debug)]
pub struct Preview {
    board: Board,
    tastes: Option<TasteShard>,
    pulse: Option<Pulse>,
}

impl Preview {
    /// Reads a board.
    ///
    /// # Errors
    /// A [`Damage`] that says what is wrong with the bytes.
    pub fn open(board: Vec<u8>) -> Result<Self, Damage> {
        let id = stated_id(&board)?;
        Ok(Self { board: Board::parse(board, id)?, tastes: None, pulse: None })
    }

    /// Takes in the taste pack of one viewer, or none. Says whether tastes for this board are known.
    ///
    /// # Errors
    /// A [`Damage`] that says what is wrong with the bytes; the viewer before is forgotten then.
    pub fn seat(&mut self, tastes: Option<Vec<u8>>) -> Result<bool, Damage> {
        self.tastes = None;
        if let Some(bytes) = tastes {
            let id = stated_id(&bytes)?;
            self.tastes = Some(TasteShard::parse(bytes, id)?);
        }
        Ok(self.taste().is_some())
    }

    /// Takes in the pulse to order by, or none: at another time than the present the edge orders without.
    ///
    /// # Errors
    /// A [`Damage`] that says what is wrong with the bytes; the pulse before is forgotten then.
    pub fn beat(&mut self, pulse: Option<Vec<u8>>) -> Result<(), Damage> {
        self.pulse = None;
        self.pulse = pulse.map(Pulse::parse).transpose()?;
        Ok(())
    }

    /// The weights that the snapshot was published with.
    pub fn weights(&self) -> Weights {
        self.board.published_weights()
    }

    /// The surfaces as JSON: `tabs`, `live` and `new` as `/v1/home` has them, and `scores` with a score for each of their items.
    pub fn arrange(&mut self, question: &Question) -> Vec<u8> {
        self.board.try_weights(question.weights);
        let own = self.taste().filter(|_| !question.is_shared);
        let viewer = self.tastes.as_ref().filter(|_| own.is_some()).map_or(0, |shard| shard.key(0));
        let leaning = self.leaning_of(question);
        let taste = own.or_else(|| leaning.as_deref().map(|leaning| self.board.context_taste(leaning)));
        let experiments = self.board.experiments();
        let chosen: Vec<(usize, usize)> =
            question.variants.iter().filter_map(|name| experiments.find(name).ok()).collect();
        let chosen =
            if question.weights.is_none() { experiments.chosen(None, &chosen, UnixMillis(0)) } else { Vec::new() };
        let assignment = experiments.assign(&chosen, self.board.weights(), self.board.mix());
        let checked_at = Some(UnixMillis(question.checked_at_ms)).filter(|at| at.0 != 0);
        let view = View {
            trusts_verdicts: checked_at.is_none_or(|at| trusts_verdicts(self.board.built_at(), at)),
            taste,
            is_of_context: own.is_none(),
            viewer,
            pulse: self.pulse.as_ref(),
            is_explained: question.is_explained,
            assignment: assignment.as_ref(),
            ..View::shared(&self.board, UnixMillis(question.now_ms))
        };
        let frozen_at = view.now.floor(SECOND_MS);
        let (page, left_out) = page(&view, question, frozen_at);
        let scores = Scores {
            tabs: tabs::order(&view).into_iter().map(|index| tabs::score_of(&view, index)).collect(),
            live: live::order(&view).into_iter().map(|index| live::score_of(&view, index)).collect(),
            new: page
                .products
                .iter()
                .map(|index| new::score_of(&view, &view.board.product(*index), frozen_at))
                .collect(),
        };
        let mut out = format!("{{\"personalized\":{},\"tabs\":{{\"items\":", own.is_some()).into_bytes();
        tabs::write_items(&view, &mut out);
        out.extend_from_slice(b"},\"live\":{\"items\":");
        live::write_items(&view, &mut out);
        let total = page.total.saturating_sub(left_out);
        out.extend_from_slice(format!("}},\"new\":{{\"total\":{total},\"items\":").as_bytes());
        new::write_items(&view, &page, frozen_at, &mut out);
        out.extend_from_slice(b"},\"scores\":");
        out.extend_from_slice(serde_json::to_string(&scores).unwrap_or_default().as_bytes());
        out.push(b'}');
        out
    }

    /// The tastes that the question's surfaces are ordered by, as JSON, by names of the board: the viewer's own, or what viewers in the
    /// question's context lean to (`is_of_context`); `null` where neither is known. A weight reaches from -128 to 127.
    pub fn tastes(&self, question: &Question) -> String {
        let board = &self.board;
        let own = self.taste().filter(|_| !question.is_shared);
        let leaning = self.leaning_of(question);
        let of_context = || leaning.as_deref().map(|leaning| board.context_taste(leaning));
        let Some(taste) = own.or_else(of_context) else { return "null".to_owned() };
        let leanings = self.leanings(&taste);
        let categories: Vec<_> = (0..board.category_count())
            .filter_map(|index| {
                let own = leanings.iter().filter(|one| one.category == Some(index));
                Some(json!({ "name": board.category(index), "weight": lean(own, &leanings)? }))
            })
            .collect();
        let channels: Vec<_> = (0..board.channel_count())
            .map(|index| json!({ "id": board.channel_id(index), "weight": taste.channel(index) }))
            .collect();
        let hours: Vec<i8> = (0..HOUR_BUCKETS).map(|index| taste.hour(index)).collect();
        let mut by_price: Vec<&Agreement> = leanings.iter().filter(|one| one.price.is_some()).collect();
        by_price.sort_by_key(|one| one.price);
        let step = by_price.len().div_ceil(PRICE_CLASSES).max(1);
        let prices: Vec<i64> = by_price.chunks(step).filter_map(|own| lean(own.iter().copied(), &leanings)).collect();
        let tabs: Vec<i8> = (0..board.tab_count()).map(|index| taste.tab(index)).collect();
        // Where a manifest's shards have it is for its first bits to say.
        let key = own.and(self.tastes.as_ref()).map(|shard| format!("{:016x}", shard.key(0)));
        json!({ "is_of_context": own.is_none(), "key": key, "categories": categories, "channels": channels, "hours": hours, "prices": prices, "tabs": tabs })
            .to_string()
    }

    /// Every product of the board as a JSON array: its head, its verdict as of the build, and the ids of its channels.
    pub fn products(&self) -> Vec<u8> {
        let board = &self.board;
        let mut out = vec![b'['];
        for index in 0..board.product_count() {
            let product = board.product(index);
            let mut channels: Vec<&str> =
                product.slots().map(|slot| board.channel_id(board.slot(slot).channel())).collect();
            channels.sort_unstable();
            channels.dedup();
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(product.head_json());
            out.extend_from_slice(b",\"verdict\":");
            out.extend_from_slice(product.verdict_json(board.built_at() < product.first_ends_at()));
            out.extend_from_slice(format!(",\"channels\":{}}}", json!(channels)).as_bytes());
        }
        out.push(b']');
        out
    }

    /// Whether province and class of device make a difference to viewers without tastes.
    pub fn tells_contexts_apart(&self) -> bool {
        self.board.tells_contexts_apart()
    }

    /// What viewers lean to who come in the question's context.
    fn leaning_of(&self, question: &Question) -> Option<Vec<u8>> {
        let context = Context::of_names(&question.region, &question.device_class);
        self.board.leaning(context, UnixMillis(question.now_ms))
    }

    fn taste(&self) -> Option<Taste<'_>> {
        let shard = self.tastes.as_ref().filter(|shard| shard.widths().vocabulary == self.board.vocabulary())?;
        shard.find(shard.key(0)).map(|record| Taste::cut(record, shard.widths()))
    }

    /// How far the viewer's vector and each product's agree, as the new-product tab counts it.
    fn leanings(&self, taste: &Taste<'_>) -> Vec<Agreement> {
        let half = Half::of(taste.vector, self.board.mix().second, Surface::New);
        let of = |index| {
            let product = self.board.product(index);
            let head = [product.head_json(), b"}"].concat();
            Agreement {
                category: product.category(),
                price: serde_json::from_slice::<Head>(&head).ok().and_then(|head| head.price),
                points: i64::from(dot(half.cut(taste.vector), half.cut(product.vector()))),
            }
        };
        (0..self.board.product_count()).map(of).collect()
    }
}

/// What is read of a product's head.
#[derive(Deserialize)]
struct Head {
    price: Option<i64>,
}

struct Agreement {
    category: Option<usize>,
    price: Option<i64>,
    points: i64,
}

/// How far the viewer leans to some products, against all of them, in points of the signal `taste`, cut to the range of the other weights. `None`
/// where there are none.
fn lean<'a>(some: impl Iterator<Item = &'a Agreement>, all: &[Agreement]) -> Option<i64> {
    let mean = |(sum, count): (i64, i64)| sum.checked_div(count);
    let add = |(sum, count): (i64, i64), one: &Agreement| (sum.saturating_add(one.points), count.saturating_add(1));
    let (own, everything) = (mean(some.fold((0, 0), add))?, mean(all.iter().fold((0, 0), add))?);
    Some((own.saturating_sub(everything) >> AGREEMENT_SHIFT).clamp(i8::MIN.into(), i8::MAX.into()))
}

/// The new products in their places, all that the question leaves in, and how many it leaves out.
fn page(view: &View<'_>, question: &Question, frozen_at: UnixMillis) -> (Page, usize) {
    if !view.trusts_verdicts {
        return (Page::default(), 0);
    }
    let board = view.board;
    let selection = Selection {
        category: question.category.as_deref().map(|name| board.find_category(name)),
        channel: question.channel.as_deref().map(|id| board.find_channel(id)),
        sort: if question.is_soonest { Sort::Soonest } else { Sort::Recommended },
        frozen_at,
        offset: 0,
        limit: usize::MAX,
    };
    let mut page = new::page(view, &selection);
    let find = |id: &str| u64::from_str_radix(id, 16).ok().and_then(|id| board.find_product(id));
    let blocked: Vec<usize> = question.blocks.iter().filter_map(|id| find(id)).collect();
    let before = page.products.len();
    page.products.retain(|index| !blocked.contains(index));
    let left_out = before.saturating_sub(page.products.len());
    let mut pins: Vec<(usize, usize)> = question
        .pins
        .iter()
        .filter_map(|pin| Some((pin.place, find(&pin.product_id)?)))
        .filter(|(_, index)| page.products.contains(index))
        .collect();
    let mut seen = Vec::new();
    pins.retain(|(_, index)| {
        let is_first = !seen.contains(index);
        seen.push(*index);
        is_first
    });
    // Stable, and each is put before what stands there: of two pins of one place the later given comes first.
    pins.sort_by_key(|(place, _)| *place);
    page.products.retain(|index| pins.iter().all(|(_, pinned)| pinned != index));
    for (place, index) in pins {
        page.products.insert(place.min(page.products.len()), index);
    }
    page.products.truncate(question.limit);
    (page, left_out)
}

fn stated_id(bytes: &[u8]) -> Result<PackId, Damage> {
    let id = bytes.get(ID_AT..).and_then(|rest| rest.first_chunk()).ok_or(Damage::Truncated)?;
    Ok(PackId(*id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOARD: &[u8] = include_bytes!("../tests/golden/board.pack");
    const TASTES: &[u8] = include_bytes!("../tests/golden/tastes-1.pack");

    fn at(time: &str) -> i64 {
        UnixMillis::parse_rfc3339(time).unwrap().0
    }

    fn arrange(preview: &mut Preview, question: &Question) -> serde_json::Value {
        serde_json::from_slice(&preview.arrange(question)).unwrap()
    }

    fn ids(answer: &serde_json::Value) -> Vec<String> {
        let items = answer["new"]["items"].as_array().unwrap();
        items.iter().map(|item| item["product_id"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn scores_explain_the_order_and_tastes_have_names() {
        let mut preview = Preview::open(BOARD.to_vec()).unwrap();
        assert_eq!(preview.tastes(&Question::default()), "null");
        assert!(preview.seat(Some(TASTES.to_vec())).unwrap());
        let question = Question { now_ms: at("2026-11-22T06:00:00+09:00"), limit: 100, ..Question::default() };
        let answer = arrange(&mut preview, &question);
        let totals: Vec<i64> = answer["scores"]["new"]
            .as_array()
            .unwrap()
            .iter()
            .map(|score| score.as_object().unwrap().values().map(|part| part.as_i64().unwrap()).sum())
            .collect();
        assert_eq!(totals.len(), ids(&answer).len());
        assert!(totals.len() > 3 && totals.is_sorted_by(|a, b| a >= b), "{totals:?}");
        let tastes: serde_json::Value = serde_json::from_str(&preview.tastes(&question)).unwrap();
        assert_eq!(tastes["is_of_context"], false);
        assert_eq!(preview.tastes(&Question { is_shared: true, ..question.clone() }), "null", "no leanings by context");
        assert_eq!(tastes["prices"].as_array().unwrap().len(), PRICE_CLASSES);
        let strongest =
            tastes["categories"].as_array().unwrap().iter().map(|one| one["weight"].as_i64().unwrap().abs());
        assert!(strongest.max() > Some(0), "{tastes}");
        let explained = arrange(&mut preview, &Question { is_explained: true, ..question });
        assert!(explained["new"]["items"][0]["why"]["text"].is_string() && answer["new"]["items"][0]["why"].is_null());
        assert_eq!(tastes["key"].as_str().map(str::len), Some(16));
        assert!(!tastes["categories"].as_array().unwrap().is_empty() && tastes["hours"].as_array().unwrap().len() == 8);
    }

    #[test]
    fn pins_blocks_and_weights_change_the_order_and_nothing_else() {
        let mut preview = Preview::open(BOARD.to_vec()).unwrap();
        let question = Question { now_ms: at("2026-11-22T06:00:00+09:00"), limit: 100, ..Question::default() };
        let before = ids(&arrange(&mut preview, &question));
        let (first, last) = (before.first().unwrap().clone(), before.last().unwrap().clone());
        let middle = before.get(2).unwrap().clone();
        let pin = |product_id: &String, place| Pin { product_id: product_id.clone(), place };
        let pins = vec![pin(&middle, 1), pin(&last, 1), pin(&middle, 5)];
        let tried = Question { pins, blocks: vec![first.clone(), "no id".to_owned()], ..question.clone() };
        let after = ids(&arrange(&mut preview, &tried));
        assert_eq!(after.get(1..3), Some([last, middle].as_slice()), "of one place, the later pin comes first");
        assert!(!after.contains(&first));
        assert_eq!(after.len() + 1, before.len());
        let soon = sinsang_core::signal::SurfaceWeights { soon: -1, ..Default::default() };
        let weights = Some(Weights { new: soon, ..Weights::default() });
        let far_first = ids(&arrange(&mut preview, &Question { weights, ..question.clone() }));
        assert_ne!(far_first, before);
        assert_eq!(ids(&arrange(&mut preview, &question)), before, "what was tried is forgotten");
    }

    #[test]
    fn variants_show_what_the_edge_shows_by_them() {
        let tried = include_bytes!("../tests/golden/experiments.pack");
        let mut preview = Preview::open(tried.to_vec()).unwrap();
        let question = Question { now_ms: at("2026-11-22T06:00:00+09:00"), limit: 100, ..Question::default() };
        let surfaces = |preview: &mut Preview, variants: &[&str], weights| {
            let variants = variants.iter().map(|name| (*name).to_owned()).collect();
            let answer = arrange(preview, &Question { weights, variants, ..question.clone() });
            (ids(&answer), answer["scores"]["new"].clone(), answer["scores"]["tabs"].clone())
        };
        let plain = surfaces(&mut preview, &[], None);
        assert_eq!(surfaces(&mut preview, &["soon-first:control", "of:another", "turned:control"], None), plain);
        let (order, new, tabs) = surfaces(&mut preview, &["soon-first:soon"], None);
        assert_eq!(tabs, plain.2);
        assert_ne!(new, plain.1);
        // tests/golden/experiments.tsv has the same order for devices in this variant alone.
        let line = include_str!("../tests/golden/experiments.tsv").lines().next().unwrap();
        let golden: Vec<&str> = line.split('\t').collect();
        assert_eq!(golden.get(1..4), Some(["0", "/v1/new", "soon-first=soon"].as_slice()));
        assert_eq!(serde_json::from_str::<Vec<String>>(golden.last().unwrap()).unwrap(), order);
        let weights = Some(preview.weights());
        assert_eq!(surfaces(&mut preview, &["soon-first:soon"], weights), plain, "weights that are tried count first");
    }

    #[test]
    fn a_snapshot_that_is_too_old_calls_nothing_new() {
        let mut preview = Preview::open(BOARD.to_vec()).unwrap();
        let now_ms = at("2026-11-22T06:00:00+09:00");
        let mut total = |days: i64| {
            let checked_at_ms = now_ms + days * sinsang_core::time::DAY_MS;
            arrange(&mut preview, &Question { now_ms, checked_at_ms, limit: 100, ..Question::default() })["new"].clone()
        };
        assert!(total(1)["total"].as_u64() > Some(3));
        assert_eq!(total(3), json!({ "total": 0, "items": [] }));
    }

    #[test]
    fn every_product_is_listed_with_its_verdict() {
        let preview = Preview::open(BOARD.to_vec()).unwrap();
        let products: serde_json::Value = serde_json::from_slice(&preview.products()).unwrap();
        let products = products.as_array().unwrap();
        assert_eq!(products.len(), preview.board.product_count());
        assert!(
            products.iter().all(|product| product["verdict"]["kind"].is_string() && product["channels"].is_array())
        );
    }

    #[test]
    fn a_pulse_lifts_what_is_wanted_until_it_is_taken_away() {
        let mut preview = Preview::open(BOARD.to_vec()).unwrap();
        let question = Question { now_ms: at("2026-11-22T06:00:00+09:00"), limit: 100, ..Question::default() };
        let before = arrange(&mut preview, &question);
        let wanted = ids(&before).last().unwrap().clone();
        let counts = sinsang_core::pulse::Counts { purchases: 40 * 16, ..Default::default() };
        let id = u64::from_str_radix(&wanted, 16).unwrap();
        let pulse = sinsang_core::pack::pulse::write(&[(id, counts)], UnixMillis(question.now_ms)).unwrap();
        preview.beat(Some(pulse)).unwrap();
        let lifted = arrange(&mut preview, &question);
        assert_eq!(ids(&lifted).first(), Some(&wanted));
        assert!(lifted["scores"]["new"][0]["pulse"].as_i64().unwrap() > 0);
        assert!(preview.beat(Some(BOARD.to_vec())).is_err(), "no pulse");
        assert_eq!(arrange(&mut preview, &question), before);
    }

    #[test]
    fn damaged_packs_are_refused() {
        for length in [0, 10, 31, 200] {
            assert!(Preview::open(BOARD[..length].to_vec()).is_err());
        }
        let mut preview = Preview::open(BOARD.to_vec()).unwrap();
        assert!(preview.seat(Some(BOARD.to_vec())).is_err());
    }
}
