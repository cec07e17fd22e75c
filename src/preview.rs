//! The core for the preview page in the browser: the surfaces of a downloaded snapshot under any
//! weights, with the parts of every score, and a viewer's tastes in words.
//!
//! It ranks with the same functions as the edge. Its own additions are separate: trial weights,
//! pinned places and blocked products.

#[cfg(all(target_arch = "wasm32", feature = "preview"))]
mod door;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sinsang_core::audience::AudienceSet;
use sinsang_core::context::Context;
use sinsang_core::mix::Half;
use sinsang_core::overlay::Standing;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::overlay::Overlay;
use sinsang_core::pack::pulse::Pulse;
use sinsang_core::pack::taste::{Taste, TasteShard};
use sinsang_core::pack::{Damage, PackId};
use sinsang_core::rank::{HOUR_BUCKETS, Weights, dot};
use sinsang_core::signal::Score;
use sinsang_core::surface::new::{self, Page, Selection, Sort};
use sinsang_core::surface::{self, View, trusts_verdicts, write_items};
use sinsang_core::surface_name::Surface;
use sinsang_core::time::{SECOND_MS, UnixMillis};

/// Offset of the checksum in a pack's header; the checksum is the pack's name (`pack/FORMAT.md`).
const ID_AT: usize = 16;
/// Number of price classes, of equally many products each, for which a viewer's leanings are given.
const PRICE_CLASSES: usize = 5;
/// Shift from an inner product of vectors to points of a signal, as in `rank.rs`.
const AGREEMENT_SHIFT: u32 = 6;

/// A query to a [`Preview`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Question {
    /// The time shown, in Unix milliseconds.
    pub now_ms: i64,
    /// The time at which the snapshot's age is judged (too old a snapshot calls nothing new), in
    /// Unix milliseconds; 0 for no check.
    pub checked_at_ms: i64,
    /// Whether to ignore the viewer's tastes.
    pub is_shared: bool,
    /// For viewers without tastes: their Korean province, two digits of ISO 3166-2; empty for none.
    pub region: String,
    /// For viewers without tastes: the class of their device, of
    /// [`sinsang_core::context::DEVICE_CLASSES`]; empty for none.
    pub device_class: String,
    /// Only new products of this category.
    pub category: Option<String>,
    /// Only new products with a future broadcast on this channel's id.
    pub channel: Option<String>,
    /// Whether to sort new products by their first broadcasts.
    pub is_soonest: bool,
    /// Whether each item explains its place, as with `explain=1` at the edge.
    pub is_explained: bool,
    /// Limit on the number of new products.
    pub limit: usize,
    /// Trial weights in place of the published ones.
    pub weights: Option<Weights>,
    /// Variants to apply, as `experiment:variant`; unknown ones are ignored. Trial weights take
    /// precedence.
    pub variants: Vec<String>,
    /// The audiences that the viewer is in, as the edge's header `Sinsang-Audiences` has them; none
    /// given for a viewer without tastes and context.
    pub audiences: Option<u32>,
    /// New products with fixed places for everybody, whatever they score.
    pub pins: Vec<Pin>,
    /// Ids of new products to leave out.
    pub blocks: Vec<String>,
}

/// A new product in a fixed place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The product's id, 16 hex digits.
    pub product_id: String,
    /// Its place, from 0.
    pub place: usize,
}

/// A snapshot's board with at most one viewer's tastes.
#[derive(Debug)]
pub struct Preview {
    board: Board,
    tastes: Option<TasteShard>,
    pulse: Option<Pulse>,
    overlay: Option<Overlay>,
    /// The board as the overlay leaves it, with the hash of what stands.
    amended: Option<(u64, Board)>,
}

impl Preview {
    /// Reads a board.
    ///
    /// # Errors
    /// [`Damage`] says how the bytes are damaged.
    pub fn open(board: Vec<u8>) -> Result<Self, Damage> {
        let id = stated_id(&board)?;
        Ok(Self { board: Board::parse(board, id)?, tastes: None, pulse: None, overlay: None, amended: None })
    }

