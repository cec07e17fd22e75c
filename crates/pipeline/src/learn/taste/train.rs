//! Training: sums over everyone, the users to train on, the choice of settings, and the model.

use std::collections::BTreeSet;

use sinsang_core::viewer::device_of;
use sinsang_taste::{Catalogue, Describer, Lessons, Model, Sparse, Trained, Tuned, tune};

use super::context::{self, Side};
use super::deed::Deed;
use super::diary::{self, Diaries};
use super::learner::Learners;
use super::profile::{Engagement, Sums};
use super::report::Report;
use super::say::Everyone;
use super::spill::{BucketUser, Spill};
use super::weight::Decay;
use super::{Error, Run, part};
use crate::engine::function;

/// The histories that a model is trained on, with users in the same order in both.
pub(super) struct Training {
    pub(super) strengths: Sparse,
    pub(super) sums: Sparse,
    /// The users' histories by context, in the order of users.
    pub(super) sides: Vec<Side>,
}

/// What users' events were read into.
struct Surveyed {
    everyone: Everyone,
    training: Training,
    /// What some of the users did, for choosing settings.
    diaries: Vec<Vec<Deed>>,
}

/// A model, and what it was made of.
pub(super) struct Taught {
    pub(super) everyone: Sums,
    pub(super) training: Training,
    pub(super) model: Model,
    /// How weights on products decay for it.
    pub(super) decay: Decay,
}

/// A user to train on: the history as a whole, and by context.
type Lesson = (sinsang_taste::History, Vec<Side>);

