// This Worker's local KV namespace, as `wrangler dev` sees it, over lines of JSON on standard input
// and output.
//
// `sinsang publish --local` starts it: wrangler's own API is the only supported way to the files of
// its local KV. Requests:
//   {"op":"keys","prefix":p}
//   {"op":"get","key":k}
//   {"op":"put","key":k,"value":base64,"metadata":m}
//   {"op":"remove","keys":[k]}
// Answers, one for each request, in order:
//   {"keys":[{"name":k,"metadata":m}]}
//   {"value":base64|null}
//   {}
//   {"error":text}
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { getPlatformProxy } from "wrangler";

const { values: options } = parseArgs({
  options: { config: { type: "string" }, persist: { type: "string" }, binding: { type: "string", default: "SNAPSHOTS" } },
});

// Wrangler logs to standard output, which carries our answers.
console.log = console.info = console.warn = console.debug = (...words) => console.error(...words);

const proxy = await getPlatformProxy({
  configPath: options.config,
  // `wrangler dev --persist-to` keeps its state in this subfolder of the given one.
  persist: { path: `${options.persist}/v3` },
  // A binding with `remote = true` would be the production namespace: local runs neither write nor
  // remove there.
  remoteBindings: false,
});
const kv = proxy.env[options.binding];
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

async function act({ op, key, keys: names, prefix, value, metadata }) {
  if (op === "put") {
    // The proxy takes a separate ArrayBuffer, not a view of Node's pool.
    await kv.put(key, Uint8Array.from(Buffer.from(value, "base64")).buffer, { metadata });
    return {};
  }
  if (op === "get") {
    const found = await kv.get(key, "arrayBuffer");
    return { value: found === null ? null : Buffer.from(found).toString("base64") };
  }
  if (op === "remove") {
    for (const name of names) await kv.delete(name);
    return {};
  }
  if (op === "keys") {
    const keys = [];
    let page = { cursor: undefined, list_complete: false };
    while (!page.list_complete) {
      page = await kv.list({ prefix, cursor: page.cursor });
      keys.push(...page.keys.map(({ name, metadata }) => ({ name, metadata })));
    }
    return { keys };
  }
  return { error: `unknown operation ${op}` };
}

try {
  if (!kv) answer({ error: `no KV namespace is bound as ${options.binding} in ${options.config}` });
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      answer(await act(JSON.parse(line)));
    } catch (error) {
      answer({ error: String(error?.message ?? error) });
    }
  }
} finally {
  await proxy.dispose();
}