    /// Takes one viewer's taste pack, or `None`; returns whether it has tastes for this board.
    ///
    /// # Errors
    /// [`Damage`] says how the bytes are damaged; the previous viewer is then forgotten.
    pub fn seat(&mut self, tastes: Option<Vec<u8>>) -> Result<bool, Damage> {
        self.tastes = None;
        if let Some(bytes) = tastes {
            let id = stated_id(&bytes)?;
            self.tastes = Some(TasteShard::parse(bytes, id)?);
        }
        Ok(self.taste().is_some())
    }

    /// Takes the pulse to order by, or `None`: for times other than the present, the edge orders
    /// without.
    ///
    /// # Errors
    /// [`Damage`] says how the bytes are damaged; the previous pulse is then forgotten.
    pub fn beat(&mut self, pulse: Option<Vec<u8>>) -> Result<(), Damage> {
        self.pulse = None;
        self.pulse = pulse.map(Pulse::parse).transpose()?;
        Ok(())
    }

    /// Takes operators' overlay, or `None`.
    ///
    /// # Errors
    /// [`Damage`] says how the bytes are damaged; the previous overlay is then forgotten.
    pub fn amend(&mut self, overlay: Option<Vec<u8>>) -> Result<(), Damage> {
        (self.overlay, self.amended) = (None, None);
        self.overlay = overlay.map(Overlay::parse).transpose()?;
        Ok(())
    }

    /// Amends the board by what stands at `now`, unless it is so already.
    fn amend_at(&mut self, now: UnixMillis) -> Result<(), Damage> {
        let standing = self.overlay.as_ref().map(|overlay| overlay.standing(now, u32::MAX));
        let standing = standing.filter(|standing| standing.print != 0);
        if self.amended.as_ref().map(|(known, _)| *known) != standing.as_ref().map(|standing| standing.print) {
            let amend = |found: Standing<'_>| self.board.amended(&found.entries).map(|board| (found.print, board));
            self.amended = standing.map(amend).transpose()?;
        }
        Ok(())
    }

    /// The weights of the published snapshot.
    pub fn weights(&self) -> Weights {
        self.board.published_weights()
    }

    /// The surfaces as JSON: `tabs`, `live` and `new` as in `/v1/home`, and `scores` with a score
    /// for each of their items.
    pub fn arrange(&mut self, question: &Question) -> Vec<u8> {
        // Sections that don't fit are ruled out; without the overlay the order is merely older.
        let _ = self.amend_at(UnixMillis(question.now_ms));
        self.amended.as_mut().map_or(&mut self.board, |(_, board)| board).try_weights(question.weights);
        let board = self.amended.as_ref().map_or(&self.board, |(_, board)| board);
        let own = self.taste().filter(|_| !question.is_shared);
        let viewer = self.tastes.as_ref().filter(|_| own.is_some()).map_or(0, |shard| shard.key(0));
        let leaning = self.leaning_of(question);
        let taste = own.or_else(|| leaning.as_deref().map(|leaning| board.context_taste(leaning)));
        let shared = View::shared(board, UnixMillis(question.now_ms));
        let audiences = question.audiences.map_or(shared.audiences, AudienceSet);
        let experiments = board.experiments();
        let chosen: Vec<(usize, usize)> =
            question.variants.iter().filter_map(|name| experiments.find(name).ok()).collect();
        let chosen = if question.weights.is_none() {
            experiments.chosen((None, audiences), &chosen, UnixMillis(0))
        } else {
            Vec::new()
        };
        let assignment = experiments.assign(&chosen, board.weights(), board.mix());
        let checked_at = Some(UnixMillis(question.checked_at_ms)).filter(|at| at.0 != 0);
        let view = View {
            trusts_verdicts: checked_at.is_none_or(|at| trusts_verdicts(board.built_at(), at)),
            taste,
            is_of_context: own.is_none(),
            viewer,
            audiences,
            pulse: self.pulse.as_ref(),
            is_explained: question.is_explained,
            assignment: assignment.as_ref(),
            ..shared
        };
        let frozen_at = view.now.floor(SECOND_MS);
        let (page, left_out) = page(&view, question, frozen_at);
        let mut scores = Map::new();
        let mut out = format!("{{\"personalized\":{}", own.is_some()).into_bytes();
        for surface in Surface::ALL.into_iter().rev() {
            let name = surface.as_str();
            let own_scores: Vec<Score> = if surface == Surface::New {
                let total = page.total.saturating_sub(left_out);
                out.extend_from_slice(format!(",\"{name}\":{{\"total\":{total},\"items\":").as_bytes());
                new::write_items(&view, &page, frozen_at, &mut out);
                page.products.iter().map(|index| new::score_of(&view, *index, frozen_at)).collect()
            } else {
                out.extend_from_slice(format!(",\"{name}\":{{\"items\":").as_bytes());
                write_items(surface, &view, &mut out);
                surface::scores(surface, &view)
            };
            out.push(b'}');
            scores.insert(name.to_owned(), json!(own_scores));
        }
        out.extend_from_slice(format!(",\"scores\":{}", Value::Object(scores)).as_bytes());
        out.push(b'}');
        out
    }

