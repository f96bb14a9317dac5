# SPDX-License-Identifier: MIT
"""Random scripts and messages through Debian's sieve-test and ours: the same
actions come of them. DT_SIEVE_ROUNDS sets how many, DT_SIEVE_SEED where they
start."""

import os
import pwd
import random
import shutil
import subprocess

import pytest

import sieve_scripts
from conftest import PREFIX, open_up

ROUNDS = int(os.environ.get("DT_SIEVE_ROUNDS", "60"))
SEED = int(os.environ.get("DT_SIEVE_SEED", "1"))
THEIRS = "/usr/bin/sieve-test"
OURS = os.path.join(PREFIX, "bin", "sieve-test")


@pytest.fixture
def place(tmp_path_factory):
    """A folder and a configuration that Dovecot's sieve-test accepts, which
    drops to the mail user."""
    folder = tmp_path_factory.mktemp("sieve")
    name = pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        name = "mail"
        open_up(folder)
        shutil.chown(folder, name)
    (folder / "dovecot.conf").write_text(f"""
base_dir = {folder}/run
mail_uid = {name}
mail_gid = {name}
mail_home = {folder}
mail_location = maildir:{folder}/Maildir
first_valid_uid = 1
log_path = /dev/stderr
""")
    return folder


def run(program, config, script, message):
    done = subprocess.run(
        [program, "-C", "-c", config, "-f", "sender@example.com",
         "-r", "user+detail@example.org", "-a", "user+detail@example.org",
         script, message],
        capture_output=True, timeout=60)
    return done.returncode, done.stdout.decode(errors="replace"), \
        done.stderr.decode(errors="replace")


def compare(place, seed):
    rng = random.Random(seed)
    script, message = place / "t.sieve", place / "t.eml"
    script.write_text(sieve_scripts.Scripts(rng).script())
    message.write_bytes(sieve_scripts.message(rng).encode())
    for path in script, message:
        path.chmod(0o644)
    theirs_rc, theirs_out, theirs_err = run(
        THEIRS, place / "dovecot.conf", script, message)
    our_rc, our_out, our_err = run(
        OURS, place / "dovecot.conf", script, message)
    assert "Sanitizer" not in our_err, our_err
    if (theirs_rc == 0) != (our_rc == 0) or \
            sieve_scripts.normal(theirs_out) != sieve_scripts.normal(our_out):
        return (f"seed {seed}\n{script.read_text()}\n-----\n"
                f"{message.read_text()}\n----- theirs: {theirs_rc}\n"
                f"{theirs_out}{theirs_err}\n----- ours: {our_rc}\n"
                f"{our_out}{our_err}")
    return None


@pytest.mark.skipif(not os.access(THEIRS, os.X_OK),
                    reason="Dovecot's sieve-test is not installed")
def test_same_actions(place):
    found = [text for text in (compare(place, seed) for seed in range(SEED, SEED + ROUNDS)) if text]
    assert not found, f"{len(found)} of {ROUNDS} differ\n" + "\n\n".join(found[:5])
