#!/bin/bash
# Compiles the example's modules against Debian's kernel headers and writes ../images, an OCI image layout.
#
#     ./rebuild.sh [CACHE]
#
# CACHE keeps the downloaded headers (about 100 MB unpacked) for the next time; without it they are fetched anew.
# Needs Debian 12 on x86-64, not root: apt-get dpkg gcc make kmod openssl python3 xz-utils zstd. The same packages give
# the same bytes. The kernels below must still be known to apt (`apt-get update`).
set -euo pipefail

OLD=6.1.0-47-cloud-amd64
NEW=6.1.0-50-cloud-amd64
ARM=6.1.0-50-cloud-arm64

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../../tests/kernels/headers.sh"
. "$here/../../../tests/kernels/arm64.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "${1:-$work/cache}"
cache=$(cd "${1:-$work/cache}" && pwd)
stage=$work/stage
export PATH=$PATH:/usr/sbin

# compile IMAGE KERNEL [MAKE-ARGUMENT…]: prints the folder with the .ko files.
compile() {
    local folder=$work/$1-$2
    cp -r "$here/sources/$1" "$folder"
    headers_make "$cache" "$2" "$folder" "${@:3}" >&2
    echo "$folder"
}

# install_modules IMAGE KERNEL FILE…: the layer that `COPY … /opt/lib/modules/KERNEL/` makes.
install_modules() { install -Dt "$stage/$1/copy/opt/lib/modules/$2" -m 644 "${@:3}"; }

