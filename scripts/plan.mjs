// The stages of `make run`, `make test` and `make lint`. A stage is a target of the Makefile, with
// its description, the stages before it, whether it mostly waits (`waits`), whether it yields the
// cores to more urgent stages beside it (`behind`), and its seconds on two cores from empty caches.

/** The stages that all others need. */
const BUILD = [
  { name: "node_modules", does: "wrangler, esbuild, binaryen and the test libraries from npm", seconds: 6 },
  { name: "cli", does: "compile DataFusion and the sinsang command", seconds: 475 },
  { name: "tools", behind: true, does: "compile wasm-bindgen", seconds: 318 },
  { name: "wasm", behind: true, does: "compile both Workers and the page's core to Wasm", seconds: 220 },
  { name: "edge", behind: true, does: "make the Worker that answers of its Wasm", after: ["node_modules", "tools", "wasm"], seconds: 16 },
  { name: "intake", behind: true, does: "make the Worker that takes events of its Wasm", after: ["node_modules", "tools", "wasm"], seconds: 20 },
  { name: "page", behind: true, does: "make what the preview page takes along", after: ["node_modules", "tools", "wasm"], seconds: 2 },
];

export const PLANS = {
  run: [...BUILD, { name: "data", does: "make tables, two snapshots and what the page shows", after: ["cli"], seconds: 57 }],
  test: [
    ...BUILD,
    { name: "test-programs", does: "compile all test programs, and Ballista", after: ["cli"], seconds: 352 },
    { name: "apt-packages", waits: true, does: "Chromium and a Korean font from Debian, where they are missing", seconds: 20 },
    { name: "test-data", does: "make tables and snapshots that suites share", after: ["cli", "node_modules"], seconds: 95 },
    { name: "test-openapi", does: "the OpenAPI document, and what generators make of it", after: ["node_modules"], seconds: 10 },
    { name: "size", does: "hold the Workers to their sizes", after: ["edge", "intake"], seconds: 1 },
    { name: "test-edge", does: "whole requests in workerd", after: ["test-data", "edge", "intake"], seconds: 212 },
    { name: "test-client", does: "the client package, and workerd under faults", after: ["test-data", "edge", "intake"], seconds: 30 },
    { name: "faults", does: "the Worker while its store and cache fail", after: ["test-data", "edge", "intake"], seconds: 150 },
    { name: "faults-overlay", waits: true, does: "an overlay that changes all the time", after: ["test-data", "edge", "intake"], seconds: 160 },
    { name: "test-wasm", does: "the core in Wasm against the host", after: ["test-programs", "tools"], seconds: 114 },
    { name: "test-command", does: "whole builds, the ledger, the command", after: ["test-programs"], seconds: 400 },
    { name: "test-pipeline", does: "the pipeline as a library", after: ["test-programs"], seconds: 90 },
    { name: "test-cluster", does: "builds on a cluster of processes", after: ["test-programs"], seconds: 89 },
    { name: "test-page", does: "the page in Chromium", after: ["test-data", "edge", "intake", "page", "apt-packages"], seconds: 226 },
    { name: "test-core", does: "the edge's core on the host", after: ["test-programs"], seconds: 8 },
    { name: "test-identity", does: "identity and verdicts", after: ["test-programs"], seconds: 7 },
    { name: "test-taste", does: "the numerics of tastes", after: ["test-programs"], seconds: 3 },
    { name: "test-tables", does: "what tables may hold", after: ["test-programs"], seconds: 1 },
    { name: "test-event-worker", does: "what events may say", after: ["test-programs"], seconds: 1 },
    { name: "test-experiment", does: "what experiments show", after: ["test-programs"], seconds: 1 },
    { name: "test-event-import", waits: true, does: "events from objects and from Kafka", after: ["test-programs"], seconds: 35 },
    { name: "test-publish", waits: true, does: "publishing to a KV that fails", after: ["test-programs"], seconds: 21 },
  ],
  lint: [
    { name: "lint-format", does: "rustfmt", seconds: 1 },
    { name: "deny", does: "licences, sources and bans", seconds: 10 },
    { name: "lint-host", does: "clippy on everything native", seconds: 225 },
    { name: "lint-docs", does: "rustdoc", after: ["lint-host"], seconds: 12 },
    { name: "lint-wasm", does: "clippy on what runs in Wasm", after: ["lint-docs"], seconds: 42 },
  ],
};
