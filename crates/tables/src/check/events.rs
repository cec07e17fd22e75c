//! Checks of rows of the table `events`.

use sinsang_core::code;
use sinsang_core::context::{DEVICE_CLASSES, is_region};
use sinsang_core::event::{AMOUNT_MAX, EventKind, Named};
use sinsang_core::text::{ID_MAX_BYTES, is_nobody};
use sinsang_core::viewer::{UserHasher, is_viewer_name};

use super::{Fields, Length, Refusal, Repair, Table, column, columns};
use crate::reject::Reason;
use crate::table::Event;
use crate::value::{Measure, Value};
use crate::{Column, Shape};

/// The table `events`.
#[derive(Debug, Default)]
pub struct Events {
    /// Hashes user ids into keyed names, so that no code after the readers sees an id in clear.
    /// Without it, ids stay as they are, and never match users that a table names by key.
    pub hasher: Option<UserHasher>,
}

impl Events {
    columns! {
        USER_ID = Column { or: Some("viewer"), ..column("user_id", Shape::Id, true) };
        AT = column("at", Shape::Time, true);
        KIND = column("kind", Shape::Text, true);
        SHOP = column("shop", Shape::Text, false);
        LISTING_ID = column("listing_id", Shape::Id, false);
        PRODUCT_ID = column("product_id", Shape::Id, false);
        TAB_ID = column("tab_id", Shape::Id, false);
        CHANNEL = column("channel", Shape::Text, false);
        VIEWER = column("viewer", Shape::Id, false);
        REGION = column("region", Shape::Id, false);
        DEVICE_CLASS = column("device_class", Shape::Id, false);
        EVENT_ID = column("event_id", Shape::Id, false);
        AMOUNT = column("amount", Shape::Number, false);
    }

    /// The name of the user.
    fn viewer(&self, fields: &mut Fields<'_, '_>) -> Result<String, Refusal> {
        let wrong = match fields.id(Self::VIEWER) {
            Some(name) if is_viewer_name(&name) => return Ok(name),
            name => name.is_some(),
        };
        match fields.required_text(Self::USER_ID, Shape::Id, Length::Bytes(ID_MAX_BYTES)) {
            Ok(id) if is_nobody(&id) => Err(Refusal::of(Self::USER_ID, Reason::Nobody)),
            Ok(id) if code::is_rounded(&id) => Err(Refusal::of(Self::USER_ID, Reason::Rounded)),
            Ok(id) => Ok(self.hasher.as_ref().map(|hasher| hasher.key(&id).to_string()).unwrap_or(id)),
            Err(_) if wrong => Err(Refusal::of(Self::VIEWER, Reason::NotAViewer)),
            Err(refusal) => Err(refusal),
        }
    }

    fn kind(fields: &mut Fields<'_, '_>) -> Result<EventKind, Refusal> {
        let refusal = |reason| Refusal::of(Self::KIND, reason);
        let value = fields.get(Self::KIND);
        match value.as_text().map(str::trim) {
            Some("") => Err(refusal(Reason::Missing)),
            Some(text) => EventKind::ALL
                .iter()
                .copied()
                .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
                .ok_or(refusal(Reason::UnknownKind)),
            None if *value == Value::Missing => Err(refusal(Reason::Missing)),
            None => Err(refusal(Reason::WrongKind)),
        }
    }

    fn product_id(fields: &mut Fields<'_, '_>) -> Option<String> {
        let id = fields.id(Self::PRODUCT_ID)?;
        if id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()) {
            Some(id.to_ascii_lowercase())
        } else {
            fields.dropped(Self::PRODUCT_ID, Repair::Unreadable)
        }
    }

    /// Parses `11` or `KR-11`.
    fn region(fields: &mut Fields<'_, '_>) -> Option<String> {
        let code = fields.id(Self::REGION)?;
        match code.strip_prefix("KR-").unwrap_or(&code) {
            digits if is_region(digits) => Some(digits.to_owned()),
            _ => fields.dropped(Self::REGION, Repair::Unreadable),
        }
    }

    fn device_class(fields: &mut Fields<'_, '_>) -> Option<&'static str> {
        let class = fields.id(Self::DEVICE_CLASS)?;
        let known = DEVICE_CLASSES.into_iter().find(|known| known.eq_ignore_ascii_case(&class));
        known.or_else(|| fields.dropped(Self::DEVICE_CLASS, Repair::Unreadable))
    }

    /// Exports write 0 for events that cost nothing; any other amount belongs to a purchase.
    fn amount(fields: &mut Fields<'_, '_>, kind: EventKind) -> Option<u32> {
        let amount = fields.number(Self::AMOUNT, Measure::Won, 0, AMOUNT_MAX)?;
        match kind.costs(Some(amount)) {
            Ok(()) => Some(amount),
            Err(_) if amount == 0 => None,
            Err(_) => fields.dropped(Self::AMOUNT, Repair::NotOfAPurchase),
        }
    }
}

impl Table for Events {
    type Row = Event;
    const NAME: &'static str = "events";
    const COLUMNS: &'static [Column] = Self::ALL;

    /// Events from apps have a viewer's name and an id of their own (`docs/events.md`), valid or
    /// not.
    fn is_public(values: &[Value<'_>]) -> bool {
        [Self::VIEWER, Self::EVENT_ID]
            .into_iter()
            .all(|column| values.get(column).is_some_and(|value| *value != Value::Missing))
    }

    fn check(&mut self, fields: &mut Fields<'_, '_>) -> Result<Event, Refusal> {
        let user_id = self.viewer(fields)?;
        let kind = Self::kind(fields)?;
        let at = fields.required_time(Self::AT);
        let ahead = match &at {
            Ok(at) => *at > fields.now,
            Err(refusal) => refusal.reason == Reason::TooLate,
        };
        if ahead {
            return Err(Refusal::of(Self::AT, Reason::InTheFuture));
        }
        let event = Event {
            user_id,
            at: at?,
            kind,
            shop: fields.name(Self::SHOP),
            listing_id: fields.code(Self::LISTING_ID),
            product_id: Self::product_id(fields),
            tab_id: fields.id(Self::TAB_ID),
            channel: fields.name(Self::CHANNEL),
            region: Self::region(fields),
            device_class: Self::device_class(fields),
            amount: Self::amount(fields, kind),
        };
        let named = Named {
            item: event.listing_id.is_some() || event.product_id.is_some(),
            tab: event.tab_id.is_some(),
            channel: event.channel.is_some(),
        };
        let Err(wrong) = kind.concerns(named) else { return Ok(event) };
        let column = Self::COLUMNS.iter().position(|column| Some(column.name) == wrong.field);
        Err(Refusal { column, reason: Reason::NoObject })
    }
}
