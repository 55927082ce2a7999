# Real kernel headers from Debian's packages, unpacked into a folder; the system is not touched.
#
# To be sourced by bash scripts. Needs apt-get, dpkg, sed. `headers_fetch` leaves a usable build folder
# at ROOT/usr/src/linux-headers-KERNEL, which `headers_make` compiles modules against.
# shellcheck shell=bash

# The kernels that are wanted, oldest first. Debian drops old packages at point releases: where one is gone, the
# oldest or newest that apt still has of its line takes its place.
headers_wanted() {
    headers_first 6.1.0-47-cloud-amd64 '6\.1\.' head
    headers_first 6.1.0-50-cloud-amd64 '6\.1\.' tail
    headers_first 6.12.107+deb12-cloud-amd64 '6\.12\.' tail
}

# headers_first KERNEL LINE head|tail
headers_first() {
    local names
    names=$(apt-cache pkgnames linux-headers- | grep -E "^linux-headers-$2.*-cloud-amd64$" | sed 's/^linux-headers-//')
    if grep -qxF "$1" <<<"$names"; then
        echo "$1"
    elif [[ -n $names ]]; then
        sort -V <<<"$names" | "$3" -n 1
    else
        echo "apt knows no kernel headers of $1's line: run apt-get update" >&2
        return 1
    fi
}

# headers_fetch ROOT KERNEL: headers, the common part and kbuild of one kernel.
headers_fetch() {
    local root=$1 kernel=$2 package
    [[ -e $root/.unpacked/all-of-$kernel ]] && return
    headers_unpack "$root" "linux-headers-$kernel"
    for package in $(headers_needs "linux-headers-$kernel"); do
        headers_unpack "$root" "$package"
    done
    headers_relocate "$root" "$kernel"
    touch "$root/.unpacked/all-of-$kernel"
}

# headers_image_fetch ROOT KERNEL: the kernel itself and its in-tree modules, signed by Debian, with depmod's indexes.
headers_image_fetch() {
    headers_unpack "$1" "linux-image-$2"
    [[ -e $1/lib/modules/$2/modules.dep.bin ]] || depmod -b "$1" "$2"
}

headers_needs() {
    apt-cache show --no-all-versions "$1" | sed -n 's/^Depends: //p' | tr ',' '\n' |
        grep -oE 'linux-(headers-[^ ]+-common(-rt)?|kbuild-[^ ]+)' | sort -u
}

# headers_unpack ROOT PACKAGE [APT-OPTION…]: downloads and unpacks one package, once.
headers_unpack() {
    local root=$1 package=$2
    shift 2
    local mark="$root/.unpacked/${package%%:*}"
    [[ -e $mark ]] && return
    echo "fetching $package" >&2
    mkdir -p "$root/.unpacked" "$root/.deb"
    (cd "$root/.deb" && rm -f -- *.deb && apt-get -q -o APT::Sandbox::User=root "$@" download "$package" >/dev/null)
    dpkg -x "$root"/.deb/*.deb "$root"
    rm -rf "$root/.deb"
    touch "$mark"
}

# The packages expect to lie under /usr/src: the one absolute path in them is made ours.
headers_relocate() {
    local makefile="$1/usr/src/linux-headers-$2/Makefile"
    sed -i "s#^include .*/usr/src/#include $1/usr/src/#" "$makefile"
}

# headers_make ROOT KERNEL FOLDER [MAKE-ARGUMENT…]: compiles the modules of FOLDER. -g0 keeps the paths of
# this machine out of the build id, so that the same sources always give the same bytes. Type information (BTF) is left
# out: it would need pahole, and nothing that decides about loading depends on it.
headers_make() {
    local root=$1 kernel=$2 folder=$3
    shift 3
    make -s -C "$root/usr/src/linux-headers-$kernel" M="$folder" KCFLAGS=-g0 CONFIG_DEBUG_INFO_BTF_MODULES= \
        "$@" modules
}

# headers_build_folder ROOT KERNEL
headers_build_folder() { echo "$1/usr/src/linux-headers-$2"; }

# headers_kbuild ROOT KERNEL: the folder of kbuild's own programs (sign-file …).
headers_kbuild() { readlink -f "$1/usr/src/linux-headers-$2/scripts"; }
