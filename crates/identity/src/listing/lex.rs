//! The lexer: cuts a title into items (words, numbers with units, codes, seasons), each with its
//! segment (bracket, plus, underscore).

use super::unit::{self, Unit};
use super::{Class, Domain, Lexicon, Measure, Span, segment};

mod chunk;
mod scan;

use chunk::{Chunk, Kind, chunks, joined, kind};
use scan::{code_end, kind_changes, lone_year, model_goes_on, number_at, season_half};

/// Items read per title; later ones are ignored.
pub(crate) const MAX_ITEMS: usize = 160;

/// Content of an item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// A word.
    Word { text: String, class: Class, domain: Option<Domain>, comments: bool, gives: bool },
    /// A number with a unit, a code or a season.
    Measured { measure: Measure, value: String },
    /// Money, a percentage or a rank.
    Money,
    /// A date or a time.
    Idle,
    /// A number without a unit.
    Lone(f64),
}

/// One item of a title.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) what: What,
    pub(crate) span: Span,
    /// Index of its segment; each bracket and underscore begins a new one.
    pub(crate) segment: usize,
    /// The segment is a bracket.
    pub(crate) bracket: bool,
    /// The segment follows an underscore.
    pub(crate) underscore: bool,
    /// The separator before the item within its segment; a space if there is none.
    pub(crate) separator: char,
    /// It touches the previous item.
    pub(crate) glued: bool,
}

/// The first `count` words of a title, cut at spaces and separators only.
pub(crate) fn words(title: &str, count: usize) -> Vec<String> {
    let text = |chunk: Chunk| chunk.text.iter().map(|glyph| glyph.ch).collect::<String>();
    chunks(title).into_iter().take(count).map(text).collect()
}

struct Lexer<'a, 'w> {
    items: Vec<Item>,
    brands: &'a [String],
    lexicon: &'a Lexicon<'w>,
}

/// The items of `title`, at most [`MAX_ITEMS`].
pub(crate) fn lex(title: &str, brands: &[String], lexicon: &Lexicon<'_>) -> Vec<Item> {
    let chunks = joined(chunks(title), brands, lexicon);
    let mut lexer = Lexer { items: Vec::with_capacity(chunks.len()), brands, lexicon };
    for chunk in &chunks {
        if lexer.items.len() >= MAX_ITEMS {
            break;
        }
        lexer.chunk(chunk);
    }
    spread(&mut lexer.items);
    lexer.items
}

/// Gives the unit of a list's last number to the other numbers: 5/6/7일 is five, six or seven days.
fn spread(items: &mut [Item]) {
    let mut after: Option<(Measure, usize)> = None;
    for item in items.iter_mut().rev() {
        match (&item.what, after) {
            (What::Lone(number), Some((measure, segment))) if item.segment == segment => {
                item.what = What::Measured { measure, value: unit::trimmed(*number) };
            }
            (What::Measured { .. }, _) => {}
            _ => {
                after = None;
                continue;
            }
        }
        after = match &item.what {
            What::Measured { measure: measure @ (Measure::Days | Measure::Inch | Measure::Persons), .. }
                if item.separator == '/' =>
            {
                Some((*measure, item.segment))
            }
            _ => None,
        };
    }
}

impl Lexer<'_, '_> {
    fn push(&mut self, chunk: &Chunk, what: What, start: usize, end: usize) {
        if let (Some(first), Some(last)) = (chunk.text.get(start), chunk.text.get(end.saturating_sub(1))) {
            self.items.push(Item {
                what,
                span: first.span.to(last.span),
                segment: chunk.segment,
                bracket: chunk.bracket,
                underscore: chunk.underscore,
                separator: if start == 0 { chunk.separator } else { ' ' },
                glued: start > 0,
            });
        }
    }

    fn word(&mut self, chunk: &Chunk, start: usize, end: usize, class: Class, text: &str) {
        let what = What::Word { text: text.to_owned(), class, domain: None, comments: false, gives: false };
        self.push(chunk, what, start, end);
    }

