//! What makes a row of each table usable: required fields, limits, repairs, and the reasons to set it aside.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use sinsang::context::{DEVICE_CLASSES, is_region};
use sinsang::time::{DAY_MS, HOUR_MS, UnixMillis};
use sinsang::viewer::UserHasher;

use crate::reject::Reason;
use crate::table::{Broadcast, Event, EventKind, Tab};
use crate::value::{
    Number, TimeNotes, Value, clean, is_brand_placeholder, is_null_text, is_web_address, parse_flag, parse_number,
    parse_time,
};
use crate::{Column, Shape};

/// Characters of a title.
pub const TITLE_MAX_CHARS: usize = 2_000;
/// Characters of a name: a shop, a channel, a brand, a category, a label.
pub const NAME_MAX_CHARS: usize = 200;
/// Bytes of an id.
pub const ID_MAX_BYTES: usize = 128;
/// Bytes of an address.
pub const ADDRESS_MAX_BYTES: usize = 2_048;
/// The highest price in won.
pub const PRICE_MAX: u32 = 1_000_000_000;
/// The highest count of reviews.
pub const REVIEWS_MAX: u32 = 100_000_000;
/// The longest time a slot may claim.
pub const SLOT_MAX_MS: i64 = 6 * HOUR_MS;
/// How far ahead of the build's time a time may lie.
pub const AHEAD_MAX_MS: i64 = 365 * DAY_MS;
/// Tabs that the top bar may have.
pub const TABS_MAX: usize = 1_000;
/// 1990-01-01T00:00:00+09:00, before which there was no home shopping in Korea.
const EARLIEST: UnixMillis = UnixMillis(631_119_600_000);

/// What was put right in a row that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repair {
    /// An id made from the title, where there was none.
    MadeFromTitle,
    /// Hours 24 to 29 read as the next day's.
    NextDay,
    /// A time without an offset read as Korean time.
    KoreanTime,
    /// Control characters, spaces or the Unicode form put in order.
    Tidied,
    /// A placeholder text taken as nothing.
    Placeholder,
    /// A value that can't be read dropped.
    Unreadable,
    /// A value outside of its range dropped.
    OutOfRange,
    /// A fraction rounded away.
    Rounded,
    /// A text past its limit dropped.
    TooLong,
    /// A list price below the price dropped.
    BelowPrice,
    /// An end that is not after the start dropped.
    EndBeforeStart,
    /// An end more than six hours after the start dropped.
    EndTooFar,
    /// An address with a scheme other than http or https dropped.
    NotAWebAddress,
    /// The shop's name taken for the channel's, or the channel's for the shop's, where one is missing.
    FromOther,
    /// A text that was not UTF-8 read as CP949.
    Decoded,
}

impl Repair {
    /// Every repair, in the order of the enum.
    pub const ALL: [Self; 15] = [
        Self::MadeFromTitle,
        Self::NextDay,
        Self::KoreanTime,
        Self::Tidied,
        Self::Placeholder,
        Self::Unreadable,
        Self::OutOfRange,
        Self::Rounded,
        Self::TooLong,
        Self::BelowPrice,
        Self::EndBeforeStart,
        Self::EndTooFar,
        Self::NotAWebAddress,
        Self::FromOther,
        Self::Decoded,
    ];

    /// The wording in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MadeFromTitle => "made from the title",
            Self::NextDay => "hour past midnight moved to the next day",
            Self::KoreanTime => "without offset, taken as Korean time",
            Self::Tidied => "characters tidied",
            Self::Placeholder => "placeholder dropped",
            Self::Unreadable => "unreadable, dropped",
            Self::OutOfRange => "out of range, dropped",
            Self::Rounded => "fraction rounded",
            Self::TooLong => "too long, dropped",
            Self::BelowPrice => "below the price, dropped",
            Self::EndBeforeStart => "not after the start, dropped",
            Self::EndTooFar => "over six hours after the start, dropped",
            Self::NotAWebAddress => "not a web address, dropped",
            Self::FromOther => "missing, taken from the other of shop and channel",
            Self::Decoded => "read as CP949",
        }
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Repair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why a row is set aside, and which of its fields is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Position of the column; `None` where the row as a whole is at fault.
    pub column: Option<usize>,
    /// What is wrong.
    pub reason: Reason,
}

