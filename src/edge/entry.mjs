// The Worker's entry point. A warm request goes through Wasm's synchronous door (fast_path.rs): one
// text in, one view of bytes out, no promise, no proxy, no new header object. Requests that have to
// read or wait go through the `worker` crate, which also starts a fresh instance after a panic.
import * as rust from "./bindings.mjs";
import bundle from "./snapshot.bundle";
import { contextOf } from "./context.mjs";
import { settings } from "./cors.mjs";
import { run, wasm } from "./instance.mjs";
import { refuses } from "./limiter.mjs";
import { preview } from "./preview.mjs";
import { isSigned } from "./signature.mjs";
import { isOdd, telemetry } from "./telemetry.mjs";

// The fallback snapshot for isolates that no store answers.
globalThis.SINSANG_BUNDLE = bundle;
// Checks ES256 signatures.
globalThis.SINSANG_IS_SIGNED = isSigned;
// Asks the rate limiters.
globalThis.SINSANG_REFUSES = refuses;

/** Stands for an absent header; no header can hold it. */
const ABSENT = "\0";
/** The number of header blocks that fast_path.rs remembers. */
const BLOCKS = 16;
const SHARED = 32;
/**
 * The word that tells whether contexts make a difference. Reading a context costs time, so it is
 * read only if they do.
 */
const CONTEXT_WORD = 9;
const ETAG_LENGTH = 20;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The door of the running instance; `null` if it opened none. */
let door;
/**
 * Whether a request has arrived. An isolate's first finds nothing in memory, and compiling the door
 * for it would be wasted.
 */
let hasBegun = false;
/** The telemetry, made with the first answer; `null` if nothing is to be recorded. */
let teller;

/** Its addresses and numbers are valid for one instance. */
class Door {
  constructor([memory, requestAt, requestBytes, answerAt, readsPreview, readsOrigin]) {
    Object.assign(this, { instance: wasm.instanceId, memory, requestAt, requestBytes, answerAt, readsPreview, readsOrigin });
    this.blocks = new Array(BLOCKS).fill({ number: 0 });
    this.shared = new Array(SHARED).fill({ number: 0 });
    this.view();
  }

  /** Makes the views again: growing memory replaces its buffer and empties views of the old one. */
  view() {
    this.bytes = new Uint8Array(this.memory.buffer);
    this.request = new Uint8Array(this.memory.buffer, this.requestAt, this.requestBytes);
    this.answer = new Uint32Array(this.memory.buffer, this.answerAt, 10);
  }

  /** The answer, or `undefined` if some of it is not in memory. */
  ask(request, env, context) {
    const { headers } = request;
    const device = headers.get("sinsang-device");
    const preview = this.readsPreview ? headers.get("sinsang-preview") : null;
    let text = `${request.method}\n${request.url}\n${headers.get("authorization") ?? ABSENT}\n${headers.get("if-none-match") ?? ABSENT}`;
    if (this.readsPreview || this.readsOrigin || device !== null) text += `\n${preview ?? ABSENT}\n${headers.get("origin") ?? ABSENT}`;
    if (preview !== null) text += `\n${device ?? ABSENT}\n${headers.get("cf-connecting-ip") ?? ABSENT}`;
    else if (device !== null) text += `\n${device}`;
    if (this.request.length === 0) this.view();
    const { read, written } = encoder.encodeInto(text, this.request);
    const from = this.answer[CONTEXT_WORD] === 0 ? -1 : contextOf(request);
    if (read < text.length || !rust.askDoor(written, request.body !== null, from, Date.now()) || this.instance !== wasm.instanceId) return undefined;
    if (this.answer.length === 0) this.view();
    const { answer } = this;
    if (answer[0] !== 0) context.waitUntil(rust.background(env));
    const number = answer[1];
    let block = this.blocks[number % BLOCKS];
    if (block.number !== number) block = this.blocks[number % BLOCKS] = parse(number, this.text(answer[2], answer[3]));
    const other = block.init.status === 404 ? elsewhere(request, env) : undefined;
    if (other !== undefined) return other;
    if (answer[5] > 0) block.init.headers.ETag = answer[5] === ETAG_LENGTH ? this.etag(answer[4]) : this.text(answer[4], answer[5]);
    if (teller !== null && (block.isOdd || (teller.share > 0 && Math.random() < teller.share))) teller.door(request, block.init);
    return new Response(answer[7] > 0 ? this.body(answer[6], answer[7], answer[8]) : null, block.init);
  }