    fn known(&mut self, chunk: &Chunk, start: usize, end: usize, entry: &super::words::Entry) {
        let what = What::Word {
            text: entry.canonical.to_string(),
            class: entry.class,
            domain: entry.domain,
            comments: entry.comments,
            gives: entry.gives,
        };
        self.push(chunk, what, start, end);
    }

    fn chunk(&mut self, chunk: &Chunk) {
        let text: Vec<char> = chunk.text.iter().map(|glyph| glyph.ch).collect();
        let mut at = 0;
        while at < text.len() && self.items.len() < MAX_ITEMS {
            let next = self.step(chunk, &text, at);
            at = next.max(at + 1);
        }
    }

    /// Reads one item at `at`; returns the position after it.
    fn step(&mut self, chunk: &Chunk, text: &[char], at: usize) -> usize {
        let Some(&first) = text.get(at) else { return at };
        if let Some(end) = self.brand_at(chunk, text, at) {
            return end;
        }
        if (kind(first) != Kind::Other || self.mixed_word_ahead(text, at))
            && let Some(end) = self.listed_at(chunk, text, at)
        {
            return end;
        }
        if at == 0 && first == '무' && text.len() > 1 && text.iter().skip(1).all(char::is_ascii_digit) {
            // 무60: an interest-free payment plan of 60 months.
            self.push(chunk, What::Money, at, text.len());
            return text.len();
        }
        match kind(first) {
            Kind::Digit => self.number(chunk, text, at),
            Kind::Latin => self.latin(chunk, text, at),
            Kind::Other if first.is_alphanumeric() => self.hangul(chunk, text, at),
            Kind::Other => at + 1,
        }
    }

    fn mixed_word_ahead(&self, text: &[char], at: usize) -> bool {
        let end = (at + self.lexicon.words.longest()).min(text.len());
        text.get(at..end).is_some_and(|ahead| ahead.iter().any(|&ch| kind(ch) != Kind::Other))
    }

    /// The listing's own brand at `at`.
    fn brand_at(&mut self, chunk: &Chunk, text: &[char], at: usize) -> Option<usize> {
        for brand in self.brands {
            let length = brand.chars().count();
            let end = at + length;
            let Some(run) = text.get(at..end) else { continue };
            let begins_word = at == 0 || kind_changes(text, at);
            let ends_word = kind(*run.last()?) == Kind::Other || end == text.len() || kind_changes(text, end);
            if length >= 2
                && begins_word
                && ends_word
                && brand.chars().eq(run.iter().copied())
                && !self.longer_brand(text, at, length)
            {
                let brand = brand.clone();
                self.word(chunk, at, end, Class::Brand, &brand);
                return Some(end);
            }
        }
        None
    }

    /// Whether a listed brand longer than `length` starts at `at`: 종가집 if the field says 종가.
    fn longer_brand(&self, text: &[char], at: usize, length: usize) -> bool {
        let longest = self.lexicon.words.longest().min(text.len() - at);
        (length + 1..=longest).any(|length| {
            let word: String = text.iter().skip(at).take(length).collect();
            self.lexicon.words.get(&word).is_some_and(|entry| entry.class == Class::Brand)
        })
    }

    /// Reads the longest listed word at `at` that has Latin letters or digits and ends at the end
    /// of such a run.
    fn listed_at(&mut self, chunk: &Chunk, text: &[char], at: usize) -> Option<usize> {
        if at > 0 && !kind_changes(text, at) && kind(*text.get(at)?) != Kind::Other {
            return None;
        }
        let longest = self.lexicon.words.longest().min(text.len() - at);
        for length in (2..=longest).rev() {
            let run = text.get(at..at + length)?;
            let has_code = run.iter().any(|&ch| kind(ch) != Kind::Other);
            let ends = at + length == text.len() || kind_changes(text, at + length);
            if !has_code || !ends || run.iter().all(char::is_ascii_digit) && length < 4 {
                continue;
            }
            let word: String = run.iter().collect();
            if let Some(entry) = self.lexicon.words.get(&word) {
                if entry.class != Class::Brand && model_goes_on(text, at, at + length) {
                    return None;
                }
                let entry = entry.clone();
                self.known(chunk, at, at + length, &entry);
                return Some(at + length);
            }
        }
        None
    }

