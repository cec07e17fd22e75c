//! What answers from one board have in common for a while, worked out once: the parts of scores that depend on no viewer, and items as they
//! are written. All of it follows from the board and the time, so that an answer is the same with it and without.

use std::cmp::Reverse;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::mix::Half;
use crate::pack::pulse::Pulse;
use crate::rank::{Candidate, Keyed, Leaning, QUICK_DIMS, pulse_points, score, sort};
use crate::signal::SurfaceWeights;
use crate::time::UnixMillis;

/// Ranking steps, each with a pulse, that are remembered: the present one, and one that somebody is paging through.
const STEPS: usize = 2;
/// The most [`Crowd`]s that are remembered where variants of experiments have shared scores of their own. Beyond these, the one that was
/// asked for longest ago is worked out anew.
const MOST_CROWDS: usize = 12;
/// Most bytes of items that are remembered; what is beyond begins anew. An item has about a thousand.
const MAX_ITEM_BYTES: usize = 3 * 1024 * 1024;

/// What is remembered beside a board. The locks only let boards be shared between threads; nobody waits for one.
#[derive(Default)]
pub struct Shared {
    crowds: Mutex<Vec<Arc<Crowd>>>,
    items: Mutex<Items>,
}

impl Shared {
    /// The crowd that was `asked` for: the one that is remembered, or what `make` makes. Of as many sets of weights as have crowds of their own,
    /// which `sets` tells, each is remembered for a few steps.
    pub fn crowd(
        &self,
        asked: Asked<'_>,
        sets: impl FnOnce() -> usize,
        make: impl Fn(Asked<'_>) -> Crowd,
    ) -> Arc<Crowd> {
        let asked = Asked { weights: asked.weights.shared(), ..asked };
        let of = || Arc::new(make(asked));
        let key = (asked.ranked_at, asked.pulse.map_or(0, Pulse::number));
        let Ok(mut crowds) = self.crowds.try_lock() else { return of() };
        let is_it = |crowd: &Arc<Crowd>| (crowd.ranked_at, crowd.pulse) == key && crowd.weights == asked.weights;
        if let Some(at) = crowds.iter().position(is_it) {
            if at > 0 {
                let found = crowds.remove(at);
                crowds.insert(0, found);
            }
        } else {
            let most = sets().saturating_mul(STEPS);
            crowds.truncate(most.min(MOST_CROWDS).saturating_sub(1));
            crowds.insert(0, of());
        }
        crowds.first().map_or_else(of, Arc::clone)
    }

    /// The items that have been written.
    pub fn items(&self) -> &Mutex<Items> {
        &self.items
    }

    /// Bytes that are remembered, about.
    pub fn bytes(&self) -> usize {
        let items = self.items.try_lock().map_or(0, |items| items.bytes());
        let crowds = self.crowds.try_lock().map_or(0, |crowds| crowds.iter().map(|crowd| crowd.bytes()).sum::<usize>());
        items.saturating_add(crowds)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("bytes", &self.bytes()).finish()
    }
}

/// Which crowd of a board: by which weights, of which those that depend on the viewer change nothing, at which ranking step, with which pulse.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'p> {
    /// The weights.
    pub weights: SurfaceWeights,
    /// The ranking step.
    pub ranked_at: UnixMillis,
    /// The pulse, where there is one.
    pub pulse: Option<&'p Pulse>,
}

/// A product as its board lists it.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'b> {
    /// What becomes of it.
    pub member: Member,
    /// What scores it.
    pub candidate: Candidate<'b>,
}

/// The candidates of a board at a ranking step, by the start of their first broadcast and then by id, laid out one after the other.
#[derive(Debug)]
pub struct Crowd {
    ranked_at: UnixMillis,
    weights: SurfaceWeights,
    /// The number of the pulse, 0 for none.
    pulse: u32,
    members: Vec<Member>,
    /// Of all members, in their order.
    heads: Vec<Head>,
    /// Of all members, in their order.
    vectors: Vec<u8>,
    dimensions: usize,
    /// When their first broadcasts end, ascending.
    ends: Vec<UnixMillis>,
}

/// A candidate.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// The index of its product.
    pub index: usize,
    /// The product's id.
    pub id: u64,
    /// End of its first broadcast.
    pub ends_at: UnixMillis,
    /// The index of its category.
    pub category: Option<usize>,
    /// How often it had been shown when the board was built.
    pub shown: u8,
}

/// What of a candidate its scores are made from, beside its vector: apart from the rest, for a list reads it of all of them.
#[derive(Clone, Copy, Debug)]
struct Head {
    /// The score that everybody gives it.
    shared: i64,
    /// The index of its first slot's channel, past the last for none.
    channel: u16,
    /// The stretch of the day of its first broadcast, below [`crate::rank::HOUR_BUCKETS`].
    bucket: u8,
}

