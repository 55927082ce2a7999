# Which kernels Debian's archive has now: it drops old ones, and what was unpacked before stays usable.
#
# To be sourced after headers.sh, arm64.sh, trixie.sh and own.sh.
# shellcheck shell=bash

# archive_stand_in ROOT KERNEL: the kernel itself, if it is unpacked already or can be had; else the next newer one of
# its line and flavour, else the newest.
archive_stand_in() {
    local names next package
    for package in "linux-image-$2" "linux-image-$2-unsigned" "linux-binary-$2" "own-$2"; do
        [[ ! -e $1/.unpacked/$package ]] || { echo "$2" && return; }
    done
    names=$(archive_names "$1" "$2")
    if [[ -z $names ]]; then
        echo "apt knows no kernel of $2's line: run apt-get update; or name other kernels with --kernel" >&2
        return 1
    fi
    next=$(sort -V <<<"$names"$'\n'"$2" | uniq | grep -xF -A 1 "$2" | tail -n 1)
    if grep -qxF "$2" <<<"$names"; then
        next=$2
    elif [[ $next == "$2" ]]; then
        next=$(sort -V <<<"$names" | tail -n 1)
    fi
    [[ $next == "$2" ]] || echo "$2 is gone from Debian's archive: $next takes its place" >&2
    echo "$next"
}

# archive_names ROOT KERNEL: all kernels of its line (6.1.0-, 6.12., 7.) and flavour.
archive_names() {
    case $2 in
    *-arm64)
        archive_arm64_update "$1"
        mapfile -t options < <(arm64_apt_options "$1")
        apt-cache "${options[@]}" pkgnames linux-image- | sed -n 's/^linux-image-\(.*\)-unsigned$/\1/p'
        ;;
    *+deb13-*)
        trixie_apt_update "$1"
        mapfile -t options < <(trixie_apt_options "$1")
        apt-cache "${options[@]}" pkgnames linux-binary- | sed -n 's/^linux-binary-//p'
        ;;
    *-own-*) own_names "$1" "${2##*-own-}" ;;
    *) apt-cache pkgnames linux-image- | sed -n 's/^linux-image-//p' ;;
    esac | grep -E "$(archive_line "$2")" || true
}

# archive_arm64_update ROOT: fetches that architecture's lists of packages, once a day.
archive_arm64_update() {
    local mark=$1/.apt/arm64-updated
    [[ -n $(find "$mark" -mtime -1 2>/dev/null) ]] && return
    arm64_apt_update "$1"
    touch "$mark"
}

# archive_line KERNEL: an expression that the names of its line match. Backports go on to newer series.
archive_line() {
    case $1 in
    *+deb*) sed -E 's/^([0-9]+)\..*\+(deb.*)$/^\1[.][0-9.]+.\2$/' <<<"$1" ;;
    *-own-*) sed -E 's/^([0-9]+)\..*-own-(.*)$/^\1[.][0-9.]+-own-\2$/' <<<"$1" ;;
    *) sed -E 's/^([0-9.]+)-[0-9]+-(.*)$/^\1-[0-9]+-\2$/' <<<"$1" ;;
    esac
}
