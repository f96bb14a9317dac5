# SPDX-License-Identifier: MIT
"""doveadm's commands on mails: the same command lines (doveadm_lines.txt) by
Debian's doveadm and by ours on two copies of the same Maildir must give the
same output and exit codes."""
import os
import re
import shlex
import shutil
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import PREFIX, ROOT, as_mail_owner, mail_owner, open_up

LINES = Path(__file__).with_name("doveadm_lines.txt").read_text(encoding="utf-8")
DOVECOT = "/usr/bin/doveadm"
CONFIG = """\
base_dir = {dir}/run
state_dir = {dir}/run
mail_location = maildir:~/Maildir
log_path = /dev/stderr
first_valid_uid = 1
ssl = no
protocols = imap
namespace inbox {{
  inbox = yes
  separator = /
}}
"""

MAILS = {
    1: b"From: Alice <alice@x.example>\nTo: bob@y.example\nCc: carol@z.example\nSubject: First mail\n"
       b"Message-ID: <1@x>\nDate: Mon, 02 Mar 2020 10:11:12 +0100\nX-Thing: a\nX-Thing: b\n\n"
       b"Hello body one\nneedle\n",
    2: b"From: Bob <bob@y.example>\nTo: alice@x.example\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= an alle\n"
       b"Message-ID: <2@x>\nDate: Tue, 03 Mar 2020 23:59:59 -0500\nMIME-Version: 1.0\n"
       b"Content-Type: multipart/alternative; boundary=\"b1\"\n\n--b1\n"
       b"Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n"
       b"Gr=FC=DFe aus M=FCnchen\n--b1\nContent-Type: text/html\n\n<p>Hallo</p>\n--b1--\n",
    3: b"From: carol@z.example\nBcc: dave@w.example\nSubject: third\n with folded\nMessage-ID: <1@x>\n\n"
       b"body three\n" + b"x" * 70 + b"\n",
    4: b"From: x@y\nDate: Fri, 01 Jan 2021 00:00:00 +0000\nSubject: big\nMessage-ID: <4@x>\n\n"
       + b"".join(b"line %d of the large mail\n" % i for i in range(100)),
    5: b"From: r@y\nDate: rubbish\nSubject: attached\nMIME-Version: 1.0\n"
       b"Content-Type: multipart/mixed; boundary=mm\n\npre\n--mm\nContent-Type: text/plain\n\ntext part\n"
       b"--mm\nContent-Type: message/rfc822\n\nFrom: inner@x\nSubject: inner\n\ninner body\n--mm\n"
       b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n"
       b"Content-Disposition: attachment; filename=a.bin\n\nAAECAwQ=\n--mm--\n",
    6: b"Subject: no from\n\n",
    7: b"Received: from a (b [1.2.3.4])\r\n\tby c with ESMTP id 1;\r\n\tMon, 2 Mar 2020 10:11:12 +0100\r\n"
       b"From: =?iso-8859-1?q?J=F6rg?= <j@x>, =?utf-8?b?w4RubmE=?= <anna@y>\r\n"
       b"To: grp: a@b, c@d;, \"Q, N\" <q@n>\r\nSubject: x\r\nContent-Type: text/plain;\r\n"
       b" charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\nR3L832UKenfpaQo=\r\n",
    8: b"Received: from a\r\nFrom: =?iso-8859-1?q?J=F6rg?= <j@x>\r\nMessage-ID: <8@x>\r\nSubject: crlf\r\n"
       b"Content-Type: text/plain; charset=koi8-r\r\n\r\n\xcf\xd4 one\r\ntwo\r\n",
}
# Mail, flags, time, whether it is new.
BOXES = {
    "": [(1, "S", 1583140000, 0), (2, "FSa", 1583290000, 0), (3, "", 1583390000, 0),
         (4, "RST", 1609459200, 0), (5, "Dab", 1620000000, 0), (6, "", 1630000000, 1),
         (7, "FRSTDa", 1640000000, 0), (8, "F", 1640000001, 0)],
    ".Work": [(1, "S", 1583140000, 0), (3, "", 1583390000, 0), (3, "", 1583390001, 0)],
    ".Work.Sub": [(4, "", 1609459200, 0)],
    ".Trash": [(2, "T", 1609459200, 0), (6, "", 1630000000, 0)],
    ".Entw&APw-rfe": [],
}
# UIDLs and places of POP3 that the uidlist keeps.
POP3 = {(1, 1): "Pa-uidl ", (2, 2): "Panother O17 ", (3, 3): "P "}


