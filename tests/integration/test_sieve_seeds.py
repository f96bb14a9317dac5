# SPDX-License-Identifier: MIT
"""What courses teach of Sieve and procmail, from the texts beside the
repository (../shared/seeds); without them these tests are left out."""

import re
import subprocess
from pathlib import Path

import pytest

import sieve_scripts
from conftest import PREFIX

SEEDS = Path(__file__).resolve().parents[2].parent / "shared" / "seeds"
COURSE = SEEDS / "004_5fc0e0f32a8b2c17.txt"
pytestmark = pytest.mark.skipif(not COURSE.exists(),
                                reason="../shared/seeds is not there")


def blocks():
    """The quoted texts of the course."""
    return re.findall(r"^```[^\n]*\n(.*?)^```", COURSE.read_text(),
                      re.M | re.S)


def actions(tmp_path, script, header, sender="a@example.com"):
    path, mail = tmp_path / "s.sieve", tmp_path / "m.eml"
    path.write_text(script)
    mail.write_text(header + "\n\nbody\n")
    done = subprocess.run(
        [Path(PREFIX) / "bin" / "sieve-test", "-C", "-f", sender,
         "-r", "me@example.com", path, mail],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [a[:2] for a in sieve_scripts.normal(done.stdout)]


@pytest.mark.parametrize("header,sender,folder", [
    ("To: dovecot@dovecot.org", "a@example.com", "Dovecot-list"),
    ("To: Dovecot <DOVECOT@dovecot.org>", "a@example.com", "Dovecot-list"),
    ("To: x@example.com", "owner-cipe-l@inka.de", "lists.cipe"),
    ("X-listname: lugog@cip.rz.fh-offenburg.de", "a@example.com",
     "ml.lugog"),
    ("List-Id: Linux User Group Offenburg <x.y>", "a@example.com",
     "ml.lugog"),
    ("Subject: none of these", "a@example.com", "INBOX"),
    ("To: dovecot@dovecot.org\nX-listname: lugog@cip.rz.fh-offenburg.de",
     "owner-cipe-l@inka.de", "Dovecot-list"),
    ("To: not-dovecot@dovecot.org", "a@example.com", "INBOX"),
])
def test_script_of_the_course(tmp_path, header, sender, folder):
    script = next(b for b in blocks() if b.startswith("require"))
    assert actions(tmp_path, script, header, sender) == [
        ("do", "store message in folder: " + folder)]
