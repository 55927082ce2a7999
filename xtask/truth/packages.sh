#!/usr/bin/env bash
# Installs what `cargo xtask truth` uses and the machine lacks: on Debian, as root or with sudo.
#
#     xtask/truth/packages.sh [--all]
#
#   gcc make libelf1 binutils   to compile modules against Debian's kernels, whose kbuild comes with the headers
#   kmod openssl xz-utils zstd  to index, sign and pack them; with lz4, to unpack kernels
#   busybox-static dash         for the images, and for the file system that kernels boot with
#   qemu-system-x86             to boot kernels; --all also qemu-system-arm
#   flex bison bc libelf-dev libssl-dev
#                               --all: to compile kernels
#   python3-pip                 to fetch what writes into their firmware
#   zlib1g-dev                  to compile a modprobe that reads gzip
set -euo pipefail

wanted=(gcc make libelf1 binutils kmod openssl xz-utils zstd lz4 busybox-static dash qemu-system-x86 python3-pip
    zlib1g-dev)
[[ ${1-} != --all ]] || wanted+=(qemu-system-arm flex bison bc libelf-dev libssl-dev)
missing=()
for package in "${wanted[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
((${#missing[@]})) || exit 0
echo "installing: ${missing[*]}"
as_root=()
[[ $(id -u) -eq 0 ]] || as_root=(sudo)
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
