#!/usr/bin/env bash
# Checks every crate of the build against deny.toml (licences, sources and bans), and against
# RustSec's advisories if their database can be fetched. ADVISORIES=required fails if it can't.
set -euo pipefail
cd "$(dirname "$0")/.."

deny() { "$SINSANG_CACHE/tools/bin/cargo-deny" --config deny.toml "$@"; }

echo '==> licences, bans and sources of the workspace'
deny --workspace check --allow license-exception-not-encountered licenses bans sources
echo '==> ... and of the fuzzing workspace'
deny --manifest-path fuzz/Cargo.toml check --allow license-not-encountered licenses bans sources

echo '==> advisories'
if timeout 300 "$SINSANG_CACHE/tools/bin/cargo-deny" --log-level off --config deny.toml fetch db 2>/dev/null; then
    deny --workspace check advisories
    deny --manifest-path fuzz/Cargo.toml check advisories
elif [ "${ADVISORIES:-}" = required ]; then
    echo 'the advisory database (github.com/RustSec/advisory-db) can not be fetched, and ADVISORIES=required asks for it' >&2
    exit 1
else
    echo 'NOT CHECKED: the advisory database (github.com/RustSec/advisory-db) can not be fetched from here; nor are yanked releases looked for.'
fi
