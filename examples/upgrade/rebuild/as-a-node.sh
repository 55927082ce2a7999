#!/bin/bash
# Does with the example's images what KMM does on a node, as far as that is possible without the node's kernel: runs its
# copy command in the image, then `modprobe --dry-run` on what was copied. Loads nothing; changes nothing either, but for
# an empty /lib/modules to mount on where there is none.
#
#     ./as-a-node.sh CACHE
#
# CACHE is the folder that ./rebuild.sh CACHE has filled. Needs skopeo, jq, kmod, util-linux, and user namespaces or root.
set -euo pipefail

KERNEL=6.1.0-50-cloud-amd64

here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH=$PATH:/usr/sbin

# unpack REFERENCE FOLDER: what overlayfs would show of the image, whiteouts of single files included.
unpack() {
    local layer path
    skopeo copy -q --override-arch amd64 "oci:$here/../images:$1" "dir:$work/dir" 2>&1 | sed 's/.*: no desc/no desc/' || return 1
    mkdir -p "$2"
    for layer in $(jq -r '.layers[].digest | sub("sha256:"; "")' "$work/dir/manifest.json"); do
        { zstd -dcq "$work/dir/$layer" 2>/dev/null || gzip -dc "$work/dir/$layer"; } | tar -x -C "$2"
        find "$2" -name '.wh.*' | while read -r path; do
            rm -f "$path" "${path%/*}/${path##*/.wh.}"
        done
    done
}

# copy_out FOLDER [FIRMWARE]: KMM's init container (internal/pod/workerpodmanager.go: addCopyCommand).
copy_out() {
    local command
    command="
mkdir -p /tmp/opt/lib/modules;
cp -R /opt/lib/modules/$KERNEL /tmp/opt/lib/modules;
"
    [[ -z ${2-} ]] || command+="
mkdir -p /tmp$2;
cp -R $2/* /tmp$2;
"
    unshare -r chroot "$1" /bin/sh -c "$command" 2>&1
}

# modprobe_dry FOLDER MODULE [PARAMETER…]: KMM's worker, which has the node's /lib/modules.
modprobe_dry() {
    # shellcheck disable=SC2016 # the inner shell expands it
    local script='mount --bind "$1" /lib/modules && shift && modprobe --dry-run "$@"'
    unshare -rm bash -c "$script" - "$cache/lib/modules" -S "$KERNEL" -vd "$1/tmp/opt" "${@:2}" 2>&1 |
        sed "s#$1##g"
}

# load REFERENCE FIRMWARE MODULE [PARAMETER…]
load() {
    local root=$work/root
    rm -rf "$root" "$work/dir"
    echo "== $1 ${*:3}"
    unpack "registry.example.com/$1" "$root" || return 0
    copy_out "$root" "$2" || { echo "(init container ends with status $?)"; return 0; }
    modprobe_dry "$root" "${@:3}" || echo "(modprobe ends with status $?)"
}

mkdir -p /lib/modules
load storage/fastblk:2.4 "" fastblk queue_depth=64 write_back=y
load storage/fastblk:2.4 "" fastblk queue_depth=1O24
load storage/raidmesh:$KERNEL "" raidmesh
load storage/coldtier:$KERNEL "" coldtier
load storage/cachepin:$KERNEL "" cachepin
load network/quicknic:$KERNEL "" quicknic
load network/legacynic:1.9 "" legacynic
load network/geotunnel:$KERNEL "" geotunnel
load gpu/vectra:$KERNEL-signed /firmware vectra
load gpu/peerlink:$KERNEL "" peerlink
load security/sealbox:$KERNEL "" sealbox
load security/attestor:$KERNEL "" attestor
load sensors/i2cbridge:$KERNEL "" i2cbridge
load sensors/thermprobe:$KERNEL "" thermprobe
load edge/armvision:$KERNEL "" armvision
