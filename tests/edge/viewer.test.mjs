// Identity: an anonymous viewer, the holder of a valid token, or a preview's choice; and nobody as
// somebody else.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { NOW, ROOT, dataset } from "../harness/dataset.mjs";
import { Edge, PREVIEW_SECRET, assertProblem } from "../harness/edge.mjs";
import { ES256, ES256_JWK, HS256_KEY, claims, es256, hs256, token } from "../harness/token.mjs";

let edge;
let user;
let other;
before(async () => {
  const data = await dataset();
  [user, other] = data.viewers.map((viewer) => viewer.user_id);
  edge = await Edge.start({ snapshot: data.first });
});
after(() => edge.stop());

const good = (changes) => claims(user, Date.now(), changes);
const bearer = (token) => ({ headers: { Authorization: `Bearer ${token}` } });
const order = (answer) => answer.json.items.map((item) => item.product_id);

test("a token of either algorithm brings its user's own order, the same that a preview of the user shows", async () => {
  const asOf = NOW + 60_000;
  const list = async (options) => {
    const pages = await edge.pages("/v1/new", { asOf, query: { limit: 100 }, ...options });
    return { personalized: pages[0].personalized, order: pages.flatMap((page) => page.items.map((item) => item.product_id)) };
  };
  const mine = await list(bearer(hs256(good())));
  assert.equal(mine.personalized, true);
  assert.deepEqual(await list(bearer(es256(good()))), mine);
  assert.deepEqual(await list({ viewer: user }), mine);

  const shared = await list({});
  assert.equal(shared.personalized, false);
  assert.notDeepEqual(shared.order, mine.order);
  assert.deepEqual([...shared.order].sort(), [...mine.order].sort(), "a viewer's taste orders, and hides nothing");
  assert.notDeepEqual((await list({ viewer: other })).order, mine.order);
});

test("every surface takes the token", async () => {
  for (const path of ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home"]) {
    const { json, headers } = await edge.get(path, bearer(hs256(good())));
    assert.equal(json.personalized, true, path);
    assert.match(headers.get("cache-control"), /private/);
  }
});

test("a user that nothing is known of sees the shared order", async () => {
  const asOf = NOW + 60_000;
  const stranger = await edge.get("/v1/new", { asOf, viewer: "nobody-we-know" });
  assert.equal(stranger.json.personalized, false);
  assert.deepEqual(order(stranger), order(await edge.get("/v1/new", { asOf })));
});

test("an audience among several and a scheme in any case are good", async () => {
  await edge.get("/v1/tabs", bearer(hs256(good({ aud: ["other", "sinsang"] }))));
  await edge.get("/v1/tabs", { headers: { Authorization: `bearer ${hs256(good())}` } });
});

const publicPem = ES256.publicKey.export({ type: "spki", format: "pem" });
const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const seconds = Math.floor(Date.now() / 1000);
const p1363 = (text) => sign("sha256", Buffer.from(text), { key: ES256.privateKey, dsaEncoding: "ieee-p1363" });
const hmacWith = (key) => (text) => createHmac("sha256", key).update(text).digest();
const tampered = (signed, changes) => {
  const [header, , signature] = signed.split(".");
  return [header, Buffer.from(JSON.stringify(good(changes))).toString("base64url"), signature].join(".");
};

