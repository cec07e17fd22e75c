#!/usr/bin/env bash
# Makes a Worker of the Wasm from scripts/wasm.sh, in its build/: index.js and index_bg.wasm. Its
# wrangler.toml and the tests serve them unchanged.
#   scripts/worker.sh edge     the edge, with snapshot.bundle beside it
#   scripts/worker.sh intake   the Worker that takes events
#   scripts/worker.sh empty    one that does nothing: the cold-start baseline of `make bench`
set -euo pipefail
cd "$(dirname "$0")/.."

# Exports of libraries that nobody calls: settings of R2 and containers, and streams written by
# Rust, which the event Worker has too. JavaScript gets them only from Rust, through functions that
# the bundler drops if Rust doesn't import them; a check below confirms that it did.
unused=(r2range minifyconfig containerstartupoptions)
# The bundler drops unused classes once it knows that registering their finalisers has no side
# effect.
watched='s/new FinalizationRegistry\(/\/* @__PURE__ *\/ &/'
target=(--target=es2022 --define:Symbol.dispose=undefined)
case "${1:-}" in
    edge)
        build=build modules=(src/edge/{entry,context,cors,limiter,signature,preview,telemetry}.mjs)
        unused+=(intounderlying)
        ;;
    intake) build=crates/event-worker/build modules=(crates/event-worker/src/entry.mjs src/edge/{context,cors,limiter,signature}.mjs) ;;
    # With everything that the crate includes.
    empty) build=bench/peers/empty/build modules=(bench/peers/empty/src/entry.mjs) unused=() watched='' target=() ;;
    *)
        echo "usage: scripts/worker.sh edge | intake | empty" >&2
        exit 2
        ;;
esac

# Leftovers of an interrupted build.
parts=$build/parts
rm -rf "$parts"
# The last two options record a trap and start the next call in a fresh instance:
# src/edge/instance.mjs.
"$WASM_BINDGEN_BIN" "build/wasm/$1.wasm" --target module --no-typescript --out-name index --out-dir "$parts" \
    --experimental-reset-state-function --force-enable-abort-handler

features=(--enable-{mutable-globals,sign-ext,nontrapping-float-to-int,bulk-memory,multivalue,reference-types,exception-handling,simd})
# Functions with a single caller stay separate: the file compresses better, and an isolate compiles
# each one only when it first gets there. Functions with similar names lie together, because they
# are alike and gzip looks back 32 KB. Rust leaves the lowest kilobyte of memory to the far end of
# the stack.
optimise() { # what comes of the names, the file to write
    local word removed=()
    for word in "${unused[@]}"; do removed+=(--remove-exports "--pass-arg=remove-exports@*${word}*"); done
    "$WASM_OPT_BIN" "$parts/index_bg.wasm" "${removed[@]}" -Oz --converge --gufa-optimizing --low-memory-unused \
        --one-caller-inline-max-function-size=30 --always-inline-max-function-size=6 --reorder-functions-by-name "$1" --strip-producers -o "$2" "${features[@]}"
}
if [ "$1" = empty ]; then
    "$WASM_OPT_BIN" "$parts/index_bg.wasm" -O --debuginfo -o "$build/index_bg.wasm" "${features[@]}"
else
    # A build with function names, for profiles.
    [ -z "${NAMED_WASM:-}" ] || optimise --debuginfo "$NAMED_WASM"
    # Function names are a fifth of the file and affect no answer.
    optimise --strip-debug "$build/index_bg.wasm"
fi
# The fallback snapshot is a separate module beside the Wasm (`sinsang bundle`); empty until there
# is one.
[ "$1" != edge ] || [ -e "$build/snapshot.bundle" ] || : > "$build/snapshot.bundle"

# The platform provides the module through a plain import.
sed -E -e 's/^import source /import /' -e "$watched" "$parts/index.js" > "$parts/bindings.mjs"
[ "$1" = empty ] || node scripts/shorten.mjs "$build/index_bg.wasm" "$parts/bindings.mjs"
cp "${modules[@]}" src/edge/instance.mjs "$parts"
"$ESBUILD_BIN" "$parts/entry.mjs" --bundle --minify --format=esm --log-level=warning "${target[@]}" \
    --external:'*.wasm' --external:'*.bundle' --outfile="$build/index.js"
rm -rf "$parts"
if [ "${#unused[@]}" -gt 0 ] && grep -oE "$(IFS='|'; echo "${unused[*]}")" "$build/index.js"; then
    echo "$build/index.js calls what this script left out of the Wasm as unused: let it stay" >&2
    exit 1
fi
