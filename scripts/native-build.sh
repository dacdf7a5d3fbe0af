#!/bin/sh
# Builds the sandbox helper, static, for x64 and arm64, with a pinned compiler (zig from PyPI, about 80 MB, kept in a
# cache). The same sources give the same bytes on every machine. `--check` builds aside and compares with native/prebuilt.
set -eu
cd "$(dirname "$0")/../native"

ZIG_VERSION=0.14.1
cache="${XDG_CACHE_HOME:-$HOME/.cache}/lachesis/zig-$ZIG_VERSION"
if [ ! -x "$cache/ziglang/zig" ]; then
  python3 -m pip install --quiet --no-deps --disable-pip-version-check --root-user-action=ignore \
    --only-binary=:all: --require-hashes --target "$cache" -r zig-requirements.txt
fi

check=
out=prebuilt
if [ "${1:-}" = "--check" ]; then
  check=yes
  out="$(mktemp -d)"
  trap 'rm -rf "$out"' EXIT
fi

build() { # node's name of the architecture, zig's target
  mkdir -p "$out/$1"
  "$cache/ziglang/zig" cc -target "$2" -std=gnu17 -Os -static -s -fno-sanitize=all -fstack-protector-strong \
    -ffile-prefix-map="$PWD"=. -Wall -Wextra -Wshadow -Werror -Wno-unused-command-line-argument \
    -Wl,--build-id=none -Wl,-z,stack-size=1048576 -o "$out/$1/lachesis-sandbox" src/*.c
}

build x64 x86_64-linux-musl
build arm64 aarch64-linux-musl

if [ -n "$check" ]; then
  (cd "$out" && sha256sum --check --quiet --strict "$OLDPWD/prebuilt/SHA256SUMS") ||
    { echo "The binaries in native/prebuilt are not built from these sources; run scripts/native-build.sh." >&2; exit 1; }
  (cd prebuilt && sha256sum --check --quiet --strict SHA256SUMS)
  echo "native/prebuilt is what the sources give."
else
  (cd prebuilt && sha256sum x64/lachesis-sandbox arm64/lachesis-sandbox > SHA256SUMS && cat SHA256SUMS && ls -l x64 arm64)
fi
