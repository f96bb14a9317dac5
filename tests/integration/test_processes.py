# SPDX-License-Identifier: MIT
"""Processes: start, limits, privileges, crashes, reload, stop."""
import imaplib
import os
import pwd
import re
import select
import signal
import smtplib
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import PREFIX, ROOT, Server, free_ports

# Built beside the scratch prefix of script/test; it is not installed.
TOY = os.environ.get("DOVETAIL_TOY", f"{Path(PREFIX or '/').parent}/tests/unit/service/toy")
needs_toy = pytest.mark.skipif(not os.path.exists(TOY), reason="DOVETAIL_TOY does not name tests/unit/service/toy")
needs_root = pytest.mark.skipif(not ROOT, reason="only root becomes somebody else")


def login(server, user="alice", name="imap"):
    server.login_start = len(server.log_text())
    kind = imaplib.IMAP4_SSL if name == "imaps" else imaplib.IMAP4
    client = kind("127.0.0.1", server.port(name), timeout=20)
    client.login(user, "secret")
    return client


def can_login(server):
    try:
        login(server).logout()
        return True
    except (imaplib.IMAP4.error, OSError):
        return False


def worker_of(server, user):
    """The mpid of a user's last login()."""
    return int(server.wait_log(rf"Login: user=<{user}>.*?mpid=(\d+)", start=server.login_start)[1])


