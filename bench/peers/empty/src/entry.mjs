// What the platform calls, with what a fresh instance after a panic takes: that is part of any Worker of the crate.
import * as rust from "./bindings.mjs";
import { run } from "./instance.mjs";

export default {
  fetch: (request, env, context) => run(() => rust.fetch(request, env, context)),
};