// Built during the test: `user` is known only then.
const BAD = {
  "expired an hour ago (HS256)": () => hs256(good({ exp: seconds - 3600 })),
  "expired an hour ago (ES256)": () => es256(good({ exp: seconds - 3600 })),
  "not yet valid": () => hs256(good({ nbf: seconds + 3600, exp: seconds + 7200 })),
  "another audience": () => hs256(good({ aud: "another-app" })),
  "expires in two years": () => hs256(good({ exp: seconds + 2 * 366 * 86_400 })),
  "expires in two years (ES256)": () => es256(good({ exp: seconds + 2 * 366 * 86_400 })),
  "a critical extension that nobody understands": () => hs256(good(), HS256_KEY, { crit: ["exp"] }),
  "an unencoded payload": () => hs256(good(), HS256_KEY, { crit: ["b64"], b64: false }),
  "a token for logging out": () => hs256(good(), HS256_KEY, { typ: "logout+jwt" }),
  "a security event": () => hs256(good(), HS256_KEY, { typ: "secevent+jwt" }),
  "no audience": () => hs256(good({ aud: undefined })),
  "an empty list of audiences": () => hs256(good({ aud: [] })),
  "no expiry": () => hs256(good({ exp: undefined })),
  "an expiry that is text": () => hs256(good({ exp: String(seconds + 300) })),
  "an expiry beyond all dates": () => hs256(good({ exp: 1e300 })),
  "no user": () => hs256(good({ sub: undefined })),
  "an empty user": () => hs256(good({ sub: "" })),
  "a user that is a number": () => hs256(good({ sub: 7 })),
  "a user of great length": () => hs256(good({ sub: "u".repeat(1000) })),
  "algorithm none": () => token({ alg: "none" }, good(), () => ""),
  "algorithm none with a signature": () => token({ alg: "none" }, good(), hmacWith(HS256_KEY)),
  "algorithm nOnE": () => token({ alg: "nOnE" }, good(), () => ""),
  "no algorithm": () => token({ typ: "JWT" }, good(), hmacWith(HS256_KEY)),
  "HS256 keyed with the public ES256 key (JWK)": () => hs256(good(), ES256_JWK),
  "HS256 keyed with the public ES256 key (PEM)": () => hs256(good(), publicPem),
  "HS256 keyed with nothing": () => hs256(good(), ""),
  "HS256 by another key": () => hs256(good(), "another key that is over 32 bytes long, too"),
  "HS512": () => token({ alg: "HS512" }, good(), (text) => createHmac("sha512", HS256_KEY).update(text).digest()),
  "ES256 by another key": () => es256(good(), stranger),
  "ES256 by the key that the token brings along": () =>
    token({ alg: "ES256", jwk: JSON.parse(ES256_JWK) }, good(), (text) => sign("sha256", Buffer.from(text), { key: stranger, dsaEncoding: "ieee-p1363" })),
  "ES256 in DER": () => token({ alg: "ES256" }, good(), (text) => sign("sha256", Buffer.from(text), ES256.privateKey)),
  "ES256 of all zeros": () => token({ alg: "ES256" }, good(), () => Buffer.alloc(64)),
  "ES256 of all ones": () => token({ alg: "ES256" }, good(), () => Buffer.alloc(64, 255)),
  "ES256 of a byte too few": () => token({ alg: "ES256" }, good(), (text) => p1363(text).subarray(0, 63)),
  "ES256 of a byte too many": () => token({ alg: "ES256" }, good(), (text) => Buffer.concat([p1363(text), Buffer.alloc(1)])),
  "ES256 header over an HMAC": () => token({ alg: "ES256" }, good(), hmacWith(HS256_KEY)),
  "another user put into a good token": () => tampered(hs256(good()), { sub: other }),
  "a longer life put into a good token": () => tampered(es256(good()), { exp: seconds + 9_999 }),
  "a signature cut short": () => hs256(good()).slice(0, -4),
  "no signature": () => `${hs256(good()).split(".").slice(0, 2).join(".")}.`,
  "two parts": () => hs256(good()).split(".").slice(0, 2).join("."),
  "four parts": () => `${hs256(good())}.x`,
  "claims that are no JSON": () => token({ alg: "HS256" }, "{", hmacWith(HS256_KEY)),
  "claims that are a list": () => token({ alg: "HS256" }, "[]", hmacWith(HS256_KEY)),
  "garbage": () => "garbage",
  "dots": () => "..",
  "a very long token": () => hs256(good({ more: "x".repeat(6_000) })),
};

