#!/bin/bash
# UEFI firmware for QEMU, and the program that puts certificates into it.
#
#     xtask/truth/firmware.sh ROOT
#
# Leaves Debian's ovmf in ROOT/debian and virt-firmware, from PyPI, in ROOT/python: the system is not touched (20 MB).
# What is there already is not fetched again.
set -euo pipefail

. "$(dirname "$0")/../../tests/kernels/headers.sh"

root=$1
headers_unpack "$root/debian" ovmf
if [[ ! -e $root/python/bin/virt-fw-vars ]]; then
    echo "fetching virt-firmware" >&2
    python3 -m pip install --quiet --root-user-action=ignore --target "$root/python" 'virt-firmware>=24'
fi
