//! Why a product has its place for a viewer: the edge's own code reads a snapshot's folder and
//! answers as a preview with `explain=1`.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use sinsang::memory::Memory;
use sinsang::request::{Config, Raw};
use sinsang::serve::{Serve, Step};
use sinsang::snapshot_load::{Fetched, Place};
use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::{Kind, PackId};
use sinsang_core::printable::grouped;
use sinsang_core::signal;
use sinsang_core::surface_name::Surface;
use sinsang_core::time::UnixMillis;
use sinsang_core::verdict::VerdictKind;
use sinsang_publish::snapshot::{self, Snapshot};

use super::word;

/// The preview secret of an edge that only this process asks.
const SECRET: &str = "why it stands there";
/// The most steps of a request; real ones take far fewer.
const MOST_STEPS: usize = 64;

/// Why no place can be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the snapshot can't be used.
    #[error("{0}; with --viewer, --input must be a snapshot's folder, as `sinsang build` writes it")]
    Snapshot(#[from] snapshot::Error),
    /// The user-hashing secret is missing.
    #[error("SINSANG_USER_KEY is missing: set it to the key that the snapshot was built with")]
    NoUserKey,
    /// No product has that name.
    #[error(
        "the board has no product {wanted}: give a listing's code, SHOP:CODE, or 16 hex digits of a product in the window"
    )]
    Unknown {
        /// The name asked for.
        wanted: String,
    },
    /// Several shops have that code.
    #[error("several shops have a listing {code}: give one of {}", shops.join(", "))]
    Ambiguous {
        /// The code.
        code: String,
        /// The listings, as `shop:code`.
        shops: Vec<String>,
    },
    /// The edge refuses the request.
    #[error("the edge answers {status}: {detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The answer's detail.
        detail: String,
    },
}

/// A question about products' places.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The app's id for the user.
    pub viewer: &'a str,
    /// The secret that users are hashed with.
    pub user_key: &'a str,
    /// The surface.
    pub surface: Surface,
    /// The time of the request.
    pub at: UnixMillis,
}

