// The Worker's entry points: Rust's handlers, the Durable Object around its Rust half, and the four
// functions that Rust reaches by name.
import * as rust from "./bindings.mjs";
import { contextOf } from "./context.mjs";
import { settings } from "./cors.mjs";
import { run, wasm } from "./instance.mjs";
import { refuses } from "./limiter.mjs";
import { isSigned } from "./signature.mjs";

/** The number of a request's context. */
globalThis.SINSANG_CONTEXT = contextOf;

/** Whether an ES256 signature is good. */
globalThis.SINSANG_IS_SIGNED = isSigned;

/** Whether too many requests came from an address or an asker. */
globalThis.SINSANG_REFUSES = refuses;

/** Compresses `bytes` with gzip, by the platform. */
globalThis.SINSANG_GZIP = async (bytes) => {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
};

export default {
  fetch: (request, env, context) => run(() => rust.fetch(request, settings(env, false), context)),
  queue: (batch, env, context) => run(() => rust.queue(batch, env, context)),
};

/**
 * The Durable Object (board.rs). It outlives Wasm instances, but its Rust half is an address in
 * one, and means nothing in another instance. The half is created anew there; its counts are in the
 * object's storage.
 */
export class PulseBoard {
  #given;
  #half;
  #instance;

  constructor(state, env) {
    this.#given = [state, env];
  }

  fetch(request) {
    return run(() => this.#rust().fetch(request));
  }

  alarm() {
    return run(() => this.#rust().alarm());
  }

  #rust() {
    if (this.#instance !== wasm.instanceId) {
      this.#half = new rust.PulseBoard(...this.#given);
      this.#instance = wasm.instanceId;
    }
    return this.#half;
  }
}
