// The board in memory, for the JavaScript peers: typed arrays for scoring, ready-made objects for
// answers. Orders and fields are those of docs/ranking.md and www/openapi.json.

const UNIT = 1024;
const SOON_HALF_MS = 12 * 3_600_000;
const RANK_STEP_MS = 10 * 60_000;

export class Board {
  /** @param {object} data board.json, as bench-snapshot writes it */
  constructor(data) {
    this.snapshot = data.snapshot;
    this.builtAt = data.built_at;
    this.builtAtMs = data.built_at_ms;
    this.weights = data.weights;
    this.candidates = data.candidates.filter((index) => data.products[index].facts.is_new);
    this.tabs = data.tabs;
    this.slots = data.slots.map(({ item, facts }) => ({ item, ...facts }));
    this.products = data.products.map(({ item, verdict, verdict_after, facts }) => ({ item, verdict, verdictAfter: verdict_after, id: facts.id, slots: facts.slots }));
    const facts = data.products.map((product) => product.facts);
    this.dimensions = facts[0].vector.length;
    this.vectors = new Int8Array(facts.length * this.dimensions);
    facts.forEach((fact, index) => this.vectors.set(fact.vector, index * this.dimensions));
    this.popularity = Int32Array.from(facts, (fact) => fact.popularity);
    this.firstStartsAt = Float64Array.from(facts, (fact) => fact.first_starts_at);
    this.firstEndsAt = Float64Array.from(facts, (fact) => fact.first_ends_at);
    this.channel = Int32Array.from(facts, (fact) => (fact.slots.length > 0 ? this.slots[fact.slots[0]].channel : -1));
    this.scores = new Float64Array(facts.length);
    this.longestMs = Math.max(...this.slots.map((slot) => slot.ends_at - slot.starts_at));
    this.boundaries = [...new Set(this.slots.flatMap((slot) => [slot.starts_at, slot.ends_at]))].sort((a, b) => a - b);
  }

  score(index, channel, startsAt, endsAt, taste, weights, now) {
    let score = weights.soon * Math.floor((UNIT * SOON_HALF_MS) / (Math.max(startsAt - now, 0) + SOON_HALF_MS));
    if (startsAt <= now && now < endsAt) score += weights.on_air * UNIT;
    score += weights.popularity * Math.min(this.popularity[index], UNIT);
    if (taste === undefined) return score;
    let dot = 0;
    for (let at = index * this.dimensions, d = 0; d < this.dimensions; d++, at++) dot += taste.vector[d] * this.vectors[at];
    const hour = Math.floor(((startsAt + 9 * 3_600_000) % 86_400_000) / 10_800_000);
    return score + ((weights.taste * dot) >> 6) + 8 * weights.channel * (taste.channels[channel] ?? 0) + 8 * weights.hour * (taste.hours[hour] ?? 0);
  }

  tabItems(taste) {
    const { weights, tabs } = this;
    const count = tabs.length;
    const of = (index) =>
      Math.floor(((count - index) * UNIT) / count) * weights.tabs.position + (taste === undefined ? 0 : 8 * weights.tabs.taste * (taste.tabs[index] ?? 0));
    const free = tabs.flatMap((tab, index) => (tab.is_pinned ? [] : [{ index, score: of(index) }])).sort((a, b) => b.score - a.score || a.index - b.index);
    let next = 0;
    return tabs.map((tab, position) => ({ ...(tab.is_pinned ? tab : tabs[free[next++].index]).item, position }));
  }

  verdict(product, index, now) {
    return now < this.firstEndsAt[index] ? product.verdict : product.verdictAfter;
  }

  liveItems(taste, now) {
    const { slots } = this;
    const onAir = [];
    for (let index = this.firstAfter(now - this.longestMs - 1); index < slots.length && slots[index].starts_at <= now; index++) {
      const slot = slots[index];
      if (now < slot.ends_at) {
        onAir.push({ index, slot, id: this.products[slot.product].id, score: this.score(slot.product, slot.channel, slot.starts_at, slot.ends_at, taste, this.weights.live, now) });
      }
    }
    onAir.sort((a, b) => b.score - a.score || a.slot.channel - b.slot.channel || (a.id < b.id ? -1 : a.id > b.id ? 1 : a.index - b.index));
    return onAir.map(({ slot }) => {
      const product = this.products[slot.product];
      return { ...product.item, verdict: this.verdict(product, slot.product, now), on_air: true, broadcast: { ...slot.item, on_air: true } };
    });
  }

