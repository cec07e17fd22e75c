// What the platform calls: the Worker that worker-build made, and the one thing that it reaches by name.
export * from "./worker.mjs";
export { default } from "./worker.mjs";

/** `bytes` as gzip, packed by the platform. */
globalThis.SINSANG_GZIP = async (bytes) => {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
};
