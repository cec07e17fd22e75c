//! The overlay's pack: like a pulse, no snapshot names it, and it changes between builds.

use super::record::TEXT;
use super::{Damage, Kind, Pack, Span, Table, TooLarge, Writer, i64_at, u16_at, u32_at, u64_at};
use crate::directive::Deed;
use crate::overlay::{Change, Entry, MOST_ENTRIES, NOTE_CHARS, Replacement, SlotKey, Standing, Subject, standing};
use crate::time::UnixMillis;

const META: [u8; 4] = *b"META";
const META_BYTES: usize = 16;
const ENTRIES: [u8; 4] = *b"OVER";
const ENTRY_BYTES: usize = 88;

/// The codes of changes in records. An edge passes over the codes that it does not know.
mod code {
    pub(super) const HIDE: u8 = 1;
    pub(super) const SOLD_OUT: u8 = 2;
    pub(super) const PRICE: u8 = 3;
    pub(super) const NOTE: u8 = 4;
    pub(super) const CANCEL: u8 = 5;
    pub(super) const REPLACE: u8 = 6;
    pub(super) const WEIGH: u8 = 7;
    pub(super) const PIN: u8 = 8;
}

/// The flag of a record about a listing instead of a product.
const OF_LISTING: u8 = 1;

/// An overlay that has been parsed and checked.
#[derive(Debug)]
pub struct Overlay {
    pack: Pack,
    revision: u32,
    made_at: UnixMillis,
    entries: Table,
    text: Table,
}

impl Overlay {
    /// Parses and checks an overlay.
    ///
    /// # Errors
    /// [`Damage`] if the bytes are not an intact overlay.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Damage> {
        let pack = Pack::parse(bytes, Kind::Overlay)?;
        let (meta, text) = (pack.table(META, META_BYTES)?, pack.table(TEXT, 1)?);
        let entries = pack.table(ENTRIES, ENTRY_BYTES)?;
        if meta.count != 1 || entries.count > MOST_ENTRIES {
            return Err(Damage::Inconsistent(META));
        }
        let meta = pack.record(&meta, 0);
        let (revision, made_at) = (u32_at(meta, 0), UnixMillis(i64_at(meta, 8)));
        let overlay = Self { pack, revision, made_at, entries, text };
        for index in 0..overlay.entries.count {
            overlay.entry(index)?;
        }
        Ok(overlay)
    }

    /// Its number: each that is published has a higher one.
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// When it was made, by the real clock.
    pub fn made_at(&self) -> UnixMillis {
        self.made_at
    }

    /// All entries, those that ended lately included. Changes that a newer writer made up are left
    /// out.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.entries.count).filter_map(|index| self.entry(index).ok().flatten())
    }

    /// The bytes, as published.
    pub fn bytes(&self) -> &[u8] {
        self.pack.bytes()
    }

    /// The entries that stand at `at` for those who know the overlay up to `revision`.
    #[inline(never)]
    pub fn standing(&self, at: UnixMillis, revision: u32) -> Standing<'_> {
        standing(self.entries(), at, revision)
    }

    fn text(&self, record: &[u8], at: usize) -> Result<&str, Damage> {
        let bytes = self.pack.span(&self.text, Span::at(record, at));
        bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or(Damage::Inconsistent(ENTRIES))
    }

    #[inline(never)]
    fn entry(&self, index: usize) -> Result<Option<Entry<'_>>, Damage> {
        let record = self.pack.record(&self.entries, index);
        let time = |at: usize| UnixMillis::from_seconds(u32_at(record, at));
        let [code, flags, ..] = *self.pack.head::<2>(&self.entries, index);
        let (number, product) = (u32_at(record, 4), u64_at(record, 8));
        let subject = if flags & OF_LISTING == 0 { Subject::Product(product) } else { Subject::Listing(product) };
        let first = self.text(record, 40)?;
        let slot =
            SlotKey { channel: first, starts_at: time(16), product: Some(product).filter(|product| *product > 0) };
        let direct = |deed: Deed| Change::Direct(product, deed, flags, first);
        let change = match code {
            code::HIDE => Change::Hide(subject),
            code::SOLD_OUT => Change::SoldOut(subject),
            code::PRICE => Change::Price(subject, number),
            code::NOTE if first.chars().count() <= NOTE_CHARS => Change::Note(product, first),
            code::CANCEL => Change::Cancel(slot),
            code::REPLACE if time(64) < time(68) => {
                let (channel, head) = (self.text(record, 48)?, self.text(record, 56)?);
                let (starts_at, ends_at) = (time(64), time(68));
                Change::Replace(slot, Replacement { channel, product: u64_at(record, 72), starts_at, ends_at, head })
            }
            code::WEIGH => direct(Deed::Weigh(number.cast_signed())),
            code::PIN => direct(Deed::Pin(u16_at(record, 2))),
            code::NOTE | code::REPLACE => return Err(Damage::Inconsistent(ENTRIES)),
            _ => return Ok(None),
        };
        let removed = Some(u32_at(record, 36)).filter(|removed| *removed > 0);
        Ok(Some(Entry {
            id: u32_at(record, 20),
            from: time(24),
            until: time(28),
            since: u32_at(record, 32),
            removed,
            change,
        }))
    }
}

