// The queue of events: batches, kept in storage until the server has taken them.

import type { Accepted, Event } from "./answer.js";
import type { Client } from "./client.js";
import { SinsangError } from "./problem.js";

export interface QueueOptions {
  /** An event that the server refused, or that fits no request; it is not sent again. */
  onRefused?: (event: Event, why: { field: string | null; reason: string }) => void;
  /** Events that gave way to later ones, since the queue was full. */
  onDropped?: (events: Event[]) => void;
  /**
   * The signed-in account in a word that is no secret, or undefined for none. An event is sent for
   * the account that it was tracked under, and waits while another is signed in.
   */
  account?: () => string | undefined;
  /** Events to keep: 1000. */
  capacity?: number;
  /** Wait before a batch that is not full is sent: 5 s. */
  flushMs?: number;
}

/** What happened; the queue adds `event_id` and `at`. Of each kind of event by itself. */
export type Tracked = WithoutMade<Event>;
type WithoutMade<One> = One extends Event ? Omit<One, "event_id" | "at"> & Partial<Pick<One, "event_id" | "at">> : never;

interface Entry {
  event: Event;
  account?: string;
}

const KEY = "sinsang.events";
const PATH = "/v1/events";
/** Limits of a request (docs/events.md), the bytes without those of the envelope. */
const MOST_EVENTS = 100;
const MOST_BYTES = 65_536 - 200;
const CAPACITY = 1_000;
const FLUSH_MS = 5_000;
const LONGEST_REST_MS = 300_000;

export class EventQueue {
  /** Events that gave way to later ones. */
  dropped = 0;
  /** Why the last flush left events waiting; undefined where it left none. */
  failure: unknown;
  private queue: Entry[] = [];
  /** Ids that storage may forget. */
  private readonly gone = new Set<string>();
  private readonly beaconed = new Set<string>();
  private failures = 0;
  private mostEvents = MOST_EVENTS;
  private cancel: (() => void) | undefined;
  private flushing: Promise<number> | undefined;
  private keeping: Promise<void> | undefined;
  private stored: Promise<void>;
  private readonly leave: (() => void) | undefined;

  constructor(
    private readonly client: Client,
    private readonly options: QueueOptions = {},
  ) {
    this.stored = this.write(true);
    this.leave = client.platform.page?.onHide(() => this.hide());
  }

  /** The number of events that no answer has settled. */
  get waiting(): number {
    return this.queue.length;
  }

  /** Takes an event and returns its id. It is sent with others, within `flushMs`. */
  track(tracked: Tracked): string {
    const { id, clock } = this.client.platform;
    const event = { event_id: id(), at: new Date(clock.now()).toISOString(), ...tracked } as Event;
    const account = this.options.account?.();
    this.queue.push({ event, ...(account !== undefined && { account }) });
    this.trim();
    this.keep();
    if (this.queue.length >= MOST_EVENTS && this.failures === 0) this.flush();
    else this.arm(this.options.flushMs ?? FLUSH_MS);
    return event.event_id;
  }

  /**
   * Sends what waits, and returns how many events still wait: 0 unless the server can't be reached
   * or an account is not signed in. Never fails.
   */
  flush(): Promise<number> {
    const end = () => (this.flushing = undefined);
    if (!this.flushing) (this.flushing = this.drain()).then(end, end);
    return this.flushing;
  }

  /** Sends what waits and ends all timers; a later `track` starts them again. */
  async close(): Promise<number> {
    this.leave?.();
    await this.flush();
    this.disarm();
    await this.stored;
    return this.queue.length;
  }

  private async drain(): Promise<number> {
    this.disarm();
    await this.stored;
    this.failure = undefined;
    // Events that are tracked meanwhile wait for others.
    for (let left = this.queue.length; left > 0; ) {
      const batch = this.batch(this.mostEvents, MOST_BYTES);
      if (batch.length === 0) break;
      try {
        const body = JSON.stringify({ events: batch.map(({ event }) => event) });
        const { text } = await this.client.send("POST", PATH, { body, isOfNobody: this.isOfNobody(batch) });
        this.settle(batch, (JSON.parse(text) as Accepted).refused);
        left -= batch.length;
      } catch (error) {
        const { status, problem, message, retryAfterMs } = error as Partial<SinsangError>;
        const isSpoilt = status === 413 || (status === 400 && /^(body|events)$/.test(problem?.parameter ?? ""));
        if (isSpoilt) {
          // By one of the events: halves tell which.
          if (batch.length > 1) this.mostEvents = Math.ceil(batch.length / 2);
          else this.settle(batch, [{ index: 0, field: null, reason: problem?.detail ?? message ?? "" }]);
          continue;
        }
        this.failure = error;
        this.failures += 1;
        const rest = Math.min(1_000 * 2 ** this.failures, LONGEST_REST_MS) * (0.5 + this.client.platform.random());
        // In place of a shorter rest that an event has begun meanwhile.
        this.disarm();
        this.arm(Math.max(retryAfterMs ?? 0, rest));
        break;
      }
    }
    await this.keep();
    return this.queue.length;
  }

