// Headers that protect the page and the answers, and data that no answer may contain.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { USER_KEY, dataset } from "../harness/dataset.mjs";
import { Edge, PREVIEW_SECRET } from "../harness/edge.mjs";
import { HS256_KEY, claims, hs256 } from "../harness/token.mjs";

let edge;
let user;
before(async () => {
  const data = await dataset();
  user = data.viewers[0].user_id;
  edge = await Edge.start({ snapshot: data.first });
});
after(() => edge.stop());

test("the page may load and do nothing but its own, and be framed by nobody", async () => {
  for (const path of ["/", "/page/main.js", "/openapi.json"]) {
    const { headers } = await fetch(new URL(path, edge.url)).then(async (response) => (await response.arrayBuffer(), response));
    const policy = Object.fromEntries(
      headers.get("content-security-policy").split(";").map((part) => part.trim().split(/\s+(.*)/s).slice(0, 2)),
    );
    assert.equal(policy["default-src"], "'none'", path);
    for (const name of ["style-src", "connect-src", "font-src"]) assert.equal(policy[name], "'self'", `${path} ${name}`);
    // The page compiles the edge's own core, from this origin; the policy turns no string into a
    // script.
    assert.equal(policy["script-src"], "'self' 'wasm-unsafe-eval'", path);
    for (const name of ["base-uri", "form-action", "frame-ancestors"]) assert.equal(policy[name], "'none'", `${path} ${name}`);
    assert.doesNotMatch(headers.get("content-security-policy"), /(?<!'wasm-)unsafe|https?:|\*/);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("referrer-policy"), "no-referrer");
    assert.match(headers.get("strict-transport-security"), /^max-age=\d{8}/);
  }
});

test("an answer to a token can be kept by no cache on the way, whatever comes of the token", async () => {
  const good = `Bearer ${hs256(claims(user, Date.now()))}`;
  for (const path of ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home", "/v1/status"]) {
    for (const authorization of [good, `${good}x`, "Bearer", "Basic dTpw"]) {
      const answer = await edge.ask(path, { headers: { Authorization: authorization } });
      assert.match(answer.headers.get("cache-control"), /^(private, no-cache|no-store)$/, `${path} ${answer.status}`);
      assert.match(answer.headers.get("vary"), /Authorization/);
      assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    }
  }
});

test("every answer says that it is what it says it is, whatever comes of it and whoever makes it", async () => {
  const statuses = new Set();
  for (const path of ["/v1/home", "/v1/status", "/v1/none", "/healthz", "/preview/board", "/preview/pulse?number=1", "/preview/pulse", "/preview/builds", "/demo/none", "/demo/viewers.json"]) {
    for (const method of ["GET", "HEAD", "POST", "OPTIONS"]) {
      for (const preview of [false, true]) {
        const { status, headers } = await edge.ask(path, { method, preview });
        assert.equal(headers.get("x-content-type-options"), "nosniff", `${method} ${path} ${status}`);
        statuses.add(status);
      }
    }
  }
  const guess = { headers: { "Sinsang-Preview": "a guess at the secret", "CF-Connecting-IP": "192.0.2.99" } };
  for (let time = 0; time < 12; time++) {
    const { status, headers } = await edge.ask("/preview/builds", guess);
    assert.equal(headers.get("x-content-type-options"), "nosniff", `${status}`);
    statuses.add(status);
  }
  for (const status of [200, 204, 400, 403, 404, 405, 410, 429]) assert.ok(statuses.has(status), `${status} of ${[...statuses]}`);
});

test("no secret, token or user id is in an answer or in the log", async () => {
  const token = hs256(claims(user, Date.now()));
  const secrets = [HS256_KEY, USER_KEY, PREVIEW_SECRET, token];
  const answers = [];
  for (const path of ["/v1/home", "/v1/status", "/v1/new?cursor=x", "/v1/nothing", "/v1/live?as_of=x"]) {
    answers.push(await edge.ask(path, { headers: { Authorization: `Bearer ${token}` }, preview: true }));
    answers.push(await edge.ask(path, { headers: { Authorization: `Bearer ${token}z`, "Sinsang-Preview": `${PREVIEW_SECRET}?` } }));
  }
  for (const answer of answers) {
    const all = `${answer.text} ${JSON.stringify([...answer.headers])}`;
    for (const secret of secrets) assert.ok(!all.includes(secret), `${answer.path} ${answer.status}`);
    assert.ok(!all.includes(user), `${answer.path} names the user`);
  }
  for (const secret of [...secrets, user]) assert.ok(!edge.printed.includes(secret), "the log has a secret");
});
