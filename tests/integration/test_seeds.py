# SPDX-License-Identifier: MIT
"""What courses on mail servers have their readers type, and what they show as
the answer: it must be the same here, on mail and accounts of our own."""
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from imap_lines import Lines
from pop3_lines import Pop

FIRST = (b"Return-Path: <sato@course.example>\nDelivered-To: abe@course.example\n"
         b"Date: Thu, 01 Oct 2026 09:00:00 +0900\nFrom: sato@course.example\nSubject: first\n\nfirst mail\n")
SECOND = FIRST.replace(b"first", b"second")


def test_the_imap_session_by_hand_with_a_pam_account(account, make_server):
    server = make_server(
        "ssl = no\ndisable_plaintext_auth = no\nmail_location = maildir:~/Maildir\n"
        "passdb {\n  driver = pam\n}\nuserdb {\n  driver = passwd\n}\n")
    new = Path(f"/home/{account}/Maildir/new")
    new.mkdir(parents=True)
    for directory in ("cur", "tmp"):
        (new.parent / directory).mkdir()
    (new / "1.first.host").write_bytes(FIRST)
    (new / "2.second.host").write_bytes(SECOND)
    subprocess.run(["chown", "-R", account, str(new.parent)], check=True)

    client = Lines(server.port("imap"))
    assert re.match(rb"\* OK \[CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL\+ "
                    rb".*AUTH=PLAIN.*\] ", client.greeting)
    assert b"STARTTLS" not in client.greeting and b"LOGINDISABLED" not in client.greeting

    def typed(line):
        tag = line.split(b" ")[0]
        client.send(line + b"\r\n")
        return client.until(tag)

    assert re.fullmatch(rb"A01 OK \[CAPABILITY IMAP4rev1 .*\] Logged in",
                        typed(b"A01 login %s secret" % account.encode())[-1])
    seconds = rb"\(\d+\.\d{3} \+ \d+\.\d{3}( \+ \d+\.\d{3})? secs\)\."
    lines = typed(b'A02 list "" *')
    assert rb'* LIST (\HasNoChildren) "." INBOX' in lines
    assert re.fullmatch(rb"A02 OK List completed " + seconds, lines[-1])
    lines = typed(b"A03 select INBOX")
    assert lines[:4] == [rb"* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)",
                         rb"* OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft \*)] Flags permitted.",
                         b"* 2 EXISTS", b"* 2 RECENT"]
    assert lines[4] == b"* OK [UNSEEN 1] First unseen."
    assert re.fullmatch(rb"\* OK \[UIDVALIDITY \d+\] UIDs valid", lines[5])
    assert lines[6] == b"* OK [UIDNEXT 3] Predicted next UID"
    assert re.fullmatch(rb"A03 OK \[READ-WRITE\] Select completed " + seconds, lines[-1])
    lines = typed(b"A04 search all")
    assert lines[0] == b"* SEARCH 1 2"
    assert re.fullmatch(rb"A04 OK Search completed " + seconds, lines[-1])
    lines = typed(b"A05 fetch 2 RFC822")
    mail = SECOND.replace(b"\n", b"\r\n")
    assert lines[0] == b"* 2 FETCH (FLAGS (\\Seen \\Recent) RFC822 {%d}\r\n%s)" % (len(mail), mail)
    assert re.fullmatch(rb"A05 OK Fetch completed " + seconds, lines[-1])
    lines = typed(b"A06 logout")
    assert lines[0] == b"* BYE Logging out"
    assert re.fullmatch(rb"A06 OK Logout completed " + seconds, lines[-1])


def test_the_pop3_session_by_hand_with_a_pam_account(account, make_server):
    server = make_server(
        "ssl = no\ndisable_plaintext_auth = no\nmail_location = maildir:~/Maildir\nservice pop3-login {\n"
        "  inet_listener pop3s {\n    port = 0\n  }\n}\nservice imap-login {\n  inet_listener imaps {\n    port = 0\n  }\n}\n"
        "passdb {\n  driver = pam\n}\nuserdb {\n  driver = passwd\n}\n", protocols="lmtp", start=False)
    config = Path(server.config)
    config.write_text(config.read_text() + "protocols = pop3 lmtp\n")
    server.start()
    new = Path(f"/home/{account}/Maildir/new")
    new.mkdir(parents=True)
    for directory in ("cur", "tmp"):
        (new.parent / directory).mkdir()
    (new / "1.first.host").write_bytes(FIRST)
    (new / "2.second.host").write_bytes(SECOND)
    subprocess.run(["chown", "-R", account, str(new.parent)], check=True)

    client = Pop(server.port("pop3"))
    assert client.greeting == b"+OK Dovecot ready.\r\n"
    assert client.command(f"user {account}") == b"+OK\r\n"
    assert client.command("pass secret") == b"+OK Logged in.\r\n"
    mails = [mail.replace(b"\n", b"\r\n") for mail in (FIRST, SECOND)]
    assert client.command("list") == b"+OK 2 messages:\r\n"
    assert client.rest() == [b"1 %d\r\n" % len(mails[0]), b"2 %d\r\n" % len(mails[1])]
    assert client.command("retr 1") == b"+OK %d octets\r\n" % len(mails[0])
    assert b"".join(client.rest()) == mails[0]
    assert client.quit() == b"+OK Logging out.\r\n"


