// The client: asks Sinsang with time limits, retries and a memory of earlier answers.

import type { Answer, Body, ItemOf, PageBody, Query } from "./answer.js";
import { Memory } from "./cache.js";
import { deviceId } from "./device.js";
import { List } from "./list.js";
import { type Platform, type Reply, platformOf } from "./platform.js";
import { SinsangError, refusal } from "./problem.js";
import { Budget, pause, retryAfterMs, waitMs, within } from "./retry.js";

export interface Options extends Partial<Platform> {
  /** Where Sinsang is, `https://shop.example`; empty for the page's own origin. */
  base: string;
  /**
   * The viewer's token, or undefined for nobody's. Asked before each request; after a 401 once
   * more, with the refused token, for a fresh one.
   */
  token?: (refused?: string) => string | undefined | Promise<string | undefined>;
  /** The device's id: by default made once and kept in storage; false sends none. */
  device?: string | false;
  deviceClass?: "phone" | "tablet" | "desktop" | "tv";
  /** Further headers of each request. */
  headers?: () => Record<string, string>;
  /** Limit on each attempt (4 s), and on a request with its retries and waits (12 s). */
  attemptMs?: number;
  totalMs?: number;
  /** Most attempts of a request: 3. */
  attempts?: number;
  /** Answers to remember: 50; 0 for none. */
  remembered?: number;
  /** Oldest answer to give while there is none at present: a day; 0 for none. */
  staleMs?: number;
}

export interface Asked {
  signal?: AbortSignal | undefined;
  /** Asks as if nothing were remembered, and gives nothing stale. */
  isFresh?: boolean;
}

/** A request beside its method and address. */
export interface Request {
  signal?: AbortSignal | undefined;
  body?: string;
  /** The ETag of what is remembered for this token's viewer. */
  etag?: (token: string | undefined) => string | undefined;
  /** Sends no token, whoever is signed in. */
  isOfNobody?: boolean;
}

/** A good answer, and the token that it was given to. */
export interface Sent {
  status: number;
  headers: Reply["headers"];
  text: string;
  token: string | undefined;
}

/** Most characters of remembered answers. */
const MOST_CHARS = 4_000_000;
const DAY_MS = 86_400_000;
const ACCEPT = "application/json, application/problem+json";

export class Client {
  readonly platform: Platform;
  /** The device and token of the last request, for a page that is closing. */
  readonly last: { device?: string; token?: string } = {};
  private readonly memory: Memory;
  private readonly budget = new Budget();
  private device: Promise<string> | undefined;

  constructor(readonly options: Options) {
    this.platform = platformOf(options);
    this.memory = new Memory(options.remembered ?? 50, MOST_CHARS);
  }

  /** All surfaces, for the app's first paint; `new` goes on where its list ends. */
  home(query?: Query<"/v1/home">, asked?: Asked): Promise<Answer<Body<"/v1/home">>> {
    return this.get("/v1/home", query, asked);
  }

  /** The new products, page by page. */
  new(query?: Omit<Query<"/v1/new">, "cursor">, asked?: Asked): List<ItemOf<"/v1/new">, Body<"/v1/new">> {
    return this.list("/v1/new", query, asked, (item) => item.product_id);
  }

  /** What is on air. */
  live(query?: Query<"/v1/live">, asked?: Asked): Promise<Answer<Body<"/v1/live">>> {
    return this.get("/v1/live", query, asked);
  }

  /** The top tabs. */
  tabs(query?: Query<"/v1/tabs">, asked?: Asked): Promise<Answer<Body<"/v1/tabs">>> {
    return this.get("/v1/tabs", query, asked);
  }

  /** Broadcasts by channel and time, page by page. */
  schedule(query?: Omit<Query<"/v1/schedule">, "cursor">, asked?: Asked): List<ItemOf<"/v1/schedule">, Body<"/v1/schedule">> {
    return this.list("/v1/schedule", query, asked, (item) => {
      const { product_id, broadcast } = item as { product_id: string; broadcast: { starts_at: string; channel: { id: string }; listing_id?: string } };
      // Two listings of a product may share a slot; items for cards name no listing.
      return [product_id, broadcast.starts_at, broadcast.channel.id, broadcast.listing_id].join();
    });
  }

  /** A product with its background. */
  product(id: string, query?: Query<"/v1/products/{product_id}">, asked?: Asked): Promise<Answer<Body<"/v1/products/{product_id}">>> {
    return this.get(`/v1/products/${encodeURIComponent(id)}`, query, asked);
  }

  /** Up to 50 products by their ids. */
  products(ids: readonly string[], query?: Omit<Query<"/v1/products">, "ids">, asked?: Asked): Promise<Answer<Body<"/v1/products">>> {
    return this.get("/v1/products", { ...query, ids: ids.join() }, asked);
  }

  /** The product that a shop's listing belongs to. */
  listing(
    shop: string,
    id: string,
    query?: Query<"/v1/listings/{shop}/{listing_id}">,
    asked?: Asked,
  ): Promise<Answer<Body<"/v1/listings/{shop}/{listing_id}">>> {
    return this.get(`/v1/listings/${encodeURIComponent(shop)}/${encodeURIComponent(id)}`, query, asked);
  }

  /** What answers stand on, and the names of channels and categories. */
  status(query?: Query<"/v1/status">, asked?: Asked): Promise<Answer<Body<"/v1/status">>> {
    return this.get("/v1/status", query, asked);
  }

  /** Forgets all answers and the token: call it when the viewer signs in or out. */
  forget(): void {
    this.memory.clear();
    delete this.last.token;
  }

