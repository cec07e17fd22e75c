// The client's memory of answers by address and viewer, for 304 and for times without an answer.

export interface Kept {
  etag: string;
  /** The body as it came: callers may change what they are given. */
  text: string;
  atMs: number;
}

/** Holds the answers used last, at most so many and so long in all. */
export class Memory {
  private readonly kept = new Map<string, Kept>();
  private chars = 0;

  constructor(
    private readonly mostAnswers: number,
    private readonly mostChars: number,
  ) {}

  get(key: string): Kept | undefined {
    return this.kept.get(key);
  }

  set(key: string, kept: Kept): void {
    // Maps iterate in the order of insertion; an answer that still holds is set again.
    this.delete(key);
    this.kept.set(key, kept);
    this.chars += kept.text.length;
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= this.mostAnswers && this.chars <= this.mostChars) break;
      this.delete(oldest);
    }
  }

  clear(): void {
    this.kept.clear();
    this.chars = 0;
  }

  private delete(key: string): void {
    this.chars -= this.kept.get(key)?.text.length ?? 0;
    this.kept.delete(key);
  }
}
