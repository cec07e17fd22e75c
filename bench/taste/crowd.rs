//! Users with latent tastes, and their events: 50 each in sixty days, one user in five active on
//! any day.
//!
//! A user likes three categories, and a brand and a corner of each (products have a hidden place in
//! their category that no column reveals), and sometimes takes a popular product. So there is
//! something to learn from words, from brands and from other users. Two simplifications: a user's
//! tastes never change, and an event need not be near a broadcast of its product.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringBuilder, TimestampMillisecondArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde_json::Value;
use sinsang_core::time::{DAY_MS, KST_OFFSET_MS, UnixMillis};
use sinsang_core::viewer::UserHasher;

/// Days over which a user's 50 events are spread.
pub(crate) const DAYS: i64 = 60;
/// Each user visits once in this many days, on a random one of them.
const STRIDE: i64 = 5;
/// Rows of a batch, and of a row group.
const BATCH_ROWS: usize = 1 << 14;
const GROUP_ROWS: usize = 1 << 18;

/// A product that events can refer to.
struct Product {
    listings: Vec<(String, String)>,
}

/// Products of a kind: sorted by hidden place, and by popularity.
#[derive(Default)]
struct Shelf {
    places: Vec<u32>,
    popular: Vec<u32>,
}

/// The products, channels and tabs that users choose from.
pub(crate) struct Crowd {
    products: Vec<Product>,
    all: Shelf,
    categories: Vec<Shelf>,
    brands: Vec<Vec<Shelf>>,
    channels: Vec<String>,
    tabs: Vec<String>,
    seed: u64,
}

/// An event, as indices.
#[derive(Clone, Copy)]
pub(crate) struct Act {
    pub(crate) user: u64,
    at: i64,
    pub(crate) kind: &'static str,
    pub(crate) product: Option<u32>,
    listing: u32,
    channel: Option<usize>,
    tab: Option<usize>,
}

fn draws(seed: u64, user: u64, day: i64) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&user.to_le_bytes());
    bytes[16..24].copy_from_slice(&day.to_le_bytes());
    ChaCha8Rng::from_seed(bytes)
}

/// The index in `0..count` for a number from 0 to 1; `None` if `count` is 0.
fn place(share: f64, count: usize) -> Option<usize> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "0 to count"
    )]
    let at = (share * count as f64) as usize;
    (count > 0).then(|| at.min(count - 1))
}

impl Shelf {
    fn of(products: &[u32], seed: u64) -> Self {
        let mut shelf = Self { places: products.to_vec(), popular: products.to_vec() };
        let key = |stream: i64| move |product: &u32| draws(seed, u64::from(*product), stream).random::<u64>();
        shelf.places.sort_by_cached_key(key(-1));
        shelf.popular.sort_by_cached_key(key(-2));
        shelf
    }

    /// A product near the user's corner (0 to 1), or a popular one.
    fn pick(&self, corner: f64, rng: &mut ChaCha8Rng) -> Option<u32> {
        if rng.random_bool(0.6) {
            let off: f64 = rng.random_range(-1.0..1.0);
            let at = (corner + 0.3 * off.powi(3)).rem_euclid(1.0);
            place(at, self.places.len()).map(|at| self.places[at])
        } else {
            let at: f64 = rng.random();
            place(at.powi(3), self.popular.len()).map(|at| self.popular[at])
        }
    }
}

impl Crowd {
    /// Reads the tables of `sinsang generate` and their truth.
    pub(crate) fn read(folder: &Path, seed: u64) -> Result<Self, Box<dyn Error>> {
        let lines = |name: &str| -> Result<Vec<Value>, Box<dyn Error>> {
            let text = BufReader::new(File::open(folder.join("truth").join(name))?);
            text.lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect()
        };
        let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
        let (mut categories, mut brands) = (BTreeMap::new(), BTreeMap::new());
        let mut products = Vec::new();
        for (at, line) in (0_u32..).zip(lines("products.ndjson")?) {
            products.push(Product { listings: Vec::new() });
            let category = text(&line, "category");
            categories.entry(category.clone()).or_insert_with(Vec::new).push(at);
            if let Some(brand) = line["brand"].as_str() {
                brands.entry((category, brand.to_owned())).or_insert_with(Vec::new).push(at);
            }
        }
        for line in lines("listings.ndjson")? {
            let product = usize::try_from(line["product"].as_u64().unwrap_or(0))?;
            products[product].listings.push((text(&line, "shop"), text(&line, "listing_id")));
        }
        let mut channels = BTreeSet::new();
        let rows = BufReader::new(zstd::Decoder::new(File::open(folder.join("broadcasts.ndjson.zst"))?)?);
        // A day's rows name all channels.
        for line in rows.lines().take(5_000) {
            channels.insert(text(&serde_json::from_str(&line?)?, "channel"));
        }
        let tabs = fs::read_to_string(folder.join("tabs.csv"))?;
        let all: Vec<u32> = (0..u32::try_from(products.len())?).collect();
        let of_category = |name: &String| -> Vec<Shelf> {
            let of = brands.iter().filter(|((category, _), _)| category == name);
            of.map(|(_, products)| Shelf::of(products, seed)).collect()
        };
        Ok(Self {
            all: Shelf::of(&all, seed),
            brands: categories.keys().map(of_category).collect(),
            categories: categories.values().map(|products| Shelf::of(products, seed)).collect(),
            products,
            channels: channels.into_iter().collect(),
            tabs: tabs.lines().skip(1).filter_map(|line| Some(line.split(',').next()?.to_owned())).collect(),
            seed,
        })
    }

