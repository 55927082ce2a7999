#!/bin/bash
# modprobe and depmod that read gzip, as those of KMM's worker do and Debian's do not.
#
#     xtask/truth/kmod.sh CACHE
#
# Fetches the source of Debian's kmod with apt-get (260 KB) and compiles it into CACHE/truth/kmod-gzip, once. Needs gcc and
# zlib1g-dev. It reads gzip alone: what is packed otherwise is asked of Debian's own.
set -euo pipefail

out=$1/truth/kmod-gzip
[[ ! -e $out/modprobe ]] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists,cache/archives}/partial "$work/parts" "$work/kmod"
cd "$work"

cat >parts/kmod.sources <<SOURCES
Types: deb-src
URIs: http://deb.debian.org/debian
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
options=(-q -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o Dir::Etc::sourcelist=/dev/null
    -o "Dir::Etc::sourceparts=$work/parts" -o APT::Sandbox::User=root)
echo "fetching and compiling kmod" >&2
apt-get "${options[@]}" update >/dev/null
apt-get "${options[@]}" --download-only source kmod >/dev/null
tar -xf kmod_*.orig.tar.xz -C kmod --strip-components=1

cd kmod
tools=()
for name in kmod lsmod rmmod insmod modinfo modprobe depmod log static-nodes; do
    tools+=("tools/$name.c")
done
gcc -O2 -w -I. -D_GNU_SOURCE -DPACKAGE='"kmod"' -DVERSION='"30"' -DSYSCONFDIR='"/etc"' \
    -DKMOD_FEATURES='"+ZLIB"' -DENABLE_ZLIB -DENABLE_LOGGING -DHAVE_SECURE_GETENV -DHAVE_DECL_STRNDUPA \
    -DHAVE_DECL_BE32TOH -DHAVE_STRUCT_STAT_ST_MTIM -DHAVE_STATIC_ASSERT -DHAVE_NORETURN \
    shared/*.c libkmod/libkmod*.c "${tools[@]}" -lz -o kmod
mkdir -p "$out"
# Whole, or not at all: others may be looking.
cp kmod "$out/kmod.$$" && mv "$out/kmod.$$" "$out/kmod"
ln -sfn kmod "$out/depmod"
ln -sfn kmod "$out/modprobe"
