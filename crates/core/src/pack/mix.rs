//! The sections of a board for mixing: the mix, floors, the brand and impression count of each
//! product, and operators' directives.
//!
//! All of them are optional; without them scores alone decide.

use std::collections::BTreeMap;

use super::audience::{AudiencePart, set_of};
use super::context::ContextPart;
use super::experiment::ExperimentPart;
use super::record::{MIX_BYTES, TEXT, mix_of, optional, record_of};
use super::{Damage, Pack, Span, Table, Writer, array_at, to_usize, u16_at, u32_at, u64_at};
use crate::audience::AudienceSet;
use crate::directive::{Deed, Directive};
use crate::mix::{Floor, MOST_FLOORS, Mix};
use crate::time::UnixMillis;

const MIX: [u8; 4] = *b"MIXT";
const FLOORS: [u8; 4] = *b"FLOR";
const FLOOR_BYTES: usize = 16;
const SHOWN: [u8; 4] = *b"SHWN";
const SHOWN_BYTES: usize = 4;
pub(super) const DIRECTIVES: [u8; 4] = *b"DRCT";
pub(super) const DIRECTIVE_BYTES: usize = 40;
pub(super) const ABOUT: [u8; 4] = *b"DRPR";
const ABOUT_BYTES: usize = 4;
const SOLD_OUT: [u8; 4] = *b"SOLD";
const SOLD_OUT_BYTES: usize = 1;
/// All surfaces, as bits.
const EVERYWHERE: u8 = u8::MAX;

/// The sections, found and checked.
#[derive(Debug, Default)]
pub(super) struct MixTables {
    pub(super) mix: Mix,
    pub(super) floors: Vec<Floor>,
    shown: Option<Table>,
    pub(super) directives: Option<Table>,
    pub(super) about: Option<Table>,
    /// The surfaces, as bits, on which what is sold out stands behind the rest.
    pub(super) sold_out_last: u8,
}

impl MixTables {
    /// Parses the sections of a board with `products` products.
    pub(super) fn parse(pack: &Pack, products: usize) -> Result<Self, Damage> {
        let record = |table: &Table| pack.record(table, 0).to_vec();
        let mix = optional(pack, MIX, MIX_BYTES)?.map_or_else(Mix::default, |table| mix_of(&record(&table)));
        let floors = optional(pack, FLOORS, FLOOR_BYTES)?.map_or_else(Vec::new, |table| {
            let floor = |index| {
                let record = pack.record(&table, index);
                Floor { channels: u64_at(record, 0), least: record.get(8).copied().unwrap_or(0) }
            };
            (0..table.count.min(MOST_FLOORS)).map(floor).collect()
        });
        let tables = Self {
            mix,
            floors,
            shown: optional(pack, SHOWN, SHOWN_BYTES)?,
            directives: optional(pack, DIRECTIVES, DIRECTIVE_BYTES)?,
            about: optional(pack, ABOUT, ABOUT_BYTES)?,
            sold_out_last: optional(pack, SOLD_OUT, SOLD_OUT_BYTES)?
                .map_or(EVERYWHERE, |table| pack.record(&table, 0).first().copied().unwrap_or(EVERYWHERE)),
        };
        if tables.shown.is_some_and(|shown| shown.count != products) {
            return Err(Damage::Inconsistent(SHOWN));
        }
        let text = pack.table(TEXT, 1)?;
        if let Some(table) = &tables.directives {
            let about = tables.about.map_or(0, |about| about.count);
            for index in 0..table.count {
                let record = pack.record(table, index);
                let end = to_usize(u32_at(record, 28)).checked_add(to_usize(u32_at(record, 32)));
                if pack.span(&text, Span::at(record, 0)).is_none() || end.is_none_or(|end| end > about) {
                    return Err(Damage::Inconsistent(DIRECTIVES));
                }
            }
        }
        Ok(tables)
    }

    /// The brand of the product at `index`, numbered from 1, and how often it was shown; zeros if
    /// unknown.
    pub(super) fn shown(&self, pack: &Pack, index: usize) -> (u16, u8) {
        let Some(table) = &self.shown else { return (0, 0) };
        let record = pack.record(table, index);
        (u16_at(record, 0), record.get(2).copied().unwrap_or(0))
    }

    /// The directives, in the order of the rules file.
    pub(super) fn directives<'a>(&'a self, pack: &'a Pack, text: &'a Table) -> impl Iterator<Item = Directive<'a>> {
        let table = self.directives.as_ref();
        (0..table.map_or(0, |table| table.count)).filter_map(move |index| {
            let record = pack.record(table?, index);
            let start = to_usize(u32_at(record, 28)).saturating_mul(ABOUT_BYTES);
            let length = to_usize(u32_at(record, 32)).saturating_mul(ABOUT_BYTES);
            let products = pack.all(self.about.as_ref()?).get(start..start.saturating_add(length))?;
            let deed = match record.get(8)? {
                0 => Deed::Weigh(i32::from_le_bytes(array_at(record, 12))),
                1 => Deed::Pin(u16_at(record, 16)),
                2 => Deed::Hide,
                // Written by a newer pipeline.
                _ => return None,
            };
            let audiences = AudienceSet(u32_at(record, 36));
            Some(Directive {
                name: std::str::from_utf8(pack.span(text, Span::at(record, 0))?).unwrap_or_default(),
                deed,
                surfaces: *record.get(9)?,
                share: if audiences.0 == 0 { u16_at(record, 10) } else { u16_at(record, 18) },
                audiences,
                from: UnixMillis::from_seconds(u32_at(record, 20)),
                until: UnixMillis::from_seconds(u32_at(record, 24)),
                products,
            })
        })
    }
}

