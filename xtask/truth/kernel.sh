#!/bin/bash
# A real kernel with its in-tree modules and headers, and small modules of ours compiled against it.
#
#     xtask/truth/kernel.sh CACHE KERNEL
#
# Fetches Debian's packages with apt-get into CACHE/kernels/debian, which the tests of tests/kernels share (the system
# is not touched; about 90 MB a kernel), and leaves in CACHE/truth/KERNEL:
#     modules/*.ko       tests/kernels/modules and xtask/truth/modules, compiled
#     tree, headers, vmlinuz, sign-file   links to what was unpacked
# What is there already, made from these very sources, is not made again.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
kernels=$here/../../tests/kernels
. "$kernels/headers.sh"
. "$kernels/arm64.sh"
. "$here/trixie.sh"
export PATH=$PATH:/usr/sbin

cache=$1 kernel=$2
root=$cache/kernels/debian
make=headers_make
case $kernel in
*deb13*) root=$cache/kernels/debian13 make=trixie_make ;;
*arm64) make=arm64_make ;;
esac
out=$cache/truth/$kernel
mkdir -p "$root" "$out"

compile() {
    local build=$out/build
    rm -rf "$build" "$out/modules"
    mkdir -p "$build" "$out/modules"
    cp -r "$kernels/modules/sound" "$kernels/modules/unsound" "$here/modules" "$build"
    "$make" "$root" "$kernel" "$build/sound"
    "$make" "$root" "$kernel" "$build/modules"
    "$make" "$root" "$kernel" "$build/unsound" KBUILD_EXTRA_SYMBOLS="$build/sound/Module.symvers" \
        KBUILD_MODPOST_WARN=1 CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS=y
    cp "$build"/*/*.ko "$out/modules"
    cp "$build/sound/plain.o" "$out/modules/plain.o"
    rm -rf "$build"
}

fetch() {
    case $kernel in
    *deb13*) trixie_fetch "$root" "$kernel" ;;
    *arm64)
        # The cloud flavour's compiler and headers are those of the tests; kbuild is the amd64 one.
        headers_fetch "$root" "${kernel%arm64}amd64"
        arm64_fetch "$root" "$kernel"
        mapfile -t options < <(arm64_apt_options "$root")
        headers_unpack "$root" "linux-image-$kernel-unsigned" "${options[@]}"
        [[ -e $root/lib/modules/$kernel/modules.dep.bin ]] || depmod -b "$root" "$kernel"
        ;;
    *)
        headers_fetch "$root" "$kernel"
        headers_image_fetch "$root" "$kernel"
        ;;
    esac
}

{
    fetch
    sources=$(cat "$0" "$here/trixie.sh" "$kernels/headers.sh" "$kernels"/modules/{sound,unsound}/* "$here"/modules/* | sha256sum)
    if [[ ! -e $out/made-from || $(<"$out/made-from") != "$sources" ]]; then
        echo "compiling for $kernel"
        compile
    fi
} >&2

tree=$root/lib/modules/$kernel
[[ -d $tree/kernel ]] || tree=$root/usr/lib/modules/$kernel
ln -sfn "$tree" "$out/tree"
ln -sfn "$(headers_build_folder "$root" "$kernel")" "$out/headers"
ln -sfn "$root/boot/vmlinuz-$kernel" "$out/vmlinuz"
ln -sfn "$(headers_kbuild "$root" "$kernel")/sign-file" "$out/sign-file"
echo "$sources" >"$out/made-from"
