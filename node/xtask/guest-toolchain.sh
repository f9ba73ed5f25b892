#!/usr/bin/env bash
# Prints the path of a rustc that can build `--target wasm32-wasip2`:
#
#     RUSTC=$(node/xtask/guest-toolchain.sh) \
#         cargo build --manifest-path examples/Cargo.toml --release --locked --target wasm32-wasip2
#
# With rustup's own target installed that is rustup's rustc, and nothing else happens. Where
# `rustup target add wasm32-wasip2` is not possible, std is built once (about two minutes) from
# Debian's packages and kept in the user's cache; every later run takes some milliseconds. The
# answer is the only line on stdout, progress goes to stderr. Two runs at once are safe: the second
# waits for the first.
set -euo pipefail

readonly TARGET=wasm32-wasip2
readonly CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/wrt/guest-toolchain
readonly COMPILER=/usr/bin/rustc
readonly LIBRARY=/usr/lib/rustlib/src/rust/library

log() { echo "guest-toolchain: $*" >&2; }
die() { log "$@"; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"
  else die "root is needed here: run \`rustup target add $TARGET\`, or as root \`apt-get install rustc-web rust-web-src\`, and start again"
  fi
}

# Asked in the project's own folder, so that a pinned toolchain answers, whoever calls from wherever.
rustup_sysroot=$(cd "$(dirname "$0")" && rustc --print sysroot)
readonly rustup_sysroot
if compgen -G "$rustup_sysroot/lib/rustlib/$TARGET/lib/libstd-*.rlib" >/dev/null; then
  echo "$rustup_sysroot/bin/rustc"
  exit 0
fi

# The name of the finished toolchain holds everything that went into it, so a new compiler or a new
# version of this script builds beside the old one, which a build under way may still be using.
toolchain() {
  local identity
  identity=$({ "$COMPILER" -vV; echo "$rustup_sysroot"; cat "$0"; } | sha256sum | cut -c1-16)
  echo "$CACHE/$identity"
}

answer_if_built() {
  [ -x "$COMPILER" ] && [ -d "$LIBRARY" ] || return 0
  local built
  built=$(toolchain)
  if [ -x "$built/bin/rustc" ]; then
    echo "$built/bin/rustc"
    exit 0
  fi
}

answer_if_built

mkdir -p "$CACHE"
exec 9>"$CACHE/.lock"
flock --nonblock 9 || { log "another run is building, waiting for it"; flock 9; }
answer_if_built

command -v apt-get >/dev/null || die "no std for $TARGET: run \`rustup target add $TARGET\`"

# Both the linker and the componentiser are rustup's; Debian's compiler has neither of this age.
host=$(rustc -vV | sed -n 's/^host: //p')
readonly host
for tool in rust-lld wasm-component-ld; do
  [ -x "$rustup_sysroot/lib/rustlib/$host/bin/$tool" ] || die "$tool is missing: install Rust through rustup"
done

if ! dpkg-query -W rustc-web rust-web-src >/dev/null 2>&1 || ! [ -d "$LIBRARY" ]; then
  log "installing rustc-web and rust-web-src (about 140 MB)"
  as_root apt-get -q update >&2
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -qy install --no-install-recommends rustc-web rust-web-src >&2 ||
    die "this Debian has no rustc-web: run \`rustup target add $TARGET\`"
fi

# Inside the cache, so that the last step is a rename within one file system. A folder that is there
# already was left by a run that was killed: no other run is under way while the lock is held.
rm -rf "$CACHE"/.build-*
work=$(mktemp -d "$CACHE/.build-XXXXXX")
readonly work
trap 'rm -rf "$work"' EXIT

# The C library that std links with. It is one package for all machines, without dependencies, so
# it is unpacked and not installed. Debian 12's own copy dates from 2022 and knows WASI 0.1 only:
# HTTP guests link with it, std::net does not. The one in trixie-backports has wasm32-wasip2.
fetch_wasi_libc() {
  local apt=$work/apt mirror
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  # The mirror that this machine's own sources name, whichever that is.
  archives() { apt-get indextargets --format '$(RELEASE) $(REPO_URI)'; }
  [ -n "$(archives)" ] || as_root apt-get -q update >&2
  mirror=$(archives | awk '$1 !~ /security/ { print $2; exit }')
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie-backports main" \
    >"$apt/sources.list"
  local own_lists=(
    -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache"
    -o Acquire::Languages=none
  )
  # apt's sandbox user cannot write to a folder of ours.
  local quiet=(-q -o APT::Sandbox::User=root)
  cd "$apt"
  if ! apt-get "${quiet[@]}" "${own_lists[@]}" update >&2 ||
    ! apt-get "${quiet[@]}" "${own_lists[@]}" download wasi-libc >&2; then
    log "trixie-backports is out of reach: taking this release's wasi-libc (guests without std::net)"
    apt-get "${quiet[@]}" download wasi-libc >&2
  fi
  dpkg-deb -x wasi-libc_*.deb "$work/libc"
}

build_std() {
  mkdir "$work/src"
  echo '#![no_std]' >"$work/src/lib.rs"
  printf '[package]\nname = "stdbuild"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' >"$work/Cargo.toml"
  cd "$work"
  # The caller may well be a cargo build of its own; none of its settings belong in std.
  local inherited
  for inherited in $(compgen -e | grep -E '^(CARGO_(BUILD|TARGET|PROFILE|ENCODED|UNSTABLE)|RUSTC|RUSTFLAGS|RUSTDOC)'); do
    unset "$inherited"
  done
  # RUSTC_BOOTSTRAP: -Zbuild-std is unstable, and std itself needs unstable features.
  # embed-bitcode: without it a guest with lto does not link.
  RUSTC=$COMPILER RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes \
    cargo build --quiet --release -Zbuild-std=std,panic_abort \
    --target "$TARGET" --target-dir "$work/target" >&2
}

log "building std for $TARGET, once (about two minutes)"
(fetch_wasi_libc)
(build_std)

# A sysroot of our own: std for the guest, Debian's std for the host (build scripts, macros), and
# rustup's linkers. rustc looks for it where --sysroot points, hence the wrapper.
sysroot=$work/sysroot
guest_lib=$sysroot/lib/rustlib/$TARGET/lib
mkdir -p "$sysroot/bin" "$sysroot/lib/rustlib/$host" "$guest_lib/self-contained"
find "$work/target/$TARGET/release/deps" -name '*.rlib' ! -name 'libstdbuild-*' -exec cp -t "$guest_lib" {} +
libc=$work/libc/usr/lib/wasm32-wasip2
[ -d "$libc" ] || libc=$work/libc/usr/lib/wasm32-wasi
cp "$libc"/{crt1-command.o,crt1-reactor.o,libc.a} "$guest_lib/self-contained/"
ln -s "/usr/lib/rustlib/$host/lib" "$sysroot/lib/rustlib/$host/lib"
ln -s "$rustup_sysroot/lib/rustlib/$host/bin" "$sysroot/lib/rustlib/$host/bin"

built=$(toolchain)
printf '#!/bin/sh\nexec %q --sysroot %q "$@"\n' "$COMPILER" "$built" >"$sysroot/bin/rustc"
chmod +x "$sysroot/bin/rustc"
rm -rf "$built"
mv "$sysroot" "$built"

log "done: $built ($(du -sh "$built" | cut -f1))"
echo "$built/bin/rustc"
