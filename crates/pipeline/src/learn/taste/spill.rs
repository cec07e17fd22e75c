//! Spill of events by user: one pass spreads them over buckets in a compressed temporary file, and
//! each bucket is small enough to sort in memory. The tables are therefore read once, however many
//! users there are.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use tempfile::SpooledTempFile;

use super::deed::Deed;

/// Compressed bytes kept in memory before a file is created.
const MEMORY_BYTES: usize = 64 << 20;
/// Rows that all buckets together buffer before compression; 40 bytes each.
const ROWS_HELD: usize = 2 << 20;
/// Least and most rows of a chunk: few enough for thousands of buckets, and enough to compress
/// well.
const CHUNK_ROWS: (usize, usize) = (256, 16_384);
/// zstd's fastest level: a few times smaller at some hundred megabytes a second.
const LEVEL: i32 = 1;
/// Bytes of a row without its user.
const ROW_BYTES: usize = 16;
/// The fewest surplus impressions at which the latest are selected.
const CHOSEN_AT_ONCE: usize = 256;
/// Placeholder for a length: the user is a key of 16 hexadecimal digits, stored as 8 bytes.
const IS_KEY: u32 = u32::MAX;

/// Events in buckets of users.
pub(crate) struct Spill {
    file: SpooledTempFile,
    buckets: Vec<Pending>,
    chunk_rows: usize,
    end: u64,
    compressor: zstd::bulk::Compressor<'static>,
    packed: Vec<u8>,
}

/// A bucket's chunks in the file, and its buffered rows.
#[derive(Default)]
struct Pending {
    chunks: Vec<Chunk>,
    rows: u64,
    lengths: Vec<u32>,
    users: Vec<u8>,
    deeds: Vec<Deed>,
}

struct Chunk {
    at: u64,
    bytes: usize,
    unpacked: usize,
    rows: usize,
}

/// The events of one bucket, by user.
pub(crate) struct Bucket {
    /// Users, ascending by id, with their event counts and the end of their kept events in `deeds`.
    users: Vec<(String, Counts, usize)>,
    deeds: Vec<Deed>,
}

/// Counts of a user's events, including those not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Actions: all events but impressions.
    pub(crate) done: u64,
    /// Impressions.
    pub(crate) shown: u64,
}

impl Counts {
    /// All events.
    pub(crate) fn events(self) -> u64 {
        self.done + self.shown
    }
}

/// One user of a bucket.
#[derive(Clone, Copy)]
pub(crate) struct BucketUser<'a> {
    pub(crate) id: &'a str,
    pub(crate) counts: Counts,
    /// All actions and the latest impressions; incomplete if the user has more actions than are
    /// kept.
    pub(crate) deeds: &'a [Deed],
}

impl Spill {
    /// An empty spill with `buckets` buckets. Overflow from memory goes to a file in `folder`,
    /// deleted when this is dropped.
    pub(crate) fn new(folder: &Path, buckets: u64) -> io::Result<Self> {
        let buckets = usize::try_from(buckets).unwrap_or(1).max(1);
        Ok(Self {
            file: tempfile::spooled_tempfile_in(MEMORY_BYTES, folder),
            buckets: std::iter::repeat_with(Pending::default).take(buckets).collect(),
            chunk_rows: (ROWS_HELD / buckets).clamp(CHUNK_ROWS.0, CHUNK_ROWS.1),
            end: 0,
            compressor: zstd::bulk::Compressor::new(LEVEL)?,
            packed: Vec::new(),
        })
    }

    /// Adds an event of `user`, whose hash selects the bucket.
    pub(crate) fn push(&mut self, hash: i64, user: &str, deed: Deed) -> io::Result<()> {
        let bucket = usize::try_from(hash).unwrap_or(0) % self.buckets.len();
        let pending = &mut self.buckets[bucket];
        if let Some(key) = key_of(user) {
            pending.lengths.push(IS_KEY);
            pending.users.extend(key.to_le_bytes());
        } else {
            let length = u32::try_from(user.len()).ok().filter(|length| *length != IS_KEY);
            pending.lengths.push(length.ok_or_else(|| io::Error::other("a user id has gigabytes"))?);
            pending.users.extend(user.as_bytes());
        }
        pending.deeds.push(deed);
        if pending.deeds.len() >= self.chunk_rows { self.flush(bucket) } else { Ok(()) }
    }

    /// Number of buckets.
    pub(crate) fn buckets(&self) -> u64 {
        self.buckets.len() as u64
    }

