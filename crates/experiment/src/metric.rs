//! What an experiment measures of each viewer.

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};
use sinsang_core::time::{DAY_MS, UnixMillis};

use crate::line::{Deed, Item, Kind};

/// Clicks counted per viewer, at most: few people exceed it, and one viewer with thousands would
/// move the mean alone.
pub const MOST_CLICKS: u32 = 20;
/// Won counted per viewer, at most, unless the settings say otherwise. A viewer who spends more
/// counts as one who spends this: one bulk order would move the mean alone.
pub const REVENUE_CAP_WON: u32 = 1_000_000;

/// A value of each viewer, whose means are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Whether the viewer clicked: 1 or 0.
    Clicked,
    /// Whether the viewer set an alarm: 1 or 0.
    Alarm,
    /// Whether the viewer bought: 1 or 0.
    Bought,
    /// The number of clicks, at most [`MOST_CLICKS`].
    Clicks,
    /// The won spent, up to a cap.
    Revenue,
}

impl Metric {
    /// All metrics, in the order of reports.
    pub const ALL: [Self; 5] = [Self::Clicked, Self::Alarm, Self::Bought, Self::Clicks, Self::Revenue];

    /// Whether it is 1 or 0 for each viewer, so that its mean is a share of viewers.
    pub fn is_share(self) -> bool {
        matches!(self, Self::Clicked | Self::Alarm | Self::Bought)
    }

    /// The spelling in arguments and in JSON.
    pub fn id(self) -> &'static str {
        match self {
            Self::Clicked => "clicked",
            Self::Alarm => "alarm",
            Self::Bought => "bought",
            Self::Clicks => "clicks",
            Self::Revenue => "revenue",
        }
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clicked => "clicked",
            Self::Alarm => "set an alarm",
            Self::Bought => "bought",
            Self::Clicks => "clicks a viewer",
            Self::Revenue => "revenue a viewer",
        }
    }

    /// Decimal places that are worth printing.
    pub fn decimals(self) -> usize {
        if self == Self::Revenue { 1 } else { 5 }
    }

    /// The metric spelled `text`.
    ///
    /// # Errors
    /// A text that names the metrics that exist.
    pub fn parse(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|metric| metric.id() == text);
        known.ok_or_else(|| {
            let (given, ids) = (text.escape_debug(), Self::ALL.map(Self::id).join(", "));
            format!("no metric is named \"{given}\"; there are {ids}")
        })
    }

    /// The value of a viewer who did what `tally` counts, with revenue up to `cap_won`.
    pub fn value(self, tally: &Tally, cap_won: u32) -> f64 {
        let share = |count: u32| if count > 0 { 1.0 } else { 0.0 };
        match self {
            Self::Clicked => share(tally.clicks),
            Self::Alarm => share(tally.alarms),
            Self::Bought => share(tally.purchases),
            Self::Clicks => f64::from(tally.clicks.min(MOST_CLICKS)),
            Self::Revenue => {
                u32::try_from(tally.revenue_won).map_or(f64::from(cap_won), |won| f64::from(won.min(cap_won)))
            }
        }
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// What a viewer did in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Clicks, each product once a day.
    pub clicks: u32,
    /// Alarms, each product once a day.
    pub alarms: u32,
    /// Purchases, each product once a day.
    pub purchases: u32,
    /// Amounts of all purchases, in won.
    pub revenue_won: u64,
}

/// Counts a viewer's deeds of a period. Each kind counts once per product and day: a thousand
/// clicks on one product count as one. Amounts all count, because people buy one thing twice.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    /// Days count from here.
    since: UnixMillis,
    done: BTreeSet<(Kind, i64, Item)>,
    pub(crate) tally: Tally,
}

impl Counter {
    pub(crate) fn new(since: UnixMillis) -> Self {
        Self { since, done: BTreeSet::new(), tally: Tally::default() }
    }

    /// Counts `deed`; `None` where it repeats an earlier one, otherwise its day.
    pub(crate) fn add(&mut self, kind: Kind, deed: &Deed) -> Option<i64> {
        let day = deed.at.since(self.since).div_euclid(DAY_MS);
        self.tally.revenue_won = self.tally.revenue_won.saturating_add(u64::from(deed.won));
        if !self.done.insert((kind, day, deed.item)) {
            return None;
        }
        let count = match kind {
            Kind::Impression => return Some(day),
            Kind::Click => &mut self.tally.clicks,
            Kind::Alarm => &mut self.tally.alarms,
            Kind::Purchase => &mut self.tally.purchases,
        };
        *count = count.saturating_add(1);
        Some(day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clicks_and_revenue_are_bounded_and_products_count_once_a_day() {
        let mut counter = Counter::new(UnixMillis(0));
        let deed = |at: i64, item: Item, won: u32| Deed { at: UnixMillis(at), kind: None, item, won };
        assert_eq!(counter.add(Kind::Click, &deed(1, 7, 0)), Some(0));
        assert_eq!(counter.add(Kind::Click, &deed(2, 7, 0)), None);
        assert_eq!(counter.add(Kind::Click, &deed(DAY_MS, 7, 0)), Some(1));
        assert_eq!(counter.add(Kind::Click, &deed(-1, 7, 0)), Some(-1));
        for _ in 0..2 {
            counter.add(Kind::Purchase, &deed(3, 7, 600_000));
        }
        let Counter { tally, .. } = counter;
        assert_eq!(tally, Tally { clicks: 3, alarms: 0, purchases: 1, revenue_won: 1_200_000 });
        let values = Metric::ALL.map(|metric| metric.value(&tally, 1_000_000));
        assert!(values.iter().zip([1.0, 0.0, 1.0, 3.0, 1e6]).all(|(value, meant)| (value - meant).abs() < 1e-9));
        let many = Tally { clicks: 1_000, revenue_won: u64::MAX, ..tally };
        assert!((Metric::Clicks.value(&many, 1) - 20.0).abs() < 1e-9);
        assert!((Metric::Revenue.value(&many, 5) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn an_unknown_metric_is_answered_with_those_that_exist() {
        assert!(Metric::ALL.into_iter().all(|metric| Metric::parse(metric.id()) == Ok(metric)));
        let told = Metric::parse("sales").unwrap_err();
        assert_eq!(told, "no metric is named \"sales\"; there are clicked, alarm, bought, clicks, revenue");
    }
}
