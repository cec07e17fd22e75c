// Returns one answer of Sinsang's edge from memory, with the same bytes and headers.
// The body is stored as bytes: a string with Korean would be encoded as UTF-8 each time.
import body from "body.bin";
import headersText from "headers.json";

const headers = JSON.parse(headersText);

export default {
  fetch() {
    return new Response(body, { headers });
  },
};
