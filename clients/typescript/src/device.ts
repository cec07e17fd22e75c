// The device's id: made once and kept, so that a viewer without a token stays one viewer.

import type { Platform } from "./platform.js";

const KEY = "sinsang.device";
const VALID = /^[\w-]{16,64}$/;

/** The kept id, or a new one, which is kept if storage allows. */
export async function deviceId({ storage, id }: Platform): Promise<string> {
  try {
    const kept = await storage.getItem(KEY);
    if (kept && VALID.test(kept)) return kept;
  } catch {
    // Forbidden storage: the id lasts as long as the client.
  }
  const made = id();
  try {
    await storage.setItem(KEY, made);
  } catch {
    // As above.
  }
  return made;
}
