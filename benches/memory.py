#!/usr/bin/env python3
"""Runs a command and prints how many KiB of memory it and all its descendants held at most, all at once: the sum of their
PSS (what several of them share is counted once), looked at every 5 ms. Its own output goes to stderr.

Tools that start themselves again for parts of their work (buildah unpacks and packs layers that way) are not told in full by
the largest of their processes."""

import pathlib
import subprocess
import sys
import time

PROC = pathlib.Path("/proc")


def main(command):
    child = subprocess.Popen(command, stdout=sys.stderr)
    peak = 0
    while child.poll() is None:
        peak = max(peak, sum(map(proportional_set, family(child.pid))))
        time.sleep(0.005)
    print(peak)
    sys.exit(child.returncode)


def family(pid):
    """The process and its descendants that are still there."""
    found = [pid]
    for member in found:
        for children in PROC.glob(f"{member}/task/*/children"):
            found.extend(map(int, read(children).split()))
    return found


def proportional_set(pid):
    for line in read(PROC / str(pid) / "smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def read(path):
    try:
        return path.read_text()
    except OSError:  # it has ended meanwhile
        return ""


if __name__ == "__main__":
    main(sys.argv[1:])
