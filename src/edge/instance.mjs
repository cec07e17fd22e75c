// The isolate's Wasm instance, for both Workers. A panic or a trap ends it, since its memory may be
// corrupt; the next call runs in a fresh instance with empty memory. wasm-bindgen generates
// `bindings.mjs`, which notes traps and starts a requested instance with the next call.
import { __wbg_reset_state, __worker_init_state } from "./bindings.mjs";

/**
 * State that the `worker` crate keeps outside instances: `instanceId` rises with each start,
 * `criticalError` says that Rust has panicked.
 */
export const wasm = __worker_init_state();

// V8's default of ten frames covers only the panic machinery itself.
Error.stackTraceLimit = 100;

/**
 * Ensures a usable instance. Holders of an instance's state compare `instanceId` after this call,
 * not before.
 */
export function renew() {
  if (wasm.criticalError) {
    __wbg_reset_state();
    wasm.criticalError = false;
  } else {
    // Any call starts the instance that a trap has requested; this one passes on no state of the
    // last instance.
    __worker_init_state();
  }
}

/**
 * Logs a trap and ends its instance at once: pending callbacks into Rust are then refused, instead
 * of reaching the next instance's memory.
 */
function end(error) {
  if (!(error instanceof WebAssembly.RuntimeError)) return;
  console.error("Critical", error);
  wasm.criticalError = true;
  renew();
}

// Catches traps that no caller sees: in Rust that resumes after an await, or in finalisers.
addEventListener("error", ({ error }) => end(error));

/** Runs `call`, which calls Rust, in a usable instance. */
export function run(call) {
  renew();
  try {
    return call();
  } catch (error) {
    end(error);
    throw error;
  }
}
