//! Alignment of two titles' words, tolerant of spacing, order, script and typing errors.

use super::sketch::{Sketch, Unit};
use super::spelling;
use crate::listing::{Class, Words};

/// For each word, the share of it found in the other title, from 0 to 1.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alignment {
    pub(crate) left: Vec<f64>,
    pub(crate) right: Vec<f64>,
}

/// Characters of unmatched words searched for common stretches; the rest stay unmatched.
const MAX_CHARS: usize = 96;
/// Share of a word from which it counts as fully matched.
pub(crate) const WHOLE: f64 = 0.99;

/// A character of an unmatched word, in title order.
#[derive(Clone, Copy)]
struct Letter {
    ch: char,
    /// Index of its unit. A gap separates letters of units that are not adjacent.
    unit: usize,
    used: bool,
}

const GAP: usize = usize::MAX;

/// Aligns the words of two titles.
pub(crate) fn align(a: &Sketch, b: &Sketch, words: &Words) -> Alignment {
    let mut found = Alignment { left: vec![0.0; a.units.len()], right: vec![0.0; b.units.len()] };
    exact(&a.units, &b.units, &mut found);
    stretches(&a.units, &b.units, &mut found);
    alike(&a.units, &b.units, &mut found);
    written(&a.units, &b.letters, &mut found.left);
    written(&b.units, &a.letters, &mut found.right);
    places(&a.units, &b.units, &mut found, words);
    general(&a.units, &b.units, &mut found.left);
    general(&b.units, &a.units, &mut found.right);
    found
}

/// Matches a kind of thing that the other title states more precisely: 이불 with 차렵이불.
fn general(units: &[Unit], others: &[Unit], shares: &mut [f64]) {
    for (unit, share) in units.iter().zip(shares) {
        let closer = |other: &Unit| other.class == Class::Kind && !other.addon && other.text.ends_with(&unit.text);
        if unit.class == Class::Kind && *share < WHOLE && unit.chars.len() >= 2 && others.iter().any(closer) {
            *share = 1.0;
        }
    }
}

/// Matches a name that the other title contains but cuts into listed words: 코튼마루 is not cotton.
fn written(units: &[Unit], letters: &str, shares: &mut [f64]) {
    for (unit, share) in units.iter().zip(shares) {
        let name = matches!(unit.class, Class::Word | Class::Brand) && unit.chars.len() >= 3;
        if name && *share < WHOLE && letters.contains(unit.text.as_str()) {
            *share = 1.0;
        }
    }
}

/// Matches two places of which one lies within the other.
fn places(a: &[Unit], b: &[Unit], found: &mut Alignment, words: &Words) {
    for (unit, left) in a.iter().zip(&mut found.left) {
        for (other, right) in b.iter().zip(&mut found.right) {
            let places = unit.class == Class::Origin && other.class == Class::Origin;
            if places && (*left < WHOLE || *right < WHOLE) && words.nested(&unit.text, &other.text) {
                *left = 1.0;
                *right = 1.0;
            }
        }
    }
}

fn exact(a: &[Unit], b: &[Unit], found: &mut Alignment) {
    for (unit, left) in a.iter().zip(&mut found.left) {
        let mut hit = false;
        for (other, right) in b.iter().zip(&mut found.right) {
            if unit.text == other.text {
                *right = 1.0;
                hit = true;
            }
        }
        if hit {
            *left = 1.0;
        }
    }
}

fn letters(units: &[Unit], found: &[f64]) -> Vec<Letter> {
    let mut out: Vec<Letter> = Vec::new();
    for (index, (unit, &found)) in units.iter().zip(found).enumerate() {
        let comparable = found < WHOLE && !unit.text.chars().all(|ch| ch.is_ascii_digit());
        if !comparable {
            if out.last().is_some_and(|letter| letter.unit != GAP) {
                out.push(Letter { ch: ' ', unit: GAP, used: true });
            }
            continue;
        }
        for &ch in &unit.chars {
            out.push(Letter { ch, unit: index, used: false });
        }
        if out.len() >= MAX_CHARS {
            break;
        }
    }
    out.truncate(MAX_CHARS);
    out
}

/// The longest common unused stretch: start in `a`, start in `b`, length.
fn longest(a: &[Letter], b: &[Letter]) -> (usize, usize, usize) {
    let mut best = (0, 0, 0);
    let mut row = vec![0_usize; b.len() + 1];
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = 0;
        for (j, right) in b.iter().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or(0);
            let length = if !left.used && !right.used && left.ch == right.ch { diagonal + 1 } else { 0 };
            if let Some(cell) = row.get_mut(j + 1) {
                *cell = length;
            }
            if length > best.2 {
                best = (i + 1 - length, j + 1 - length, length);
            }
            diagonal = above;
        }
    }
    best
}