def write_box(path, mails, validity):
    for sub in ("cur", "new", "tmp"):
        (path / sub).mkdir(parents=True)
    uidlist = f"3 V{validity} N{len(mails) + 1} G{validity:032x}\n"
    for uid, (number, flags, when, new) in enumerate(mails, 1):
        text = MAILS[number]
        virtual = len(text) + len(re.findall(rb"(?<!\r)\n", text))
        base = f"{when}.M{uid}P1.host,S={len(text)},W={virtual}"
        file = path / ("new" if new else "cur") / (base if new else f"{base}:2,{flags}")
        file.write_bytes(text)
        os.utime(file, (when, when))
        uidlist += f"{uid} {POP3.get((number, uid), '')}:{base}\n"
    (path / "dovecot-uidlist").write_text(uidlist, encoding="utf-8")


class Home:
    """A user's mail with one of the two programs."""

    def __init__(self, path, program):
        self.path, self.program = path, program
        self.reset()

    def reset(self):
        """All as it was."""
        shutil.rmtree(self.path, ignore_errors=True)
        root = self.path / "Maildir"
        for i, (name, mails) in enumerate(BOXES.items(), 1):
            write_box(root / name, mails, 1000000000 + i)
            if name:
                (root / name / "maildirfolder").touch()
        (root / "dovecot-keywords").write_text("0 $Forwarded\n1 work\n", encoding="utf-8")
        (root / "subscriptions").write_text("V\t2\n\nWork\nTrash\n", encoding="utf-8")
        (self.path / "conf").write_text(CONFIG.format(dir=self.path), encoding="utf-8")
        other = self.path / "other"
        write_box(other, BOXES[".Work"][:2], 1000000101)
        write_box(other / ".Old", [(3, "a", 1583140000, 0)], 1000000102)
        write_box(other / ".Old.Er", [(4, "", 1583140000, 0)], 1000000103)
        (other / ".Old" / "dovecot-keywords").write_text("0 kw\n", encoding="utf-8")
        if ROOT:
            for at in [self.path, *self.path.rglob("*")]:
                os.chown(at, *mail_owner())

    def run(self, *args, stdin=None, env=None):
        """Exit code, output and errors of one run, as the user."""
        done = subprocess.run(
            [self.program, "-c", str(self.path / "conf"), *map(str, args)], capture_output=True, check=False,
            input=stdin, timeout=60, cwd="/", **as_mail_owner(),
            env={"PATH": "/usr/bin:/bin", "USER": "alice", "HOME": str(self.path), "TZ": "UTC", **(env or {}),
                 **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}})
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def seen(self, line, **kwargs):
        """What must be the same for both."""
        status, out, errors = self.run(*shlex.split(line.replace("HOME", str(self.path))), **kwargs)
        return status, tidy(out.replace(str(self.path), "HOME")), tidy(errors.replace(str(self.path), "HOME"))


def tidy(text):
    """Without what differs for a reason: mailboxes come in another order; we have -F in usages and no
    name before Fatal."""
    text = text.replace("|-F <file>", "").replace("doveadm(alice): Fatal", "Fatal")
    if re.fullmatch(r"([0-9a-f]{32} \d+\n)*", text):
        text = "".join(sorted(text.splitlines(True)))
    return text


@pytest.fixture
def homes(tmp_path):
    """Debian's, then ours."""
    if not os.path.exists(DOVECOT):
        pytest.skip("needs Debian's doveadm")
    open_up(tmp_path)
    return Home(tmp_path / "dovecot", DOVECOT), Home(tmp_path / "dovetail", f"{PREFIX}/bin/doveadm")


def section(name):
    """The lines below [name] in the table."""
    found = re.search(rf"^\[{name}\]\n(.*?)(?=^\[|\Z)", LINES, re.M | re.S)
    return [line for line in found[1].splitlines() if line and not line.startswith("#")]


