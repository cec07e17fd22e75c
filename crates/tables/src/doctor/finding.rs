//! What looks wrong: by which rule, how much, why it matters, and what to do.

use serde::{Serialize, Serializer};
use serde_json::Value;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A build would fail.
    Refused,
    /// It is most likely a mistake in the tables.
    Wrong,
    /// It may be as it should: worth a look once.
    Note,
}

/// One thing that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The table.
    pub table: &'static str,
    /// By which rule.
    pub rule: Rule,
    /// How much it weighs.
    pub severity: Severity,
    /// The shop, channel, column or file, where it is one's alone.
    pub subject: Option<String>,
    /// What was seen, with its numbers.
    pub seen: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub advice: String,
    /// The numbers for machines; their names belong to the rule.
    pub numbers: Value,
}

impl Finding {
    /// Found in `table` by `rule`; by the rule's own weight and advice.
    pub(super) fn new(table: &'static str, rule: Rule, seen: String, numbers: Value) -> Self {
        let advice = rule.advice().to_owned();
        Self { table, rule, severity: rule.severity(), subject: None, seen, why: rule.why(), advice, numbers }
    }

    /// The same of one shop, channel, column or file.
    #[must_use]
    pub(super) fn of(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// The same with another weight.
    #[must_use]
    pub(super) fn weighing(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// The same with other advice.
    #[must_use]
    pub(super) fn advising(self, advice: impl Into<String>) -> Self {
        Self { advice: advice.into(), ..self }
    }
}

macro_rules! rules {
    ($($rule:ident, $name:literal, $severity:ident, $why:literal, $advice:literal;)*) => {
        /// The rules of the doctor.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = $why] $rule,)*
        }

        impl Rule {
            /// Every rule, in the order of the enum.
            pub const ALL: &'static [Self] = &[$(Self::$rule),*];

            /// Its name in JSON: stable.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$rule => $name),* }
            }

            /// How much what it finds weighs, where nothing else is said.
            pub fn severity(self) -> Severity {
                match self { $(Self::$rule => Severity::$severity),* }
            }

            /// Why it matters.
            pub fn why(self) -> &'static str {
                match self { $(Self::$rule => $why),* }
            }

            /// What to do, where nothing better is known.
            pub fn advice(self) -> &'static str {
                match self { $(Self::$rule => $advice),* }
            }
        }
    };
}

