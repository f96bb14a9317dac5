# SPDX-License-Identifier: MIT
"""What other programs do to mailboxes in mbox files, with both kinds of locks, in the usual order."""
import contextlib
import fcntl
import os
import time


def make_lock(lock):
    deadline = time.monotonic() + 20
    while True:
        try:
            return os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            assert time.monotonic() < deadline
            time.sleep(0.002)


@contextlib.contextmanager
def locked(path):
    """The file, for reading and writing."""
    with open(path, 'r+b') as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        make_lock(f'{path}.lock')
        try:
            yield file
            file.flush()
        finally:
            os.unlink(f'{path}.lock')


def drop_mail(path, text):
    body = text.replace(b'\r\n', b'\n').replace(b'\nFrom ', b'\n>From ')
    open(path, 'ab').close()
    with locked(path) as file:
        file.seek(0, os.SEEK_END)
        file.write(b'From out@x.example  Sat Nov 28 20:15:24 2026\n' + body + b'\n')
