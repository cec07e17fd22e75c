// What the client takes from its machine: network, storage, clock, chance and page. Each part can
// be replaced; nothing is looked for before a client is made.

/** The part of a response that the client reads. React Native's has no more that works. */
export interface Reply {
  status: number;
  headers: { get(name: string): string | null };
  text(): Promise<string>;
}

export interface FetchInit {
  method: string;
  headers: Record<string, string>;
  body?: string;
  credentials: "omit";
  signal: AbortSignal;
}

export type Fetch = (url: string, init: FetchInit) => Promise<Reply>;

/** `localStorage`, React Native's `AsyncStorage`, or anything like them. */
export interface Storage {
  getItem(key: string): string | null | Promise<string | null>;
  setItem(key: string, value: string): unknown;
}

export interface Clock {
  now(): number;
  /** Calls `act` after `ms`; the result cancels that. */
  after(ms: number, act: () => void): () => void;
}

/** A page that the user may close at any time. */
export interface Page {
  /** Hands a text to the browser to post after the page is gone; false if it takes no more. */
  beacon(url: string, text: string): boolean;
  /** Calls `act` whenever the page is hidden or closed; the result ends that. */
  onHide(act: () => void): () => void;
}

export interface Platform {
  fetch: Fetch;
  storage: Storage;
  clock: Clock;
  /** A number from 0 to 1, for the spread of retries. */
  random(): number;
  /** A new id of 16 to 64 letters, digits, `-` and `_`. */
  id(): string;
  page: Page | undefined;
}

/** The parts in `given`, and this machine's own for the rest. */
export function platformOf(given: Partial<Platform>): Platform {
  const random = given.random ?? Math.random;
  return {
    // Looked up at each call: an app may replace it, and browsers refuse it any other `this`.
    fetch: (url, init) => globalThis.fetch(url, init),
    storage: localStorageOrMemory(),
    clock: {
      now: () => Date.now(),
      after(ms, act) {
        const timer = setTimeout(act, ms);
        return () => clearTimeout(timer);
      },
    },
    random,
    id: () => globalThis.crypto?.randomUUID?.() ?? hex(random),
    page: browserPage(),
    ...given,
  };
}

/** Ids where `randomUUID` is missing: pages without TLS, and React Native. */
function hex(random: () => number): string {
  const { crypto } = globalThis;
  const bytes = new Uint8Array(16);
  if (crypto) crypto.getRandomValues(bytes);
  else bytes.forEach((_, at) => (bytes[at] = random() * 256));
  return [...bytes].map((byte) => (byte + 256).toString(16).slice(1)).join("");
}

function localStorageOrMemory(): Storage {
  try {
    // A browser that forbids storage throws here.
    const { localStorage } = globalThis;
    if (localStorage) return localStorage;
  } catch {
    // As below.
  }
  const kept = new Map<string, string>();
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
}

function browserPage(): Page | undefined {
  const { document, navigator } = globalThis;
  if (!document?.addEventListener || !navigator?.sendBeacon) return undefined;
  return {
    beacon: (url, text) => navigator.sendBeacon(url, text),
    onHide(act) {
      // Phones kill hidden pages without `pagehide`; Safari closes pages without hiding them.
      const hidden = () => document.visibilityState === "hidden" && act();
      document.addEventListener("visibilitychange", hidden);
      addEventListener("pagehide", act);
      return () => {
        document.removeEventListener("visibilitychange", hidden);
        removeEventListener("pagehide", act);
      };
    },
  };
}
