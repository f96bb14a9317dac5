# SPDX-License-Identifier: MIT
"""Whole servers in scratch directories: `server`, `make_server`, `dovecot`.

$DOVETAIL_PREFIX names where Dovetail is installed (script/test sets it). All
works as root and as an ordinary user; everybody's password is "secret"."""
import fcntl
import grp
import itertools
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

PREFIX = os.environ.get("DOVETAIL_PREFIX")
PASSWORD = "secret"
USERS = ("alice bob carol reader hand droppy twin sorted sorted-here letters objects whoa whob recent spare stats tree "
         "crowd deleter idler logger pair mover flags quota lmtp1 lmtp2 lda sieve popper poptwin").split()
PROTOCOLS = "imap pop3 lmtp"
SERVICES = {"imap": "imap", "imaps": "imap", "pop3": "pop3", "pop3s": "pop3", "lmtp": "lmtp",
            "sieve": "sieve"}
ROOT = os.getuid() == 0
TROUBLE = re.compile(r"Panic:|Fatal:|AddressSanitizer|LeakSanitizer|runtime error:|Malformed|Assertion")
# doveadm log test writes one of each kind.
HARMLESS = re.compile(r"This is Dovecot's \w+ log")

# Configuration that tests of logins add: a socket for anyone who speaks auth's protocol, and all clients come from one
# address.
AUTH_CLIENT = """\
service auth {
  unix_listener auth-client {
    mode = 0666
  }
}
"""
NO_PENALTY = """\
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
"""
CONFIG = """\
protocols = {protocols}
listen = 127.0.0.1
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
hostname = mail.example
postmaster_address = postmaster@mail.example
ssl = yes
ssl_cert = <{tls}.crt
ssl_key = <{tls}.key
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:~/Maildir
mail_max_userip_connections = 50
lda_mailbox_autocreate = yes
{internal}namespace inbox {{
  inbox = yes
}}
{accounts}service imap-login {{
  inet_listener imap {{
    port = {ports[imap]}
  }}
  inet_listener imaps {{
    port = {ports[imaps]}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {ports[pop3]}
  }}
  inet_listener pop3s {{
    port = {ports[pop3s]}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {ports[lmtp]}
  }}
}}
service managesieve-login {{
  inet_listener sieve {{
    port = {ports[sieve]}
  }}
}}
{extra}
"""
ACCOUNTS = """\
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {dir}/users
}}
"""


def have_user(name):
    try:
        pwd.getpwnam(name)
        grp.getgrnam(name)
        return True
    except KeyError:
        return False


def mail_owner():
    """Whose mail it is: as root somebody else."""
    if not ROOT:
        return os.getuid(), os.getgid()
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def as_mail_owner():
    """Arguments of subprocess.run() for a program that whose mail it is runs."""
    return dict(zip(("user", "group"), mail_owner()), extra_groups=[]) if ROOT else {}


