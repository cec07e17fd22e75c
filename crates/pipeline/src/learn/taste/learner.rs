//! The choice of users to train on.

use std::collections::BTreeMap;

/// Users to train on: those with the smallest hashes. Devices are trained on only if no user is
/// signed in: anybody can invent devices, and training shapes what everybody sees. `T` is what is
/// kept of a user.
pub(super) struct Learners<T> {
    most: usize,
    signed: BTreeMap<(i64, String), T>,
    devices: BTreeMap<(i64, String), T>,
}

impl<T> Learners<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, signed: BTreeMap::new(), devices: BTreeMap::new() }
    }

    fn of(&mut self, is_device: bool) -> &mut BTreeMap<(i64, String), T> {
        if is_device { &mut self.devices } else { &mut self.signed }
    }

    /// Whether the hash may be among the smallest.
    pub(super) fn wants(&mut self, hash: i64, is_device: bool) -> bool {
        let most = self.most;
        let kept = self.of(is_device);
        kept.len() < most || kept.last_key_value().is_some_and(|((last, _), _)| hash <= *last)
    }

    pub(super) fn add(&mut self, hash: i64, user: &str, is_device: bool, lesson: T) {
        let most = self.most;
        let kept = self.of(is_device);
        kept.insert((hash, user.to_owned()), lesson);
        if kept.len() > most {
            kept.pop_last();
        }
    }

    /// What was added for the chosen users, ordered by user: the order of rows affects the last
    /// digits of sums, and must not depend on the buckets.
    pub(super) fn chosen(self) -> impl Iterator<Item = T> {
        let chosen = if self.signed.is_empty() { self.devices } else { self.signed };
        let by_user: BTreeMap<String, T> = chosen.into_iter().map(|((_, user), lesson)| (user, lesson)).collect();
        by_user.into_values()
    }
}

#[cfg(test)]
mod tests {
    use sinsang_taste::History;

    use super::*;

    /// Users chosen of the given numbers of signed-in users and devices, with a limit of 10: the
    /// signed-in ones, and all.
    fn chosen(signed: i64, devices: i64) -> (usize, usize) {
        let mut learners = Learners::new(10);
        // The strength marks the kind of user; devices have the smallest hashes.
        for (count, is_device) in [(signed, false), (devices, true)] {
            for number in 0..count {
                let hash = if is_device { number } else { 1_000 + number };
                if learners.wants(hash, is_device) {
                    let strength = if is_device { 1.0 } else { 2.0 };
                    let history = History { strengths: vec![(0, strength)], ..History::default() };
                    learners.add(hash, &format!("{hash:016x}"), is_device, history);
                }
            }
        }
        let all: Vec<f64> = learners.chosen().map(|history| history.strengths[0].1).collect();
        (all.iter().filter(|strength| **strength > 1.5).count(), all.len())
    }

    #[test]
    fn devices_are_trained_on_only_where_nobody_is_signed_in() {
        for ((signed, devices), expected) in [
            ((20, 100_000), (10, 10)),
            ((3, 100_000), (3, 3)),
            ((2, 1), (2, 2)),
            ((20, 0), (10, 10)),
            ((0, 100), (0, 10)),
        ] {
            assert_eq!(chosen(signed, devices), expected, "{signed} signed in, {devices} devices");
        }
    }
}