    /// Writes out the buffered rows.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        (0..self.buckets.len()).try_for_each(|bucket| self.flush(bucket))
    }

    fn flush(&mut self, bucket: usize) -> io::Result<()> {
        let pending = &mut self.buckets[bucket];
        if pending.deeds.is_empty() {
            return Ok(());
        }
        let rows = pending.deeds.len();
        // By column: similar values next to each other compress better.
        let mut plain = Vec::with_capacity(rows * (4 + ROW_BYTES) + pending.users.len());
        plain.extend(pending.lengths.iter().flat_map(|length| length.to_le_bytes()));
        plain.extend(pending.deeds.iter().flat_map(|deed| deed.product.to_le_bytes()));
        plain.extend(pending.deeds.iter().flat_map(|deed| deed.weight.to_le_bytes()));
        plain.extend(pending.deeds.iter().flat_map(|deed| deed.channel.to_le_bytes()));
        plain.extend(pending.deeds.iter().flat_map(|deed| deed.tab.to_le_bytes()));
        plain.extend(pending.deeds.iter().flat_map(|deed| deed.marks.to_le_bytes()));
        plain.extend(pending.deeds.iter().flat_map(|deed| deed.origin.to_le_bytes()));
        plain.extend(&pending.users);
        self.packed.resize(zstd::zstd_safe::compress_bound(plain.len()), 0);
        let bytes = self.compressor.compress_to_buffer(&plain, self.packed.as_mut_slice())?;
        self.file.write_all(&self.packed[..bytes])?;
        pending.chunks.push(Chunk { at: self.end, bytes, unpacked: plain.len(), rows });
        self.end += bytes as u64;
        pending.rows += rows as u64;
        pending.lengths.clear();
        pending.users.clear();
        pending.deeds.clear();
        Ok(())
    }

    /// Reads a bucket, users ascending by id. A user keeps `most` actions and as many impressions,
    /// which bounds memory even for a hundred million events. The latest impressions are kept, in
    /// any order of arrival; a user with more actions is a bot, whose events callers ignore.
    pub(crate) fn read(&mut self, bucket: u64, most: u64) -> io::Result<Bucket> {
        let mut gathered = Gathered::default();
        let pending = &self.buckets[usize::try_from(bucket).expect("a number of buckets fits memory")];
        let room = usize::try_from(pending.rows).unwrap_or(0);
        gathered.deeds.reserve(room);
        gathered.of.reserve(room);
        let mut decompressor = zstd::bulk::Decompressor::new()?;
        let (mut packed, mut plain) = (Vec::new(), Vec::new());
        for chunk in &pending.chunks {
            self.file.seek(SeekFrom::Start(chunk.at))?;
            packed.resize(chunk.bytes, 0);
            self.file.read_exact(&mut packed)?;
            plain.clear();
            plain.reserve(chunk.unpacked);
            decompressor.decompress_to_buffer(&packed, &mut plain)?;
            gathered.take(&plain, chunk.rows, most).ok_or_else(|| io::Error::other("the temporary file changed"))?;
        }
        gathered.keep_latest();
        Ok(gathered.sorted())
    }
}

/// The number spelled by 16 lower-case hexadecimal digits.
fn key_of(user: &str) -> Option<u64> {
    let is_key = user.len() == 16 && user.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_key.then(|| u64::from_str_radix(user, 16).ok()).flatten()
}

/// Events in order of arrival, with the number of their user.
#[derive(Default)]
struct Gathered {
    numbers: HashMap<Vec<u8>, u32>,
    names: Vec<String>,
    counts: Vec<Counts>,
    of: Vec<u32>,
    deeds: Vec<Deed>,
    /// Surplus impressions, by user.
    over: BTreeMap<u32, Vec<Deed>>,
}

