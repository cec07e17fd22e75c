// The reference for answers: the OpenAPI document, all published snapshots, and two edges whose
// store never fails.
import { createHash } from "node:crypto";
import { Contract } from "../harness/contract.mjs";
import { kst } from "../harness/dataset.mjs";
import { ask } from "./load.mjs";

const AGE_SLACK_S = 3;

export class Truth {
  #contract = new Contract();
  /**
   * Answers found correct, by ETag, question and viewer: their items, and the period in which they
   * hold.
   */
  #shown = new Map();
  /** Pages found correct, by address, ETag and viewer. */
  #pages = new Map();

  /**
   * @param {{id: string, builtAt: number}[]} snapshots
   * @param {Map<string, {url: string}>} references a Worker for each snapshot, with a store that has it alone and never fails
   */
  constructor(snapshots, references, offset, preview) {
    Object.assign(this, { snapshots: new Map(snapshots.map((one) => [one.id, one])), references, offset, preview });
  }

  /**
   * The faults of an answer, as texts. `allowed` are the ids of the snapshots that are valid now.
   */
  async faults(asked, answer, allowed) {
    if (asked.expects === "page") return this.#pageFaults(asked, answer, allowed);
    if (asked.expects !== "answer") {
      const faults = this.#contract.faults(answer);
      if (answer.headers.has("access-control-allow-origin")) faults.push("an origin that nobody named may read it");
      if (asked.expects === "401" && answer.status !== 401) faults.push(`a bad token is answered with ${answer.status}`);
      if (answer.status >= 500 || answer.status === 0) faults.push(`a hostile request is answered with ${answer.status}`);
      return faults;
    }
    if (answer.status !== 200 && answer.status !== 304) return [`a well-formed request is answered with ${answer.status} ${answer.text?.slice(0, 200)}`];
    const faults = [];
    const snapshot = this.snapshots.get(answer.headers.get("sinsang-snapshot"));
    if (!snapshot || !allowed.has(snapshot.id)) return [`snapshot ${answer.headers.get("sinsang-snapshot")} may not be shown now`];
    const age = Math.floor((answer.began + this.offset - snapshot.builtAt) / 1_000);
    if (Math.abs(Number(answer.headers.get("sinsang-age")) - age) > AGE_SLACK_S + answer.ms / 1_000) faults.push(`age ${answer.headers.get("sinsang-age")}, not ${age}`);
    if (asked.bearer !== undefined && !/^(private|no-store)/.test(answer.headers.get("cache-control"))) faults.push("an answer to a token may be shared");
    if (answer.status === 304 || answer.path === "/v1/status") return [...faults, ...this.#contract.faults(answer)];
    // The part before the items is specific to this answer; the rest is the same for the same ETag
    // and question.
    const head = /^.{0,60}?"personalized":(true|false),"snapshot":\{"id":"([0-9a-f]+)","built_at":"[^"]+","age_s":\d+,"rung":"([a-z]+)"\},/.exec(answer.text);
    if (!head) return [...faults, `a surface begins with ${answer.text.slice(0, 200)}`];
    const [begins, personalized, id, rung] = head;
    if (id !== snapshot.id || rung !== answer.headers.get("sinsang-rung")) faults.push("header and body stand on different ground");
    if (asked.bearer === undefined && personalized === "true") faults.push("a personal order without a token");
    const key = `${answer.headers.get("etag")} ${asked.target} ${personalized === "true" ? asked.user : ""}`;
    const shown = createHash("sha1").update(answer.text.slice(begins.length).replace(/"next_cursor":"[^"]*"/, "")).digest("base64");
    const known = this.#shown.get(key);
    if (known !== undefined) {
      if (known.shown !== shown) faults.push(`other items than ${key} stands for`);
      return [...faults, ...this.#timeFaults(known, answer)];
    }
    const stretch = stretchOf(answer.json);
    const first = [...this.#contract.faults(answer), ...this.#timeFaults(stretch, answer), ...(await this.#orderFaults(asked, answer, snapshot))];
    // An ETag stands for one order: of a snapshot, a question, tastes and a period.
    if (first.length === 0) this.#shown.set(key, { shown, ...stretch });
    return [...faults, ...first];
  }

  /**
   * Compares a page of the schedule or of a product with those of edges whose store never fails. A
   * product may be on one of the snapshots alone, or have become another's there, so a problem has
   * to be that of one of them.
   */
  async #pageFaults(asked, answer, allowed) {
    const faults = this.#contract.faults(answer);
    const id = answer.headers.get("sinsang-snapshot");
    if (id !== null && !allowed.has(id)) faults.push(`snapshot ${id} may not be shown now`);
    if (answer.status === 304) return faults;
    if (![200, 301, 404].includes(answer.status)) return [...faults, `a page is answered with ${answer.status} ${answer.text?.slice(0, 200)}`];
    const isOwn = answer.json?.personalized === true;
    if (isOwn && asked.bearer === undefined) faults.push("a personal order without a token");
    const key = `${answer.headers.get("etag")} ${asked.target} ${isOwn ? asked.user : ""}`;
    const shown = told(answer);
    const known = answer.status === 200 ? this.#pages.get(key) : undefined;
    if (known === shown) return faults;
    if (known !== undefined) return [...faults, `another page than ${key} stands for`];
    for (const snapshot of id === null ? allowed : [id]) {
      for (const at of [answer.began, answer.ended]) {
        const question = new URL(asked.target, "http://edge");
        question.searchParams.set("as_of", kst(at + this.offset));
        if (isOwn) question.searchParams.set("viewer", asked.user);
        const truth = await this.#asked(snapshot, `${question.pathname}${question.search}`);
        if (told(truth) !== shown) continue;
        if (answer.status === 200) this.#pages.set(key, shown);
        return faults;
      }
    }
    return [...faults, `shows another page than an edge whose store is well: ${shown.slice(0, 500)}`];
  }

  /** What the reference of a snapshot answers; asked again if a kept-alive connection lost it. */
  async #asked(snapshot, target) {
    const { url: reference } = this.references.get(snapshot);
    const truth = await ask(reference, { target, preview: this.preview });
    return truth.status === 0 ? ask(reference, { target, preview: this.preview }) : truth;
  }

  /** Finds ended broadcasts, and broadcasts shown as on air before they begin. */
  #timeFaults({ from, until }, answer) {
    const faults = [];
    if (answer.began + this.offset >= until) faults.push(`shows a broadcast that was over at ${kst(until)}`);
    if (answer.ended + this.offset < from) faults.push(`shows as on air what begins at ${kst(from)}`);
    return faults;
  }

  /** Compares items and order with those of an edge whose store never fails. */
  async #orderFaults(asked, answer, snapshot) {
    const { json } = answer;
    if (json.interrupted) return json.items.length === 0 ? [] : ["a list that stops shows items"];
    const shown = parts(json);
    const wanted = [];
    for (const at of [answer.began, answer.ended]) {
      const question = new URL(asked.target, "http://edge");
      question.searchParams.set("as_of", kst(at + this.offset));
      if (asked.user !== undefined && (json.personalized || question.searchParams.has("cursor"))) question.searchParams.set("viewer", asked.user);
      const target = `${question.pathname}${question.search}`;
      const truth = await this.#asked(snapshot.id, target);
      if (truth.status !== 200) return [`the reference answers ${truth.status} to ${target}: ${truth.text.slice(0, 200)}`];
      if (truth.json.personalized === json.personalized && parts(truth.json) === shown) {
        return [];
      }
      wanted.push(`${truth.json.personalized} ${parts(truth.json)}`);
    }
    return [`shows ${json.personalized} ${shown} and not ${wanted.join(" nor ")}`.slice(0, 2_000)];
  }
}

