//! Measured rules: `measure = 0.1` holds a directive or a floor back from a share of viewers, as
//! the control of an experiment that the rule is its own only change of.

use std::collections::BTreeSet;

use sinsang_core::experiment::{HeldBack, MOST_EXPERIMENTS, Purpose, WHOLE, salt};
use sinsang_core::mix::Mix;
use sinsang_core::pack::experiment::{ExperimentPart, VariantPart};
use sinsang_core::rank::Weights;
use sinsang_core::time::UnixMillis;
use toml::Spanned;

use super::audience::names;
use super::directive::{Directive, FloorRule};
use super::mistake::{Mistake, mistake};

/// The variant without the rule, the control.
pub const WITHOUT: &str = "without";
/// The variant with the rule.
pub const WITH: &str = "with";
/// The smallest and the largest share of viewers that may go without a rule.
const SHARES: (f64, f64) = (0.001, 0.5);

/// A rule whose effect is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The rule's name: a directive's own, or `floor` and the shop.
    pub name: String,
    /// The id of the experiment that measures it, as events name it.
    pub id: String,
    /// The share of viewers who go without the rule, above 0.
    pub share: f64,
    span: (UnixMillis, UnixMillis),
    held_back: HeldBack,
    /// The audiences that the rule is for.
    audiences: Vec<String>,
    at: usize,
}

impl Measured {
    fn new(name: String, share: &Spanned<f64>, span: (UnixMillis, UnixMillis), held_back: HeldBack) -> Self {
        // Names are free text, and ids appear in headers.
        let id = format!("rule-{:08x}", salt(Purpose::Variant, &name) >> 32);
        let audiences = Vec::new();
        Self { name, id, audiences, share: *share.get_ref(), span, held_back, at: share.span().start }
    }

    /// The experiment's part of a board with these weights and this mix.
    fn part(&self, weights: Weights, mix: Mix) -> ExperimentPart {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is from 0 to 1")]
        let below = (self.share * f64::from(WHOLE)).round().clamp(1.0, f64::from(WHOLE)) as u32;
        let variant = |id: &str, below, held_back| VariantPart { id: id.to_owned(), below, weights, mix, held_back };
        ExperimentPart {
            id: self.id.clone(),
            // A layer of its own: rules are measured apart from each other and from experiments.
            layer: self.id.clone(),
            rule: Some(self.name.clone()),
            salt: self.id.clone(),
            traffic: (0, WHOLE),
            from: self.span.0,
            until: self.span.1,
            // Viewers who are held out of experiments get rules like everybody else.
            holdout: 0,
            audiences: self.audiences.clone(),
            variants: vec![variant(WITHOUT, below, self.held_back), variant(WITH, WHOLE, HeldBack::default())],
        }
    }
}

/// The measured ones among these rules, in the order of the file: directives, then floors.
pub(super) fn measured(directives: &[Spanned<Directive>], floors: &[FloorRule]) -> Vec<Measured> {
    let mut found = Vec::new();
    for (directive, bit) in directives.iter().map(Spanned::get_ref).zip(0..u64::BITS) {
        if let Some(share) = &directive.measure {
            let held_back = HeldBack { directives: 1 << bit, floors: 0 };
            let measured = Measured::new(directive.name.clone(), share, directive.span(), held_back);
            found.push(Measured { audiences: names(&directive.audience), ..measured });
        }
    }
    let always = (UnixMillis::from_seconds(0), UnixMillis::from_seconds(u32::MAX));
    for (floor, bit) in floors.iter().zip(0..u32::BITS) {
        if let Some(share) = &floor.measure {
            let held_back = HeldBack { directives: 0, floors: 1 << bit };
            found.push(Measured::new(format!("floor {}", floor.shop.get_ref()), share, always, held_back));
        }
    }
    found
}

/// All mistakes of measured rules; `experiments` are the ids of the file's experiments.
pub(super) fn mistakes(directives: &[Spanned<Directive>], floors: &[FloorRule], experiments: &[&str]) -> Vec<Mistake> {
    let mut wrong = Vec::new();
    let mut known: BTreeSet<String> = experiments.iter().map(|id| (*id).to_owned()).collect();
    for (place, one) in measured(directives, floors).into_iter().enumerate() {
        let (least, most) = SHARES;
        if !(least..=most).contains(&one.share) {
            let what = format!("measure is {}, expected a share of viewers from {least} to {most}", one.share);
            wrong.push(mistake(one.at, what));
        }
        if !known.insert(one.id) {
            let what = format!("two measured rules are named '{}': events could not tell them apart", one.name);
            wrong.push(mistake(one.at, what));
        }
        if place + experiments.len() == MOST_EXPERIMENTS {
            let what = format!("there are more than {MOST_EXPERIMENTS} experiments and measured rules");
            wrong.push(mistake(one.at, what));
        }
    }
    for directive in directives.iter().map(Spanned::get_ref).filter(|one| one.measure.is_some()) {
        if let Some(share) = &directive.share {
            let what = "share and measure exclude each other: measure alone holds the rule back from viewers";
            wrong.push(mistake(share.span().start, what));
        }
    }
    wrong
}

/// The parts of a board that measure `rules`, under its weights and mix.
pub(super) fn parts(rules: &[Measured], weights: &Weights, mix: Mix) -> Vec<ExperimentPart> {
    rules.iter().map(|rule| rule.part(*weights, mix)).collect()
}
