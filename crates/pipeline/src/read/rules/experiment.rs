//! Changes tried on shares of viewers: `[[experiment]]` with its `[[experiment.variant]]`s in the
//! rules file. They are checked, each alone and against the others, and made into the parts of a
//! board.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sinsang_core::experiment::{HeldBack, MAX_ID_BYTES, MOST_EXPERIMENTS, MOST_VARIANTS, WHOLE, is_id};
use sinsang_core::mix::{MOST_WINDOW, Mix};
use sinsang_core::pack::experiment::{ExperimentPart, VariantPart};
use sinsang_core::rank::Weights;
use sinsang_core::signal::SurfaceWeights;
use sinsang_core::surface_name::PerSurface;
use sinsang_core::time::UnixMillis;
use toml::Spanned;

use super::audience::names;
use super::directive::{FloorRule, On};
use super::mistake::{Mistake, mistake};
use super::{LabRules, MOST_WEIGHT, MixRules};

/// Rules of all experiments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExperimentRules {
    /// The share of viewers in no experiment, from 0 to below 1.
    pub holdout: f64,
}

/// Declares the optional changes to a struct, one for each field.
macro_rules! changes {
    ($(#[$about:meta])* $name:ident of $base:ident { $($field:ident: $type:ty,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct $name {
            $($field: Option<Spanned<$type>>,)+
        }

        impl $name {
            fn change(&self, base: &mut $base) {
                // The pattern names every field, so that a new field can't be forgotten.
                let $base { $($field,)+ } = base;
                $(if let Some(own) = &self.$field { *$field = *own.get_ref(); })+
            }

            /// The changed fields: name, value, and byte offset.
            fn named(&self) -> Vec<(&'static str, i64, usize)> {
                let fields = [$((stringify!($field), self.$field.as_ref().map(|own| (i64::from(*own.get_ref()), own.span().start))),)+];
                fields.into_iter().filter_map(|(name, own)| own.map(|(value, at)| (name, value, at))).collect()
            }
        }
    };
}