def wait_for(condition, timeout=30):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def status(pid, field):
    return re.search(rf"^{field}:\s+(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M)[1]


def gone(pid):
    """Ended, whether or not somebody has taken note of it."""
    try:
        return status(pid, "State").startswith("Z")
    except OSError:
        return True


def part_of(server, name, part):
    """The process of a service that forks the others."""
    found, = [pid for pid in server.pids(name) if part.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return found


# --- a service under test ------------------------------------------------------------

class Toy:
    """A connection to the toy service (tests/unit/service/toy.c)."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.sock.makefile("rw")
        self.greeting = self.file.readline()

    def ask(self, word):
        self.file.write(word + "\n")
        self.file.flush()
        return self.file.readline().rstrip("\n")

    def close(self):
        self.file.close()
        self.sock.close()


@pytest.fixture
def make_toy(make_server):
    def make(service="", extra=""):
        port, = free_ports(1)
        server = make_server(
            f"{extra}\nservice toy {{\n  executable = {TOY}\n  inet_listener toy {{\n    port = {port}\n  }}\n"
            f"{service}\n}}\n", protocols="none")
        server.toy_port = port
        return server
    return make


@needs_toy
def test_a_service_starts_with_the_first_connection(make_toy):
    server = make_toy()
    assert server.pids("toy") == []
    toy = Toy(server.toy_port)
    assert toy.greeting == "hello 127.0.0.1\n"
    # A template and its worker.
    assert len(server.pids("toy")) == 2
    assert int(toy.ask("pid")) in server.pids("toy")
    toy.close()


@needs_toy
def test_min_avail_processes_wait_for_the_first_connection(make_toy):
    server = make_toy("process_min_avail = 3")
    wait_for(lambda: len(server.pids("toy")) == 4)
    with_one = Toy(server.toy_port)
    time.sleep(0.1)
    assert len(server.pids("toy")) == 4
    with_one.close()


@needs_toy
def test_a_service_of_one_process_has_no_template(make_toy):
    server = make_toy("process_limit = 1")
    clients = [Toy(server.toy_port) for _ in range(5)]
    assert {client.ask("pid") for client in clients} == {str(server.pids("toy")[0])}


@needs_toy
def test_one_client_per_process_if_so_configured(make_toy):
    server = make_toy("client_limit = 1\nprocess_limit = 3")
    clients = [Toy(server.toy_port) for _ in range(3)]
    pids = {client.ask("pid") for client in clients}
    assert len(pids) == 3
    # The fourth waits until there is room, and that is logged.
    sock = socket.create_connection(("127.0.0.1", server.toy_port), timeout=30)
    assert server.wait_log(r"master: Warning: service\(toy\): process_limit \(3\) reached, client connections are "
                           r"being dropped")
    clients[0].close()
    assert sock.recv(100) == b"hello 127.0.0.1\n"


@needs_toy
def test_a_process_ends_after_service_count_clients(make_toy):
    server = make_toy("service_count = 2\nprocess_limit = 10")
    pids = []
    for _ in range(6):
        toy = Toy(server.toy_port)
        pids.append(toy.ask("pid"))
        toy.close()
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [2, 2, 2]


@needs_toy
def test_idle_processes_go_and_come_back(make_toy):
    server = make_toy("idle_kill = 1s")
    first = Toy(server.toy_port)
    pid = first.ask("pid")
    time.sleep(1.5)
    assert first.ask("still") == "still"
    first.close()
    wait_for(lambda: server.pids("toy") == [])
    assert Toy(server.toy_port).ask("pid") != pid


@needs_toy
def test_a_killed_worker_is_replaced_and_named_in_the_log(make_toy):
    server = make_toy()
    toy, other = Toy(server.toy_port), Toy(server.toy_port)
    pid = toy.ask("pid")
    assert toy.ask("crash") == ""
    assert server.wait_log(rf"toy: Fatal: master: service\(toy\): child {pid} killed with signal 9\n")
    assert Toy(server.toy_port).ask("pid") != pid
    other.close()
    server.forgive(r"killed with signal 9")


@needs_toy
def test_a_killed_template_is_replaced_while_its_clients_go_on(make_toy):
    server = make_toy()
    toy = Toy(server.toy_port)
    worker = int(toy.ask("pid"))
    template, = [pid for pid in server.pids("toy") if pid != worker]
    os.kill(template, signal.SIGKILL)
    assert server.wait_log(rf"service\(toy\): child {template} killed with signal 9")
    assert int(Toy(server.toy_port).ask("pid")) != worker
    assert toy.ask("still") == "still"
    toy.close()
    wait_for(lambda: gone(worker))
    server.forgive(r"killed with signal 9")


@needs_toy
def test_a_program_that_fails_at_start_is_not_run_in_a_hot_loop(make_toy):
    server = make_toy("executable = /bin/false\nprocess_min_avail = 1")
    assert server.wait_log(r"service\(toy\): command startup failed, throttling for 0.200 secs")
    time.sleep(1)
    starts = len(re.findall(r"service\(toy\): child \d+ returned error 1\n", server.log_text()))
    assert 2 <= starts <= 6


@needs_toy
@needs_root
def test_rights_are_those_of_the_service_block(make_toy):
    server = make_toy("user = nobody\nchroot = empty")
    toy = Toy(server.toy_port)
    assert toy.ask("uid") == str(pwd.getpwnam("nobody").pw_uid)
    assert toy.ask("root") == "changed"
    pid = int(toy.ask("pid"))
    assert status(pid, "NoNewPrivs") == "1"
    assert status(pid, "CapEff").strip("0") == ""


@needs_toy
def test_the_sandbox_ends_who_breaks_out(make_toy):
    server = make_toy()
    toy = Toy(server.toy_port)
    pid = toy.ask("pid")
    if status(pid, "Seccomp") == "0":
        pytest.skip("built without a sandbox")
    assert toy.ask("open") == "Permission denied"
    assert toy.ask("exec") == ""
    assert server.wait_log(rf"service\(toy\): child {pid} killed with signal {int(signal.SIGSYS)}")
    server.forgive()


@needs_toy
def test_clients_are_told_when_the_server_stops(make_toy):
    server = make_toy()
    toy = Toy(server.toy_port)
    begin = time.monotonic()
    assert server.stop()
    assert time.monotonic() - begin < 4  # it would be killed later
    assert toy.file.readline() == "Server shutting down.\n"
    assert toy.file.readline() == ""


@needs_toy
def test_clients_outlive_the_server_if_so_configured(make_toy):
    server = make_toy(extra="shutdown_clients = no")
    toy = Toy(server.toy_port)
    pids = [int(toy.ask("pid")), *server.pids("log")]
    assert server.stop()
    assert toy.ask("still") == "still"
    toy.ask("log\nstill")
    assert server.wait_log("toy: Error: toy error")
    toy.close()
    wait_for(lambda: all(gone(pid) for pid in pids))


@needs_toy
def test_clients_outlive_a_reload_and_new_ones_get_new_processes(make_toy):
    server = make_toy()
    toy = Toy(server.toy_port)
    server.proc.send_signal(signal.SIGHUP)
    assert server.wait_log("master: Warning: SIGHUP received - reloading configuration")
    wait_for(lambda: Toy(server.toy_port).ask("pid") != toy.ask("pid"))
    assert toy.ask("still") == "still"
    pid = int(toy.ask("pid"))
    toy.close()
    wait_for(lambda: pid not in server.pids())


@needs_toy
def test_no_connection_is_lost_while_reloading(make_toy):
    server = make_toy("client_limit = 10")
    for number in range(200):
        if number % 20 == 10:
            server.proc.send_signal(signal.SIGHUP)
        toy = Toy(server.toy_port)
        assert toy.ask(f"number {number}") == f"number {number}"
        toy.close()


@needs_toy
def test_the_proxy_protocol_tells_who_the_client_is(make_toy):
    port, = free_ports(1)
    server = make_toy(f"inet_listener proxied {{\n  port = {port}\n  haproxy = yes\n}}",
                      "haproxy_trusted_networks = 127.0.0.0/8\nhaproxy_timeout = 1s")
    sock = socket.create_connection(("127.0.0.1", port), timeout=30)
    sock.sendall(b"PROXY TCP4 192.0.2.9 192.0.2.1 ")
    time.sleep(0.05)
    sock.sendall(b"4711 143\r\nhallo\n")
    file = sock.makefile()
    assert file.readline() == "hello 192.0.2.9\n"
    assert file.readline() == "hallo\n"
    six = socket.create_connection(("127.0.0.1", port), timeout=30)
    six.sendall(b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" + socket.inet_pton(socket.AF_INET6, "2001:db8::1") +
                socket.inet_pton(socket.AF_INET6, "2001:db8::2") + b"\x10\x10\0\x8f")
    assert six.recv(100) == b"hello 2001:db8::1\n"
    for bad in (b"GET / HTTP/1.0\r\n\r\n", b""):
        wrong = socket.create_connection(("127.0.0.1", port), timeout=30)
        wrong.sendall(bad)
        try:
            assert wrong.recv(100) == b""
        except ConnectionResetError:
            pass


@needs_toy
def test_a_taken_port_is_named_and_nothing_starts(make_toy, tls):
    blocker = socket.socket()
    blocker.bind(("127.0.0.1", 0))
    blocker.listen()
    port = blocker.getsockname()[1]
    server = Server(tls, f"service toy {{\n  executable = {TOY}\n  inet_listener toy {{\n    port = {port}\n  }}\n}}\n",
                    protocols="none")
    result = subprocess.run([f"{PREFIX}/sbin/dovetail", "-F", "-c", server.config], capture_output=True, text=True,
                            timeout=20, check=False)
    assert result.returncode == 89
    assert f"service(toy): listen(127.0.0.1, {port}) failed: Address already in use" in result.stderr
    assert "Fatal: Failed to start listeners" in result.stderr
    server.remove()


# --- the master ------------------------------------------------------------------------

def test_start_and_stop_are_logged_as_by_dovecot(make_server):
    server = make_server()
    assert server.wait_log(r"^\w{3} \d\d \d\d:\d\d:\d\d master: Info: Dovetail v[\d.]+ starting up for imap, .*lmtp\b")
    server.stop()
    assert (f"master: Warning: Killed with signal 15 (by pid={os.getpid()} uid={os.getuid()} code=kill)\n"
            in server.log_text())


def test_a_second_master_does_not_start(server):
    result = subprocess.run([f"{PREFIX}/sbin/dovetail", "-c", server.config], capture_output=True, text=True,
                            timeout=20, check=False)
    assert result.returncode == 89
    assert f"already running with PID {server.proc.pid} (read from {server.dir}/run/master.pid)" in result.stderr


def test_it_goes_into_the_background_when_it_is_ready(tls):
    server = Server(tls)
    subprocess.run([f"{PREFIX}/sbin/dovetail", "-c", server.config], check=True, timeout=20, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert login(server).noop()[0] == "OK"
    assert os.readlink(f"{server.dir}/run/dovecot.conf") == server.config
    subprocess.run([f"{PREFIX}/sbin/dovetail", "-c", server.config, "stop"], check=True, timeout=20)
    assert not os.path.exists(f"{server.dir}/run/master.pid")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port("imap")))
    server.remove()


@pytest.mark.parametrize("args, status_wanted, text", [
    (["--version"], 0, r"^\d+\.\d+"), (["--help"], 0, r"^Usage: dovetail "), (["--build-options"], 0, r"^Build options:"),
    (["--hostdomain"], 0, r"\S"), (["frobnicate"], 89, r"Unknown argument: frobnicate"), (["-Z"], 89, r"Usage: ")])
def test_options(server, args, status_wanted, text):
    result = subprocess.run([f"{PREFIX}/sbin/dovetail", "-c", server.config, *args], capture_output=True, text=True,
                            timeout=20, check=False)
    assert result.returncode == status_wanted
    assert re.search(text, result.stdout + result.stderr)


def test_all_errors_of_a_configuration_are_told_at_once(tls):
    server = Server(tls, "mail_locaton = x\ndefault_client_limit = many\n")
    result = subprocess.run([f"{PREFIX}/sbin/dovetail", "-F", "-c", server.config], capture_output=True, text=True,
                            timeout=20, check=False)
    assert result.returncode != 0
    assert "mail_locaton" in result.stderr and "mail_location" in result.stderr
    assert "default_client_limit" in result.stderr
    server.remove()


# What only trying tells, or what Dovecot may have and this server has not.
IMPOSSIBLE = [
    ("passdb {\n  driver = lua\n}", r"line \d+: passdb \{ driver \}: Invalid value: lua \(use one of: .*pam "),
    ("userdb {\n  driver = vpopmail\n}", r"line \d+: userdb \{ driver \}: Invalid value: vpopmail \(use one of: .*passwd "),
    ("auth_mechanisms = plain ntlm", r"line \d+: auth_mechanisms: Invalid value: ntlm \(use one of: plain login "),
    ("auth_verbose_passwords = md5", r"line \d+: auth_verbose_passwords: Invalid value: md5 "),
    ("login_trusted_networks = here", r"line \d+: login_trusted_networks: Invalid network in: here "),
    ("syslog_facility = post", r"line \d+: syslog_facility: Invalid value: post "),
    ("ssl_min_protocol = TLSv9", r"line \d+: ssl_min_protocol: Invalid value: TLSv9 \(use one of: any "),
    ("ssl_cert = /some/file", r"line \d+: ssl_cert: there is no PEM data in it \(is it \"<\" and a file's name\?\)"),
    ("ssl_cert = </no/file", r"line \d+: ssl_cert: Can't open file /no/file: No such file"),
    ("protocol imap {\n  ssl_key = <{tls}.crt\n}", r"line \d+: ssl_key: "),
    ("ssl_cert = <{tls}.key", r"line \d+: ssl_cert: it is a private key \(is the certificate in place of the key\?\)"),
    ("ssl_key = <{tls}.crt", r"line \d+: ssl_key: it is a certificate \(is the key in place of the certificate\?\)"),
    ("ssl_alt_cert = <{tls}.crt", r"line \d+: ssl_alt_cert: ssl_alt_key is not set"),
    ("ssl_cipher_list = nonsense", r"line \d+: ssl_cipher_list: no cipher match: nonsense"),
    ("ssl_curve_list = P256", r"line \d+: ssl_curve_list: not all are known groups: P256"),
    ("ssl_cert_username_field = nosuch", r"line \d+: ssl_cert_username_field: unknown field: nosuch"),
    ("ssl_verify_client_cert = yes\nssl_ca = <{tls}.key", r"line \d+: ssl_ca: there is no certificate in it"),
    ("ssl_options = fast", r"line \d+: ssl_options: unknown flag: fast"),
    ("log_path = /no/such/log", r"Can't open log file /no/such/log: No such file"),
    ("service imap {\n  user = nosuchuser\n}", r"service\(imap\): User doesn't exist: nosuchuser" if ROOT else ""),
    ("service imap-login {\n  chroot = nowhere\n}",
     r"service\(imap-login\): chroot = nowhere: stat\(.*/nowhere\): No such file" if ROOT else ""),
    ("service imap-login {\n  inet_listener other {\n    address = 192.0.2.1\n    port = 4711\n  }\n}",
     r"service\(imap-login\): listen\(192.0.2.1, 4711\) failed: Cannot assign requested address"),
    ("mail_location = sdbox:~/mail", r"line \d+: mail_location: Unknown driver sdbox \(use one of: maildir mbox\)"),
    ("mail_attribute_dict = redis:host=x", r"mail_attribute_dict: Unknown driver redis \(use one of: file\)"),
    ("namespace x {\n  prefix = x/\n  location = virtual:~/mail\n}", r"line \d+: namespace \{ location \}: Unknown driver virtual"),
    ("namespace x {\n  separator = //\n}", r"line \d+: namespace \{ separator \}: Invalid value: // \(must be one character"),
    ("imap_max_line_length = 0", r"line \d+: imap_max_line_length: Invalid value: 0 \(must be above 0\)"),
]


def test_only_what_was_written_is_told_to_be_ignored(make_server):
    unneeded = "service({}): drop_priv_before_exec is not needed here: ignored"
    server = make_server("service imap {\n  drop_priv_before_exec = yes\n}\n", "imap")
    assert unneeded.format("imap") in server.console()
    assert server.console().count("drop_priv_before_exec") == 1


def test_a_reload_with_what_cannot_be_changes_nothing(make_server):
    server = make_server()
    for extra, wanted in IMPOSSIBLE:
        if wanted == "":
            continue
        start = len(server.log_text())
        server.extra = extra.replace("{tls}", server.tls)
        server.write_config()
        server.proc.send_signal(signal.SIGHUP)
        assert server.wait_log("The configuration has errors: the old one stays in use", start=start), extra
        said = server.log_text()[start:]
        assert re.search(rf"master: Error: .*{wanted}", said), said
        assert "??" not in said
        login(server, name="imaps").logout()
    server.extra = ""
    server.write_config()
    start = len(server.log_text())
    server.proc.send_signal(signal.SIGHUP)
    assert server.wait_log("SIGHUP", start=start)
    login(server, name="imaps").logout()
    assert "Error" not in server.log_text()[start:]


@pytest.mark.parametrize("extra, wanted", [IMPOSSIBLE[0], IMPOSSIBLE[7], IMPOSSIBLE[12]])
def test_nor_does_it_start_with_it(tls, extra, wanted):
    server = Server(tls, extra.replace("{tls}", tls))
    result = subprocess.run([f"{PREFIX}/sbin/dovetail", "-F", "-c", server.config], capture_output=True, text=True,
                            timeout=20, check=False)
    assert result.returncode == 89
    assert re.search(wanted, result.stderr)
    server.remove()


def test_systemd_is_told_and_its_sockets_are_used(make_server):
    server = make_server(start=False)
    path = f"{server.dir}/notify"
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(path)
    notify.settimeout(30)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", server.port("imap")))
    listener.listen()
    # As systemd does it: from descriptor 3 on, for the process of that number.
    become = ("import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid()); "
              "os.execv(sys.argv[2], sys.argv[2:])")
    fd = listener.fileno()
    server.proc = subprocess.Popen(
        [sys.executable, "-c", become, str(fd), f"{PREFIX}/sbin/dovetail", "-F", "-c", server.config],
        env={**os.environ, "NOTIFY_SOCKET": path, "LISTEN_FDS": "1"}, pass_fds=[fd])
    listener.close()
    assert notify.recv(100) == b"READY=1"
    server.wait_ready()
    login(server).logout()
    server.proc.send_signal(signal.SIGHUP)
    assert [notify.recv(100), notify.recv(100)] == [b"RELOADING=1", b"READY=1"]
    login(server).logout()
    assert server.stop()
    assert notify.recv(100) == b"STOPPING=1"


# --- sessions ---------------------------------------------------------------------------

def test_a_session_costs_no_new_process_when_the_user_comes_back(make_server):
    server = make_server()
    login(server).logout()
    before, workers = server.pids(), set()
    for _ in range(10):
        login(server).logout()
        workers.add(worker_of(server, "alice"))
    # Who comes back while the last session's process is not yet done with it gets a second one.
    assert len(workers) <= 2
    assert len(server.pids()) <= len(before) + 1


def test_sessions_of_one_user_have_a_process_each(server):
    one = login(server)
    first = worker_of(server, "alice")
    two = login(server)
    assert worker_of(server, "alice") != first
    one.logout()
    two.logout()


def test_a_process_per_session_if_so_configured(make_server):
    server = make_server("service imap {\n  service_count = 1\n}\n")
    pids = set()
    for _ in range(4):
        login(server).logout()
        pids.add(worker_of(server, "alice"))
    assert len(pids) == 4
    wait_for(lambda: not pids & set(server.pids()))


def test_many_sessions_in_a_process_if_so_configured(make_server):
    server = make_server("service imap {\n  client_limit = 5\n}\n")
    clients, pids = [], set()
    for _ in range(5):
        clients.append(login(server))
        pids.add(worker_of(server, "alice"))
    assert len(pids) == 1
    rows = [line.split("\t") for line in server.doveadm("-f", "tab", "who").stdout.splitlines()[1:]]
    assert rows[0][:2] == ["alice", "5"]
    for client in clients:
        assert client.noop()[0] == "OK"
        client.logout()
    wait_for(lambda: len(server.doveadm("-f", "tab", "who").stdout.splitlines()) == 1)


@needs_root
def test_a_session_has_its_users_rights_and_login_has_none(server):
    client = login(server)
    pid = worker_of(server, "alice")
    uid = str(pwd.getpwnam("nobody").pw_uid)
    assert status(pid, "Uid").split() == [uid] * 4
    assert status(pid, "NoNewPrivs") == "1"
    for pid in server.pids("imap-login"):
        if status(pid, "Uid").split()[0] == "0":
            continue
        assert os.readlink(f"/proc/{pid}/root") == f"{server.dir}/run/login"
        assert status(pid, "CapEff").strip("0") == ""
    client.logout()


@needs_root
def test_users_below_first_valid_uid_have_no_mail(make_server):
    server = make_server("first_valid_uid = 65535\n")
    with pytest.raises(imaplib.IMAP4.error, match="Internal error occurred"):
        login(server)
    assert server.wait_log(r"imap\(alice\): Error: Mail access for users with UID 65534 not permitted \(see "
                           r"first_valid_uid in config file, uid from userdb lookup\)\.\n")


def test_sessions_are_ready_before_they_are_asked_for(make_server):
    server = make_server("service imap {\n  process_min_avail = 2\n}\n")
    # Zygote, manager, and two that belong to nobody yet.
    wait_for(lambda: len(server.pids("imap")) == 4)
    ready = set(server.pids("imap"))
    client = login(server)
    assert worker_of(server, "alice") in ready
    wait_for(lambda: len(server.pids("imap")) == 5)
    client.logout()


def test_what_is_behind_a_login_process_is_loaded_with_it(make_server):
    """So that the first who logs in does not wait for it. Nobody's session is among that."""
    server = make_server(protocols='pop3')
    with socket.create_connection(("127.0.0.1", server.port('pop3'))) as client:
        assert client.recv(100).startswith(b'+OK')
        # Zygote and manager.
        wait_for(lambda: len(server.pids("pop3")) == 2)


def test_too_many_sessions_from_one_address_are_refused(make_server):
    server = make_server("mail_max_userip_connections = 2\n")
    clients = [login(server), login(server)]
    with pytest.raises(imaplib.IMAP4.error, match=r"mail_max_userip_connections=2"):
        login(server)
    login(server, "bob").logout()
    clients.pop().logout()
    # The client knows of the end before anvil does.
    assert server.wait_log(r'imap\(alice\).*Disconnected: Logged out')
    deadline = time.monotonic() + 10
    while len(server.doveadm('who', '-1').stdout.splitlines()) > 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    login(server).logout()


def say_login(server, user):
    sock = socket.create_connection(("127.0.0.1", server.port("imap")), timeout=20)
    sock.recv(4096)
    sock.sendall(f"a LOGIN {user} secret\r\n".encode())
    return sock


def test_more_sessions_than_processes_wait_for_room(make_server):
    server = make_server("service imap {\n  process_limit = 2\n}\n")
    clients = [say_login(server, "alice") for _ in range(2)]
    for client in clients:
        assert b"a OK" in client.recv(4096)
    waiting = [say_login(server, user) for user in ("alice", "bob", "carol")]
    assert server.wait_log(r"Warning: service\(imap\): process_limit \(2\) reached, client connections are being "
                           r"dropped")
    assert select.select(waiting, [], [], 0.2)[0] == []
    # Another user's process makes room as well as one's own.
    for _ in range(3):
        clients.pop(0).close()
        served = select.select(waiting, [], [], 30)[0]
        assert len(served) == 1 and b"a OK" in served[0].recv(4096)
        waiting.remove(served[0])
        clients.append(served[0])


def test_nobody_waits_for_room_for_ever(make_server):
    server = make_server("service imap {\n  process_limit = 1\n}\n")
    client = login(server)
    waiting = [say_login(server, user) for user in ("alice", "bob", "carol")]
    assert server.wait_log(r"client_limit/service_count \(1\) reached")
    # One goes away meanwhile, one stays until the end (Dovecot's: after 10 s).
    waiting[1].close()
    start = time.monotonic()
    for sock in (waiting[0], waiting[2]):
        assert b"a NO [UNAVAILABLE] Too many sessions at this time" in sock.recv(4096)
    assert time.monotonic() - start > 5
    client.logout()
    wait_for(lambda: can_login(server))


def service(name, **settings):
    return f"service {name} {{\n" + "".join(f"  {key} = {value}\n" for key, value in settings.items()) + "}\n"


@pytest.mark.parametrize("limits, room, as_dovecot", [
    ({"service_count": 0, "client_limit": 2, "process_limit": 1}, 2, True),
    ({"service_count": 1, "process_limit": 2}, 2, True),
    # There each process drops one.
    ({"service_count": 0, "client_limit": 2, "process_limit": 2}, 4, False)])
def test_who_only_waits_keeps_nobody_out(make_server, make_dovecot, limits, room, as_dovecot):
    """A full house of clients that say nothing: for each newcomer the oldest of them goes, and who logs in stays."""
    for make in (make_server, make_dovecot)[:2 if as_dovecot else 1]:
        server, socks, dropped = make(service("imap-login", **limits), "imap"), [], []
        for number in range(room + 3):
            sock = socket.create_connection(("127.0.0.1", server.port("imap")), 30)
            assert sock.recv(4096).startswith(b"* OK")
            socks.append(sock)
            time.sleep(0.1)
        for number, sock in enumerate(socks):
            if select.select([sock], [], [], 0.2)[0]:
                assert sock.recv(4096) == b"* BYE Connection queue full\r\n"
                dropped.append(number)
        # Dovecot tells each of its processes, and the second one may hear of it before the first has made room.
        assert len(dropped) == 3 or (make is make_dovecot and len(dropped) == 4)
        assert room > 2 or dropped == list(range(len(dropped)))
        socks[-1].sendall(b"a LOGIN alice secret\r\n")
        assert b"a OK" in socks[-1].recv(4096)
        for sock in socks:
            sock.close()
        log = server.log_text()
        # The one that asked whether the server is there may have gone, too.
        assert log.count("Disconnected: Connection queue full (no auth attempts") >= 3
        name, limit = ("client_limit", 2) if limits["process_limit"] == 1 else ("process_limit", limits["process_limit"])
        assert f"master: Warning: service(imap-login): {name} ({limit}) reached, client connections are being dropped" in log
        server.forgive()


def test_who_is_slow_to_make_room_costs_nobody_else_his_place(make_server):
    """A process has a second for it, whoever was asked before it."""
    server = make_server(service("imap-login", service_count=1, process_limit=2))

    def connect():
        sock = socket.create_connection(("127.0.0.1", server.port("imap")), 30)
        assert sock.recv(4096).startswith(b"* OK")
        return sock

    wait_for(lambda: len(server.pids("imap-login")) < 2)  # who asked whether the server is there is gone
    socks = [connect() for _ in range(3)]  # the first one makes room
    start = time.monotonic()
    time.sleep(0.6)
    workers = set(server.pids("imap-login")) - {part_of(server, "imap-login", "template")}
    slow = min(workers)  # the second one's
    os.kill(slow, signal.SIGSTOP)
    last = socket.create_connection(("127.0.0.1", server.port("imap")), 30)
    time.sleep(0.6)
    os.kill(slow, signal.SIGCONT)
    if time.monotonic() - start > 1.5:
        pytest.skip("this machine is too busy")
    assert last.recv(4096).startswith(b"* OK")
    assert [sock for sock in socks if select.select([sock], [], [], 0.2)[0]] == socks[:2]
    for sock in [*socks, last]:
        sock.close()
    server.forgive()


def test_limits_of_sessions_are_named_as_by_dovecot(make_server, make_dovecot):
    for limits in ({"process_limit": 1}, {"process_limit": 2}, {"process_limit": 1, "client_limit": 2, "service_count": 0}):
        said = []
        for make in (make_server, make_dovecot):
            server = make(service("imap", **limits), "imap")
            socks = [say_login(server, "alice") for _ in range(3)]
            said.append(server.wait_log(r"master: Warning: service\(imap\): (.*)")[1])
            for sock in socks:
                sock.close()
            server.forgive()
        assert said[0] == said[1]


def test_vsz_limits_are_those_of_dovecot(make_server, make_dovecot):
    """Of each service; on what it allocates, for a mapped index may be larger."""
    if os.environ.get("ASAN_OPTIONS"):
        pytest.skip("sanitizers reserve memory of their own")
    for extra in ("", "default_vsz_limit = 200 M\nservice imap {\n  vsz_limit = 300 M\n}\nservice auth {\n  vsz_limit = 0\n}\n"):
        seen = []
        for make in (make_server, make_dovecot):
            server = make(extra, "imap")
            sock = say_login(server, "alice")
            assert b"a OK" in sock.recv(4096)
            pids = {name: server.pids(name)[0] for name in ("auth", "anvil", "log")}
            pids["imap"] = server.wait_log(r"mpid=(\d+)")[1]
            seen.append({name: re.search(r"Max data size +(\S+)", Path(f"/proc/{pid}/limits").read_text())[1]
                         for name, pid in pids.items()})
            sock.close()
            server.forgive()
        assert seen[0] == seen[1]


def test_who_waits_for_room_hears_of_the_stop(make_server):
    server = make_server("service imap {\n  process_limit = 1\n}\n")
    client = login(server)
    waiting = say_login(server, "bob")
    assert server.wait_log(r"client_limit/service_count \(1\) reached")
    assert server.stop()
    assert b"a NO [UNAVAILABLE]" in waiting.recv(4096)
    client.shutdown()


def test_a_killed_session_is_logged_with_its_user_and_gone_from_who(make_server):
    server = make_server()
    client = login(server)
    pid = worker_of(server, "alice")
    os.kill(pid, signal.SIGKILL)
    assert server.wait_log(rf"imap\(alice\)<{pid}><\S+>: Fatal: master: service\(imap\): child {pid} killed with "
                           rf"signal 9\n")
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        client.noop()
    wait_for(lambda: len(server.doveadm("-f", "tab", "who").stdout.splitlines()) == 1)
    login(server).logout()
    server.forgive(r"killed with signal 9")


@pytest.mark.parametrize("part", ["zygote", "manager"])
def test_kill_9_of_what_forks_sessions_is_mended(make_server, part):
    server = make_server()
    client = login(server)
    victim = part_of(server, "imap", part)
    os.kill(victim, signal.SIGKILL)
    assert server.wait_log(rf"service\(imap\): child {victim} killed with signal 9")

    def serves():
        try:
            login(server).logout()
        except (imaplib.IMAP4.error, OSError):
            return False
        return True

    # The login process was connected with the old one's manager.
    wait_for(serves)
    client.noop()
    client.logout()
    server.forgive(r"killed with signal 9|returned error|Peer has closed|Connection")


@pytest.mark.parametrize("name", ["auth", "anvil", "log", "imap-login", "imap", "lmtp"])
def test_kill_9_of_all_processes_of_a_service_is_mended(make_server, name):
    server = make_server()
    login(server).logout()
    victims = server.pids(name)
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    wait_for(lambda: can_login(server))
    wait_for(lambda: not set(victims) & set(server.pids()))
    server.forgive(r"killed with signal 9")


def test_a_client_is_not_told_what_is_wrong_with_the_configuration(make_server):
    server = make_server("mail_location = maildir:~/Maildir:LAYOUT=bogus\n")
    with socket.create_connection(("127.0.0.1", server.port("imap")), 10) as sock:
        sock.sendall(b"a login alice secret\r\n")
        said = b""
        while b"BYE" not in said:
            said += sock.recv(4096)
    assert b"Internal error occurred" in said
    assert b"bogus" not in said
    assert server.wait_log(r"User initialization failed: .*bogus")
    server.forgive()


def test_what_is_killed_again_and_again_is_back_soon(make_server):
    server = make_server()
    assert can_login(server)
    # Were the wait to double each time, the last one would be 12.8 s.
    for _ in range(8):
        wait_for(lambda: server.pids("auth"))
        os.kill(server.pids("auth")[0], signal.SIGKILL)
        start = time.monotonic()
        wait_for(lambda: can_login(server))
        assert time.monotonic() - start < 6
    server.forgive(r"killed with signal 9")


def test_what_is_logged_while_the_log_process_is_dead_is_not_lost(make_server):
    server = make_server()
    client = login(server)
    log, = server.pids("log")
    os.kill(log, signal.SIGSTOP)
    client.logout()
    os.kill(log, signal.SIGKILL)
    assert server.wait_log(r"imap\(alice\)<\d+><\S+>: Info: Disconnected: Logged out")
    server.forgive(r"killed with signal 9")


def test_children_end_when_the_master_is_killed(make_server):
    server = make_server()
    client = login(server)
    pids = server.pids()
    server.proc.kill()
    server.proc.wait()
    wait_for(lambda: all(gone(pid) for pid in pids))
    assert client.readline().startswith(b"* BYE")
    server.proc = None
    # And a new one takes over what is left.
    server.start()
    login(server).logout()


def test_who_lost_template_and_master_finishes_beside_the_next_one(make_server):
    server = make_server()
    old = login(server)
    idle, busy = (smtplib.LMTP("127.0.0.1", server.port("lmtp"), timeout=20) for _ in range(2))
    idle.ehlo()
    busy.ehlo()
    busy.mail("a@x.example")
    busy.rcpt("alice")
    assert busy.docmd("DATA")[0] == 354
    busy.send("Subject: late\r\n\r\nhalf of it,\r\n")
    forkers = [part_of(server, "lmtp", "template"), part_of(server, "imap", "zygote")]
    workers = set(server.pids("lmtp") + server.pids("imap")) - set(forkers)
    for pid in forkers:
        os.kill(pid, signal.SIGKILL)
        assert server.wait_log(rf"child {pid} killed with signal 9")
    rest = set(server.pids()) - workers
    server.proc.kill()
    server.proc.wait()
    wait_for(lambda: all(gone(pid) for pid in rest))
    server.proc = None
    server.start()
    # The new one's clients come to its own processes.
    with smtplib.LMTP("127.0.0.1", server.port("lmtp"), timeout=20) as lmtp:
        lmtp.sendmail("a@x.example", ["bob"], "Subject: new\r\n\r\n")
    login(server, "bob").logout()
    busy.send("and the other.\r\n.\r\n")
    assert busy.getreply()[0] == 250
    assert idle.noop()[0] == 250
    old.select()
    assert old.fetch("1", "BODY[TEXT]")[1][0][1] == b"half of it,\r\nand the other.\r\n"
    assert not all(gone(pid) for pid in workers)
    for client in (old.logout, idle.quit, busy.quit):
        client()
    wait_for(lambda: all(gone(pid) for pid in workers))
    server.forgive(r"killed with signal 9|Connection|closed")


def test_half_open_handshakes_hurt_nobody(server):
    silent = [socket.create_connection(("127.0.0.1", server.port("imaps"))) for _ in range(200)]
    for sock in silent[:100]:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01")
    times = []
    for _ in range(3):
        begin = time.monotonic()
        login(server, name="imaps").logout()
        times.append(time.monotonic() - begin)
    assert min(times) < 2
    for sock in silent:
        sock.close()


@pytest.mark.parametrize('reloads', [1, 3])
def test_who_came_before_a_reload_logs_in_after_it(make_server, reloads):
    """Their login process asks the auth of before, which alone knows that they are in; the manager of imap, started for
    the first one of them, asks the one of now."""
    server = make_server()
    early = [socket.create_connection(('127.0.0.1', server.port('imap')), 30) for _ in range(3)]
    files = [one.makefile('rwb') for one in early]
    for file in files:
        assert file.readline().startswith(b'* OK')
    for _ in range(reloads):
        assert server.doveadm('reload').returncode == 0
        assert server.doveadm('auth', 'test', 'alice', 'secret').returncode == 0
    for file in files:
        file.write(b'a LOGIN alice secret\r\n')
        file.flush()
        assert b' OK ' in next(line for line in iter(file.readline, b'') if line.startswith(b'a '))
    for one in early:
        one.close()