def fixed_ports():
    """Ports that no connection gets by itself, each once, in an endless round. Of the processes that run tests side by
    side (pytest-xdist) each has its own: a port is free until a server binds it."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    ports = range(12000 + worker, low if low > 20000 else 32768, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1)))
    start = random.randrange(len(ports))  # another run may go on beside this one
    return itertools.cycle([*ports[start:], *ports[:start]])


PORTS = fixed_ports()


def is_free(port):
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def open_up(path):
    """Let other users through to `path`; nobody loses a right."""
    for at in (path, *path.parents):
        if at.stat().st_uid == os.getuid() and at.stat().st_mode & 0o005 != 0o005:
            os.chmod(at, at.stat().st_mode | 0o055)


def free_ports(count):
    """Ports to listen on. Not those the kernel gives for port 0: it gives them
    to clients, too, and until the server binds one, it may be taken."""
    return list(itertools.islice(filter(is_free, PORTS), count))


class Server:
    """A Dovetail of one's own."""

    label = "dovetail"

    def __init__(self, tls, extra="", protocols=PROTOCOLS):
        # Short, for the sockets' paths; and mail users must get through.
        self.dir = tempfile.mkdtemp(prefix="dt-", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.prefix = PREFIX
        self.config = f"{self.dir}/dovecot.conf"
        self.log = f"{self.dir}/log"
        self.protocols, self.extra, self.tls = protocols, extra, tls
        self.proc = None
        self.checked = 0  # so much of the log has been looked at
        self.meant = []  # complaints that are none
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES))))
        self.write_files()

    def commands(self):
        return f"{PREFIX}/sbin/dovetail", f"{PREFIX}/bin/doveadm"

    def write_files(self):
        uid, gid = mail_owner()
        os.mkdir(f"{self.dir}/home")
        os.chown(f"{self.dir}/home", uid, gid)
        os.chmod(f"{self.dir}/home", 0o755)
        for user in USERS:
            home = f"{self.dir}/home/{user}"
            os.mkdir(home, 0o755)
            os.chown(home, uid, gid)
        with open(f"{self.dir}/users", "w", encoding="utf-8") as file:
            for user in USERS:
                file.write(f"{user}:{{PLAIN}}{PASSWORD}:{uid}:{gid}::{self.dir}/home/{user}::\n")
        os.chmod(f"{self.dir}/users", 0o644)
        self.write_config()

    def write_config(self):
        internal = ""
        if not have_user("dovecot"):
            internal = "default_internal_user = nobody\ndefault_internal_group = nogroup\n"
        if not have_user("dovenull"):
            internal += "default_login_user = nobody\n"
        if not ROOT:
            # Nobody to become; sockets are ours.
            name = pwd.getpwuid(os.getuid()).pw_name
            group = grp.getgrgid(os.getgid()).gr_name
            internal = (f"default_internal_user = {name}\ndefault_internal_group = {group}\n"
                        f"default_login_user = {name}\n")
        accounts = "" if re.search(r"^passdb\b", self.extra, re.M) else ACCOUNTS.format(dir=self.dir)
        Path(self.config).write_text(CONFIG.format(
            dir=self.dir, protocols=self.protocols, tls=self.tls, ports=self.ports, extra=self.extra,
            internal=internal, accounts=accounts), encoding="utf-8")

    def port(self, name):
        return self.ports[name]

    def home(self, user):
        return f"{self.dir}/home/{user}"

    # --- running ---------------------------------------------------------------

    def start(self):
        daemon = self.commands()[0]
        with open(f"{self.dir}/console", "ab") as out:
            self.proc = subprocess.Popen([daemon, "-F", "-c", self.config], stdin=subprocess.DEVNULL,
                                         stdout=out, stderr=out)
        self.wait_ready()
        return self

    def wait_ready(self):
        """Until its ports can be reached; in the log it has said hello by then."""
        tls = not re.search(r"^ssl = no$", self.extra, re.M)
        wanted = [self.ports[name] for name, protocol in SERVICES.items()
                  if protocol in self.protocols.split() and (tls or not name.endswith("s"))]
        deadline = time.monotonic() + 60
        while wanted and time.monotonic() < deadline:
            assert self.proc.poll() is None, f"{self.label} ended at start:\n{self.console()}"
            try:
                socket.create_connection(("127.0.0.1", wanted[0]), 5).close()
                wanted.pop(0)
            except ConnectionRefusedError:
                time.sleep(0.02)
        assert not wanted, f"{self.label} does not listen:\n{self.console()}"
        pid_file = Path(self.dir, "run", "master.pid")
        while not pid_file.exists() and time.monotonic() < deadline:
            time.sleep(0.01)

    def stop(self):
        """End it cleanly; True if it did so in time."""
        if self.proc is None:
            return True
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
        try:
            self.proc.wait(40)
            clean = True
        except subprocess.TimeoutExpired:
            for pid in [*self.pids(), self.proc.pid]:
                os.kill(pid, signal.SIGKILL)
            self.proc.wait()
            clean = False
        self.proc = None
        return clean

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def doveadm(self, *args, **kwargs):
        """A finished doveadm; `input` and other options of subprocess.run()."""
        kwargs.setdefault("timeout", 60)
        return subprocess.run([self.commands()[1], "-c", self.config, *map(str, args)], capture_output=True,
                              text=True, check=False, **kwargs)

    # --- processes ----------------------------------------------------------------

    def pids(self, name=None):
        """All processes below the master, or those with such a program."""
        if self.proc is None:
            return []
        parents, found = {}, []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
                parents[int(entry)] = int(fields[1])
            except OSError:
                continue
        for pid in parents:
            at = pid
            while at in parents and at != self.proc.pid:
                at = parents[at]
            if at == self.proc.pid and pid != at:
                found.append(pid)
        return [pid for pid in found if name is None or self.comm(pid) == name]

    @staticmethod
    def comm(pid):
        try:
            return Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            return None

    def peak_memory(self, name):
        """The most that a process of that program ever used, in bytes."""
        peak = 0
        for pid in self.pids(name):
            try:
                status = Path(f"/proc/{pid}/status").read_text()
                peak = max(peak, int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024)
            except (OSError, TypeError):
                continue
        return peak

    # --- log ------------------------------------------------------------------------

    def console(self):
        text = ""
        for name in ("console", "log"):
            try:
                text += Path(self.dir, name).read_text(errors="replace")[-3000:]
            except OSError:
                continue
        return text

    def log_text(self):
        try:
            return Path(self.log).read_text(errors="replace")
        except OSError:
            return ""

    def wait_log(self, pattern, timeout=30, start=0):
        """The match of a regular expression, as soon as it is there, or None."""
        deadline = time.monotonic() + timeout
        while True:
            match = re.search(pattern, self.log_text()[start:])
            if match or time.monotonic() > deadline:
                return match
            time.sleep(0.02)

    def forgive(self, meant=None):
        """What the log says so far was meant to happen, and lines that match may still come: the master tells of a
        kill later than a client sees it."""
        self.checked = len(self.log_text())
        if meant is not None:
            self.meant.append(meant)

    def complaints(self):
        text = self.log_text()
        if self.checked > len(text):
            self.checked = 0
        text, self.checked = text[self.checked:], len(text)
        return [line for line in text.splitlines() if TROUBLE.search(line) and not HARMLESS.search(line)
                and not any(re.search(meant, line) for meant in self.meant)]

    # --- mail -------------------------------------------------------------------------

    def maildir(self, user):
        path = Path(self.home(user), "Maildir")
        for sub in (path, path / "tmp", path / "new", path / "cur"):
            if not sub.exists():
                sub.mkdir(mode=0o700)
                os.chown(sub, *mail_owner())
        return path

    def drop_mail(self, user, mail):
        """Deliver as another program would: straight into new/."""
        path = self.maildir(user)
        name = f"{time.time_ns()}.M{os.getpid()}.test"
        (path / "tmp" / name).write_bytes(mail)
        os.chown(path / "tmp" / name, *mail_owner())
        (path / "tmp" / name).rename(path / "new" / name)
        return name

    def copy_mail(self, other, user):
        """Make the user's mail the same as on another server."""
        shutil.rmtree(f"{self.home(user)}/Maildir", ignore_errors=True)
        subprocess.run(["cp", "-a", f"{other.home(user)}/Maildir", self.home(user)], check=True)


