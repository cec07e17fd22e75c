// The Wasm instance of an isolate, for both Workers. A panic or a trap ends it, for nobody knows what its memory holds then: what comes next runs
// in a fresh one, whose memory is empty. `bindings.mjs` is what wasm-bindgen made; it notes traps, and starts the instance that one has asked for
// with the next call.
import { __wbg_reset_state, __worker_init_state } from "./bindings.mjs";

/** What the `worker` crate keeps outside of instances: `instanceId` goes up with each that starts, `criticalError` says that Rust has panicked. */
export const wasm = __worker_init_state();

// The ten frames that V8 gives an error are those of panicking itself.
Error.stackTraceLimit = 100;

/** Sees to it that an instance runs that may be called. Whoever holds something of one compares `instanceId` after this, not before. */
export function renew() {
  if (wasm.criticalError) {
    __wbg_reset_state();
    wasm.criticalError = false;
  } else {
    // Any call starts the instance that a trap has asked for; this one hands nothing over that was of the last.
    __worker_init_state();
  }
}

/** Tells of a trap, and has done with its instance at once: what waits for Rust's callbacks is refused by them, and not led into the next one's memory. */
function end(error) {
  if (!(error instanceof WebAssembly.RuntimeError)) return;
  console.error("Critical", error);
  wasm.criticalError = true;
  renew();
}

// Where nobody catches it: in what Rust goes on with after it has waited, or while objects are cleaned up after.
addEventListener("error", ({ error }) => end(error));

/** What `call` comes to, which calls Rust. */
export function run(call) {
  renew();
  try {
    return call();
  } catch (error) {
    end(error);
    throw error;
  }
}