# run_depmod IMAGE KERNEL: the layer that `RUN depmod -b /opt KERNEL` makes on top of all others.
run_depmod() {
    local opt=$work/depmod-$1-$2 folder=opt/lib/modules/$2 layer
    mkdir -p "$opt"
    for layer in "$stage/$1"/*; do cp -a "$layer/." "$opt"; done
    if [[ -L $opt/$folder/host ]]; then ln -sfn "$cache/lib/modules/$2" "$opt/$folder/host"; fi
    depmod -b "$opt/opt" "$2" 2>&1 | grep -vE 'could not open modules\.(order|builtin)' || true
    install -Dt "$stage/$1/depmod/$folder" -m 644 "$opt/$folder"/modules.*
}

# plain IMAGE KERNEL: compile, copy, depmod, as most images are made.
plain() {
    install_modules "$1" "$2" "$(compile "$1" "$2")"/*.ko
    run_depmod "$1" "$2"
}

# tools LAYER COMPILER: the base layer, with /bin and /lib merged into /usr as distributions have them.
tools() {
    local layer=$stage/$1
    mkdir -p "$layer"/usr/{bin,lib,sbin} "$layer/etc" "$layer/tmp"
    ln -s usr/bin "$layer/bin"
    ln -s usr/lib "$layer/lib"
    ln -s usr/sbin "$layer/sbin"
    "$2" -Os -static -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables \
        -fno-tree-loop-distribute-patterns -fno-pie -no-pie -Wl,--build-id=none,-z,noseparate-code,-z,norelro -s \
        -Wall -Wextra -Werror "$here/sources/tools.c" -o "$layer/usr/bin/cp"
    ln "$layer/usr/bin/cp" "$layer/usr/bin/mkdir"
    ln "$layer/usr/bin/cp" "$layer/usr/bin/sh"
    printf 'ID=example\nPRETTY_NAME="Base image of the kmm-preflight example"\n' >"$layer/etc/os-release"
}

sign() {
    "$(headers_kbuild "$cache" "$NEW")/sign-file" sha256 "$here/example-key.pem" "$here/example-cert.pem" "$1"
}

# One image for two kernels and two architectures.
fastblk() {
    plain fastblk "$OLD"
    plain fastblk "$NEW"
    install_modules fastblk-arm64 "$ARM" "$(arm64_compile fastblk)"/*.ko
    run_depmod fastblk-arm64 "$ARM"
}

arm64_compile() {
    local folder=$work/$1-$ARM
    cp -r "$here/sources/$1" "$folder"
    arm64_make "$cache" "$ARM" "$folder" >&2
    echo "$folder"
}

# Two modules, compressed as RHEL compresses its own.
quicknic() {
    local built
    built=$(compile quicknic "$NEW")
    xz --check=crc32 --lzma2=dict=1MiB "$built"/*.ko
    install_modules quicknic "$NEW" "$built"/*.ko.xz
    run_depmod quicknic "$NEW"
}

# Needs an in-tree module, through the link that KMM's documentation describes.
raidmesh() {
    install_modules raidmesh "$NEW" "$(compile raidmesh "$NEW")"/*.ko
    mkdir -p "$stage/raidmesh/link/opt/lib/modules/$NEW"
    ln -s "/lib/modules/$NEW" "$stage/raidmesh/link/opt/lib/modules/$NEW/host"
    run_depmod raidmesh "$NEW"
}

# Signed, with firmware.
vectra() {
    local built
    built=$(compile vectra "$NEW")
    sign "$built/vectra.ko"
    install_modules vectra "$NEW" "$built/vectra.ko"
    mkdir -p "$stage/vectra/firmware/firmware/vectra"
    printf 'This stands where the firmware of a card would stand.\n' >"$stage/vectra/firmware/firmware/vectra/microcode.bin"
    run_depmod vectra "$NEW"
}

# Calls a function that the kernel no longer exports; KBUILD_MODPOST_WARN turns the build's error into a warning.
geotunnel() {
    install_modules geotunnel "$NEW" "$(compile geotunnel "$NEW" KBUILD_MODPOST_WARN=1)"/*.ko
    run_depmod geotunnel "$NEW"
}

# Compiled for the old kernel, copied into the folder of the new one.
cachepin() {
    install_modules cachepin "$NEW" "$(compile cachepin "$OLD")"/*.ko
    run_depmod cachepin "$NEW"
}

# depmod ran where both modules were; only one of them was copied into the image.
peerlink() {
    plain peerlink "$NEW"
    rm "$stage/peerlink/copy/opt/lib/modules/$NEW/peerlink_bus.ko"
}

# Proprietary, built against a Module.symvers without the GPL-only mark of what it uses.
sealbox() {
    local edited=$work/sealbox-headers
    mkdir -p "$edited/usr/src"
    cp -a "$(headers_build_folder "$cache" "$NEW")" "$edited/usr/src/"
    ln -s "$cache/usr/lib" "$edited/usr/lib"
    sed -i '/\tcrypto_/s/EXPORT_SYMBOL_GPL/EXPORT_SYMBOL/' "$(headers_build_folder "$edited" "$NEW")/Module.symvers"
    local folder=$work/sealbox
    cp -r "$here/sources/sealbox" "$folder"
    headers_make "$edited" "$NEW" "$folder" >&2
    install_modules sealbox "$NEW" "$folder"/*.ko
    run_depmod sealbox "$NEW"
}

# A last step deletes what looks like ballast, and with it the indexes that modprobe reads.
thermprobe() {
    local layer=$stage/thermprobe/slim/opt/lib/modules/$NEW index
    plain thermprobe "$NEW"
    mkdir -p "$layer"
    for index in "$stage/thermprobe/depmod/opt/lib/modules/$NEW"/modules.*.bin; do
        : >"$layer/.wh.$(basename "$index")"
    done
}

# Built and packed on an ARM machine, but for the folder of the x86-64 kernel.
armvision() {
    install_modules armvision "$NEW" "$(arm64_compile armvision)"/*.ko
    run_depmod armvision "$NEW"
}

# The driver toolkit of the new kernel: what our checks read of a real one, and all of that as Debian has it.
driver_toolkit() {
    local layer=$stage/driver-toolkit/kernel headers sources modules file
    headers=$(headers_build_folder "$cache" "$NEW")
    sources=$layer/usr/src/kernels/$NEW
    modules=$layer/usr/lib/modules/$NEW
    for file in Module.symvers Makefile include/config/auto.conf include/generated/utsrelease.h; do
        install -D -m 644 "$headers/$file" "$sources/$file"
    done
    sed -i "s#$cache##" "$sources/Makefile"
    for file in modules.{dep,dep.bin,builtin,builtin.bin,order,softdep} \
        kernel/lib/libcrc32c.ko kernel/net/ipv4/udp_tunnel.ko kernel/net/802/stp.ko; do
        install -D -m 644 "$cache/lib/modules/$NEW/$file" "$modules/$file"
    done
    ln -s "/usr/src/kernels/$NEW" "$modules/build"
    mkdir -p "$layer/etc"
    printf '{"KERNEL_VERSION":"%s"}\n' "$NEW" >"$layer/etc/driver-toolkit-release.json"
}

headers_fetch "$cache" "$OLD"
headers_fetch "$cache" "$NEW"
headers_image_fetch "$cache" "$NEW"
arm64_fetch "$cache" "$ARM"

tools base gcc
arm64_env "$cache" tools base-arm64 aarch64-linux-gnu-gcc-12
fastblk
quicknic
raidmesh
vectra
plain legacynic "$OLD"
plain coldtier "$OLD"
plain i2cbridge "$OLD"
geotunnel
cachepin
peerlink
sealbox
thermprobe
armvision
plain attestor "$NEW"
driver_toolkit
python3 "$here/layout.py" "$here/images.toml" "$stage" "$here/../images"
