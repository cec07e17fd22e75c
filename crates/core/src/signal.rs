//! Signals: the components of scores. Each is declared here and nowhere else; weights, scores,
//! rules and explanations follow from the list.
//!
//! A new signal needs a row in the last group of [`crate::signals!`], its value in `rank.rs`, a
//! version of the packs with room for its weight (`pack/FORMAT.md`), and its texts for people:
//! `docs/ranking.md`, and the page's names, which `tests/it/declaration.rs` checks.

use serde::{Deserialize, Serialize};

/// Passes the list of signals to the macro `$then` in three groups: the weighed signals that packs
/// store first, signals that are plain points, and the other weighed signals. Scores list their
/// parts, and packs store the weights, in the order of the list. A row is the signal's meaning, its
/// name, its Korean name, and its Korean reasons for a good place and for a worse one.
#[macro_export]
macro_rules! signals {
    ($then:ident) => {
        $then! {
            weighed {
                /// Agreement of the viewer's vector with the product's; for tabs, the viewer's
                /// weight for the tab.
                taste "취향" "취향과 잘 맞고" "취향과 덜 맞고";
                /// The viewer's weight for the broadcast's channel.
                channel "채널" "자주 보는 채널이고" "덜 보는 채널이고";
                /// The viewer's weight for the broadcast's 3-hour stretch of the day.
                hour "시간대" "자주 보는 시간대이고" "덜 보는 시간대이고";
                /// Nearness of the broadcast's start.
                soon "방송까지 남은 시간" "방송이 가깝고" "방송이 아직 멀고";
                /// Whether it is on air.
                on_air "방송 중" "지금 방송 중이고" "방송 중이 아니고";
                /// Everybody's demand for the product.
                popularity "인기" "찾는 사람이 많고" "찾는 사람이 적고";
                /// For tabs, the position in the shared order.
                position "기본 순서" "기본 순서가 앞이고" "기본 순서가 뒤이고";
            }
            points {
                /// The viewer's short-term memory of this very product: below 0 if they saw it and
                /// passed it over.
                memory "짧은 기억" "최근 관심과 가깝고" "최근에 보고 지나쳤고";
                /// The operators' rules: above 0 for a boost, below 0 to bury.
                rules "운영 규칙" "운영 규칙이 올렸고" "운영 규칙이 내렸고";
                /// Credit for time already on air: a newcomer must win by a margin to pass.
                stay "방송을 이어 온 시간" "이미 방송 중이던 자리이고" "";
            }
            weighed {
                /// The current demand of viewers; 0 for tabs.
                pulse since 2 "지금의 관심" "지금 찾는 사람이 많고" "지금 찾는 사람이 더러 있고";
            }
        }
    };
}

macro_rules! declare {
    (
        weighed { $($(#[$about:meta])* $name:ident $korean:literal $good:literal $bad:literal;)* }
        points { $($(#[$about_points:meta])* $points:ident $korean_points:literal $good_points:literal $bad_points:literal;)* }
        weighed { $($(#[$about_later:meta])* $later:ident since $since:literal $korean_later:literal $good_later:literal $bad_later:literal;)* }
    ) => {
        /// The weight of each signal on a surface. Weights are relative to each other; 0 disables a
        /// signal.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct SurfaceWeights {
            $($(#[$about])* pub $name: i32,)*
            $($(#[$about_later])* pub $later: i32,)*
        }

        /// The number of signals with a weight.
        pub const WEIGHED: usize = [$(stringify!($name),)* $(stringify!($later),)*].len();

        /// Signals that the first format of packs had no weight for, each with the first that has.
        pub const SINCE: &[(&str, u16)] = &[$((stringify!($later), $since),)*];

        impl SurfaceWeights {
            /// The weights, in the order of packs.
            pub fn fields(&self) -> [i32; WEIGHED] {
                [$(self.$name,)* $(self.$later,)*]
            }

            pub(crate) fn fields_mut(&mut self) -> [&mut i32; WEIGHED] {
                let Self { $($name,)* $($later,)* } = self;
                [$($name,)* $($later,)*]
            }

            /// Builds the weights from the array of [`Self::fields`].
            pub fn from_fields([$($name,)* $($later,)*]: [i32; WEIGHED]) -> Self {
                Self { $($name,)* $($later,)* }
            }

            /// The weights with their signals' names.
            pub fn named(&self) -> [(&'static str, i32); WEIGHED] {
                [$((stringify!($name), self.$name),)* $((stringify!($later), self.$later),)*]
            }
        }

        /// A score by part. The parts add up to the total; `docs/ranking.md` explains each.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct Score {
            $($(#[$about])* pub $name: i64,)*
            $($(#[$about_points])* pub $points: i64,)*
            $($(#[$about_later])* pub $later: i64,)*
        }

        /// The number of all signals.
        pub const ALL: usize = [$(stringify!($name),)* $(stringify!($points),)* $(stringify!($later),)*].len();

        /// Each signal's name with its Korean reasons: for a good place, and for a worse one.
        pub const REASONS: [(&str, &str, &str); ALL] = [
            $((stringify!($name), $good, $bad),)*
            $((stringify!($points), $good_points, $bad_points),)*
            $((stringify!($later), $good_later, $bad_later),)*
        ];

        /// Each signal's name with its Korean name.
        pub const KOREAN: [(&str, &str); ALL] = [
            $((stringify!($name), $korean),)*
            $((stringify!($points), $korean_points),)*
            $((stringify!($later), $korean_later),)*
        ];

        impl Score {
            /// The parts with their names, in display order.
            pub fn parts(&self) -> [(&'static str, i64); ALL] {
                [
                    $((stringify!($name), self.$name),)*
                    $((stringify!($points), self.$points),)*
                    $((stringify!($later), self.$later),)*
                ]
            }
        }
    };
}

signals!(declare);

impl Score {
    /// The sum of the parts, saturating at 64 bits. Every part except `stay` is at most a 32-bit
    /// weight times a 26-bit signal, so only a pack with an absurdly long broadcast comes near the
    /// limit.
    pub fn total(&self) -> i64 {
        self.parts().into_iter().fold(0, |sum: i64, (_, part)| sum.saturating_add(part))
    }
}

/// How many weights packs of `version` have of a surface: the first ones of
/// [`SurfaceWeights::fields`].
pub fn weighed_in(version: u16) -> usize {
    WEIGHED.saturating_sub(SINCE.iter().filter(|(_, since)| *since > version).count())
}

/// The first format of packs that has a weight for `signal`.
pub fn since(signal: &str) -> u16 {
    SINCE.iter().find(|(name, _)| *name == signal).map_or(1, |(_, since)| *since)
}
