//! Findings: the rule, the numbers, why it matters, and what to do.

use serde::{Serialize, Serializer};
use serde_json::Value;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A build would fail.
    Refused,
    /// Most likely a mistake in the tables.
    Wrong,
    /// Possibly correct, but worth a look.
    Note,
}

/// A single finding.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The table.
    pub table: &'static str,
    /// The rule.
    pub rule: Rule,
    /// Its severity.
    pub severity: Severity,
    /// The shop, channel, column or file, if the finding concerns one.
    pub subject: Option<String>,
    /// The observation, with its numbers.
    pub seen: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub advice: String,
    /// The numbers for programs; each rule defines their names.
    pub numbers: Value,
}

impl Finding {
    /// A finding of `rule` in `table`, with the rule's own severity and advice.
    pub(super) fn new(table: &'static str, rule: Rule, seen: String, numbers: Value) -> Self {
        let advice = rule.advice().to_owned();
        Self { table, rule, severity: rule.severity(), subject: None, seen, why: rule.why(), advice, numbers }
    }

    /// The same finding about one shop, channel, column or file.
    #[must_use]
    pub(super) fn of(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// The same finding with another severity.
    #[must_use]
    pub(super) fn weighing(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// The same finding with other advice.
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
            /// All rules, in the order of the enum.
            pub const ALL: &'static [Self] = &[$(Self::$rule),*];

            /// The rule's stable name in JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$rule => $name),* }
            }

            /// The default severity of its findings.
            pub fn severity(self) -> Severity {
                match self { $(Self::$rule => Severity::$severity),* }
            }

            /// Why it matters.
            pub fn why(self) -> &'static str {
                match self { $(Self::$rule => $why),* }
            }

            /// The default advice.
            pub fn advice(self) -> &'static str {
                match self { $(Self::$rule => $advice),* }
            }
        }
    };
}

// Name in code, name in JSON, severity; why it matters; what to do.
rules! {
    Unreadable, "unreadable", Refused,
        "a build stops here: with half a history, old products would seem new",
        "follow the message, then check again";
    TooManySetAside, "too_many_set_aside", Refused,
        "a build refuses a table with more unusable rows than --max-rejects allows",
        "fix the most common reason below at its source; --max-rejects raises the limit, but the rows stay lost";
    NoRows, "no_rows", Refused,
        "a build without broadcasts fails",
        "check the job that writes the table";
    NothingToCome, "nothing_to_come", Wrong,
        "the new tab and the live order show current and coming broadcasts; a build without any fails",
        "collect the coming days; for an old table, set its time with --now";
    ShopVanished, "shop_vanished", Wrong,
        "its products leave the new tab and the live order, and products that it airs meanwhile will seem new",
        "check the shop's collector, and collect the missing days";
    ChannelVanished, "channel_vanished", Wrong,
        "its broadcasts are missing from the live order, and products that it airs meanwhile will seem new",
        "check the channel's collector; if the channel was renamed, write one name everywhere";
    LostDay, "lost_day", Wrong,
        "products that first aired on such a day will seem new when they air again",
        "collect those days again, or restore their files";
    ChannelLostDay, "channel_lost_day", Wrong,
        "products that the channel first aired on such a day will seem new when they air again",
        "collect those days of the channel again";
    ThinDay, "thin_day", Wrong,
        "an interrupted collection leaves gaps like a lost day",
        "compare the day's file with its neighbours, and collect the day again";
    EqualPrices, "equal_prices", Wrong,
        "one price for everything is a default or another field; the app shows prices and ranks by them",
        "check where the shop's collector takes the price from";
    PriceUnit, "price_unit", Wrong,
        "prices must be in won; in another unit they are shown and ranked wrong",
        "multiply or divide the shop's prices at the source";
    HoursOff, "hours_off", Wrong,
        "its broadcasts and verdicts would be nine hours off",
        "write the offset (+09:00, or Z for UTC) into its times, or set their zone";
    CollectedOff, "collected_off", Wrong,
        "the row collected last wins a slot: with clocks nine hours apart, old rows win",
        "write the offset into collected_at, or set the zone";
    CollectedInFuture, "collected_in_future", Wrong,
        "the row collected last wins a slot: a row from the future always wins",
        "check the collector's clock and zone";
    ManyTitles, "many_titles", Wrong,
        "titles with one code count as one product: unrelated products would share a verdict",
        "leave listing_id empty where the shop gives a placeholder";
    Copies, "copies", Wrong,
        "duplicate broadcasts are merged, but duplicate events count every time",
        "check whether the folder has a file twice, or a job ran twice";
    NeverFilled, "never_filled", Note,
        "everything computed from the column goes without it",
        "nothing if the source has no such field; otherwise check its name and path in the collector";
    ShopNeverFills, "shop_never_fills", Note,
        "everything computed from the column goes without this shop",
        "nothing if the shop shows no such field; otherwise check its collector";
    StoppedFilling, "stopped_filling", Wrong,
        "a page with a new layout still gives rows, but without the field",
        "check the shop's page and collector";
    MostlyDropped, "mostly_dropped", Wrong,
        "dropped values count as missing",
        "compare the examples below with docs/input.md, and fix the source";
    SetAside, "set_aside", Wrong,
        "rows set aside are lost: their products may seem new later",
        "fix the most common reason below at its source";
    BarrenFile, "barren_file", Wrong,
        "a build uses no row of the file",
        "check the file; remove it if it does not belong there";
    ShopSetAside, "shop_set_aside", Wrong,
        "much of this shop is lost, however small the share of the whole table",
        "fix the most common reason below at the shop's collector";
    NamesAlike, "names_alike", Wrong,
        "two spellings count as two names: codes, schedules and events of one do not match those of the other",
        "write one name everywhere";
    OneTimeOfDay, "one_time_of_day", Wrong,
        "a date without its time puts all broadcasts of a day into one slot",
        "write date and time into starts_at";
    MixedOffsets, "mixed_offsets", Note,
        "times without an offset count as Korean time; if the collector writes UTC, they are nine hours off",
        "nothing if they are Korean time; otherwise set the zone";
    OutsizedUser, "outsized_user", Wrong,
        "one id with so many events is a default, a bot or a test, and would skew everybody's order",
        "check the row; omit the id if nobody is signed in";
    Nobody, "nobody", Note,
        "a placeholder is not a user: these events are set aside, and count for nobody's order",
        "nothing if these are visitors; to count them, write a device's name into viewer";
    JoinsNoListing, "joins_no_listing", Wrong,
        "events without a known listing teach no taste and count for no order",
        "compare shop and listing_id of the two tables";
    JoinsNoChannel, "joins_no_channel", Wrong,
        "the live order learns nothing from them",
        "write channels as in broadcasts";
    JoinsNoTab, "joins_no_tab", Wrong,
        "the tab bar learns nothing from them",
        "write tab ids as in the table tabs";
    NightByDay, "night_by_day", Wrong,
        "preferences by time of day would be learned nine hours off",
        "write the offset into `at`, or set the zone";
    EventsInFuture, "events_in_future", Wrong,
        "events after the build's time are set aside: the latest are missing",
        "check the zone of `at`: Korean time labelled UTC is nine hours ahead";
    EventsEnded, "events_ended", Wrong,
        "tastes and orders depend on recent events",
        "check the job that writes events";
    OneKind, "one_kind", Note,
        "impressions and views alone say little about tastes",
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