/**
 * A page without what differs between answers of one moment: its ground, its cursor, and the time
 * that a reference was asked for, which a redirect keeps.
 */
function told({ status, text }) {
  const bare = text.replace(/"snapshot":\{[^}]*\}/, "").replace(/"next_cursor":"[^"]*"/, "").replace(/\?as_of=[^"]*/, "");
  return `${status} ${bare}`;
}

/** The shown items in order, with their times. */
function parts(json) {
  const list = (items) => items?.map((item) => `${item.product_id ?? item.tab_id} ${JSON.stringify(item.broadcasts ?? item.broadcast ?? item.position)}`);
  return JSON.stringify([json.total ?? json.new?.total, list(json.items), list(json.tabs?.items), list(json.live?.items), list(json.new?.items)]);
}

/**
 * The period in which all shown items are valid: after those on air have begun, and before the
 * first of them ends.
 */
function stretchOf(json) {
  const stretch = { from: -Infinity, until: Infinity };
  for (const item of json.new?.items ?? (json.surface === "new" ? json.items : [])) {
    for (const { ends_at } of item.broadcasts) stretch.until = Math.min(stretch.until, Date.parse(ends_at));
  }
  for (const { broadcast } of json.live?.items ?? (json.surface === "live" ? json.items : [])) {
    stretch.until = Math.min(stretch.until, Date.parse(broadcast.ends_at));
    stretch.from = Math.max(stretch.from, Date.parse(broadcast.starts_at));
  }
  return stretch;
}
