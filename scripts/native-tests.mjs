// Builds the test programs of all crates in one cargo command, so that nothing is compiled with two
// sets of features, and runs those of the crates in the given folders: node
// scripts/native-tests.mjs [FOLDER...]
//
// ONLY=part runs the tests whose path contains that part; SHOW=1 shows the output of passing tests.
// Each program runs in its crate's folder, as under cargo.
import { spawnSync } from "node:child_process";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

/** Builds the programs, and returns cargo's record of each. */
function programs() {
  const command = ["test", "--profile", "light", "--workspace", "--tests", "--example", "publish", "--no-run", "--message-format", "json-render-diagnostics"];
  const { status, stdout } = spawnSync("cargo", command, { stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 28, encoding: "utf8" });
  if (status !== 0) process.exit(status ?? 1);
  const records = stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  // A plan has just built the command (scripts/plan.mjs): the tests must reuse its dependencies.
  const engine = records.find(({ reason, target }) => reason === "compiler-artifact" && target.name === "datafusion");
  if (process.env.SINSANG_CHECKED && !engine.fresh) {
    console.error("DataFusion was compiled a second time: `make cli` asks for other features of some crate than the tests do (UNIFIED in the Makefile)");
    process.exit(1);
  }
  return records.filter(({ reason, profile, executable }) => reason === "compiler-artifact" && profile.test && executable);
}

const asked = [...(process.env.ONLY ? [process.env.ONLY] : []), ...(process.env.SHOW ? ["--nocapture"] : [])];
const all = programs();
for (const folder of process.argv.slice(2).map((name) => resolve(name))) {
  const its = all.filter(({ manifest_path }) => dirname(manifest_path) === folder);
  if (its.length === 0) {
    console.error(`no crate with tests lies in ${folder}`);
    process.exit(2);
  }
  for (const { target, executable } of its) {
    console.log(`     Running ${target.name} (${target.src_path})`);
    const { status, signal } = spawnSync(executable, asked, {
      cwd: folder,
      stdio: "inherit",
      env: { ...process.env, CARGO_MANIFEST_DIR: folder },
    });
    if (status === 0) continue;
    console.error(`${target.name} ended with ${signal ?? status}`);
    process.exit(1);
  }
}
