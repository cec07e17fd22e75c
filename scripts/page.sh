#!/usr/bin/env bash
# Makes the preview page's dependencies in www/built/: its libraries, each bundled into one module,
# and the core that scripts/wasm.sh compiled, with its bindings.
set -euo pipefail
cd "$(dirname "$0")/.."
built=www/built
mkdir -p "$built"

bundle() { # package, file
    "$ESBUILD_BIN" "$1" --bundle --format=esm --minify --log-level=warning --legal-comments=inline --outfile="$built/$2"
}
bundle uplot chart.js
bundle sortablejs sortable.js
cp node_modules/uplot/dist/uPlot.min.css "$built/chart.css"

"$WASM_BINDGEN_BIN" build/wasm/page.wasm --target web --no-typescript --out-dir "$built" --out-name core
"$WASM_OPT_BIN" "$built/core_bg.wasm" --strip-debug --strip-producers -o "$built/core_bg.stripped.wasm" \
    --enable-{mutable-globals,sign-ext,nontrapping-float-to-int,bulk-memory,multivalue,reference-types,exception-handling,simd}
mv "$built/core_bg.stripped.wasm" "$built/core_bg.wasm"
touch "$built/core.js"
