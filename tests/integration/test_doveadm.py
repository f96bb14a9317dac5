# SPDX-License-Identifier: MIT
"""doveadm on a running server: output, options and exit codes as Dovecot 2.3's."""
import json
import os
import pty
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import time
from pathlib import Path

import pytest

from conftest import ROOT, mail_owner
from imap_lines import Lines

MANUALS = Path(__file__).parents[2] / "doc" / "man"
MAIL = b"From: a@x.example\r\nSubject: one\r\n\r\nbody\r\n"


def deliver(server, user, count=1):
    with smtplib.LMTP("127.0.0.1", server.port("lmtp")) as lmtp:
        for _ in range(count):
            lmtp.sendmail("a@x.example", [user], MAIL)


def run(server, *args, status=0, **kwargs):
    result = server.doveadm(*args, **kwargs)
    assert result.returncode == status, (args, result.stdout, result.stderr)
    return result.stdout


def until_closed(client):
    """All that comes before the server hangs up."""
    text = b""
    try:
        while True:
            text += client.line() + b"\n"
    except (EOFError, OSError):
        return text


def commands(server):
    """All commands, from what doveadm says itself."""
    names = []
    for line in server.doveadm("--help").stderr.splitlines()[1:]:
        word = line.split()[0]
        below = server.doveadm(word, "--help").stderr.splitlines()
        if below[0] == f"usage: doveadm [-Dv] [-f <formatter>] {word} <command> [<args>]":
            names += [f"{word} {line.split()[0]}" for line in below[1:]]
        else:
            names.append(word)
    return names


# --- the command line ---------------------------------------------------------

def test_each_command_has_a_usage_and_a_manual_page(server):
    names = commands(server)
    for name in ("reload", "stop", "who", "kick", "pw", "user", "log find", "log test", "log errors",
                 "log reopen", "auth test", "auth login", "auth lookup", "auth cache", "mailbox list",
                 "mailbox create", "mailbox delete", "mailbox rename", "mailbox status",
                 "mailbox subscribe", "mailbox unsubscribe", "service status", "service stop",
                 "process status", "config", "help"):
        assert name in names
    for name in names:
        words = name.split()
        page = (MANUALS / f"doveadm-{words[0]}.1").read_text()
        assert f".Nm doveadm {name}" in page, name
        if name not in ("app-password totp", "auth cache", "mailbox cache", "mailbox metadata"):
            result = server.doveadm(*words, "--help")
            assert result.returncode == 64
            assert result.stderr.startswith(f"doveadm {name} ")
    assert f"doveadm-{names[0].split()[0]} 1" in (MANUALS / "doveadm.1").read_text()


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_help_shows_our_own_page(server):
    text = run(server, "help", "who", env={"PATH": os.environ["PATH"], "MANWIDTH": "80"})
    assert "Dovetail" in text and "Lists sessions" in text


@pytest.mark.parametrize("args, status, message", [
    ([], 64, "usage: doveadm [-Dv] [-f <formatter>] <command> [<args>]\n"),
    (["nonsense"], 64, "usage: doveadm "),
    (["log"], 64, "usage: doveadm [-Dv] [-f <formatter>] log <command> [<args>]\n"),
    (["who", "-x"], 64, "who: invalid option -- 'x'\n"),
    (["reload", "now"], 64, "Error: Extraneous arguments found: now\n"),
    (["kick"], 64, "Error: user and/or ip[/bits] must be specified.\n"),
    (["who", "a", "b"], 64, "Error: Multiple username masks not supported\n"),
    (["-f", "xml", "who"], 75, "Fatal: Unknown print formatter: xml\n"),
    (["-x"], 89, ""),
    (["-i", "other", "who"], 75, "Fatal: Unknown instance name: other\n"),

    (["mailbox", "create", "-u", "alice"], 64, "doveadm mailbox create "),
    (["mailbox", "status", "-u", "alice", "size", "INBOX"], 64, "Fatal: Unknown status field: size\n"),
    (["mailbox", "status", "-t", "-u", "alice", "guid", "INBOX"], 64,
     "Fatal: Status field guid can't be used with -t\n"),
    (["service", "stop"], 75, "Fatal: service parameter missing\n"),
])
def test_wrong_use_is_told_as_by_dovecot(server, args, status, message):
    result = server.doveadm(*args)
    assert result.returncode == status
    assert result.stderr.startswith(message)
    assert result.stdout == ""


