#!/usr/bin/env bash
# Builds a Worker of this workspace into its build/, which its wrangler.toml and the tests serve as they are: index.js and index_bg.wasm.
#   scripts/worker.sh          the edge, with snapshot.bundle beside it
#   scripts/worker.sh intake   the Worker that takes events
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
entry=src/edge/entry.mjs
[ -z "${1:-}" ] || { cd "$1"; entry=src/entry.mjs; }

# Left behind by a build that was interrupted, it would make worker-build wait five minutes for that one's end.
rm -rf build/.tmp
"$SINSANG_CACHE/tools/bin/worker-build" --no-opt --profile edge

# What libraries export whether anybody calls it or not: settings of R2 and containers, streams that Rust would write, as the one that takes
# events does. JavaScript gets them only from Rust, by functions that the bundler leaves out where Rust imports none: that it did is looked after below.
unused=(r2range minifyconfig containerstartupoptions)
[ -n "${1:-}" ] || unused+=(intounderlying)

# Functions that are called from one place stay functions: the file packs better, and an isolate compiles each when it first gets there, not with
# whatever stands around it. Those of like names lie together, for they are alike, and gzip looks back 32 KB. Rust leaves the lowest kilobyte of
# memory to the far end of the stack.
optimise() { # what comes of the names, the file to write
    local word removed=()
    for word in "${unused[@]}"; do removed+=(--remove-exports "--pass-arg=remove-exports@*${word}*"); done
    "$WASM_OPT_BIN" build/index_bg.wasm "${removed[@]}" -Oz --converge --gufa-optimizing --low-memory-unused \
        --one-caller-inline-max-function-size=30 --always-inline-max-function-size=6 --reorder-functions-by-name "$1" --strip-producers -o "$2" \
        --enable-{mutable-globals,sign-ext,nontrapping-float-to-int,bulk-memory,multivalue,reference-types,exception-handling,simd}
}
# What a profile names functions by.
[ -z "${NAMED_WASM:-}" ] || optimise --debuginfo "$NAMED_WASM"
# Names of functions are a fifth of the file and no part of any answer.
optimise --strip-debug build/index_bg.optimised.wasm
mv build/index_bg.optimised.wasm build/index_bg.wasm
# The snapshot that stands in where no store answers is a module of its own beside the Wasm (`sinsang bundle`); empty until there is one.
[ -n "${1:-}" ] || [ -e build/snapshot.bundle ] || : > build/snapshot.bundle
# What the platform calls is our own entry, with what worker-build made behind it.
mv build/index.js build/worker.mjs
# The bundler leaves classes out that nobody uses once it knows that to watch over them is no purpose of its own.
sed -i -E 's/new (Proxy|FinalizationRegistry)\(/\/* @__PURE__ *\/ &/g' build/worker.mjs
cp "$entry" build/entry.mjs
cp "$root/src/edge/context.mjs" "$root/src/edge/signature.mjs" build/
[ -n "${1:-}" ] || cp src/edge/preview.mjs src/edge/telemetry.mjs build/
"$ESBUILD_BIN" build/entry.mjs --bundle --minify --format=esm --target=es2022 --log-level=warning --define:Symbol.dispose=undefined \
    --external:cloudflare:workers --external:'*.wasm' --external:'*.bundle' --outfile=build/index.js
rm -f build/{worker,entry,context,signature,preview,telemetry}.mjs
if grep -oE "$(IFS='|'; echo "${unused[*]}")" build/index.js; then
    echo "$PWD/build/index.js calls what this script left out of the Wasm as unused: let it stay" >&2
    exit 1
fi