macro_rules! weight_changes {
    (
        weighed { $($(#[$about:meta])* $name:ident $korean:literal $good:literal $bad:literal;)* }
        points { $($points:tt)* }
        weighed { $($(#[$about_later:meta])* $later:ident since $since:literal $korean_later:literal $good_later:literal $bad_later:literal;)* }
    ) => {
        changes! {
            /// Changed weights of a surface.
            SurfaceChanges of SurfaceWeights { $($name: i32,)* $($later: i32,)* }
        }
    };
}
sinsang_core::signals!(weight_changes);

changes! {
    /// Changes to the mix.
    MixChanges of MixRules {
        window: u8, category: u8, brand: u8, channel: u8, similarity: i32, explore_every: u8, explore_below: u8,
        memory: i32, stay: i32, tab_margin: i32, near: u8,
    }
}

/// The lab's vectors and lists that a variant uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LabChanges {
    /// Surfaces on which the lab's vectors are used.
    on: Option<Spanned<Vec<On>>>,
    /// Whether the lab's lists are used.
    lists: Option<Spanned<bool>>,
}

impl LabChanges {
    fn on(&self) -> Option<u8> {
        self.on.as_ref().map(|on| on.get_ref().iter().fold(0, |bits, on| bits | on.bit()))
    }
}

/// A variant as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    id: Spanned<String>,
    /// Relative to the other variants' shares; 1 by default.
    share: Option<Spanned<f64>>,
    #[serde(default)]
    ranking: PerSurface<SurfaceChanges>,
    #[serde(default)]
    mix: MixChanges,
    #[serde(default)]
    lab: LabChanges,
}

impl Variant {
    fn share(&self) -> f64 {
        self.share.as_ref().map_or(1.0, |share| *share.get_ref())
    }

    /// The variant's changes: the rule's name, its value, and the byte offset.
    fn changes(&self) -> impl Iterator<Item = (String, i64, usize)> {
        let ranking = self.ranking.each();
        let weights = ranking.map(|(surface, changes)| (format!("ranking.{}", surface.as_str()), changes.named()));
        let on = self.lab.on.as_ref().zip(self.lab.on()).map(|(on, bits)| ("on", bits.into(), on.span().start));
        let lists = self.lab.lists.as_ref().map(|lists| ("lists", (*lists.get_ref()).into(), lists.span().start));
        let lab = ("lab".to_owned(), on.into_iter().chain(lists).collect());
        let all = weights.into_iter().chain([("mix".to_owned(), self.mix.named()), lab]);
        all.flat_map(|(group, named)| {
            named.into_iter().map(move |(name, value, at)| (format!("{group}.{name}"), value, at))
        })
    }

    fn mistakes(&self, least_window: i64, lab: &LabRules, wrong: &mut Vec<Mistake>) {
        if let Some(on) = self.lab.on.as_ref().filter(|_| lab.users.is_none()) {
            wrong.push(mistake(on.span().start, "lab.on needs vectors: name users and products under [lab]"));
        }
        if let Some(lists) = self.lab.lists.as_ref().filter(|_| lab.lists.is_none()) {
            wrong.push(mistake(lists.span().start, "lab.lists needs lists: name their file under [lab]"));
        }
        check_id(&self.id, wrong);
        if let Some(share) = &self.share
            && !(0.0..=1e9).contains(share.get_ref())
        {
            wrong.push(mistake(share.span().start, "a variant's share is 0 or more"));
        }
        let most_window = i64::try_from(MOST_WINDOW).unwrap_or(i64::MAX);
        for (name, value, at) in self.changes() {
            let (least, most) = match name.as_str() {
                "mix.window" => (least_window, most_window),
                "mix.similarity" | "mix.memory" | "mix.stay" | "mix.tab_margin" => (0, MOST_WEIGHT),
                _ if name.starts_with("mix.") || name.starts_with("lab.") => (0, u8::MAX.into()),
                _ => (-MOST_WEIGHT, MOST_WEIGHT),
            };
            if !(least..=most).contains(&value) {
                let floors = if name == "mix.window" && least > 0 { ", because of the floors" } else { "" };
                wrong.push(mistake(at, format!("{name} is {value}, expected from {least} to {most}{floors}")));
            }
        }
    }
}

/// An experiment as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    id: Spanned<String>,
    layer: Spanned<String>,
    /// The salt that assigns viewers to variants; by default the id.
    salt: Option<Spanned<String>>,
    /// The range of the layer, from 0 to 1; by default all of it.
    traffic: Option<Spanned<Vec<f64>>>,
    /// The names of the audiences that it is for; everybody if there are none.
    #[serde(rename = "for", default)]
    audience: Vec<Spanned<String>>,
    from: Option<Spanned<String>>,
    until: Option<Spanned<String>>,
    #[serde(default)]
    variant: Vec<Spanned<Variant>>,
}

impl Experiment {
    pub(super) fn id(&self) -> &str {
        self.id.get_ref()
    }

    pub(super) fn audience(&self) -> &[Spanned<String>] {
        &self.audience
    }

    fn salt(&self) -> &str {
        self.salt.as_ref().unwrap_or(&self.id).get_ref()
    }

    /// The experiment's range of its layer, in the units of packs.
    fn traffic(&self) -> (u32, u32) {
        match self.traffic.as_ref().map(|traffic| traffic.get_ref().as_slice()) {
            Some([from, to]) => (places(*from), places(*to)),
            _ => (0, WHOLE),
        }
    }

    fn span(&self) -> (UnixMillis, UnixMillis) {
        let time =
            |text: &Option<Spanned<String>>| text.as_ref().and_then(|text| UnixMillis::parse_rfc3339(text.get_ref()));
        let (first, last) = (UnixMillis::from_seconds(0), UnixMillis::from_seconds(u32::MAX));
        (time(&self.from).unwrap_or(first), time(&self.until).unwrap_or(last))
    }

    fn variants(&self) -> impl Iterator<Item = &Variant> {
        self.variant.iter().map(Spanned::get_ref)
    }

    /// Whether both run at some time together.
    fn meets(&self, other: &Self) -> bool {
        let ((from, until), (other_from, other_until)) = (self.span(), other.span());
        from < other_until && other_from < until
    }

    fn changed(&self) -> BTreeSet<String> {
        self.variants().flat_map(Variant::changes).map(|(name, ..)| name).collect()
    }

    /// The variants' changes: the rule's name, its value, and its variant and experiment.
    pub(super) fn changed_values(&self) -> impl Iterator<Item = (String, i64, String)> {
        self.variants().flat_map(|variant| {
            let of = format!(" of variant '{}' of experiment '{}'", variant.id.get_ref(), self.id.get_ref());
            variant.changes().map(move |(name, value, _)| (name, value, of.clone()))
        })
    }

    /// All mistakes of the experiment alone, which begins at byte `at`.
    fn mistakes(&self, at: usize, least_window: i64, lab: &LabRules) -> Vec<Mistake> {
        let mut wrong = Vec::new();
        let id = self.id.get_ref();
        check_id(&self.id, &mut wrong);
        for text in [Some(&self.layer), self.salt.as_ref()].into_iter().flatten() {
            if !(1..=80).contains(&text.get_ref().trim().len()) {
                wrong.push(mistake(text.span().start, "a layer and a salt have from 1 to 80 bytes"));
            }
        }
        let (from, to) = self.traffic();
        if let Some(traffic) = &self.traffic
            && !(traffic.get_ref().len() == 2
                && traffic.get_ref().iter().all(|end| (0.0..=1.0).contains(end))
                && from < to)
        {
            wrong.push(mistake(traffic.span().start, "traffic is a range within 0 to 1, for example [0.0, 0.5]"));
        }
        for time in [&self.from, &self.until].into_iter().flatten() {
            if UnixMillis::parse_rfc3339(time.get_ref()).is_none() {
                let what = "expected an RFC 3339 time in quotes, for example '2026-11-22T20:00:00+09:00'";
                wrong.push(mistake(time.span().start, what));
            }
        }
        let (begins, ends) = self.span();
        if let Some(time) = self.until.as_ref().filter(|_| ends <= begins) {
            wrong.push(mistake(time.span().start, "it ends before it begins"));
        }
        if !(2..=MOST_VARIANTS).contains(&self.variant.len()) {
            let count = self.variant.len();
            wrong.push(mistake(
                at,
                format!("experiment '{id}' has {count} variants, expected from 2 to {MOST_VARIANTS}"),
            ));
        }
        let mut known = BTreeSet::new();
        for variant in self.variants() {
            variant.mistakes(least_window, lab, &mut wrong);
            if !known.insert(variant.id.get_ref()) {
                let what = format!("experiment '{id}' has two variants '{}'", variant.id.get_ref());
                wrong.push(mistake(variant.id.span().start, what));
            }
        }
        let sum: f64 = self.variants().map(Variant::share).sum();
        if sum <= 0.0 && !self.variant.is_empty() {
            wrong.push(mistake(at, format!("the shares of experiment '{id}' sum to 0: it would have no viewers")));
        }
        wrong
    }

    /// Conflicts with `other`, which precedes it in the file; `at` is the byte where this one
    /// begins.
    fn mistakes_beside(&self, other: &Self, at: usize) -> Vec<Mistake> {
        let (mine, theirs) = (self.id.get_ref(), other.id.get_ref());
        let mut wrong = Vec::new();
        if mine == theirs {
            wrong.push(mistake(self.id.span().start, format!("duplicate experiment id '{mine}'")));
        }
        if !self.meets(other) {
            return wrong;
        }
        if self.layer.get_ref() == other.layer.get_ref() {
            let ((from, to), (other_from, other_to)) = (self.traffic(), other.traffic());
            if from < other_to && other_from < to {
                let at = self.traffic.as_ref().map_or(at, |traffic| traffic.span().start);
                let layer = self.layer.get_ref();
                let what = format!("'{theirs}' and '{mine}' overlap in layer '{layer}' at the same time");
                wrong.push(mistake(at, what));
            }
            return wrong;
        }
        if let Some(name) = self.changed().intersection(&other.changed()).next() {
            let what = format!(
                "'{theirs}' and '{mine}' both change {name} at the same time, in different layers: put them into one"
            );
            wrong.push(mistake(at, what));
        }
        if self.salt() == other.salt() {
            let at = self.salt.as_ref().map_or(at, |salt| salt.span().start);
            let what = format!(
                "'{theirs}' and '{mine}' share the salt '{}' at the same time: their effects can't be separated",
                self.salt()
            );
            wrong.push(mistake(at, what));
        }
        wrong
    }

    /// The experiment's part of a board, under `rules`.
    fn part(&self, rules: &Rules) -> ExperimentPart {
        let whole: f64 = self.variants().map(Variant::share).sum();
        let mut taken = 0.0;
        let variant = |variant: &Variant| {
            taken += variant.share();
            let mut weights = rules.weights;
            for (surface, weights) in weights.each_mut() {
                variant.ranking.get(surface).change(weights);
            }
            let mut mix = rules.mix;
            variant.mix.change(&mut mix);
            let second = variant.lab.on().unwrap_or(rules.second);
            let mix = mix.mix();
            let without_lists = variant.lab.lists.as_ref().is_some_and(|lists| !lists.get_ref());
            // Notes are the same for all variants: if they are list places, a variant can only
            // ignore them.
            let near = if rules.has_lists { u8::from(without_lists) } else { mix.near };
            let mix = Mix { second, near, ..mix };
            VariantPart {
                id: variant.id.get_ref().clone(),
                below: places(taken / whole),
                weights,
                mix,
                held_back: HeldBack::default(),
            }
        };
        let mut variants: Vec<VariantPart> = self.variants().map(variant).collect();
        if let Some(last) = variants.last_mut() {
            last.below = WHOLE;
        }
        let (from, until) = self.span();
        ExperimentPart {
            id: self.id.get_ref().clone(),
            layer: self.layer.get_ref().clone(),
            rule: None,
            salt: self.salt().to_owned(),
            traffic: self.traffic(),
            from,
            until,
            holdout: rules.holdout,
            audiences: names(&self.audience),
            variants,
        }
    }
}

/// The rules that variants change.
struct Rules {
    weights: Weights,
    mix: MixRules,
    second: u8,
    has_lists: bool,
    holdout: u32,
}

/// A share in units of [`WHOLE`].
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is from 0 to 1")]
fn places(share: f64) -> u32 {
    (share * f64::from(WHOLE)).round().clamp(0.0, f64::from(WHOLE)) as u32
}

fn check_id(id: &Spanned<String>, wrong: &mut Vec<Mistake>) {
    if !is_id(id.get_ref()) {
        let what = format!(
            "'{}' is not an id: use 1 to {MAX_ID_BYTES} letters, digits, hyphens and underscores",
            id.get_ref()
        );
        wrong.push(mistake(id.span().start, what));
    }
}

/// All mistakes of experiments, each alone and against those before it.
pub(super) fn mistakes(experiments: &[Spanned<Experiment>], floors: &[FloorRule], lab: &LabRules) -> Vec<Mistake> {
    let least_window = floors.iter().map(FloorRule::least).sum();
    let mut wrong = Vec::new();
    for (index, own) in experiments.iter().enumerate() {
        let (experiment, at) = (own.get_ref(), own.span().start);
        wrong.extend(experiment.mistakes(at, least_window, lab));
        for other in &experiments[..index] {
            wrong.extend(experiment.mistakes_beside(other.get_ref(), at));
        }
    }
    if let Some(one_more) = experiments.get(MOST_EXPERIMENTS) {
        wrong.push(mistake(one_more.span().start, format!("there are more than {MOST_EXPERIMENTS} experiments")));
    }
    wrong
}

/// The parts of a board for `experiments`, under these weights and this mix. The lab's vectors are
/// used on the surfaces of `second`, its lists if `has_lists`.
pub(super) fn parts(
    experiments: &[Spanned<Experiment>],
    all: ExperimentRules,
    weights: &Weights,
    mix: MixRules,
    second: u8,
    has_lists: bool,
) -> Vec<ExperimentPart> {
    let rules = Rules { weights: *weights, mix, second, has_lists, holdout: places(all.holdout) };
    experiments.iter().map(|experiment| experiment.get_ref().part(&rules)).collect()
}

#[cfg(test)]
mod tests;