impl Run<'_> {
    /// The stored model if it is usable, or a newly trained one.
    pub(super) fn teach(&self, spill: &mut Spill, report: &mut Report) -> Result<Taught, Error> {
        let options = self.options;
        let kept = options.kept.as_ref();
        let mut decay = self.decay(kept.map_or(options.half_life_days, |kept| kept.tuned().half_life_days));
        let Surveyed { everyone, mut training, diaries } =
            part("everyone").in_scope(|| self.survey(spill, &decay, report))?;
        let diaries = Diaries::new(self.catalogue, options.half_life_days, diaries, everyone.first());
        let everyone = everyone.together();
        report.users_trained_on = training.strengths.len() as u64;

        let describer = Describer::new(self.offer.products);
        let kept = kept.filter(|trained| training.strengths.len() * 2 <= trained.users() * 3);
        let tuned = match kept {
            Some(kept) => kept.tuned().clone(),
            None => part("tuning").in_scope(|| self.tuned(&diaries, &describer)),
        };
        report.tuning = tuned.report.clone();
        let wanted = self.decay(tuned.half_life_days);
        if wanted != decay {
            decay = wanted;
            training = part("everyone again").in_scope(|| self.training(spill, &decay))?;
        }
        let model = part("model").in_scope(|| self.model(&training, &everyone, &describer, kept.ok_or(&tuned), report));
        Ok(Taught { everyone, training, model, decay })
    }

    fn decay(&self, half_life_days: f64) -> Decay {
        Decay::new(self.options.half_life_days, half_life_days, 0)
    }

    /// Whether the user is a person to learn from: neither a bot nor forgotten.
    fn is_heard(&self, user: &BucketUser<'_>) -> bool {
        !self.is_bot(user) && !self.is_forgotten(user)
    }

    /// Sums over everyone, and the users to train on: those with the smallest hashes.
    fn survey(&self, spill: &mut Spill, decay: &Decay, report: &mut Report) -> Result<Surveyed, Error> {
        let options = self.options;
        let read_with = self.decay(options.half_life_days);
        let mut everyone = Everyone::new(self.catalogue);
        let mut learners = Learners::new(options.max_training_users);
        let mut diarists = Learners::new(if options.tune { diary::USERS.min(options.max_training_users) } else { 0 });
        for bucket in 0..report.buckets {
            for user in self.read(spill, bucket)?.users() {
                if !self.is_heard(&user) {
                    let is_bot = self.is_bot(&user);
                    report.bots += u64::from(is_bot);
                    report.users_forgotten += u64::from(!is_bot);
                    report.events_of_bots += user.counts.events();
                    continue;
                }
                let engagement = Engagement::of(user.deeds, self.catalogue, &read_with);
                everyone.add(user.deeds, &engagement, device_of(user.id).is_some());
                let kept = user.deeds.len() as u64;
                report.events_weightless += kept - engagement.events;
                report.impressions_beyond += user.counts.events() - kept;
                if engagement.events >= options.min_events_per_user {
                    self.consider(&mut learners, &user, |_| self.lesson(&user, decay));
                    self.consider(&mut diarists, &user, |_| Some(diary::kept(user.deeds)));
                }
            }
        }
        report.events_used = everyone.events;
        report.events_of_unknown_products = everyone.unknown.products;
        report.events_of_unknown_channels = everyone.unknown.channels;
        report.events_of_unknown_tabs = everyone.unknown.tabs;
        let diaries = diarists.chosen().collect();
        Ok(Surveyed { everyone, training: self.chosen(learners), diaries })
    }

    /// The users to train on alone, by another decay.
    fn training(&self, spill: &mut Spill, decay: &Decay) -> Result<Training, Error> {
        let mut learners = Learners::new(self.options.max_training_users);
        for bucket in 0..spill.buckets() {
            for user in self.read(spill, bucket)?.users().filter(|user| self.is_heard(user)) {
                self.consider(&mut learners, &user, |_| self.lesson(&user, decay));
            }
        }
        Ok(self.chosen(learners))
    }

    /// Adds what `of` makes of a user, if it may be among those to learn from.
    fn consider<T>(&self, learners: &mut Learners<T>, user: &BucketUser<'_>, of: impl FnOnce(&Self) -> Option<T>) {
        let (hash, is_device) = (function::user_hash(user.id), device_of(user.id).is_some());
        if learners.wants(hash, is_device)
            && let Some(what) = of(self)
        {
            learners.add(hash, user.id, is_device, what);
        }
    }

    /// `None` of a user with too few events, or none on a product.
    fn lesson(&self, user: &BucketUser<'_>, decay: &Decay) -> Option<Lesson> {
        let engagement = Engagement::of(user.deeds, self.catalogue, decay);
        let history = engagement.history();
        if engagement.events < self.options.min_events_per_user || history.strengths.is_empty() {
            return None;
        }
        let sides =
            if self.options.by_context { context::sides(user.deeds, self.catalogue, decay) } else { Vec::new() };
        Some((history, sides))
    }

    fn chosen(&self, learners: Learners<Lesson>) -> Training {
        let width = self.offer.products.len();
        let mut training = Training { strengths: Sparse::new(width), sums: Sparse::new(width), sides: Vec::new() };
        for (history, sides) in learners.chosen() {
            training.sides.extend(sides);
            training.strengths.push(history.strengths);
            training.sums.push(history.sums);
        }
        training
    }

    /// The settings to train with.
    fn tuned(&self, diaries: &Diaries<'_>, describer: &Describer<'_>) -> Tuned {
        let options = self.options;
        let mut is_described = vec![false; self.offer.products.len()];
        diaries.products().for_each(|place| is_described[place] = true);
        let [descriptions, names] = [describer.rows(|at| is_described[at]), describer.names(|at| is_described[at])];
        let ids = &self.catalogue.ids;
        let catalogue = Catalogue { ids, descriptions: &descriptions, names: &names, month: &[], fortnight: &[] };
        tune(diaries, &catalogue, &options.recipe, options.half_life_days)
    }

    fn model(
        &self,
        training: &Training,
        everyone: &Sums,
        describer: &Describer<'_>,
        kept: Result<&Trained, &Tuned>,
        report: &mut Report,
    ) -> Model {
        let board: BTreeSet<usize> = self.offer.board.iter().filter_map(|id| self.catalogue.place(*id)).collect();
        let board: Vec<usize> = board.into_iter().collect();
        let Training { strengths, sums, .. } = training;
        let trained: Vec<usize> = match kept {
            Ok(kept) => kept.ids().iter().filter_map(|id| self.catalogue.place(*id)).collect(),
            Err(tuned) => tuned.recipe.products(strengths),
        };
        let mut is_described = vec![false; self.offer.products.len()];
        board.iter().chain(&trained).for_each(|place| is_described[*place] = true);
        let [descriptions, names] = [describer.rows(|at| is_described[at]), describer.names(|at| is_described[at])];
        let floats = |counts: &[i64]| counts.iter().map(|times| *times as f64).collect::<Vec<f64>>();
        let (month, fortnight) = (floats(&everyone.done_in_month), floats(&everyone.done_in_fortnight));
        let catalogue = Catalogue {
            ids: &self.catalogue.ids,
            descriptions: &descriptions,
            names: &names,
            month: &month,
            fortnight: &fortnight,
        };
        let tuned = match kept {
            Ok(kept) => return Model::of(kept.clone(), &catalogue, &board),
            Err(tuned) => tuned,
        };
        report.trained = true;
        report.products_met = strengths.columns_used() as u64;
        report.products_trained_on = trained.len() as u64;
        report.products_predicting = trained.len().min(tuned.recipe.ease.sources) as u64;
        Model::train(&Lessons { strengths, sums, catalogue }, &board, tuned)
    }
}
