//! The gate that keeps a bad snapshot from going live: before the manifest moves, it is compared
//! with the live snapshot.
//!
//! [`Refusal::of`] is a pure function of a [`Comparison`], the time and the operators' [`Limits`].
//! If nothing is live, only the absolute rules apply ([`Refusal::alone`]). If the live snapshot
//! can't be read, that alone is a reason to refuse ([`Refusal::unread`]).

use std::fmt;

use serde::{Deserialize, Serialize};
use sinsang_core::time::{CLOCK_LEEWAY_MS, HOUR_MS, UnixMillis};
use sinsang_core::verdict::VerdictKind;

use crate::comparison::{Comparison, FIRST};
use crate::summary::Summary;

/// How far a snapshot may differ from the live one; `docs/rules.md` has a row for each. A normal
/// day is well within the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Counts up to this on both sides are not compared.
    pub few: u32,
    /// Smallest share of the live board's products and broadcasts.
    pub least_products: f64,
    /// Largest share of the live board's products and broadcasts.
    pub most_products: f64,
    /// Smallest share of each shop's products.
    pub least_shop: f64,
    /// Smallest share of new products, of each shop and of all shops together. The total is
    /// compared from a quarter of `few` on: few products are new by nature.
    pub least_new: f64,
    /// Largest share of new products.
    pub most_new: f64,
    /// How far the share of products that are new, repeats or unknown may move, from 0 to 1.
    pub verdict_shift: f64,
    /// Smallest share of the live snapshot's users.
    pub least_users: f64,
    /// Largest share of the live snapshot's users.
    pub most_users: f64,
    /// Smallest share of the live board's bytes.
    pub least_bytes: f64,
    /// Largest share of the live board's bytes.
    pub most_bytes: f64,
    /// Smallest share of the live board's tabs.
    pub least_tabs: f64,
    /// Fewest hours from the publish to the end of its last broadcast.
    pub least_ahead_hours: u32,
    /// Largest mean share, from 0 to 1, of the first places of drawn viewers that change among the
    /// products that both boards show them.
    pub most_churn: f64,
    /// Largest share, from 0 to 1, of the products on both boards whose verdict turns from repeat
    /// to new. Up to a quarter of `few` may turn in any case.
    pub most_turned: f64,
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
            most_churn: 0.5,
            most_turned: 0.005,
        }
    }
}

