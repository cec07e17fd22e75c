//! What an isolate may have used at a time, the most likely first.
//!
//! An isolate answers from what it last saw, and looks again in the background: by each answer, if
//! its last look was half a minute ago. So an isolate that nobody asked for nearly ten minutes
//! answers once from what was live then. KV shows a new value within a minute or more.

use sinsang::memory::{MAX_PULSE_AGE_MS, MAX_PULSE_LEAD_MS, OVERLAY_STALE_MS, STALE_MS};
use sinsang_core::time::{MINUTE_MS, SECOND_MS, UnixMillis};

/// How long KV may show an old value, in milliseconds.
const KV_DELAY_MS: i64 = 90 * SECOND_MS;
/// How far clocks of the edge and of operators' machines may be apart, in milliseconds: a value may
/// seem to be used before it was written.
const SKEW_MS: i64 = 5 * SECOND_MS;
/// How long an isolate may go on with an old manifest.
pub(crate) const MANIFEST_LAG_MS: i64 = STALE_MS + KV_DELAY_MS;
/// How long an isolate may go on with an old overlay.
pub(crate) const OVERLAY_LAG_MS: i64 = OVERLAY_STALE_MS + KV_DELAY_MS;
/// A pulse becomes the latest when the next one is made, a minute later, or as many milliseconds
/// after it was made.
const PULSE_WAIT_MS: i64 = MINUTE_MS;

/// Of values that replaced each other, with the time from which each was the newest, the latest
/// first: those that may have been used at `at` by an isolate that is at most `lag_ms` behind. The
/// newest by then comes first, then older ones, then such as came a moment later.
pub(crate) fn in_use<T: Copy>(values: &[(T, UnixMillis)], at: UnixMillis, lag_ms: i64) -> Vec<T> {
    let later = values.iter().take_while(|(_, since)| *since > at).count();
    let (later, known) = values.split_at(later);
    let mut found: Vec<T> = known.first().map(|(value, _)| *value).into_iter().collect();
    for pair in known.windows(2) {
        // The older one was the newest until the newer one came.
        if let [(_, until), (value, _)] = pair
            && at.since(*until) <= lag_ms
        {
            found.push(*value);
        }
    }
    found.extend(later.iter().rev().filter(|(_, since)| since.since(at) <= SKEW_MS).map(|(value, _)| *value));
    found
}

/// The pulses among `numbers` that an isolate may have ordered by at `at`, the most likely first,
/// and none, as in an isolate that has not looked.
pub(crate) fn pulses(numbers: &[u32], at: UnixMillis) -> Vec<Option<u32>> {
    let made = |number: u32| UnixMillis::from_seconds(number);
    let is_usable =
        |number: &u32| (-MAX_PULSE_LEAD_MS..=MAX_PULSE_AGE_MS + SECOND_MS).contains(&at.since(made(*number)));
    let mut usable: Vec<u32> = numbers.iter().copied().filter(is_usable).collect();
    usable.sort_unstable_by(|one, other| other.cmp(one));
    let next_of = |number: u32| usable.iter().rev().copied().find(|other| *other > number);
    let is_out =
        |number: u32| next_of(number).is_some_and(|next| made(next) <= at) || at.since(made(number)) >= PULSE_WAIT_MS;
    let (out, waiting): (Vec<u32>, Vec<u32>) = usable.iter().partition(|number| is_out(**number));
    out.into_iter().chain(waiting.into_iter().rev()).map(Some).chain([None]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixMillis = UnixMillis(1_800_000_000_000);

    fn at(seconds: i64) -> UnixMillis {
        AT.plus(seconds * SECOND_MS)
    }

    #[test]
    fn the_newest_value_comes_first_and_those_that_an_isolate_may_still_have_had_follow() {
        let values = [('e', at(9)), ('d', at(3)), ('c', at(-20)), ('b', at(-50)), ('a', at(-600))];
        let lag = 40 * SECOND_MS;
        assert_eq!(in_use(&values, AT, lag), ['c', 'b', 'd']);
        assert_eq!(in_use(&values, at(-51), lag), ['a', 'b'], "a moment before it came");
        assert_eq!(in_use(&values, at(-56), lag), ['a']);
        assert_eq!(in_use(&values, at(-50), lag), ['b', 'a']);
        assert_eq!(
            in_use(&values, at(-10), lag),
            ['c', 'b', 'a'],
            "b was the newest half a minute ago, a until 40 s ago"
        );
        assert_eq!(in_use(&values, at(-9), lag), ['c', 'b']);
        assert_eq!(in_use(&values, at(900), lag), ['e']);
        assert_eq!(in_use(&values, at(-700), lag), []);
        assert_eq!(in_use::<char>(&[], AT, lag), []);
    }

    /// Against the definition: a value is possible if it was the newest at some time of the last
    /// `lag`, or comes within the skew.
    #[test]
    fn what_is_possible_is_what_was_newest_at_some_time_of_the_lag() {
        let mut state = 7_u64;
        let mut draw = |most: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i64::try_from((state >> 33) % most).unwrap()
        };
        for _ in 0..500 {
            let lag = draw(90);
            let mut times: Vec<i64> = (0..draw(7)).map(|_| draw(200) - 150).collect();
            times.sort_unstable_by(|one, other| other.cmp(one));
            times.dedup();
            let values: Vec<(i64, UnixMillis)> = times.iter().map(|second| (*second, at(*second))).collect();
            let newest = |second: i64| times.iter().copied().find(|time| *time <= second);
            let mut expected: Vec<i64> = (-lag..=0).rev().filter_map(newest).collect();
            // Until the moment at which it was replaced, a value was the newest.
            expected.extend(times.iter().copied().find(|time| *time < -lag).filter(|_| times.contains(&-lag)));
            expected.extend((1..=5).filter(|second| times.contains(second)));
            expected.dedup();
            assert_eq!(in_use(&values, AT, lag * SECOND_MS), expected, "{times:?}, {lag} s");
        }
    }

    #[test]
    fn a_pulse_is_the_latest_once_the_next_one_is_made() {
        let second = AT.to_seconds();
        let numbers = [second - 700, second - 130, second - 70, second - 9, second + 51];
        let back = |seconds: u32| Some(second - seconds);
        assert_eq!(pulses(&numbers, AT), [back(70), back(130), back(9), Some(second + 51), None]);
        assert_eq!(pulses(&[second - 61], AT), [back(61), None], "the counter stopped after it");
        assert_eq!(pulses(&[second - 20], AT), [back(20), None]);
        assert_eq!(pulses(&[second - 900, second - 601], AT), [back(601), None], "seconds are cut off");
        assert_eq!(pulses(&[], AT), [None]);
    }
}
