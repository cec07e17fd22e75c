//! Contexts of the demo's users: province and device class, and the leanings that follow from them.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sinsang_core::context::{DEVICE_CLASSES, WEEK_PARTS, is_region, week_part};
use sinsang_core::time::UnixMillis;

use super::chance::weighted;

/// The contents of `contexts.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contexts {
    regions: BTreeMap<String, f64>,
    device_classes: BTreeMap<String, f64>,
    unknown: f64,
    lean: Vec<Lean>,
}

/// Additions to the weights of categories in some context.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lean {
    /// Hours of the Korean day.
    #[serde(default)]
    hours: Vec<u8>,
    /// `true` for weekends, `false` for weekdays, `None` for both.
    #[serde(default)]
    weekend: Option<bool>,
    #[serde(default)]
    region: Option<u8>,
    #[serde(default)]
    device_class: Option<String>,
    categories: BTreeMap<String, f64>,
}

/// A user's province and device class.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) region: Option<String>,
    pub(super) device_class: Option<&'static str>,
}

/// A context's leanings as written to the truth.
#[derive(Serialize)]
pub(super) struct LeanText<'a> {
    factor: &'static str,
    value: String,
    categories: BTreeMap<&'a str, f64>,
}

impl Lean {
    fn holds(&self, place: &Place, at: UnixMillis) -> bool {
        let is_weekend = usize::from(week_part(at)) >= WEEK_PARTS / 2;
        let of = |own: Option<String>, of: Option<&str>| own.is_none() || own.as_deref() == of;
        (self.hours.is_empty() || self.hours.contains(&at.kst_hour()))
            && self.weekend.is_none_or(|weekend| weekend == is_weekend)
            && of(self.region.map(|region| region.to_string()), place.region.as_deref())
            && of(self.device_class.clone(), place.device_class)
    }
}

impl Contexts {
    /// Checks the list against the names of the categories; the error says what is wrong.
    pub(super) fn check(&self, categories: &[&str]) -> Result<(), String> {
        let unknown = |lean: &Lean| lean.categories.keys().find(|name| !categories.contains(&name.as_str())).cloned();
        if let Some(name) = self.lean.iter().find_map(unknown) {
            return Err(format!("{name} is missing from the other lists"));
        }
        let classes = self.device_classes.keys().chain(self.lean.iter().filter_map(|lean| lean.device_class.as_ref()));
        if let Some(class) = classes.into_iter().find(|class| !DEVICE_CLASSES.contains(&class.as_str())) {
            return Err(format!("{class} is not a device class"));
        }
        match self.regions.keys().find(|region| !is_region(region)) {
            Some(region) => Err(format!("{region} is not a province")),
            None => Ok(()),
        }
    }

    /// The additions to the weights of `categories` for a user in `place` at `at`.
    pub(super) fn leaning(&self, categories: &[&str], place: &Place, at: UnixMillis) -> Vec<f64> {
        let holding: Vec<&Lean> = self.lean.iter().filter(|lean| lean.holds(place, at)).collect();
        let of = |name: &&str| holding.iter().filter_map(|lean| lean.categories.get(*name)).sum();
        categories.iter().map(of).collect()
    }

    /// The places of `count` users. They have a random stream of their own, so that other draws
    /// stay the same.
    pub(super) fn places(&self, count: usize, seed: u64) -> Vec<Place> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(5);
        let (regions, region_shares): (Vec<&String>, Vec<f64>) = self.regions.iter().unzip();
        let (classes, class_shares): (Vec<&String>, Vec<f64>) = self.device_classes.iter().unzip();
        let mut place = |_| {
            let region = regions[weighted(&mut rng, &region_shares)].clone();
            let class = classes[weighted(&mut rng, &class_shares)];
            let known = [rng.random::<f64>(), rng.random::<f64>()].map(|drawn| drawn >= self.unknown);
            let class = DEVICE_CLASSES.into_iter().find(|known| known == class);
            Place { region: Some(region).filter(|_| known[0]), device_class: class.filter(|_| known[1]) }
        };
        (0..count).map(&mut place).collect()
    }

    /// Every single factor with leanings, for the truth: hours of weekdays and of weekends,
    /// provinces, device classes.
    pub(super) fn text<'a>(&'a self, categories: &'a [&'a str]) -> Vec<LeanText<'a>> {
        let hours = [false, true].into_iter().flat_map(|weekend| {
            // 1970-01-03 was a Saturday in Korea, 1970-01-05 a Monday; the default place is
            // nowhere.
            let day = if weekend { 2 } else { 4 };
            let at = move |hour: i64| UnixMillis((day * 24 + hour - 9) * 3_600_000);
            (0..24).map(move |hour| (if weekend { "weekend_hour" } else { "weekday_hour" }, hour.to_string(), at(hour)))
        });
        let by_hour = hours.map(|(factor, value, at)| (factor, value, self.leaning(categories, &Place::default(), at)));
        let of_all = |holds: &dyn Fn(&Lean) -> bool| -> Vec<f64> {
            let leans: Vec<&Lean> = self.lean.iter().filter(|lean| holds(lean)).collect();
            categories.iter().map(|name| leans.iter().filter_map(|lean| lean.categories.get(*name)).sum()).collect()
        };
        let regions = self.regions.keys().map(|region| {
            let is_it = |lean: &Lean| lean.region.is_some_and(|own| own.to_string() == *region);
            ("region", region.clone(), of_all(&is_it))
        });
        let classes = self.device_classes.keys().map(|class| {
            ("device_class", class.clone(), of_all(&|lean: &Lean| lean.device_class.as_ref() == Some(class)))
        });
        let text = |(factor, value, leaning): (&'static str, String, Vec<f64>)| LeanText {
            factor,
            value,
            categories: categories.iter().copied().zip(leaning).filter(|(_, lean)| *lean > 0.0).collect(),
        };
        by_hour.chain(regions).chain(classes).map(text).filter(|line| !line.categories.is_empty()).collect()
    }
}
