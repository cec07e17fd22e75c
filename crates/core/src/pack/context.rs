//! The preferences of viewers by context, the part of a board that orders lists for viewers without
//! tastes of their own.
//!
//! The section is optional; without it these viewers all see one order.

use super::record::optional;
use super::taste::{Taste, Widths};
use super::{Damage, Pack, Table, Writer};
use crate::context::{Context, week_part};
use crate::rank::HOUR_BUCKETS;
use crate::time::UnixMillis;

const CONTEXTS: [u8; 4] = *b"CTXT";
/// The size of a record before its leaning, in bytes.
const HEAD_BYTES: usize = 4;

/// The aspect of a context that a leaning belongs to, with its number in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Factor {
    /// The part of the week.
    WeekPart = 1,
    /// The province.
    Region = 2,
    /// The device class.
    Device = 3,
}

/// A leaning to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextPart {
    /// The aspect of the context.
    pub factor: Factor,
    /// The part of the week, or the province or device class by its number in [`Context`].
    pub value: u8,
    /// The preferences of viewers there relative to all viewers, as a taste record with one byte
    /// per weight.
    pub leaning: Vec<u8>,
}

/// The section, found and checked.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    table: Option<Table>,
    widths: Widths,
    differ: bool,
}

impl Contexts {
    /// Parses the section of a board with so many dimensions, channels and tabs.
    pub(super) fn parse(pack: &Pack, [dimensions, channels, tabs]: [usize; 3]) -> Result<Self, Damage> {
        let [vector, channels, hours, tabs] =
            [dimensions, channels, HOUR_BUCKETS, tabs].map(|width| u16::try_from(width).unwrap_or(u16::MAX));
        let widths = Widths { vector, channels, hours, tabs, ..Widths::default() };
        let table = optional(pack, CONTEXTS, HEAD_BYTES.saturating_add(widths.record_bytes()))?;
        let is_told =
            |index| pack.record(table.as_ref()?, index).first().map(|factor| *factor > Factor::WeekPart as u8);
        let differ = (0..).map_while(is_told).any(|is_told| is_told);
        Ok(Self { table, widths, differ })
    }

    /// Whether the board has the section.
    pub(super) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// Whether simultaneous requests may have different leanings.
    pub(super) fn differ(&self) -> bool {
        self.differ
    }

    /// The sum of the leanings for a request in `context` at `at`; `None` if there are none.
    pub(super) fn leaning(&self, pack: &Pack, context: Context, at: UnixMillis) -> Option<Vec<u8>> {
        let table = self.table.as_ref()?;
        let told = [
            [Factor::WeekPart as u8, week_part(at)],
            [Factor::Region as u8, context.region],
            [Factor::Device as u8, context.device],
        ];
        let mut sum: Vec<u8> = Vec::new();
        for index in 0..table.count {
            let Some((head, leaning)) = pack.record(table, index).split_first_chunk::<HEAD_BYTES>() else { continue };
            if told.iter().any(|told| head.starts_with(told)) {
                sum.resize(leaning.len(), 0);
                for (sum, own) in sum.iter_mut().zip(leaning) {
                    *sum = sum.cast_signed().saturating_add(own.cast_signed()).cast_unsigned();
                }
            }
        }
        Some(sum).filter(|sum| !sum.is_empty())
    }

    /// Interprets a leaning as tastes.
    pub(super) fn taste<'a>(&self, leaning: &'a [u8]) -> Taste<'a> {
        Taste::cut(leaning, &self.widths)
    }
}

/// Adds the section, unless `contexts` is empty.
pub(super) fn write(contexts: &[ContextPart], width: usize, writer: &mut Writer) {
    if contexts.is_empty() {
        return;
    }
    let record = |part: &ContextPart| {
        let mut record = vec![part.factor as u8, part.value, 0, 0];
        record.extend(&part.leaning);
        record.resize(HEAD_BYTES.saturating_add(width), 0);
        record
    };
    let mut parts: Vec<&ContextPart> = contexts.iter().collect();
    parts.sort_by_key(|part| (part.factor, part.value));
    writer.section(CONTEXTS, HEAD_BYTES.saturating_add(width), parts.into_iter().flat_map(record).collect());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::Kind;

    fn read(width: usize, contexts: &[ContextPart]) -> Result<(Pack, Contexts), Damage> {
        let mut writer = Writer::new(Kind::Board);
        write(contexts, width, &mut writer);
        let pack = Pack::parse(writer.finish().unwrap().0, Kind::Board)?;
        Contexts::parse(&pack, [2, 1, 1]).map(|contexts| (pack, contexts))
    }

    #[test]
    fn leanings_of_a_context_add_up_within_a_byte() {
        let part = |factor, value, leaning: [i8; 12]| ContextPart {
            factor,
            value,
            leaning: leaning.map(i8::cast_unsigned).to_vec(),
        };
        let (mut week, mut seoul, mut phone) = ([0; 12], [0; 12], [0; 12]);
        (week[0], seoul[0], phone[0], seoul[2], phone[11]) = (100, 100, -1, -100, 7);
        seoul[1] = -128;
        phone[1] = -1;
        let parts = [part(Factor::Device, 1, phone), part(Factor::Region, 11, seoul), part(Factor::WeekPart, 3, week)];
        let (pack, contexts) = read(12, &parts).unwrap();
        assert!(contexts.is_there() && contexts.differ());
        // 1970-01-01T00:00Z was nine in the morning in Korea, on a Thursday.
        let of = |region, device| contexts.leaning(&pack, Context { region, device }, UnixMillis(0)).unwrap();
        let both = of(11, 1);
        let taste = contexts.taste(&both);
        assert_eq!(taste.vector.iter().map(|value| value.cast_signed()).collect::<Vec<_>>(), [126, -128]);
        assert_eq!((taste.channel(0), taste.tab(0), taste.hour(3)), (-100, 7, 0));
        assert_eq!(of(0, 0)[0], 100);
        assert_eq!(contexts.leaning(&pack, Context { region: 26, device: 0 }, UnixMillis(HOUR)), None);
        let (_, alone) = read(12, &parts[2..]).unwrap();
        assert!(alone.is_there() && !alone.differ());
        let (_, none) = read(12, &[]).unwrap();
        assert!(!none.is_there() && !none.differ());
        assert!(matches!(read(11, &parts), Err(Damage::Inconsistent(_))), "a byte short");
        assert!(read(13, &parts).is_ok(), "a longer record is one of a later pipeline");
    }

    const HOUR: i64 = 12 * crate::time::HOUR_MS;
}
