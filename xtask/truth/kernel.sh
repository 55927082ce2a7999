#!/bin/bash
# A real kernel with its in-tree modules and headers, and small modules of ours compiled against it.
#
#     xtask/truth/kernel.sh CACHE KERNEL
#
# Fetches Debian's packages with apt-get into CACHE/kernels/debian, which the tests of tests/kernels share (the system
# is not touched; about 40 MB a kernel besides the headers), or compiles the kernel itself (own.sh); and leaves in
# CACHE/truth/KERNEL:
#     modules-MARK/*.ko   tests/kernels/modules and xtask/truth/modules, compiled; one of them stripped, too
#     tree, headers, vmlinuz, sign-file   links to what was unpacked
#     programs            a link to a root of the kernel's architecture: busybox, dash, kmod
# What is there already, made from these very sources, is not made again. Says at the end KERNEL, or which other one
# took its place, and the name of the modules' folder.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
kernels=$here/../../tests/kernels
. "$kernels/headers.sh"
. "$kernels/arm64.sh"
. "$here/trixie.sh"
. "$here/own.sh"
. "$here/archive.sh"
export PATH=$PATH:/usr/sbin

cache=$1 kernel=$2
root=$cache/kernels/debian make=headers_make programs=/ strip=(strip)
case $kernel in
*-own-*) root=$cache/kernels/debian13 ;;
*+deb13-*) root=$cache/kernels/debian13 make=trixie_make ;;
*-arm64) make=arm64_make programs=$cache/kernels/debian-arm64 strip=(arm64_env "$root" aarch64-linux-gnu-strip) ;;
esac
mkdir -p "$root" "$cache/truth"

compile() {
    local build=$out/build
    rm -rf "$build"
    mkdir -p "$build/made"
    cp -r "$kernels/modules/sound" "$kernels/modules/unsound" "$here/modules" "$build"
    "$make" "$root" "$kernel" "$build/sound"
    "$make" "$root" "$kernel" "$build/modules"
    "$make" "$root" "$kernel" "$build/unsound" KBUILD_EXTRA_SYMBOLS="$build/sound/Module.symvers" \
        KBUILD_MODPOST_WARN=1 CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS=y
    cp "$build"/{sound,modules,unsound}/*.ko "$build/sound/plain.o" "$build/made"
    "${strip[@]}" --strip-unneeded -o "$build/made/limited_stripped.ko" "$build/made/limited.ko"
    mv "$build/made" "$out/$modules"
    rm -rf "$build"
}

fetch() {
    case $kernel in
    *-own-*) own_fetch "$root" "$kernel" "$cache/truth" ;;
    *+deb13-*) trixie_fetch "$root" "$kernel" ;;
    *-arm64)
        # kbuild is the amd64 one.
        headers_fetch "$root" "${kernel%arm64}amd64"
        arm64_fetch "$root" "$kernel"
        mapfile -t options < <(arm64_apt_options "$root")
        headers_unpack "$root" "linux-image-$kernel-unsigned" "${options[@]}"
        [[ -e $root/lib/modules/$kernel/modules.dep.bin ]] || depmod -b "$root" "$kernel"
        fetch_programs
        ;;
    *)
        headers_fetch "$root" "$kernel"
        headers_image_fetch "$root" "$kernel"
        ;;
    esac
}

# What images and the worker have, and what that is linked to, of the other architecture.
fetch_programs() {
    local package
    [[ -e $programs/.unpacked/libzstd1 ]] && return
    archive_arm64_update "$root"
    for package in busybox-static dash kmod libc6 liblzma5 libssl3 libzstd1; do
        headers_unpack "$programs" "$package" "${options[@]}"
    done
}

{
    # One at a time: others share what is fetched.
    exec 9>"$cache/truth/.lock"
    flock 9
    kernel=$(archive_stand_in "$root" "$kernel")
    out=$cache/truth/$kernel
    mkdir -p "$out"
    sources=$(cat "$kernels"/modules/{sound,unsound}/* "$here"/modules/* | sha256sum)
    modules=modules-${sources:0:12}
    fetch
    if [[ ! -d $out/$modules ]]; then
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
ln -sfn "$programs" "$out/programs"
echo "$kernel $modules"