/// The places of products, with the reasons.
#[derive(Debug, Serialize)]
pub struct Places {
    viewer: String,
    #[serde(serialize_with = "named")]
    surface: Surface,
    at: String,
    /// Whether the viewer's own tastes order the surface.
    personalized: bool,
    snapshot: String,
    /// Products on the surface.
    total: usize,
    products: Vec<Told>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn named<S: Serializer>(surface: &Surface, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(surface.as_str())
}

/// One place of a product, or its absence.
#[derive(Clone, Debug, Serialize)]
struct Told {
    product_id: String,
    title: String,
    /// The place from 1; `None` if not on the surface.
    place: Option<usize>,
    /// The channel that it is on air on, for the live surface.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    /// Why it is absent, in Korean.
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<String>,
    verdict: Value,
    /// The `why` of `explain=1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Value>,
}

/// Finds the places of the products `wanted` for a viewer; each is a listing's code, `shop:code`,
/// or 16 hex digits.
///
/// # Errors
/// [`Error`] if the key is missing, the snapshot can't be used, a product is not found or
/// ambiguous, or the edge refuses.
pub fn places(snapshot: &Snapshot, question: &Question<'_>, wanted: &[String]) -> Result<Places, Error> {
    if question.user_key.is_empty() {
        return Err(Error::NoUserKey);
    }
    let manifest = snapshot.manifest()?;
    let id: PackId = manifest.board();
    let board = snapshot.parse(Key::Pack(Kind::Board, id), |bytes| Board::parse(bytes, id))?;
    let heads: Vec<Value> = (0..board.product_count()).map(|index| object(board.product(index).head_json())).collect();
    let products: Vec<usize> = wanted.iter().map(|wanted| find(&heads, wanted.trim())).collect::<Result<_, _>>()?;

    let (items, personalized) = items(snapshot, question)?;
    let mut told = Vec::new();
    for index in products {
        let text = |field: &str| heads.get(index).and_then(|head| head[field].as_str()).unwrap_or_default().to_owned();
        let product = board.product(index);
        let found = Told {
            product_id: text("product_id"),
            title: text("title"),
            place: None,
            channel: None,
            absent: Some(absent(&board, index, question)),
            verdict: serde_json::from_slice(product.verdict_json(question.at < product.first_ends_at()))
                .unwrap_or_default(),
            why: None,
        };
        // A product on air on several channels has several places.
        let before = told.len();
        for (place, item) in (1..).zip(&items).filter(|(_, item)| item["product_id"] == found.product_id.as_str()) {
            told.push(Told {
                place: Some(place),
                channel: item["broadcast"]["channel"]["name"].as_str().map(str::to_owned),
                absent: None,
                verdict: item["verdict"].clone(),
                why: Some(item["why"].clone()),
                ..found.clone()
            });
        }
        if told.len() == before {
            told.push(found);
        }
    }
    Ok(Places {
        viewer: question.viewer.to_owned(),
        surface: question.surface,
        at: question.at.to_kst_rfc3339(),
        personalized,
        snapshot: manifest.snapshot().to_string(),
        total: items.len(),
        products: told,
    })
}

/// Parses a JSON object of the board, which lacks its closing brace.
fn object(opened: &[u8]) -> Value {
    serde_json::from_slice(&[opened, b"}"].concat()).unwrap_or_default()
}

/// The index of the product with that name.
fn find(heads: &[Value], wanted: &str) -> Result<usize, Error> {
    if let Some(index) = heads.iter().position(|head| head["product_id"] == wanted) {
        return Ok(index);
    }
    let mut found: Vec<(usize, String)> = Vec::new();
    for (index, head) in heads.iter().enumerate() {
        for listing in head["listings"].as_array().into_iter().flatten() {
            let [shop, code] = ["shop", "listing_id"].map(|field| listing[field].as_str().unwrap_or_default());
            let full = format!("{shop}:{code}");
            if full == wanted {
                return Ok(index);
            }
            if code == wanted {
                found.push((index, full));
            }
        }
    }
    match found.as_slice() {
        [] => Err(Error::Unknown { wanted: wanted.to_owned() }),
        [(first, _), rest @ ..] if rest.iter().all(|(index, _)| index == first) => Ok(*first),
        _ => {
            Err(Error::Ambiguous { code: wanted.to_owned(), shops: found.into_iter().map(|(_, full)| full).collect() })
        }
    }
}

/// The surface's items in order, as in a preview, and whether the order is the viewer's own.
fn items(snapshot: &Snapshot, question: &Question<'_>) -> Result<(Vec<Value>, bool), Error> {
    let path = format!("/v1/{}", question.surface.as_str());
    // Only the new-product tab has pages.
    let more = if question.surface == Surface::New { "&limit=100" } else { "" };
    let [viewer, at] = [question.viewer, &question.at.to_kst_rfc3339()].map(escaped);
    let asked = format!("explain=1&viewer={viewer}&as_of={at}{more}");
    let mut query = asked.clone();
    let (mut items, mut memory) = (Vec::new(), Memory::default());
    loop {
        let mut body = ask(snapshot, question, &path, &query, &mut memory)?;
        if let Some(page) = body.get_mut("items").and_then(Value::as_array_mut) {
            items.append(page);
        }
        match body.get("next_cursor").and_then(Value::as_str) {
            Some(cursor) => query = format!("{asked}&cursor={cursor}"),
            None => return Ok((items, body.get("personalized") == Some(&Value::Bool(true)))),
        }
    }
}

/// Percent-encodes every byte.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |escaped, byte| escaped + &format!("%{byte:02X}"))
}

/// Asks the edge once; it reads the snapshot's folder.
fn ask(
    snapshot: &Snapshot,
    question: &Question<'_>,
    path: &str,
    query: &str,
    memory: &mut Memory,
) -> Result<Map<String, Value>, Error> {
    let variable = |name: &str| match name {
        "USER_KEY" => Some(question.user_key.to_owned()),
        "JWT_AUDIENCE" | "PREVIEW_SECRET" => Some(SECRET.to_owned()),
        _ => None,
    };
    let (config, _) = Config::of(variable);
    let raw = Raw { method: "GET", path, query, preview: Some(SECRET), ..Raw::default() };
    let mut serve = Serve::begin(raw, &config, question.at);
    for _ in 0..MOST_STEPS {
        match serve.next(memory, question.at) {
            Step::Reply(reply) => {
                let body: Map<String, Value> = serde_json::from_slice(&reply.body).unwrap_or_default();
                if reply.status == 200 {
                    return Ok(body);
                }
                let detail = body.get("detail").and_then(Value::as_str).unwrap_or_default().to_owned();
                return Err(Error::Refused { status: reply.status, detail });
            }
            Step::Read(reads) => {
                let fetch = |read: sinsang::snapshot_load::Read| {
                    // A folder holds a snapshot, and no overlay.
                    let is_there = read.place == Place::Store && read.key != Key::Overlay;
                    let value = if is_there { Some(snapshot.read(read.key)?) } else { None };
                    Ok(Fetched { place: read.place, key: read.key, value: Ok(value), is_second: false })
                };
                let fetched = reads.into_iter().map(fetch).collect::<Result<_, snapshot::Error>>()?;
                serve.absorb(fetched, memory, question.at);
            }
            Step::Bundle => serve.absorb_bundle(None, memory, question.at),
            // Nobody signs in here.
            Step::Verify(_) | Step::Wait(_) => break,
        }
    }
    Err(Error::Refused { status: 503, detail: "no answer".to_owned() })
}