class Syslog:
    """A syslog daemon: one file, all lines."""

    def __init__(self, path, file):
        self.file = file
        file.touch()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        self.path = path
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        while True:
            try:
                data = self.socket.recv(8192)
            except OSError:
                return
            text = re.sub(rb"^<\d+>", b"", data).rstrip(b"\n\0")
            with self.file.open("ab") as out:
                out.write(text + b"\n")

    def close(self):
        os.unlink(self.path)
        self.socket.close()


@pytest.fixture
def syslog(tmp_path):
    if os.getuid() != 0 or os.path.exists("/dev/log"):
        pytest.skip("needs to be syslog itself")
    daemon = Syslog("/dev/log", tmp_path / "maillog")
    yield daemon
    daemon.close()


def test_log_find_and_log_test_with_syslog(make_server, syslog, tmp_path):
    server = make_server("log_path = syslog\ninstance_name = dovecot\n")
    result = server.doveadm("log", "find", str(tmp_path))
    assert result.returncode == 0
    assert result.stdout == f"Looking for log files from {tmp_path}\n" + "".join(
        f"{level}: {syslog.file}\n" for level in ("Debug", "Info", "Warning", "Error", "Fatal"))
    syslog.file.write_text("")
    assert server.doveadm("log", "test").returncode == 0
    deadline = time.monotonic() + 20
    while "fatal log" not in syslog.file.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    lines = [re.sub(r"^.*? (dovecot(\[\d+\])?: )", r"dovecot: ", line)
             for line in syslog.file.read_text().splitlines() if "This is Dovecot" in line]
    number = re.search(r"\((\d+)\)", lines[0])[1]
    assert abs(int(number) - time.time()) < 100
    assert lines == [f"dovecot: doveadm: {start}This is Dovecot's {level} log ({number})" for start, level in (
        ("Debug: ", "debug"), ("", "info"), ("Warning: ", "warning"), ("Error: ", "error"), ("Fatal: ", "fatal"))]


def test_log_find_where_nothing_is_found(make_server, tmp_path):
    server = make_server("log_path = syslog\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert server.doveadm("log", "find", str(empty)).stdout == \
        f"Looking for log files from {empty}\n" + "".join(
            f"{level}: Not found\n" for level in ("Debug", "Info", "Warning", "Error", "Fatal"))


def test_reload_says_nothing_and_new_settings_apply(make_server):
    server = make_server()
    before = Lines(server.port("imap"), "alice")
    config = Path(server.config)
    config.write_text(config.read_text() + "login_greeting = A new day.\n")
    result = server.doveadm("reload")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    deadline = time.monotonic() + 10
    while True:
        client = Lines(server.port("imap"))
        client.close()
        if client.greeting.endswith(b" A new day.") or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    assert client.greeting.endswith(b" A new day.")
    before.ok("NOOP")  # sessions go on
    before.logout()


def test_reload_of_a_broken_configuration_changes_nothing(make_server):
    server = make_server()
    config = Path(server.config)
    right = config.read_text()
    config.write_text(right + "no_such_setting = 1\n")
    result = server.doveadm("reload")
    assert result.returncode == 75 and "no_such_setting" in result.stderr
    server.proc.send_signal(signal.SIGHUP)  # as init scripts do it
    assert server.wait_log("no_such_setting")
    Lines(server.port("imap"), "alice").logout()
    config.write_text(right)
    server.forgive()


def test_stop_says_nothing_and_stops(make_server):
    server = make_server()
    result = server.doveadm("stop")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port("imap")), timeout=2)


def test_doveconf_shows_all_settings_with_defaults(server):
    text = subprocess.run([f"{server.prefix}/bin/doveconf", "-c", str(server.config)],
                          capture_output=True, text=True, check=True).stdout
    lines = text.splitlines()
    assert re.match(r"# \d+\.\d+.*: " + re.escape(str(server.config)) + "$", lines[0])
    assert any(re.match(r"# OS: Linux ", line) for line in lines[:6])
    assert any(re.match(r"# Hostname: ", line) for line in lines[:6])
    assert "# NOTE: Send doveconf -n output instead when asking for help." in lines[:6]
    for line in ("auth_anonymous_username = anonymous", "auth_cache_negative_ttl = 1 hours",
                 "auth_cache_size = 0", "auth_cache_ttl = 1 hours",
                 "auth_cache_verify_password_with_worker = no", "auth_debug = no",
                 "auth_debug_passwords = no"):
        assert line in lines
    names = [line.split(" = ")[0] for line in lines if re.match(r"[a-z_]+ = ", line)]
    assert names == sorted(names)
    for name in ("listen", "protocols", "verbose_proctitle", "mail_location"):
        assert name in names