/// Appends a directive about the products of `indexes`, ascending, to the records of `DRCT` and
/// `DRPR`; `name` is the span of its name.
pub(super) fn put_directive(
    name: [u8; 8],
    deed: Deed,
    (surfaces, share, audiences): (u8, u16, AudienceSet),
    (from, until): (UnixMillis, UnixMillis),
    indexes: &[u32],
    [records, about]: [&mut Vec<u8>; 2],
) {
    let (code, points, place) = match deed {
        Deed::Weigh(points) => (0, points, 0),
        Deed::Pin(place) => (1, 0, place),
        Deed::Hide => (2, 0, 0),
    };
    records.extend(name);
    records.extend([code, surfaces]);
    // Readers that know no audiences find a share of nobody, rather than show everybody what is for
    // some.
    let (of_all, of_audiences) = if audiences.0 == 0 { (share, 0) } else { (0, share) };
    records.extend(of_all.to_le_bytes());
    records.extend(points.to_le_bytes());
    records.extend(place.to_le_bytes());
    records.extend(of_audiences.to_le_bytes());
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let first = count(about.len() / ABOUT_BYTES);
    for number in [from.to_seconds(), until.to_seconds(), first, count(indexes.len()), audiences.0] {
        records.extend(number.to_le_bytes());
    }
    about.extend(indexes.iter().flat_map(|index| index.to_le_bytes()));
}

/// A directive to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectivePart {
    /// The name, for explanations.
    pub name: String,
    /// The effect on its products.
    pub deed: Deed,
    /// The surfaces that it applies to, as bits.
    pub surfaces: u8,
    /// The share of viewers that it applies to, in units of 1/[`crate::directive::WHOLE`].
    pub share: u16,
    /// The names of the audiences that it is for; everybody if none.
    pub audiences: Vec<String>,
    /// When it begins, inclusive.
    pub from: UnixMillis,
    /// When it ends, exclusive.
    pub until: UnixMillis,
    /// The ids of its products; those missing from the board are skipped.
    pub products: Vec<u64>,
}

/// The mixing parts of a board. If all are at their defaults, no section is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MixParts {
    /// The mix.
    pub mix: Mix,
    /// The floors.
    pub floors: Vec<Floor>,
    /// How often each product was shown, up to 255.
    pub shown: BTreeMap<u64, u8>,
    /// The directives.
    pub directives: Vec<DirectivePart>,
    /// The audiences that directives and experiments name.
    pub audiences: Vec<AudiencePart>,
    /// The experiments on shares of viewers.
    pub experiments: Vec<ExperimentPart>,
    /// The preferences of viewers by context.
    pub contexts: Vec<ContextPart>,
    /// The surfaces, as bits, on which what is sold out keeps its place and is only marked.
    pub sold_out_stays: u8,
}

impl MixParts {
    /// Adds the sections. `products` has each product's id and brand, in the board's order; `put`
    /// stores text.
    pub(super) fn write<'a>(
        &self,
        products: impl Iterator<Item = (u64, Option<&'a str>)> + Clone,
        writer: &mut Writer,
        mut put: impl FnMut(&str) -> [u8; 8],
    ) {
        if *self == Self::default() {
            return;
        }
        writer.section(MIX, MIX_BYTES, record_of(&self.mix));
        let floor = |floor: &Floor| [floor.channels.to_le_bytes(), [floor.least, 0, 0, 0, 0, 0, 0, 0]].concat();
        writer.section(FLOORS, FLOOR_BYTES, self.floors.iter().flat_map(floor).collect());
        let mut brands: BTreeMap<&str, u16> = products.clone().filter_map(|product| Some((product.1?, 0))).collect();
        brands.values_mut().zip(1..=u16::MAX).for_each(|(index, next)| *index = next);
        let shown = products.clone().flat_map(|(id, brand)| {
            let [a, b] = brand.and_then(|brand| brands.get(brand)).copied().unwrap_or(0).to_le_bytes();
            [a, b, self.shown.get(&id).copied().unwrap_or(0), 0]
        });
        writer.section(SHOWN, SHOWN_BYTES, shown.collect());
        let places: BTreeMap<u64, u32> = products.zip(0..).map(|((id, _), index)| (id, index)).collect();
        let (mut records, mut about) = (Vec::new(), Vec::new());
        for directive in &self.directives {
            let mut indexes: Vec<u32> =
                directive.products.iter().filter_map(|product| places.get(product).copied()).collect();
            indexes.sort_unstable();
            indexes.dedup();
            let span = put(&directive.name);
            let times = (directive.from, directive.until);
            put_directive(
                span,
                directive.deed,
                (directive.surfaces, directive.share, set_of(&directive.audiences, &self.audiences)),
                times,
                &indexes,
                [&mut records, &mut about],
            );
        }
        writer.section(DIRECTIVES, DIRECTIVE_BYTES, records);
        writer.section(ABOUT, ABOUT_BYTES, about);
        if self.sold_out_stays > 0 {
            writer.section(SOLD_OUT, SOLD_OUT_BYTES, vec![!self.sold_out_stays]);
        }
    }
}
