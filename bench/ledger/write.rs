//! Writes a generated market as a ledger, table by table in key order.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use rayon::prelude::*;
use serde_json::{Value, json};
use sinsang_core::time::{DAY_MS, HOUR_MS};
use sinsang_identity::identity::{Day, Lesson, Policy, ProductId, Statistics, code_key, mark, stored_keys};
use sinsang_identity::listing::{Features, Lexicon};
use sinsang_pipeline::ledger::file::{Row, Writer};
use sinsang_pipeline::ledger::head::name;
use sinsang_pipeline::ledger::head::{Counted, Entry, Head, Run};
use sinsang_pipeline::ledger::row::{AiringRow, LessonRow, ListingRow, Posting, WordRow};

use crate::synthetic::{Draw, NOW, World};

/// Products in each file of listings.
const PART: usize = 2 << 20;
/// Number of titles counted to estimate the frequency of words and keys.
const SAMPLE: u64 = 1_000_000;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

pub(crate) fn generate(products: u64, folder: &Path) -> Result<Value, Box<dyn Error>> {
    make(products, folder).map_err(|error| -> Box<dyn Error> { error })
}

fn make(products: u64, folder: &Path) -> Outcome<Value> {
    let begun = Instant::now();
    let say = |what: &str| eprintln!("{:8.1} s {what}", begun.elapsed().as_secs_f64());
    fs::create_dir_all(folder)?;
    let world = World::new(products);
    say("vocabulary read");
    let sample = Sample::count(&world);
    say("sample counted");
    let agree = agreement(&world);
    let mut ids: Vec<(u64, u32)> = (0..products)
        .into_par_iter()
        .map(|number| {
            let listing = Shopped::of(&world, number);
            Ok((ProductId::of(&listing.0, &listing.1).0, u32::try_from(number)?))
        })
        .collect::<Outcome<_>>()?;
    ids.par_sort_unstable();
    say("ids sorted");
    let buckets = Buckets::create(folder, products)?;
    let parts: Vec<(usize, &[(u64, u32)])> = ids.chunks(PART).enumerate().collect();
    let written: Vec<[Entry; 2]> = parts
        .par_iter()
        .map(|(part, ids)| {
            let written = write_part(&world, &sample, folder, u64::try_from(*part)?, ids, &buckets)?;
            say(&format!("part {part} written"));
            Ok(written)
        })
        .collect::<Outcome<_>>()?;
    drop(ids);
    let blocks = buckets.write(folder)?;
    say("keys written");
    let mut files: Vec<Entry> = Vec::new();
    for entry in written.into_iter().flatten().chain(blocks) {
        files.push(entry);
    }
    files.sort_by(|a, b| (a.table, a.first, &a.file).cmp(&(b.table, b.first, &b.file)));
    let in_force = sample.write(&world, folder)?;
    let bytes: u64 = files.iter().chain(&in_force.files).map(|entry| entry.bytes).sum();
    let rows: u64 = files.iter().map(|entry| entry.rows).sum();
    let mut head = Head::empty();
    head.version = 1;
    head.written_at = NOW.to_kst_rfc3339();
    head.next_sequence = 2;
    head.products = products;
    head.runs = vec![Run { sequence: 1, files }];
    head.in_force = in_force;
    head.write(folder)?;
    Ok(
        json!({ "products": products, "rows": rows, "bytes": bytes, "joined_as_read": agree, "wall_s": begun.elapsed().as_secs_f64() }),
    )
}

/// Shop and code of a product's listing.
struct Shopped(String, String);

impl Shopped {
    fn of(world: &World, number: u64) -> Self {
        let listing = world.listing(number);
        Self(listing.shop, listing.listing_id)
    }
}

/// Frequencies of words and keys in a sample, scaled to the whole market.
struct Sample {
    counted: Statistics,
    /// Keys shared by several titles of the sample.
    several: HashMap<u64, u32>,
    factor: u64,
}