  /** The index of the first slot that starts after `at`. */
  firstAfter(at) {
    let low = 0;
    let high = this.slots.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.slots[middle].starts_at <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  newPage(taste, now, limit, user) {
    const { scores, firstStartsAt, firstEndsAt, products } = this;
    const frozenAt = now - (now % 1000);
    const rankedAt = frozenAt - (frozenAt % RANK_STEP_MS);
    const list = [];
    for (const index of this.candidates) {
      if (firstEndsAt[index] <= frozenAt) continue;
      scores[index] = this.score(index, this.channel[index], firstStartsAt[index], firstEndsAt[index], taste, this.weights.new, rankedAt);
      list.push(index);
    }
    list.sort((a, b) => scores[b] - scores[a] || firstStartsAt[a] - firstStartsAt[b] || (products[a].id < products[b].id ? -1 : 1));
    const items = [];
    let place = 0;
    for (; place < list.length && items.length < limit; place++) {
      const index = list[place];
      if (firstEndsAt[index] <= now) continue;
      const product = products[index];
      const broadcasts = [];
      let isOnAir = false;
      for (const at of product.slots) {
        const slot = this.slots[at];
        if (slot.ends_at <= now) continue;
        const on_air = slot.starts_at <= now;
        isOnAir ||= on_air;
        broadcasts.push({ ...slot.item, on_air });
      }
      items.push({ ...product.item, verdict: this.verdict(product, index, now), on_air: isOnAir, broadcasts });
    }
    const next_cursor = place < list.length ? btoa(`${this.snapshot}.${frozenAt}.${place}.${user ?? ""}`) : null;
    return { total: list.length, items, next_cursor };
  }

  stand(taste, now) {
    return { personalized: taste !== undefined, snapshot: { id: this.snapshot, built_at: this.builtAt, age_s: this.age(now), rung: "isolate" } };
  }

  age(now) {
    return Math.max(0, Math.floor((now - this.builtAtMs) / 1000));
  }

  home(taste, now, limit, user) {
    return {
      ...this.stand(taste, now),
      tabs: { items: this.tabItems(taste) },
      live: { items: this.liveItems(taste, now) },
      new: this.newPage(taste, now, limit, user),
    };
  }

  /** A weak ETag of an answer's inputs. */
  etag(path, now, user) {
    let low = 0;
    let high = this.boundaries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.boundaries[middle] <= now) low = middle + 1;
      else high = middle;
    }
    return `W/"${this.snapshot}.${path}.${now - (now % RANK_STEP_MS)}.${low}.${user ?? ""}"`;
  }

  headers(path, now, user) {
    return {
      "Content-Type": "application/json; charset=utf-8",
      "Cache-Control": user === undefined ? "public, max-age=60" : "private, no-cache",
      ETag: this.etag(path, now, user),
      Vary: "Authorization, Origin, Sinsang-Preview",
      "X-Content-Type-Options": "nosniff",
      "Server-Timing": 'kv;dur=0;desc="0 reads"',
      "Sinsang-Rung": "isolate",
      "Sinsang-Age": String(this.age(now)),
      "Sinsang-Snapshot": this.snapshot,
    };
  }
}

/** Cuts a user's record into its parts. */
export function cutTaste(widths, record) {
  const bytes = new Int8Array(record.buffer, record.byteOffset, record.byteLength);
  let at = 0;
  const part = (width) => bytes.subarray(at, (at += width));
  return { vector: part(widths.vector), channels: part(widths.channels), hours: part(widths.hours), tabs: part(widths.tabs) };
}

/** A whole number from 1 to 100, or undefined. */
export function limitOf(text) {
  const limit = text === undefined || text === null ? 20 : Number(text);
  return Number.isInteger(limit) && limit >= 1 && limit <= 100 ? limit : undefined;
}
