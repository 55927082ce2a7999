# 64-bit ARM kernel headers and a cross compiler from Debian's packages, unpacked into a folder like those of headers.sh.
#
# To be sourced after headers.sh. apt is asked about the other architecture with lists of its own, so the system's
# apt does not learn of it.
# shellcheck shell=bash

# arm64_fetch ROOT KERNEL
arm64_fetch() {
    local root=$1 kernel=$2 package
    for package in binutils cpp-12 gcc-12; do
        headers_unpack "$root" "$package-aarch64-linux-gnu"
    done
    if [[ ! -e $root/.unpacked/linux-headers-$kernel ]]; then
        arm64_apt_update "$root"
        mapfile -t options < <(arm64_apt_options "$root")
        headers_unpack "$root" "linux-headers-$kernel" "${options[@]}"
    fi
    headers_relocate "$root" "$kernel"
}

arm64_apt_update() {
    mkdir -p "$1"/.apt/{lists,cache/archives}/partial
    mapfile -t options < <(arm64_apt_options "$1")
    apt-get -q "${options[@]}" -o APT::Sandbox::User=root update >/dev/null
}

arm64_apt_options() {
    printf -- '-o\n%s\n' APT::Architecture=arm64 APT::Architectures=arm64 "Dir::State::lists=$1/.apt/lists" \
        "Dir::Cache=$1/.apt/cache"
}

# arm64_env ROOT COMMAND…: runs a command that finds the cross compiler.
arm64_env() {
    local PATH="$1/usr/bin:$PATH" LD_LIBRARY_PATH="$1/usr/lib/x86_64-linux-gnu"
    export PATH LD_LIBRARY_PATH
    "${@:2}"
}

# arm64_make ROOT KERNEL FOLDER [MAKE-ARGUMENT…]: as headers_make.
arm64_make() {
    arm64_env "$1" headers_make "$@" DEB_BUILD_ARCH=amd64 DEB_HOST_ARCH=arm64 DEB_HOST_GNU_TYPE=aarch64-linux-gnu
}