impl Sample {
    fn count(world: &World) -> Self {
        let size = SAMPLE.min(world.products);
        let policy = Policy::default();
        let listings: Vec<_> =
            (0..size).into_par_iter().map(|number| world.listing(Draw::new(4, number).below(world.products))).collect();
        let nothing = Statistics::default();
        let day = Day::read(&listings, &policy, &nothing);
        let counted = day.counted(|_| true);
        let mut keys: Vec<u64> = day.keys_by_title().concat();
        keys.par_sort_unstable();
        let mut several = HashMap::new();
        for same in keys.chunk_by(|a, b| a == b) {
            if let (Some(&key), true) = (same.first(), same.len() > 1) {
                several.insert(key, u32::try_from(same.len()).unwrap_or(u32::MAX));
            }
        }
        Self { counted, several, factor: (world.products / size).max(1) }
    }

    fn scaled(&self, count: u32) -> u32 {
        u32::try_from(u64::from(count) * self.factor).unwrap_or(u32::MAX)
    }

    fn titles(&self, key: u64) -> u32 {
        self.several.get(&key).map_or(1, |&count| self.scaled(count))
    }

    fn write(&self, world: &World, folder: &Path) -> Outcome<Counted> {
        let words: Vec<WordRow> =
            self.counted.words.iter().map(|(key, titles)| WordRow { key, titles: self.scaled(titles) }).collect();
        // Words are read one by one here: the beginnings of titles, and changes between titles of a
        // code, are not visible.
        let mut lessons: Vec<LessonRow> = LessonRow::all(&self.counted.lessons);
        lessons.retain(|row| row.lesson == Lesson::Field);
        for row in &mut lessons {
            row.listings = self.scaled(row.listings);
        }
        let mut files = write_rows(folder, 0, &words)?;
        files.extend(write_rows(folder, 0, &lessons)?);
        Ok(Counted { titles: world.products, files })
    }
}

fn write_rows<R: Row>(folder: &Path, part: u64, rows: &[R]) -> Outcome<Vec<Entry>> {
    let Some(mut writer) = (!rows.is_empty())
        .then(|| Writer::create(folder, R::TABLE, name(R::TABLE, 1, part), R::schema()))
        .transpose()?
    else {
        return Ok(Vec::new());
    };
    for rows in rows.chunks(1 << 14) {
        if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
            writer.write(&R::batch(rows)?, first.key(), last.key())?;
        }
    }
    Ok(vec![writer.close()?])
}

fn model_of(text: &str, lexicon: &Lexicon<'_>) -> Features {
    Features::read(text, None, None, lexicon)
}

/// The share of complete titles whose features equal those joined from their words.
fn agreement(world: &World) -> f64 {
    let policy = Policy::default();
    let lexicon = Lexicon::new(&policy.words);
    let sample = 2_000_u32;
    let keys = |features: &Features| stored_keys(features, &policy, |_| 1);
    let mut equal = 0_u32;
    for number in 0..sample {
        let name = world.name(Draw::new(5, number.into()).below(world.products));
        let model = name.model.as_ref().map(|model| model_of(model, &lexicon));
        let joined = keys(&world.features(&name, model.as_ref()));
        let whole = keys(&Features::read(&world.title(&name), None, None, &lexicon));
        equal += u32::from(joined == whole);
    }
    f64::from(equal) / f64::from(sample)
}

/// A file of keys with its path.
type Bucket = (PathBuf, Mutex<BufWriter<File>>);

/// Blocking keys during sorting: divided into files by their highest bits.
struct Buckets {
    files: Vec<Bucket>,
    shift: u32,
}

impl Buckets {
    fn create(folder: &Path, products: u64) -> Outcome<Self> {
        // About twelve million keys in each bucket.
        let bits = (products * 9 / 12_000_000).max(1).next_power_of_two().trailing_zeros().clamp(1, 10);
        let files = (0..1_u32 << bits)
            .map(|number| {
                let path = folder.join(format!("bucket-{number:04}"));
                Ok((path.clone(), Mutex::new(BufWriter::with_capacity(1 << 20, File::create(path)?))))
            })
            .collect::<Outcome<_>>()?;
        Ok(Self { files, shift: 64 - bits })
    }

    fn put(&self, sorted: &mut [Vec<u8>]) -> Outcome<()> {
        for (bytes, (_, file)) in sorted.iter_mut().zip(&self.files) {
            if !bytes.is_empty() {
                file.lock().map_err(|_| "a thread died")?.write_all(bytes)?;
                bytes.clear();
            }
        }
        Ok(())
    }