def different(homes, line):
    theirs, ours = (home.seen(line) for home in homes)
    return None if theirs == ours else f"{line}\n  dovecot:  {theirs}\n  dovetail: {ours}"


def test_reading_commands_do_the_same(homes):
    lines = section("read")
    assert len(lines) > 200
    for home in homes:  # make the indexes once
        home.run("search", "all")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [text for text in pool.map(lambda line: different(homes, line), lines) if text]
    assert not found, "\n".join(found)


def test_changing_commands_do_the_same(homes):
    lines = section("change")
    assert len(lines) > 100
    for line in lines:
        stdin = b"Subject: saved\n\nhello\n" if line.startswith("save") else None
        theirs, ours = (home.seen(line, stdin=stdin) for home in homes)
        assert theirs == ours, line


def test_an_expunge_may_delete_the_mailbox(homes):
    """As documented; Debian's leaves it."""
    home = homes[1]
    assert home.run("expunge", "-d", "mailbox", "Work/Sub", "uid", "99")[0] == 0
    assert home.run("mailbox", "list", "Work/Sub")[1] == "Work/Sub\n"
    assert home.run("expunge", "-d", "mailbox", "Work/Sub", "all")[0] == 0
    assert home.run("mailbox", "list", "Work/Sub")[1] == ""


def test_a_mailbox_that_was_empty_goes_too(homes):
    for home in homes:
        assert home.run("expunge", "mailbox", "Entwürfe", "all")[0] == 0
        assert home.run("mailbox", "list", "Entwürfe")[1] == "Entwürfe\n"
        assert home.run("expunge", "-d", "mailbox", "Entwürfe", "seen") == (0, "", "")
        assert home.run("mailbox", "list", "*")[1].count("Entwürfe") == 0
    # INBOX stays, without a word.
    assert homes[1].run("expunge", "mailbox", "INBOX", "all")[0] == 0
    assert homes[1].run("expunge", "-d", "mailbox", "INBOX", "seen") == (0, "", "")
    assert homes[1].run("mailbox", "list", "INBOX")[1] == "INBOX\n"


def test_what_is_not_there_is_not_made(homes):
    home = homes[1]
    status, _, errors = home.run("import", f"maildir:{home.path}/nowhere", "Imp", "all")
    assert status == 75 and "No such file or directory" in errors
    assert not (home.path / "nowhere").exists()
    status, _, errors = home.run("import", "foo", "Imp", "all")
    assert status == 75 and errors.startswith("doveadm(alice): Error: Import namespace initialization failed: ")
    status, _, errors = home.run("save", "/nonexistent")
    assert status == 75 and "No such file or directory" in errors
    assert home.run("search", "-S", "/run/doveadm", "all")[0] == 75
    assert home.run("index", "-q", "INBOX")[0] == 75


def test_a_keyword_that_cannot_be_is_refused(homes):
    for home in homes:
        status, _, errors = home.run("flags", "add", "(a)", "mailbox", "INBOX", "all")
        assert status == 65 and errors.startswith("doveadm(alice): Error: Invalid keywords: ")


def test_dump_shows_index_and_control_files(homes):
    home = homes[1]
    home.run("search", "all")
    home.run("expunge", "mailbox", "INBOX", "uid", "3")
    status, out, errors = home.run("dump", f"{home.path}/Maildir")
    assert (status, errors) == (0, "")
    assert "-- INDEX: " in out and "-- UIDLIST: " in out and "-- KEYWORDS: " in out
    assert re.search(r"^trusted += yes$", out, re.M)
    assert re.findall(r"^-- MAILBOX: (.*)$", out, re.M) == ["Entwürfe", "INBOX", "Trash", "Work", "Work/Sub"]
    inbox = home.run("dump", f"{home.path}/Maildir/dovetail.index", "INBOX")[1]
    assert re.findall(r"^-- MAILBOX: (.*)$", inbox, re.M) == ["INBOX"]
    records = re.search(r"^-- RECORDS: (\d+)\n(.*?)\n\n", inbox, re.M | re.S)
    assert records[1] == "7" and re.findall(r"^uid=(\d+) ", records[2], re.M) == list("1245678")
    assert re.search(r"^uid=2 .*flags=\(\\Seen \\Flagged \$Forwarded\)", inbox, re.M)
    assert re.search(r"^-- EXPUNGES\nmodseq=\d+ uids=3$", inbox, re.M)
    assert re.search(r"^keyword 1 += work$", inbox, re.M)
    assert re.search(r"^uids += 1:2,4:8$", inbox, re.M)
    assert home.run("dump", "-t", "index", "/nonexistent")[0] == 75
    assert home.run("dump", "-t", "nosuch", "/nonexistent")[0] == 64


