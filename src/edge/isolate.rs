//! What outlives a request in an isolate: its memory and its configuration; and what was deployed with it.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use js_sys::{Math, Reflect, Uint8Array};
use worker::Env;
use worker::wasm_bindgen::{JsCast as _, JsValue};

use crate::memory::Memory;
use crate::request::Config;
use sinsang_core::context::Context;

thread_local! {
    static MEMORY: Cell<Option<Box<Memory>>> = const { Cell::new(None) };
    static HAS_LIMITER: OnceCell<bool> = const { OnceCell::new() };
    static CONFIG: OnceCell<Rc<Config>> = const { OnceCell::new() };
}

/// Lets `act` use the isolate's memory. `act` is not async, so the memory is never lent twice; were it ever, the second one works on
/// an empty memory rather than panicking.
pub(super) fn with_memory<T>(act: impl FnOnce(&mut Memory) -> T) -> T {
    let mut memory = take_memory();
    let outcome = act(&mut memory);
    MEMORY.set(Some(memory));
    outcome
}

/// Apart from what is done with it, so that it is not compiled anew for each use.
#[inline(never)]
fn take_memory() -> Box<Memory> {
    let mut memory = MEMORY.take().unwrap_or_else(|| Box::new(Memory::seeded(seed())));
    memory.wasm_bytes = wasm_bytes();
    memory
}

/// What sets this isolate's waits apart from those of others.
fn seed() -> u64 {
    Math::random().to_bits()
}

/// The bytes that `scripts/worker.sh` bundles with the Worker; empty or none where there is no snapshot yet.
pub(super) fn bundle() -> Option<Vec<u8>> {
    let bytes = Reflect::get(&js_sys::global(), &"SINSANG_BUNDLE".into()).ok()?;
    bytes.is_instance_of::<js_sys::ArrayBuffer>().then(|| Uint8Array::new(&bytes).to_vec())
}

/// The context of a request, whose number `entry.mjs` has left there.
pub(super) fn context(request: &JsValue) -> Context {
    let number = Reflect::get(request, &"sinsangContext".into()).ok().and_then(|number| number.as_f64());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
    Context::of_number(number.unwrap_or_default() as u32)
}

/// Bytes of Wasm memory, which never shrinks.
fn wasm_bytes() -> usize {
    const PAGE_BYTES: usize = 64 * 1024;
    std::arch::wasm32::memory_size::<0>().saturating_mul(PAGE_BYTES)
}

/// Whether a rate limiter is bound.
pub(super) fn has_limiter(env: &Env) -> bool {
    HAS_LIMITER.with(|cell| *cell.get_or_init(|| super::limiter::is_bound(env.as_ref())))
}

/// The configuration, read from the environment once.
pub(super) fn config(env: &Env) -> Rc<Config> {
    CONFIG.with(|cell| Rc::clone(cell.get_or_init(|| Rc::new(read(env)))))
}

/// The configuration, where it has been read already.
pub(super) fn known_config() -> Option<Rc<Config>> {
    CONFIG.with(|cell| cell.get().map(Rc::clone))
}

fn read(env: &Env) -> Config {
    let (config, bad) = Config::of(|name| env.var(name).ok().map(|value| value.to_string()));
    for one in bad {
        worker::console_error!("configuration: {one}");
    }
    config
}