impl Crowd {
    /// The crowd of the products that `listed` gives in the order of their ids, whose vectors have so many `dimensions`.
    pub fn of<'b>(
        listed: impl Iterator<Item = Listed<'b>>,
        dimensions: usize,
        Asked { weights, ranked_at, pulse }: Asked<'_>,
    ) -> Self {
        let listed: Vec<Listed<'_>> = listed.collect();
        let by = |time: UnixMillis, place: usize| (Reverse(time.0.saturating_neg()), place);
        let starts = listed.iter().zip(0..).map(|(one, place)| by(one.candidate.starts_at, place));
        let ends = listed.iter().map(|one| by(one.member.ends_at, 0));
        let (mut starts, mut ends): (Vec<Keyed>, Vec<Keyed>) = (starts.collect(), ends.collect());
        sort(&mut starts);
        sort(&mut ends);
        let mut crowd = Self {
            ranked_at,
            weights,
            pulse: pulse.map_or(0, Pulse::number),
            members: Vec::with_capacity(listed.len()),
            heads: Vec::with_capacity(listed.len()),
            vectors: Vec::with_capacity(listed.len().saturating_mul(dimensions)),
            dimensions: dimensions.max(1),
            ends: ends.into_iter().map(|(Reverse(end), _)| UnixMillis(end.saturating_neg())).collect(),
        };
        for Listed { member, candidate } in starts.into_iter().filter_map(|(_, place)| listed.get(place)) {
            let shared = score(candidate, None, &weights, ranked_at).total();
            crowd.members.push(*member);
            crowd.heads.push(Head {
                shared: shared.saturating_add(pulse_points(pulse, member.id, &weights)),
                channel: u16::try_from(candidate.channel).unwrap_or(u16::MAX),
                bucket: u8::try_from(candidate.bucket()).unwrap_or(u8::MAX),
            });
            crowd.vectors.extend_from_slice(candidate.vector);
        }
        crowd
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many first broadcasts have ended at `until`, but not at `from`.
    pub fn ended_between(&self, from: UnixMillis, until: UnixMillis) -> usize {
        let ended_at = |at: UnixMillis| self.ends.partition_point(|end| *end <= at);
        ended_at(until).saturating_sub(ended_at(from))
    }

    /// The member at `place`.
    pub fn get(&self, place: usize) -> Option<&Member> {
        self.members.get(place)
    }

    /// All members, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.iter()
    }

    /// The scores of all members in their order: shared, and what the tastes behind `leaning` add by the `half` of vectors that counts.
    pub fn scores(&self, leaning: Option<&Leaning<'_>>, half: Half) -> Vec<i64> {
        let Some(leaning) = leaning else { return self.heads.iter().map(|head| head.shared).collect() };
        let score = |head: &Head, vector: &[u8]| {
            head.shared.wrapping_add(leaning.points(vector, head.channel.into(), head.bucket.into()))
        };
        // Nothing else is done a candidate here, so that the viewer's vector stays in registers; of this width, nothing is asked of it either.
        match self.vectors.as_chunks() {
            (vectors, []) if self.dimensions == QUICK_DIMS && half == Half::default() => {
                let vectors: &[[u8; QUICK_DIMS]] = vectors;
                self.heads.iter().zip(vectors).map(|(head, vector)| score(head, vector)).collect()
            }
            _ => {
                let vectors = self.vectors.chunks_exact(self.dimensions);
                self.heads.iter().zip(vectors).map(|(head, vector)| score(head, half.cut(vector))).collect()
            }
        }
    }

    fn bytes(&self) -> usize {
        let (members, heads) = (size_of_val(self.members.as_slice()), size_of_val(self.heads.as_slice()));
        [self.vectors.len(), members, heads].into_iter().fold(size_of_val(self.ends.as_slice()), usize::saturating_add)
    }
}

/// Items as they stand in answers, each with the time for which it stands so.
#[derive(Debug, Default)]
pub struct Items {
    text: Vec<u8>,
    kept: Vec<Kept>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    start: usize,
    length: usize,
    from: UnixMillis,
    until: UnixMillis,
    trusts_verdicts: bool,
}

impl Items {
    /// Appends item `key` to `out` as it stands at `now`: from memory, or written by `write`, which returns until when it will stand so.
    pub fn append(
        &mut self,
        key: usize,
        now: UnixMillis,
        trusts_verdicts: bool,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>) -> UnixMillis,
    ) {
        let kept = self.kept.get(key).copied().unwrap_or_default();
        let stands = kept.from <= now && now < kept.until && kept.trusts_verdicts == trusts_verdicts;
        if let Some(text) = self.text.get(kept.start..kept.start.saturating_add(kept.length)).filter(|_| stands) {
            out.extend_from_slice(text);
            return;
        }
        let start = out.len();
        let until = write(out);
        let text = out.get(start..).unwrap_or_default();
        if self.text.len().saturating_add(text.len()) > MAX_ITEM_BYTES {
            self.text.clear();
            self.kept.clear();
        }
        if key >= self.kept.len() {
            self.kept.resize(key.saturating_add(1), Kept::default());
        }
        if let Some(kept) = self.kept.get_mut(key) {
            *kept = Kept { start: self.text.len(), length: text.len(), from: now, until, trusts_verdicts };
            self.text.extend_from_slice(text);
        }
    }

    fn bytes(&self) -> usize {
        self.text.capacity().saturating_add(std::mem::size_of_val(self.kept.as_slice()))
    }
}