  /**
   * A copy, since Wasm writes the next answer in the same place. A shared answer is copied once for
   * everybody.
   */
  body(at, length, number) {
    if (number === 0) return this.bytes.slice(at, at + length);
    let known = this.shared[number % SHARED];
    if (known.number !== number) known = this.shared[number % SHARED] = { number, bytes: this.bytes.slice(at, at + length) };
    return known.bytes;
  }

  text(at, length) {
    return decoder.decode(this.bytes.subarray(at, at + length));
  }

  /**
   * Like `text`, for an ETag, whose length is fixed and whose text is always new: at half the
   * decoder's cost.
   */
  etag(at) {
    const b = this.bytes;
    return String.fromCharCode(
      b[at], b[at + 1], b[at + 2], b[at + 3], b[at + 4], b[at + 5], b[at + 6], b[at + 7], b[at + 8], b[at + 9],
      b[at + 10], b[at + 11], b[at + 12], b[at + 13], b[at + 14], b[at + 15], b[at + 16], b[at + 17], b[at + 18], b[at + 19],
    );
  }
}

/** Parses a block of headers: the status, then a name and a value on each line. */
function parse(number, text) {
  const [status, ...lines] = text.split("\n");
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon)] = line.slice(colon + 1);
  }
  return { number, init: { status: Number(status), headers }, isOdd: isOdd(Number(status), headers["Sinsang-Rung"]) };
}

/**
 * Whether the request brings events. They belong to the other Worker, but arrive here locally or
 * without a route to it.
 */
function isForIntake({ url }, env) {
  return env.INTAKE !== undefined && /^[^?#]*\/\/[^/]*\/v1\/events(?:[?#]|$)/.test(url);
}

/**
 * The answer to a path that the core does not know; `undefined` if nobody else handles it either.
 */
function elsewhere(request, env) {
  return isForIntake(request, env) ? env.INTAKE.fetch(request) : preview(request, env, admitPreview);
}

/**
 * Admits a request for the preview page: 200, 403 or 429. The limiters are asked as for any
 * request.
 */
async function admitPreview({ headers }, env) {
  const given = run(() => rust.admitPreview(env, headers.get("sinsang-preview") ?? undefined, headers.get("cf-connecting-ip") ?? undefined));
  const [status, address, asker] = given.split(" ");
  const isRefused = (await refuses(env, "address", address)) || (await refuses(env, "asker", asker));
  return isRefused ? 429 : Number(status);
}

/** The answer through the door; `undefined` if there is none. */
function warm(request, env, context) {
  try {
    if (teller === undefined) teller = telemetry(env);
    if (!hasBegun) {
      hasBegun = true;
      return undefined;
    }
    if (door !== null && door?.instance !== wasm.instanceId) {
      const parts = rust.openDoor(env);
      door = parts === undefined ? null : new Door(parts);
    }
    return door?.ask(request, env, context);
  } catch (error) {
    // A panic: the slow path restarts the instance and answers.
    console.error("Critical", error);
    door = undefined;
    return undefined;
  }
}

/** Awaits `answers` and records the answer or the failure. */
async function told(answers, request) {
  const begun = Date.now();
  try {
    const answer = await answers;
    teller.answer(request, answer, Date.now() - begun);
    return answer;
  } catch (error) {
    teller.failure(request, error, Date.now() - begun);
    throw error;
  }
}

export default {
  fetch(request, given, context) {
    const env = settings(given, true);
    const answer = warm(request, env, context);
    if (answer !== undefined) return answer;
    const other = elsewhere(request, env);
    if (other !== undefined) return other;
    request.sinsangContext = contextOf(request);
    const answers = run(() => rust.fetch(request, env, context));
    return teller === null ? answers : told(answers, request);
  },
};
