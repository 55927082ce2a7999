#!/bin/bash
# A package of Debian's that ships modules as sources for DKMS, compiled for a real kernel as DKMS would do it.
#
#     xtask/truth/shipped.sh CACHE KERNEL PACKAGE
#
# Comes after kernel.sh, whose headers it takes. Fetches the package into CACHE/shipped/PACKAGE (the system is not
# touched) and leaves in CACHE/truth/KERNEL/shipped/PACKAGE:
#     *.ko       the modules that its dkms.conf names; none where it does not compile
#     version    the package's version
#     log        what was said of it
# What is there already, made from this very package, is not made again.
set -euo pipefail

cache=$1 kernel=$2 package=$3
sources=$cache/shipped/$package
out=$cache/truth/$kernel/shipped/$package
# The folder of the headers, as kernel.sh has left it: ROOT/usr/src/linux-headers-KERNEL.
headers=$(readlink -f "$cache/truth/$kernel/headers")

fetch() {
    [[ -e $sources/version ]] && return
    echo "fetching $package"
    local new
    mkdir -p "$cache/shipped"
    new=$(mktemp -d "$cache/shipped/.new.XXXXXX")
    (cd "$new" && apt-get -q -o APT::Sandbox::User=root download "$package" >/dev/null)
    dpkg -x "$new"/*.deb "$new"
    dpkg-deb --field "$new"/*.deb Version >"$new/version"
    rm "$new"/*.deb
    mv -T "$new" "$sources" 2>/dev/null || rm -rf "$new"
}

# What `dkms build` does, less the looking around: dkms.conf is a script that says what to run in a copy of its folder.
# shellcheck disable=SC2034,SC2154
compile() {
    local kernelver=$kernel kernel_source_dir=$headers arch=x86_64 dkms_tree=$work/tree
    local -a MAKE BUILT_MODULE_NAME BUILT_MODULE_LOCATION
    local PACKAGE_NAME PACKAGE_VERSION PRE_BUILD='' folder make at
    set +eu
    cd "$sources"/usr/src/* || return
    # shellcheck source=/dev/null
    . ./dkms.conf
    folder=$dkms_tree/$PACKAGE_NAME/$PACKAGE_VERSION/build
    mkdir -p "${folder%/build}"
    cp -r . "$folder" && cd "$folder" || return
    make=${MAKE[0]:-make -C $headers M=$folder}
    # As in headers_make; this is how a make that is called by another one, or by a script, learns of it.
    export MAKEFLAGS="-j2 -- KCFLAGS=-g0 CONFIG_DEBUG_INFO_BTF_MODULES="
    [[ -z $PRE_BUILD ]] || eval "$PRE_BUILD" || return
    eval "${make/#make/make KERNELRELEASE=$kernel}" || return
    for at in "${!BUILT_MODULE_NAME[@]}"; do
        cp "${BUILT_MODULE_LOCATION[at]:-.}/${BUILT_MODULE_NAME[at]}.ko" "$new" || return
    done
}

{
    fetch
    made_from=$(cat "$0" "$sources/version" | sha256sum)
    [[ -e $out/made-from && $(<"$out/made-from") == "$made_from" ]] && exit
    echo "compiling $package for $kernel"
    work=$out.work new=$out.new
    trap 'rm -rf "$work" "$new"' EXIT
    rm -rf "$work" "$new"
    mkdir -p "$new"
    if ! (compile) >"$new/log" 2>&1 </dev/null; then
        echo "$package does not compile for $kernel: $out/log"
        rm -f "$new"/*.ko
    fi
    sed -i "s#$work#/build#g" "$new/log"
    cp "$sources/version" "$new"
    echo "$made_from" >"$new/made-from"
    rm -rf "$out"
    mv -T "$new" "$out"
} >&2
