#!/usr/bin/env bash
# Installs Debian's Chromium and Korean fonts for the page's tests, and says so; does nothing if
# they are installed.
set -euo pipefail

packages=()
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || packages+=(chromium)
if ! command -v fc-list >/dev/null || [ -z "$(fc-list :lang=ko family)" ]; then
    packages+=(fontconfig fonts-noto-cjk)
fi
[ "${#packages[@]}" -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "the page's tests need: ${packages[*]} - this machine has no apt-get, so please install them;" >&2
    echo "a Chromium elsewhere than /usr/bin/chromium is named by CHROMIUM=<path>" >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "the page's tests need these packages, please install them as root: apt-get install ${packages[*]}" >&2
        exit 1
    }
    as_root=(sudo)
fi
echo "==> installing ${packages[*]} with apt-get (about a minute)"
"${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
