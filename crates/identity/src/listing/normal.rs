//! Normalisation of a title's characters (NFKC, lower case, composed Hangul, decoration as spaces),
//! each with its position in the title.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::canonical_combining_class;

use super::Span;

/// Bytes read of a title. The longest real titles are below 400 bytes; the rest of a longer one is
/// ignored.
pub const MAX_TITLE_BYTES: usize = 1_024;

/// A normalised character with its bytes in the title.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glyph {
    pub(crate) ch: char,
    pub(crate) span: Span,
}

/// The title cut at a character boundary within [`MAX_TITLE_BYTES`].
fn bounded(title: &str) -> &str {
    let mut end = title.len().min(MAX_TITLE_BYTES);
    while !title.is_char_boundary(end) {
        end -= 1;
    }
    title.get(..end).unwrap_or_default()
}

/// Whether `ch` composes with the previous character, so that both must be normalised together.
fn joins_previous(ch: char) -> bool {
    canonical_combining_class(ch) != 0
        || matches!(ch, '\u{1160}'..='\u{11FF}' | '\u{3099}' | '\u{309A}' | '\u{FFA0}'..='\u{FFDC}')
}

/// Decorative characters that NFKC would turn into letters or digits: circled numbers and letters,
/// trademark signs.
fn decorates(ch: char) -> bool {
    matches!(ch,
        '\u{2460}'..='\u{24FF}' | '\u{2776}'..='\u{2793}' | '\u{3200}'..='\u{32FF}'
        | '\u{318D}' | '™' | '℠' | '©' | '®' | '\u{1F100}'..='\u{1F1FF}')
}

/// Folds a normalised character: keeps letters, digits and structural characters, and turns the
/// rest into spaces.
fn fold(ch: char) -> char {
    match ch {
        '×' | '✕' | '✖' | '╳' => 'x',
        '[' | '(' | '{' | '<' | '【' | '〔' | '「' | '『' | '《' | '〈' | '≪' | '«' => '[',
        ']' | ')' | '}' | '>' | '】' | '〕' | '」' | '』' | '》' | '〉' | '≫' | '»' => ']',
        '″' | '“' | '”' | '"' => '"',
        '’' | '‘' | '`' | '´' | '\'' => '\'',
        '‐' | '‑' | '‒' | '–' | '—' | '−' | '-' => '-',
        '〜' | '∼' | '～' | '~' => '~',
        '+' | '_' | '/' | ',' | '.' | '%' | '&' | ':' | '*' | '!' | '|' => ch,
        c if c.is_alphanumeric() && !matches!(c, '\u{1100}'..='\u{11FF}' | '\u{3130}'..='\u{318F}') => c,
        _ => ' ',
    }
}

/// Normalises `title`, at most [`MAX_TITLE_BYTES`] of it.
pub(crate) fn normalise(title: &str) -> Vec<Glyph> {
    let title = bounded(title);
    let mut glyphs = Vec::with_capacity(title.len() / 2);
    let mut rest = title.char_indices().peekable();
    while let Some((start, first)) = rest.next() {
        let mut end = start + first.len_utf8();
        while let Some(&(at, next)) = rest.peek() {
            if !joins_previous(next) {
                break;
            }
            end = at + next.len_utf8();
            rest.next();
        }
        let span = Span::new(start, end);
        if decorates(first) {
            glyphs.push(Glyph { ch: ' ', span });
            continue;
        }
        let run = title.get(start..end).unwrap_or_default();
        for ch in run.nfkc().flat_map(char::to_lowercase) {
            glyphs.push(Glyph { ch: fold(ch), span });
        }
    }
    glyphs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(title: &str) -> String {
        normalise(title).iter().map(|glyph| glyph.ch).collect()
    }

    #[test]
    fn width_case_units_and_decomposed_hangul_take_one_form() {
        assert_eq!(text("ＩＨ ７Ｌ 3㎏"), "ih 7l 3kg");
        assert_eq!(text("\u{1112}\u{1161}\u{11AB}글"), "한글");
        assert_eq!(text("★④【방송】®"), "  [방송] ");
    }

    #[test]
    fn a_place_in_the_title_is_known_for_each_character() {
        let title = "★３㎏ 사과";
        for glyph in normalise(title) {
            assert!(title.get(glyph.span.start..glyph.span.end).is_some());
        }
        assert_eq!(normalise(title).last().unwrap().span.end, title.len());
    }

    #[test]
    fn a_megabyte_is_cut() {
        assert!(normalise(&"가".repeat(1_000_000)).len() <= MAX_TITLE_BYTES);
    }
}
