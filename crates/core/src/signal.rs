//! Signals: what scores are made of. Each is declared here and nowhere else; weights, scores, rules and explanations follow from the list.
//!
//! A new signal is a row in the last group of [`crate::signals!`], its value in `rank.rs`, a version of the packs that has room for its weight
//! (`pack/FORMAT.md`), and what people read of it: `docs/ranking.md`, and the page's names, which `tests/it/signal.rs` looks for.

use serde::{Deserialize, Serialize};

/// Hands the list of signals to the macro `$then`: those whose weight packs have first, those that are points as they are, and the other weighed ones.
/// Scores tell their parts in the order of the list; packs have the weights in it. A row is what it is worth, its name, and what it says in Korean for
/// a good place and for a worse one.
#[macro_export]
macro_rules! signals {
    ($then:ident) => {
        $then! {
            weighed {
                /// Agreement of the viewer's vector with the product's; for tabs, the viewer's weight of the tab.
                taste "취향과 잘 맞고" "취향과 덜 맞고";
                /// The viewer's weight of the broadcast's channel.
                channel "자주 보는 채널이고" "덜 보는 채널이고";
                /// The viewer's weight of the broadcast's three-hour stretch of the day.
                hour "자주 보는 시간대이고" "덜 보는 시간대이고";
                /// How near the broadcast is.
                soon "방송이 가깝고" "방송이 아직 멀고";
                /// Whether it is on air.
                on_air "지금 방송 중이고" "방송 중이 아니고";
                /// How much everybody looks for the product.
                popularity "찾는 사람이 많고" "찾는 사람이 적고";
                /// For tabs, the place in the shared order.
                position "기본 순서가 앞이고" "기본 순서가 뒤이고";
            }
            points {
                /// What the viewer's short memory says of this very product: below 0 where they were shown it and passed it over.
                memory "최근 관심과 가깝고" "최근에 보고 지나쳤고";
                /// The operators' rules: above 0 where it is boosted, below where it is buried.
                rules "운영 규칙이 올렸고" "운영 규칙이 내렸고";
                /// Having been on air for a while, so that a newcomer has to be better by something to pass.
                stay "이미 방송 중이던 자리이고" "";
            }
            weighed {
                /// What viewers want at the moment; tabs have none.
                pulse "지금 찾는 사람이 많고" "지금 찾는 사람이 더러 있고";
            }
        }
    };
}

macro_rules! declare {
    (
        weighed { $($(#[$about:meta])* $name:ident $good:literal $bad:literal;)* }
        points { $($(#[$about_points:meta])* $points:ident $good_points:literal $bad_points:literal;)* }
        weighed { $($(#[$about_later:meta])* $later:ident $good_later:literal $bad_later:literal;)* }
    ) => {
        /// How much each signal counts on a surface. Weights are relative to each other; 0 switches a signal off.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct SurfaceWeights {
            $($(#[$about])* pub $name: i32,)*
            $($(#[$about_later])* pub $later: i32,)*
        }

        /// Signals that have a weight.
        pub const WEIGHED: usize = [$(stringify!($name),)* $(stringify!($later),)*].len();

        impl SurfaceWeights {
            /// In the order in which packs have them.
            pub fn fields(&self) -> [i32; WEIGHED] {
                [$(self.$name,)* $(self.$later,)*]
            }

            pub(crate) fn fields_mut(&mut self) -> [&mut i32; WEIGHED] {
                let Self { $($name,)* $($later,)* } = self;
                [$($name,)* $($later,)*]
            }

            /// The weights of these [`Self::fields`].
            pub fn from_fields([$($name,)* $($later,)*]: [i32; WEIGHED]) -> Self {
                Self { $($name,)* $($later,)* }
            }

            /// By name.
            pub fn named(&self) -> [(&'static str, i32); WEIGHED] {
                [$((stringify!($name), self.$name),)* $((stringify!($later), self.$later),)*]
            }
        }

        /// A score, by part. The parts add up to the total; `docs/ranking.md` says what each means.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct Score {
            $($(#[$about])* pub $name: i64,)*
            $($(#[$about_points])* pub $points: i64,)*
            $($(#[$about_later])* pub $later: i64,)*
        }

        /// All signals.
        pub const ALL: usize = [$(stringify!($name),)* $(stringify!($points),)* $(stringify!($later),)*].len();

        /// What each signal says in Korean, by name: as a reason for a good place, and as one for a worse place.
        pub const REASONS: [(&str, &str, &str); ALL] = [
            $((stringify!($name), $good, $bad),)*
            $((stringify!($points), $good_points, $bad_points),)*
            $((stringify!($later), $good_later, $bad_later),)*
        ];

        impl Score {
            /// The parts by name, in the order in which they are shown.
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
    /// The sum of the parts, or the end of 64 bits that it passes. Each part but `stay` is at most a weight of 32 bits times a signal of 26,
    /// so that only a pack whose broadcast lasts for ages comes near.
    pub fn total(&self) -> i64 {
        self.parts().into_iter().fold(0, |sum: i64, (_, part)| sum.saturating_add(part))
    }
}
