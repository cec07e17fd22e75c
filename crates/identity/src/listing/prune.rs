//! Pruning: removes remarks, gifts, promotion and slot codes from a title's items and types the
//! rest as features.

use super::lex::{Item, What};
use super::{Attribute, Class, Domain, Features, Measure, Token, is_whole_code};

/// Words before a remark's marker that belong to the remark, at most.
const REMARK_WORDS: usize = 2;

/// Builds the features from a title's items.
pub(crate) fn prune(items: Vec<Item>, brands: Vec<String>, category: Option<Domain>) -> Features {
    let mut dropped = vec![false; items.len()];
    for range in segments(&items) {
        prune_segment(&items, range, &mut dropped);
    }
    drop_leading_number(&items, &mut dropped);
    let domain = domain(&items, &dropped, category);
    let addon = addons(&items, domain);
    let asides = asides(&items);
    let packages = packages(&items);
    let mut features = Features { brands, domain, ..Features::default() };
    let counted: Vec<bool> = (0..items.len()).map(|index| in_list(&items, index)).collect();
    for (index, item) in items.into_iter().enumerate() {
        let addon = addon.get(index).copied().unwrap_or(false);
        if dropped.get(index).copied().unwrap_or(true) {
            continue;
        }
        match item.what {
            What::Word { text, class, domain, .. } => {
                if !matches!(class, Class::Promo | Class::Pack) {
                    let class = if stray_kind(class, domain, features.domain) { Class::Word } else { class };
                    let of_package = packages.get(index).copied().unwrap_or(false);
                    let class = if class == Class::Word && of_package { Class::Filler } else { class };
                    let aside = asides.get(index).copied().unwrap_or(false);
                    features.tokens.push(Token { text, class, domain, addon, aside, span: item.span });
                }
            }
            // A large number after a name is a strength only on food; elsewhere it is part of the
            // name.
            What::Measured { measure: Measure::Strength, value }
                if !super::eaten(domain) && value.chars().all(|ch| ch.is_ascii_digit()) && value.len() >= 3 =>
            {
                let class = Class::Word;
                features.tokens.push(Token { text: value, class, domain: None, addon, aside: false, span: item.span });
            }
            // 밥공기2+국공기2: a number attached to a part of a list is its count.
            What::Measured { measure: Measure::Generation, value } if counted.get(index).copied().unwrap_or(false) => {
                features.attributes.push(Attribute { measure: Measure::Pack, value, addon, span: item.span });
            }
            What::Measured { measure, value } => {
                features.attributes.push(Attribute { measure, value, addon, span: item.span });
            }
            // A lone number is treated as a count: it is compared only if the other title has it as
            // a generation.
            What::Lone(number) => {
                let value = super::unit::trimmed(number);
                features.attributes.push(Attribute { measure: Measure::Pack, value, addon, span: item.span });
            }
            What::Money | What::Idle => {}
        }
    }
    features.key = key(&features);
    features
}

/// Whether a word for a kind of thing means something else in this domain: 매트 on a lipstick is not
/// a mat.
fn stray_kind(class: Class, of: Option<Domain>, domain: Option<Domain>) -> bool {
    let family = |domain: Domain| match domain {
        Domain::Food | Domain::Health | Domain::Pet => 0,
        Domain::Beauty => 1,
        Domain::Clothing | Domain::Goods | Domain::Sports => 2,
        Domain::Appliance | Domain::Kitchen | Domain::Home => 3,
        Domain::Travel => 4,
        Domain::Service => 5,
    };
    let health = |domain| domain == Some(Domain::Health);
    class == Class::Kind
        && !health(of)
        && !health(domain)
        && matches!((of, domain), (Some(of), Some(domain)) if family(of) != family(domain))
}

/// Whether the number at `index` touches its word within a list joined by plus signs.
fn in_list(items: &[Item], index: usize) -> bool {
    let Some(item) = items.get(index) else { return false };
    let plus = |at: usize| items.get(at).is_some_and(|next| next.separator == '+' && next.segment == item.segment);
    item.glued && (plus(index + 1) || index > 0 && plus(index - 1))
}

