// The entry point, including the restart of an instance after a panic, which is part of any Worker
// of the crate.
import * as rust from "./bindings.mjs";
import { run } from "./instance.mjs";

export default {
  fetch: (request, env, context) => run(() => rust.fetch(request, env, context)),
};
