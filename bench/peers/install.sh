#!/usr/bin/env bash
# Installs the dependencies of the benchmark's peers, and says so: npm packages beside them,
# Debian's Redis, a Python environment under $SINSANG_CACHE. Does nothing if they are installed.
# Standard output contains only the path of the environment's Python.
set -euo pipefail
cd "$(dirname "$0")"

: "${SINSANG_CACHE:=$PWD/../../.cache}"

if [ ! -e node_modules/.stamp ] || [ package-lock.json -nt node_modules/.stamp ]; then
    echo "==> installing hono, fast-jwt and node-redis from npm" >&2
    npm ci --no-audit --no-fund --loglevel=error >&2
    touch node_modules/.stamp
fi

packages=()
command -v redis-server >/dev/null || packages+=(redis-server)
command -v valgrind >/dev/null || packages+=(valgrind)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
if [ "${#packages[@]}" -gt 0 ]; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    if ! command -v apt-get >/dev/null || { [ "${#as_root[@]}" -gt 0 ] && ! command -v sudo >/dev/null; }; then
        echo "the benchmark needs these Debian packages, please install them as root: ${packages[*]}" >&2
        exit 1
    fi
    echo "==> installing ${packages[*]} with apt-get" >&2
    "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update -qq >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

venv=$SINSANG_CACHE/bench-python-$(sha256sum fastapi/requirements.txt | cut -c1-12)
if [ ! -e "$venv/.stamp" ]; then
    echo "==> installing FastAPI, uvicorn, NumPy and redis-py from PyPI" >&2
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r fastapi/requirements.txt >&2
    touch "$venv/.stamp"
fi
echo "$venv/bin/python"
