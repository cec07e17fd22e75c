#!/usr/bin/env bash
# Makes a Worker of what scripts/wasm.sh compiled, in its build/, which its wrangler.toml and the tests serve as they are: index.js and index_bg.wasm.
#   scripts/worker.sh edge     the edge, with snapshot.bundle beside it
#   scripts/worker.sh intake   the Worker that takes events
#   scripts/worker.sh empty    one that does nothing, which `make bench` compares cold starts with
set -euo pipefail
cd "$(dirname "$0")/.."

# What libraries export whether anybody calls it or not: settings of R2 and containers, streams that Rust would write, as the one that takes
# events does. JavaScript gets them only from Rust, by functions that the bundler leaves out where Rust imports none: that it did is looked after below.
unused=(r2range minifyconfig containerstartupoptions)
# The bundler leaves classes out that nobody uses once it knows that to watch over them is no purpose of its own.
watched='s/new FinalizationRegistry\(/\/* @__PURE__ *\/ &/'
target=(--target=es2022 --define:Symbol.dispose=undefined)
case "${1:-}" in
    edge)
        build=build modules=(src/edge/{entry,context,cors,limiter,signature,preview,telemetry}.mjs)
        unused+=(intounderlying)
        ;;
    intake) build=crates/event-worker/build modules=(crates/event-worker/src/entry.mjs src/edge/{context,cors,limiter,signature}.mjs) ;;
    # With all that the crate brings along.
    empty) build=bench/peers/empty/build modules=(bench/peers/empty/src/entry.mjs) unused=() watched='' target=() ;;
    *)
        echo "usage: scripts/worker.sh edge | intake | empty" >&2
        exit 2
        ;;
esac

# Left behind by a build that was interrupted.
parts=$build/parts
rm -rf "$parts"
# The two last options have a trap noted and the next call begin with a fresh instance: src/edge/instance.mjs.
"$WASM_BINDGEN_BIN" "build/wasm/$1.wasm" --target module --no-typescript --out-name index --out-dir "$parts" \
    --experimental-reset-state-function --force-enable-abort-handler

features=(--enable-{mutable-globals,sign-ext,nontrapping-float-to-int,bulk-memory,multivalue,reference-types,exception-handling,simd})
# Functions that are called from one place stay functions: the file packs better, and an isolate compiles each when it first gets there, not with
# whatever stands around it. Those of like names lie together, for they are alike, and gzip looks back 32 KB. Rust leaves the lowest kilobyte of
# memory to the far end of the stack.
optimise() { # what comes of the names, the file to write
    local word removed=()
    for word in "${unused[@]}"; do removed+=(--remove-exports "--pass-arg=remove-exports@*${word}*"); done
    "$WASM_OPT_BIN" "$parts/index_bg.wasm" "${removed[@]}" -Oz --converge --gufa-optimizing --low-memory-unused \
        --one-caller-inline-max-function-size=30 --always-inline-max-function-size=6 --reorder-functions-by-name "$1" --strip-producers -o "$2" "${features[@]}"
}
if [ "$1" = empty ]; then
    "$WASM_OPT_BIN" "$parts/index_bg.wasm" -O --debuginfo -o "$build/index_bg.wasm" "${features[@]}"
else
    # What a profile names functions by.
    [ -z "${NAMED_WASM:-}" ] || optimise --debuginfo "$NAMED_WASM"
    # Names of functions are a fifth of the file and no part of any answer.
    optimise --strip-debug "$build/index_bg.wasm"
fi
# The snapshot that stands in where no store answers is a module of its own beside the Wasm (`sinsang bundle`); empty until there is one.
[ "$1" != edge ] || [ -e "$build/snapshot.bundle" ] || : > "$build/snapshot.bundle"

# The platform gives the module by a plain import.
sed -E -e 's/^import source /import /' -e "$watched" "$parts/index.js" > "$parts/bindings.mjs"
cp "${modules[@]}" src/edge/instance.mjs "$parts"
"$ESBUILD_BIN" "$parts/entry.mjs" --bundle --minify --format=esm --log-level=warning "${target[@]}" \
    --external:'*.wasm' --external:'*.bundle' --outfile="$build/index.js"
rm -rf "$parts"
if [ "${#unused[@]}" -gt 0 ] && grep -oE "$(IFS='|'; echo "${unused[*]}")" "$build/index.js"; then
    echo "$build/index.js calls what this script left out of the Wasm as unused: let it stay" >&2
    exit 1
fi