    fn write(self, folder: &Path) -> Outcome<Vec<Entry>> {
        let numbered: Vec<(u64, Bucket)> = (0..).zip(self.files).collect();
        let entries: Vec<Vec<Entry>> = numbered
            .into_par_iter()
            .map(|(part, (path, file))| {
                file.into_inner().map_err(|_| "a thread died")?.flush()?;
                let bytes = fs::read(&path)?;
                let mut rows: Vec<Posting> = bytes
                    .chunks_exact(12)
                    .filter_map(|row| {
                        let (key, mark) = row.split_at(8);
                        Some(Posting {
                            key: u64::from_le_bytes(key.try_into().ok()?),
                            mark: u32::from_le_bytes(mark.try_into().ok()?),
                        })
                    })
                    .collect();
                drop(bytes);
                rows.sort_unstable();
                rows.dedup();
                let entries = write_rows(folder, part, &rows)?;
                fs::remove_file(&path)?;
                Ok(entries)
            })
            .collect::<Outcome<_>>()?;
        Ok(entries.into_iter().flatten().collect())
    }
}

/// Writes the listings and airings of a part of the products, and adds their keys to the buckets.
fn write_part(
    world: &World,
    sample: &Sample,
    folder: &Path,
    part: u64,
    ids: &[(u64, u32)],
    buckets: &Buckets,
) -> Outcome<[Entry; 2]> {
    let policy = Policy::default();
    let lexicon = Lexicon::new(&policy.words);
    let create = |table, schema| Writer::create(folder, table, name(table, 1, part), schema);
    let mut listings = create(ListingRow::TABLE, ListingRow::schema())?;
    let mut airings = create(AiringRow::TABLE, AiringRow::schema())?;
    let mut sorted: Vec<Vec<u8>> = vec![Vec::new(); buckets.files.len()];
    for ids in ids.chunks(1 << 14) {
        let mut rows = Vec::with_capacity(ids.len());
        let mut aired = Vec::with_capacity(ids.len() * 2);
        for &(product, number) in ids {
            let number = u64::from(number);
            let listing = world.listing(number);
            let name = world.name(number);
            let model = name.model.as_ref().map(|model| model_of(model, &lexicon));
            let features = world.features(&name, model.as_ref());
            let mut keys = stored_keys(&features, &policy, |key| sample.titles(key));
            let code = code_key(&listing.shop, &listing.listing_id);
            keys.push(code);
            for key in keys {
                let bucket = usize::try_from(key >> buckets.shift)?;
                sorted[bucket].extend_from_slice(&key.to_le_bytes());
                sorted[bucket].extend_from_slice(&mark(ProductId(product)).to_le_bytes());
            }
            let mut draw = Draw::new(6, number);
            let times = match draw.below(100) {
                0..60 => 1,
                60..85 => 2,
                _ => 4,
            };
            let mut last_at = listing.first_at;
            for time in 0..times {
                last_at = listing.first_at.plus(time * 5 * DAY_MS);
                aired.push(AiringRow {
                    product,
                    listing: u32::try_from(code >> 32)?,
                    starts_at: last_at,
                    channel: listing.shop.clone(),
                    ends_at: last_at.plus(HOUR_MS),
                    title: 0,
                });
            }
            let titles = listing.titles;
            rows.push(ListingRow {
                product,
                shop: listing.shop,
                listing_id: listing.listing_id,
                titles,
                brand: listing.brand,
                category: listing.category,
                price: listing.price,
                image: None,
                review_count: None,
                first_at: listing.first_at,
                last_at,
            });
        }
        if let (Some(first), Some(last)) = (ids.first(), ids.last()) {
            listings.write(&ListingRow::batch(&rows)?, first.0, last.0)?;
            airings.write(&AiringRow::batch(&aired)?, first.0, last.0)?;
        }
        if sorted.iter().map(Vec::len).sum::<usize>() > 32 << 20 {
            buckets.put(&mut sorted)?;
        }
    }
    buckets.put(&mut sorted)?;
    Ok([listings.close()?, airings.close()?])
}
