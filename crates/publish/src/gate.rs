//! What keeps a bad snapshot from going live: it is held against what is live, in numbers, before its manifest moves.
//!
//! [`Refusal::of`] is a pure function of two [`Summary`]s, the time and the operators' [`Limits`]; a snapshot's numbers are read from its board and
//! manifest, the live one's from the store. Where nothing is live, only what no snapshot may be is refused; where something is that can't be read, that
//! is a reason by itself ([`Refusal::unread`]).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sinsang_core::key::Key;
use sinsang_core::pack::Kind;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::time::{CLOCK_LEEWAY_MS, HOUR_MS, UnixMillis};
use sinsang_core::verdict::VerdictKind;

use crate::snapshot::{self, Snapshot};

/// How far a snapshot may differ from the live one; `docs/rules.md` has a row for each. A normal day is well within the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Counts of no more than this on both sides are not compared.
    pub few: u32,
    /// The least share of the live board's products and broadcasts.
    pub least_products: f64,
    /// The most.
    pub most_products: f64,
    /// The least share of each shop's products.
    pub least_shop: f64,
    /// The least share of each shop's new products, and of all shops' together, which are compared from a quarter of `few` on: what is shown as new
    /// is few products by nature.
    pub least_new: f64,
    /// The most.
    pub most_new: f64,
    /// How far the share of products that are new, repeats or unknown may move, from 0 to 1.
    pub verdict_shift: f64,
    /// The least share of the live snapshot's users.
    pub least_users: f64,
    /// The most.
    pub most_users: f64,
    /// The least share of the live board's bytes.
    pub least_bytes: f64,
    /// The most.
    pub most_bytes: f64,
    /// The least share of the live board's tabs.
    pub least_tabs: f64,
    /// Hours from the publish to the end of its last broadcast, at the least.
    pub least_ahead_hours: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            few: 30,
            least_products: 0.5,
            most_products: 2.0,
            least_shop: 0.25,
            least_new: 0.25,
            most_new: 4.0,
            verdict_shift: 0.25,
            least_users: 0.5,
            most_users: 4.0,
            least_bytes: 0.4,
            most_bytes: 2.5,
            least_tabs: 0.5,
            least_ahead_hours: 12,
        }
    }
}

/// A field of [`Limits`] and its value.
pub type Share = (&'static str, f64);

impl Limits {
    /// The fields that are shares of what is live, by name: those that are the least, from 0 to 1, and those that are the most, from 1 on.
    pub fn shares(&self) -> ([Share; 7], [Share; 4]) {
        let least = [
            ("least_products", self.least_products),
            ("least_shop", self.least_shop),
            ("least_new", self.least_new),
            ("verdict_shift", self.verdict_shift),
            ("least_users", self.least_users),
            ("least_bytes", self.least_bytes),
            ("least_tabs", self.least_tabs),
        ];
        let most = [
            ("most_products", self.most_products),
            ("most_new", self.most_new),
            ("most_users", self.most_users),
            ("most_bytes", self.most_bytes),
        ];
        (least, most)
    }
}

/// What a shop has on a board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShopCount {
    /// Products; one that several shops sell counts for each.
    pub products: u64,
    /// New ones.
    pub new: u64,
}

/// A snapshot in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its name.
    pub snapshot: String,
    /// When it was built.
    pub built_at: UnixMillis,
    /// The end of its last broadcast.
    pub until: UnixMillis,
    /// Products on the board.
    pub products: u64,
    /// Broadcasts on the board.
    pub slots: u64,
    /// Products whose verdict is new, repeat and unknown.
    pub verdicts: [u64; 3],
    /// By shop.
    pub shops: BTreeMap<String, ShopCount>,
    /// Tabs on the board.
    pub tabs: u64,
    /// Users with tastes.
    pub users: u64,
    /// Bytes of the board.
    pub board_bytes: u64,
}

#[derive(Deserialize)]
struct Head {
    listings: Vec<Listing>,
}

#[derive(Deserialize)]
struct Listing {
    shop: String,
}

