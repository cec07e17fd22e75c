//! What past events would have shown of an experiment that began with them: how many different
//! viewers had come after 1, 2, … days, and what they had done by then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use sinsang_core::time::{DAY_MS, UnixMillis};
use sinsang_core::viewer::device_of;

use crate::line::{self, Deed, Kind, Line, ReadError};
use crate::metric::{Counter, Metric};
use crate::sequence::Sample;

/// Past events by viewer.
#[derive(Clone, Debug, Default)]
pub struct Past {
    viewers: BTreeMap<String, Vec<Deed>>,
    /// Unusable rows.
    pub rejected: u64,
}

/// The viewers of past days as they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accrual {
    /// After each day, the metric of all viewers who had an impression by then.
    pub days: Vec<Sample>,
    /// Viewers with an impression on a day, averaged over the days.
    pub daily: f64,
    /// Excluded devices; all, unless they were asked for or nobody is signed in.
    pub devices_left_out: usize,
}

/// Reads the events of `paths`: files, gunzipped if named `.gz`, and folders of files. A viewer's
/// repeated `event_id` counts once.
///
/// # Errors
/// [`ReadError`] if a file or folder can't be read.
pub fn read(paths: &[PathBuf]) -> Result<Past, ReadError> {
    let (mut past, mut seen) = (Past::default(), BTreeSet::new());
    line::each(paths, None, |line| match line {
        Ok(Line { key, viewer, deed, .. }) => {
            if seen.insert(key) {
                past.viewers.entry(viewer).or_default().push(deed);
            }
        }
        Err(_) => past.rejected += 1,
    })?;
    past.viewers.values_mut().for_each(|deeds| deeds.sort());
    Ok(past)
}

impl Past {
    /// The viewers of the last `days` days before the last impression, with each one's `metric`
    /// counted from their first impression on. The first day begins with the first event, so that
    /// an incomplete day is the last one.
    pub fn accrual(&self, metric: Metric, cap_won: u32, days: u32, devices: bool) -> Accrual {
        let impressions = || {
            let all = self.viewers.values().flatten();
            all.filter(|deed| deed.kind == Some(Kind::Impression)).map(|deed| deed.at)
        };
        let (Some(first), Some(last)) = (impressions().min(), impressions().max()) else { return Accrual::default() };
        let start = first.max(last.plus(1 - i64::from(days) * DAY_MS));
        let reach = usize::try_from(last.since(start) / DAY_MS + 1).unwrap_or_default();
        let mut accrual = Accrual { days: vec![Sample::default(); reach], ..Accrual::default() };
        let came = |deeds: &[Deed]| {
            let mut shown = deeds.iter().filter(|deed| deed.kind == Some(Kind::Impression) && deed.at >= start);
            shown.next().map(|deed| deed.at)
        };
        let came: Vec<_> =
            self.viewers.iter().filter_map(|(name, deeds)| Some((name, came(deeds)?, deeds.as_slice()))).collect();
        let is_anyone_signed_in = came.iter().any(|(name, ..)| device_of(name).is_none());
        let mut visits = 0;
        for (name, first_at, deeds) in came {
            if !devices && is_anyone_signed_in && device_of(name).is_some() {
                accrual.devices_left_out += 1;
                continue;
            }
            accrual.add(metric, cap_won, start, first_at, deeds);
            let shown = deeds.iter().filter(|deed| deed.kind == Some(Kind::Impression) && deed.at >= start);
            visits += shown.map(|deed| day(start, deed.at)).collect::<BTreeSet<_>>().len();
        }
        #[expect(clippy::cast_precision_loss, reason = "visits and days, far below 2^52")]
        if reach > 0 {
            accrual.daily = visits as f64 / reach as f64;
        }
        accrual
    }
}

/// Whole days of `at` after `start`.
fn day(start: UnixMillis, at: UnixMillis) -> usize {
    usize::try_from(at.since(start) / DAY_MS).unwrap_or_default()
}

impl Accrual {
    /// Adds a viewer to every day from their first impression on.
    fn add(&mut self, metric: Metric, cap_won: u32, start: UnixMillis, first_at: UnixMillis, deeds: &[Deed]) {
        let mut counter = Counter::new(first_at);
        let mut deeds = deeds.iter().skip_while(|deed| deed.at < first_at).peekable();
        for (at, sample) in self.days.iter_mut().enumerate().skip(day(start, first_at)) {
            while let Some(deed) = deeds.next_if(|deed| day(start, deed.at) <= at) {
                if let Some(kind) = deed.kind {
                    counter.add(kind, deed);
                }
            }
            sample.add(metric.value(&counter.tally, cap_won));
        }
    }

    /// The number of past days.
    pub fn seen_days(&self) -> u32 {
        u32::try_from(self.days.len()).unwrap_or(u32::MAX)
    }

    /// The metric after `day` days, and after the past's last day that of the last.
    pub fn sample(&self, day: u32) -> Sample {
        let at = usize::try_from(day.saturating_sub(1)).unwrap_or(usize::MAX);
        self.days.get(at).or(self.days.last()).copied().unwrap_or_default()
    }

