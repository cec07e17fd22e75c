//! What outlives a request in an isolate: its memory and its configuration.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use worker::Env;

use crate::auth::Verifier;
use crate::memory::Memory;
use crate::request::Config;
use crate::viewer::UserHasher;

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
    static CONFIG: OnceCell<Rc<Config>> = const { OnceCell::new() };
}

/// Lets `act` use the isolate's memory. `act` is not async, so the memory is never borrowed twice; were it ever, the second one works on
/// an empty memory rather than panicking.
pub(super) fn with_memory<T>(act: impl FnOnce(&mut Memory) -> T) -> T {
    MEMORY.with(|cell| match cell.try_borrow_mut() {
        Ok(mut memory) => act(&mut memory),
        Err(_) => act(&mut Memory::default()),
    })
}

/// The configuration, read from the environment once.
pub(super) fn config(env: &Env) -> Rc<Config> {
    CONFIG.with(|cell| Rc::clone(cell.get_or_init(|| Rc::new(read(env)))))
}

fn read(env: &Env) -> Config {
    let var = |name: &str| env.var(name).ok().map(|value| value.to_string()).filter(|value| !value.is_empty());
    let verifier = var("USER_KEY").and_then(|secret| UserHasher::new(secret.as_bytes())).and_then(|users| {
        let (hs256, es256) = (var("JWT_HS256_KEY"), var("JWT_ES256_PUBLIC_KEY"));
        let audience = var("JWT_AUDIENCE").unwrap_or_default();
        let verifier = Verifier::new(hs256.as_deref(), es256.as_deref(), audience, users);
        verifier.inspect_err(|bad| worker::console_error!("configuration: {bad:?}; every token is refused")).ok()
    });
    let origins = var("CORS_ORIGINS").unwrap_or_default();
    Config {
        cors_origins: origins
            .split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty())
            .map(str::to_owned)
            .collect(),
        verifier,
        preview_secret: var("PREVIEW_SECRET"),
        clock_offset_ms: var("CLOCK_OFFSET_MS").and_then(|text| text.parse().ok()).unwrap_or(0),
    }
}