impl Summary {
    /// The numbers of the snapshot of `manifest`, whose board is `board`.
    pub fn of(manifest: &Manifest, board: &Board) -> Self {
        let mut verdicts = [0; 3];
        let mut shops: BTreeMap<String, ShopCount> = BTreeMap::new();
        for index in 0..board.product_count() {
            let product = board.product(index);
            let [new, repeat, unknown] = &mut verdicts;
            let kind = product.verdict();
            *match kind {
                VerdictKind::New => new,
                VerdictKind::Repeat => repeat,
                VerdictKind::Unknown => unknown,
            } += 1;
            let head = [product.head_json(), b"}"].concat();
            let listings = serde_json::from_slice::<Head>(&head).map(|head| head.listings).unwrap_or_default();
            let mut sold_by: Vec<String> = listings.into_iter().map(|listing| listing.shop).collect();
            sold_by.sort_unstable();
            sold_by.dedup();
            for shop in sold_by {
                let count = shops.entry(shop).or_default();
                count.products += 1;
                count.new += u64::from(kind == VerdictKind::New);
            }
        }
        let (_, until) = board.window();
        Self {
            snapshot: manifest.snapshot().to_string(),
            built_at: manifest.built_at(),
            until,
            products: board.product_count() as u64,
            slots: board.slot_count() as u64,
            verdicts,
            shops,
            tabs: board.tab_count() as u64,
            users: manifest.users().into(),
            board_bytes: board.pack().bytes().len() as u64,
        }
    }

    /// The numbers of a snapshot on disk.
    ///
    /// # Errors
    /// Where its board can't be read.
    pub fn of_folder(snapshot: &Snapshot, manifest: &Manifest) -> Result<Self, snapshot::Error> {
        let id = manifest.board();
        let board = snapshot.parse(Key::Pack(Kind::Board, id), |bytes| Board::parse(bytes, id))?;
        Ok(Self::of(manifest, &board))
    }
}

/// One thing that keeps a snapshot from going live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The rule of `[publish]`, or what no snapshot may be.
    pub rule: &'static str,
    /// What is wrong, with both numbers.
    pub text: String,
}

/// All that keeps a snapshot from going live; nothing where it may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Refusal {
    /// Each reason.
    pub reasons: Vec<Reason>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Reason { text, .. }) in self.reasons.iter().enumerate() {
            let line_end = if number == 0 { "" } else { "\n" };
            write!(f, "{line_end}  {text}")?;
        }
        Ok(())
    }
}

