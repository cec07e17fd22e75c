// Which secrets each Worker holds on this machine, and which it doesn't need.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { secrets } from "../../scripts/secrets.mjs";
import { ROOT } from "../harness/dataset.mjs";
import { Intake } from "../harness/intake.mjs";

/** A folder as `make run` finds it, with `text` as its `.dev.vars`. */
function folder(text, body) {
  const root = mkdtempSync(join(tmpdir(), "sinsang-secrets-"));
  const told = [];
  try {
    mkdirSync(join(root, "crates/event-worker"), { recursive: true });
    if (text !== undefined) writeFileSync(join(root, ".dev.vars"), text, { mode: 0o644 });
    // A file left by an earlier release.
    writeFileSync(join(root, "crates/event-worker/.dev.vars"), "PREVIEW_SECRET=\"of an earlier run\"\n", { mode: 0o644 });
    const found = secrets(root, (line) => told.push(line));
    const read = (name) => readFileSync(join(root, name), "utf8");
    body({ found, told, edge: read(".dev.vars"), intake: read("crates/event-worker/.dev.vars"), mode: (name) => statSync(join(root, name)).mode & 0o777 });
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("the Worker that takes events is given the keys that name viewers, and no preview secret", () => {
  folder(undefined, ({ found, told, edge, intake, mode }) => {
    assert.match(edge, /^PREVIEW_SECRET="[0-9a-f]{32}"$/m);
    for (const name of ["USER_KEY", "JWT_HS256_KEY"]) assert.ok(intake.includes(`${name}="${found[name]}"\n`), name);
    assert.doesNotMatch(intake, /PREVIEW/);
    assert.ok(!intake.includes(found.PREVIEW_SECRET));
    for (const name of [".dev.vars", "crates/event-worker/.dev.vars"]) assert.equal(mode(name), 0o600, name);
    assert.deepEqual(told, [".dev.vars gets random secrets for this machine"]);
  });
  const given = "# mine\nUSER_KEY=k\nPREVIEW_SECRET='a secret of my own'\nJWT_HS256_KEY=\"h\"\nJWT_MAX_LIFE_S=3600\nOTHER=x";
  folder(given, ({ found, told, edge, intake, mode }) => {
    assert.equal(edge, given, "what is whole stays as it is");
    assert.equal(found.PREVIEW_SECRET, "a secret of my own");
    assert.equal(intake, "USER_KEY=k\nJWT_HS256_KEY=\"h\"\nJWT_MAX_LIFE_S=3600\n");
    assert.equal(mode("crates/event-worker/.dev.vars"), 0o600);
    assert.deepEqual(told, []);
  });
  folder("PREVIEW_SECRET=short\nUSER_KEY=k\nJWT_HS256_KEY=h\n", ({ told }) => assert.match(told[0], /shorter than 16 bytes/));
});

test("no preview secret is configured for the Worker that takes events, and one that is there is told of", async () => {
  const toml = readFileSync(join(ROOT, "crates/event-worker/wrangler.toml"), "utf8");
  assert.doesNotMatch(toml.replace(/^#.*$/gm, ""), /PREVIEW_SECRET/);
  const one = await Intake.start({ bindings: { PREVIEW_SECRET: "a preview secret of the tests" } });
  try {
    assert.equal((await one.send({ device: "a-device-of-the-tests", events: [] })).status, 202);
    assert.match(one.printed, /PREVIEW_SECRET is not used here/);
    assert.ok(!one.printed.includes("a preview secret of the tests"));
  } finally {
    await one.stop();
  }
});
