#!/usr/bin/env bash
# Compiles one of the Wasm parts into build/wasm/: scripts/wasm.sh edge | intake | page | empty
# It needs only cargo, so it can run while wasm-bindgen itself is compiled; scripts/worker.sh and
# scripts/page.sh do the rest.
set -euo pipefail
cd "$(dirname "$0")/.."

crate=sinsang
case "${1:-}" in
    edge) options=(-p sinsang) ;;
    intake) options=(-p sinsang-event-worker) crate=sinsang_event_worker ;;
    page) options=(-p sinsang --no-default-features --features preview) ;;
    empty) options=(-p sinsang-bench-empty) crate=sinsang_bench_empty ;;
    *)
        echo "usage: scripts/wasm.sh edge | intake | page | empty" >&2
        exit 2
        ;;
esac

# wasm-bindgen's macro reads the variable: async exports then use the promises of js-sys, which is
# linked anyway.
WASM_BINDGEN_USE_JS_SYS=1 cargo build --profile edge --lib --target wasm32-unknown-unknown "${options[@]}"
# Cargo gives the core the same name whatever its features, so the next of these builds overwrites
# it.
mkdir -p build/wasm
cp "${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/edge/$crate.wasm" "build/wasm/$1.wasm"