/// A field of [`Limits`] and its value.
pub type Share = (&'static str, f64);

impl Limits {
    /// The fields that are shares, by name: those from 0 to 1, then the upper bounds from 1 up.
    pub fn shares(&self) -> ([Share; 9], [Share; 4]) {
        let parts = [
            ("least_products", self.least_products),
            ("least_shop", self.least_shop),
            ("least_new", self.least_new),
            ("verdict_shift", self.verdict_shift),
            ("least_users", self.least_users),
            ("least_bytes", self.least_bytes),
            ("least_tabs", self.least_tabs),
            ("most_churn", self.most_churn),
            ("most_turned", self.most_turned),
        ];
        let most = [
            ("most_products", self.most_products),
            ("most_new", self.most_new),
            ("most_users", self.most_users),
            ("most_bytes", self.most_bytes),
        ];
        (parts, most)
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

/// All reasons to refuse a snapshot; empty if it may go live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Refusal {
    /// The reasons.
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

    /// The reasons not to make the compared snapshot live at `at`, in place of the one before.
    pub fn of(comparison: &Comparison, limits: &Limits, at: UnixMillis) -> Self {
        let mut refusal = Self::alone(&comparison.next, limits, at);
        refusal.beside(&comparison.next, &comparison.before, limits);
        refusal.turned(comparison, limits);
        refusal.churned(comparison, limits);
        refusal
    }

    /// The reasons not to make the snapshot `next` live at `at`, whatever is live.
    pub fn alone(next: &Summary, limits: &Limits, at: UnixMillis) -> Self {
        let mut refusal = Self::default();
        refusal.absurd(next, limits, at);
        refusal
    }

    /// Applies the absolute rules, which hold whatever is live.
    fn absurd(&mut self, next: &Summary, limits: &Limits, at: UnixMillis) {
        let Summary { built_at, until, products, slots, .. } = next;
        if *products == 0 || *slots == 0 {
            self.add(
                "empty",
                format!("it has {products} products and {slots} broadcasts: everybody would see nothing"),
            );
        } else {
            // The reference is what people will see: a snapshot built long ago may be over already.
            let ahead_ms = until.since(at.max(*built_at));
            if ahead_ms < i64::from(limits.least_ahead_hours) * HOUR_MS {
                let (hours, least, rule) = (ahead_ms.abs() / HOUR_MS, limits.least_ahead_hours, "least_ahead_hours");
                let ends =
                    if ahead_ms < 0 { format!("ended {hours} hours ago") } else { format!("ends in {hours} hours") };
                self.add(rule, format!("its last broadcast {ends}, publish.{rule} = {least}"));
            }
        }
        if built_at.since(at) > CLOCK_LEEWAY_MS {
            self.add("ahead", format!("it was built at {built_at}, ahead of the clock ({at})"));
        }
    }

    /// Adds that `users` of the snapshot asked to be forgotten.
    pub(crate) fn forgotten(&mut self, users: usize) {
        let text = format!(
            "it has tastes of users who asked to be forgotten ({users}); build a new one, --force does not help"
        );
        self.add("forgotten", text);
    }

    /// Adds that `what` of the live snapshot can't be read, so the two can't be compared.
    pub(crate) fn unread(&mut self, what: &str) {
        self.add("unread", format!("{what}, so the two can't be compared"));
    }

    fn beside(&mut self, next: &Summary, live: &Summary, limits: &Limits) {
        if next.built_at < live.built_at {
            let (built_at, of_live) = (next.built_at, live.built_at);
            self.add("older", format!("it was built at {built_at}, before the live one ({of_live})"));
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
            // A shop that just joined has no new products until its history is long enough, and
            // then many.
            let bounds = [("least_new", limits.least_new), ("most_new", limits.most_new)];
            self.count(&format!("new products of {shop}"), [now.new, before.new], bounds, limits.few);
        }
        // One shop's few are left to chance, but few over all shops would empty the whole tab of
        // new products.
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
                    "{now:.0} % of its products are {kind}, {before:.0} % in the live one; publish.{rule} = {most}"
                );
                self.add(rule, text);
            }
        }
    }

    fn turned(&mut self, comparison: &Comparison, limits: &Limits) {
        let (rule, most) = ("most_turned", limits.most_turned);
        let turns = &comparison.turns;
        let turned = turns.count(VerdictKind::Repeat, VerdictKind::New);
        let part = share(turned, turns.products);
        // Products that aired don't become new, unless records were lost or identity changed.
        if turned > u64::from(limits.few / 4) && part > most {
            let (percent, products) = (part * 100.0, turns.products);
            let text = format!(
                "{turned} of {products} products on both boards turn from repeat to new ({percent:.1} %); \
                 publish.{rule} = {most}"
            );
            self.add(rule, text);
        }
    }

    fn churned(&mut self, comparison: &Comparison, limits: &Limits) {
        let (rule, most) = ("most_churn", limits.most_churn);
        let churn = &comparison.churn;
        let mean = churn.mean_reordered();
        if mean > most {
            let (percent, viewers) = (mean * 100.0, churn.viewers);
            let of = if viewers == 0 { "the shared order".to_owned() } else { format!("{viewers} drawn viewers") };
            let text = format!(
                "{percent:.0} % of the first {FIRST} places of {of} change, among products that both boards show; \
                 publish.{rule} = {most}"
            );
            self.add(rule, text);
        }
    }

    fn count(&mut self, what: &str, counts: [u64; 2], [least, most]: [(&'static str, f64); 2], few: u32) {
        self.least(what, counts, least, few);
        self.most(what, counts, most, few);
    }

    fn most(&mut self, what: &str, [now, before]: [u64; 2], (rule, share): (&'static str, f64), few: u32) {
        // A small count may become large; it is refused only if it is large compared with `few`.
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