/// Asides: items in brackets beside plain words, and items after a slash that follows at least two
/// plain words.
fn asides(items: &[Item]) -> Vec<bool> {
    let is_word = |item: &Item| matches!(item.what, What::Word { .. });
    let plain = items.iter().any(|item| !item.bracket && is_word(item));
    let (mut named, mut slashed) = (0, false);
    items
        .iter()
        .map(|item| {
            slashed |= item.separator == '/' && named > 1;
            named += usize::from(!item.bracket && is_word(item));
            item.bracket && plain || slashed
        })
        .collect()
}

/// Items that name a package: the word before a package word, or a bracket that ends with one.
fn packages(items: &[Item]) -> Vec<bool> {
    let names = |item: &Item| matches!(&item.what, What::Word { text, class: Class::Pack | Class::Filler | Class::Promo, .. } if matches!(text.as_str(), "패키지" | "구성" | "에디션"));
    let mut found = vec![false; items.len()];
    let mut mark = |range: std::ops::Range<usize>| {
        if let Some(part) = found.get_mut(range) {
            part.fill(true);
        }
    };
    for range in segments(items) {
        let bracket = items.get(range.start).is_some_and(|item| item.bracket);
        for at in range.clone().filter(|&at| items.get(at).is_some_and(names)) {
            if bracket && at + 1 == range.end {
                mark(range.clone());
            } else if at > range.start + 1 || bracket {
                // The previous word, including items attached to it.
                let glued = |&at: &usize| items.get(at).is_some_and(|item| item.glued);
                let first = (range.start..at).rev().find(|at| !glued(at)).unwrap_or(range.start);
                mark(first.max(range.start + usize::from(!bracket))..at);
            }
        }
    }
    found
}

/// Ranges of items with the same segment.
fn segments(items: &[Item]) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    for index in 1..=items.len() {
        let ends = match (items.get(index), items.get(start)) {
            (Some(here), Some(first)) => here.segment != first.segment,
            _ => true,
        };
        if ends && index > start {
            ranges.push(start..index);
            start = index;
        }
    }
    ranges
}

fn gives(item: &Item) -> bool {
    matches!(item.what, What::Word { gives: true, .. })
}

/// Whether the item turns its bracket into a remark.
fn remarks(item: &Item) -> bool {
    match &item.what {
        What::Money => true,
        What::Word { comments, class, .. } => *comments || *class == Class::Promo,
        _ => false,
    }
}

/// Whether the item survives in a remark, which may contain deciding words.
fn survives_remark(item: &Item) -> bool {
    match &item.what {
        // A single letter in a remark marks a channel: W단독.
        What::Word { text, class: Class::Variant, .. } => text.chars().count() > 1,
        What::Word { class, .. } => matches!(
            class,
            Class::Male
                | Class::Female
                | Class::Unisex
                | Class::Child
                | Class::Brand
                | Class::Flavour
                | Class::Material
                | Class::Origin
        ),
        What::Measured { .. } => true,
        What::Money | What::Idle | What::Lone(_) => false,
    }
}

fn drop_all(dropped: &mut [bool], range: std::ops::Range<usize>) {
    if let Some(part) = dropped.get_mut(range) {
        part.fill(true);
    }
}