/// Whether the stretch begins and whether it ends at a word boundary of this side, so that it is no
/// accident of syllables.
fn at_word_edges(letters: &[Letter], start: usize, length: usize) -> (bool, bool) {
    let unit = |index: usize| letters.get(index).map(|letter| letter.unit);
    let begins = start == 0 || unit(start - 1) != unit(start);
    let end = start + length;
    let ends = unit(end) != unit(end - 1);
    (begins, ends)
}

/// Matches words written together in one title and apart in the other, and common parts of
/// compounds.
fn stretches(a: &[Unit], b: &[Unit], found: &mut Alignment) {
    let mut left = letters(a, &found.left);
    let mut right = letters(b, &found.right);
    loop {
        let (i, j, length) = longest(&left, &right);
        if length < 2 {
            break;
        }
        let (begins_a, ends_a) = at_word_edges(&left, i, length);
        let (begins_b, ends_b) = at_word_edges(&right, j, length);
        let whole = begins_a && ends_a || begins_b && ends_b;
        let latin = left.get(i).is_some_and(|letter| letter.ch.is_ascii_alphanumeric());
        let counts = if latin { whole && length >= 3 } else { length >= 3 || whole };
        for (letters, start, found, units) in [(&mut left, i, &mut found.left, a), (&mut right, j, &mut found.right, b)]
        {
            for letter in letters.iter_mut().skip(start).take(length) {
                letter.used = true;
                if counts && let (Some(share), Some(unit)) = (found.get_mut(letter.unit), units.get(letter.unit)) {
                    *share += 1.0 / to_f64(unit.chars.len().max(1));
                }
            }
        }
    }
    for share in found.left.iter_mut().chain(&mut found.right) {
        *share = share.min(1.0);
    }
}

/// Matches other spellings: typing errors, and a name in the other script.
fn alike(a: &[Unit], b: &[Unit], found: &mut Alignment) {
    for (unit, left) in a.iter().zip(&mut found.left) {
        if *left > 0.8 {
            continue;
        }
        for (other, right) in b.iter().zip(&mut found.right) {
            let names = |class: Class| matches!(class, Class::Word | Class::Brand);
            let slip = unit.class == other.class && spelling::slip(&unit.text, &other.text)
                || unit.class == Class::Word
                    && other.class == Class::Word
                    && spelling::respelled(&unit.text, &other.text)
                || names(unit.class) && names(other.class) && spelling::transliterated(&unit.text, &other.text);
            // Listed words have a fixed spelling: only unlisted words, or two words of one class,
            // may differ by a typing error.
            if slip
                && *right <= 0.8
                && !matches!(unit.class, Class::Flavour | Class::Origin | Class::Material | Class::Variant)
            {
                *left = 1.0;
                *right = 1.0;
                break;
            }
        }
    }
    phrase(a, b, &mut found.left, &mut found.right);
    phrase(b, a, &mut found.right, &mut found.left);
    // A brand written in both scripts counts as matched if either spelling is.
    for (units, shares) in [(a, &mut found.left), (b, &mut found.right)] {
        let matched: Vec<&str> = units
            .iter()
            .zip(shares.iter())
            .filter(|(unit, share)| **share >= WHOLE && matches!(unit.class, Class::Word | Class::Brand))
            .map(|(unit, _)| unit.text.as_str())
            .collect();
        for (unit, share) in units.iter().zip(shares.iter_mut()) {
            let name = matches!(unit.class, Class::Word | Class::Brand);
            if *share < WHOLE && name && matched.iter().any(|other| spelling::transliterated(&unit.text, other)) {
                *share = 1.0;
            }
        }
    }
}

/// Matches a name of several Latin words with one Hangul word: LE COQ GOLF and 르꼬끄골프.
fn phrase(a: &[Unit], b: &[Unit], left: &mut [f64], right: &mut [f64]) {
    const WORDS: usize = 3;
    let names = |unit: &Unit| matches!(unit.class, Class::Word | Class::Brand | Class::Kind | Class::Filler);
    for start in 0..a.len() {
        for end in (start + 2..=a.len().min(start + WORDS)).rev() {
            let run = &a[start..end];
            if !run.iter().all(|unit| names(unit) && unit.text.is_ascii()) {
                continue;
            }
            let text: String = run.iter().map(|unit| unit.text.as_str()).collect();
            let heard = |unit: &Unit| names(unit) && spelling::transliterated(&text, &unit.text);
            if let Some(at) = b.iter().position(heard) {
                for share in left.iter_mut().skip(start).take(end - start) {
                    *share = 1.0;
                }
                if let Some(share) = right.get_mut(at) {
                    *share = 1.0;
                }
                break;
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of characters are small")]
pub(crate) fn to_f64(count: usize) -> f64 {
    count as f64
}