test("a bad token is 401 with a reason in the header, and never a surface", async (t) => {
  for (const [name, make] of Object.entries(BAD)) {
    await t.test(name, async () => {
      const answer = await edge.ask("/v1/new", bearer(make()));
      assertProblem(answer, 401);
      assert.match(answer.headers.get("www-authenticate"), /^Bearer (realm="[^"]*", )?error="invalid_token", error_description="[^"]+"$/);
      assert.equal(answer.json.items, undefined);
    });
  }
});

test("a scheme other than Bearer is 401 with a challenge", async () => {
  for (const authorization of ["Basic dTpw", "Bearer", "Bearer ", hs256(good()), `Token ${hs256(good())}`]) {
    const answer = await edge.ask("/v1/tabs", { headers: { Authorization: authorization } });
    assertProblem(answer, 401);
    assert.match(answer.headers.get("www-authenticate"), /^Bearer/);
  }
});

test("without the preview's secret nobody chooses viewer or time, signed in or not", async () => {
  let address = 0;
  for (const path of ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home", "/v1/status"]) {
    for (const query of [{ viewer: other }, { as_of: "2026-11-20T12:00:00+09:00" }]) {
      // Each guess comes from another address: guesses of one address are limited (limit.test.mjs).
      address += 1;
      for (const headers of [{}, bearer(hs256(good())).headers, { "Sinsang-Preview": "wrong" }, { "Sinsang-Preview": "" }, { "Sinsang-Preview": PREVIEW_SECRET.slice(0, -1) }]) {
        const answer = await edge.ask(path, { query, headers: { ...headers, "CF-Connecting-IP": `192.0.2.${address}` } });
        assertProblem(answer, 403);
      }
    }
  }
});

test("where no preview secret is set no secret opens it", async () => {
  const data = await dataset();
  for (const PREVIEW_SECRET of [undefined, ""]) {
    const closed = await Edge.start({ snapshot: data.first, bindings: { PREVIEW_SECRET } });
    try {
      for (const secret of ["", "undefined", "null"]) {
        assertProblem(await closed.ask("/v1/new", { query: { viewer: user }, headers: { "Sinsang-Preview": secret } }), 403);
      }
      await closed.get("/v1/new");
    } finally {
      await closed.stop();
    }
  }
});

test("a preview secret that is too short opens nothing, and the log says so without it", async () => {
  const data = await dataset();
  const short = "fifteen bytes !";
  const closed = await Edge.start({ snapshot: data.first, bindings: { PREVIEW_SECRET: short } });
  try {
    for (const path of ["/preview/snapshots", "/preview/builds", "/demo/viewers.json", `/v1/home?viewer=${user}`]) {
      assertProblem(await closed.ask(path, { headers: { "Sinsang-Preview": short } }), 403);
    }
    assert.match(closed.printed, /PREVIEW_SECRET is shorter than 16 bytes: no preview opens/);
    assert.ok(!closed.printed.includes(short));
    await closed.get("/v1/home", { user });
  } finally {
    await closed.stop();
  }
});

test("where no keys are set every token is refused and the shared order is served", async () => {
  const data = await dataset();
  const bare = await Edge.start({
    snapshot: data.first,
    bindings: { JWT_HS256_KEY: undefined, JWT_ES256_PUBLIC_KEY: undefined, PREVIEW_SECRET: undefined },
  });
  try {
    await bare.get("/v1/home");
    for (const made of [hs256(good()), es256(good()), hs256(good(), ""), token({ alg: "none" }, good(), () => "")]) {
      assertProblem(await bare.ask("/v1/home", bearer(made)), 401);
    }
  } finally {
    await bare.stop();
  }
});

test("a key that is too short signs nobody in", async () => {
  const data = await dataset();
  const weak = await Edge.start({ snapshot: data.first, bindings: { JWT_HS256_KEY: "short" } });
  try {
    const answer = await weak.ask("/v1/tabs", bearer(hs256(good(), "short")));
    assert.ok([401, 500, 503].includes(answer.status) && answer.json.items === undefined, `answers ${answer.status}`);
    await weak.get("/v1/tabs");
  } finally {
    await weak.stop();
  }
});

test("a key that is no point of P-256 signs nothing, says so once, and leaves the other one alone", async () => {
  const data = await dataset();
  const { x } = JSON.parse(ES256_JWK);
  const off = JSON.stringify({ kty: "EC", crv: "P-256", x, y: x });
  const odd = await Edge.start({ snapshot: data.first, bindings: { JWT_ES256_PUBLIC_KEY: off, JWT_ES256_PUBLIC_KEY_OTHER: ES256_JWK } });
  try {
    for (const jti of ["1", "2"]) {
      assert.equal((await odd.get("/v1/tabs", bearer(es256(good({ jti }))))).json.personalized, true);
      assertProblem(await odd.ask("/v1/tabs", bearer(es256(good({ jti }), stranger))), 401);
    }
    assert.equal(odd.printed.match(/ES256 key 1 is not a point on P-256/g)?.length, 1, odd.printed);
    assert.doesNotMatch(odd.printed, /key 2/);
  } finally {
    await odd.stop();
  }
});

test("a platform that fails to check a signature has it refused, and nothing else", async (t) => {
  const data = await dataset();
  const failures = {
    throws: `subtle.verify = () => { throw new Error("out of order"); };`,
    refuses: `subtle.verify = () => Promise.reject(new Error("out of order"));`,
    hangs: `subtle.verify = () => new Promise(() => {});`,
    "says what is no answer": `subtle.verify = async () => "true";`,
    "imports no key": `subtle.importKey = () => Promise.reject(new Error("out of order"));`,
  };
  for (const [name, breaks] of Object.entries(failures)) {
    await t.test(name, async () => {
      const entry = `import worker from "./index.js";\nconst subtle = SubtleCrypto.prototype;\n${breaks}\nexport default worker;\n`;
      const broken = await Edge.start({ snapshot: data.first, entry });
      try {
        for (let time = 0; time < 2; time++) {
          const answer = await broken.ask("/v1/new", bearer(es256(good())));
          assertProblem(answer, 401);
          assert.equal(answer.json.detail, "the token's signature is wrong");
          assert.equal((await broken.get("/v1/new", bearer(hs256(good())))).json.personalized, true);
          assert.equal((await broken.get("/v1/new")).json.personalized, false);
        }
        if (name !== "says what is no answer") assert.match(broken.printed, /can't check a signature: Error: (out of order|timed out)/);
      } finally {
        await broken.stop();
      }
    });
  }
});

test("a personal answer is private, and a shared one says that it varies by who asks", async () => {
  for (const path of ["/v1/new", "/v1/live", "/v1/tabs", "/v1/home"]) {
    const personal = (await edge.get(path, { user })).headers;
    assert.match(personal.get("cache-control"), /private/);
    assert.doesNotMatch(personal.get("cache-control"), /public|s-maxage/);
    const preview = (await edge.get(path, { viewer: user })).headers;
    assert.match(preview.get("cache-control"), /private|no-store/);
    const shared = (await edge.get(path)).headers;
    assert.match(shared.get("cache-control"), /public/);
    assert.match(shared.get("vary"), /authorization/i);
    assert.notEqual(personal.get("etag"), shared.get("etag"));
  }
});

test("one viewer's ETag answers nobody else with 304", async () => {
  for (const path of ["/v1/new", "/v1/tabs", "/v1/home"]) {
    const etag = (await edge.get(path, { user })).headers.get("etag");
    const answers = [await edge.ask(path, { headers: { "If-None-Match": etag } }), await edge.ask(path, { user: other, headers: { "If-None-Match": etag } })];
    for (const answer of answers) assert.equal(answer.status, 200, path);
  }
});

/** The order of the tab for the holder of `token`, and whether it is their own. */
async function orderOf(token) {
  const answer = await edge.get("/v1/new", bearer(token));
  return [answer.json.personalized, order(answer)];
}

const command = (words, env) =>
  execFileSync(join(ROOT, "bin/sinsang"), ["token", "--viewer", user, ...words], { encoding: "utf8", env: { PATH: process.env.PATH, ...env } }).trim();

test("the command's tokens of either key bring the viewer's own order", async () => {
  const own = await orderOf(hs256(good()));
  assert.equal(own[0], true);
  assert.deepEqual(await orderOf(command([], { SINSANG_JWT_HS256_KEY: HS256_KEY })), own);
  assert.deepEqual(await orderOf(command([], { SINSANG_JWT_ES256_KEY: JSON.stringify(ES256.privateKey.export({ format: "jwk" })) })), own);
});

test("a token holds for its hours, and for its audience", async () => {
  const env = { SINSANG_JWT_HS256_KEY: HS256_KEY };
  const held = JSON.parse(Buffer.from(command(["--hours", "2"], env).split(".")[1], "base64url"));
  assert.equal(held.exp - held.iat, 7_200);
  assert.ok(Math.abs(held.iat - Date.now() / 1_000) < 60);
  const foreign = command(["--audience", "another"], env);
  assertProblem(await edge.ask("/v1/new", bearer(foreign)), 401);
});

test("the backend of docs/tokens.md signs what the edge takes", async () => {
  const text = await readFile(join(ROOT, "docs/tokens.md"), "utf8");
  const [, source] = /```ts\n([^]*?)```/.exec(text);
  // Below the packages that it imports.
  await mkdir(join(ROOT, ".cache/test"), { recursive: true });
  const folder = await mkdtemp(join(ROOT, ".cache/test/token-"));
  try {
    await writeFile(join(folder, "backend.mjs"), source);
    process.env.SINSANG_JWT_HS256_KEY = HS256_KEY;
    const { sinsangToken } = await import(join(folder, "backend.mjs"));
    assert.deepEqual(await orderOf(await sinsangToken(user)), await orderOf(hs256(good())));
  } finally {
    await rm(folder, { recursive: true });
  }
});
