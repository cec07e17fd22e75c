//! Sums over all users, with one viewer's influence capped. A viewer who sends more events than a
//! person affects the shared order no more than a person would: each viewer's part in a product is
//! capped before summing, and so is the part of all devices together, because anybody can invent
//! devices.

use sinsang_core::pulse::UNSIGNED_SHIFT;

use super::deed::{Age, Deed, FORTNIGHT_DAYS, MONTH_DAYS};
use super::profile::{Catalogue, Engagement, HOUR_BUCKETS, PRODUCT_CAP, SUM_CAP, Sums, Unknown, add_to};
use super::weight::UNIT;

/// The most events of one viewer counted for a product, if events are counted rather than weighed.
const MOST_COUNTED: u64 = 4;

impl Sums {
    fn new(catalogue: &Catalogue) -> Self {
        let products = || vec![0; catalogue.ids.len()];
        let [channels, tabs] = catalogue.widths().map(|width| vec![0; width]);
        Self {
            popularity: products(),
            channels,
            hours: vec![0; HOUR_BUCKETS],
            tabs,
            shown: products(),
            done_in_month: products(),
            done_in_fortnight: products(),
        }
    }

    /// Every kind of sum.
    fn all(&mut self) -> [&mut Vec<i64>; 7] {
        [
            &mut self.popularity,
            &mut self.channels,
            &mut self.hours,
            &mut self.tabs,
            &mut self.shown,
            &mut self.done_in_month,
            &mut self.done_in_fortnight,
        ]
    }

    fn add(&mut self, deeds: &[Deed], engagement: &Engagement) {
        for (counts, is_counted) in [
            (&mut self.shown, (|deed| deed.is_impression()) as fn(&Deed) -> bool),
            (&mut self.done_in_month, |deed| deed.is_done_within(MONTH_DAYS)),
            (&mut self.done_in_fortnight, |deed| deed.is_done_within(FORTNIGHT_DAYS)),
        ] {
            let mut places: Vec<usize> =
                deeds.iter().filter(|deed| is_counted(deed)).filter_map(|deed| deed.place()).collect();
            places.sort_unstable();
            for own in places.chunk_by(|a, b| a == b) {
                let times = (own.len() as u64).min(MOST_COUNTED).cast_signed();
                add_to(own.first().and_then(|place| counts.get_mut(*place)), times);
            }
        }
        let bounded = |sum: i64, views: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "tens of views")]
            let most = (views * UNIT as f64) as i64;
            sum.clamp(-most, most)
        };
        for (place, sum) in engagement.products() {
            add_to(self.popularity.get_mut(place), bounded(sum, PRODUCT_CAP));
        }
        let [channels, hours, tabs] = engagement.weights();
        for (to, from) in [(&mut self.channels, channels), (&mut self.hours, hours), (&mut self.tabs, tabs)] {
            to.iter_mut().zip(from).for_each(|(to, from)| add_to(Some(to), bounded(*from, SUM_CAP)));
        }
    }
}

/// Sums of all users' actions and impressions.
#[derive(Clone, Debug)]
pub(crate) struct Everyone {
    signed: Sums,
    devices: Sums,
    has_signed: bool,
    /// By place in the catalogue, the age of the first act of signed-in viewers, and of devices.
    first: [Vec<Option<Age>>; 2],
    pub(crate) events: u64,
    pub(crate) unknown: Unknown,
}

impl Everyone {
    pub(crate) fn new(catalogue: &Catalogue) -> Self {
        let sums = Sums::new(catalogue);
        let first = [vec![None; catalogue.ids.len()], vec![None; catalogue.ids.len()]];
        Self { signed: sums.clone(), devices: sums, has_signed: false, first, events: 0, unknown: Unknown::default() }
    }

    /// Adds a person, or a device without a signed-in user.
    pub(crate) fn add(&mut self, deeds: &[Deed], engagement: &Engagement, is_device: bool) {
        self.has_signed |= !is_device;
        let sums = if is_device { &mut self.devices } else { &mut self.signed };
        sums.add(deeds, engagement);
        for deed in deeds.iter().filter(|deed| deed.weight > 0 && !deed.is_impression()) {
            if let Some(first) = deed.place().and_then(|place| self.first[usize::from(is_device)].get_mut(place)) {
                *first = (*first).max(Some(deed.age()));
            }
        }
        self.events += engagement.events;
        self.unknown.products += engagement.unknown.products;
        self.unknown.channels += engagement.unknown.channels;
        self.unknown.tabs += engagement.unknown.tabs;
    }

    /// By place in the catalogue, the age of the first act: of devices only if nobody is signed in,
    /// as for training.
    pub(crate) fn first(&self) -> &[Option<Age>] {
        &self.first[usize::from(!self.has_signed)]
    }

