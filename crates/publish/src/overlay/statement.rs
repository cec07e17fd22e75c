//! What an operator says, as a line of JSON: the input of `sinsang overlay put`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sinsang_core::surface_name::Surface;
use sinsang_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMillis};
use strum::{EnumString, IntoStaticStr, VariantNames};

/// The most days that an entry may last.
pub(super) const MOST_DAYS: i64 = 90;
/// The most characters of a reason.
pub(super) const MOST_WHY: usize = 200;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, EnumString, IntoStaticStr, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Deed {
    /// Leaves a product or listing out of every surface.
    Hide,
    /// Marks a product or listing as sold out.
    SoldOut,
    /// Gives a product or listing another price.
    Price,
    /// Puts a text on a product's card.
    Note,
    /// Takes a broadcast out of the schedule.
    Cancel,
    /// Moves a broadcast to another time, or another channel.
    Move,
    /// Lets a broadcast end later or earlier.
    Prolong,
    /// Gives a broadcast to another product.
    HandOver,
    /// Pins a product to a place.
    Pin,
    /// Adds points to a product's score.
    Boost,
    /// Takes points from a product's score.
    Bury,
}

/// The names of a deed's fields that must be there, and of those that may be.
type Fields = (&'static [&'static str], &'static [&'static str]);

impl Deed {
    /// Its name, as operators write it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The fields that it takes besides `do`, `from`, `until` and `why`. Where a product or a
    /// listing may be meant, `product` stands for either.
    fn fields(self) -> Fields {
        match self {
            Self::Hide | Self::SoldOut => (&["product"], &[]),
            Self::Price => (&["product", "price"], &[]),
            Self::Note => (&["product", "text"], &[]),
            Self::Cancel => (&["channel", "starts_at"], &["product"]),
            Self::Move => (&["channel", "starts_at", "to_starts_at"], &["product", "to_ends_at", "to_channel"]),
            Self::Prolong => (&["channel", "starts_at", "to_ends_at"], &["product"]),
            Self::HandOver => (&["channel", "starts_at", "to_product"], &["product", "price"]),
            Self::Pin => (&["product", "place"], &["on"]),
            Self::Boost | Self::Bury => (&["product"], &["points", "on"]),
        }
    }

    /// Whether a listing may stand in place of the product.
    fn takes_listings(self) -> bool {
        matches!(self, Self::Hide | Self::SoldOut | Self::Price)
    }

    /// Whether it moves a product to another place of its list.
    pub fn is_of_places(self) -> bool {
        matches!(self, Self::Pin | Self::Boost | Self::Bury)
    }

    /// Whether it is about a broadcast.
    pub fn is_of_slots(self) -> bool {
        matches!(self, Self::Cancel | Self::Move | Self::Prolong | Self::HandOver)
    }
}

/// What an operator says. Times are RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// What is done.
    #[serde(rename = "do")]
    pub deed: Deed,
    /// A product's id, 16 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// A listing's shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shop: Option<String>,
    /// A listing's code in its shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing_id: Option<String>,
    /// A broadcast's channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// A broadcast's start, as the schedule has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<String>,
    /// The new start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_starts_at: Option<String>,
    /// The new end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_ends_at: Option<String>,
    /// The new channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_channel: Option<String>,
    /// The product that takes over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_product: Option<String>,
    /// A price in won.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<u32>,
    /// A text for a card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A place of a list, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u16>,
    /// Points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<i32>,
    /// The surfaces that are meant [default: those that list products].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
    /// When it begins [default: now].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// When it ends.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub until: String,
    /// The reason.
    #[serde(default)]
    pub why: String,
}

/// What holds for lines that don't say it themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// When they begin.
    pub from: Option<String>,
    /// When they end.
    pub until: Option<String>,
    /// Their reason.
    pub why: Option<String>,
}

