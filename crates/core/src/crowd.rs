//! A per-board cache of viewer-independent scores and rendered items. Everything in it follows from
//! the board and the time, so answers are the same with and without it.

use std::cmp::Reverse;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::mix::Half;
use crate::pack::pulse::Pulse;
use crate::rank::{Candidate, Head, Keyed, Leaning, pulse_points, score, sort};
use crate::signal::SurfaceWeights;
use crate::time::UnixMillis;

/// Cached ranking steps (each with its pulse) per set of weights: the current one, and one that
/// somebody is still paging through.
const STEPS: usize = 2;
/// The most cached [`Crowd`]s if experiment variants have shared scores of their own. Beyond this,
/// the least recently used one is evicted.
const MOST_CROWDS: usize = 12;
/// The most bytes of cached items, at about a thousand per item; the cache is cleared when it would
/// exceed this.
const MAX_ITEM_BYTES: usize = 3 * 1024 * 1024;

/// The cache beside a board. The locks only make boards shareable between threads; nobody waits for
/// one.
#[derive(Default)]
pub struct Shared {
    crowds: Mutex<Vec<Arc<Crowd>>>,
    items: Mutex<Items>,
}

impl Shared {
    /// The crowd that was `asked` for, from the cache or made by `make`. `sets` counts the sets of
    /// weights with crowds of their own; the cache holds a few ranking steps of each.
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

    /// The rendered items.
    pub fn items(&self) -> &Mutex<Items> {
        &self.items
    }

    /// The approximate size of the cache in bytes.
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

/// The key of a board's crowd: the weights (viewer-dependent ones make no difference), the ranking
/// step and the pulse.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'p> {
    /// Weights of the signals.
    pub weights: SurfaceWeights,
    /// The ranking step: the time that scores are computed for.
    pub ranked_at: UnixMillis,
    /// The pulse, if any.
    pub pulse: Option<&'p Pulse>,
}

/// A product on its board's list.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'b> {
    /// Its entry in the crowd.
    pub member: Member,
    /// The inputs to its score.
    pub candidate: Candidate<'b>,
}

/// The candidates of a board at a ranking step, ordered by the start of their first broadcast and
/// then by id, in contiguous arrays.
#[derive(Debug)]
pub struct Crowd {
    ranked_at: UnixMillis,
    weights: SurfaceWeights,
    /// The pulse's number, 0 for none.
    pulse: u32,
    members: Vec<Member>,
    /// One per member, in the same order. Kept apart because scoring a list reads them for every
    /// candidate.
    heads: Vec<Head>,
    /// The vectors of all members, concatenated in the same order.
    vectors: Vec<u8>,
    dimensions: usize,
    /// When the first broadcasts end, ascending.
    ends: Vec<UnixMillis>,
}

/// A candidate, without the inputs of its score.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// The product's index on the board.
    pub index: usize,
    /// The product's id.
    pub id: u64,
    /// When its first broadcast ends.
    pub ends_at: UnixMillis,
    /// The index of its category, if it has one.
    pub category: Option<usize>,
    /// How often it had been shown by the time the board was built.
    pub shown: u8,
    /// Whether it stands behind the rest, as it is sold out.
    pub is_last: bool,
}

impl Crowd {
    /// Builds the crowd from `listed`, in which products with equal starts must go by id. Their
    /// vectors have `dimensions` elements each.
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

    /// The number of members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The number of first broadcasts that end after `from` and by `until`.
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

    /// The scores of all members, in order: the shared score, plus the points of the tastes behind
    /// `leaning` by the `half` of the vectors that counts.
    pub fn scores(&self, leaning: Option<&Leaning<'_>>, half: Half) -> Vec<i64> {
        let Some(leaning) = leaning else { return self.heads.iter().map(|head| head.shared).collect() };
        leaning.scores(&self.heads, &self.vectors, self.dimensions, half.range())
    }

    fn bytes(&self) -> usize {
        let (members, heads) = (size_of_val(self.members.as_slice()), size_of_val(self.heads.as_slice()));
        [self.vectors.len(), members, heads].into_iter().fold(size_of_val(self.ends.as_slice()), usize::saturating_add)
    }
}

/// Rendered items, each with the period for which it is valid.
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
    /// Appends item `key` to `out` as rendered for `now`: from the cache, or by `write`, which
    /// returns the end of the item's validity.
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