class Dovecot(Server):
    """Debian's Dovecot 2.3 with the same configuration."""

    label = "dovecot"

    def commands(self):
        return shutil.which("dovecot", path="/usr/sbin:/usr/bin"), "/usr/bin/doveadm"


# --- fixtures -------------------------------------------------------------------------

def pytest_configure(config):
    config.addinivalue_line("markers", "alone: has limits of time that other tests' work would break; script/test runs "
                            "these after all others, one at a time")


def pytest_collection_modifyitems(items):
    if PREFIX is None:
        skip = pytest.mark.skip(reason="DOVETAIL_PREFIX is not set")
        for item in items:
            item.add_marker(skip)


@pytest.fixture
def account():
    """An account of the system with a home and the password "secret". One at a time: shadow's tools do not wait."""
    if not ROOT:
        pytest.skip("makes a system account")
    name = f"dt{os.getpid()}"
    with open(f"{tempfile.gettempdir()}/dovetail-test.account", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["useradd", "-m", "-s", "/usr/sbin/nologin", name], check=True)
        subprocess.run(["chpasswd"], input=f"{name}:{PASSWORD}\n", text=True, check=True)
        yield name
        subprocess.run(["userdel", "-f", "-r", name], stderr=subprocess.DEVNULL, check=False)


def certificate(base):
    """Make BASE.crt and BASE.key; returns BASE."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-days", "30", "-subj", "/CN=localhost", "-keyout", f"{base}.key",
                    "-out", f"{base}.crt"], check=True, capture_output=True)
    return base


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    """Path of a certificate and its key, without .crt and .key."""
    return certificate(str(tmp_path_factory.mktemp("tls") / "server"))


def finish(server):
    clean = server.stop()
    complaints = server.complaints()
    text = server.console()
    server.remove()
    assert not complaints, "\n".join(complaints)
    assert clean, f"{server.label} did not stop:\n{text}"


@pytest.fixture(scope="session")
def running(tls):
    server = Server(tls).start()
    yield server
    finish(server)


@pytest.fixture
def server(running):
    """One server for all tests that leave it running."""
    yield running
    complaints = running.complaints()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def make_server(tls):
    """make_server(extra="", protocols=PROTOCOLS): a server for this test alone, with more configuration. The extra
    text stands last, so it wins; with a passdb in it, there is none but that."""
    made = []

    def make(extra="", protocols=PROTOCOLS, start=True):
        one = Server(tls, extra, protocols)
        made.append(one)
        return one.start() if start else one

    yield make
    for one in made:
        finish(one)


def need_dovecot():
    if not ROOT or not os.path.exists("/usr/lib/dovecot/pop3"):
        pytest.skip("needs Debian's Dovecot, and root")
    if not have_user("dovenull"):
        pytest.skip("Debian's Dovecot has no users")


@pytest.fixture(scope="session")
def running_dovecot(tls):
    need_dovecot()
    server = Dovecot(tls).start()
    yield server
    server.stop()
    server.remove()


@pytest.fixture
def dovecot(running_dovecot):
    return running_dovecot


@pytest.fixture
def make_dovecot(running_dovecot, tls):
    """make_dovecot(extra): one more Dovecot, with that configuration."""
    made = []

    def make(extra="", protocols=PROTOCOLS, start=True):
        assert running_dovecot
        made.append(Dovecot(tls, extra, protocols))
        return made[-1].start() if start else made[-1]

    yield make
    for one in made:
        one.stop()
        one.remove()
