//! What of a board is about mixing: the mix, floors, which brands products have and how often they were shown, and operators' directives.
//!
//! All of it may be missing; then scores alone decide.

use std::collections::BTreeMap;

use super::context::ContextPart;
use super::experiment::ExperimentPart;
use super::record::{MIX_BYTES, TEXT, mix_of, optional, record_of};
use super::{Damage, Pack, Span, Table, Writer, array_at, to_usize, u16_at, u32_at, u64_at};
use crate::directive::{Deed, Directive};
use crate::mix::{Floor, MOST_FLOORS, Mix};
use crate::time::UnixMillis;

const MIX: [u8; 4] = *b"MIXT";
const FLOORS: [u8; 4] = *b"FLOR";
const FLOOR_BYTES: usize = 16;
const SHOWN: [u8; 4] = *b"SHWN";
const SHOWN_BYTES: usize = 4;
const DIRECTIVES: [u8; 4] = *b"DRCT";
const DIRECTIVE_BYTES: usize = 40;
const ABOUT: [u8; 4] = *b"DRPR";
const ABOUT_BYTES: usize = 4;

/// The sections, found and checked.
#[derive(Debug, Default)]
pub(super) struct MixTables {
    pub(super) mix: Mix,
    pub(super) floors: Vec<Floor>,
    shown: Option<Table>,
    directives: Option<Table>,
    about: Option<Table>,
}

impl MixTables {
    /// Reads the sections of a board of `products` products.
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

    /// The brand of the product at `index`, counted from 1, and how often it was shown; zeros where nothing is known.
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
                // Of a newer pipeline.
                _ => return None,
            };
            Some(Directive {
                name: std::str::from_utf8(pack.span(text, Span::at(record, 0))?).unwrap_or_default(),
                deed,
                surfaces: *record.get(9)?,
                share: u16_at(record, 10),
                from: UnixMillis::from_seconds(u32_at(record, 20)),
                until: UnixMillis::from_seconds(u32_at(record, 24)),
                products,
            })
        })
    }
}

/// A directive that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectivePart {
    /// Its name, for explanations.
    pub name: String,
    /// What is done.
    pub deed: Deed,
    /// Bits of the surfaces that it is for.
    pub surfaces: u8,
    /// The share of viewers, in [`crate::directive::WHOLE`]s.
    pub share: u16,
    /// When it begins.
    pub from: UnixMillis,
    /// When it ends.
    pub until: UnixMillis,
    /// Ids of its products; those that are not on the board are passed over.
    pub products: Vec<u64>,
}

/// What of a board is about mixing. The default is not written at all.
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
    /// What is tried on shares of viewers.
    pub experiments: Vec<ExperimentPart>,
    /// What viewers lean to by the context that they come in.
    pub contexts: Vec<ContextPart>,
}

impl MixParts {
    /// Adds the sections for products given by id, in the board's order, with their brands; `put` takes in text.
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
            let (code, points, place) = match directive.deed {
                Deed::Weigh(points) => (0, points, 0),
                Deed::Pin(place) => (1, 0, place),
                Deed::Hide => (2, 0, 0),
            };
            records.extend(put(&directive.name));
            records.extend([code, directive.surfaces]);
            records.extend(directive.share.to_le_bytes());
            records.extend(points.to_le_bytes());
            records.extend(place.to_le_bytes());
            records.extend([0; 2]);
            let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let first = count(about.len() / ABOUT_BYTES);
            for number in [directive.from.to_seconds(), directive.until.to_seconds(), first, count(indexes.len()), 0] {
                records.extend(number.to_le_bytes());
            }
            about.extend(indexes.iter().flat_map(|index| index.to_le_bytes()));
        }
        writer.section(DIRECTIVES, DIRECTIVE_BYTES, records);
        writer.section(ABOUT, ABOUT_BYTES, about);
    }
}