# --- sessions ---------------------------------------------------------------------

def test_who_shows_sessions_and_kick_ends_them(server):
    one, two = Lines(server.port("imap"), "whoa"), Lines(server.port("imap"), "whoa")
    other = Lines(server.port("imap"), "whob")
    rows = [line.split("\t") for line in run(server, "-f", "tab", "who", "who*").splitlines()]
    assert rows[0] == ["username", "#", "proto", "(pids)", "(ips)"]
    assert sorted((row[0], row[1], row[2], row[4]) for row in rows[1:]) == [
        ("whoa", "2", "imap", "(127.0.0.1)"), ("whob", "1", "imap", "(127.0.0.1)")]
    assert re.match(r"username +# proto \(pids\) +\(ips\) +\n", run(server, "who", "whob"))
    single = json.loads(run(server, "-f", "json", "who", "-1", "whoa", "127.0.0.0/8"))
    assert [row["username"] for row in single] == ["whoa", "whoa"]
    assert run(server, "-f", "flow", "who", "whoa", "10.0.0.0/8") == ""

    assert run(server, "kick", "nobodyatall", status=68) == "no users kicked\n"
    text = run(server, "kick", "whob")
    assert text == "kicked connections from the following users:\nwhob \n"
    assert b"BYE" in until_closed(other)
    one.ok("NOOP")
    assert run(server, "-f", "flow", "who", "whob") == ""
    run(server, "kick", "who?", "127.0.0.1")
    assert b"BYE" in until_closed(one) and b"BYE" in until_closed(two)


def test_a_failed_login_has_a_penalty(make_server):
    server = make_server()
    with pytest.raises(AssertionError):
        Lines(server.port("imap"), "alice", "wrong")
    rows = run(server, "-f", "tab", "penalty", "127.0.0.1").splitlines()
    assert rows[0] == "IP\tpenalty\tlast_penalty\tlast_update"
    assert re.fullmatch(r"127\.0\.0\.1\t1\t\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\t\d\d:\d\d:\d\d", rows[1])


# --- processes ------------------------------------------------------------------------

def test_service_and_process_status(server):
    Lines(server.port("imap"), "alice").logout()
    services = json.loads(run(server, "-f", "json", "service", "status"))
    names = [row["name"] for row in services]
    assert {"imap", "imap-login", "auth", "lmtp", "anvil", "log"} <= set(names)
    one = run(server, "service", "status", "imap-login")
    assert [line.split(": ")[0] for line in one.splitlines()] == [
        "name", "process_count", "process_avail", "process_limit", "client_limit", "throttle_secs",
        "exit_failure_last", "exit_failures_in_sec", "last_drop_warning", "listen_pending",
        "listening", "doveadm_stop", "process_total"]
    processes = json.loads(run(server, "-f", "json", "process", "status", "anvil"))
    assert [row["name"] for row in processes] == ["anvil"]
    os.kill(int(processes[0]["pid"]), 0)
    assert run(server, "service", "status", "nosuch") == ""
    result = server.doveadm("service", "stop", "nosuch")
    assert (result.returncode, result.stderr) == (68, "Error: Unknown service: nosuch\n")


def test_stop_returns_when_the_server_is_gone(make_server):
    server = make_server()
    Lines(server.port("imap"), "alice").logout()
    run(server, "stop")
    assert not (Path(server.dir) / "run" / "master.pid").exists()
    for command in ("stop", "reload"):
        result = server.doveadm(command)
        assert result.returncode == 75
        assert re.match(r"Fatal: Dovecot is not running \(read from .*/master.pid\)\n", result.stderr)
    for args in (["who"], ["kick", "alice"], ["user", "alice"], ["mailbox", "list", "-u", "alice"],
                 ["mailbox", "list", "-A"], ["user", "*"], ["auth", "lookup", "alice"],
                 ["log", "errors"], ["service", "status"], ["auth", "cache", "flush"]):
        assert server.doveadm(*args).returncode == 75, args
    assert server.doveadm("auth", "test", "alice", "secret").returncode == 77


def test_service_stop_takes_nobody_until_reload(make_server):
    server = make_server()
    run(server, "service", "stop", "lmtp")
    status = json.loads(run(server, "-f", "json", "service", "status", "lmtp"))[0]
    assert status["doveadm_stop"] == "y"
    run(server, "reload")
    deadline = time.monotonic() + 10
    while status["doveadm_stop"] == "y" and time.monotonic() < deadline:
        time.sleep(0.05)
        status = json.loads(run(server, "-f", "json", "service", "status", "lmtp"))[0]
    deliver(server, "alice")


