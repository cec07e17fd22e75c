// What the platform calls: the Worker that worker-build made, and the three things that it reaches by name.
import { contextOf } from "./context.mjs";
import { isSigned } from "./signature.mjs";

export { default, PulseBoard } from "./worker.mjs";

/** Where a request comes from and on what. */
globalThis.SINSANG_CONTEXT = contextOf;

/** Whether a signature of ES256 is good. */
globalThis.SINSANG_IS_SIGNED = isSigned;

/** `bytes` as gzip, packed by the platform. */
globalThis.SINSANG_GZIP = async (bytes) => {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
};
