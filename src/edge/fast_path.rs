//! The synchronous door: a warm request comes in as one text, its answer goes out as bytes in Wasm
//! memory, and nothing is awaited.
//!
//! `entry.mjs` calls it and explains the costs of crossing. Text and answer lie in two buffers,
//! whose addresses [`open`] returns once for an instance; the answer's words hold the addresses of
//! its parts. Most answers share their headers except the ETag: headers are handed over as a block
//! of text, once, and referred to by a number from then on.

use std::cell::RefCell;

use js_sys::Array;
use worker::Env;
use worker::wasm_bindgen;
use worker::wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use super::isolate::{self, with_memory};
use super::{HEALTH, cut};
use crate::rate::Address;
use crate::reply::Reply;
use crate::request::{Config, Raw};
use crate::serve::Serve;
use sinsang_core::context::Context;
use sinsang_core::time::UnixMillis;

/// Longest request text that this door takes, in bytes: more than any accepted URL, token and ETag.
const MAX_REQUEST_BYTES: usize = 16 * 1024;
/// Stands for an absent header; no header can hold it.
const ABSENT: &str = "\0";
/// Header blocks that are remembered by number, a power of two. `Sinsang-Age` makes new ones every
/// second.
const BLOCKS: usize = 16;
/// Answers kept for repetitions of the same request, a power of two.
const SHARED: usize = 32;
/// Words that describe an answer.
const WORDS: usize = 10;

/// The door's state between requests.
struct Door {
    request: Box<[u8]>,
    /// The last word tells whether requests' contexts make a difference; JavaScript reads it before
    /// it hands each request over.
    answer: Box<[u32; WORDS]>,
    /// The last answer; JavaScript reads its body and ETag from here.
    reply: Reply,
    block: String,
    /// Blocks of headers with their numbers; number `n` lies at `n % BLOCKS`.
    blocks: Vec<(u32, String)>,
    last_block: u32,
    /// Answers that are public for a moment; number `n` lies at `n % SHARED`.
    shared: Vec<Shared>,
    last_shared: u32,
    /// The origin of the last request's URL.
    origin: String,
}

/// An answer that every request with the same text gets.
struct Shared {
    number: u32,
    request: Box<[u8]>,
    context: i32,
    from: UnixMillis,
    until: UnixMillis,
    generation: u32,
    reply: Reply,
}

thread_local! {
    static DOOR: RefCell<Door> = RefCell::new(Door {
        request: vec![0; MAX_REQUEST_BYTES].into(),
        answer: Box::new([0; WORDS]),
        reply: Reply::default(),
        block: String::new(),
        blocks: Vec::new(),
        last_block: 0,
        shared: Vec::new(),
        last_shared: 0,
        origin: String::new(),
    });
}

/// Returns the addresses of this instance's buffers: its memory, the address and length of the
/// request's text, the address of the answer's words, and whether the headers `Sinsang-Preview` and
/// `Origin` matter. `Sinsang-Device` follows both, if it is sent, so that only requests without a
/// device find a shared answer. The client's address comes last, and only with a preview secret.
/// The result is `undefined` if a rate limiter is bound: every request then has to be counted
/// first.
#[expect(unreachable_pub, reason = "only public functions are exported")]
#[wasm_bindgen(js_name = openDoor)]
pub fn open(env: &Env) -> JsValue {
    if isolate::has_limiter(env) {
        return JsValue::UNDEFINED;
    }
    let config = isolate::config(env);
    DOOR.with(|door| match door.try_borrow() {
        Ok(door) => {
            let numbers = [door.request.as_ptr() as usize, MAX_REQUEST_BYTES, door.answer.as_ptr() as usize];
            #[expect(clippy::cast_precision_loss, reason = "addresses in Wasm have 32 bits")]
            let numbers = numbers.into_iter().map(|number| JsValue::from_f64(number as f64));
            let flags = [config.preview_secret.is_some(), config.cors.is_open()].map(JsValue::from_bool);
            std::iter::once(wasm_bindgen::memory()).chain(numbers).chain(flags).collect::<Array>().into()
        }
        Err(_) => JsValue::UNDEFINED,
    })
}

/// Answers the request whose text is `length` bytes long, if all of its answer is in memory; `true`
/// if so. `context` is the number of its context, negative if it was not read; `now_ms` is the
/// platform's clock.
#[expect(unreachable_pub, reason = "only public functions are exported")]
#[wasm_bindgen(js_name = askDoor)]
pub fn ask(length: usize, has_body: bool, context: i32, now_ms: f64) -> bool {
    let Some(config) = isolate::known_config() else { return false };
    #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
    let now = UnixMillis(now_ms as i64).plus(config.clock_offset_ms);
    DOOR.with(|door| door.try_borrow_mut().is_ok_and(|mut door| door.answer(length, has_body, context, &config, now)))
}

/// The origin of the last request's URL.
pub(super) fn origin() -> String {
    DOOR.with(|door| door.try_borrow().map(|door| door.origin.clone()).unwrap_or_default())
}

