//! State that outlives a request in an isolate: its memory and configuration, and the deployed
//! bundle.

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

/// Lets `act` use the isolate's memory. `act` is not async, so the memory is never lent twice. If
/// it were, the second use would get an empty memory instead of a panic.
pub(super) fn with_memory<T>(act: impl FnOnce(&mut Memory) -> T) -> T {
    let mut memory = take_memory();
    let outcome = act(&mut memory);
    MEMORY.set(Some(memory));
    outcome
}

/// Separate from [`with_memory`], so that it isn't compiled anew for each use.
#[inline(never)]
fn take_memory() -> Box<Memory> {
    let mut memory = MEMORY.take().unwrap_or_else(|| Box::new(Memory::seeded(seed())));
    memory.wasm_bytes = wasm_bytes();
    memory
}

/// A random seed, so that this isolate's waits differ from other isolates'.
fn seed() -> u64 {
    Math::random().to_bits()
}

/// The snapshot that `scripts/worker.sh` bundles with the Worker; empty or `None` without one.
pub(super) fn bundle() -> Option<Vec<u8>> {
    let bytes = Reflect::get(&js_sys::global(), &"SINSANG_BUNDLE".into()).ok()?;
    bytes.is_instance_of::<js_sys::ArrayBuffer>().then(|| Uint8Array::new(&bytes).to_vec())
}

/// The context of a request, from the number that `entry.mjs` has stored in it.
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

/// The configuration, if it has been read already.
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
