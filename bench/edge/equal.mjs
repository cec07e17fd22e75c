// Compares a peer's answers with the edge's: the same fields with the same values in the same
// order.
import assert from "node:assert/strict";

const SAME_HEADERS = ["content-type", "cache-control", "vary", "x-content-type-options", "sinsang-snapshot"];
/** Tolerance of ages in seconds: the two requests are made at different times. */
const AGE_LIMIT_S = 5;

/** Sends one request, unmeasured. */
export async function ask(port, { path, headers = {} }) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers, signal: AbortSignal.timeout(20_000) });
  return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) };
}

/**
 * The answer as text without the parts that may differ: ages, and the cursor, whose text is
 * specific to each program.
 */
function comparable(answer) {
  const json = JSON.parse(answer.body);
  const list = json.new ?? json;
  assert.equal(typeof json.snapshot.age_s, "number");
  json.snapshot.age_s = 0;
  list.next_cursor = list.next_cursor === null ? null : "a cursor";
  return JSON.stringify(json, null, 1);
}

/** Fails with the first differing line. */
export function assertSame(name, ours, theirs) {
  assert.equal(theirs.status, ours.status, `${name}: status; ${theirs.body.subarray(0, 300)}`);
  for (const header of SAME_HEADERS) {
    if (header === "cache-control" && ours.headers.get(header)?.startsWith("public")) continue;
    assert.equal(theirs.headers.get(header), ours.headers.get(header), `${name}: header ${header}`);
  }
  const ages = [ours, theirs].map((answer) => JSON.parse(answer.body).snapshot.age_s);
  assert.ok(Math.abs(ages[0] - ages[1]) <= AGE_LIMIT_S, `${name}: ages ${ages}`);
  const [left, right] = [ours, theirs].map((answer) => comparable(answer).split("\n"));
  const differs = left.findIndex((line, index) => line !== right[index]);
  assert.ok(differs < 0 && left.length === right.length, `${name} answers otherwise at line ${differs}:\nours   ${left[differs]}\ntheirs ${right[differs]}`);
}
