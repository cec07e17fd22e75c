// Lists: page after page, each item once, also where a list has to be begun again.

import type { Answer, PageBody } from "./answer.js";
import { SinsangError } from "./problem.js";

/** Times that a list is begun again. Then the reason is thrown; a further call starts afresh. */
const MOST_RESTARTS = 3;

/**
 * A list: `for await (const item of list)`, or `more()` at the end of each screen. Where the server
 * has lost the list (410) or can't go on in it (`interrupted`), it is begun again, and items that
 * were given are passed over.
 */
export class List<Item, Page> {
  /** The last page. */
  page: Answer<Page & PageBody<Item>> | undefined;
  /** Whether all items were given. */
  isOver = false;
  /** How often the list was begun again. */
  restarts = 0;
  private cursor: string | undefined;
  private readonly given = new Set<string>();
  /** Keys of what was given before the list was last begun again. */
  private passed = new Set<string>();
  private waiting: Item[] = [];
  private underway: Promise<Item[]> | undefined;

  constructor(
    private readonly read: (cursor: string | undefined, isAgain: boolean) => Promise<Answer<Page & PageBody<Item>>>,
    private readonly keyOf: (item: Item) => string,
  ) {}

  /** The next page's items without those given before; none at the list's end. */
  more(): Promise<Item[]> {
    const end = () => (this.underway = undefined);
    if (!this.underway) (this.underway = this.go()).then(end, end);
    return this.underway;
  }

  async next(): Promise<IteratorResult<Item, undefined>> {
    if (this.waiting.length === 0) this.waiting = [...(await this.more())];
    const value = this.waiting.shift();
    return value === undefined ? { done: true, value: undefined } : { done: false, value };
  }

  async return(): Promise<IteratorResult<Item, undefined>> {
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private async go(): Promise<Item[]> {
    let isAgain = false;
    while (!this.isOver) {
      let lost: unknown;
      try {
        const page = await this.read(this.cursor, isAgain);
        if (page.data.interrupted) lost = new SinsangError("interrupted", "the list can't go on now");
        else {
          this.page = page;
          this.cursor = page.data.next_cursor ?? undefined;
          this.isOver = !this.cursor;
          const items = page.data.items.filter((item) => !this.passed.has(this.keyOf(item)));
          for (const item of items) this.given.add(this.keyOf(item));
          if (items.length > 0) return items;
          continue;
        }
      } catch (error) {
        if (!this.cursor || !isLost(error)) throw error;
        lost = error;
      }
      // Never from memory: a remembered first page leads to the cursor that was lost.
      isAgain = true;
      this.cursor = undefined;
      this.passed = new Set(this.given);
      if (this.restarts === MOST_RESTARTS) {
        this.restarts = 0;
        throw lost;
      }
      this.restarts += 1;
    }
    return [];
  }
}

/** Whether the list's cursor serves no more: it is gone, or another viewer has signed in. */
function isLost(error: unknown): boolean {
  if (!(error instanceof SinsangError)) return false;
  const { status, problem } = error;
  return status === 410 ? problem?.type !== "/problems/snapshot-gone" : status === 400 && problem?.parameter === "cursor";
}
