// V8's inspector of a workerd started with it.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
// Node 20 has no WebSocket; miniflare includes one.
const WebSocket = createRequire(require.resolve("miniflare"))("ws");

/** A session of V8's inspector. */
export class Inspector {
  #id = 0;
  #waiting = new Map();

  static async open(port) {
    const targets = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
    const inspector = new Inspector();
    inspector.socket = new WebSocket(targets[0].webSocketDebuggerUrl);
    await new Promise((done, fail) => inspector.socket.once("open", done).once("error", fail));
    inspector.socket.on("message", (text) => {
      const { id, result, error, params } = JSON.parse(text);
      inspector.contextId = params?.context?.id ?? inspector.contextId;
      const waiting = inspector.#waiting.get(id);
      inspector.#waiting.delete(id);
      if (error) waiting?.fail(new Error(error.message));
      else waiting?.done(result);
    });
    return inspector;
  }

  send(method, params = {}) {
    const id = ++this.#id;
    return new Promise((done, fail) => {
      this.#waiting.set(id, { done, fail });
      this.socket.send(JSON.stringify({ id, method, params }));
    });
  }

  /**
   * Bytes of an isolate: V8's heap, buffers, and Wasm memories, which V8 does not count as buffers.
   */
  async memory() {
    await this.send("Runtime.enable");
    const { result } = await this.send("Runtime.evaluate", { expression: "WebAssembly.Memory.prototype", contextId: this.contextId });
    // Querying all memories collects garbage first.
    const { objects } = await this.send("Runtime.queryObjects", { prototypeObjectId: result.objectId });
    const sum = await this.send("Runtime.callFunctionOn", {
      objectId: objects.objectId,
      functionDeclaration: "function () { return this.reduce((sum, memory) => sum + memory.buffer.byteLength, 0); }",
      returnByValue: true,
    });
    const usage = await this.send("Runtime.getHeapUsage");
    return { heapBytes: usage.totalSize + (usage.embedderHeapUsedSize ?? 0), buffersBytes: usage.backingStorageSize, wasmBytes: sum.result.value };
  }

  close() {
    this.socket.close();
  }
}