    /// Different viewers after `day` days: counted in the past, extrapolated after it.
    ///
    /// New viewers grow rarer by the ratio of those of the past's last quarter to those of the
    /// quarter before it; of 28 days, the last two weeks. If each viewer comes at a constant rate
    /// of their own, the expected new viewers of successive quarters are a mixture of geometric
    /// sequences, hence log-convex, so that no later quarter has fewer in expectation than this
    /// ratio says: the extrapolation is a lower bound. It is no more than linear.
    pub fn viewers(&self, day: u32) -> f64 {
        let seen = self.seen_days();
        let last = self.sample(seen).count;
        if day <= seen {
            return self.sample(day).count;
        }
        if seen < 2 {
            return last;
        }
        let quarter = (seen / 4).max(1);
        let [before, middle] = [2, 1].map(|quarters| match seen - quarters * quarter {
            0 => 0.0,
            day => self.sample(day).count,
        });
        let (latter, former) = (last - middle, middle - before);
        let ratio = if former > 0.0 { (latter / former).min(1.0) } else { 0.0 };
        let quarters = f64::from(day - seen) / f64::from(quarter);
        let more = if ratio < 1.0 { ratio * (1.0 - ratio.powf(quarters)) / (1.0 - ratio) } else { quarters };
        last + latter * more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[f64]) -> Accrual {
        let sample = |count: &f64| Sample { count: *count, sum: 0.0, squares: 0.0 };
        Accrual { days: counts.iter().map(sample).collect(), ..Accrual::default() }
    }

    fn is_near(found: f64, meant: f64) -> bool {
        (found - meant).abs() < 1e-9
    }

    #[test]
    fn new_viewers_grow_rarer_as_they_did_in_the_past() {
        // 40 on the third day, 20 on the fourth: 10 on the next, 20 in all time.
        let accrual = counts(&[50.0, 80.0, 120.0, 140.0]);
        let found = [1, 4, 5, 6, 365].map(|day| accrual.viewers(day));
        assert!(found.into_iter().zip([50.0, 140.0, 150.0, 155.0, 160.0]).all(|(found, meant)| is_near(found, meant)));
        // Quarters of two days: 45 in the last but one, 30 in the last.
        let accrual = counts(&[500.0, 530.0, 550.0, 570.0, 585.0, 615.0, 630.0, 640.0, 660.0]);
        assert!(is_near(accrual.viewers(11), 680.0));
        // Nobody returns: the growth is linear, and no faster where more came than before.
        assert!(is_near(counts(&[10.0, 20.0]).viewers(5), 50.0));
        assert!(is_near(counts(&[10.0, 40.0]).viewers(3), 70.0));
        assert!(is_near(counts(&[10.0]).viewers(9), 10.0) && is_near(counts(&[]).viewers(9), 0.0));
    }

    #[test]
    fn viewers_who_come_at_rates_of_their_own_are_never_extrapolated_to_more_than_come() {
        // The expected number after d days, of viewers who come with probability 1 − e^(−rate) a
        // day.
        let rates: [(f64, f64); 4] = [(1_000.0, 1.0), (5_000.0, 0.2), (20_000.0, 0.03), (100_000.0, 0.002)];
        let expected = |day: u32| rates.iter().map(|(many, rate)| many * (1.0 - (-rate * f64::from(day)).exp())).sum();
        for seen in [2, 3, 7, 14, 28] {
            let accrual = counts(&(1..=seen).map(expected).collect::<Vec<f64>>());
            for day in seen + 1..200 {
                let (found, truth): (f64, f64) = (accrual.viewers(day), expected(day));
                assert!(found <= truth + 1e-6 && found >= accrual.viewers(day - 1), "{seen} {day}: {found} {truth}");
            }
        }
    }

    #[test]
    fn a_viewer_counts_from_the_first_impression_in_the_window() {
        let deed = |hours: i64, kind: Option<Kind>| Deed {
            at: UnixMillis(hours * DAY_MS / 24),
            kind,
            item: u128::from(hours.unsigned_abs()),
            won: 0,
        };
        let (shown, click) = (Some(Kind::Impression), Some(Kind::Click));
        let mut past = Past::default();
        past.viewers.insert("0000000000000001".to_owned(), vec![deed(0, shown), deed(1, click), deed(60, click)]);
        past.viewers.insert("0000000000000002".to_owned(), vec![deed(5, click), deed(30, shown), deed(71, shown)]);
        past.viewers.insert("d000000000000003".to_owned() + "0", vec![deed(1, shown)]);
        past.viewers.insert("0000000000000004".to_owned(), vec![deed(1, None), deed(2, click)]);
        let accrual = past.accrual(Metric::Clicks, 0, 28, false);
        let found: Vec<(f64, f64)> = accrual.days.iter().map(|sample| (sample.count, sample.sum)).collect();
        assert_eq!(found, [(1.0, 1.0), (2.0, 1.0), (2.0, 2.0)]);
        assert!(is_near(accrual.daily, 1.0) && accrual.devices_left_out == 1, "{accrual:?}");
        // Of the last two days alone, the first viewer has no impression.
        let found: Vec<f64> = past.accrual(Metric::Clicks, 0, 2, false).days.iter().map(|day| day.count).collect();
        assert_eq!(found, [1.0, 1.0]);
        assert!(is_near(past.accrual(Metric::Clicks, 0, 28, true).days[0].count, 2.0));
        assert_eq!(Past::default().accrual(Metric::Clicks, 0, 28, false), Accrual::default());
    }
}
