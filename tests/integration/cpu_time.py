# SPDX-License-Identifier: MIT
"""The CPU that a server took: what the kernel's scheduler gave to all its processes (/proc/PID/schedstat)."""
import time
from pathlib import Path


def cpu_ns(server):
    total = 0
    for pid in [server.proc.pid, *server.pids()]:
        try:
            total += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        except OSError:
            continue
    return total


def settled(server):
    """CPU so far, when the server has gone quiet."""
    last = cpu_ns(server)
    for _ in range(100):
        time.sleep(0.02)
        now = cpu_ns(server)
        if now - last < 200_000:
            return now
        last = now
    return last