    fn hangul(&mut self, chunk: &Chunk, text: &[char], at: usize) -> usize {
        let end = (at..text.len())
            .find(|&index| text.get(index).is_none_or(|&ch| kind(ch) != Kind::Other || !ch.is_alphanumeric()))
            .unwrap_or(text.len());
        let Some(run) = text.get(at..end) else { return end };
        if at == 0
            && let Some(Item { what: What::Lone(number), .. }) = self.items.last()
            && let Some((unit, length)) = unit::leading(run)
            && length == run.len()
            && unit::stands_apart(run)
        {
            // `5 세트`, `55 인치`: a unit separated from its number.
            let number = *number;
            self.items.pop();
            self.quantity(chunk, at, end, number, unit);
            return end;
        }
        let whole: String = run.iter().collect();
        if let Some(brand) = self.lexicon.brand(&whole).map(str::to_owned) {
            self.word(chunk, at, end, Class::Brand, &brand);
            return end;
        }
        let words = self.lexicon.words;
        for piece in segment::cut(run, words) {
            let (start, stop) = (at + piece.start, at + piece.end);
            if let Some(entry) = piece.entry {
                self.known(chunk, start, stop, entry);
            } else {
                let word: String = run.iter().skip(piece.start).take(piece.end - piece.start).collect();
                self.word(chunk, start, stop, Class::Word, &word);
            }
        }
        end
    }

    /// Reads a number at `at`: a season, a chain of quantities, a code, or a lone number.
    fn number(&mut self, chunk: &Chunk, text: &[char], at: usize) -> usize {
        let run_end = code_end(text, at);
        if let Some(end) = self.season(chunk, text, at) {
            return end;
        }
        let (number, digits_end) = number_at(text, at);
        let rest = text.get(digits_end..).unwrap_or_default();
        if let Some((unit, length)) = unit::leading(rest) {
            let end = digits_end + length;
            let latin_unit = rest.first().is_some_and(char::is_ascii_alphabetic);
            // A Latin unit within a longer run of letters and digits is part of a code, unless a
            // chain follows: 1.1gx14포.
            let chained = text.get(end) == Some(&'x') && text.get(end + 1).is_some_and(char::is_ascii_digit);
            // 7부바지: a listed length of a sleeve or leg.
            let spelled: String = text.get(at..end).unwrap_or_default().iter().collect();
            if let Some(entry) = self.lexicon.words.get(&spelled).filter(|entry| entry.class == Class::Design).cloned()
            {
                self.known(chunk, at, end, &entry);
                return end;
            }
            if !latin_unit || end >= run_end || chained {
                self.quantity(chunk, at, end, number, unit);
                return if chained { end + 1 } else { end };
            }
        }
        if run_end > digits_end && text.get(at..run_end).is_some_and(|run| run.iter().any(char::is_ascii_alphabetic)) {
            if text.get(digits_end) == Some(&'x') && text.get(digits_end + 1).is_some_and(char::is_ascii_digit) {
                self.push(chunk, What::Idle, at, digits_end);
                return digits_end + 1;
            }
            self.code(chunk, text, at, run_end);
            return run_end;
        }
        let digits: String = text.get(at..digits_end).unwrap_or_default().iter().collect();
        let what = if digits.len() >= 5 && !digits.contains('.') {
            What::Measured { measure: Measure::Model, value: digits }
        } else if matches!(digits.as_str(), "925" | "950" | "999" | "750" | "585") {
            What::Measured { measure: Measure::Purity, value: digits }
        } else if matches!(digits.as_str(), "2.0" | "3.0" | "4.0" | "5.0" | "1.0") {
            What::Measured { measure: Measure::Generation, value: unit::trimmed(number) }
        } else if (2015.0..2040.0).contains(&number) && digits.len() == 4 {
            What::Measured { measure: Measure::Year, value: unit::trimmed(number - 2000.0) }
        } else if let Some(what) = self.after_word(number, at) {
            what
        } else if digits.len() >= 3 && number >= 100.0 {
            What::Word { text: digits, class: Class::Word, domain: None, comments: false, gives: false }
        } else {
            What::Lone(number)
        };
        self.push(chunk, what, at, digits_end);
        digits_end
    }

