// What the platform calls: the handlers of Rust, the Durable Object around its Rust half, and the four things that Rust reaches by name.
import * as rust from "./bindings.mjs";
import { contextOf } from "./context.mjs";
import { settings } from "./cors.mjs";
import { run, wasm } from "./instance.mjs";
import { refuses } from "./limiter.mjs";
import { isSigned } from "./signature.mjs";

/** Where a request comes from and on what. */
globalThis.SINSANG_CONTEXT = contextOf;

/** Whether a signature of ES256 is good. */
globalThis.SINSANG_IS_SIGNED = isSigned;

/** Whether too many requests came from an address or an asker. */
globalThis.SINSANG_REFUSES = refuses;

/** `bytes` as gzip, packed by the platform. */
globalThis.SINSANG_GZIP = async (bytes) => {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
};

export default {
  fetch: (request, env, context) => run(() => rust.fetch(request, settings(env, false), context)),
  queue: (batch, env, context) => run(() => rust.queue(batch, env, context)),
};

/**
 * The Durable Object (board.rs). It outlives a Wasm instance, and its Rust half is an address in one: in another instance that address holds
 * anything. So the half is made anew there; what it counted lies in the object's storage.
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