    /// All sums: a device counts a quarter of a signed-in viewer, and all devices together at most
    /// a quarter of the signed-in sum. Products seen by devices only get nothing: popularity is in
    /// powers of two, so a few views would lift an unknown product above most others. If no user is
    /// signed in, devices count in full.
    pub(crate) fn together(self) -> Sums {
        let Self { mut signed, mut devices, has_signed, .. } = self;
        for (sums, devices) in signed.all().into_iter().zip(devices.all()) {
            for (sum, device) in sums.iter_mut().zip(devices) {
                let most = sum.saturating_abs() >> UNSIGNED_SHIFT;
                let heard = if has_signed { (*device >> UNSIGNED_SHIFT).clamp(-most, most) } else { *device };
                *sum = sum.saturating_add(heard);
            }
        }
        signed
    }
}

#[cfg(test)]
mod tests {
    use super::super::deed::Row;
    use super::super::profile::Vocabulary;
    use super::super::weight::Decay;
    use super::*;

    fn catalogue() -> Catalogue {
        let vocabulary = Vocabulary { channels: vec!["채널".to_owned()], ..Vocabulary::default() };
        Catalogue::new(&vocabulary, vec![70, 80])
    }

    /// A number of purchases of a product, each with an impression.
    fn deeds(catalogue: &Catalogue, product: u64, times: usize) -> Vec<Deed> {
        let id = format!("{product:016x}");
        let row = Row { product: Some(&id), channel: Some("채널"), ..Row::default() };
        let [bought, shown] =
            [Row { weight: 8 * UNIT, ..row }, Row { is_impression: true, ..row }].map(|row| catalogue.deed(&row));
        [vec![bought; times], vec![shown; times]].concat()
    }

    fn views(catalogue: &Catalogue, of: &[(usize, bool, usize)]) -> [i64; 4] {
        let mut everyone = Everyone::new(catalogue);
        for (viewers, is_device, times) in of {
            let deeds = deeds(catalogue, 70, *times);
            let engagement = Engagement::of(&deeds, catalogue, &Decay::new(30.0, 30.0, 0));
            (0..*viewers).for_each(|_| everyone.add(&deeds, &engagement, *is_device));
        }
        let sums = everyone.together();
        [sums.popularity[0] / UNIT, sums.channels[0] / UNIT, sums.shown[0], sums.done_in_month[0]]
    }

    #[test]
    fn one_viewer_is_one_however_much_they_send_and_devices_together_are_few() {
        let catalogue = catalogue();
        // Popularity and channel in views, then impressions and purchases.
        for (of, expected) in [
            (&[(1, false, 1)][..], [8, 8, 1, 1]),
            (&[(1, false, 9_900)], [16, 64, 4, 4]),
            (&[(2, false, 9_900)], [32, 128, 8, 8]),
            // Devices are capped at a quarter of the signed-in viewers, however many there are and
            // whatever they do.
            (&[(1, false, 1), (1, true, 9_900)], [8 + 2, 8 + 2, 1, 1]),
            (&[(1, false, 1), (10_000, true, 9)], [8 + 2, 8 + 2, 1, 1]),
            (&[(100, false, 1), (10_000, true, 9)], [800 + 200, 800 + 200, 100 + 25, 100 + 25]),
            (&[(100, false, 1), (4, true, 1)], [800 + 8, 800 + 8, 100 + 1, 100 + 1]),
            // If no user is signed in, devices count in full.
            (&[(3, true, 1)], [24, 24, 3, 3]),
        ] {
            assert_eq!(views(&catalogue, of), expected, "{of:?}");
        }
    }
    #[test]
    fn the_first_act_is_a_signed_in_viewers_unless_nobody_is_signed_in() {
        let catalogue = catalogue();
        let bought = |age_days: i64| {
            let row = Row { product: Some("0000000000000046"), weight: UNIT, age_days, ..Row::default() };
            [catalogue.deed(&row), catalogue.deed(&Row { age_days: 99, is_impression: true, ..row })]
        };
        for (viewers, expected) in
            [(&[(false, 3), (false, 5), (true, 9)][..], Some(5)), (&[(true, 9), (true, 2)], Some(9)), (&[], None)]
        {
            let mut everyone = Everyone::new(&catalogue);
            for (is_device, age) in viewers {
                let deeds = bought(*age);
                everyone.add(&deeds, &Engagement::of(&deeds, &catalogue, &Decay::new(30.0, 30.0, 0)), *is_device);
            }
            assert_eq!(everyone.first(), [expected.map(Age::of), None], "{viewers:?}");
        }
    }
}