    /// Interprets a number that follows a word: 시즌6 is a generation, 보스웰리아1000 a strength, 리필2 a
    /// count.
    fn after_word(&self, number: f64, at: usize) -> Option<What> {
        let last = self.items.last()?;
        let What::Word { text, class, .. } = &last.what else { return None };
        if at == 0 {
            // After a space, only a large number after an ingredient is a strength: 콘드로이친 1200.
            let value = unit::trimmed(number);
            let strength = *class == Class::Flavour && number >= 100.0;
            let measure = match text.as_str() {
                "시리즈" | "시즌" | "버전" if last.separator == ' ' => Measure::Generation,
                _ if strength => Measure::Strength,
                _ => return None,
            };
            return Some(What::Measured { measure, value });
        }
        let value = unit::trimmed(number);
        let measure = match class {
            _ if text == "시즌" || text == "버전" || text == "시리즈" => Measure::Generation,
            Class::Flavour | Class::Word if number >= 100.0 => Measure::Strength,
            Class::Flavour | Class::Pack | Class::Kind | Class::Promo | Class::Material | Class::Colour => {
                Measure::Pack
            }
            Class::Word | Class::Variant | Class::Brand if number < 20.0 => Measure::Generation,
            _ => return None,
        };
        Some(What::Measured { measure, value })
    }

    /// `26ss`, `26 ss`, `2026fw`.
    fn season(&mut self, chunk: &Chunk, text: &[char], at: usize) -> Option<usize> {
        let digits = text.get(at..)?.iter().take_while(|ch| ch.is_ascii_digit()).count();
        if digits != 2 && digits != 4 {
            return None;
        }
        let year: String = text.get(at + digits - 2..at + digits)?.iter().collect();
        let letters: String = text.get(at + digits..)?.iter().take_while(|ch| ch.is_ascii_alphabetic()).collect();
        let half = season_half(&letters)?;
        let end = at + digits + letters.len();
        self.push(chunk, What::Measured { measure: Measure::Season, value: format!("{year}{half}") }, at, end);
        Some(end)
    }

    fn quantity(&mut self, chunk: &Chunk, at: usize, end: usize, number: f64, unit: Option<Unit>) {
        let what = match unit {
            None => What::Measured { measure: Measure::Pack, value: unit::trimmed(number) },
            Some(Unit::Money) => What::Money,
            Some(Unit::Idle) => What::Idle,
            Some(Unit::Word) => {
                let text = chunk.text.get(at..end).unwrap_or_default().iter().map(|glyph| glyph.ch).collect();
                What::Word { text, class: Class::Word, domain: None, comments: false, gives: false }
            }
            Some(Unit::Is(Measure::Purity, _)) if ![9.0, 10.0, 14.0, 18.0, 22.0, 24.0].contains(&number) => {
                What::Word {
                    text: format!("{}k", unit::trimmed(number)),
                    class: Class::Word,
                    domain: None,
                    comments: false,
                    gives: false,
                }
            }
            Some(Unit::Is(Measure::Year, _)) if number > 2000.0 => {
                What::Measured { measure: Measure::Year, value: unit::trimmed(number - 2000.0) }
            }
            Some(unit @ (Unit::Is(measure, _) | Unit::Tagged(measure, _))) => {
                What::Measured { measure, value: unit::value(number, unit) }
            }
        };
        self.push(chunk, what, at, end);
    }

