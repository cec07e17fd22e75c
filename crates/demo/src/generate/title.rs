//! A listing's wording of its product, and the ways in which shops word the same product
//! differently.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::chance::{pick, weighted};
use super::product::{Product, season_text};
use super::words::{Pack, Words};

/// The form of the brand in a title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrandForm {
    Plain,
    Bracket,
    Latin,
    Omitted,
}

/// A difference between two titles of one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// Marks and brackets only.
    Marks,
    /// Another spelling or abbreviation, or more or less detail.
    Spelling,
    /// Pack count or volume.
    PackCount,
    /// A gift or add-on.
    Gift,
    /// The words for the set.
    SetWording,
    /// Promotion, card and payment words.
    Promotion,
    /// The slot's code.
    SlotCode,
    /// A filler or season word.
    Filler,
    /// Only one of the titles has the model code.
    ModelCode,
    /// Spacing and the width of symbols.
    Spacing,
    /// The brand is omitted, bracketed or in Latin letters.
    BrandForm,
}

impl Difference {
    /// Each difference with its share in per cent among pairs of the same product.
    pub(super) const WEIGHTS: [(Self, f64); 11] = [
        (Self::Marks, 22.0),
        (Self::Spelling, 17.0),
        (Self::PackCount, 16.0),
        (Self::Gift, 13.0),
        (Self::SetWording, 10.0),
        (Self::Promotion, 6.5),
        (Self::SlotCode, 5.0),
        (Self::Filler, 2.5),
        (Self::ModelCode, 1.4),
        (Self::Spacing, 1.5),
        (Self::BrandForm, 5.1),
    ];
}

/// A wording of a product; none of its parts affects the product's identity.
#[derive(Clone, Debug)]
pub(super) struct Wording {
    pub(super) brand: BrandForm,
    /// Marks, brackets, claims.
    decoration: Vec<String>,
    /// A card or payment phrase at the front.
    promotion: Option<String>,
    /// The slot's code: at the end, or at the front if it ends in a point.
    slot_code: Option<String>,
    filler: Option<String>,
    detail: Option<String>,
    /// 0: the noun; otherwise one of its other spellings.
    noun: usize,
    /// Quantity in the pack's unit; 0 if the title gives none.
    pub(super) quantity: u32,
    pack_form: u8,
    set: Option<String>,
    gift: Option<String>,
    model: bool,
    colour: Option<String>,
    bed: Option<String>,
    /// 0: usual, 1: noun joined to its variant, 2: spaces around symbols, 3: full-width symbols.
    spacing: u8,
    /// 0: in front, 1: at the end in brackets, 2: in front in square brackets.
    gender_form: u8,
}

impl Wording {
    /// A product's first wording.
    pub(super) fn first(product: &Product, words: &Words, rng: &mut ChaCha8Rng) -> Self {
        let kind = product.attributes.kind(words);
        let phrases = &words.phrases;
        let brand = match rng.random_range(0..100) {
            0..70 => BrandForm::Plain,
            70..88 => BrandForm::Bracket,
            88..92 => BrandForm::Latin,
            _ => BrandForm::Omitted,
        };
        let mut wording = Self {
            brand,
            decoration: Vec::new(),
            promotion: None,
            slot_code: None,
            filler: None,
            detail: None,
            noun: 0,
            quantity: quantity(kind.pack, rng),
            pack_form: rng.random_range(0..3),
            set: None,
            gift: None,
            model: product.model_decides || rng.random_bool(0.9),
            colour: None,
            bed: kind.bed.then(|| pick(rng, &phrases.beds).clone()),
            spacing: 0,
            gender_form: if rng.random_bool(0.8) { 0 } else { rng.random_range(1..3) },
        };
        wording.decorate(words, rng);
        if rng.random_bool(0.08) {
            wording.gift = Some(gift(words, rng));
        }
        if rng.random_bool(0.04) {
            wording.slot_code = Some(pick(rng, &phrases.slot_codes).clone());
        }
        if rng.random_bool(0.05) {
            wording.promotion = Some(pick(rng, &phrases.cards).clone());
        }
        if rng.random_bool(0.05) {
            wording.colour = Some(pick(rng, &phrases.colours).clone());
        }
        wording
    }

    /// Draws new decoration. New and known products claim newness equally often.
    fn decorate(&mut self, words: &Words, rng: &mut ChaCha8Rng) {
        let phrases = &words.phrases;
        self.decoration.clear();
        if rng.random_bool(0.098) {
            self.decoration.push(pick(rng, &phrases.claims).clone());
        }
        if rng.random_bool(0.32) {
            self.decoration.push(pick(rng, &phrases.brackets).clone());
        }
        if rng.random_bool(0.17) {
            self.decoration.insert(0, pick(rng, &phrases.marks).clone());
        }
    }