@pytest.mark.parametrize("extra, why", [
    ("service imap-login {\n  inet_listener other {\n    address = 192.0.2.1\n    port = 4711\n  }\n}", "see the log"),
    pytest.param("service imap {\n  user = nosuchuser\n}", "service\\(imap\\): User doesn't exist: nosuchuser",
                 marks=pytest.mark.skipif(not ROOT, reason="needs root")),
    ("nosuchsetting = 1", ".*"),
])
def test_reload_tells_why_the_configuration_was_not_taken(make_server, extra, why):
    server = make_server()
    server.extra = extra
    server.write_config()
    result = server.doveadm("reload")
    assert result.returncode == 75
    assert re.fullmatch(rf"Fatal: (The configuration was not reloaded|Error reading configuration): {why}\n",
                        result.stderr), result.stderr
    server.extra = ""
    server.write_config()
    run(server, "reload")
    assert server.wait_log("SIGHUP received - reloading configuration")
    Lines(server.port("imap"), "alice").logout()
    server.forgive()


# --- users and passwords ----------------------------------------------------------------

def test_user_shows_the_userdb(server):
    rows = dict(line.split("\t") for line in run(server, "user", "alice").splitlines())
    assert {"field", "uid", "gid", "home", "mail"} <= set(rows)
    home = run(server, "user", "-f", "home", "alice").rstrip("\n")
    assert home == rows["home"]
    assert run(server, "user", "-e", "%{user} %h", "alice") == f"alice {home}\n"
    assert run(server, "user", "-u", "alice").startswith("userdb: alice\n  user      : alice\n")
    result = server.doveadm("user", "nosuchuser")
    assert result.returncode == 67
    assert result.stdout == "field\tvalue\n\nuserdb lookup: user nosuchuser doesn't exist\n"
    assert server.doveadm("user", "-a", "/nonexistent", "alice").returncode == 75


def test_auth_test_lookup_login_and_cache(server):
    assert run(server, "auth", "test", "-x", "service=imap", "-x", "rip=192.0.2.1", "alice", "secret") \
        .startswith("passdb: alice auth succeeded\nextra fields:\n  user=alice\n")
    assert run(server, "auth", "test", "alice", "wrong", status=77) \
        .startswith("passdb: alice auth failed\nextra fields:\n  user=alice\n")
    login = run(server, "auth", "login", "alice", "secret")
    assert "userdb extra fields:\n  alice\n" in login and "\n  uid=" in login
    assert run(server, "auth", "lookup", "alice").startswith("passdb: alice\n  user      : alice\n")
    assert run(server, "auth", "lookup", "-f", "user", "alice") == "alice\n"
    assert run(server, "auth", "lookup", "nosuchuser", status=67) == \
        "passdb lookup: user nosuchuser doesn't exist\n"
    assert re.fullmatch(r"\d+ cache entries flushed\n", run(server, "auth", "cache", "flush"))
    assert run(server, "auth", "cache", "flush", "alice") == "0 cache entries flushed\n"
    # From standard input, as scripts do it.
    assert "succeeded" in run(server, "auth", "test", "alice", input="secret\n")


def test_pw_makes_and_checks_hashes(server):
    assert run(server, "pw", "-s", "PLAIN", "-p", "x") == "{PLAIN}x\n"
    assert run(server, "pw", "-p", "x").startswith("{CRYPT}$2y$05$")
    assert run(server, "pw", "-s", "sha256.hex", "-p", "x") == \
        "{SHA256.HEX}2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\n"
    assert run(server, "pw", "-u", "alice@x", "-s", "DIGEST-MD5", "-p", "x") == \
        "{DIGEST-MD5}870ca629a345af04cd0e8421cf0bf12c\n"
    schemes = run(server, "pw", "-l").split()
    for scheme in ("SHA512-CRYPT", "SSHA256", "CRAM-MD5", "PBKDF2", "SCRAM-SHA-256", "BLF-CRYPT"):
        assert scheme in schemes
        made = run(server, "pw", "-V", "-s", scheme, "-p", "täst")
        assert made.endswith(" (verified)\n")
        made = made.split()[0]
        assert run(server, "pw", "-t", made, "-p", "täst") == f"{made} (verified)\n"
        result = server.doveadm("pw", "-t", made, "-p", "test")
        assert (result.returncode, result.stderr) == (
            75, "Fatal: reverse password verification check failed: Password mismatch\n")
    assert server.doveadm("pw", "-s", "NOPE", "-p", "x").stderr == "Fatal: Unknown scheme: NOPE\n"