/// Writes an overlay.
///
/// # Errors
/// [`TooLarge`] if it exceeds a KV value.
pub fn write(entries: &[Entry<'_>], revision: u32, made_at: UnixMillis) -> Result<Vec<u8>, TooLarge> {
    let (mut records, mut all_text) = (Vec::new(), Vec::new());
    for entry in entries {
        let (code, flags, place, number, product, texts, slot, with) = parts_of(&entry.change);
        let mut record = vec![code, flags];
        record.extend(place.to_le_bytes());
        record.extend(number.to_le_bytes());
        record.extend(product.to_le_bytes());
        let times = [slot, entry.from, entry.until].map(UnixMillis::to_seconds);
        let [slot, from, until] = times;
        for number in [slot, entry.id, from, until, entry.since, entry.removed.unwrap_or(0)] {
            record.extend(number.to_le_bytes());
        }
        for text in texts {
            for number in [all_text.len(), text.len()] {
                record.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
            }
            all_text.extend_from_slice(text.as_bytes());
        }
        let with = with.map_or_else(Default::default, |with| (with.starts_at, with.ends_at, with.product));
        record.extend(with.0.to_seconds().to_le_bytes());
        record.extend(with.1.to_seconds().to_le_bytes());
        record.extend(with.2.to_le_bytes());
        record.extend([0; 8]);
        records.append(&mut record);
    }
    let mut writer = Writer::new(Kind::Overlay);
    let meta = [&revision.to_le_bytes()[..], &[0; 4], &made_at.0.to_le_bytes()].concat();
    writer.section(META, META_BYTES, meta);
    writer.section(ENTRIES, ENTRY_BYTES, records);
    writer.section(TEXT, 1, all_text);
    writer.finish().map(|(bytes, _)| bytes)
}

/// The fields of a change's record: code, flags or surfaces, place, number, product, texts, slot,
/// and what replaces it.
type Parts<'a> = (u8, u8, u16, u32, u64, [&'a str; 3], UnixMillis, Option<&'a Replacement<'a>>);