    /// Changes the wording by `difference`.
    pub(super) fn differ(&mut self, difference: Difference, product: &Product, words: &Words, rng: &mut ChaCha8Rng) {
        let kind = product.attributes.kind(words);
        let phrases = &words.phrases;
        match difference {
            Difference::Marks => self.decorate(words, rng),
            Difference::Spelling => {
                if rng.random_bool(0.5) {
                    self.noun = rng.random_range(0..=kind.alt.len());
                } else if self.detail.is_some() {
                    self.detail = None;
                } else {
                    self.detail = Some(pick(rng, &phrases.details).clone());
                }
            }
            Difference::PackCount => {
                self.quantity = quantity(kind.pack, rng);
                self.pack_form = rng.random_range(0..3);
            }
            Difference::Gift => {
                self.gift = if self.gift.is_some() && rng.random_bool(0.4) { None } else { Some(gift(words, rng)) };
            }
            Difference::SetWording => {
                self.set = if self.set.is_some() && rng.random_bool(0.3) {
                    None
                } else {
                    Some(pick(rng, &phrases.sets).clone())
                };
            }
            Difference::Promotion => {
                let list = if rng.random_bool(0.3) { &phrases.payments } else { &phrases.cards };
                self.promotion = Some(pick(rng, list).clone());
            }
            Difference::SlotCode => {
                self.slot_code = Some(match rng.random_range(0..4) {
                    0 => format!("{}.", rng.random_range(1..6)),
                    1 => format!(
                        "_{:02}{:02}{:02}",
                        rng.random_range(25..27),
                        rng.random_range(1..13),
                        rng.random_range(1..29)
                    ),
                    _ => pick(rng, &phrases.slot_codes).clone(),
                });
            }
            Difference::Filler => self.filler = Some(pick(rng, &phrases.fillers).clone()),
            Difference::ModelCode => self.model = product.model_decides || !self.model,
            Difference::Spacing => self.spacing = (self.spacing + rng.random_range(1..4)) % 4,
            Difference::BrandForm => {
                self.brand = *pick(rng, &[BrandForm::Plain, BrandForm::Bracket, BrandForm::Latin, BrandForm::Omitted]);
            }
        }
    }

    /// Puts one of the two payment words in front, for twin codes of one product in one slot.
    pub(super) fn pay(&mut self, words: &Words, index: usize) {
        self.promotion = words.phrases.payments.get(index).cloned();
    }

    /// The title of `product` in this wording.
    pub(super) fn title(&self, product: &Product, words: &Words) -> String {
        let attributes = &product.attributes;
        let kind = attributes.kind(words);
        let mut front: Vec<String> = Vec::with_capacity(12);
        let mut back: Vec<String> = Vec::new();
        front.extend(self.slot_code.iter().filter(|code| code.ends_with('.')).cloned());
        front.extend(self.decoration.iter().cloned());
        front.extend(self.promotion.iter().cloned());
        match (attributes.brand(words), self.brand) {
            (Some((korean, _)), BrandForm::Plain) => front.push(korean.to_owned()),
            (Some((korean, _)), BrandForm::Bracket) => front.push(format!("[{korean}]")),
            (Some((_, latin)), BrandForm::Latin) => front.push(latin.to_owned()),
            _ => {}
        }
        if let Some(season) = attributes.season {
            let text = season_text(season);
            front.push(if self.spacing == 2 { format!("{} {}", &text[..2], &text[2..]) } else { text });
        }
        if let Some(gender) = attributes.gender.and_then(|g| words.phrases.genders.get(usize::from(g))) {
            match self.gender_form {
                0 => front.push(gender.clone()),
                1 => back.push(format!("({gender})")),
                _ => front.push(format!("[{gender}]")),
            }
        }
        front.extend(self.filler.iter().cloned());
        front.extend(self.detail.iter().cloned());
        front.push(attributes.category(words).lines[usize::from(attributes.line)].clone());
        let variant = &kind.variants[usize::from(attributes.variant)];
        let noun = self.noun.checked_sub(1).and_then(|alt| kind.alt.get(alt)).unwrap_or(&kind.noun);
        if variant.is_empty() {
            front.push(noun.clone());
        } else if self.spacing == 1 {
            front.push(format!("{variant}{noun}"));
        } else {
            front.push(format!("{variant} {noun}"));
        }
        if let Some(strength) = attributes.strength {
            front.push(kind.strengths[usize::from(strength)].clone());
        }
        if let Some(generation) = attributes.generation {
            front.push(format!("{generation}세대"));
        }
        if let Some(size) = attributes.size {
            front.push(kind.sizes[usize::from(size)].clone());
        }
        if let Some(model) = attributes.model.as_ref().filter(|_| self.model || product.model_decides) {
            front.push(model.clone());
        }
        if let Some(bed) = &self.bed {
            front.push(if self.pack_form == 0 { format!("({bed})") } else { bed.clone() });
        }
        if self.quantity > 0 {
            front.push(pack_text(kind.pack, self.quantity, self.pack_form));
        }
        front.extend(self.set.iter().cloned());
        front.extend(self.colour.iter().cloned());
        front.append(&mut back);
        let mut title = front.join(" ");
        title.extend(self.gift.iter().map(String::as_str));
        if let Some(code) = self.slot_code.as_ref().filter(|code| !code.ends_with('.')) {
            if !code.starts_with('_') {
                title.push(' ');
            }
            title.push_str(code);
        }
        match self.spacing {
            2 => title.replace('+', " + ").replace('(', " ( ").replace("  ", " "),
            3 => title.replace('+', "＋").replace("kg", "㎏").replace('%', "％"),
            _ => title,
        }
    }
}

