// The minimum cost of any Worker that identifies its viewer and makes an answer: it reads method,
// URL and the edge's headers, and answers with a copy of the constant. No ranking, no token, no
// ETag. The edge's own work is the difference between this row and its row.
import body from "body.bin";
import headersText from "headers.json";

const init = { headers: JSON.parse(headersText) };
const source = new Uint8Array(body);
const request = new Uint8Array(16 * 1024);
const encoder = new TextEncoder();

export default {
  fetch({ method, url, headers }) {
    const read = (name) => headers.get(name) ?? "\0";
    const { written } = encoder.encodeInto(`${method}\n${url}\n${read("authorization")}\n${read("if-none-match")}\n${read("sinsang-device")}`, request);
    return new Response(written > 0 ? source.slice() : null, init);
  },
};