def test_pw_asks_twice_on_a_terminal_without_echo(server):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(f"{server.prefix}/bin/doveadm", ["doveadm", "-c", str(server.config), "pw", "-s", "PLAIN"])
    text = b""
    for answer in (b"one\n", b"two\n", b"one\n", b"one\n"):
        while not text.endswith(b"password: "):
            text += os.read(terminal, 1024)
        os.write(terminal, answer)
        text += b"\n"
    try:
        while data := os.read(terminal, 1024):
            text += data
    except OSError:
        pass  # how the end of a terminal reads
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    text = text.replace(b"\r", b"").replace(b"\n\n", b"\n")
    assert text == (b"Enter new password: \nRetype new password: \n"
                    b"Error: Passwords don't match!\n"
                    b"Enter new password: \nRetype new password: \n{PLAIN}one\n")


# --- mailboxes -----------------------------------------------------------------------------

def test_mailboxes_are_made_listed_renamed_and_deleted(server):
    user = ["-u", "tree"]
    run(server, "mailbox", "create", *user, "-s", "Work", "Work.日本", "a b")
    assert run(server, "mailbox", "list", *user).splitlines() == ["INBOX", "Work", "Work.日本", "a b"]
    assert run(server, "mailbox", "list", *user, "-7", "W*").splitlines() == ["Work", "Work.&ZeVnLA-"]
    assert run(server, "mailbox", "list", *user, "%").splitlines() == ["INBOX", "Work", "a b"]
    assert sorted(run(server, "mailbox", "list", *user, "-s").splitlines()) == ["Work", "Work.日本", "a b"]
    assert json.loads(run(server, "-f", "json", "mailbox", "list", *user, "Work")) == [{"mailbox": "Work"}]

    client = Lines(server.port("imap"), "tree")
    client.ok("SELECT Work.&ZeVnLA-")
    client.logout()

    result = server.doveadm("mailbox", "create", *user, "Work")
    assert result.returncode == 65
    assert result.stderr.startswith("doveadm(tree): Error: Can't create mailbox Work: ")
    run(server, "mailbox", "rename", *user, "-s", "a b", "c d")
    assert "c d" in run(server, "mailbox", "list", *user, "-s").splitlines()
    result = server.doveadm("mailbox", "rename", *user, "Nope", "X")
    assert result.returncode == 68
    assert result.stderr.startswith("doveadm(tree): Error: Can't rename mailbox Nope to X: ")
    assert server.doveadm("mailbox", "rename", *user, "c d", "Work").returncode == 65

    run(server, "mailbox", "subscribe", *user, "Gone")
    assert "Gone" in run(server, "mailbox", "list", *user, "-s").splitlines()
    run(server, "mailbox", "unsubscribe", *user, "Gone")
    assert "Gone" not in run(server, "mailbox", "list", *user, "-s").splitlines()

    run(server, "mailbox", "delete", *user, "-s", "c d")
    run(server, "mailbox", "delete", *user, "-r", "-s", "Work")
    assert run(server, "mailbox", "list", *user) == "INBOX\n"
    assert run(server, "mailbox", "list", *user, "-s") == ""
    assert server.doveadm("mailbox", "delete", *user, "Work").returncode == 68
    assert server.doveadm("mailbox", "delete", *user, "INBOX").returncode == 65


def test_delete_e_spares_mail(server):
    client = Lines(server.port("imap"), "spare")
    client.ok("CREATE full")
    client.append("full", MAIL)
    client.logout()
    result = server.doveadm("mailbox", "delete", "-u", "spare", "-e", "full")
    assert result.returncode == 65
    assert result.stderr == "doveadm(spare): Error: Can't delete mailbox full: Mailbox isn't empty\n"
    run(server, "mailbox", "delete", "-u", "spare", "full")


