//! Deciding word classes: flavours, lines, materials, variants, designs, places and seasons that
//! only one title names.

use super::Policy;
use super::rules::{Facts, Sums};
use super::sketch::Sketch;
use crate::listing::{Class, Domain, eaten};

impl Facts<'_> {
    /// Compares the deciding words of both titles, class by class.
    pub(super) fn deciding_words(&self, sums: &mut Sums) {
        let policy = self.policy;
        let note = |left: &[&str], right: &[&str]| format!("{} ↔ {}", left.join(" "), right.join(" "));
        let softer = if self.near_price { 0.4 } else { 1.0 };
        let eaten = eaten(self.domain) || self.domain.is_none();

        let (left, right) = self.unmatched(Class::Flavour);
        let scented = eaten || matches!(self.domain, Some(Domain::Beauty));
        match (left.is_empty(), right.is_empty()) {
            (false, false) if scented => sums.veto("flavour", || note(&left, &right)),
            (false, false) => sums.add("flavour", -policy.penalty.flavour, || note(&left, &right)),
            (true, true) => {}
            _ if eaten => {
                // A title without any ingredient may just be brief; one that names others
                // contradicts.
                let side = if left.is_empty() { self.a } else { self.b };
                let says_less = !side.says(Class::Flavour) && matches!(self.domain, Some(Domain::Health));
                // A plain 감자 may be a 수미감자.
                let generic = left.iter().chain(&right).all(|word| {
                    [self.a, self.b].iter().any(|side| {
                        side.units.iter().any(|unit| {
                            unit.class == Class::Flavour
                                && unit.text != **word
                                && unit.chars.len() >= 2
                                && word.strip_suffix(&unit.text).is_some_and(|which| !names_a_food(which, policy))
                        })
                    })
                });
                let value = policy.penalty.flavour * if says_less || generic || self.near_price { 0.4 } else { 1.0 };
                sums.add("flavour", -value, || note(&left, &right));
            }
            _ => {}
        }

        if eaten {
            let (left, right) = (made_with(self.a, self.policy), made_with(self.b, self.policy));
            let either = !left.is_empty() || !right.is_empty();
            // A plain 만두 may omit its filling; 김치만두 and 고기만두 differ here as kinds or flavours.
            if either && left != right {
                sums.add("flavour", -policy.penalty.flavour, || note(&left, &right));
            }
        }

        // Letters of a line: 콜라겐 S and 콜라겐 C.
        let letters = |side: &'_ Sketch| -> Vec<String> {
            let letter = |text: &str| text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
            side.units.iter().filter(|unit| !unit.addon && letter(&unit.text)).map(|unit| unit.text.clone()).collect()
        };
        if scented {
            let (left, right) = (letters(self.a), letters(self.b));
            if !left.is_empty() && !right.is_empty() && left.iter().all(|letter| !right.contains(letter)) {
                sums.veto("line", || format!("{} ↔ {}", left.join(" "), right.join(" ")));
            }
        }

        let (left, right) = self.unmatched(Class::Colour);
        match (left.is_empty(), right.is_empty()) {
            // On food, a colour names the line: gold, black, green.
            (false, false) if eaten => sums.veto("line", || note(&left, &right)),
            (false, true) | (true, false) if eaten => {
                sums.add("line", -policy.penalty.variant * softer, || note(&left, &right));
            }
            _ => {}
        }

        let (left, right) = self.unmatched(Class::Material);
        let made = !eaten && !matches!(self.domain, Some(Domain::Beauty | Domain::Service | Domain::Travel));
        match (left.is_empty(), right.is_empty()) {
            (false, false) if made => sums.veto("material", || note(&left, &right)),
            (true, true) => {}
            // 스텐냄비 and a 세라믹 냄비.
            _ if made && self.built_of_another(&left, &right) => sums.veto("material", || note(&left, &right)),
            _ if matches!(self.domain, Some(Domain::Clothing)) => {
                sums.add("material", -policy.penalty.material * softer, || note(&left, &right));
            }
            _ if matches!(self.domain, Some(Domain::Home)) => {
                sums.add("material", -policy.penalty.material * softer * 0.5, || note(&left, &right));
            }
            _ => {}
        }

        let (left, right) = self.unmatched(Class::Variant);
        match (left.is_empty(), right.is_empty()) {
            (false, false) => sums.veto("variant", || note(&left, &right)),
            (true, true) => {}
            _ => sums.add("variant", -policy.penalty.variant * softer, || note(&left, &right)),
        }

        let (left, right) = self.unmatched(Class::Design);
        match (left.is_empty(), right.is_empty()) {
            (false, false) => sums.add("design", -policy.penalty.designs, || note(&left, &right)),
            (true, true) => {}
            _ => sums.add("design", -policy.penalty.design * softer, || note(&left, &right)),
        }

        let (left, right) = self.unmatched(Class::Origin);
        let travels = matches!(self.domain, Some(Domain::Travel));
        match (left.is_empty(), right.is_empty()) {
            (false, false) => sums.part("origin", || note(&left, &right)),
            (true, true) => {}
            _ if travels => sums.add("origin", -policy.penalty.flavour, || note(&left, &right)),
            _ => {}
        }
        self.seasons(sums);
    }

    /// Whether a material that only one title names contradicts the material that begins the
    /// other's kind.
    fn built_of_another(&self, left: &[&str], right: &[&str]) -> bool {
        let (named, other) = if left.is_empty() { (right, self.a) } else { (left, self.b) };
        other.units.iter().filter(|unit| unit.class == Class::Kind && !unit.addon).any(|unit| {
            let heads = unit.text.char_indices().filter_map(|(at, _)| unit.text.get(..at));
            let mut materials = heads
                .filter_map(|head| self.policy.words.get(head))
                .filter(|entry| entry.class == Class::Material && entry.canonical.chars().count() > 1);
            materials.next().is_some_and(|of| {
                let of = of.canonical.as_ref();
                !named.iter().any(|name| *name == of || self.policy.words.nested(name, of))
            })
        })
    }

    /// Penalises 여름 against 겨울.
    fn seasons(&self, sums: &mut Sums) {
        const SEASONS: [&str; 4] = ["봄", "여름", "가을", "겨울"];
        let of = |side: &Sketch| -> [bool; 2] {
            let says = |at: usize| {
                SEASONS.get(at).is_some_and(|season| side.units.iter().any(|unit| unit.text.starts_with(season)))
            };
            let summer = side.units.iter().any(|unit| unit.text == "썸머") || says(1);
            let winter = side.units.iter().any(|unit| unit.text == "윈터") || says(3);
            [summer, winter]
        };
        let (a, b) = (of(self.a), of(self.b));
        if a != b && a.contains(&true) && b.contains(&true) && a[0] != b[0] && a[1] != b[1] {
            sums.add("season_words", -self.policy.penalty.season_words, String::new);
        }
    }
}

/// The kinds that the last kind is made with, as words of their own or as its prefix: 김치 in 김치 만두
/// and 김치만두.
fn made_with<'s>(side: &'s Sketch, policy: &Policy) -> Vec<&'s str> {
    let kinds: Vec<&str> = side
        .units
        .iter()
        .filter(|unit| unit.class == Class::Kind && !unit.addon)
        .map(|unit| unit.text.as_str())
        .collect();
    let Some((last, before)) = kinds.split_last() else { return Vec::new() };
    let inside =
        last.char_indices().filter_map(|(at, _)| last.get(..at)).filter(|head| policy.words.is_ingredient(head));
    let mut found: Vec<&str> =
        before.iter().copied().filter(|kind| policy.words.is_ingredient(kind)).chain(inside).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether `word` is a food's name: 보리굴비 is not just any 굴비, whereas 수미감자 is a 감자.
fn names_a_food(word: &str, policy: &Policy) -> bool {
    word.chars().count() > 1 && policy.words.get(word).is_some_and(|entry| entry.class == Class::Flavour)
}
