//! Counts of a taste-learning run.

use std::fmt;

use serde::Serialize;

use sinsang_taste::TuningReport;

use super::profile::Population;

/// Events read and set aside, by reason, and everyone's leanings.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Rows of the table of events.
    pub events: u64,
    /// Events without a user; set aside.
    pub events_without_user: u64,
    /// Events without a time; set aside.
    pub events_without_time: u64,
    /// Events later than the time of the build; set aside.
    pub events_in_future: u64,
    /// Events older than ten half-lives; set aside.
    pub events_expired: u64,
    /// Events of an unknown kind; set aside.
    pub events_of_unknown_kind: u64,
    /// Users with more events than a person makes; set aside.
    pub bots: u64,
    /// Events of bots and forgotten users.
    pub events_of_bots: u64,
    /// Forgotten users with events.
    pub users_forgotten: u64,
    /// Events of people whose kind and age have weight 0; by default, impressions.
    pub events_weightless: u64,
    /// Impressions beyond the number kept for a user; the latest are kept.
    pub impressions_beyond: u64,
    /// Events that tastes are based on.
    pub events_used: u64,
    /// Used events whose listing or product is not in the catalogue; their hour, channel and tab
    /// still count.
    pub events_of_unknown_products: u64,
    /// Used events whose channel is not in the vocabulary.
    pub events_of_unknown_channels: u64,
    /// Used events whose tab is not in the vocabulary.
    pub events_of_unknown_tabs: u64,
    /// Users with a taste.
    pub users: u64,
    /// Users with too few events for a taste.
    pub users_too_thin: u64,
    /// Users to train the model on.
    pub users_trained_on: u64,
    /// Products that the users to train on had met; 0 if no model was trained.
    pub products_met: u64,
    /// Those of them that the model was trained on: as many of the most engaged as fit in memory.
    pub products_trained_on: u64,
    /// Those of the latter that others are predicted from.
    pub products_predicting: u64,
    /// How the settings of the training were chosen.
    pub tuning: TuningReport,
    /// Whether this build trained a model; if not, users were folded in with the stored one.
    pub trained: bool,
    /// Contexts with a leaning.
    pub contexts: usize,
    /// Buckets of users.
    pub buckets: u64,
    /// Everyone's leanings.
    #[serde(skip)]
    pub population: Population,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tastes of {} users from {} of {} events", self.users, self.events_used, self.events)?;
        let lines = [
            ("users with too few events", self.users_too_thin),
            ("users set aside as bots", self.bots),
            ("events of bots and forgotten users", self.events_of_bots),
            ("forgotten users with events", self.users_forgotten),
            ("events in the future", self.events_in_future),
            ("events too old", self.events_expired),
            ("events without a user", self.events_without_user),
            ("events without a time", self.events_without_time),
            ("events of an unknown kind", self.events_of_unknown_kind),
            ("events of weight 0", self.events_weightless),
            ("impressions beyond a user's limit", self.impressions_beyond),
            ("used events of an unknown product", self.events_of_unknown_products),
            ("used events of an unknown channel", self.events_of_unknown_channels),
            ("used events of an unknown tab", self.events_of_unknown_tabs),
        ];
        if self.contexts > 0 {
            writeln!(f, "  contexts with a leaning: {}", self.contexts)?;
        }
        if self.products_met > self.products_predicting {
            writeln!(
                f,
                "  trained on {} of {} products that users had met, and predicted from {} of them: as many as fit in taste.memory_mb",
                self.products_trained_on, self.products_met, self.products_predicting
            )?;
        }
        for judged in &self.tuning.judged {
            writeln!(f, "  {judged}")?;
        }
        for (what, count) in lines {
            if count > 0 {
                writeln!(f, "  {what}: {count}")?;
            }
        }
        Ok(())
    }
}