def test_status_counts_what_is_there(server):
    client = Lines(server.port("imap"), "stats")
    client.ok("CREATE two")
    for _ in range(2):
        client.append("two", MAIL)
    client.append("INBOX", MAIL)
    client.ok("SELECT two")
    client.ok(r"STORE 1 +FLAGS (\Seen)")
    client.logout()
    user = ["-u", "stats"]
    assert run(server, "mailbox", "status", *user, "messages unseen vsize", "two") == \
        f"two messages=2 unseen=1 vsize={2 * len(MAIL)}\n"
    assert run(server, "-f", "tab", "mailbox", "status", *user, "messages", "*") == \
        "mailbox\tmessages\nINBOX\t1\ntwo\t2\n"
    assert run(server, "mailbox", "status", *user, "-t", "messages vsize", "*") == \
        f"messages=3 vsize={3 * len(MAIL)}\n"
    row = json.loads(run(server, "-f", "json", "mailbox", "status", *user, "all", "two"))[0]
    assert list(row) == ["mailbox", "messages", "recent", "uidnext", "uidvalidity", "unseen",
                         "highestmodseq", "vsize", "guid", "firstsaved"]
    assert row["uidnext"] == "3" and re.fullmatch("[0-9a-f]{32}", row["guid"])
    assert abs(int(row["firstsaved"]) - time.time()) < 600
    run(server, "mailbox", "create", *user, "empty")
    assert run(server, "mailbox", "status", *user, "firstsaved", "empty") == "empty firstsaved=never\n"
    result = server.doveadm("mailbox", "status", *user, "messages", "Nope")
    assert result.returncode == 68
    assert result.stderr.startswith("doveadm(stats): Error: Mailbox Nope: Failed to lookup mailbox status: ")


def test_looking_leaves_recent_to_the_client(make_server):
    server = make_server()
    deliver(server, "alice")
    assert run(server, "mailbox", "status", "-u", "alice", "recent firstsaved", "INBOX").startswith(
        "INBOX recent=1 ")
    client = Lines(server.port("imap"), "alice")
    assert any(line == b"* 1 RECENT" for line in client.ok("SELECT INBOX"))
    client.logout()


def test_commands_for_many_users(server, tmp_path):
    users = run(server, "user", "*").split()
    assert "alice" in users and "bob" in users
    listed = [line.split(" ", 1) for line in
              run(server, "mailbox", "list", "-A", "INBOX").splitlines()]
    assert ["alice", "INBOX"] in listed and ["bob", "INBOX"] in listed
    assert run(server, "-f", "tab", "mailbox", "list", "-u", "ali*", "INBOX") == \
        "Username\tmailbox\nalice\tINBOX\n"
    names = tmp_path / "names"
    names.write_text("bob\nnosuchuser\n")
    result = server.doveadm("mailbox", "list", "-F", str(names), "INBOX")
    assert (result.returncode, result.stdout) == (0, "bob INBOX\n")
    assert result.stderr == "doveadm(nosuchuser): Info: User no longer exists, skipping\n"
    result = server.doveadm("mailbox", "list", "-u", "nosuchuser")
    assert (result.returncode, result.stderr) == (67, "doveadm(nosuchuser): Error: User doesn't exist\n")


def test_mutf7(server):
    assert run(server, "mailbox", "mutf7", "日本", "x&y") == "&ZeVnLA-\nx&-y\n"
    assert run(server, "mailbox", "mutf7", "-7", "&ZeVnLA-") == "日本\n"
    result = server.doveadm("mailbox", "mutf7", "-7", "&bad")
    assert (result.returncode, result.stderr) == (65, "Error: Mailbox name not valid mUTF-7: &bad\n")


# --- configuration ----------------------------------------------------------------------------

def test_config_is_doveconf(server):
    assert run(server, "config", "-h", "protocols") == subprocess.run(
        [f"{server.prefix}/bin/doveconf", "-c", str(server.config), "-h", "protocols"],
        capture_output=True, text=True, check=True).stdout


def test_overrides_win(server):
    rows = dict(line.split("\t") for line in
                run(server, "-o", "mail_location=maildir:~/else", "user", "alice").splitlines())
    assert rows["mail"] == "maildir:~/else"
    assert server.doveadm("-o", "nonsense", "who").returncode == 75


def test_a_broken_configuration_is_told(server, tmp_path):
    broken = tmp_path / "dovecot.conf"
    broken.write_text("mail_locaton = x\n")
    result = subprocess.run([f"{server.prefix}/bin/doveadm", "-c", str(broken), "who"],
                            capture_output=True, text=True)
    assert result.returncode == 75
    assert result.stderr.startswith("Fatal: Error reading configuration: ")
    assert "mail_locaton" in result.stderr and "mail_location" in result.stderr


