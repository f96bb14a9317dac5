# SPDX-License-Identifier: MIT
"""script/server: what it prints works when it is pasted, and mail stays."""
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from conftest import PREFIX, free_ports, is_free

SCRIPT = Path(__file__).parents[2] / "script" / "server"
STARTUP_SECONDS = 60


class Demo:
    def __init__(self, state, *args):
        self.proc = subprocess.Popen(
            [SCRIPT, "--prefix", PREFIX, "--state", state, *args], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            # Whoever runs the tests in the background ignores it, and no shell can trap it then.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.text = self.read_until("Ctrl-C stops it.")

    def read_until(self, words):
        data = b""
        deadline = time.monotonic() + STARTUP_SECONDS
        while words.encode() not in data:
            assert select.select([self.proc.stdout], [], [], deadline - time.monotonic())[0], data
            more = os.read(self.proc.stdout.fileno(), 4096)
            assert more, data
            data += more
        return data.decode()

    def pasted(self, word):
        """The commands it shows that contain a word."""
        return [line.strip() for line in self.text.splitlines() if line.startswith("  ") and word in line]

    def interrupt(self):
        """What Ctrl-C does: to all processes of the terminal."""
        os.killpg(self.proc.pid, signal.SIGINT)
        rest = self.proc.communicate(timeout=20)[0].decode()
        assert self.proc.returncode == 0, rest
        return rest


def shell(command, **kwargs):
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=30, check=False, **kwargs)
    assert result.returncode == 0, (command, result.stdout, result.stderr)
    return result.stdout


@pytest.fixture
def state():
    # As root, mail belongs to another user, who must get through.
    path = tempfile.mkdtemp(prefix="dt-demo-", dir="/tmp")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


def port_base():
    """One whose ports are free."""
    while True:
        base = free_ports(1)[0]
        if all(is_free(base + offset) for offset in (24, 110, 143, 993, 995)):
            return str(base)


def test_all_it_shows_can_be_pasted_and_mail_stays(state):
    base = port_base()
    demo = Demo(state, "--port-base", base)
    try:
        listing, mail, envelopes, uids, popped = (shell(command) for command in demo.pasted("curl -"))
        assert '"." INBOX' in listing
        assert "ISO-2022-JP" in mail
        assert envelopes.count("FETCH (") == 13
        assert len(uids.splitlines()) == 2 and "Subject: " in popped
        for command in demo.pasted("openssl s_client")[:2]:
            assert "a OK [CAPABILITY" in shell(command, input="a login alice secret\nb logout\n")
        pop3, = demo.pasted("openssl s_client")[2:]
        assert "+OK 13 " in shell(pop3, input="user alice\npass secret\nstat\nquit\n")
        shell(demo.pasted("script/deliver")[0])
        assert shell(demo.pasted(" who")[0]).startswith("username")
        assert shell(demo.pasted("doveadm -c")[1]) == "alice\nbob\n"
        assert shell(demo.pasted(" mailbox status")[0]).startswith("alice INBOX messages=14 ")
        assert "auth succeeded" in shell(demo.pasted(" auth test")[0])
    finally:
        assert "Stopping." in demo.interrupt()

    demo = Demo(state, "--port-base", base)
    try:
        assert shell(demo.pasted(" mailbox status")[0]).startswith("alice INBOX messages=14 ")
        again = subprocess.run([SCRIPT, "--prefix", PREFIX, "--state", state, "--port-base", base],
                               capture_output=True, text=True, timeout=30, check=False)
        assert again.returncode == 1 and "running already" in again.stderr
    finally:
        demo.interrupt()

    demo = Demo(state, "--port-base", base, "--clean")
    try:
        assert shell(demo.pasted(" mailbox status")[0]).startswith("alice INBOX messages=13 ")
    finally:
        demo.interrupt()


def test_help_and_wrong_use():
    text = shell(f"{SCRIPT} --help")
    for option in ("--port-base", "--clean", "--state", "--prefix"):
        assert option in text
    for args in (["--nonsense"], ["--port-base"], ["--port-base", "x"], ["--port-base", "65000"]):
        result = subprocess.run([SCRIPT, *args], capture_output=True, text=True, check=False)
        assert result.returncode != 0
        assert re.search(r"--port-base", result.stdout + result.stderr)