fn parts_of<'a>(change: &'a Change<'a>) -> Parts<'a> {
    let none = UnixMillis(0);
    let of = |code: u8, subject: &Subject, number: u32| {
        let (flags, id) = match subject {
            Subject::Product(id) => (0, *id),
            Subject::Listing(key) => (OF_LISTING, *key),
        };
        (code, flags, 0, number, id, [""; 3], none, None)
    };
    match change {
        Change::Hide(subject) => of(code::HIDE, subject, 0),
        Change::SoldOut(subject) => of(code::SOLD_OUT, subject, 0),
        Change::Price(subject, won) => of(code::PRICE, subject, *won),
        Change::Note(product, text) => (code::NOTE, 0, 0, 0, *product, [text, "", ""], none, None),
        Change::Cancel(slot) => {
            (code::CANCEL, 0, 0, 0, slot.product.unwrap_or(0), [slot.channel, "", ""], slot.starts_at, None)
        }
        Change::Replace(slot, with) => {
            let texts = [slot.channel, with.channel, with.head];
            (code::REPLACE, 0, 0, 0, slot.product.unwrap_or(0), texts, slot.starts_at, Some(with))
        }
        Change::Direct(product, deed, surfaces, name) => {
            let (code, place, points) = match deed {
                Deed::Weigh(points) => (code::WEIGH, 0, *points),
                Deed::Pin(place) => (code::PIN, *place, 0),
                Deed::Hide => return of(code::HIDE, &Subject::Product(*product), 0),
            };
            (code, *surfaces, place, points.cast_unsigned(), *product, [name, "", ""], none, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(pattern: &'static str) -> impl Strategy<Value = &'static str> {
        pattern.prop_map(|text: String| &*text.leak())
    }

    fn change() -> impl Strategy<Value = Change<'static>> {
        let subject = || {
            (any::<bool>(), any::<u64>())
                .prop_map(|(is_listing, id)| if is_listing { Subject::Listing(id) } else { Subject::Product(id) })
        };
        let seconds = || any::<u32>().prop_map(UnixMillis::from_seconds);
        let slot = || {
            let key = (text("[a-z]{1,8}"), seconds(), proptest::option::of(1..=u64::MAX));
            key.prop_map(|(channel, starts_at, product)| SlotKey { channel, starts_at, product })
        };
        let with = (text("[a-z]{1,8}"), any::<u64>(), 0..u32::MAX, text(".{0,30}")).prop_map(
            |(channel, product, at, head)| {
                let [starts_at, ends_at] = [at, at + 1].map(UnixMillis::from_seconds);
                Replacement { channel, product, starts_at, ends_at, head }
            },
        );
        let deed = prop_oneof![any::<i32>().prop_map(Deed::Weigh), any::<u16>().prop_map(Deed::Pin)];
        prop_oneof![
            subject().prop_map(Change::Hide),
            subject().prop_map(Change::SoldOut),
            (subject(), any::<u32>()).prop_map(|(subject, won)| Change::Price(subject, won)),
            (any::<u64>(), text(".{0,40}")).prop_map(|(product, note)| Change::Note(product, note)),
            slot().prop_map(Change::Cancel),
            (slot(), with).prop_map(|(slot, with)| Change::Replace(slot, with)),
            (any::<u64>(), deed, any::<u8>(), text(".{0,20}"))
                .prop_map(|(product, deed, surfaces, name)| Change::Direct(product, deed, surfaces, name)),
        ]
    }

    prop_compose! {
        fn entry()(
            change in change(),
            id in any::<u32>(),
            times in any::<(u32, u32)>(),
            since in any::<u32>(),
            removed in proptest::option::of(1..=u32::MAX),
            ) -> Entry<'static> {
            let (from, until) = (UnixMillis::from_seconds(times.0), UnixMillis::from_seconds(times.1));
            Entry { id, from, until, since, removed, change }
        }
    }

    proptest! {
        #[test]
        fn an_overlay_is_read_as_it_was_written(
            entries in proptest::collection::vec(entry(), 0..20), revision in any::<u32>(), made_at in any::<i64>(),
        ) {
            let overlay = Overlay::parse(write(&entries, revision, UnixMillis(made_at)).unwrap()).unwrap();
            prop_assert_eq!(overlay.entries().collect::<Vec<_>>(), entries);
            prop_assert_eq!((overlay.revision(), overlay.made_at()), (revision, UnixMillis(made_at)));
        }

        #[test]
        fn hostile_bytes_are_refused_and_never_panic(
            entries in proptest::collection::vec(entry(), 0..8), at in any::<prop::sample::Index>(), byte in any::<u8>(), noise in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut bytes = write(&entries, 1, UnixMillis(0)).unwrap();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            prop_assert!(Overlay::parse(bytes).is_err());
            prop_assert!(Overlay::parse(noise).is_err());
        }
    }
}
