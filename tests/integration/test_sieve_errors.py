# SPDX-License-Identifier: MIT
"""Scripts that are wrong (sieve_errors.txt), and more that are made of them:
sievec tells all errors, each with its line. Dovecot's sievec is asked the
same."""

import collections
import os
import pwd
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import PREFIX, open_up

CASES = Path(__file__).with_name("sieve_errors.txt")
THEIRS = "/usr/bin/sievec"
MADE = 120  # of several cases each
REQUIRE = "require [" + ", ".join(f'"{name}"' for name in """
    fileinto envelope encoded-character comparator-i;ascii-numeric copy body
    environment variables vacation vacation-seconds relational imap4flags
    subaddress spamtest spamtestplus virustest date index editheader reject
    ereject enotify ihave mailbox mboxmetadata servermetadata foreverypart
    mime extracttext replace enclose include duplicate special-use
    """.split()) + "];\n"
# Dovecot 2.3 has none of these; scripts with them are not compared.
OURS_ONLY = ["replace", "enclose", "ereject", "spamtestplus"]
Case = collections.namedtuple("Case", "name phase same lines text")


def cases():
    out = []
    for part in CASES.read_text().split("\n== ")[1:]:
        head, text = part.split("\n", 1)
        phase, rest = head.split(" ", 1)
        name, lines = rest.rsplit(" @ ", 1)
        out.append(Case(name, phase[0], "~" not in phase,
                        [int(n) for n in lines.split()],
                        text.rstrip("\n") + "\n"))
    return out


def scripts():
    """(case, what it says, lines of its errors)"""
    known = cases()
    out = []
    for case in known:
        front = "" if case.phase == "P" else REQUIRE
        out.append((case, front + case.text,
                    [n + (front != "") for n in case.lines]))
    rng = random.Random(4)
    # What asks what comes before it would see its neighbour.
    alone = [c for c in known if c.phase == "V" and "else" not in c.name
             and "elsif" not in c.name and "nknown" not in c.name
             and "frob" not in c.text and "require" not in c.name]
    for number in range(MADE):
        text, lines, same = REQUIRE, [], True
        for case in rng.sample(alone, rng.randrange(3, 9)):
            start = text.count("\n")
            text += case.text
            lines += [start + n for n in case.lines]
            same &= case.same
            text += rng.choice(["", "\n", "# good\n", "keep;\n",
                                "if true {\n\tkeep;\n}\n"])
        out.append((Case(f"made {number}", "V", same, [], ""), text, lines))
    return out


def theirs(text):
    """The same for Dovecot, or None."""
    for name in OURS_ONLY:
        text = text.replace(f', "{name}"', "", 1)
    return None if any(name in text for name in OURS_ONLY) else text


def compile_all(program, path):
    """A script, or all in a folder."""
    config = (path if path.is_dir() else path.parent) / "dovecot.conf"
    done = subprocess.run([program, "-c", config, path], text=True,
                          capture_output=True, timeout=300)
    assert "Sanitizer" not in done.stderr, done.stderr
    found = collections.defaultdict(list)
    for line in done.stderr.splitlines():
        match = re.match(r"(?:sievec: )?(?:Error: )?(b\d+): line (\d+)"
                         r"(?:, column \d+)?: error: (.*)", line)
        if match:
            found[match[1]].append((int(match[2]), match[3]))
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    name = pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        name = "mail"  # Dovecot's drops to it
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
plugin {{
  sieve_extensions = +editheader +spamtest +spamtestplus +virustest \\
    +vacation-seconds +mboxmetadata +servermetadata +special-use
}}
""")
    for number, (_, text, _) in enumerate(scripts()):
        (folder / f"b{number:03}.sieve").write_text(text)
    return folder


def test_enough():
    assert len(scripts()) >= 300


def test_all_errors_by_line(place):
    found = compile_all(os.path.join(PREFIX, "bin", "sievec"), place)
    wrong = []
    for number, (case, text, lines) in enumerate(scripts()):
        errors = found[f"b{number:03}"]
        if [n for n, _ in errors] != lines:
            wrong.append(f"{case.name}: {lines} wanted\n{text}{errors}")
    assert not wrong, "\n\n".join(wrong[:10]) + f"\n{len(wrong)} in all"


@pytest.mark.skipif(not os.access(THEIRS, os.X_OK),
                    reason="Dovecot's sievec is not installed")
def test_dovecot_has_the_same(place):
    """It stops at the first bad one of a folder: one at a time."""
    wrong = []
    for number, (case, text, lines) in enumerate(scripts()):
        if not case.text or not case.same or theirs(text) is None:
            continue
        path = place / f"b{number:03}.sieve"
        path.write_text(theirs(text))
        errors = compile_all(THEIRS, path)[path.stem]
        if [n for n, _ in errors] != lines:
            wrong.append(f"{case.name}: {lines} wanted\n{text}{errors}")
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("program", ["sievec", "sieve-test"])
def test_what_is_seldom_needed_is_not_loaded(program):
    """Its start is most of what a short script takes."""
    done = subprocess.run([os.path.join(PREFIX, "bin", program)],
                          env={"LD_TRACE_LOADED_OBJECTS": "1"},
                          capture_output=True, text=True, timeout=60)
    assert "libtalloc" in done.stdout
    if "libasan" in done.stdout:
        pytest.skip("with sanitizers, all is loaded")
    for name in "libicu", "libical", "libcrypto", "libssl", "liblmdb":
        assert name not in done.stdout