fn prune_segment(items: &[Item], range: std::ops::Range<usize>, dropped: &mut [bool]) {
    let Some(segment) = items.get(range.clone()) else { return };
    let Some(first) = segment.first() else { return };
    if first.bracket || first.underscore {
        let bare_code = |item: &Item| match &item.what {
            What::Measured { .. } | What::Lone(_) | What::Idle => true,
            What::Word { text, .. } => text.chars().all(|ch| ch.is_ascii_alphanumeric()),
            What::Money => false,
        };
        // After an underscore, a whole article code belongs to the article; a slot code is a date
        // or a tag.
        let of_article = |item: &Item| match &item.what {
            What::Measured { measure: Measure::Model, value, .. } => is_whole_code(value),
            _ => false,
        };
        let of_slot = first.underscore && segment.iter().all(bare_code) && !segment.iter().any(of_article);
        if segment.iter().any(gives) || of_slot {
            drop_all(dropped, range);
            return;
        }
        if segment.iter().any(remarks) {
            for (offset, item) in segment.iter().enumerate() {
                if !survives_remark(item) {
                    drop_all(dropped, range.start + offset..range.start + offset + 1);
                }
            }
            return;
        }
        // One letter in brackets marks a channel or slot, unless its class decides.
        if let [
            Item {
                what: What::Word { text, class: Class::Word | Class::Variant | Class::Flavour | Class::Material, .. },
                ..
            },
        ] = segment
            && text.chars().count() == 1
        {
            drop_all(dropped, range);
        }
        return;
    }
    for (offset, item) in segment.iter().enumerate() {
        let at = range.start + offset;
        if gives(item) {
            let from = gift_start(items, &range, at);
            drop_all(dropped, from..at + 1);
        } else if matches!(item.what, What::Word { comments: true, .. }) {
            drop_remark(items, &range, at, dropped);
        }
    }
}

/// The start of a gift named before its marker at `at`: after the nearest plus, comma, slash or
/// quantity; or else the kind of thing right before the marker, if the article's own kind precedes
/// it: 안마의자 러그 증정. If nothing separates gift from article, only the marker.
fn gift_start(items: &[Item], range: &std::ops::Range<usize>, at: usize) -> usize {
    const NEARBY: usize = 4;
    for from in (range.start + 1..=at).rev().take(NEARBY) {
        let splits = items.get(from).is_some_and(|item| item.separator != ' ');
        let after_count = items.get(from - 1).is_some_and(|item| matches!(item.what, What::Measured { .. }));
        if splits || after_count && from < at {
            return from;
        }
    }
    let is_kind =
        |at: usize| items.get(at).is_some_and(|item| matches!(item.what, What::Word { class: Class::Kind, .. }));
    let before = at.checked_sub(1).filter(|&before| before > range.start && is_kind(before));
    before.filter(|&before| (range.start..before).any(is_kind)).unwrap_or(at)
}

/// Drops a few unknown or weak words right before a remark's marker.
fn drop_remark(items: &[Item], range: &std::ops::Range<usize>, at: usize, dropped: &mut [bool]) {
    drop_all(dropped, at..at + 1);
    let mut left = REMARK_WORDS;
    let mut from = at;
    while from > range.start && left > 0 {
        from -= 1;
        let weak = items.get(from).is_some_and(|item| {
            matches!(&item.what, What::Word { class: Class::Word | Class::Filler | Class::Promo, .. }) && !item.glued
        });
        // A title's first word is more likely part of the name than praise.
        if !weak || from == range.start {
            break;
        }
        drop_all(dropped, from..from + 1);
        left -= 1;
    }
}

/// Drops a list number at the start of a title: `1. `.
fn drop_leading_number(items: &[Item], dropped: &mut [bool]) {
    if matches!(items.first(), Some(Item { what: What::Lone(_), .. })) {
        drop_all(dropped, 0..1);
    }
}

/// The article's domain: the category's, unless the title names only kinds of other domains.
fn domain(items: &[Item], dropped: &[bool], category: Option<Domain>) -> Option<Domain> {
    let mut named: Option<Domain> = None;
    let mut flavour = false;
    let mut after_plus = false;
    for (item, &dropped) in items.iter().zip(dropped) {
        after_plus |= item.separator == '+';
        if dropped {
            continue;
        }
        match &item.what {
            What::Word { domain: Some(domain), class: Class::Kind, .. } => {
                if Some(*domain) == category {
                    return category;
                }
                if !after_plus {
                    named = Some(*domain);
                }
            }
            What::Word { class: Class::Flavour, .. } => flavour |= !after_plus,
            _ => {}
        }
    }
    match (category, named) {
        (Some(Domain::Health), _) if flavour => category,
        (Some(Domain::Travel | Domain::Service), _) | (Some(_), None) => category,
        (_, Some(named)) => Some(named),
        (None, None) => flavour.then_some(Domain::Food),
    }
}