// Name in code, name in JSON, weight; why it matters; what to do.
rules! {
    Unreadable, "unreadable", Refused,
        "a build stops here: half a history would make new products of old ones",
        "do what the message says, then check again";
    TooManySetAside, "too_many_set_aside", Refused,
        "a build refuses a table of which more can't be used than --max-rejects allows",
        "mend the commonest reason below at its source; --max-rejects raises the limit, and the rows stay lost";
    NoRows, "no_rows", Refused,
        "a build without a broadcast has nothing to publish, and fails",
        "look at the job that writes the table";
    NothingToCome, "nothing_to_come", Wrong,
        "the new tab and the live order show what is on air or to come; a build of none fails",
        "collect the coming days; for a table of the past name its time with --now";
    ShopVanished, "shop_vanished", Wrong,
        "its products leave the new tab and the live order, and what it airs meanwhile will seem new",
        "look at the shop's collector, and collect the missing days";
    ChannelVanished, "channel_vanished", Wrong,
        "its broadcasts are missing from the live order, and what it airs meanwhile will seem new",
        "look at the channel's collector; a channel that was renamed needs one name";
    LostDay, "lost_day", Wrong,
        "what aired first on such a day will seem new when it airs again",
        "collect those days again, or restore their files";
    ChannelLostDay, "channel_lost_day", Wrong,
        "what the channel aired first on such a day will seem new when it airs again",
        "collect those days of the channel again";
    ThinDay, "thin_day", Wrong,
        "a run that was cut short leaves holes like a lost day",
        "compare the day's file with those around it, and collect the day again";
    EqualPrices, "equal_prices", Wrong,
        "one price for everything is a default or another field; prices rank and are shown",
        "look at where the shop's collector takes the price from";
    PriceUnit, "price_unit", Wrong,
        "prices are won; in another unit they are shown wrong and rank wrong",
        "multiply or divide the shop's prices at the source";
    HoursOff, "hours_off", Wrong,
        "its broadcasts would be shown nine hours from when they air, and the verdicts with them",
        "write the offset (+09:00, or Z for UTC) into its times, or name their zone";
    CollectedOff, "collected_off", Wrong,
        "of two rows for one slot the later collected counts: clocks nine hours apart let old rows win",
        "write the offset into collected_at, or name the zone";
    CollectedInFuture, "collected_in_future", Wrong,
        "of two rows for one slot the later collected counts: one from the future wins for ever",
        "look at the collector's clock and zone";
    ManyTitles, "many_titles", Wrong,
        "titles of one code are taken for one product: strangers would share a verdict",
        "leave listing_id empty where the shop gives a placeholder";
    Copies, "copies", Wrong,
        "copies in broadcasts are merged, but events count as often as they come",
        "look whether a file lies in the folder twice, or a job ran twice";
    NeverFilled, "never_filled", Note,
        "whatever is made of the column is made without it",
        "nothing, if the source has no such field; otherwise look at its name and path in the collector";
    ShopNeverFills, "shop_never_fills", Note,
        "whatever is made of the column is made without this shop",
        "nothing, if the shop shows no such field; otherwise look at its collector";
    StoppedFilling, "stopped_filling", Wrong,
        "a page that changed its layout goes on giving rows without the field",
        "look at the shop's page and collector";
    MostlyDropped, "mostly_dropped", Wrong,
        "what is dropped counts as missing",
        "compare the examples below with docs/input.md, and mend the source";
    SetAside, "set_aside", Wrong,
        "rows set aside are lost: what aired in them may seem new later",
        "mend the commonest reason below at its source";
    BarrenFile, "barren_file", Wrong,
        "nothing of the file reaches a build",
        "look at the file; take it away if it does not belong there";
    ShopSetAside, "shop_set_aside", Wrong,
        "much of this shop is lost, however small the share of the whole table",
        "mend the commonest reason below at the shop's collector";
    NamesAlike, "names_alike", Wrong,
        "two spellings are two: codes, schedules and events of one do not meet those of the other",
        "write one name everywhere";
    OneTimeOfDay, "one_time_of_day", Wrong,
        "a date without its time puts all broadcasts of a day into one slot",
        "write date and time into starts_at";
    MixedOffsets, "mixed_offsets", Note,
        "times without an offset are taken as Korean time; from a collector in UTC they are nine hours off",
        "nothing, if they are Korean time; otherwise name the zone";
    OutsizedUser, "outsized_user", Wrong,
        "one id with so much is a default, a bot or a test, and would lean everybody's order",
        "look up the row; leave the id out where nobody is signed in";
    Nobody, "nobody", Note,
        "strangers under one word are no user: their events are set aside, and count for nobody's order",
        "nothing, where these are visitors; a device's name in viewer would let them count";
    JoinsNoListing, "joins_no_listing", Wrong,
        "events that join no listing teach no taste and count for no order",
        "compare shop and listing_id of the two tables";
    JoinsNoChannel, "joins_no_channel", Wrong,
        "the live order learns nothing from them",
        "write channels as broadcasts names them";
    JoinsNoTab, "joins_no_tab", Wrong,
        "the tab bar learns nothing from them",
        "write tab ids as the table tabs has them";
    NightByDay, "night_by_day", Wrong,
        "what suits which part of the day would be learned nine hours off",
        "write the offset into at, or name the zone";
    EventsInFuture, "events_in_future", Wrong,
        "events after the build's time are set aside: the latest are missing",
        "look at the zone of at: Korean time that is labelled UTC is nine hours ahead";
    EventsEnded, "events_ended", Wrong,
        "tastes and orders rest on what users did lately",
        "look at the job that writes events";
    OneKind, "one_kind", Note,
        "impressions and views alone say little of what suits whom",
        "send clicks, alarms and purchases too (docs/events.md)";
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_name_of_its_own_a_reason_and_advice() {
        let names: std::collections::BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            assert!(rule.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{rule:?}");
            let documented = include_str!("../../../../docs/input.md").contains(&format!("`{}`", rule.as_str()));
            assert!(documented, "docs/input.md does not say what {rule:?} looks at");
            assert!(rule.why().len() > 20 && rule.advice().len() > 10, "{rule:?}");
        }
    }
}