    pub(crate) fn products(&self) -> usize {
        self.products.len()
    }

    /// A user's events on a day (0 is the first of the sixty): none on four days in five. Ten
    /// visits of four events and two of five make fifty.
    pub(crate) fn visit(&self, user: u64, day: i64, begin: UnixMillis, mut take: impl FnMut(Act)) {
        let stripe = day / STRIDE;
        let mut rng = draws(self.seed, user, stripe);
        if rng.random_range(0..STRIDE) != day % STRIDE {
            return;
        }
        // Constant traits of the user have a separate random stream.
        let mut own = draws(self.seed, user, i64::MAX);
        let favourites: [usize; 3] = std::array::from_fn(|_| {
            let at: f64 = own.random();
            place(at.powf(1.5), self.categories.len()).unwrap_or(0)
        });
        let (corner, brand): (f64, f64) = (own.random(), own.random());
        let hour: i64 = own.random_range(7..24);
        let channel = own.random_range(0..self.channels.len().max(1));
        let tab = own.random_range(0..self.tabs.len().max(1));
        let mut at = begin.0 + day * DAY_MS + hour * 3_600_000 + rng.random_range(0..3_000) * 1_000;
        let events = if stripe % 6 == 0 { 5 } else { 4 };
        for _ in 0..events {
            at += rng.random_range(2..40) * 1_000;
            let kind = match rng.random_range(0..100) {
                0..=29 => "impression",
                30..=59 => "view",
                60..=79 => "click",
                80..=84 => "alarm",
                85..=88 => "purchase",
                89..=93 => "live_enter",
                _ => "tab_open",
            };
            let mut act = Act { user, at, kind, product: None, listing: 0, channel: None, tab: None };
            match kind {
                "tab_open" => {
                    act.tab = Some(if rng.random_bool(0.5) { tab } else { rng.random_range(0..self.tabs.len()) });
                }
                "live_enter" => {
                    act.channel =
                        Some(if rng.random_bool(0.6) { channel } else { rng.random_range(0..self.channels.len()) });
                }
                _ => {
                    act.product = self.choose(favourites, corner, brand, &mut rng);
                    act.listing = rng.random();
                }
            }
            take(act);
        }
    }

    fn choose(&self, favourites: [usize; 3], corner: f64, brand: f64, rng: &mut ChaCha8Rng) -> Option<u32> {
        let liked = match rng.random_range(0..20) {
            0..=8 => favourites[0],
            9..=13 => favourites[1],
            14..=16 => favourites[2],
            _ => return self.all.pick(rng.random(), rng),
        };
        let brands = self.brands.get(liked)?;
        match place(brand, brands.len()).filter(|_| rng.random_bool(0.35)) {
            Some(at) => brands[at].pick(rng.random(), rng),
            None => self.categories.get(liked)?.pick(corner, rng),
        }
    }

    /// Writes the events of each day to a file: as the app sends them, or with `hasher` as a build
    /// stages them.
    pub(crate) fn write(
        &self,
        users: u64,
        days: std::ops::Range<i64>,
        begin: UnixMillis,
        folder: &Path,
        hasher: Option<&UserHasher>,
    ) -> Result<u64, Box<dyn Error>> {
        fs::create_dir_all(folder)?;
        let written: Result<Vec<u64>, String> = days
            .into_par_iter()
            .map(|day| self.write_day(users, day, begin, folder, hasher).map_err(|error| error.to_string()))
            .collect();
        Ok(written?.into_iter().sum())
    }

