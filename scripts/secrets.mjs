// This machine's secrets: generated if missing, and given to each Worker that uses them.
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Minimum bytes of a preview secret, as in src/guess.rs. */
const MIN_PREVIEW_SECRET_BYTES = 16;
/** Random bytes of each generated secret, written as twice as many hex digits. */
const MADE_UP = { JWT_HS256_KEY: 32, USER_KEY: 32, PREVIEW_SECRET: 16 };
/**
 * The entries of a `.dev.vars` that the event Worker reads: it hashes viewers with the same keys,
 * and opens no preview.
 */
const OF_INTAKE = new Set([
  "CORS_ORIGINS", "CORS_HEADERS", "JWT_AUDIENCE", "JWT_MAX_LIFE_S", "PULSE_EVERY_MS",
  "JWT_HS256_KEY", "JWT_HS256_KEY_OTHER", "JWT_ES256_PUBLIC_KEY", "JWT_ES256_PUBLIC_KEY_OTHER", "USER_KEY",
]);

/**
 * The secrets of `.dev.vars` in `root`. Missing ones are generated, added, and reported to `say`.
 * Also writes `crates/event-worker/.dev.vars`, where wrangler looks for the other Worker's.
 */
export function secrets(root, say) {
  const path = join(root, ".dev.vars");
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  const found = Object.fromEntries(entries(text).map(({ name, value }) => [name, value]));
  let added = "";
  for (const [name, bytes] of Object.entries(MADE_UP)) {
    if (found[name]) continue;
    found[name] = randomBytes(bytes).toString("hex");
    added += `${name}="${found[name]}"\n`;
  }
  if (Buffer.byteLength(found.PREVIEW_SECRET) < MIN_PREVIEW_SECRET_BYTES) {
    say(`PREVIEW_SECRET in .dev.vars is shorter than ${MIN_PREVIEW_SECRET_BYTES} bytes, so that there are no previews; take the line away to get another`);
  }
  const whole = added && text && !text.endsWith("\n") ? `${text}\n${added}` : text + added;
  if (added) {
    say(".dev.vars gets random secrets for this machine");
    write(path, whole);
  }
  write(join(root, "crates/event-worker/.dev.vars"), entries(whole).filter(({ name }) => OF_INTAKE.has(name)).map(({ line }) => `${line}\n`).join(""));
  return found;
}

/** The assignments in a `.dev.vars`. */
function entries(text) {
  const set = /^\s*([A-Z0-9_]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|(.*?))\s*$/gm;
  return [...text.matchAll(set)].map((m) => ({ name: m[1], value: m[2] ?? m[3] ?? m[4], line: m[0].trim() }));
}

/** Writes a file for this user only, even if it existed before. */
function write(path, text) {
  writeFileSync(path, text, { mode: 0o600 });
  chmodSync(path, 0o600);
}