/// Items that name an extra or part of a set: those after a plus, and lists of counted parts.
fn addons(items: &[Item], domain: Option<Domain>) -> Vec<bool> {
    let mut addon = vec![false; items.len()];
    if matches!(domain, Some(Domain::Travel)) {
        return addon;
    }
    // After the article's count, a plus introduces an extra even if a bracket stands in between.
    let (mut is_plain, mut is_counted) = (false, false);
    for range in segments(items) {
        let bracket = items.get(range.start).is_some_and(|item| item.bracket);
        let mut counted = is_counted && !bracket;
        let mut after_plus = false;
        is_plain |= !bracket;
        for index in range.clone() {
            let item = &items[index];
            match item.separator {
                '+' => {
                    let part_end = part_end(items, index, range.end);
                    let part = items.get(index..part_end).unwrap_or_default();
                    let has_count = part.iter().any(is_count);
                    let has_weight = part.iter().any(is_amount);
                    let ingredient = part.first().is_some_and(|item| {
                        matches!(
                            &item.what,
                            What::Word { class: Class::Flavour, .. }
                                | What::Measured { measure: Measure::ShortCode, .. }
                        )
                    });
                    let eaten = matches!(domain, Some(Domain::Food | Domain::Health) | None);
                    after_plus =
                        if eaten && ingredient && !has_weight { counted } else { counted || has_count || !eaten };
                }
                '/' | ',' | '|' => after_plus = false,
                _ => {}
            }
            if after_plus && let Some(mark) = addon.get_mut(index) {
                *mark = true;
            }
            counted |= is_count(item) || is_amount(item);
        }
        is_counted |= counted && is_plain;
        mark_counted_parts(items, &range, &mut addon);
    }
    addon
}

fn is_count(item: &Item) -> bool {
    matches!(&item.what, What::Measured { measure: Measure::Pack, .. })
}

fn is_amount(item: &Item) -> bool {
    matches!(&item.what, What::Measured { measure: Measure::Weight | Measure::Volume, .. })
}

/// The end of the part that begins at `start`: the next separator other than a space.
fn part_end(items: &[Item], start: usize, end: usize) -> usize {
    (start + 1..end).find(|&index| items.get(index).is_none_or(|item| item.separator != ' ')).unwrap_or(end)
}

/// Marks counted parts of a set, each a word with a count attached and a plus after it:
/// `매트2+베개피2+홑이불1`.
fn mark_counted_parts(items: &[Item], range: &std::ops::Range<usize>, addon: &mut [bool]) {
    for index in range.clone() {
        let plus_follows = index + 1 < range.end && items.get(index + 1).is_some_and(|item| item.separator == '+');
        let touching = items.get(index).is_some_and(|item| is_count(item) && item.glued);
        if plus_follows && touching && index > range.start {
            drop_mark(addon, index - 1);
            drop_mark(addon, index);
        }
    }
}

fn drop_mark(addon: &mut [bool], index: usize) {
    if let Some(mark) = addon.get_mut(index) {
        *mark = true;
    }
}

/// Concatenates the kept words and deciding attributes in order.
pub(super) fn key(features: &Features) -> String {
    let mut parts: Vec<(usize, &str)> = Vec::new();
    for token in &features.tokens {
        let eaten = matches!(features.domain, Some(Domain::Food | Domain::Health | Domain::Pet) | None);
        let weak =
            matches!(token.class, Class::Filler | Class::Size | Class::Brand) || token.class == Class::Colour && !eaten;
        if !token.addon && !weak {
            parts.push((token.span.start, &token.text));
        }
    }
    if parts.is_empty() {
        parts.extend(features.tokens.iter().map(|token| (token.span.start, token.text.as_str())));
    }
    for attribute in &features.attributes {
        let ignored = matches!(attribute.measure, Measure::Pack | Measure::Weight | Measure::Volume | Measure::Year);
        if !attribute.addon && !ignored {
            parts.push((attribute.span.start, &attribute.value));
        }
    }
    parts.sort_unstable_by_key(|&(start, _)| start);
    parts.iter().map(|&(_, text)| text).collect()
}
