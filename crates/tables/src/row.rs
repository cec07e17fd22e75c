//! Typed rows as cells: what stages, writes or checks a table asks its row type for the fields, so
//! that a field is declared once, in [`mod@crate::table`].

use sinsang_core::event::EventKind;
use sinsang_core::time::UnixMillis;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number from 0.
    Count,
    /// A time, in milliseconds since 1970.
    Time,
    /// Yes or no.
    Flag,
}

/// A field of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The column's name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether a row may lack it.
    pub is_optional: bool,
}

impl Field {
    /// A field of type `T`.
    pub const fn of<T: AsCell>(name: &'static str) -> Self {
        Self { name, kind: T::KIND, is_optional: T::IS_OPTIONAL }
    }
}

/// The value of a field; `None` where the row lacks it. The variant follows from the field's
/// [`Kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Of [`Kind::Text`].
    Text(Option<&'a str>),
    /// Of [`Kind::Count`].
    Count(Option<u32>),
    /// Of [`Kind::Time`].
    Time(Option<UnixMillis>),
    /// Of [`Kind::Flag`].
    Flag(Option<bool>),
}

/// A row of a table.
pub trait Row {
    /// The fields, in the order of the columns.
    const FIELDS: &'static [Field];

    /// Hands out the values in the order of [`Self::FIELDS`].
    fn cells<'a>(&'a self, put: impl FnMut(Cell<'a>));
}

/// A type that fields have.
pub trait AsCell {
    /// What it holds.
    const KIND: Kind;
    /// Whether it may be nothing.
    const IS_OPTIONAL: bool = false;

    /// The value.
    fn cell(&self) -> Cell<'_>;
}

macro_rules! as_cell {
    ($($type:ty: $kind:ident |$value:ident| $cell:expr;)*) => {
        $(impl AsCell for $type {
            const KIND: Kind = Kind::$kind;

            fn cell(&self) -> Cell<'_> {
                let $value = self;
                Cell::$kind(Some($cell))
            }
        })*
    };
}

as_cell! {
    String: Text |text| text.as_str();
    &'static str: Text |text| text;
    EventKind: Text |kind| kind.as_str();
    u32: Count |count| *count;
    u16: Count |count| u32::from(*count);
    UnixMillis: Time |at| *at;
    bool: Flag |flag| *flag;
}

impl<T: AsCell> AsCell for Option<T> {
    const KIND: Kind = T::KIND;
    const IS_OPTIONAL: bool = true;

    fn cell(&self) -> Cell<'_> {
        match (self, T::KIND) {
            (Some(value), _) => value.cell(),
            (None, Kind::Text) => Cell::Text(None),
            (None, Kind::Count) => Cell::Count(None),
            (None, Kind::Time) => Cell::Time(None),
            (None, Kind::Flag) => Cell::Flag(None),
        }
    }
}

/// Declares the type of a table's rows, and its [`Row`].
macro_rules! row {
    (
        $(#[$about:meta])*
        pub struct $row:ident $(<$($param:ident = $default:ty),*>)? {
            $($(#[$doc:meta])* pub $name:ident: $type:ty,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $row $(<$($param = $default),*>)? {
            $($(#[$doc])* pub $name: $type,)*
        }

        impl $(<$($param: $crate::row::AsCell),*>)? $crate::row::Row for $row $(<$($param),*>)? {
            const FIELDS: &'static [$crate::row::Field] = &[$($crate::row::Field::of::<$type>(stringify!($name)),)*];

            fn cells<'a>(&'a self, mut put: impl FnMut($crate::row::Cell<'a>)) {
                $(put($crate::row::AsCell::cell(&self.$name));)*
            }
        }
    };
}

pub(crate) use row;
