#!/usr/bin/env python3
"""What wrk measured of webhooks, side by side. usage: webhook.py FOLDER, as benches/webhook leaves it."""

import os
import re
import sys
from pathlib import Path

UNITS = {"us": 1e-3, "ms": 1, "s": 1e3}


def latency(text, share):
    """A percentile, in milliseconds."""
    number, unit = re.search(rf"^\s*{share}%\s+([0-9.]+)(us|ms|s)$", text, re.M).groups()
    return float(number) * UNITS[unit]


def run(folder, name, connections):
    text = (folder / f"{name}.{connections}").read_text()
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    ticks = int((folder / f"{name}.{connections}.cpu").read_text())
    return {
        "requests/s": float(re.search(r"Requests/sec:\s+([0-9.]+)", text).group(1)),
        "p50 ms": latency(text, 50),
        "p99 ms": latency(text, 99),
        "CPU µs a request": ticks / int(os.environ["HZ"]) / requests * 1e6,
    }


def main():
    folder = Path(sys.argv[1])
    print(f"{'connections':>11}  {'':17}{'floor':>10}{'peer':>10}{'ours':>10}{'ours/peer':>11}")
    for connections in ("1", "1.awake", "64"):
        floor, peer, ours = (run(folder, name, connections) for name in ("floor", "peer", "ours"))
        for what in peer:
            share = ours[what] / peer[what]
            print(f"{connections.replace('.', ' '):>11}  {what:17}{floor[what]:10.2f}{peer[what]:10.2f}{ours[what]:10.2f}{share:11.2f}")


main()
