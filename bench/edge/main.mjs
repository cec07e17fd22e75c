// `node bench/edge/main.mjs write | check`: measures the edge beside its peers. `write` writes
// bench/results/edge.json and docs/performance.md; `check` fails if a bound is exceeded by more
// than the noise. ROUNDS and PYTHON come from the environment.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { judge, verdictLines } from "./judge.mjs";
import { ROOT, WORK } from "./place.mjs";
import { report } from "./report.mjs";
import { run } from "./run.mjs";
import { stopAll } from "./server.mjs";

const [mode] = process.argv.slice(2);
if (mode !== "write" && mode !== "check") {
  console.error("expected: write or check");
  process.exit(2);
}
const rounds = Number(process.env.ROUNDS || (mode === "write" ? 41 : 15));
if (!Number.isInteger(rounds) || rounds < 6) {
  console.error("ROUNDS has to be a whole number of 6 or more: fewer give no interval");
  process.exit(2);
}
const python = process.env.PYTHON ?? "python3";
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stopAll().then(() => process.exit(130)));

let failed = false;
try {
  const result = await run({ rounds, coldRounds: Math.max(7, Math.min(rounds, 25)), python });
  const verdicts = await judge(result);
  console.log(verdictLines(verdicts).join("\n"));
  if (mode === "write") {
    const folder = join(ROOT, "bench/results");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "edge.json"), `${JSON.stringify(result, null, 1)}\n`);
    await report(result, verdicts);
    console.log("written: bench/results/edge.json, docs/performance.md and its plots");
  } else {
    await writeFile(join(WORK, "check.json"), `${JSON.stringify(result, null, 1)}\n`);
    failed = verdicts.some((verdict) => verdict.state === "worse");
    if (failed) console.error("the edge has become slower than bench/edge/bounds.json holds it to be");
  }
} catch (error) {
  failed = true;
  console.error(error.stack ?? error);
} finally {
  await stopAll();
}
process.exit(failed ? 1 : 0);