/// Why a product is not on the surface.
fn absent(board: &Board, index: usize, question: &Question<'_>) -> String {
    let product = board.product(index);
    let slots = || product.slots().map(|slot| board.slot(slot));
    match question.surface {
        Surface::Live => match slots().map(|slot| slot.starts_at()).filter(|at| *at > question.at).min() {
            Some(next) => format!("지금 방송하지 않습니다. 다음 방송은 {}입니다.", word::minute(next)),
            None => "지금 방송하지 않고, 편성표에 남은 방송도 없습니다.".to_owned(),
        },
        Surface::New if product.verdict() == VerdictKind::Repeat => {
            "전에 방송한 상품이라 신상품 탭에 없습니다.".to_owned()
        }
        Surface::New if !product.is_listed() => {
            "처음 방송인지 알 수 없어 신상품 탭에 없습니다(new_tab.show_unknown).".to_owned()
        }
        Surface::New if product.first_ends_at() <= question.at => {
            format!("첫 방송이 {}에 끝나 이제 신상품이 아닙니다.", word::minute(product.first_ends_at()))
        }
        Surface::New if !sinsang_core::surface::trusts_verdicts(board.built_at(), question.at) => {
            format!(
                "스냅샷이 {}에 만들어져, 이 시각에는 무엇도 신상품이라고 할 수 없습니다.",
                word::minute(board.built_at())
            )
        }
        Surface::New => "운영 규칙이 감추었습니다.".to_owned(),
        Surface::Tabs => "상품을 보여 주는 화면이 아닙니다.".to_owned(),
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let surface = self.surface.korean();
        let whose = if self.personalized { "이 회원의 순서" } else { "취향을 몰라 함께 보는 순서" };
        write!(f, "{} · {surface} · {} · {whose} · 스냅샷 {}", self.viewer, self.at, self.snapshot)?;
        for told in &self.products {
            told.write(self.total, f)?;
        }
        Ok(())
    }
}

impl Told {
    fn write(&self, total: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n\n{} ({})", self.title, self.product_id)?;
        if let (Some(place), Some(why)) = (self.place, &self.why) {
            write!(f, "\n  {total}개 가운데 {place}번째 · {}점", signed(&why["total"]))?;
            self.channel.iter().try_for_each(|channel| write!(f, " · {channel}"))?;
            for (name, part) in why["parts"].as_object().into_iter().flatten() {
                let known =
                    signal::KOREAN.iter().find(|(known, _)| known == name).map_or(name.as_str(), |(_, korean)| *korean);
                write!(f, "\n    {known} {}", signed(part))?;
            }
            for rule in why["rules"].as_array().into_iter().flatten() {
                let text = |field: &str| rule[field].as_str().unwrap_or_default();
                write!(f, "\n  운영 규칙 “{}”: {}", text("name"), text("deed"))?;
            }
            for (experiment, variant) in why["experiments"].as_object().into_iter().flatten() {
                write!(f, "\n  실험 {experiment}: {}", variant.as_str().unwrap_or_default())?;
            }
            if why["explored"] == true {
                write!(f, "\n  탐색: 아직 본 사람이 적어 뽑힌 자리")?;
            }
            write!(f, "\n  {}", why["text"].as_str().unwrap_or_default())?;
        }
        if let Some(absent) = &self.absent {
            write!(f, "\n  {absent}")?;
        }
        let evidence = &self.verdict["evidence"];
        let kind = match self.verdict["kind"].as_str() {
            Some("new") => "신상품",
            Some("repeat") => "재방송",
            _ => "판단 보류",
        };
        write!(f, "\n  판정 {kind}: {}", evidence["text"].as_str().unwrap_or_default())?;
        write!(f, " (기록 전체 {}일", evidence["history_days"])?;
        match evidence["review_count"].as_u64() {
            Some(reviews) => write!(f, ", 상품평 {reviews}개)"),
            None => write!(f, ")"),
        }
    }
}

/// Points with a sign and grouped thousands.
fn signed(value: &Value) -> String {
    let points = value.as_i64().unwrap_or(0);
    let grouped = grouped(points.unsigned_abs());
    format!("{}{grouped}", if points < 0 { "−" } else { "+" })
}