def test_dump_shows_the_other_files(homes):
    home = homes[1]
    root = home.path / "Maildir"
    home.run("mailbox", "list")
    (root / "subscriptions").write_text("V\t2\n\nWork\tSub\nTra\x1b\x01tsh\n", encoding="utf-8")
    (root / "dovecot-uidvalidity").write_text("0000000b", encoding="utf-8")
    (root / "dovetail.names").write_text("V\t1\n0123\tA/B\n", encoding="utf-8")
    (root / "dovecot-attributes").write_text("priv/0123/comment\na\x01nb\n", encoding="utf-8")
    head = b"DTMBOXJ2" + struct.pack("<IIIxxxxQQQQ", 4, 1, 2, 3, 4, 5, 6) + bytes(range(16))
    (root / "dovetail-mbox-journal").write_bytes(head.ljust(512, b"\0"))
    (root / ".dovetail.lda-dupes").write_bytes(b"DTDUPES1" + bytes(range(16)) + struct.pack("<Q", 1234) + b"half")
    out = home.run("dump", root)[1]
    for text in ["-- SUBSCRIPTIONS: ", "version=2\nname=Work/Sub\nname=Tra??sh\n", "uidvalidity=11 line=1\n",
                 "guid=0123 name=A/B\n", "key=priv/0123/comment value=a?b\n",
                 "kind=patch context=1 probe=2 start=3 len=4 from=5 old_size=6 md5=000102030405060708090a0b0c0d0e0f\n",
                 "id=000102030405060708090a0b0c0d0e0f until=1234\n"]:
        assert text in out
    (root / "dovetail-mbox-journal").write_bytes(bytes(512))
    assert home.run("dump", root / "dovetail-mbox-journal")[1].endswith("\nkind=none\n")
    assert home.run("dump", "-t", "lda-dupes", root / "subscriptions")[0] == 75


def test_dump_leaves_a_damaged_index_as_it_is(homes):
    home = homes[1]
    home.run("search", "all")
    data = home.path / "Maildir" / "dovetail.index" / "data.mdb"
    text = data.read_bytes()
    data.write_bytes(text[:8192] + b"\xff" * (len(text) - 8192))
    before = sorted(os.listdir(data.parent.parent))
    assert home.run("dump", data.parent)[0] in (0, 75)
    assert sorted(os.listdir(data.parent.parent)) == before
    assert data.stat().st_size == len(text)


def test_the_cache_is_filled_and_forgotten(homes):
    home = homes[1]

    def cached():
        out = home.run("dump", f"{home.path}/Maildir/dovetail.index", "INBOX")[1]
        return [bool(words) for words in re.findall(r" cache=\((.*)\)$", out, re.M)]

    home.run("search", "mailbox", "INBOX", "all")
    assert cached() == [False] * 8
    assert home.run("index", "-n", "0", "INBOX") == (0, "", "")
    assert home.run("index", "INBOX") == (0, "", "")
    assert cached() == [True] * 8
    assert home.run("mailbox", "cache", "remove", "mailbox", "INBOX", "uid", "1:3")[0] == 0
    assert cached() == [False] * 3 + [True] * 5


