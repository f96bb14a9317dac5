# SPDX-License-Identifier: MIT
"""Programs that want a terminal: mutt hangs where script(1) finds none of its own."""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time


def run_in_terminal(command, timeout=40, **kwargs):
    """Run it in a terminal of 24 lines and 80 columns; what it showed. Killed when the time is over."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
    done = subprocess.Popen([*map(str, command)], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **kwargs)
    os.close(slave)
    shown, deadline = b'', time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not select.select([master], [], [], 0.1)[0]:
            if done.poll() is not None:
                break
            continue
        try:
            data = os.read(master, 65536)
        except OSError:  # nobody has the other side open any more
            break
        if not data:
            break
        shown += data
    if done.poll() is None and time.monotonic() >= deadline:
        done.send_signal(signal.SIGKILL)
    os.close(master)
    done.wait()
    return shown
