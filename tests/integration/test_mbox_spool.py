# SPDX-License-Identifier: MIT
"""INBOX in a mail spool as distributions and courses have it: a directory of
root's that the group mail may write to, files that belong to user and group
mail, mail_privileged_group or mail_access_groups, and the accounts of the
system."""
import grp
import os
import smtplib
import stat
from pathlib import Path

import pytest

from imap_lines import Lines

MAIL = grp.getgrnam("mail").gr_gid
LOCATION = "mail_location = mbox:~/mail:INBOX={spool}/%u\n"
PASSWD = "userdb {\n  driver = passwd\n}\npassdb {\n  driver = passwd-file\n  args = scheme=PLAIN %s\n}\n"


@pytest.fixture
def make_spool(make_server, account, tmp_path):
    """make_spool(settings): a server, and the INBOX of its one user."""
    def make(settings):
        # Below a directory that everybody may enter.
        server = make_server(start=False)
        spool = Path(server.dir, "spool")
        spool.mkdir()
        os.chown(spool, 0, MAIL)
        spool.chmod(0o2775)
        Path(server.dir, "secrets").write_text(f"{account}:secret\n", encoding="utf-8")
        server.extra = settings + LOCATION.format(spool=spool) + PASSWD % f"{server.dir}/secrets"
        server.write_config()
        server.start()
        return server, spool / account
    return make


def deliver(server, user, subject):
    with smtplib.LMTP("127.0.0.1", server.port("lmtp")) as lmtp:
        lmtp.sendmail("sato@course.example", [user], f"From: sato@course.example\r\nSubject: {subject}\r\n\r\nText\r\n")


def append_as_postfix(inbox, subject):
    with inbox.open("ab") as file:
        file.write(b"From sato@course.example  Sat Nov 28 20:15:24 2026\nSubject: %s\n\nText\n\n" % subject)


def check_spool(inbox, account, mode=0o660):
    assert os.listdir(inbox.parent) == [inbox.name], "locks are left"
    st = inbox.stat()
    assert (st.st_gid, stat.S_IMODE(st.st_mode)) == (MAIL, mode)
    assert inbox.owner() == account


def use(server, inbox, account):
    client = Lines(server.port("imap"), account)
    assert b"* 0 EXISTS" in client.command(b"SELECT INBOX")
    deliver(server, account, "one")
    append_as_postfix(inbox, b"two")
    assert b"* 2 EXISTS" in client.command(b"NOOP")
    deliver(server, account, "three")
    assert b"* 3 EXISTS" in client.command(b"NOOP")
    assert b" OK " in client.command(b"STORE 1,3 +FLAGS (\\Seen work)")[-1]
    assert b" OK " in client.command(b"STORE 1 +FLAGS (\\Deleted)")[-1]
    assert b"* 1 EXPUNGE" in client.command(b"EXPUNGE")
    assert b" OK " in client.command(b"CREATE kept")[-1]
    assert b" OK " in client.command(b"COPY 1:* kept")[-1]
    assert b" OK " in client.command(b"LOGOUT")[-1]
    text = inbox.read_bytes()
    assert text.count(b"\nSubject: ") == 2 and b"Subject: one" not in text
    assert Path(f"/home/{account}/mail/kept").owner() == account


@pytest.mark.parametrize("settings", [
    "mail_privileged_group = mail\n",
    "mail_privileged_group = mail\nmail_access_groups = mail\n",
    "mail_access_groups = mail\n",
    "mail_privileged_group = mail\nmbox_write_locks = dotlock fcntl\nmbox_read_locks = dotlock fcntl\n",
], ids=["privileged", "both", "access", "dotlocks-first"])
def test_a_file_that_the_system_made(make_spool, account, settings):
    server, inbox = make_spool(settings)
    inbox.touch()
    os.chown(inbox, os.stat(f"/home/{account}").st_uid, MAIL)
    inbox.chmod(0o660)
    use(server, inbox, account)
    check_spool(inbox, account)


def test_one_that_is_made_for_the_first_mail(make_spool, account):
    server, inbox = make_spool("mail_privileged_group = mail\n")
    use(server, inbox, account)
    check_spool(inbox, account, stat.S_IMODE(inbox.stat().st_mode))


def test_uidvalidity_and_uids_set_by_hand(make_spool, account):
    server, inbox = make_spool("mail_privileged_group = mail\n")
    use(server, inbox, account)
    for name in ("INBOX", "kept"):
        done = server.doveadm("mailbox", "update", "-u", account, "--uid-validity", "77", "--min-next-uid", "1000",
                              name)
        assert (done.returncode, done.stderr) == (0, "")
    deliver(server, account, "four")
    assert b"X-IMAPbase: 77 0000001000 work" in inbox.read_bytes()
    for name in ("INBOX", "kept"):
        done = server.doveadm("-f", "tab", "mailbox", "status", "-u", account, "uidvalidity uidnext", name)
        assert done.stdout.splitlines()[1] == f"{name}\t{1001 if name == 'INBOX' else 1000}\t77"


def test_without_a_group_it_can_be_read(make_spool, account):
    server, inbox = make_spool("")
    append_as_postfix(inbox, b"one")
    os.chown(inbox, os.stat(f"/home/{account}").st_uid, MAIL)
    inbox.chmod(0o660)
    client = Lines(server.port("imap"), account)
    assert b"* 1 EXISTS" in client.command(b"SELECT INBOX")
    assert b"Text" in b"".join(client.command(b"FETCH 1 BODY.PEEK[]"))