  /** Takes a batch that was answered from the queue, and reports what was refused of it. */
  private settle(batch: Entry[], refused: Accepted["refused"]): void {
    this.failures = 0;
    this.mostEvents = Math.min(this.mostEvents * 2, MOST_EVENTS);
    this.remove(batch);
    for (const { index, ...why } of refused) if (batch[index]) this.options.onRefused?.(batch[index].event, why);
  }

  private remove(entries: Entry[]): void {
    const ids = new Set(entries.map(({ event }) => event.event_id));
    for (const id of ids) this.gone.add(id);
    this.queue = this.queue.filter(({ event }) => !ids.has(event.event_id));
  }

  /** Drops the oldest events over the capacity. */
  private trim(): void {
    const over = this.queue.slice(0, Math.max(0, this.queue.length - (this.options.capacity ?? CAPACITY)));
    if (over.length === 0) return;
    this.remove(over);
    this.dropped += over.length;
    this.options.onDropped?.(over.map(({ event }) => event));
  }

  /** The first events of one sender that fit a request. */
  private batch(mostEvents: number, mostBytes: number, passed?: Set<string>): Entry[] {
    const account = this.options.account?.();
    const mine = this.queue.filter((one) => (one.account ?? account) === account || one.account === undefined);
    const batch: Entry[] = [];
    let bytes = 0;
    for (const one of mine) {
      if (passed?.has(one.event.event_id) || one.account !== (batch[0] ?? one).account) continue;
      bytes += utf8Bytes(JSON.stringify(one.event)) + 1;
      if (batch.length === mostEvents || (bytes > mostBytes && batch.length > 0)) break;
      batch.push(one);
    }
    return batch;
  }

  /** Whether a batch is of a time when no account was signed in. */
  private isOfNobody(batch: Entry[]): boolean {
    return this.options.account !== undefined && batch[0]?.account === undefined;
  }

  /**
   * The page may be gone after this: the browser posts what waits. As no answer comes back, the
   * events stay in storage, and the next visit sends them again; they count once.
   */
  private hide(): void {
    const { page } = this.client.platform;
    const { device, token } = this.client.last;
    const room = MOST_BYTES - (token?.length ?? 0);
    for (;;) {
      const batch = this.batch(MOST_EVENTS, room, this.beaconed);
      const isOfNobody = this.isOfNobody(batch);
      const sender = { ...(device && { device }), ...(!isOfNobody && token && { token }) };
      // A token that is not at hand would make an account's events the device's.
      const isUnknown = isOfNobody ? !device : this.options.account ? !token : !device && !token;
      if (batch.length === 0 || isUnknown) return;
      const text = JSON.stringify({ ...sender, events: batch.map(({ event }) => event) });
      if (!page?.beacon(this.client.options.base + PATH, text)) return;
      for (const { event } of batch) this.beaconed.add(event.event_id);
    }
  }

  private arm(ms: number): void {
    this.cancel ??= this.client.platform.clock.after(ms, () => {
      this.cancel = undefined;
      this.flush();
    });
  }

  private disarm(): void {
    this.cancel?.();
    this.cancel = undefined;
  }

  /** Brings storage up to date, once for all events of a moment. */
  private keep(): Promise<void> {
    this.keeping ??= this.stored.then(() => {
      this.keeping = undefined;
      return this.write();
    });
    return (this.stored = this.keeping);
  }

  /**
   * Stores what waits beside the events of other open pages, which send their own. A new page also
   * takes those that it finds: their pages may be gone, and an event that is sent twice counts
   * once.
   */
  private async write(isNew = false): Promise<void> {
    const { storage } = this.client.platform;
    try {
      const told = await storage.getItem(KEY);
      const gone = [...this.gone];
      const ours = new Set(this.queue.map(({ event }) => event.event_id));
      const others = parse(told).filter(({ event: { event_id } }) => !this.gone.has(event_id) && !ours.has(event_id));
      if (isNew && others.length > 0) {
        this.queue.unshift(...others.splice(0));
        this.trim();
        this.arm(this.options.flushMs ?? FLUSH_MS);
      }
      const all = [...others, ...this.queue].slice(-(this.options.capacity ?? CAPACITY));
      const text = JSON.stringify(all);
      if (text !== (told ?? "[]")) await storage.setItem(KEY, text);
      for (const id of gone) this.gone.delete(id);
    } catch {
      // Storage that is full or forbidden: the events live as long as the page.
    }
  }
}

/** The stored entries; none where the text is damaged. */
function parse(text: string | null): Entry[] {
  try {
    return (JSON.parse(text ?? "[]") as Entry[]).filter(({ event }) => event.event_id);
  } catch {
    return [];
  }
}

/** The length of a text in UTF-8, which `TextEncoder` tells where there is one. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    // Half a surrogate pair is two of its four bytes.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
  }
  return bytes;
}
