#!/bin/bash
# Compiles small modules against real kernels and describes them, for tests that compare judgement with fact.
#
#     tests/kernels/build.sh [--images] [--arm64] CACHE
#
# Fetches Debian's kernel headers with apt-get into CACHE (the system is not touched; about 250 MB), compiles
# modules/*/*.c against each, makes variants of them, and writes CACHE/manifest.json, which says what each is.
#   --images  also the kernels themselves and their in-tree modules (about 80 MB each)
#   --arm64   also a 64-bit ARM kernel's headers, with a cross compiler (about 200 MB)
# KERNELS="6.1.0-50-cloud-amd64 …" chooses other kernels. What is there already is not made again.
#
# Needs Debian 12 on x86-64: apt-get install gcc make kmod openssl python3 xz-utils zstd
#
#     CACHE/KERNEL/modules/*.ko*              one module each
#     CACHE/KERNEL/folders/NAME/lib/modules/  folders as they stand in images, with depmod's indexes
#     CACHE/KERNEL/toolkit/                   Module.symvers, auto.conf, utsrelease.h; in-tree/ with --images
#     CACHE/keys/                             two signing keys with certificates, made here and now
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/headers.sh"
. "$here/arm64.sh"
export PATH=$PATH:/usr/sbin

images='' arm64=''
while [[ ${1-} == --* ]]; do
    case $1 in
    --images) images=yes ;;
    --arm64) arm64=yes ;;
    *) echo "unknown option $1" >&2 && exit 2 ;;
    esac
    shift
done
mkdir -p "${1:?where to put it: tests/kernels/build.sh CACHE}"
cache=$(cd "$1" && pwd)
root=$cache/debian

need_tools() {
    local tool missing=()
    for tool in apt-get dpkg gcc-12 make depmod openssl python3 xz zstd objcopy; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    if ((${#missing[@]})); then
        echo "missing: ${missing[*]} (apt-get install gcc make kmod openssl python3 xz-utils zstd)" >&2
        exit 2
    fi
}

# make_key NAME: a key that exists only in this cache.
make_key() {
    [[ -e $cache/keys/$1.pem ]] && return
    mkdir -p "$cache/keys"
    openssl req -x509 -newkey rsa:2048 -nodes -utf8 -sha256 -days 36500 -batch -subj "/CN=kmm-preflight test key $1" \
        -keyout "$cache/keys/$1.pem" -out "$cache/keys/$1.crt" 2>/dev/null
    openssl x509 -in "$cache/keys/$1.crt" -outform DER -out "$cache/keys/$1.der"
}

toolkit() {
    local headers folder=$cache/$1/toolkit
    headers=$(headers_build_folder "$root" "$1")
    install -Dt "$folder" -m 644 "$headers/Module.symvers" "$headers/include/config/auto.conf" \
        "$headers/include/generated/utsrelease.h"
    if [[ -n $images && $1 != *arm64 ]]; then
        headers_image_fetch "$root" "$1"
        ln -sfn "../../debian/lib/modules/$1" "$folder/in-tree"
    fi
}

# compile KERNEL MAKE: the three folders of modules; MAKE is headers_make or arm64_make.
compile() {
    local kernel=$1 make=$2 build=$cache/$1/build
    rm -rf "$build"
    mkdir -p "$build"
    cp -r "$here/modules/." "$build"
    "$make" "$root" "$kernel" "$build/sound"
    "$make" "$root" "$kernel" "$build/unsound" KBUILD_EXTRA_SYMBOLS="$build/sound/Module.symvers" \
        KBUILD_MODPOST_WARN=1 CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS=y >"$build/warnings" 2>&1 || { cat "$build/warnings" >&2 && return 1; }
    compile_mismarked "$kernel" "$make" "$build"
}

compile_mismarked() {
    local kernel=$1 edited=$3/edited headers
    mkdir -p "$edited/usr/src"
    ln -s "$root/usr/lib" "$edited/usr/lib"
    [[ ! -e $root/usr/bin ]] || ln -s "$root/usr/bin" "$edited/usr/bin"
    headers=$(headers_build_folder "$edited" "$kernel")
    cp -a "$(headers_build_folder "$root" "$kernel")" "$headers"
    sed -i 's/EXPORT_SYMBOL_GPL/EXPORT_SYMBOL/; /\thex_to_bin\t/d' "$headers/Module.symvers"
    "$2" "$edited" "$kernel" "$3/mismarked"
}

# build_kernel KERNEL MAKE: everything of one kernel, unless it was made from these very sources.
build_kernel() {
    local mark=$cache/$1/made-from sources
    toolkit "$1"
    sources=$(cat "$here"/*.sh "$here"/*.py "$here"/modules/*/* "$cache"/keys/*.der | sha256sum)
    [[ ! -e $cache/$1/toolkit/in-tree ]] || sources+=" in-tree"
    [[ -e $mark && $(<"$mark") == "$sources" ]] && return
    echo "compiling for $1" >&2
    compile "$1" "$2"
    python3 "$here/variants.py" kernel "$cache" "$1" "$(headers_kbuild "$root" "$1")/sign-file"
    rm -rf "$cache/$1/build"
    echo "$sources" >"$mark"
}

need_tools
make_key trusted
make_key other
kernels=${KERNELS:-$(headers_wanted)}
for kernel in $kernels; do
    headers_fetch "$root" "$kernel"
    build_kernel "$kernel" headers_make
done
if [[ -n $arm64 ]]; then
    for kernel in $kernels; do
        [[ $kernel == 6.1.* ]] && arm_kernel=${kernel%amd64}arm64
    done
    arm64_fetch "$root" "$arm_kernel"
    build_kernel "$arm_kernel" arm64_make
    kernels+=" $arm_kernel"
fi
# shellcheck disable=SC2086 # one argument per kernel
python3 "$here/variants.py" manifest "$cache" $kernels
