#!/usr/bin/env bash
# Runs a fuzz target for some seconds, or all of them in turn: fuzz.sh SECONDS [TARGET]
#
# New inputs stay under $SINSANG_CACHE/fuzz; a crash ends the run and leaves its input in
# fuzz/artifacts. MINIMISE=1 instead adds small inputs that widen coverage to fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."

# libFuzzer's instrumentation takes flags that rustc reserves for nightly builds; this admits them
# in the pinned toolchain.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR=$SINSANG_CACHE/target-fuzz
export PATH=$SINSANG_CACHE/tools/bin:$PATH
# Larger inputs are slower and add nothing to small ones; a pack of the tests is 23 KB.
most_bytes=32768
kept_bytes=1500

seconds=$1
targets=${2:-$(sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | grep -v '^sinsang-fuzz$')}
echo "==> building the fuzz targets under AddressSanitizer (about three minutes the first time)"
cargo fuzz build --fuzz-dir fuzz ${2:+"$2"}

for target in $targets; do
    found=$SINSANG_CACHE/fuzz/$target
    mkdir -p "$found" "fuzz/corpus/$target"
    run() { cargo fuzz run --fuzz-dir fuzz "$target" "$@"; }
    if [ -n "${MINIMISE:-}" ]; then
        echo "==> what widens the coverage of fuzz/corpus/$target"
        small=$(mktemp -d)
        find "$found" -type f -size "-${kept_bytes}c" -exec cp -t "$small" {} +
        run "fuzz/corpus/$target" "$small" -- -merge=1 -max_len=$most_bytes
        rm -rf "$small"
        continue
    fi
    echo "==> $target, for $seconds seconds"
    run "$found" "fuzz/corpus/$target" -- -max_total_time="$seconds" -max_len=$most_bytes -timeout=20 -rss_limit_mb=3072 -print_final_stats=1
done