impl Refusal {
    /// Whether the snapshot may go live.
    pub fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }

    /// The reasons as text.
    pub fn texts(&self) -> Vec<String> {
        self.reasons.iter().map(|reason| reason.text.clone()).collect()
    }

    fn add(&mut self, rule: &'static str, text: String) {
        self.reasons.push(Reason { rule, text });
    }

    /// Why `next` is not to take the place of `live` at `at`.
    pub fn of(next: &Summary, live: Option<&Summary>, limits: &Limits, at: UnixMillis) -> Self {
        let mut refusal = Self::default();
        refusal.absurd(next, limits, at);
        if let Some(live) = live {
            refusal.beside(next, live, limits);
        }
        refusal
    }

    /// What no snapshot may be, whatever is live.
    fn absurd(&mut self, next: &Summary, limits: &Limits, at: UnixMillis) {
        let Summary { built_at, until, products, slots, .. } = next;
        if *products == 0 || *slots == 0 {
            self.add(
                "empty",
                format!("it has {products} products and {slots} broadcasts: everybody would see nothing"),
            );
        } else {
            // What counts is what people are going to see: a snapshot that was built long ago may be over by now.
            let ahead_ms = until.since(at.max(*built_at));
            if ahead_ms < i64::from(limits.least_ahead_hours) * HOUR_MS {
                let (hours, least, rule) = (ahead_ms.abs() / HOUR_MS, limits.least_ahead_hours, "least_ahead_hours");
                let ends =
                    if ahead_ms < 0 { format!("ended {hours} hours ago") } else { format!("ends in {hours} hours") };
                self.add(rule, format!("its last broadcast {ends}, publish.{rule} = {least}"));
            }
        }
        if built_at.since(at) > CLOCK_LEEWAY_MS {
            self.add("ahead", format!("it was built at {built_at}, ahead of the clock, which says {at}"));
        }
    }

    /// Adds that `what` of the live snapshot can't be read, so that nothing says whether this one differs too much.
    pub(crate) fn unread(&mut self, what: &str) {
        self.add("unread", format!("{what}, so this one can't be held against it"));
    }

    fn beside(&mut self, next: &Summary, live: &Summary, limits: &Limits) {
        if next.built_at < live.built_at {
            let (built_at, of_live) = (next.built_at, live.built_at);
            self.add("older", format!("it was built at {built_at}, before the live one of {of_live}"));
        }
        let least = [("least_products", limits.least_products), ("most_products", limits.most_products)];
        self.count("products", [next.products, live.products], least, limits.few);
        self.count("broadcasts", [next.slots, live.slots], least, limits.few);
        for (shop, before) in &live.shops {
            let now = next.shops.get(shop).copied().unwrap_or_default();
            let what = format!("products of {shop}");
            self.least(&what, [now.products, before.products], ("least_shop", limits.least_shop), limits.few);
        }
        for (shop, now) in &next.shops {
            let before = live.shops.get(shop).copied().unwrap_or_default();
            // A shop that just joined has no new products until its history is long enough, and then many.
            let bounds = [("least_new", limits.least_new), ("most_new", limits.most_new)];
            self.count(&format!("new products of {shop}"), [now.new, before.new], bounds, limits.few);
        }
        // A shop's few are left to chance, and all shops' few together are the whole tab of new products.
        let ([now, ..], [before, ..]) = (next.verdicts, live.verdicts);
        self.least("new products", [now, before], ("least_new", limits.least_new), limits.few / 4);
        self.most("new products", [now, before], ("most_new", limits.most_new), limits.few);
        self.verdicts(next, live, limits);
        let bounds = [("least_users", limits.least_users), ("most_users", limits.most_users)];
        self.count("users", [next.users, live.users], bounds, limits.few);
        let bounds = [("least_bytes", limits.least_bytes), ("most_bytes", limits.most_bytes)];
        self.count("bytes of the board", [next.board_bytes, live.board_bytes], bounds, limits.few);
        self.least("tabs", [next.tabs, live.tabs], ("least_tabs", limits.least_tabs), 0);
    }

    fn verdicts(&mut self, next: &Summary, live: &Summary, limits: &Limits) {
        let [of_next, of_live]: [u64; 2] = [next, live].map(|one| one.verdicts.iter().sum());
        if of_next.max(of_live) <= limits.few.into() || of_next.min(of_live) == 0 {
            return;
        }
        let rule = "verdict_shift";
        for ((kind, now), before) in ["new", "repeat", "unknown"].into_iter().zip(next.verdicts).zip(live.verdicts) {
            let [now, before] = [share(now, of_next), share(before, of_live)];
            if (now - before).abs() > limits.verdict_shift {
                let (now, before, most) = (now * 100.0, before * 100.0, limits.verdict_shift);
                let text = format!(
                    "{now:.0} % of its products are {kind}, of the live one's {before:.0} %; publish.{rule} = {most}"
                );
                self.add(rule, text);
            }
        }
    }

    fn count(&mut self, what: &str, counts: [u64; 2], [least, most]: [(&'static str, f64); 2], few: u32) {
        self.least(what, counts, least, few);
        self.most(what, counts, most, few);
    }

    fn most(&mut self, what: &str, [now, before]: [u64; 2], (rule, share): (&'static str, f64), few: u32) {
        // What was few may become many: there it is many beside what counts as few.
        if now > few.into() && float(now) > float(before.max(few.into())) * share {
            self.add(rule, format!("{now} {what}, the live one has {before}; publish.{rule} = {share}"));
        }
    }

    fn least(&mut self, what: &str, [now, before]: [u64; 2], (rule, share): (&'static str, f64), few: u32) {
        if before > few.into() && float(now) < float(before) * share {
            self.add(rule, format!("{now} {what}, the live one has {before}; publish.{rule} = {share}"));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

fn share(part: u64, of: u64) -> f64 {
    float(part) / float(of.max(1))
}

#[cfg(test)]
mod tests;
