// Writes the results into docs/performance.md, between its two marks, and draws the plots beside
// it.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { number, range, target } from "./judge.mjs";
import { ROOT } from "./place.mjs";
import { bars, lines } from "./plot.mjs";

const BEGIN = "<!-- make bench writes from here -->";
const END = "<!-- to here -->";
const STATE = { reached: "reached", held: "**not yet**", worse: "**lost**", seen: "" };

const NAMES = {
  hello: "JavaScript `new Response(\"hello\")`",
  "constant-home-500": "constant: the bytes and headers of `/v1/home`",
  "reader-home-500": "the constant copied, the request read",
  "home-500": "**Sinsang** `/v1/home`, 500 candidates",
  "hono-home-500": "Hono `/v1/home`",
  "home-500-first-token": "**Sinsang** `/v1/home`, a token not seen before",
  "constant-home-2000": "constant: `/v1/home` of 2,000 candidates",
  "home-2000": "**Sinsang** `/v1/home`, 2,000 candidates",
  "not-modified": "**Sinsang** `/v1/home`, 304",
  "constant-new": "constant: `/v1/new`",
  new: "**Sinsang** `/v1/new`, no token",
  "home-card": "**Sinsang** `/v1/home?view=card`, 500 candidates",
  "constant-schedule": "constant: `/v1/schedule`",
  schedule: "**Sinsang** `/v1/schedule`, a day of 18 channels",
  "constant-product": "constant: `/v1/products/{id}`",
  product: "**Sinsang** `/v1/products/{id}`, 64 products in turn",
  "node-home-500": "Node + Redis `/v1/home`",
  "fastapi-home-500": "FastAPI + Redis `/v1/home`",
};

const table = (head, rows) => [`| ${head.join(" | ")} |`, `|${head.map(() => " --- |").join("")}`, ...rows.map((row) => `| ${row.join(" | ")} |`)].join("\n");
const whole = (value) => Math.round(value).toLocaleString("en-US");
const mb = (bytes) => `${number(bytes / 1e6)} MB`;

function text(result, verdicts) {
  const { machine, versions, subjects, cold, memory, size, core, reads, shape } = result;
  const rounds = subjects.hello.cpu_us.rounds;
  const hello = subjects.hello.cpu_us.median;
  return [
    `Measured ${result.date.slice(0, 16).replace("T", " ")} UTC on ${machine.cores} cores of ${machine.cpu}, ${machine.memory_gb} GB, Linux ${machine.kernel}: ` +
      Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ") + "." +
      (machine.load === undefined ? "" : ` The load average was ${number(machine.load)}, of which the bench itself makes up to 2.`),
    "",
    table(
      ["measure", "median", "interval", "target", "", "held at"],
      verdicts.map(({ what, value, unit, held, state, ...bound }) => [what, `**${number(value.median)}**${unit}`, range(value), target(bound), STATE[state], held ?? ""]),
    ),
    "",
    "![CPU time a request of everything that serves](performance-cpu.svg)",
    "",
    `${rounds} rounds; in each, every row answered one slice of requests over ${shape.connections} kept connections.`,
    "",
    table(
      ["server", "CPU µs a request", "interval", "against hello", "body", "requests/s", "p50 ms", "p99 ms"],
      Object.entries(subjects).map(([name, one]) => [
        NAMES[name] ?? name, number(one.cpu_us.median), range(one.cpu_us), number(one.cpu_us.median / hello), whole(one.body_bytes), whole(one.rps.median), number(one.p50_us.median / 1e3), number(one.p99_us.median / 1e3),
      ]),
    ),
    "",
    "A cold isolate, started in a process that runs already, to the first byte of an answer made from nothing:",
    "",
    table(
      ["Worker", "first byte ms", "interval", "CPU ms", "interval"],
      Object.entries(cold.first_byte_us).map(([kind, one]) => {
        const scaled = ({ median, low, high }) => ({ median: median / 1e3, low: low / 1e3, high: high / 1e3 });
        const [first, cpu] = [scaled(one), scaled(cold.cpu_us[kind])];
        return [{ hello: "JavaScript hello", empty: "`worker` crate, empty", sinsang: "**Sinsang**" }[kind], number(first.median), range(first), number(cpu.median), range(cpu)];
      }),
    ),
    "",
    `In CPU time the cold start is ${number(cold.cpu_ratio.median)} (${range(cold.cpu_ratio)}) times that of the empty one. ` +
      `The first personal answer of a cold isolate reads ${reads.cold.reads} keys in ${reads.cold.rounds} rounds; ${reads.warm.requests} warm ones after it read ${reads.warm.reads}. ` +
      `The Wasm is ${whole(size.rawBytes)} bytes, ${whole(size.gzipBytes)} after gzip -9. ` +
      `With the board (${whole(shape.small.products)} products, ${whole(shape.small.slots)} slots) and ${memory.shards} taste shards the isolate has ${mb(memory.sinsang.wasmBytes)} of Wasm memory, ${mb(memory.sinsang.heapBytes)} of heap and ${mb(memory.sinsang.buffersBytes)} of other buffers after a garbage collection; ` +
      `its process holds ${mb(memory.sinsang.processBytes)} of its own while it serves, one that says hello ${mb(memory.hello.processBytes)}.`,
    "",
    "![The core alone by candidates](performance-core.svg)",
    "",
    "The core alone, the first 60 of so many candidates as JSON (`home`: with tabs and live):",
    "",
    table(
      ["", "candidates", "products on the board", "users in the shard", "µs, fastest tenth", "µs, median", "instructions"],
      [["native", core.native], ["Wasm in Node", core.wasm]].flatMap(([where, rows]) =>
        rows.map((row) => [
          `${where}, ${row.kind}`, whole(row.candidates), whole(row.products), whole(row.users ?? 300), number(row.p10_us), number(row.median_us),
          where === "native" && row.kind === "new" && row.users === 300 && row.products < 4_000 && core.instructions[row.candidates] ? whole(core.instructions[row.candidates]) : "",
        ]),
      ),
    ),
  ].join("\n");
}

/** Writes the document and its plots. */
export async function report(result, verdicts) {
  const docs = join(ROOT, "docs");
  const path = join(docs, "performance.md");
  const document = await readFile(path, "utf8");
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${path} lacks the marks ${BEGIN} and ${END}`);
  await writeFile(path, `${document.slice(0, begin + BEGIN.length)}\n${text(result, verdicts)}\n${document.slice(end)}`);
  const plain = (name) => (NAMES[name] ?? name).replaceAll(/[*`]/g, "");
  await writeFile(
    join(docs, "performance-cpu.svg"),
    bars({ title: "CPU time a request, µs (median; line: 95 % interval)", rows: Object.entries(result.subjects).map(([name, one]) => ({ name: plain(name), isOurs: plain(name).startsWith("Sinsang"), ...one.cpu_us })) }),
  );
  const points = (rows) => rows.filter((row) => row.kind === "new" && (row.users ?? 300) === 300 && row.products < 4_000).map((row) => ({ x: row.candidates, y: row.p10_us }));
  await writeFile(
    join(docs, "performance-core.svg"),
    lines({ title: "The core alone, µs: first 60 of so many candidates", x: "candidates", series: [{ name: "native", points: points(result.core.native) }, { name: "Wasm in Node", points: points(result.core.wasm) }] }),
  );
}
