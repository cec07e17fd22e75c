#!/usr/bin/env bash
# Builds the client of clients/typescript: scripts/client.sh package|page
#
# `package` makes the types of the contract, checks all types, and leaves a minified module and its
# declarations in clients/typescript/build/. `page` leaves what the preview page uses of the client
# in www/built/.
set -euo pipefail
cd "$(dirname "$0")/.."
package=clients/typescript
bins=node_modules/.bin

bundle() { # esbuild's input and output
    # es2020 is what React Native and web views of five years read.
    "$bins/esbuild" --bundle --format=esm --minify --target=es2020 --log-level=warning "$@"
}

case "${1:-}" in
package)
    # Not committed: a copy in git could differ from the contract, and every change of it would be
    # two.
    "$bins/openapi-typescript" www/openapi.json --output "$package/src/contract.ts" >/dev/null
    "$bins/tsc" --project "$package"
    bundle "$package/src/index.ts" --outfile="$package/build/index.js"
    ;;
page)
    mkdir -p www/built
    echo "export { Client, SinsangError } from './$package/src/index.ts';" |
        bundle --outfile=www/built/client.js
    ;;
*)
    echo 'usage: scripts/client.sh package|page' >&2
    exit 2
    ;;
esac
