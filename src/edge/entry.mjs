// What the platform calls. A warm request goes through Wasm's synchronous door (door.rs): one text in, one view of bytes out, no promise, no
// proxy, no header object made anew. What has to read or wait goes the way of the `worker` crate; that way also starts a fresh instance after
// a panic.
import * as rust from "./bindings.mjs";
import bundle from "./snapshot.bundle";
import { contextOf } from "./context.mjs";
import { settings } from "./cors.mjs";
import { run, wasm } from "./instance.mjs";
import { refuses } from "./limiter.mjs";
import { preview } from "./preview.mjs";
import { isSigned } from "./signature.mjs";
import { isOdd, telemetry } from "./telemetry.mjs";

// The snapshot that stands in where no store answers.
globalThis.SINSANG_BUNDLE = bundle;
// What checks signatures of ES256.
globalThis.SINSANG_IS_SIGNED = isSigned;
// What asks the rate limiters.
globalThis.SINSANG_REFUSES = refuses;

/** Stands for a header that is not there; no header can hold it. */
const ABSENT = "\0";
/** As many as door.rs numbers. */
const BLOCKS = 16;
const SHARED = 32;
/** The word by which door.rs tells whether contexts make a difference. To look at one costs, so it is done where it counts. */
const CONTEXT_WORD = 9;
const ETAG_LENGTH = 20;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The door of the instance that runs. `null` where there is none. */
let door;
/** Whether a request has come by. The first one of an isolate finds nothing in memory, and the door for it need not be compiled. */
let hasBegun = false;
/** What tells of answers, made with the first one. `null` where nothing is to be told. */
let teller;

/** Addresses and numbers in it hold for one instance. */
class Door {
  constructor([memory, requestAt, requestBytes, answerAt, readsPreview, readsOrigin]) {
    Object.assign(this, { instance: wasm.instanceId, memory, requestAt, requestBytes, answerAt, readsPreview, readsOrigin });
    this.blocks = new Array(BLOCKS).fill({ number: 0 });
    this.shared = new Array(SHARED).fill({ number: 0 });
    this.view();
  }

  /** Memory that has grown has another buffer, and views of the old one are empty. */
  view() {
    this.bytes = new Uint8Array(this.memory.buffer);
    this.request = new Uint8Array(this.memory.buffer, this.requestAt, this.requestBytes);
    this.answer = new Uint32Array(this.memory.buffer, this.answerAt, 10);
  }

  /** The answer, or `undefined` where it is not all in memory. */
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

  /** A copy, for Wasm writes the next answer in the same place; of an answer that others get too, one for all of them. */
  body(at, length, number) {
    if (number === 0) return this.bytes.slice(at, at + length);
    let known = this.shared[number % SHARED];
    if (known.number !== number) known = this.shared[number % SHARED] = { number, bytes: this.bytes.slice(at, at + length) };
    return known.bytes;
  }

  text(at, length) {
    return decoder.decode(this.bytes.subarray(at, at + length));
  }

  /** The same for an ETag, which is always as long and never new to the decoder: half the price. */
  etag(at) {
    const b = this.bytes;
    return String.fromCharCode(
      b[at], b[at + 1], b[at + 2], b[at + 3], b[at + 4], b[at + 5], b[at + 6], b[at + 7], b[at + 8], b[at + 9],
      b[at + 10], b[at + 11], b[at + 12], b[at + 13], b[at + 14], b[at + 15], b[at + 16], b[at + 17], b[at + 18], b[at + 19],
    );
  }
}

/** A block of headers: the status, and a name and a value a line. */
function parse(number, text) {
  const [status, ...lines] = text.split("\n");
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon)] = line.slice(colon + 1);
  }
  return { number, init: { status: Number(status), headers }, isOdd: isOdd(Number(status), headers["Sinsang-Rung"]) };
}

/** Whether it brings events, which are another Worker's: locally, or where no route leads there, they come by here. */
function isForIntake({ url }, env) {
  return env.INTAKE !== undefined && /^[^?#]*\/\/[^/]*\/v1\/events(?:[?#]|$)/.test(url);
}

/** The answer to what the core knows nothing of; `undefined` where it is for nobody else either. */
function elsewhere(request, env) {
  return isForIntake(request, env) ? env.INTAKE.fetch(request) : preview(request, env, admitPreview);
}

/** The status of a request for what is the preview page's: 200, 403 or 429. The limiters are asked as for all else. */
async function admitPreview({ headers }, env) {
  const given = run(() => rust.admitPreview(env, headers.get("sinsang-preview") ?? undefined, headers.get("cf-connecting-ip") ?? undefined));
  const [status, address, asker] = given.split(" ");
  const isRefused = (await refuses(env, "address", address)) || (await refuses(env, "asker", asker));
  return isRefused ? 429 : Number(status);
}

/** The answer through the door, if there is one. */
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
    // A panic: the other way starts an instance anew and answers.
    console.error("Critical", error);
    door = undefined;
    return undefined;
  }
}

/** The answer that `answers` comes to, told of. */
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