/// A random difference, by weight.
pub(super) fn difference(rng: &mut ChaCha8Rng) -> Difference {
    let weights = Difference::WEIGHTS.map(|(_, weight)| weight);
    Difference::WEIGHTS[weighted(rng, &weights)].0
}

fn gift(words: &Words, rng: &mut ChaCha8Rng) -> String {
    let form = pick(rng, &words.phrases.gift_forms);
    let gift: &String = pick(rng, &words.phrases.gifts);
    form.replace("{}", gift)
}

/// Quantities of a pack, the usual one in the middle.
fn quantities(pack: Pack) -> &'static [u32] {
    match pack {
        Pack::None => &[0],
        Pack::Kinds => &[2, 3, 4, 5, 6, 7],
        Pack::Sets => &[1, 2, 3, 4, 5, 6],
        Pack::Packs => &[5, 6, 8, 10, 12, 20],
        Pack::Kilograms => &[2, 3, 5, 8, 10],
        Pack::Bottles | Pack::Tubs => &[2, 3, 4, 5, 6, 8],
        Pack::Pouches => &[30, 60, 90, 120],
        Pack::Animals => &[5, 8, 10, 15, 20],
        Pack::Refills => &[1, 2, 3],
        Pack::Weeks => &[4, 6, 8, 12, 16],
        Pack::Months => &[3, 6, 12],
        Pack::Boxes => &[1, 4, 6, 9, 12],
        Pack::Sheets => &[30, 60, 100, 200],
        Pack::Rolls => &[24, 30, 60],
        Pack::Pieces | Pack::Units => &[1, 2, 3, 4],
    }
}

fn quantity(pack: Pack, rng: &mut ChaCha8Rng) -> u32 {
    *pick(rng, quantities(pack))
}

/// A quantity's price in multiples of the usual quantity's: more costs more, but less for each
/// piece.
pub(super) fn pack_factor(pack: Pack, quantity: u32) -> f64 {
    let list = quantities(pack);
    match (quantity, list[list.len() / 2]) {
        (0, _) | (_, 0) => 1.0,
        (quantity, usual) => (f64::from(quantity) / f64::from(usual)).powf(0.45),
    }
}

fn pack_text(pack: Pack, quantity: u32, form: u8) -> String {
    let unit = match pack {
        Pack::None => return String::new(),
        Pack::Refills => {
            return match form {
                0 => format!("(본품{quantity}+리필{quantity})"),
                1 => format!("본품 {quantity}개+리필 {quantity}개"),
                _ => format!("본품{quantity}+리필{quantity}"),
            };
        }
        Pack::Packs if form == 0 => return format!("500g x {quantity}팩"),
        Pack::Kinds if form == 0 => return format!("{quantity}종 세트"),
        Pack::Sets if form == 0 => return format!("{quantity}SET"),
        Pack::Boxes if form == 0 => return format!("{quantity}BOX"),
        Pack::Kilograms if form == 0 => return format!("(총 {quantity}kg)"),
        Pack::Kinds => "종",
        Pack::Sets => "세트",
        Pack::Packs => "팩",
        Pack::Kilograms => "kg",
        Pack::Bottles => "병",
        Pack::Pouches => "포",
        Pack::Animals => "마리",
        Pack::Weeks => "주분",
        Pack::Months => "개월분",
        Pack::Boxes => "박스",
        Pack::Sheets => "매",
        Pack::Tubs => "통",
        Pack::Rolls => "롤",
        Pack::Pieces => "장",
        Pack::Units => "개",
    };
    format!("{quantity}{unit}")
}
