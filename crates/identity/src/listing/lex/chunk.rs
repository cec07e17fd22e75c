//! Chunks of a title: runs between separators, brackets paired.

use super::super::normal::{Glyph, normalise};
use super::super::{Class, Lexicon};

pub(super) struct Chunk {
    pub(super) text: Vec<Glyph>,
    pub(super) segment: usize,
    pub(super) bracket: bool,
    pub(super) underscore: bool,
    pub(super) separator: char,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Digit,
    Latin,
    Other,
}

pub(super) fn kind(ch: char) -> Kind {
    if ch.is_ascii_digit() {
        Kind::Digit
    } else if ch.is_ascii_alphabetic() {
        Kind::Latin
    } else {
        Kind::Other
    }
}

/// Keeps paired brackets and turns unpaired ones into spaces.
pub(super) fn pair_brackets(glyphs: &mut [Glyph]) {
    let mut open: Vec<usize> = Vec::new();
    let mut paired = vec![false; glyphs.len()];
    for (at, glyph) in glyphs.iter().enumerate() {
        match glyph.ch {
            '[' => open.push(at),
            ']' => {
                if let Some(start) = open.pop() {
                    paired[start] = true;
                    paired[at] = true;
                }
            }
            _ => {}
        }
    }
    for (glyph, paired) in glyphs.iter_mut().zip(paired) {
        if matches!(glyph.ch, '[' | ']') && !paired {
            glyph.ch = ' ';
        }
    }
}

/// Cuts at spaces, brackets and separators; keeps `.`, `-`, `'` and `,` between digits or letters.
pub(super) fn chunks(title: &str) -> Vec<Chunk> {
    let mut glyphs = normalise(title);
    pair_brackets(&mut glyphs);
    let mut out: Vec<Chunk> = Vec::new();
    let mut text: Vec<Glyph> = Vec::new();
    let (mut segment, mut depth, mut underscore, mut separator) = (0_usize, 0_usize, false, ' ');
    let at = |index: usize| glyphs.get(index).map_or(' ', |glyph| glyph.ch);
    for (index, &glyph) in glyphs.iter().enumerate() {
        let before = if index == 0 { ' ' } else { at(index - 1) };
        let after = at(index + 1);
        let joined = match glyph.ch {
            '.' => {
                before.is_ascii_digit() && after.is_ascii_digit()
                    || before.is_ascii_alphabetic() && after.is_ascii_alphabetic()
            }
            '-' | '\'' => before.is_ascii_alphanumeric() && after.is_ascii_alphanumeric(),
            '*' => before.is_alphanumeric() && after.is_ascii_digit(),
            '"' | '%' => before.is_ascii_digit(),
            '/' => matches!((before, after), ('s', 's') | ('f' | 'a', 'w')) && !at(index + 2).is_ascii_alphabetic(),
            ch => ch.is_alphanumeric(),
        };
        if glyph.ch == ',' && before.is_ascii_digit() && (1..=3).all(|ahead| at(index + ahead).is_ascii_digit()) {
            continue;
        }
        if joined {
            let ch = if glyph.ch == '*' { 'x' } else { glyph.ch };
            if ch != '/' {
                text.push(Glyph { ch, span: glyph.span });
            }
            continue;
        }
        if !text.is_empty() {
            let text = std::mem::take(&mut text);
            out.push(Chunk { text, segment, bracket: depth > 0, underscore, separator });
            separator = ' ';
        }
        match glyph.ch {
            '[' => {
                depth += 1;
                segment += 1;
                underscore = false;
                separator = ' ';
            }
            ']' => {
                depth = depth.saturating_sub(1);
                segment += 1;
                underscore = false;
                separator = ' ';
            }
            '_' => {
                segment += 1;
                underscore = true;
                separator = ' ';
            }
            ' ' => {}
            ch => separator = ch,
        }
    }
    if !text.is_empty() {
        out.push(Chunk { text, segment, bracket: depth > 0, underscore, separator });
    }
    out
}

/// Joins two Hangul chunks that together make a listed word or the listing's brand: 와이드 팬츠.
pub(super) fn joined(chunks: Vec<Chunk>, brands: &[String], lexicon: &Lexicon<'_>) -> Vec<Chunk> {
    let mut out: Vec<Chunk> = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let hangul =
            |chunk: &Chunk| chunk.text.iter().all(|glyph| kind(glyph.ch) == Kind::Other && glyph.ch.is_alphanumeric());
        if let Some(last) = out.last_mut()
            && last.segment == chunk.segment
            && chunk.separator == ' '
            && hangul(last)
            && hangul(&chunk)
            && last.text.len() + chunk.text.len() <= lexicon.words.longest()
        {
            let word: String = last.text.iter().chain(&chunk.text).map(|glyph| glyph.ch).collect();
            let listed = lexicon.words.get(&word).is_some_and(|entry| {
                !matches!(entry.class, Class::Promo | Class::Pack | Class::Filler | Class::Colour | Class::Size)
            });
            if listed || brands.contains(&word) {
                last.text.extend(chunk.text);
                continue;
            }
        }
        out.push(chunk);
    }
    out
}
