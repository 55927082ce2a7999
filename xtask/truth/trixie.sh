# Kernels of Debian 13 and its backports, on Debian 12: newer series, Rust, no symbol versions.
#
# To be sourced after headers.sh. apt is asked about the other release with lists of its own, so the system's apt does not
# learn of it. kbuild's programs want that release's C library: they are started by its own loader.
# shellcheck shell=bash

# trixie_fetch ROOT KERNEL: headers, kbuild, the kernel and its in-tree modules.
trixie_fetch() {
    local root=$1 kernel=$2 package series=${2%-cloud-amd64}
    [[ -e $root/.unpacked/all-of-$kernel ]] && return
    trixie_apt_update "$root"
    mapfile -t options < <(trixie_apt_options "$root")
    for package in libc6 libelf1t64 libssl3t64 zlib1g libzstd1 "linux-headers-$kernel" "linux-headers-$series-common" \
        "linux-kbuild-$series" "linux-base-$kernel" "linux-binary-$kernel" "linux-modules-$kernel"; do
        headers_unpack "$root" "$package" "${options[@]}"
    done
    trixie_relocate "$root" "$kernel"
    trixie_wrap "$root" "$root/usr/lib/linux-kbuild-$series"
    [[ -e $root/lib ]] || ln -s usr/lib "$root/lib"
    depmod -b "$root" "$kernel"
    mkdir -p "$root/boot"
    ln -sfn "../usr/lib/modules/$kernel/vmlinuz" "$root/boot/vmlinuz-$kernel"
    touch "$root/.unpacked/all-of-$kernel"
}

# trixie_apt_update ROOT: fetches that release's lists of packages, once a day.
trixie_apt_update() {
    [[ -n $(find "$1/.apt/updated" -mtime -1 2>/dev/null) ]] && return
    mkdir -p "$1"/.apt/{lists,cache/archives}/partial "$1"/.apt/parts
    cat >"$1/.apt/parts/trixie.sources" <<SOURCES
Types: deb
URIs: http://deb.debian.org/debian
Suites: trixie trixie-backports
Components: main
Architectures: amd64
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
    mapfile -t options < <(trixie_apt_options "$1")
    apt-get -q "${options[@]}" -o APT::Sandbox::User=root update >/dev/null
    touch "$1/.apt/updated"
}

trixie_apt_options() {
    printf -- '-o\n%s\n' "Dir::State::lists=$1/.apt/lists" "Dir::Cache=$1/.apt/cache" Dir::Etc::sourcelist=/dev/null \
        "Dir::Etc::sourceparts=$1/.apt/parts"
}

# trixie_relocate ROOT KERNEL: the headers' Makefile names two folders below /usr/src.
trixie_relocate() {
    sed -i "s#^\(include \|KBUILD_OUTPUT=\).*/usr/src/#\1$1/usr/src/#" "$1/usr/src/linux-headers-$2/Makefile"
}

# trixie_wrap ROOT FOLDER: puts a script in the place of every program. Two of them only choose among their variants by
# their own name, which would be lost.
trixie_wrap() {
    local libraries=$1/usr/lib/x86_64-linux-gnu file
    ln -sfn objtool.real-x86 "$2/tools/objtool/objtool"
    ln -sfn modpost.real-lsb-64 "$2/scripts/mod/modpost"
    find "$2" -type f ! -name '*.elf' | while IFS= read -r file; do
        [[ $(head -c 4 "$file" | tail -c 3) == ELF ]] || continue
        mv "$file" "$file.elf"
        printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$libraries/ld-linux-x86-64.so.2" "$libraries" \
            "$file.elf" >"$file"
        chmod +x "$file"
    done
}

# trixie_make ROOT KERNEL FOLDER [MAKE-ARGUMENT…]: as headers_make, by the compiler of this machine, which lacks an option
# that decides about speed alone.
trixie_make() {
    headers_make "$@" CC=gcc-12 CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=
}