def test_what_is_cached_is_decided(homes):
    home = homes[1]
    home.run("fetch", "imap.envelope", "mailbox", "INBOX", "all")
    home.run("search", "mailbox", "INBOX", "header", "x-foo", "")
    out = home.run("-f", "tab", "mailbox", "cache", "decision", "--fields", "imap.envelope,hdr.x-foo nope", "INBOX")[1]
    assert [line.split("\t")[:3] for line in out.splitlines()] == [
        ["mailbox", "field", "decision"], ["INBOX", "imap.envelope", "temp"], ["INBOX", "hdr.x-foo", "temp"],
        ["INBOX", "nope", "<not found>"]]
    out = home.run("-f", "tab", "mailbox", "cache", "decision", "--fields", "hdr.x-foo", "--decision", "no", "--last-used",
                   "12345", "INBOX")[1]
    assert out.splitlines()[1] == "INBOX\thdr.x-foo\tno\t1970-01-01 03:25:45 UTC"
    out = home.run("mailbox", "cache", "decision", "--all", "INBOX")[1]
    assert re.search(r"^INBOX +hdr.x-foo +no +1970-01-01 03:25:45 UTC", out, re.M)
    assert re.search(r"^cached field +=? ?.*no 12345 hdr.x-foo$", home.run("dump", f"{home.path}/Maildir/dovetail.index")[1], re.M)
    assert home.run("mailbox", "cache", "decision", "INBOX") == (75, "", "Fatal: Missing fields parameter\n")
    assert home.run("mailbox", "cache", "decision", "--decision", "x", "INBOX")[0] == 75


def test_undelete_takes_mails_from_where_lazy_expunge_put_them(homes):
    home = homes[1]
    lazy = ["-o", "plugin/lazy_expunge=Expunged"]
    assert home.run("undelete", "all")[0] == 75
    assert home.run(*lazy, "undelete", "all")[0] == 68
    home.run("mailbox", "create", "Expunged")
    home.run("copy", "Expunged", "mailbox", "Trash", "all")
    assert home.run(*lazy, "undelete", "-m", "Work", "subject", "grüße") == (0, "", "")
    assert home.run(*lazy, "undelete", "all") == (0, "", "")
    counts = home.run("-f", "tab", "mailbox", "status", "messages", "INBOX", "Expunged", "Work")[1].splitlines()[1:]
    assert sorted(counts) == ["Expunged\t0", "INBOX\t9", "Work\t4"]


def test_undelete_knows_the_mailboxes_of_a_namespace(homes):
    home = homes[1]
    lazy = ["-o", "plugin/lazy_expunge=.EXPUNGED/"]
    with open(home.path / "conf", "a", encoding="utf-8") as file:
        file.write("namespace {\n  prefix = .EXPUNGED/\n  separator = /\n  hidden = yes\n"
                   "  location = maildir:~/expunged\n}\n")
    assert home.run("mailbox", "create", ".EXPUNGED/Gone/Deep")[0] == 0
    assert home.run("copy", ".EXPUNGED/Gone/Deep", "mailbox", "Work", "uid", "2")[0] == 0
    assert home.run(*lazy, "undelete", "all") == (0, "", "")
    assert home.run("fetch", "mailbox hdr.subject.utf8", "mailbox", "Gone/Deep")[1] == (
        "mailbox: Gone/Deep\nhdr.subject.utf8: third with folded\n")
    assert home.run("search", "mailbox", ".EXPUNGED/Gone/Deep", "all") == (0, "", "")


def test_dates_are_those_of_the_local_zone(homes):
    for line in ("fetch 'uid date.received date.sent' mailbox INBOX all", "search mailbox INBOX on 2020-03-03",
                 "search mailbox INBOX since 2020-03-04", "search mailbox INBOX senton 2020-03-03"):
        theirs, ours = (home.seen(line, env={"TZ": "America/New_York"}) for home in homes)
        assert theirs == ours


def test_a_lone_star_is_the_last_mail(homes):
    """As documented; Debian's finds nothing."""
    guid = f"{1000000001:032x}"
    assert homes[1].run("search", "mailbox", "INBOX", "uid", "*") == (0, f"{guid} 8\n", "")


def test_mixing_and_with_or_is_refused(homes):
    status, _, errors = homes[1].run("search", "mailbox", "INBOX", "seen", "or", "flagged")
    assert (status, errors) == (75, "Fatal: Use parenthesis when mixing ANDs and ORs\n")