impl Door {
    fn answer(&mut self, length: usize, has_body: bool, context: i32, config: &Config, now: UnixMillis) -> bool {
        let asks_context = with_memory(|memory| memory.tells_contexts_apart());
        let [.., word] = &mut *self.answer;
        *word = u32::from(asks_context);
        if asks_context && context < 0 {
            return false;
        }
        if !has_body && self.answer_again(length, context, now) {
            return true;
        }
        let Some(bytes) = self.request.get(..length) else { return false };
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        let mut lines = text.split('\n');
        let (Some(method), Some(url)) = (lines.next(), lines.next()) else { return false };
        let mut header = || lines.next().filter(|value| *value != ABSENT);
        let (origin_of_url, path, query) = cut(url);
        let raw = Raw {
            method,
            path,
            query,
            authorization: header(),
            if_none_match: header(),
            preview: header(),
            origin: header(),
            device: header(),
            address: Address::parse(header()),
            context: u32::try_from(context).ok().map(Context::of_number),
            has_body,
        };
        if path == HEALTH {
            return false;
        }
        // Dropping the last body first lets the next one reuse its memory, which is in the
        // processor's cache.
        self.reply = Reply::default();
        let mut serve = Serve::begin(raw, config, now);
        let answer = with_memory(|memory| serve.warm(memory, now).map(|reply| (reply, memory.generation())));
        let Some((reply, generation)) = answer else { return false };
        if self.origin != origin_of_url {
            self.origin.clear();
            self.origin.push_str(origin_of_url);
        }
        self.reply = reply;
        let wants_refresh = std::mem::take(&mut self.reply.wants_refresh);
        let number = self.reply.stands_until.map_or(0, |until| {
            self.last_shared = self.last_shared.wrapping_add(1).max(1);
            let request = bytes.into();
            let reply = std::mem::take(&mut self.reply);
            let new = Shared { number: self.last_shared, request, context, from: now, until, generation, reply };
            match self.shared.get_mut(place(self.last_shared, SHARED)) {
                Some(old) => *old = new,
                None => self.shared.push(new),
            }
            self.last_shared
        });
        self.tell(wants_refresh, number);
        true
    }

    /// Repeats a shared answer to the same text, without parsing it.
    fn answer_again(&mut self, length: usize, context: i32, now: UnixMillis) -> bool {
        let text = self.request.get(..length);
        let stands =
            |one: &&Shared| one.from <= now && now < one.until && one.context == context && Some(&*one.request) == text;
        let Some(one) = self.shared.iter().find(stands) else { return false };
        let (number, generation) = (one.number, one.generation);
        let wants_refresh = with_memory(|memory| {
            let holds = memory.generation() == generation && !memory.is_stale(now) && !memory.overlays.must_look(now);
            holds.then(|| memory.take_look(now))
        });
        if let Some(wants_refresh) = wants_refresh {
            self.tell(wants_refresh, number);
        }
        wants_refresh.is_some()
    }

    /// Writes the addresses of the answer's parts: those of shared answer `shared`, or of the last
    /// answer if `shared` is 0.
    fn tell(&mut self, wants_refresh: bool, shared: u32) {
        let known = self.shared.get(place(shared, SHARED)).filter(|one| one.number == shared);
        let reply = known.map_or(&self.reply, |one| &one.reply);
        write_block(reply, &mut self.block);
        let number = number_block(&self.block, &mut self.blocks, &mut self.last_block);
        let block = self.blocks.get(place(number, BLOCKS)).map_or("", |(_, block)| block.as_str());
        let etag = reply.header("ETag").unwrap_or_default();
        let body = reply.body.as_slice();
        let word = |value: usize| u32::try_from(value).unwrap_or(0);
        let [.., asks_context] = *self.answer;
        *self.answer = [
            u32::from(wants_refresh),
            number,
            word(block.as_ptr() as usize),
            word(block.len()),
            word(etag.as_ptr() as usize),
            word(etag.len()),
            word(body.as_ptr() as usize),
            word(body.len()),
            known.map_or(0, |one| one.number),
            asks_context,
        ];
    }
}

/// Writes the status and the headers of `reply`, the ETag without its value.
fn write_block(reply: &Reply, block: &mut String) {
    block.clear();
    let mut status = [b'0'; 3];
    let mut rest = reply.status;
    for digit in status.iter_mut().rev() {
        *digit = b'0'.wrapping_add(u8::try_from(rest % 10).unwrap_or(0));
        rest /= 10;
    }
    block.push_str(std::str::from_utf8(&status).unwrap_or_default());
    for (name, value) in &reply.headers {
        block.push('\n');
        block.push_str(name);
        block.push(':');
        if *name != "ETag" {
            block.push_str(value);
        }
    }
}

/// The number of `block`: the old one if the block is remembered.
fn number_block(block: &str, blocks: &mut Vec<(u32, String)>, last: &mut u32) -> u32 {
    // Most answers have the previous one's headers.
    let latest = blocks.get(place(*last, BLOCKS)).into_iter();
    if let Some((number, _)) = latest.chain(blocks.iter()).find(|(_, known)| known == block) {
        return *number;
    }
    *last = last.wrapping_add(1).max(1);
    let new = (*last, block.to_owned());
    match blocks.get_mut(place(*last, BLOCKS)) {
        Some(old) => *old = new,
        None => blocks.push(new),
    }
    *last
}

/// The index of `number` in a ring of `length`.
fn place(number: u32, length: usize) -> usize {
    usize::try_from(number.wrapping_sub(1)).unwrap_or(0).checked_rem(length).unwrap_or(0)
}
