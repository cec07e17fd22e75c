#!/usr/bin/env bash
# Runs a fuzz target for some seconds, or all of them one after the other: fuzz.sh SECONDS [TARGET]
#
# What a run finds new stays under $SINSANG_CACHE/fuzz; a crash ends it and leaves its input in fuzz/artifacts. MINIMISE=1 brings what widens
# the coverage of fuzz/corpus into it instead of running, as far as it is small.
set -euo pipefail
cd "$(dirname "$0")/.."

# libFuzzer's instrumentation takes flags that rustc keeps to its nightly builds; this lets the one toolchain that is pinned take them.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR=$SINSANG_CACHE/target-fuzz
export PATH=$SINSANG_CACHE/tools/bin:$PATH
# Larger inputs are slower and say nothing that small ones don't; a pack of the tests is 23 KB.
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