impl Refusal {
    fn of(column: usize, reason: Reason) -> Self {
        Self { column: Some(column), reason }
    }
}

/// A table that can be read: its columns, and how a row becomes a typed one.
pub trait Table {
    /// The typed row.
    type Row;
    /// The table's name.
    const NAME: &'static str;
    /// The columns, in the order that `check` counts on.
    const COLUMNS: &'static [Column];

    /// Checks and repairs one row.
    ///
    /// # Errors
    /// The [`Refusal`] of a row that can't be used.
    fn check(&mut self, fields: &mut Fields<'_, '_>) -> Result<Self::Row, Refusal>;
}

/// The fields of one row under check, and the repairs made to them.
pub struct Fields<'r, 'v> {
    values: &'r [Value<'v>],
    now: UnixMillis,
    repairs: &'r mut Vec<(usize, Repair)>,
}

impl<'r, 'v> Fields<'r, 'v> {
    /// The fields of a row, whose repairs are added to `repairs`; `now` is the time of the run.
    pub fn new(values: &'r [Value<'v>], repairs: &'r mut Vec<(usize, Repair)>, now: UnixMillis) -> Self {
        Self { values, now, repairs }
    }

    fn get(&self, column: usize) -> &'r Value<'v> {
        const MISSING: &Value<'static> = &Value::Missing;
        self.values.get(column).unwrap_or(MISSING)
    }

    fn repaired(&mut self, column: usize, repair: Repair) {
        self.repairs.push((column, repair));
    }

    /// The text of a field, clean; `None` where there is none, `Err` where the field holds something else.
    fn text(&mut self, column: usize, shape: Shape) -> Result<Option<String>, Reason> {
        let value = self.get(column);
        if let Some(text) = value.as_text() {
            let (text, changed) = clean(text);
            if changed {
                self.repaired(column, Repair::Tidied);
            }
            return Ok((!text.is_empty()).then(|| text.into_owned()));
        }
        let text = match value {
            Value::Missing => return Ok(None),
            Value::Whole(number) if shape == Shape::Id => number.to_string(),
            // Tables that knew nulls write whole ids as 12345.0.
            Value::Real(number) if shape == Shape::Id && number.is_nan() => return Ok(None),
            Value::Real(number) if shape == Shape::Id && number.fract() == 0.0 && number.abs() < 9e15 => {
                format!("{number:.0}")
            }
            _ => return Err(Reason::WrongKind),
        };
        Ok((!text.is_empty()).then_some(text))
    }

    fn required_text(&mut self, column: usize, shape: Shape, limit: Length) -> Result<String, Refusal> {
        let text = self.text(column, shape).map_err(|reason| Refusal::of(column, reason))?;
        let text = text.ok_or(Refusal::of(column, Reason::Missing))?;
        if limit.is_passed_by(&text) { Err(Refusal::of(column, Reason::TooLong)) } else { Ok(text) }
    }

    /// A name that a row must have, or else the one in the column `other`.
    fn name_or(&mut self, column: usize, other: usize) -> Result<String, Refusal> {
        let missing = Refusal::of(column, Reason::Missing);
        match self.required_text(column, Shape::Text, Length::Chars(NAME_MAX_CHARS)) {
            Err(refusal) if refusal == missing => {
                let name =
                    self.required_text(other, Shape::Text, Length::Chars(NAME_MAX_CHARS)).map_err(|_| missing)?;
                self.repaired(column, Repair::FromOther);
                Ok(name)
            }
            name => name,
        }
    }

    fn optional_text(&mut self, column: usize, shape: Shape, limit: Length) -> Option<String> {
        match self.text(column, shape) {
            Ok(Some(text)) if is_null_text(&text) => self.dropped(column, Repair::Placeholder),
            Ok(Some(text)) if limit.is_passed_by(&text) => self.dropped(column, Repair::TooLong),
            Ok(text) => text,
            Err(_) => self.dropped(column, Repair::Unreadable),
        }
    }

    fn dropped<T>(&mut self, column: usize, repair: Repair) -> Option<T> {
        self.repaired(column, repair);
        None
    }

    fn address(&mut self, column: usize) -> Option<String> {
        let address = self.optional_text(column, Shape::Text, Length::Bytes(ADDRESS_MAX_BYTES))?;
        if is_web_address(&address) { Some(address) } else { self.dropped(column, Repair::NotAWebAddress) }
    }

    fn id(&mut self, column: usize) -> Option<String> {
        self.optional_text(column, Shape::Id, Length::Bytes(ID_MAX_BYTES))
    }

    fn name(&mut self, column: usize) -> Option<String> {
        self.optional_text(column, Shape::Text, Length::Chars(NAME_MAX_CHARS))
    }

    /// A time within the years that are believed; `None` where there is none.
    fn time(&mut self, column: usize) -> Result<Option<UnixMillis>, Reason> {
        let (at, notes) = match self.get(column) {
            Value::Missing => return Ok(None),
            Value::Time(at) => (*at, TimeNotes::default()),
            value => match value.as_text().map(str::trim) {
                Some(text) if text.is_empty() || is_null_text(text) => return Ok(None),
                Some(text) => parse_time(text).ok_or(Reason::NotATime)?,
                None => return Err(Reason::NotATime),
            },
        };
        if at < EARLIEST {
            return Err(Reason::TooEarly);
        }
        if at > self.now.plus(AHEAD_MAX_MS) {
            return Err(Reason::TooLate);
        }
        if notes.past_midnight {
            self.repaired(column, Repair::NextDay);
        }
        if notes.no_offset {
            self.repaired(column, Repair::KoreanTime);
        }
        Ok(Some(at))
    }

    fn required_time(&mut self, column: usize) -> Result<UnixMillis, Refusal> {
        let at = self.time(column).map_err(|reason| Refusal::of(column, reason))?;
        at.ok_or(Refusal::of(column, Reason::Missing))
    }

    fn optional_time(&mut self, column: usize) -> Option<UnixMillis> {
        match self.time(column) {
            Ok(at) => at,
            Err(Reason::TooEarly | Reason::TooLate) => self.dropped(column, Repair::OutOfRange),
            Err(_) => self.dropped(column, Repair::Unreadable),
        }
    }

    fn count(&mut self, column: usize, least: u32, most: u32) -> Option<u32> {
        let (number, rounded) = match parse_number(self.get(column)) {
            Number::Whole { number, rounded } => (number, rounded),
            Number::Missing => return None,
            Number::Unreadable => return self.dropped(column, Repair::Unreadable),
        };
        match u32::try_from(number) {
            Ok(number) if (least..=most).contains(&number) => {
                if rounded {
                    self.repaired(column, Repair::Rounded);
                }
                Some(number)
            }
            _ => self.dropped(column, Repair::OutOfRange),
        }
    }
}

