#!/bin/busybox sh
# The first and only program of a node that lives for one batch of cases. The file system is that of KMM's worker:
# modprobe and the node's own /lib/modules. For each case it does what KMM does:
#   remove   modprobe -rv, for in-tree modules that the Module wants away
#   copy     the init container, in the module image: mkdir -p …; cp -R …
#   load     the worker: modprobe -vd …
# and says on the serial line what came of it. Lines that begin with @@ are for the host to read.
#
# An emulated processor is slow at starting programs: what the shell can do, the shell does.
export PATH=/sbin:/usr/sbin:/bin:/usr/bin
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /etc/modprobe.d
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t securityfs securityfs /sys/kernel/security 2>/dev/null
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox --install -s /bin
mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /tmp
# The folder that KMM's two containers share.
mkdir -p /run/image/tmp && mount --bind /tmp /run/image/tmp

read -r command_line </proc/cmdline
from=${command_line##*truth.from=} from=${from%% *}

# Lines of a file, each with a word before it.
tell() { while IFS= read -r line; do echo "@@$1 $line"; done <"$2"; }

# Puts the words of a file, one a line, after a command, and runs it.
with_words() {
    file=$1 && shift
    while IFS= read -r word; do set -- "$@" "$word"; done <"$file"
    "$@"
}

# What a container runtime does: one layer over the other. The lowest is unpacked once, and then linked.
unpack() {
    base=''
    while read -r layer whiteouts; do
        if [ -z "$base" ]; then
            base=/run/$layer
            [ -d "$base" ] || { mkdir "$base" && tar -xf "/layers/$layer" -C "$base"; }
            cp -al "$base/." /run/image
            continue
        fi
        [ -z "$whiteouts" ] || hide "$layer"
        tar -xf "/layers/$layer" -C /run/image
        [ -z "$whiteouts" ] || find /run/image -name '.wh.*' -exec rm -f {} +
    done <"$1"
}

# What a layer hides of those below.
hide() {
    tar -tf "/layers/$1" | grep '\(^\|/\)\.wh\.' | while IFS= read -r mark; do
        folder=/run/image/$(dirname "$mark") name=$(basename "$mark")
        case $name in
        .wh..wh..opq) rm -rf "$folder"/* "$folder"/.[!.]* ;;
        *) rm -rf "$folder/${name#.wh.}" ;;
        esac
    done
}

# The names of the loaded modules, the last one first.
loaded() {
    modules=''
    while read -r module _; do modules="$modules $module"; done </proc/modules
}

unload_all() {
    for _ in 1 2 3 4 5; do
        loaded
        [ -n "$modules" ] || return 0
        # busybox's own starts six times faster than kmod's.
        for module in $modules; do /bin/rmmod "$module" 2>/dev/null; done
    done
    loaded
    [ -z "$modules" ]
}

one() {
    unpack "$1/layers"
    while IFS= read -r module; do /sbin/modprobe "$module"; done <"$1/before"
    while IFS= read -r line; do echo "$line"; done <"$1/softdep.conf" >/etc/modprobe.d/softdep.conf
    if [ -s "$1/remove" ]; then
        with_words "$1/remove" /sbin/modprobe -rv >/run/remove 2>&1
        echo "@@removed $?"
    fi
    copy=''
    while IFS= read -r line; do copy="$copy
$line"; done <"$1/copy"
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        chroot /run/image /bin/sh -c "$copy" >/run/copy 2>&1 </dev/null
    copied=$?
    echo "@@copied $copied" && tell copy /run/copy
    if [ "$copied" = 0 ]; then
        with_words "$1/load" /sbin/modprobe >/run/load 2>&1 </dev/null
        echo "@@loaded $?" && tell load /run/load
        loaded
        for module in $modules; do echo "@@module $module"; done
    fi
    dmesg -c >/run/dmesg && tell kernel /run/dmesg
}

# Leaves nothing of an image but the shared folder, and nothing in that.
clear_away() {
    set --
    for path in /run/image/* /run/image/.[!.]*; do
        [ "$path" = /run/image/tmp ] || set -- "$@" "$path"
    done
    rm -rf "$@" /tmp/* /tmp/.[!.]*
}

dmesg -c >/dev/null
for folder in /cases/*; do
    number=${folder#/cases/}
    [ "$number" -ge "$from" ] || continue
    echo "@@case $number"
    one "$folder"
    echo "@@end $number"
    unload_all || { echo "@@dirty" && poweroff -f; }
    clear_away
done
echo "@@done"
poweroff -f
