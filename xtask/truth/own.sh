# Kernels with configurations that none of Debian's has, compiled from Debian's package of their source.
#
# To be sourced after headers.sh and trixie.sh, from whose lists of packages they come. Such a kernel is called
# VERSION-own-FLAVOUR: own/guest.config and own/flavours/FLAVOUR.config say what is in it, own/symbols what it exports although
# none of its own modules uses it, where it trims the rest. Besides gcc and make it takes flex, bison, bc, openssl and the
# headers of libelf and libssl; on two cores a quarter of an hour, in which 2 GB are used that are free afterwards.
# shellcheck shell=bash

own_files=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/own

# own_fetch ROOT KERNEL TRUTH: the kernel, its in-tree modules and its headers, as a package would leave them in ROOT, and
# modules of ours in TRUTH/KERNEL/extended. What is there already, made from these very files, is not made again. All flavours
# are made at once: most of what they are compiled of is the same.
own_fetch() {
    local root=$1 version=${2%-own-*} truth=$3 work=$1/.own series config kernel
    own_is_there "$root" "$2" && return
    series=$(grep -oE '^[0-9]+\.[0-9]+' <<<"$version")
    trixie_apt_update "$root"
    mapfile -t options < <(trixie_apt_options "$root")
    headers_unpack "$root" "linux-source-$series" "${options[@]}"
    rm -rf "$work"
    own_source "$root/usr/src/linux-source-$series.tar.xz" "$work/source"
    for config in "$own_files"/flavours/*.config; do
        kernel=$version-own-$(basename "$config" .config)
        echo "compiling $kernel" >&2
        # What was made from the one before.
        rm -rf "${truth:?}/$kernel"
        mkdir -p "$truth/$kernel"
        own_make "$root" "$kernel" "$work" "$truth/$kernel" >"$truth/$kernel/log" 2>&1 </dev/null ||
            own_failed "$truth/$kernel/log"
        own_made_from >"$root/.unpacked/own-$kernel"
    done
    # The package goes, too: the next one may have another version.
    rm -rf "$work" "$root/usr/src/linux-source-$series.tar.xz" "$root/.unpacked/linux-source-$series"
}

# own_is_there ROOT KERNEL
own_is_there() { [[ -e $1/.unpacked/own-$2 && $(<"$1/.unpacked/own-$2") == "$(own_made_from)" ]]; }

own_made_from() {
    cat "$own_files"/{guest.config,flavours/*,modules/*,Kconfig,symbols} | sha256sum
}

# own_source ARCHIVE SOURCE: with in-tree modules that no driver here asks for, and with upstream's word on symbols without a
# version, which Debian's patch takes back (check_version: it warns, and lets them pass).
own_source() {
    mkdir -p "$2"
    tar -xf "$1" -C "$2" --strip-components=1 --exclude='*/drivers/gpu/drm/amd/include/*' --exclude='*/tools/testing/*'
    cp "$own_files/Kconfig" "$2/Kconfig.own"
    echo 'source "Kconfig.own"' >>"$2/Kconfig"
    cp "$own_files/symbols" "$2/symbols.own"
    sed -i '/no symbol version for %s/{n;s/return 0;/return 1;/}' "$2/kernel/module/version.c"
    grep -A 1 'no symbol version for %s' "$2/kernel/module/version.c" | grep -q 'return 1;'
}

# own_make ROOT KERNEL WORK OUT
own_make() {
    own_configure "$2" "$3" && own_kbuild "$3" -j"$(nproc)" all && own_install "$1" "$2" "$3" && own_modules "$@"
}

# own_configure KERNEL WORK: fails, and says what for, where something cannot be had, or left out, together with the rest.
own_configure() {
    local flavour=${1##*-own-} work=$2
    {
        cat "$own_files/guest.config" "$own_files/flavours/$flavour.config"
        echo "CONFIG_LOCALVERSION=\"-own-$flavour\""
    } >"$work/wanted"
    own_kbuild "$work" KCONFIG_ALLCONFIG="$work/wanted" allnoconfig || return
    ! grep -E '^(# )?CONFIG_' "$work/wanted" | grep -vxFf "$work/build/.config" || return
    # Else the release is still that of the one before.
    own_kbuild "$work" syncconfig || return
    [[ $(own_kbuild "$work" kernelrelease) == "$1" ]]
}

# own_install ROOT KERNEL WORK: where Debian's packages have it.
own_install() {
    local root=$1 kernel=$2 work=$3 headers=$1/usr/src/linux-headers-$2
    rm -rf "$headers" "$root/usr/lib/modules/$kernel"
    own_kbuild "$work" run-command \
        KBUILD_RUN_COMMAND="sh $work/source/scripts/package/install-extmod-build $headers" || return
    own_kbuild "$work" modules_install INSTALL_MOD_PATH="$root/usr" || return
    rm -f "$root/usr/lib/modules/$kernel/build"
    mkdir -p "$root/boot"
    cp "$work/build/arch/x86/boot/bzImage" "$root/boot/vmlinuz-$kernel"
}

# own_modules ROOT KERNEL WORK OUT: modules that no kernel of Debian's can have.
own_modules() {
    rm -rf "$3/modules"
    cp -r "$own_files/modules" "$3/modules"
    headers_make "$1" "$2" "$3/modules" || return
    mkdir -p "$4/extended"
    cp "$3"/modules/*.ko "$4/extended"
}

# own_kbuild WORK ARGUMENT…: at low priority; who made it, and when, stands in the kernel, and is always the same.
own_kbuild() {
    local work=$1
    shift
    mkdir -p "$work/build"
    nice -n 5 make -s -C "$work/source" O="$work/build" KBUILD_BUILD_USER=truth KBUILD_BUILD_HOST=truth \
        KBUILD_BUILD_TIMESTAMP='Thu, 01 Jan 2026 00:00:00 +0000' "$@"
}

# own_failed LOG
own_failed() {
    tail -n 20 "$1" >&2
    echo "it does not compile: $1" >&2
    return 1
}

# own_names ROOT FLAVOUR: those that could be compiled from what the archive has now.
own_names() {
    local packages
    trixie_apt_update "$1"
    mapfile -t options < <(trixie_apt_options "$1")
    mapfile -t packages < <(apt-cache "${options[@]}" pkgnames linux-source-)
    apt-cache "${options[@]}" show --no-all-versions "${packages[@]}" | sed -nE "s/^Version: ([0-9.]+)-.*/\1-own-$2/p"
}