/// How long a text may be.
#[derive(Clone, Copy)]
enum Length {
    Chars(usize),
    Bytes(usize),
}

impl Length {
    fn is_passed_by(self, text: &str) -> bool {
        match self {
            Self::Chars(most) => text.len() > most && text.chars().count() > most,
            Self::Bytes(most) => text.len() > most,
        }
    }
}

/// The id of a listing whose schedule gives none: `~` and the first 16 hex digits of the title's SHA-256.
pub fn listing_id_from_title(title: &str) -> String {
    use fmt::Write as _;
    let digest = Sha256::digest(title.as_bytes());
    let mut id = String::with_capacity(17);
    id.push('~');
    for byte in digest.iter().take(8) {
        // Writing to a String does not fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

const fn column(name: &'static str, shape: Shape, required: bool) -> Column {
    Column { name, also: &[], shape, required, or: None }
}

impl Column {
    const fn also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }

    const fn or(self, other: &'static str) -> Self {
        Self { or: Some(other), ..self }
    }
}

/// The table `broadcasts`.
pub struct Broadcasts;

impl Broadcasts {
    const LISTING_ID: usize = 0;
    const SHOP: usize = 1;
    const CHANNEL: usize = 2;
    const TITLE: usize = 3;
    const BRAND: usize = 4;
    const CATEGORY: usize = 5;
    const PRICE: usize = 6;
    const LIST_PRICE: usize = 7;
    const IMAGE: usize = 8;
    const URL: usize = 9;
    const STARTS_AT: usize = 10;
    const ENDS_AT: usize = 11;
    const REVIEW_COUNT: usize = 12;
    const COLLECTED_AT: usize = 13;

    fn brand(fields: &mut Fields<'_, '_>) -> Option<String> {
        let brand = fields.name(Self::BRAND)?;
        if is_brand_placeholder(&brand) { fields.dropped(Self::BRAND, Repair::Placeholder) } else { Some(brand) }
    }

    fn ends_at(fields: &mut Fields<'_, '_>, starts_at: UnixMillis) -> Option<UnixMillis> {
        let ends_at = fields.optional_time(Self::ENDS_AT)?;
        match ends_at.since(starts_at) {
            ..=0 => fields.dropped(Self::ENDS_AT, Repair::EndBeforeStart),
            1..=SLOT_MAX_MS => Some(ends_at),
            _ => fields.dropped(Self::ENDS_AT, Repair::EndTooFar),
        }
    }
}

impl Table for Broadcasts {
    type Row = Broadcast;
    const NAME: &'static str = "broadcasts";
    const COLUMNS: &'static [Column] = &[
        column("listing_id", Shape::Id, false).also(&[
            "itemid",
            "itemcode",
            "itemno",
            "goodsid",
            "goodscode",
            "goodsno",
            "productcode",
            "productno",
            "prdid",
            "prdno",
            "listingno",
            "sku",
            "상품코드",
            "상품번호",
            "판매코드",
        ]),
        column("shop", Shape::Text, true)
            .also(&["shopname", "mall", "mallname", "seller", "쇼핑몰", "홈쇼핑", "홈쇼핑사", "판매사", "판매처"])
            .or("channel"),
        column("channel", Shape::Text, true).also(&["channelname", "채널", "채널명", "방송사", "방송채널"]).or("shop"),
        column("title", Shape::Text, true).also(&[
            "listingtitle",
            "itemname",
            "goodsname",
            "productname",
            "prdname",
            "name",
            "상품명",
            "방송상품명",
            "제목",
        ]),
        column("brand", Shape::Text, false).also(&["brandname", "브랜드", "브랜드명"]),
        column("category", Shape::Text, false).also(&["categoryname", "카테고리", "카테고리명", "분류"]),
        column("price", Shape::Number, false).also(&["saleprice", "sellingprice", "가격", "판매가", "판매가격"]),
        column("list_price", Shape::Number, false).also(&[
            "originalprice",
            "regularprice",
            "consumerprice",
            "정가",
            "소비자가",
        ]),
        column("image", Shape::Text, false).also(&["imageurl", "imgurl", "thumbnail", "thumbnailurl", "이미지"]),
        column("url", Shape::Text, false).also(&["link", "itemurl", "producturl", "pageurl", "링크"]),
        column("starts_at", Shape::Time, true).also(&[
            "startat",
            "starttime",
            "start",
            "startdatetime",
            "startedat",
            "broadcastat",
            "airedat",
            "beginat",
            "begin",
            "방송시작",
            "방송시작시간",
            "방송시작일시",
            "시작시간",
            "시작일시",
            "방송일시",
            "방송시간",
        ]),
        column("ends_at", Shape::Time, false).also(&[
            "endat",
            "endtime",
            "end",
            "enddatetime",
            "endedat",
            "방송종료",
            "방송종료시간",
            "방송종료일시",
            "종료시간",
            "종료일시",
        ]),
        column("review_count", Shape::Number, false).also(&["reviews", "reviewcnt", "상품평수", "상품평", "리뷰수"]),
        column("collected_at", Shape::Time, false).also(&[
            "crawledat",
            "fetchedat",
            "scrapedat",
            "수집일시",
            "수집시간",
        ]),
    ];

    fn check(&mut self, fields: &mut Fields<'_, '_>) -> Result<Broadcast, Refusal> {
        let shop = fields.name_or(Self::SHOP, Self::CHANNEL)?;
        let channel = fields.name_or(Self::CHANNEL, Self::SHOP)?;
        let title = fields.required_text(Self::TITLE, Shape::Text, Length::Chars(TITLE_MAX_CHARS))?;
        if !title.chars().any(char::is_alphanumeric) {
            return Err(Refusal::of(Self::TITLE, Reason::NoWords));
        }
        let starts_at = fields.required_time(Self::STARTS_AT)?;
        let listing_id = fields.id(Self::LISTING_ID).unwrap_or_else(|| {
            fields.repaired(Self::LISTING_ID, Repair::MadeFromTitle);
            listing_id_from_title(&title)
        });
        let price = fields.count(Self::PRICE, 1, PRICE_MAX);
        let list_price = fields.count(Self::LIST_PRICE, 1, PRICE_MAX);
        let list_price = match (list_price, price) {
            (Some(list_price), Some(price)) if list_price < price => {
                fields.dropped(Self::LIST_PRICE, Repair::BelowPrice)
            }
            _ => list_price,
        };
        Ok(Broadcast {
            listing_id,
            shop,
            channel,
            title,
            brand: Self::brand(fields),
            category: fields.name(Self::CATEGORY),
            price,
            list_price,
            image: fields.address(Self::IMAGE),
            url: fields.address(Self::URL),
            starts_at,
            ends_at: Self::ends_at(fields, starts_at),
            review_count: fields.count(Self::REVIEW_COUNT, 0, REVIEWS_MAX),
            collected_at: fields.optional_time(Self::COLLECTED_AT),
        })
    }
}

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

    /// The name of who did it.
    fn viewer(&self, fields: &mut Fields<'_, '_>) -> Result<String, Refusal> {
        let wrong = match fields.id(Self::VIEWER) {
            Some(name) if is_viewer_name(&name) => return Ok(name),
            name => name.is_some(),
        };
        match fields.required_text(Self::USER_ID, Shape::Id, Length::Bytes(ID_MAX_BYTES)) {
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
    ];

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
            listing_id: fields.id(Self::LISTING_ID),
            product_id: Self::product_id(fields),
            tab_id: fields.id(Self::TAB_ID),
            channel: fields.name(Self::CHANNEL),
            region: Self::region(fields),
            device_class: Self::device_class(fields),
        };
        let item = event.listing_id.is_some() || event.product_id.is_some();
        let (concerns, column) = match kind {
            EventKind::TabOpen => (event.tab_id.is_some(), Self::TAB_ID),
            EventKind::LiveEnter => (event.channel.is_some() || item, Self::CHANNEL),
            _ => (item, Self::LISTING_ID),
        };
        if concerns { Ok(event) } else { Err(Refusal::of(column, Reason::NoObject)) }
    }
}