    fn write_day(
        &self,
        users: u64,
        day: i64,
        begin: UnixMillis,
        folder: &Path,
        hasher: Option<&UserHasher>,
    ) -> Result<u64, Box<dyn Error>> {
        let schema = schema(hasher.is_some());
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let path = folder.join(format!("events-{day:03}.parquet"));
        let mut writer = ArrowWriter::try_new(File::create(path)?, Arc::clone(&schema), Some(properties))?;
        let mut acts = Vec::with_capacity(BATCH_ROWS + 8);
        let mut rows = 0;
        // As in a table of a day: neighbouring users differ from day to day.
        let step = (users / 2 + 1..=users + 1).find(|step| gcd(*step, users) == 1).unwrap_or(1);
        for at in 0..users {
            let user = (at * step + u64::try_from(day)? * 7_919) % users;
            self.visit(user, day, begin, |act| acts.push(act));
            if acts.len() >= BATCH_ROWS || at + 1 == users {
                rows += acts.len() as u64;
                writer.write(&self.batch(&schema, &acts, hasher)?)?;
                acts.clear();
            }
        }
        writer.close()?;
        Ok(rows)
    }

    fn batch(
        &self,
        schema: &SchemaRef,
        acts: &[Act],
        hasher: Option<&UserHasher>,
    ) -> Result<RecordBatch, Box<dyn Error>> {
        let text = || StringBuilder::with_capacity(acts.len(), 16 * acts.len());
        let (mut users, mut kinds, mut shops, mut listings) = (text(), text(), text(), text());
        let (mut products, mut tabs, mut channels) = (text(), text(), text());
        let (mut regions, mut devices) = (text(), text());
        let mut last = (u64::MAX, String::new());
        for act in acts {
            if last.0 != act.user {
                let name = format!("u{:08}", act.user);
                last = (act.user, hasher.map_or(name.clone(), |hasher| hasher.key(&name).to_string()));
            }
            users.append_value(&last.1);
            kinds.append_value(act.kind);
            let listing = act
                .product
                .map(|product| &self.products[product as usize].listings)
                .and_then(|listings| listings.get(act.listing as usize % listings.len().max(1)));
            shops.append_option(listing.map(|(shop, _)| shop));
            listings.append_option(listing.map(|(_, code)| code));
            products.append_null();
            tabs.append_option(act.tab.map(|tab| &self.tabs[tab]));
            channels.append_option(act.channel.map(|channel| &self.channels[channel]));
            let (region, device) = origin(act.user);
            regions.append_value(region);
            devices.append_value(device);
        }
        let at = acts.iter().map(|act| act.at);
        let at: ArrayRef = match hasher {
            Some(_) => Arc::new(Int64Array::from_iter_values(at)),
            None => Arc::new(TimestampMillisecondArray::from_iter_values(at).with_timezone("UTC")),
        };
        let mut columns: Vec<ArrayRef> = vec![Arc::new(users.finish()), at];
        for column in
            [&mut kinds, &mut shops, &mut listings, &mut products, &mut tabs, &mut channels, &mut regions, &mut devices]
        {
            columns.push(Arc::new(column.finish()));
        }
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}

fn schema(is_staged: bool) -> SchemaRef {
    let at = if is_staged { DataType::Int64 } else { DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())) };
    let text = |name: &str, nullable: bool| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        text("user_id", false),
        Field::new("at", at, false),
        text("kind", false),
        text("shop", true),
        text("listing_id", true),
        text("product_id", true),
        text("tab_id", true),
        text("channel", true),
        text("region", true),
        text("device_class", true),
    ]))
}

/// A user's province and device class; neither correlates with their tastes.
fn origin(user: u64) -> (&'static str, &'static str) {
    const REGIONS: [&str; 17] =
        ["11", "26", "27", "28", "29", "30", "31", "41", "42", "43", "44", "45", "46", "47", "48", "49", "50"];
    const DEVICES: [&str; 8] = ["phone", "phone", "phone", "phone", "phone", "phone", "tablet", "desktop"];
    let at = |count: usize, by: u64| usize::try_from(user / by).unwrap_or(0) % count;
    (REGIONS[at(REGIONS.len(), 1)], DEVICES[at(DEVICES.len(), 17)])
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The first of the sixty days that end with the day before `now`.
pub(crate) fn first_day(now: UnixMillis) -> UnixMillis {
    now.plus(KST_OFFSET_MS).floor(DAY_MS).plus(-KST_OFFSET_MS - DAYS * DAY_MS)
}
