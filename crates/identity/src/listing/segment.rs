//! Segmentation of Hangul runs, often written without spaces, into known words and the unknown
//! stretches between them.

use super::words::{Entry, Words};
use super::{Class, Domain};

/// A piece of a run: characters `start..end`, with its entry if it is a known word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) entry: Option<&'a Entry>,
}

/// Cost of a known word, whatever its length.
const KNOWN: u32 = 10;
/// Cost of beginning an unknown stretch.
const UNKNOWN: u32 = 12;
/// Cost of each character of an unknown stretch.
const UNKNOWN_CHAR: u32 = 7;
/// Longer runs are not cut: no word is so long, and the work grows with the square of the length.
const LONGEST_RUN: usize = 48;

#[derive(Clone, Copy)]
struct Best<'a> {
    cost: u32,
    from: usize,
    entry: Option<&'a Entry>,
}

/// Extra cost of a single unknown character between words: 한우물 is a name, not 한우 and 물.
const UNKNOWN_SINGLE: u32 = 5;

/// Whether a word may be part of a run. Variants begin many names (하이드로겔, 에어랩), so they count only
/// at the end. Colours hide in names (올레드) and, like sizes, count only alone. Short designs count
/// only at the head.
fn fits(entry: &Entry, start: usize, end: usize, length: usize) -> bool {
    match entry.class {
        Class::Variant => start >= 2 && end == length,
        Class::Colour | Class::Size => false,
        Class::Design => start == 0 || end - start > 3,
        _ => true,
    }
}

/// Extra cost of a listed syllable at the head of a run.
const HEAD_SYLLABLE: u32 = 6;

/// Whether the run is a kind of thing after one listed syllable of praise, material or gender.
fn heads(run: &[char], words: &Words) -> bool {
    let listed = |text: &[char]| words.get(&text.iter().collect::<String>()).map(|entry| entry.class);
    let (Some(first), Some(rest)) = (run.get(..1), run.get(1..)) else { return false };
    matches!(listed(first), Some(Class::Filler | Class::Material | Class::Male | Class::Female))
        && listed(rest) == Some(Class::Kind)
}

/// Splits a place followed by one syllable of produce: 나주배.
fn grown<'a>(run: &[char], words: &'a Words) -> Option<(usize, &'a Entry, &'a Entry)> {
    let cut = run.len().checked_sub(1).filter(|&cut| cut >= 2)?;
    let entry = |text: &[char]| words.get(&text.iter().collect::<String>());
    let place = entry(run.get(..cut)?).filter(|entry| entry.class == Class::Origin)?;
    let produce = entry(run.get(cut..)?).filter(|entry| entry.class == Class::Flavour)?;
    Some((cut, place, produce))
}

/// The food after a syllable of praise: 꿀참외, 햇양파, 왕만두.
fn praised<'a>(run: &[char], words: &'a Words) -> Option<&'a Entry> {
    const PRAISE: [char; 8] = ['꿀', '햇', '왕', '활', '생', '참', '통', '깐'];
    let (first, rest) = run.split_first()?;
    if rest.is_empty() || rest.len() < 2 && *first != '햇' || !PRAISE.contains(first) {
        return None;
    }
    let rest: String = rest.iter().collect();
    words.get(&rest).filter(|entry| {
        entry.class == Class::Flavour || entry.class == Class::Kind && entry.domain == Some(Domain::Food)
    })
}

/// The cheapest cut of `run`. One-character words count only as the whole run.
pub(crate) fn cut<'a>(run: &[char], words: &'a Words) -> Vec<Piece<'a>> {
    let whole: String = run.iter().collect();
    if let Some(entry) = words.get(&whole) {
        return vec![Piece { start: 0, end: run.len(), entry: Some(entry) }];
    }
    if let Some(entry) = praised(run, words) {
        return vec![Piece { start: 0, end: run.len(), entry: Some(entry) }];
    }
    if let Some((cut, place, produce)) = grown(run, words) {
        return vec![
            Piece { start: 0, end: cut, entry: Some(place) },
            Piece { start: cut, end: run.len(), entry: Some(produce) },
        ];
    }
    if run.len() < 3 || run.len() > LONGEST_RUN {
        return vec![Piece { start: 0, end: run.len(), entry: None }];
    }
    // known[i]: the cheapest cut of run[..i] that ends with a known word or is empty; any[i]: the
    // cheapest cut, which may end with an unknown stretch.
    let nothing = Best { cost: u32::MAX, from: 0, entry: None };
    let mut best = vec![nothing; run.len() + 1];
    let mut known = vec![nothing; run.len() + 1];
    best[0].cost = 0;
    known[0].cost = 0;
    let mut word = String::new();
    for end in 1..=run.len() {
        for start in (0..end).rev() {
            let length = end - start;
            if length >= 2 && length <= words.longest() && best[start].cost != u32::MAX {
                word.clear();
                word.extend(run.iter().skip(start).take(length));
                if let Some(entry) = words.get(&word).filter(|entry| fits(entry, start, end, run.len())) {
                    let cost = best[start].cost + KNOWN;
                    if cost <= known[end].cost {
                        known[end] = Best { cost, from: start, entry: Some(entry) };
                    }
                }
            }
            // A listed syllable at the head, before a kind of thing: 쿨팬츠, 면바지.
            if start == 0 && end == 1 && run.len() <= 6 && heads(run, words) {
                let cost = KNOWN + HEAD_SYLLABLE;
                if let Some(entry) = run.first().and_then(|ch| words.get(ch.encode_utf8(&mut [0; 4]))) {
                    known[end] = Best { cost, from: 0, entry: Some(entry) };
                }
            }
            if known[start].cost != u32::MAX {
                let single = if length == 1 { UNKNOWN_SINGLE } else { 0 };
                let cost = known[start].cost
                    + UNKNOWN
                    + single
                    + UNKNOWN_CHAR * u32::try_from(length).unwrap_or(u32::MAX / 64);
                if cost < best[end].cost {
                    best[end] = Best { cost, from: start, entry: None };
                }
            }
        }
        if known[end].cost <= best[end].cost {
            best[end] = known[end];
        }
    }
    let mut pieces = Vec::new();
    let mut end = run.len();
    let mut must_be_known = false;
    while end > 0 {
        let step = if must_be_known { known[end] } else { best[end] };
        pieces.push(Piece { start: step.from, end, entry: step.entry });
        must_be_known = step.entry.is_none();
        end = step.from;
    }
    pieces.reverse();
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_text(run: &str) -> Vec<String> {
        let chars: Vec<char> = run.chars().collect();
        cut(&chars, Words::shipped())
            .iter()
            .map(|piece| chars.get(piece.start..piece.end).unwrap().iter().collect::<String>())
            .collect()
    }

    #[test]
    fn compounds_are_cut_at_known_words() {
        assert_eq!(cut_text("남성골프반바지"), ["남성", "골프반바지"]);
        assert_eq!(cut_text("한우우족탕"), ["한우", "우족탕"]);
        assert_eq!(cut_text("마스크팩"), ["마스크팩"]);
        assert_eq!(cut_text("듣보이름"), ["듣보이름"]);
        assert_eq!(cut_text("쿨팬츠"), ["쿨", "팬츠"]);
        assert_eq!(cut_text("나주배"), ["나주", "배"]);
        assert_eq!(cut_text("한우물"), ["한우물"]);
    }

    #[test]
    fn every_character_is_in_one_piece() {
        for run in ["가", "가나", "여성용린넨자켓이름모를", "블루베리블루베리블루"] {
            assert_eq!(cut_text(run).concat(), run);
        }
    }
}