impl Gathered {
    fn take(&mut self, plain: &[u8], rows: usize, most: u64) -> Option<()> {
        let (lengths, rest) = plain.split_at_checked(4 * rows)?;
        let (products, rest) = rest.split_at_checked(4 * rows)?;
        let (weights, rest) = rest.split_at_checked(4 * rows)?;
        let (channels, rest) = rest.split_at_checked(2 * rows)?;
        let (tabs, rest) = rest.split_at_checked(2 * rows)?;
        let (marks, rest) = rest.split_at_checked(2 * rows)?;
        let (origins, mut users) = rest.split_at_checked(2 * rows)?;
        let (lengths, products, weights) = (lengths.as_chunks().0, products.as_chunks().0, weights.as_chunks().0);
        let (channels, tabs, marks) = (channels.as_chunks().0, tabs.as_chunks().0, marks.as_chunks().0);
        let origins = origins.as_chunks().0;
        let mut last: Option<(bool, &[u8], u32)> = None;
        let rows = lengths.iter().zip(products).zip(weights).zip(channels).zip(tabs).zip(marks).zip(origins);
        for ((((((length, product), weight), channel), tab), marks), origin) in rows {
            let length = u32::from_le_bytes(*length);
            let is_key = length == IS_KEY;
            let (user, after) = users.split_at_checked(if is_key { 8 } else { usize::try_from(length).ok()? })?;
            users = after;
            // Events of one visit are mostly consecutive.
            let number = match last {
                Some((was_key, name, number)) if was_key == is_key && name == user => number,
                _ => self.number(user, is_key)?,
            };
            last = Some((is_key, user, number));
            let deed = Deed {
                product: u32::from_le_bytes(*product),
                weight: i32::from_le_bytes(*weight),
                channel: u16::from_le_bytes(*channel),
                tab: u16::from_le_bytes(*tab),
                marks: u16::from_le_bytes(*marks),
                origin: u16::from_le_bytes(*origin),
            };
            let counts = self.counts.get_mut(usize::try_from(number).ok()?)?;
            let count = if deed.is_impression() { &mut counts.shown } else { &mut counts.done };
            *count += 1;
            if *count <= most {
                self.of.push(number);
                self.deeds.push(deed);
            } else if deed.is_impression() {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                let over = self.over.entry(number).or_default();
                over.push(deed);
                if over.len() >= most.saturating_mul(2).max(CHOSEN_AT_ONCE) {
                    choose_latest(over, most);
                }
            }
        }
        Some(())
    }

    /// Moves the latest impressions of users with a surplus into the places of their first ones.
    fn keep_latest(&mut self) {
        let over = std::mem::take(&mut self.over);
        if over.is_empty() {
            return;
        }
        let mut places: BTreeMap<u32, Vec<usize>> = over.keys().map(|user| (*user, Vec::new())).collect();
        for (at, (user, deed)) in self.of.iter().zip(&self.deeds).enumerate() {
            if let Some(places) = places.get_mut(user).filter(|_| deed.is_impression()) {
                places.push(at);
            }
        }
        for (mut latest, places) in over.into_values().zip(places.into_values()) {
            latest.extend(places.iter().map(|at| &self.deeds[*at]));
            choose_latest(&mut latest, places.len());
            for (at, chosen) in places.into_iter().zip(latest) {
                self.deeds[at] = chosen;
            }
        }
    }

    fn number(&mut self, user: &[u8], is_key: bool) -> Option<u32> {
        let name = || match (is_key, user.first_chunk()) {
            (true, Some(key)) => format!("{:016x}", u64::from_le_bytes(*key)),
            _ => String::from_utf8_lossy(user).into_owned(),
        };
        let tagged: Vec<u8>;
        let user = if is_key {
            user
        } else {
            // Longer than any key, so that a name never equals one.
            tagged = [user, &[0xff; 9]].concat();
            tagged.as_slice()
        };
        if let Some(number) = self.numbers.get(user) {
            return Some(*number);
        }
        let number = u32::try_from(self.names.len()).ok()?;
        self.numbers.insert(user.to_vec(), number);
        self.names.push(name());
        self.counts.push(Counts::default());
        Some(number)
    }

    fn sorted(self) -> Bucket {
        let Self { names, counts, of, deeds, numbers, .. } = self;
        drop(numbers);
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_unstable_by(|a, b| names[*a].cmp(&names[*b]));
        let mut kept = vec![0_usize; names.len()];
        for user in &of {
            add(kept.get_mut(*user as usize), 1);
        }
        // The place of each user's next event: after all events of the users before.
        let mut next = vec![0; names.len()];
        let mut end = 0;
        let mut names: Vec<Option<String>> = names.into_iter().map(Some).collect();
        let users = order.iter().map(|user| {
            add(next.get_mut(*user), end);
            end += kept[*user];
            (names[*user].take().expect("each user comes once"), counts[*user], end)
        });
        let users = users.collect();
        let mut placed = vec![Deed::default(); deeds.len()];
        for (user, deed) in of.iter().zip(&deeds) {
            if let Some(at) = next.get_mut(*user as usize) {
                if let Some(place) = placed.get_mut(*at) {
                    *place = *deed;
                }
                *at += 1;
            }
        }
        Bucket { users, deeds: placed }
    }
}

/// Leaves the `most` latest of `deeds`, in no order.
fn choose_latest(deeds: &mut Vec<Deed>, most: usize) {
    if most < deeds.len() {
        if let Some(last) = most.checked_sub(1) {
            deeds.select_nth_unstable_by_key(last, |deed| deed.age_order());
        }
        deeds.truncate(most);
    }
}