    /// The tastes that order the question's surfaces, as JSON, by names of the board: the viewer's
    /// own, or the leanings of viewers in the question's context (`is_of_context`); `null` if
    /// neither is known. Weights range from -128 to 127.
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
        // Its first bits select the shard among a manifest's.
        let key = own.and(self.tastes.as_ref()).map(|shard| format!("{:016x}", shard.key(0)));
        json!({ "is_of_context": own.is_none(), "key": key, "categories": categories, "channels": channels, "hours": hours, "prices": prices, "tabs": tabs })
            .to_string()
    }

    /// Every product of the board as a JSON array: its head, its verdict as of the build, and the
    /// ids of its channels.
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

    /// Whether province and device class make a difference to viewers without tastes.
    pub fn tells_contexts_apart(&self) -> bool {
        self.board.tells_contexts_apart()
    }

    /// The leanings of viewers in the question's context.
    fn leaning_of(&self, question: &Question) -> Option<Vec<u8>> {
        let context = Context::of_names(&question.region, &question.device_class);
        self.board.leaning(context, UnixMillis(question.now_ms))
    }

    fn taste(&self) -> Option<Taste<'_>> {
        let shard = self.tastes.as_ref().filter(|shard| shard.widths().vocabulary == self.board.vocabulary())?;
        shard.find(shard.key(0)).map(|record| Taste::cut(record, shard.widths()))
    }

    /// The agreement of the viewer's vector with each product's, as the new-product tab counts it.
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

/// The fields read from a product's head.
#[derive(Deserialize)]
struct Head {
    price: Option<i64>,
}

struct Agreement {
    category: Option<usize>,
    price: Option<i64>,
    points: i64,
}

/// The viewer's leaning to some products relative to all of them, in points of the signal `taste`,
/// clamped to the range of the other weights. `None` for no products.
fn lean<'a>(some: impl Iterator<Item = &'a Agreement>, all: &[Agreement]) -> Option<i64> {
    let mean = |(sum, count): (i64, i64)| sum.checked_div(count);
    let add = |(sum, count): (i64, i64), one: &Agreement| (sum.saturating_add(one.points), count.saturating_add(1));
    let (own, everything) = (mean(some.fold((0, 0), add))?, mean(all.iter().fold((0, 0), add))?);
    Some((own.saturating_sub(everything) >> AGREEMENT_SHIFT).clamp(i8::MIN.into(), i8::MAX.into()))
}

/// The page of new products with pins and blocks applied, and the number of blocked ones.
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
    // The sort is stable and each pin pushes others down: of two pins for one place, the later one
    // in the list comes first.
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
mod tests;