impl Statement {
    /// Parses a JSON object, or words such as `hide product=0123456789abcdef until=6h why=recall`.
    ///
    /// # Errors
    /// What is wrong with the line, for its author.
    pub fn parse(line: &str, defaults: &Defaults) -> Result<Self, String> {
        let line = line.trim();
        let object = if line.starts_with('{') {
            serde_json::from_str::<Map<String, Value>>(line).map_err(|error| format!("no JSON object: {error}"))?
        } else {
            of_words(&words(line)?)?
        };
        let deed = match object.get("do").and_then(Value::as_str) {
            Some(name) => name
                .parse::<Deed>()
                .map_err(|_| format!("'{name}' is nothing to do: expected one of {}", Deed::VARIANTS.join(", ")))?,
            None => return Err(format!("`do` is missing: expected one of {}", Deed::VARIANTS.join(", "))),
        };
        let (needed, allowed) = deed.fields();
        let is_listing = |name: &str| matches!(name, "shop" | "listing_id") && deed.takes_listings();
        let is_known = |name: &str| {
            ["do", "from", "until", "why"].contains(&name)
                || needed.contains(&name)
                || allowed.contains(&name)
                || is_listing(name)
        };
        if let Some(name) = object.keys().find(|name| !is_known(name)) {
            let known: Vec<&str> = needed.iter().chain(allowed).copied().collect();
            return Err(format!("{} has no field `{name}`: it takes {}", deed.as_str(), known.join(", ")));
        }
        let has =
            |name: &str| object.contains_key(name) || (name == "product" && object.keys().any(|one| is_listing(one)));
        if let Some(name) = needed.iter().find(|name| !has(name)) {
            let or = if *name == "product" && deed.takes_listings() { ", or `shop` and `listing_id`," } else { "" };
            return Err(format!("{} needs `{name}`{or}", deed.as_str()));
        }
        let mut statement: Self = serde_json::from_value(Value::Object(object)).map_err(|error| error.to_string())?;
        let Defaults { from, until, why } = defaults;
        for (own, default) in [(&mut statement.from, from), (&mut statement.until, until), (&mut statement.why, why)] {
            if own.trim().is_empty() {
                own.clear();
                own.extend(default.as_deref());
            }
        }
        if statement.shop.is_some() != statement.listing_id.is_some() {
            return Err("`shop` and `listing_id` belong together".to_owned());
        }
        if statement.shop.is_some() && statement.product.is_some() {
            return Err("name a product, or a listing by `shop` and `listing_id`, not both".to_owned());
        }
        if statement.why.trim().is_empty() {
            return Err("`why` is missing: a reason that the audit log can show".to_owned());
        }
        if statement.why.chars().count() > MOST_WHY {
            return Err(format!("`why` is longer than {MOST_WHY} characters"));
        }
        Ok(statement)
    }

    /// The surfaces that are meant, as bits.
    ///
    /// # Errors
    /// The name that is no surface's that lists products.
    pub fn surfaces(&self) -> Result<u8, String> {
        let all = || Surface::of_products();
        if self.on.is_empty() {
            return Ok(all().fold(0, |bits, surface| bits | surface.bit()));
        }
        self.on.iter().try_fold(0, |bits, name| {
            let surface = all().find(|surface| surface.as_str() == name);
            let names = || all().map(Surface::as_str).collect::<Vec<_>>().join(" and ");
            surface.map(|surface| bits | surface.bit()).ok_or_else(|| format!("'{name}' is none of {}", names()))
        })
    }
}

/// A statement in words, such as `hide` and `product=…`, as a line of JSON.
///
/// # Errors
/// What is wrong with the words.
pub fn line_of(words: &[String]) -> Result<String, String> {
    of_words(words).map(|object| Value::Object(object).to_string())
}

fn of_words(words: &[String]) -> Result<Map<String, Value>, String> {
    let mut object = Map::new();
    for (at, word) in words.iter().enumerate() {
        if at == 0 && !word.contains('=') {
            object.insert("do".to_owned(), word.as_str().into());
            continue;
        }
        let (name, value) = word.split_once('=').ok_or_else(|| format!("'{word}' is no field: write name=value"))?;
        let value = match name {
            "price" | "place" | "points" => match value.replace(',', "").parse::<i64>() {
                Ok(number) => number.into(),
                Err(_) => return Err(format!("{name} is a whole number, not '{value}'")),
            },
            "on" => value.split(',').map(str::to_owned).collect::<Vec<_>>().into(),
            _ => value.into(),
        };
        if object.insert(name.to_owned(), value).is_some() {
            return Err(format!("`{name}` is there twice"));
        }
    }
    Ok(object)
}

/// Splits at spaces, but not within double quotes.
fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for one in line.chars() {
        match one {
            '"' => is_quoted = !is_quoted,
            _ if one.is_whitespace() && !is_quoted => {
                words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
            }
            _ => word.push(one),
        }
    }
    if is_quoted {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    Ok(words)
}

/// A time: RFC 3339, or `30m`, `6h` or `2d` from `now`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn time(name: &str, text: &str, now: UnixMillis) -> Result<UnixMillis, String> {
    let relative = || {
        let text = text.strip_prefix('+').unwrap_or(text);
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit_ms = match unit {
            "m" => MINUTE_MS,
            "h" => HOUR_MS,
            "d" => DAY_MS,
            _ => return None,
        };
        Some(now.plus(i64::from(number.parse::<u16>().ok()?).saturating_mul(unit_ms)))
    };
    let found = UnixMillis::parse_rfc3339(text).or_else(relative);
    found.map(|at| at.floor(SECOND_MS)).ok_or_else(|| {
        format!("{name} '{text}' is no time: expected RFC 3339, such as 2026-11-22T20:00:00+09:00, or 30m, 6h or 2d")
    })
}
