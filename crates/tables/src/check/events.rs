//! Rows of the table `events`.

use sinsang_core::code;
use sinsang_core::context::{DEVICE_CLASSES, is_region};
use sinsang_core::event::{EventKind, Named};
use sinsang_core::text::{ID_MAX_BYTES, is_nobody};
use sinsang_core::viewer::{UserHasher, is_viewer_name};

use super::{Fields, Length, Refusal, Repair, Table, column};
use crate::reject::Reason;
use crate::table::Event;
use crate::value::Value;
use crate::{Column, Shape};

/// The table `events`.
#[derive(Debug, Default)]
pub struct Events {
    /// What ids of users are turned into keyed names with, so that nothing behind the readers sees one in clear. Without it they stay as
    /// they are, and are others than the users that a table names by their keys.
    pub hasher: Option<UserHasher>,
}

impl Events {
    const USER_ID: usize = 0;
    const AT: usize = 1;
    const KIND: usize = 2;
    const SHOP: usize = 3;
    const LISTING_ID: usize = 4;
    const PRODUCT_ID: usize = 5;
    const TAB_ID: usize = 6;
    const CHANNEL: usize = 7;
    const VIEWER: usize = 8;
    const REGION: usize = 9;
    const DEVICE_CLASS: usize = 10;
    const EVENT_ID: usize = 11;

    /// The name of who did it.
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
                .into_iter()
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

    /// As `11` or `KR-11`.
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
}

impl Table for Events {
    type Row = Event;
    const NAME: &'static str = "events";
    const COLUMNS: &'static [Column] = &[
        Column { or: Some("viewer"), ..column("user_id", Shape::Id, true) },
        column("at", Shape::Time, true),
        column("kind", Shape::Text, true),
        column("shop", Shape::Text, false),
        column("listing_id", Shape::Id, false),
        column("product_id", Shape::Id, false),
        column("tab_id", Shape::Id, false),
        column("channel", Shape::Text, false),
        column("viewer", Shape::Id, false),
        column("region", Shape::Id, false),
        column("device_class", Shape::Id, false),
        column("event_id", Shape::Id, false),
    ];

    /// What apps sent has the name of a viewer and an id of its own (`docs/events.md`), whether good or not.
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