/// Whether `name` is what a viewer is called without telling who it is: 16 hexadecimal digits in lower case, of the user's key, or `d` and 16
/// digits, of a device's.
pub fn is_viewer_name(name: &str) -> bool {
    let digits = name.strip_prefix('d').filter(|digits| digits.len() == 16).unwrap_or(name);
    digits.len() == 16 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The table `tabs`; remembers the ids it has seen.
#[derive(Default)]
pub struct Tabs {
    seen: BTreeSet<String>,
}

impl Tabs {
    const TAB_ID: usize = 0;
    const LABEL: usize = 1;
    const POSITION: usize = 2;
    const PINNED: usize = 3;
    const TARGET: usize = 4;
}

impl Table for Tabs {
    type Row = Tab;
    const NAME: &'static str = "tabs";
    const COLUMNS: &'static [Column] = &[
        column("tab_id", Shape::Id, true),
        column("label", Shape::Text, true),
        column("position", Shape::Number, true),
        column("pinned", Shape::Flag, false),
        column("target", Shape::Text, false),
    ];

    fn check(&mut self, fields: &mut Fields<'_, '_>) -> Result<Tab, Refusal> {
        let tab_id = fields.required_text(Self::TAB_ID, Shape::Id, Length::Bytes(ID_MAX_BYTES))?;
        let label = fields.required_text(Self::LABEL, Shape::Text, Length::Chars(NAME_MAX_CHARS))?;
        let not_a_position = Refusal::of(Self::POSITION, Reason::NotAPosition);
        let position = match parse_number(fields.get(Self::POSITION)) {
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
