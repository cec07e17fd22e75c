//! The zones of times that tables write without an offset.

use std::str::FromStr;

use crate::check::{Broadcasts, Events, Table, Tabs};
use crate::value::Zone;
use crate::{Column, MAX_COLUMNS, Shape};

/// The zone of a table's or a column's times: `UTC`, `events=UTC`,
/// `broadcasts.collected_at=+09:00`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneSetting {
    /// The table; `None` for all.
    table: Option<&'static str>,
    /// The column; `None` for all of the table.
    column: Option<&'static str>,
    zone: Zone,
}

/// Why a zone setting can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ZoneError {
    /// There is no such zone.
    #[error("unknown zone \"{zone}\": write UTC, an offset such as +09:00, or a name such as Asia/Seoul")]
    Zone {
        /// The given zone.
        zone: String,
    },
    /// There is no such table or column of times.
    #[error("\"{place}\" has no time column; the time columns are {}", places().join(", "))]
    Place {
        /// The given table or column.
        place: String,
    },
}

/// The tables and their columns, of which those of times are used.
const TABLES: [(&str, &[Column]); 3] =
    [(Broadcasts::NAME, Broadcasts::COLUMNS), (Events::NAME, Events::COLUMNS), (Tabs::NAME, Tabs::COLUMNS)];

fn times(columns: &'static [Column]) -> impl Iterator<Item = &'static str> {
    columns.iter().filter(|column| column.shape == Shape::Time).map(|column| column.name)
}

fn places() -> Vec<String> {
    TABLES.into_iter().flat_map(|(table, columns)| times(columns).map(move |name| format!("{table}.{name}"))).collect()
}

impl FromStr for ZoneSetting {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        let (place, zone) = text.split_once('=').map_or((None, text), |(place, zone)| (Some(place), zone));
        let zone = Zone::parse(zone).ok_or_else(|| ZoneError::Zone { zone: zone.to_owned() })?;
        let Some(place) = place else { return Ok(Self { table: None, column: None, zone }) };
        let (wanted, column) = place.split_once('.').map_or((place, None), |(table, column)| (table, Some(column)));
        let wrong = || ZoneError::Place { place: place.to_owned() };
        let (table, columns) = TABLES.into_iter().find(|(name, _)| *name == wanted).ok_or_else(wrong)?;
        let column = match column {
            Some(wanted) => Some(times(columns).find(|name| *name == wanted).ok_or_else(wrong)?),
            None if times(columns).next().is_none() => return Err(wrong()),
            None => None,
        };
        Ok(Self { table: Some(table), column, zone })
    }
}

/// The zone settings of all tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zones(Vec<ZoneSetting>);

impl Zones {
    /// The zones of `settings`: a setting for a column precedes one for its table, and that one for
    /// all tables; of two alike, the later counts.
    pub fn new(settings: Vec<ZoneSetting>) -> Self {
        Self(settings)
    }

    /// The zones of a table's columns by place; `None` if there is no setting.
    pub fn of<T: Table>(&self) -> [Option<Zone>; MAX_COLUMNS] {
        let mut zones = [None; MAX_COLUMNS];
        for (zone, column) in zones.iter_mut().zip(T::COLUMNS) {
            let fits = |setting: &&ZoneSetting| {
                setting.table.is_none_or(|table| table == T::NAME)
                    && setting.column.is_none_or(|name| name == column.name)
            };
            let rank = |setting: &&ZoneSetting| (setting.table.is_some(), setting.column.is_some());
            *zone = self.0.iter().filter(fits).max_by_key(rank).map(|setting| setting.zone);
        }
        zones
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones(settings: &[&str]) -> Zones {
        Zones::new(settings.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn the_nearest_setting_counts_and_of_two_alike_the_later() {
        let told =
            zones(&["broadcasts.collected_at=UTC", "+01:00", "broadcasts=+02:00", "events=KST", "events=+03:00"]);
        let hours = |hours: i64| Some(Zone::Offset(hours * 3_600_000));
        let of = |name: &str| {
            let place = Broadcasts::COLUMNS.iter().position(|column| column.name == name).unwrap();
            told.of::<Broadcasts>()[place]
        };
        assert_eq!((of("starts_at"), of("collected_at")), (hours(2), hours(0)));
        assert_eq!((told.of::<Events>()[1], told.of::<Tabs>()[0]), (hours(3), hours(1)));
        assert_eq!(Zones::default().of::<Events>(), [None; MAX_COLUMNS]);
    }

    #[test]
    fn settings_that_name_nothing_are_refused_with_what_there_is() {
        for (text, word) in [
            ("Seoul", "Asia/Seoul"),
            ("broadcasts=", "unknown zone"),
            ("broadcast=UTC", "broadcasts.collected_at"),
            ("broadcasts.title=UTC", "broadcasts.starts_at"),
            ("tabs=UTC", "events.at"),
            ("events.at.x=UTC", "events.at"),
        ] {
            let error = text.parse::<ZoneSetting>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
