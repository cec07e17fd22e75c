#!/usr/bin/env bash
# Checks the machine's prerequisites, and fetches the pinned Rust tool chain if rustup lacks it.
set -euo pipefail
cd "$(dirname "$0")/.."
# A stage of a plan, whose beginning has already checked (scripts/stages.mjs).
[ -z "${SINSANG_CHECKED:-}" ] || exit 0

missing=0
lacks() {
    printf 'missing: %s\n         %s\n' "$1" "$2" >&2
    missing=1
}

if ! command -v node >/dev/null; then
    lacks 'node' 'install Node.js 20.3 or later (https://nodejs.org) with npm'
elif ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 3) ? 0 : 1)'; then
    lacks "Node.js 20.3 or later (this is $(node --version))" 'install a later one from https://nodejs.org'
fi
command -v npm >/dev/null || lacks 'npm' 'install it with Node.js'
command -v cc >/dev/null || lacks 'a C compiler (cc)' 'on Debian: sudo apt-get install build-essential'
command -v cargo >/dev/null || lacks 'cargo' 'install Rust with rustup: https://rustup.rs'
[ "$missing" = 0 ] || exit 1

channel=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' rust-toolchain.toml)

# One call checks the compiler, both of its components and the wasm32 library.
complete() {
    local libdir
    libdir=$(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null) && [ -d "$libdir" ] &&
        cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1
}

if ! complete; then
    if ! command -v rustup >/dev/null; then
        lacks "Rust $channel with clippy, rustfmt and the wasm32-unknown-unknown target" \
            'install rustup (https://rustup.rs), which fetches them from rust-toolchain.toml'
        exit 1
    fi
    echo "==> installing Rust $channel with clippy, rustfmt and the wasm32 target (about a minute)"
    rustup toolchain install "$channel" --profile minimal --no-self-update \
        --component clippy --component rustfmt --target wasm32-unknown-unknown
    complete || {
        lacks "a working Rust $channel" "run: rustup toolchain install $channel --component clippy,rustfmt --target wasm32-unknown-unknown"
        exit 1
    }
fi