  /** Any path under the base, as JSON. */
  async get<Data>(path: string, query?: object, { signal, isFresh = false }: Asked = {}): Promise<Answer<Data>> {
    const { clock } = this.platform;
    const { remembered = 50, staleMs = DAY_MS } = this.options;
    const address = path + queryText(query);
    const keyOf = (token: string | undefined) => `${address} ${token ?? ""}`;
    const find = (token: string | undefined) => (isFresh ? undefined : this.memory.get(keyOf(token)));
    let kept = find(this.last.token);
    let sent: Sent;
    try {
      sent = await this.send("GET", address, { signal, etag: (token) => (kept = find(token))?.etag });
    } catch (error) {
      const mayBeOld = kept && error instanceof SinsangError && error.isPassing && clock.now() - kept.atMs < staleMs;
      if (mayBeOld) return { data: JSON.parse(kept!.text), isStale: true, atMs: kept!.atMs };
      throw error;
    }
    const { status, headers, token } = sent;
    const text = status === 304 ? kept!.text : sent.text;
    const etag = headers.get("ETag");
    const atMs = clock.now();
    let data: Data;
    try {
      data = JSON.parse(text);
    } catch (reason) {
      throw new SinsangError("unreadable", "the answer is not JSON", status, undefined, undefined, reason);
    }
    if (etag && remembered) this.memory.set(keyOf(token), { etag, text, atMs });
    return { data, isStale: false, atMs };
  }

  /** Sends a request, and again as long as the limits allow it and it may help. */
  send(method: string, address: string, request: Request): Promise<Sent> {
    const { attemptMs = 4_000, totalMs = 12_000, attempts = 3 } = this.options;
    const { clock, random } = this.platform;
    const until = clock.now() + totalMs;
    return within(totalMs, clock, request.signal, async (signal) => {
      const device = await this.deviceId();
      if (device) this.last.device = device;
      let token = request.isOfNobody ? undefined : await this.token();
      let isRenewed = false;
      this.budget.earn();
      for (let attempt = 0; ; ) {
        const etag = request.etag?.(token);
        const headers = this.headers(device, token, etag, request.body);
        let error: SinsangError;
        try {
          const [reply, text] = await within(attemptMs, clock, signal, (signal) => this.attempt(method, address, headers, request.body, signal));
          const { status } = reply;
          if ((status >= 200 && status < 300) || (status === 304 && etag)) return { status, headers: reply.headers, text, token };
          error = refusal(status, text, retryAfterMs(reply.headers.get("Retry-After"), clock.now()));
        } catch (thrown) {
          if (!(thrown instanceof SinsangError)) throw thrown;
          error = thrown;
        }
        if (error.status === 401 && token && !isRenewed) {
          isRenewed = true;
          const refused = token;
          token = await this.token(refused);
          if (!token || token === refused) throw error;
          continue;
        }
        const wait = waitMs(attempt, error.retryAfterMs, random);
        attempt += 1;
        const isLate = clock.now() + wait >= until;
        if (!error.isPassing || attempt >= attempts || isLate || !this.budget.spend()) throw error;
        await pause(wait, clock, signal);
      }
    });
  }

  private async attempt(method: string, address: string, headers: Record<string, string>, body: string | undefined, signal: AbortSignal) {
    try {
      const reply = await this.platform.fetch(this.options.base + address, { method, headers, credentials: "omit", signal, ...(body && { body }) });
      return [reply, await reply.text()] as const;
    } catch (reason) {
      throw unreached(reason);
    }
  }

  private headers(device: string | undefined, token: string | undefined, etag: string | undefined, body: string | undefined): Record<string, string> {
    const { deviceClass, headers } = this.options;
    return {
      Accept: ACCEPT,
      ...(device && { "Sinsang-Device": device }),
      ...(deviceClass && { "Sinsang-Device-Class": deviceClass }),
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(etag && { "If-None-Match": etag }),
      ...(body && { "Content-Type": "application/json" }),
      ...headers?.(),
    };
  }

  /** The viewer's token. One that can't be had counts as no answer. */
  private async token(refused?: string): Promise<string | undefined> {
    let token;
    try {
      token = await this.options.token?.(refused);
    } catch (reason) {
      throw unreached(reason);
    }
    if (token) this.last.token = token;
    else delete this.last.token;
    return token;
  }

  private list<Item, Page>(path: string, query: object | undefined, asked: Asked | undefined, keyOf: (item: Item) => string): List<Item, Page> {
    const page = (cursor: string | undefined, isAgain: boolean) =>
      this.get<Page & PageBody<Item>>(path, { ...query, cursor }, { ...asked, ...(isAgain && { isFresh: true }) });
    return new List(page, keyOf);
  }

  private async deviceId(): Promise<string | undefined> {
    const { device } = this.options;
    if (device === false) return undefined;
    return device ?? (this.device ??= deviceId(this.platform));
  }
}

function unreached(reason: unknown): SinsangError {
  return new SinsangError("network", `no answer: ${reason}`, 0, undefined, undefined, reason);
}

/**
 * Parameters as a query: flags as 1 and 0, an array as the parameter several times. Not by
 * `URLSearchParams`, which React Native has in part.
 */
function queryText(query: object = {}): string {
  const parts = Object.entries(query).flatMap(([name, value]) =>
    [value]
      .flat()
      .filter((one) => one !== undefined && one !== null && one !== "")
      .map((one) => `${name}=${encodeURIComponent(typeof one === "boolean" ? Number(one) : one)}`),
  );
  return parts.length > 0 ? `?${parts.join("&")}` : "";
}
