//! Checks of rows of the table `tabs`.

use std::collections::BTreeSet;

use super::{Fields, ID_MAX_BYTES, Length, NAME_MAX_CHARS, Refusal, TABS_MAX, Table, column, columns};
use crate::reject::Reason;
use crate::table::Tab;
use crate::value::{Measure, Number, Value, parse_flag, parse_number};
use crate::{Column, Shape};

/// The table `tabs`, with the ids seen so far.
#[derive(Default)]
pub struct Tabs {
    seen: BTreeSet<String>,
}

impl Tabs {
    columns! {
        TAB_ID = column("tab_id", Shape::Id, true);
        LABEL = column("label", Shape::Text, true);
        POSITION = column("position", Shape::Number, true);
        PINNED = column("pinned", Shape::Flag, false);
        TARGET = column("target", Shape::Text, false);
    }
}

impl Table for Tabs {
    type Row = Tab;
    const NAME: &'static str = "tabs";
    const COLUMNS: &'static [Column] = Self::ALL;

    fn check(&mut self, fields: &mut Fields<'_, '_>) -> Result<Tab, Refusal> {
        let tab_id = fields.required_text(Self::TAB_ID, Shape::Id, Length::Bytes(ID_MAX_BYTES))?;
        let label = fields.required_text(Self::LABEL, Shape::Text, Length::Chars(NAME_MAX_CHARS))?;
        let not_a_position = Refusal::of(Self::POSITION, Reason::NotAPosition);
        let position = match parse_number(fields.get(Self::POSITION), Measure::Count) {
            Number::Whole { number, rounded: false } => u16::try_from(number).map_err(|_| not_a_position)?,
            Number::Missing => return Err(Refusal::of(Self::POSITION, Reason::Missing)),
            _ => return Err(not_a_position),
        };
        let pinned = match fields.get(Self::PINNED) {
            Value::Missing => false,
            value => parse_flag(value).ok_or(Refusal::of(Self::PINNED, Reason::NotAFlag))?,
        };
        let target = fields.address(Self::TARGET).unwrap_or_default();
        if self.seen.contains(&tab_id) {
            return Err(Refusal::of(Self::TAB_ID, Reason::Duplicate));
        }
        if self.seen.len() >= TABS_MAX {
            return Err(Refusal { column: None, reason: Reason::TooMany });
        }
        self.seen.insert(tab_id.clone());
        Ok(Tab { tab_id, label, position, pinned, target })
    }
}
