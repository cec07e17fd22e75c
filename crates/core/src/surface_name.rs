//! The surfaces of the app, each declared here and nowhere else: weights, rules, events and
//! explanations follow from the list.
//!
//! A new surface needs a row in [`crate::surfaces!`], a module in `surface/` that selects and
//! orders its items, an arm in `surface.rs`, a route in the Worker's `request.rs` and `reply.rs`,
//! and a version of the packs with room for its weights (`pack/FORMAT.md`).

use serde::{Deserialize, Serialize};

/// Passes the list of surfaces to the macro `$then`. A row is the variant, the name in routes,
/// rules, events and packs, the first format of packs that stores its weights, the Korean name, and
/// whether it lists `products` or `tabs`. Packs store the surfaces in this order: a new one comes
/// last.
#[macro_export]
macro_rules! surfaces {
    ($then:ident) => {
        $then! {
            /// The new-product tab.
            New new since 1 "신상품 탭" products;
            /// The live order.
            Live live since 1 "생방송" products;
            /// The top tabs.
            Tabs tabs since 1 "상단탭" tabs;
        }
    };
}

/// Joins names for readers: `new, live and tabs`.
macro_rules! in_words {
    ($last:ident) => { stringify!($last) };
    ($one:ident $last:ident) => { concat!(stringify!($one), " and ", stringify!($last)) };
    ($one:ident $($rest:ident)+) => { concat!(stringify!($one), ", ", in_words!($($rest)+)) };
}

macro_rules! declare {
    ($($(#[$about:meta])* $variant:ident $name:ident since $since:literal $korean:literal $lists:ident;)*) => {
        /// A surface of the app.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Surface {
            $($(#[$about])* $variant,)*
        }

        impl Surface {
            /// All surfaces, in the order of packs.
            pub const ALL: [Self; [$(stringify!($name),)*].len()] = [$(Self::$variant,)*];

            /// The error text for a name that is not a surface's.
            pub const NONE_OF: &'static str = concat!("none of ", in_words!($($name)*));

            /// Its name in routes, rules, events and packs.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($name),)*
                }
            }

            /// The first format of packs that stores its weights.
            pub fn since(self) -> u16 {
                match self {
                    $(Self::$variant => $since,)*
                }
            }

            /// The name in Korean texts.
            pub fn korean(self) -> &'static str {
                match self {
                    $(Self::$variant => $korean,)*
                }
            }

            /// Whether it lists products; directives, a lab's vectors and explanations apply to
            /// such surfaces only.
            pub fn lists_products(self) -> bool {
                match self {
                    $(Self::$variant => matches!(stringify!($lists).as_bytes(), b"products"),)*
                }
            }
        }

        /// A value for each surface.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct PerSurface<T: Default> {
            $($(#[$about])* pub $name: T,)*
        }

        impl<T: Default> PerSurface<T> {
            /// Calls `make` for each surface.
            pub fn of(mut make: impl FnMut(Surface) -> T) -> Self {
                Self { $($name: make(Surface::$variant),)* }
            }

            /// Borrows the values, in the order of [`Surface::ALL`].
            pub fn each(&self) -> [(Surface, &T); Surface::ALL.len()] {
                [$((Surface::$variant, &self.$name),)*]
            }

            /// Borrows the values mutably, in the order of [`Surface::ALL`].
            pub fn each_mut(&mut self) -> [(Surface, &mut T); Surface::ALL.len()] {
                [$((Surface::$variant, &mut self.$name),)*]
            }

            /// The value for `surface`.
            pub fn get(&self, surface: Surface) -> &T {
                match surface {
                    $(Surface::$variant => &self.$name,)*
                }
            }
        }
    };
}

surfaces!(declare);

impl Surface {
    /// The surface with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|surface| surface.as_str() == name)
    }

    /// The surfaces that list products.
    pub fn of_products() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|surface| surface.lists_products())
    }

    /// How many surfaces packs of `version` store weights of: the first ones of the list.
    pub fn stored_in(version: u16) -> usize {
        Self::ALL.into_iter().filter(|surface| surface.since() <= version).count()
    }

    /// Its bit in packs: bit 0 for the first surface of the list, and so on.
    pub fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Existing packs, events and rules contain these.
    #[test]
    fn names_and_bits_stay_as_they_were_published() {
        let told = Surface::ALL.map(|surface| (surface.as_str(), surface.bit(), surface.lists_products()));
        assert_eq!(told, [("new", 1, true), ("live", 2, true), ("tabs", 4, false)]);
        assert_eq!(Surface::NONE_OF, "none of new, live and tabs");
        assert!(Surface::ALL.into_iter().all(|surface| Surface::parse(surface.as_str()) == Some(surface)));
        assert_eq!(Surface::parse("home"), None);
    }
}