# --- log ---------------------------------------------------------------------------------------

def test_log_test_find_and_errors(server):
    run(server, "log", "test")
    text = Path(server.log).read_text()
    for level in ("debug", "info", "warning", "error", "fatal"):
        assert re.search(rf"doveadm: {level.title()}: This is Dovecot's {level} log \(\d+\)\n", text)
    assert run(server, "log", "find") == "".join(
        f"{level}: {server.log}\n" for level in ("Debug", "Info", "Warning", "Error", "Fatal"))
    rows = run(server, "-f", "tab", "log", "errors").splitlines()
    assert rows[0] == "timestamp\tprefix\ttype\ttext"
    assert run(server, "log", "errors", "-s", str(int(time.time()) + 1000)) == ""


def test_log_reopen_follows_a_moved_file(make_server):
    server = make_server()
    log = Path(server.log)
    Lines(server.port("imap"), "alice").logout()
    log.rename(log.with_suffix(".old"))
    run(server, "log", "reopen")
    deadline = time.monotonic() + 10
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    Lines(server.port("imap"), "alice").logout()
    while "Login: user=<alice>" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "Login: user=<alice>" in log.read_text()


# --- many users ---------------------------------------------------------------

def ids(pid):
    """Real, effective, saved uid and that of the file system; groups likewise."""
    text = Path(f"/proc/{pid}/status").read_text()
    return [set(re.search(rf"^{name}:\s(.*)", text, re.M)[1].split()) for name in ("Uid", "Gid")]


def has_open(pid, path):
    """False for a process that has ended, too."""
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, ProcessLookupError):
        return False
    for name in names:
        try:
            if os.readlink(f"{folder}/{name}") == path:
                return True
        except (FileNotFoundError, ProcessLookupError):
            continue
    return False


def start_search(server, user, *args):
    """doveadm search, and the process that is at the index of `user`, whose UIDs somebody else has."""
    lock = server.maildir(user) / "dovecot-uidlist.lock"
    lock.write_text(f"{os.getpid()}:{socket.gethostname()}")
    doveadm = subprocess.Popen([server.commands()[1], "-c", server.config, *args, "mailbox", "INBOX", "subject", "one"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for pid in Path(f"/proc/{doveadm.pid}/task/{doveadm.pid}/children").read_text().split():
            if has_open(pid, f"{lock.parent}/dovetail.index/data.mdb"):
                return doveadm, int(pid), lock
    raise AssertionError("nobody opened the index")


@pytest.mark.skipif(not ROOT, reason="has no rights to give up")
@pytest.mark.parametrize("whose", [["-A"], ["-u", "alic*"]])
def test_who_opens_a_users_index_has_no_rights_to_take_back(server, whose):
    """What LMDB reads may have been written to take over who reads it."""
    server.drop_mail("alice", MAIL)
    doveadm, pid, lock = start_search(server, "alice", "search", *whose)
    assert ids(pid) == [{str(mail_owner()[0])}, {str(mail_owner()[1])}]
    assert ids(doveadm.pid)[0] == {"0"}
    assert not has_open(doveadm.pid, f"{server.maildir('alice')}/dovetail.index/data.mdb")
    lock.unlink()
    assert doveadm.communicate(timeout=60)[0].startswith("alice ") and doveadm.returncode == 0


def test_a_process_that_dies_leaves_out_one_user(make_server):
    server = make_server()
    for user in ("alice", "bob", "carol"):
        server.drop_mail(user, MAIL)
    doveadm, pid, _ = start_search(server, "bob", "-f", "tab", "search", "-A")
    os.kill(pid, signal.SIGKILL)
    out, errors = doveadm.communicate(timeout=60)
    assert doveadm.returncode == 70 and "doveadm(bob): Error: The process for this user was killed by signal 9" in errors
    assert [line.split("\t")[0] for line in out.splitlines()] == ["Username", "alice", "carol"]


def test_where_auth_is(make_server):
    """auth_socket_path may be absolute."""
    server = make_server(start=False)
    server.extra = f'auth_socket_path = {server.dir}/run/auth-userdb\n'
    server.write_config()
    server.start()
    for command in (['user', 'alice'], ['mailbox', 'status', '-u', 'alice', 'messages', 'INBOX']):
        done = server.doveadm(*command)
        assert done.returncode == 0, done.stderr