fn add(sum: Option<&mut usize>, value: usize) {
    if let Some(sum) = sum {
        *sum += value;
    }
}

impl Bucket {
    /// Number of users.
    pub(crate) fn len(&self) -> usize {
        self.users.len()
    }

    /// A user, by place in the order of ids.
    pub(crate) fn user(&self, at: usize) -> Option<BucketUser<'_>> {
        let (id, counts, end) = self.users.get(at)?;
        let begin = at.checked_sub(1).and_then(|before| self.users.get(before)).map_or(0, |(_, _, end)| *end);
        Some(BucketUser { id, counts: *counts, deeds: self.deeds.get(begin..*end)? })
    }

    /// All users, ascending by id.
    pub(crate) fn users(&self) -> impl Iterator<Item = BucketUser<'_>> {
        (0..self.len()).filter_map(|at| self.user(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back_by_user_in_the_order_of_ids_and_of_a_bot_none_but_their_number() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(folder.path(), 3).unwrap();
        // A key, the name with the same bytes, and others; over 16,384 rows, so that there are
        // several chunks.
        let users =
            ["00000000deadbeef", "\u{0}\u{0}\u{0}\u{0}", "긴 이름", "A", "DEADBEEFDEADBEEF", "deadbeefdeadbeef", ""];
        for at in 0..60_000_u32 {
            let user = users[at as usize % users.len()];
            let deed = Deed { product: at, weight: -5, channel: 7, tab: u16::MAX, marks: 3, origin: 89 };
            spill.push(i64::from(at % 7 % 3), user, deed).unwrap();
        }
        spill.push(0, "A", Deed::default()).unwrap();
        spill.finish().unwrap();
        let mut found = Vec::new();
        for bucket in 0..3 {
            let bucket = spill.read(bucket, 8_571).unwrap();
            assert!(bucket.users().map(|user| user.id).is_sorted(), "ids ascend");
            for user in bucket.users() {
                let number = users.iter().position(|name| *name == user.id).unwrap();
                // The first three of the seven users have 8,572 events, the others 8,571; 'A' has
                // one more.
                assert_eq!(user.counts.events(), if number < 4 { 8_572 } else { 8_571 }, "{}", user.id);
                if user.counts.done <= 8_571 {
                    assert_eq!(user.deeds.len(), 8_571);
                    assert!(user.deeds.iter().all(|deed| deed.product as usize % users.len() == number
                        && (deed.weight, deed.channel, deed.tab, deed.marks) == (-5, 7, u16::MAX, 3)));
                }
                found.push(user.id.to_owned());
            }
        }
        found.sort_unstable();
        let mut expected: Vec<String> = users.iter().map(|&user| user.to_owned()).collect();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn of_many_impressions_the_latest_are_kept_in_whatever_order_they_come_and_of_deeds_all() {
        const MOST: u32 = 300;
        let folder = tempfile::tempdir().unwrap();
        let kept = |numbers: &mut dyn Iterator<Item = u32>, most: u64| {
            let mut spill = Spill::new(folder.path(), 1).unwrap();
            for number in numbers {
                // Seven in eight are impressions, older with higher numbers; as many have the first
                // age as are kept.
                let (is_shown, days) = (number % 8 > 0, number / 343);
                let deed = Deed::aged(8 * MOST - number, is_shown, days.into());
                spill.push(0, "u", deed).unwrap();
            }
            spill.finish().unwrap();
            let bucket = spill.read(0, most).unwrap();
            let user = bucket.user(0).unwrap();
            let mut numbers: Vec<u32> = user.deeds.iter().map(|deed| 8 * MOST - deed.product).collect();
            numbers.sort_unstable();
            (user.counts, numbers)
        };
        let all = 8 * MOST;
        let latest = (0..all).filter(|number| number % 8 > 0).take(MOST as usize);
        let mut expected: Vec<u32> = latest.chain((0..all).step_by(8)).collect();
        expected.sort_unstable();
        let counts = Counts { done: MOST.into(), shown: (7 * MOST).into() };
        let orders: [&mut dyn Iterator<Item = u32>; 3] =
            [&mut (0..all), &mut (0..all).rev(), &mut (0..all).map(|at| at * 1_009 % all)];
        for numbers in orders {
            assert_eq!(kept(numbers, MOST.into()), (counts, expected.clone()));
        }
        assert_eq!(kept(&mut (0..all), u64::MAX).1.len(), all as usize);
        assert_eq!(kept(&mut (1..8), 0), (Counts { done: 0, shown: 7 }, Vec::new()));
    }
}
