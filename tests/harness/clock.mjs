/**
 * A module around the built Worker (`Edge`): a request's header `Test-Clock` sets the Worker's
 * clock, in milliseconds, from then on.
 */
export const CLOCK_ENTRY = `
import worker from "./index.js";
export * from "./index.js";
let standsAt = null;
const Clock = Date;
globalThis.Date = class extends Clock {
  constructor(...parts) {
    super(...(parts.length === 0 ? [Date.now()] : parts));
  }
  static now() {
    return standsAt ?? Clock.now();
  }
};
export default {
  fetch(request, env, context) {
    const at = request.headers.get("test-clock");
    if (at !== null) standsAt = Number(at);
    return worker.fetch(request, env, context);
  },
};
`;