    /// Reads Latin letters at `at`: a word, or a code if there are digits among them.
    fn latin(&mut self, chunk: &Chunk, text: &[char], at: usize) -> usize {
        let end = code_end(text, at);
        let run = text.get(at..end).unwrap_or_default();
        if !run.iter().any(char::is_ascii_digit) {
            return self.latin_word(chunk, text, at, end);
        }
        let letters = run.iter().take_while(|ch| ch.is_ascii_alphabetic()).count();
        let word: String = run.iter().take(letters).collect();
        let tail: String = run.iter().skip(letters).collect();
        let number: Option<f64> = tail.parse().ok();
        match (word.as_str(), number) {
            // `700g x9팩`: a multiplication sign between quantities.
            ("x", Some(_)) if self.multiplies(text, end) => return at + 1,
            ("spf" | "pa" | "no" | "vol" | "tel" | "uv", Some(_)) => self.push(chunk, What::Idle, at, end),
            ("season" | "ver" | "version" | "s" | "v" | "gen", Some(number)) if letters > 1 || tail.contains('.') => {
                let what = What::Measured { measure: Measure::Generation, value: unit::trimmed(number) };
                self.push(chunk, what, at, end);
            }
            _ => self.code(chunk, text, at, end),
        }
        end
    }

    fn latin_word(&mut self, chunk: &Chunk, text: &[char], at: usize, end: usize) -> usize {
        let word: String = text.get(at..end).unwrap_or_default().iter().collect();
        if let Some(half) = season_half(&word) {
            // `26 ss`: a year separated from its half.
            if let Some(last) = self.items.last_mut()
                && let Some(year) = lone_year(last)
            {
                last.what = What::Measured { measure: Measure::Season, value: format!("{year}{half}") };
                return end;
            }
        }
        if let Some(brand) = self.lexicon.brand(&word).map(str::to_owned) {
            self.word(chunk, at, end, Class::Brand, &brand);
            return end;
        }
        match self.lexicon.words.get(&word).cloned() {
            Some(entry) => self.known(chunk, at, end, &entry),
            None if word == "x" => self.push(chunk, What::Idle, at, end),
            None if matches!(word.as_str(), "ii" | "iii") => {
                let value = word.len().to_string();
                self.push(chunk, What::Measured { measure: Measure::Generation, value }, at, end);
            }
            None => self.latin_compound(chunk, at, end, &word),
        }
        end
    }

    /// `maxv`: splits a variant from one or two more letters.
    fn latin_compound(&mut self, chunk: &Chunk, at: usize, end: usize, word: &str) {
        for rest in 1..=2_usize {
            let Some((head, tail)) = word.len().checked_sub(rest).and_then(|cut| word.split_at_checked(cut)) else {
                break;
            };
            let entry = self.lexicon.words.get(head).filter(|entry| entry.class == Class::Variant && head.len() >= 3);
            if let Some(entry) = entry.cloned() {
                self.known(chunk, at, end - rest, &entry);
                self.word(chunk, end - rest, end, Class::Word, tail);
                return;
            }
        }
        self.word(chunk, at, end, Class::Word, word);
    }

    /// Whether an `x` before a number that ends at `end` is a multiplication sign: it follows a
    /// quantity, or a unit follows the number.
    fn multiplies(&self, text: &[char], end: usize) -> bool {
        let after_quantity = self.items.last().is_some_and(|item| {
            matches!(&item.what, What::Measured { measure: Measure::Pack | Measure::Weight | Measure::Volume, .. })
        });
        after_quantity || text.get(end..).is_some_and(|rest| unit::leading(rest).is_some())
    }

    fn code(&mut self, chunk: &Chunk, text: &[char], at: usize, end: usize) {
        let code: String =
            text.get(at..end).unwrap_or_default().iter().filter(|ch| ch.is_ascii_alphanumeric()).collect();
        let measure = if code.len() <= 3 { Measure::ShortCode } else { Measure::Model };
        self.push(chunk, What::Measured { measure, value: code }, at, end);
    }
}
