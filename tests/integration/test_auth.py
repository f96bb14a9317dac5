# SPDX-License-Identifier: MIT
"""auth as other programs know it: its sockets, passdbs, userdbs, and what it says in which case."""
import base64
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY, ROOT, Dovecot, Server, finish, have_user

EXTRA = """\
auth_mechanisms = plain login
auth_verbose = yes
auth_failure_delay = 1 secs
auth_master_user_separator = *
passdb {
  driver = passwd-file
  args = DIR/masters
  master = yes
  pass = yes
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u DIR/accounts
}
userdb {
  driver = passwd-file
  args = username_format=%u DIR/accounts
}
""" + AUTH_CLIENT + NO_PENALTY
# What doveadm pw made of "secret".
SLOW = '{BLF-CRYPT}$2y$05$t5LwPgzdo66Vj5muWp3ZKequyPpExXW7/LrD6GG1ZqXccYTVcLuAq'
ACCOUNTS = f"""\
# users
alice:secret:7001:7002::/home/alice::userdb_quota_rule=*:storage=1G
slow:{SLOW}:7001:7002::/home/slow
off:{{CRYPT}}*:7001:7002::/home/off
nologin:secret:7001:7002::/home/nologin::nologin reason=Gone
nets:secret:7001:7002::/home/nets::allow_nets=10.0.0.0/8,192.0.2.1
other:secret:7001:7002::/home/other::user=alice
free::7001:7002::/home/free::nopassword=y
nodelay:secret:7001:7002::/home/nodelay::nodelay userdb_mail=mbox:~/mail
bad:{{FOO}}secret:7001:7002::/home/bad
noids:secret:::::
root0:secret:0:7002::/root
group0:secret:7001:0::/root
rootname:secret:root:7002::/root
nouid:secret:nobody-here:7002::/home/nouid
"""


def prepare(one, text=EXTRA):
    """A server whose configuration names files beside it."""
    one.extra = text.replace('DIR', one.dir)
    Path(one.dir, 'accounts').write_text(ACCOUNTS)
    Path(one.dir, 'masters').write_text('admin:{PLAIN}adminpw\n')
    os.chmod(f'{one.dir}/accounts', 0o644)
    os.chmod(f'{one.dir}/masters', 0o644)
    one.write_config()
    return one


@pytest.fixture(scope='module')
def running_auth(tls):
    one = prepare(Server(tls, 'passdb {\n}\n', 'imap')).start()
    yield one
    finish(one)


@pytest.fixture
def auth(running_auth):
    yield running_auth
    complaints = running_auth.complaints()
    assert not complaints, '\n'.join(complaints)


@pytest.fixture(scope='module')
def other(tls):
    """Dovecot with the same configuration."""
    if not ROOT or not os.path.exists('/usr/sbin/dovecot') or not have_user('dovenull'):
        pytest.skip("needs Debian's Dovecot, and root")
    one = prepare(Dovecot(tls, 'passdb {\n}\n', 'imap')).start()
    yield one
    one.stop()
    one.remove()


class Talk:
    """Lines on a unix socket."""

    def __init__(self, server, name):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(f'{server.dir}/run/{name}')
        self.data = b''

    def line(self, timeout=30):
        self.sock.settimeout(timeout)
        while b'\n' not in self.data:
            try:
                got = self.sock.recv(65536)
            except ConnectionResetError:
                got = b''
            if not got:
                return None
            self.data += got
        line, self.data = self.data.split(b'\n', 1)
        return line.decode()

    def send(self, text):
        self.sock.sendall(text.encode() + b'\n')

    def ask(self, text):
        self.send(text)
        return self.line()

    def close(self):
        self.sock.close()


class Client(Talk):
    """Somebody who speaks the client protocol, as Postfix does."""

    def __init__(self, server, name='auth-client', pid=None):
        super().__init__(server, name)
        self.pid = pid or os.getpid()
        self.hello = []
        while not self.hello or self.hello[-1] != 'DONE':
            self.hello.append(self.line())
            assert self.hello[-1] is not None, 'auth closed the connection'
        self.cookie = next(line[7:] for line in self.hello if line.startswith('COOKIE\t'))
        self.send(f'VERSION\t1\t2\nCPID\t{self.pid}')
        self.last = 0

    def plain(self, user, password, authz='', extra='rip=127.0.0.1\tsession=S'):
        self.last += 1
        text = base64.b64encode(f'{authz}\0{user}\0{password}'.encode()).decode()
        return self.ask(f'AUTH\t{self.last}\tPLAIN\tservice=imap\t{extra}\tresp={text}')


class Master(Talk):
    """Somebody who speaks the master protocol."""

    def __init__(self, server, name='auth-master'):
        super().__init__(server, name)
        self.send('VERSION\t1\t1')
        assert self.line() == 'VERSION\t1\t1'
        assert re.match(r'SPID\t\d+$', self.line())


def test_handshake(auth):
    client = Client(auth)
    assert client.hello[:3] == ['VERSION\t1\t2', 'MECH\tPLAIN\tplaintext', 'MECH\tLOGIN\tplaintext']
    assert re.match(r'SPID\t\d+$', client.hello[3])
    assert re.match(r'CUID\t\d+$', client.hello[4])
    assert re.match(r'COOKIE\t[0-9a-f]{32}$', client.hello[5])
    assert Client(auth).cookie != client.cookie


@pytest.mark.parametrize('user, password, answer', [
    ('alice', 'secret', 'OK\t1\tuser=alice'),
    ('ALICE', 'secret', 'OK\t1\tuser=alice\toriginal_user=ALICE'),
    ('alice', 'wrong', 'FAIL\t1\tuser=alice'),
    ('nobody-here', 'x', 'FAIL\t1\tuser=nobody-here'),
    ('slow', 'secret', 'OK\t1\tuser=slow'),
    ('slow', 'wrong', 'FAIL\t1\tuser=slow'),
    ('off', '*', 'FAIL\t1\tuser=off'),
    ('nologin', 'secret', 'OK\t1\tuser=nologin\tnologin\treason=Gone'),
    ('nets', 'secret', 'FAIL\t1\tuser=nets'),
    ('other', 'secret', 'OK\t1\tuser=alice\toriginal_user=other'),
    ('free', 'anything', 'OK\t1\tuser=free'),
    ('bad', 'secret', 'FAIL\t1\tuser=bad'),
    ('alice', '', 'FAIL\t1\tuser=alice'),
    ('al ice', 'secret', 'FAIL\t1\tuser=al ice'),
    ('alice*admin', 'adminpw', 'OK\t1\tuser=alice\toriginal_user=admin\tauth_user=admin'),
    ('alice*admin', 'wrong', 'FAIL\t1\tuser=admin'),
    ('alice*nobody', 'adminpw', 'FAIL\t1\tuser=nobody'),
    ('nobody*admin', 'adminpw', 'FAIL\t1\tuser=nobody\tcode=authz_fail'),
    ('admin', 'adminpw', 'FAIL\t1\tuser=admin'),
])
def test_answers(auth, user, password, answer):
    assert Client(auth).plain(user, password) == answer


def without(line, *names):
    """Dovecot leaves an empty word where it hides a field, and says more of failures."""
    words = [word for word in line.split('\t') if word and not word.startswith(names)]
    return '\t'.join(words)


@pytest.mark.parametrize('user, password', [
    ('alice', 'secret'), ('ALICE', 'secret'), ('alice', 'wrong'), ('nobody-here', 'x'), ('slow', 'secret'),
    ('off', 'x'), ('nologin', 'secret'), ('nets', 'secret'), ('other', 'secret'), ('free', 'x'), ('nodelay', 'secret'),
    ('al ice', 'secret'), ('', 'x'), ('alice*admin', 'adminpw'), ('alice*admin', 'x'), ('nobody*admin', 'adminpw'),
    ('bad', 'secret')])
def test_answers_are_those_of_dovecot(auth, other, user, password):
    ours, theirs = (Client(one).plain(user, password) for one in (auth, other))
    hidden = ('original_user=', 'auth_user=') if theirs.startswith('FAIL') else ('x=',)
    assert without(ours, *hidden) == without(theirs, *hidden)


@pytest.mark.parametrize('text', [
    'USER\t1\talice\tservice=imap', 'USER\t1\tALICE\tservice=imap', 'USER\t1\tnobody-here\tservice=imap',
    'USER\t1\talice*admin\tservice=imap', 'USER\t1\tslow*alice\tservice=imap', 'PASS\t1\talice*admin\tservice=imap',
    'PASS\t1\talice*slow\tservice=imap', 'PASS\t1\talice*nobody-here\tservice=imap', 'USER\t1\tnodelay\tservice=imap', 'USER\t1\tnoids\tservice=imap', 'USER\t1\tal ice\tservice=imap',
    'USER\t1\tslow\tservice=', 'PASS\t1\talice\tservice', 'PASS\t1\talice\tservice=imap', 'PASS\t1\tnologin\tservice=imap', 'PASS\t1\tnobody-here\tservice=imap',
    'PASS\t1\tnets\tservice=imap\trip=192.0.2.1', 'PASS\t1\tnets\tservice=imap\trip=192.0.2.2'])
def test_lookups_are_those_of_dovecot(auth, other, text):
    ours, theirs = (Master(one).ask(text) for one in (auth, other))
    assert without(ours, 'x=') == without(theirs, 'x=')


def test_who_would_be_root_is_nobody(auth, other):
    """A userdb's line with such a uid or gid does not count, for passdbs of the same file neither."""
    said = []
    for one in (auth, other):
        lines = [Client(one).plain(user, 'secret') for user in ('root0', 'group0', 'rootname', 'nouid')]
        lines += [Master(one).ask(f'{what}\t1\t{user}\tservice=imap') for what in ('PASS', 'USER')
                  for user in ('root0', 'group0', 'rootname', 'nouid')]
        said.append([without(line, 'original_user=') for line in lines])
    assert said[0] == said[1]
    assert auth.wait_log(r"Error: passwd-file\(root0,127.0.0.1,<S>\): \S+: User root0 has invalid UID '0'")
    auth.forgive()


def test_allowed_nets(auth):
    client = Client(auth)
    assert client.plain('nets', 'secret', extra='rip=192.0.2.1').startswith('OK')
    assert client.plain('nets', 'secret', extra='rip=10.9.8.7').startswith('OK')
    assert client.plain('nets', 'secret', extra='rip=192.0.2.2').startswith('FAIL')
    assert client.plain('nets', 'secret', extra='rip=::1').startswith('FAIL')


def test_identities_of_sasl(auth):
    client = Client(auth)
    assert client.plain('alice', 'secret', 'alice') == 'OK\t1\tuser=alice'
    assert client.plain('admin', 'adminpw', 'alice') == 'OK\t2\tuser=alice\toriginal_user=admin\tauth_user=admin'
    assert client.plain('slow', 'secret', 'alice').startswith('FAIL\t3')


def test_login_step_by_step(auth):
    client = Client(auth)
    assert client.ask('AUTH\t1\tLOGIN\tservice=smtp') == 'CONT\t1\tVXNlcm5hbWU6'
    assert client.ask('CONT\t1\tYWxpY2U=') == 'CONT\t1\tUGFzc3dvcmQ6'
    assert client.ask('CONT\t1\tc2VjcmV0') == 'OK\t1\tuser=alice'
    assert client.ask('AUTH\t2\tPLAIN\tservice=smtp') == 'CONT\t2\t'
    assert client.ask('CONT\t2\tAGFsaWNlAHNlY3JldA==') == 'OK\t2\tuser=alice'
    assert client.ask('AUTH\t3\tLOGIN\tservice=smtp') == 'CONT\t3\tVXNlcm5hbWU6'
    client.send('CANCEL\t3')
    assert client.ask('CONT\t3\tYWxpY2U=').startswith('FAIL\t3\treason=')
    assert client.ask('AUTH\t4\tPLAIN\tservice=smtp\tresp=!!') == (
        'FAIL\t4\tcode=invalid_base64\treason=Invalid base64 data in initial response')


@pytest.mark.alone
def test_failures_are_held_back_alike(auth):
    """How long it takes to say no says nothing of why: unknown users, wrong passwords, slow hashes."""
    for _ in range(5):  # other work on this machine takes time, too
        times = []
        for user in ('alice', 'nobody-here', 'slow', 'off'):
            client = Client(auth)
            begin = time.monotonic()
            assert client.plain(user, 'wrong').startswith('FAIL')
            times.append(time.monotonic() - begin)
        assert min(times) > 0.99
        if max(times) - min(times) < 0.2:
            break
    assert max(times) - min(times) < 0.2


@pytest.mark.alone
def test_failures_hold_nobody_else_up(auth):
    client = Client(auth)
    for n in range(1, 51):
        text = base64.b64encode(b'\0alice\0wrong').decode()
        client.send(f'AUTH\t{n}\tPLAIN\tservice=imap\tresp={text}')
    client.last = 50
    begin = time.monotonic()
    assert client.plain('alice', 'secret') == 'OK\t51\tuser=alice'
    assert time.monotonic() - begin < 0.99  # the others' delay
    assert sorted(client.line().split('\t')[0] for _ in range(50)) == ['FAIL'] * 50


@pytest.mark.parametrize('text', [
    'VERSION\t2\t0', 'CPID\t1', 'AUTH\t1\tPLAIN\tservice=imap\tresp=', 'VERSION\t1\t1\nCPID\t0', 'VERSION\t1\t1\nCPID\t9\nFOO',
    'VERSION\t1\t1\nCPID\t9\nAUTH\tx\tPLAIN', 'VERSION\t1\t1\nCPID\t9\nAUTH\t1\tPLAIN\tresp=',
    'VERSION\t1\t1\nCPID\t9\nAUTH\t1\tNTLM\tservice=imap', 'VERSION\t1\t1\nCPID\t9\nAUTH\t1\tPLAIN\tservice=x\tresp=\tfoo',
    'VERSION\t1\t1\nCPID\t9\nAUTH\t1\tLOGIN\tservice=x\nAUTH\t1\tLOGIN\tservice=x', '\0\1\2', 'x' * 20000,
    'VERSION\t1\t1\nCPID\t9\nAUTH\t1\tPLAIN' + '\tx' * 100])
def test_confused_clients_lose_their_connection_only(auth, text):
    good, bad = Client(auth), Talk(auth, 'auth-client')
    try:
        bad.send(text)
        while bad.line() is not None:
            pass
    except BrokenPipeError:
        pass
    assert good.plain('alice', 'secret') == 'OK\t1\tuser=alice'


@pytest.mark.parametrize('text', ['FOO\t1', 'USER', 'USER\t1', 'USER\t1\talice', 'USER\tx\talice\tservice=imap', 'REQUEST\t1',
                                  'REQUEST\t1\tx\ty\tz', '\0', 'x' * 20000])
def test_confused_masters_lose_their_connection_only(auth, text):
    good, bad = Master(auth), Master(auth)
    try:
        bad.send(text)
        while bad.line() is not None:
            pass
    except BrokenPipeError:
        pass
    assert good.ask('USER\t1\tslow\tservice=imap') == 'USER\t1\tslow\tuid=7001\tgid=7002\thome=/home/slow'


def test_tokens_are_for_one_use(auth):
    login, master = Client(auth, 'auth-login', 70001), Master(auth)
    assert login.plain('alice', 'secret') == 'OK\t1\tuser=alice'
    assert master.ask(f'REQUEST\t1\t70001\t1\t{"0" * 32}') == 'FAIL\t1'
    assert master.ask(f'REQUEST\t2\t70001\t2\t{login.cookie}') == 'FAIL\t2'
    assert master.ask(f'REQUEST\t3\t70002\t1\t{login.cookie}') == 'FAIL\t3'
    answer = master.ask(f'REQUEST\t4\t70001\t1\t{login.cookie}\tsession_pid=1').split('\t')
    assert answer[:3] == ['USER', '4', 'alice']
    assert set(answer[3:]) == {'uid=7001', 'gid=7002', 'home=/home/alice', 'quota_rule=*:storage=1G', 'auth_mech=PLAIN'}
    assert master.ask(f'REQUEST\t5\t70001\t1\t{login.cookie}') == 'FAIL\t5'
    assert login.plain('alice*admin', 'adminpw').startswith('OK\t2')
    assert 'master_user=admin' in master.ask(f'REQUEST\t6\t70001\t2\t{login.cookie}').split('\t')
    for number in range(3, 33):
        assert login.plain('alice', 'secret').startswith(f'OK\t{number}')
    login.close()
    # All go with the connection, which auth hears of a moment later.
    for number in range(3, 33):
        answer = master.ask(f'REQUEST\t{number + 4}\t70001\t{number}\t{login.cookie}')
        if answer.startswith('FAIL'):
            break
        time.sleep(0.1)
    assert answer == f'FAIL\t{number + 4}'


def test_clients_that_are_no_login_processes_get_no_tokens(auth):
    client, master = Client(auth, 'auth-client', 70003), Master(auth)
    assert client.plain('alice', 'secret') == 'OK\t1\tuser=alice'
    assert master.ask(f'REQUEST\t1\t70003\t1\t{client.cookie}') == 'FAIL\t1'


def test_lists_of_users(auth):
    master = Master(auth)
    master.send('LIST\t3\tservice=doveadm')
    names = []
    while True:
        line = master.line()
        if line.startswith('DONE'):
            break
        names.append(line.split('\t')[2])
    assert line == 'DONE\t3\t'
    assert names == [text.split(':')[0] for text in ACCOUNTS.splitlines()[1:]]


def test_userdb_socket_knows_no_secrets(auth):
    master = Master(auth, 'auth-userdb')
    assert master.ask('USER\t1\talice\tservice=lda').startswith('USER\t1\talice\t')
    master.send(f'REQUEST\t2\t1\t1\t{"0" * 32}')
    assert master.line() is None


@pytest.mark.skipif(not ROOT, reason='needs to be somebody else')
def test_userdb_socket_tells_others_of_themselves_only(auth):
    script = ('import os,socket,sys\n'
              'os.setgroups([]); os.setgid(7002); os.setuid(7001)\n'
              's=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); f=s.makefile("rw")\n'
              'f.readline(); f.readline(); f.write("VERSION\\t1\\t1\\n")\n'
              'for q in sys.argv[2:]:\n'
              '  f.write(q.replace("|","\\t")+"\\n"); f.flush(); print(f.readline(), end="")\n')
    with open(f'{auth.dir}/accounts', 'a', encoding='ascii') as file:
        file.write('stranger:secret:7009:7009::/home/stranger\n')
    done = subprocess.run(['/usr/bin/python3', '-c', script, f'{auth.dir}/run/auth-userdb', 'USER|1|slow|service=lda',
                           'USER|2|stranger|service=lda', 'USER|3|noids|service=lda', 'USER|4|nobody-here|service=lda',
                           'LIST|5|service=lda', 'PASS|6|slow|service=lda'],
                          capture_output=True, text=True, check=True)
    Path(auth.dir, 'accounts').write_text(ACCOUNTS)
    assert done.stdout.splitlines() == ['USER\t1\tslow\tuid=7001\tgid=7002\thome=/home/slow', 'FAIL\t2', 'FAIL\t3',
                                        'NOTFOUND\t4', 'DONE\t5\tfail', 'FAIL\t6']


def test_changed_files_count_at_once(auth):
    client = Client(auth)
    assert client.plain('newcomer', 'secret').startswith('FAIL')
    Path(auth.dir, 'accounts').write_text(ACCOUNTS + 'newcomer:secret:7001:7002::/home/n\n')
    assert client.plain('newcomer', 'secret') == 'OK\t2\tuser=newcomer'
    Path(auth.dir, 'accounts').write_text(ACCOUNTS)
    assert client.plain('newcomer', 'secret').startswith('FAIL')


def test_log_lines(auth):
    start = len(auth.log_text())
    client = Client(auth)
    client.plain('alice', 'wrong')
    client.plain('nobody-here', 'wrong')
    client.plain('alice*admin', 'wrong')
    client.plain('al ice', 'wrong')
    client.plain('slow', 'wrong')
    client.plain('nets', 'secret')
    for line in (r'auth: Info: passwd-file\(alice,127.0.0.1,<S>\): Password mismatch\n',
                 r'auth: Info: passwd-file\(nobody-here,127.0.0.1,<S>\): unknown user\n',
                 r'auth: Info: passwd-file\(admin,127.0.0.1,master,<S>\): Password mismatch\n',
                 r'auth: Info: plain\(\?,127.0.0.1,<S>\): Username character disallowed by auth_username_chars: 0x20 '
                 r'\(username: al ice\)\n',
                 r'auth-worker\(\d+\): Info: conn unix:auth-worker \(pid=\d+,uid=\d+\): auth-worker<\d+>: '
                 r'passwd-file\(slow,127.0.0.1,<S>\): Password mismatch\n',
                 r'auth: Info: passwd-file\(nets,127.0.0.1,<S>\): allow_nets check failed: IP 127.0.0.1 not in allowed '
                 r'networks\n'):
        assert auth.wait_log(line, start=start), line
    assert 'wrong' not in auth.log_text()


def test_workers_that_die_are_replaced(auth):
    client = Client(auth)
    assert client.plain('slow', 'secret') == 'OK\t1\tuser=slow'
    for pid in auth.pids('auth-worker') + [pid for pid in auth.pids('auth') if '-w' in
                                            Path(f'/proc/{pid}/cmdline').read_text()]:
        os.kill(pid, 9)
    deadline = time.monotonic() + 30
    while not client.plain('slow', 'secret').startswith('OK\t'):
        assert time.monotonic() < deadline
    auth.forgive('killed with signal 9')


def test_doveadm_asks(auth):
    done = auth.doveadm('auth', 'test', 'alice', 'secret')
    assert done.returncode == 0 and 'auth succeeded' in done.stdout
    assert auth.doveadm('auth', 'test', 'alice', 'wrong').returncode == 77
    assert '/home/alice' in auth.doveadm('user', 'alice').stdout
    assert auth.doveadm('user', 'nobody-here').returncode == 67
    assert 'slow' in auth.doveadm('user', '*').stdout.split()


CHAIN = """\
auth_failure_delay = 0
auth_cache_size = 1M
passdb {
  driver = passwd-file
  args = DIR/denied
  deny = yes
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN DIR/accounts
  username_filter = *@a.example !root@*
  override_fields = userdb_home=/a/%n
  default_fields = proxied=no
}
passdb {
  driver = static
  args = password=shared
  mechanisms = login
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN DIR/accounts
  username_filter = !*@*
  result_success = continue-ok
  result_failure = return-fail
}
passdb {
  driver = static
  args = nopassword=y extra=%d
  skip = unauthenticated
}
userdb {
  driver = prefetch
}
userdb {
  driver = static
  args = uid=7001 gid=7002 home=/s/%d/%n mail=maildir:~/%{if;%d;eq;x.example;X;Y}
  default_fields = quota=%u
}
service auth {
  unix_listener auth-client {
    mode = 0666
  }
}
"""


def test_chains_of_passdbs(make_server):
    one = make_server('passdb {\n}\n', 'imap', start=False)
    prepare(one, CHAIN)
    Path(one.dir, 'denied').write_text('banned:::\n')
    with open(f'{one.dir}/accounts', 'a', encoding='ascii') as file:
        file.write('banned:secret\nu@a.example:secret\nroot@a.example:secret\n')
    one.start()
    client, master = Client(one), Master(one)
    assert client.plain('banned', 'secret') == 'FAIL\t1\tuser=banned\tcode=user_disabled'
    assert client.plain('u@a.example', 'secret') == 'OK\t2\tuser=u@a.example\tproxied=no'
    assert client.plain('root@a.example', 'secret').startswith('FAIL')
    assert client.plain('alice', 'secret') == 'OK\t4\tuser=alice\textra'
    assert client.plain('alice', 'shared').startswith('FAIL')
    assert client.ask('AUTH\t6\tLOGIN\tservice=imap\tresp=' + base64.b64encode(b'who').decode()).startswith('CONT')
    assert client.ask('CONT\t6\t' + base64.b64encode(b'shared').decode()) == 'OK\t6\tuser=who'
    assert master.ask('USER\t1\talice\tservice=lmtp') == (
        'USER\t1\talice\tquota=alice\tquota_rule=*:storage=1G\tuid=7001\tgid=7002\thome=/s//alice\tmail=maildir:~/Y')
    assert master.ask('USER\t2\tnobody@x.example\tservice=lmtp') == 'NOTFOUND\t2'
    login = Client(one, 'auth-login', 70010)
    assert login.plain('u@a.example', 'secret').startswith('OK')
    assert 'home=/a/u' in master.ask(f'REQUEST\t3\t70010\t1\t{login.cookie}').split('\t')


@pytest.mark.parametrize('how', ['no', 'plain:3', 'sha1:6', 'yes'])
def test_given_passwords_in_the_log_as_dovecot(make_server, make_dovecot, how):
    """Of unknown users, too, and without auth_verbose."""
    said = []
    for make in (make_server, make_dovecot):
        one = make('passdb {\n}\n', 'imap', start=False)
        prepare(one, EXTRA.replace('1 secs', '0').replace('auth_verbose = yes', f'auth_verbose_passwords = {how}'))
        one.start()
        client = Client(one)
        for user in ('alice', 'nobody-here'):
            assert client.plain(user, 'a guess').startswith('FAIL')
        assert client.plain('alice', 'secret').startswith('OK')
        one.wait_log('nobody-here,', 1 if how == 'no' else 30)
        said.append(re.findall(r'auth: Info: passwd-file.*', one.log_text()))
    assert said[0] == said[1]
    assert len(said[0]) == (0 if how == 'no' else 2)


FIELDS = """\
open:secret:::::: nopassword
aside::::::: noauthenticate shown=1 userdb_seen=2
lost:secret:::::: noauthenticate
failing:secret:::::: fail
past:secret:::::: delay_until=1
far:secret:::::: delay_until=99999999999
odd:secret:::::: delay_until=soon
leak:secret:::::: password=other
loginuser:secret:::::: login_user=bob
dbuser:secret:::::: userdb_user=bob
empty:secret:::::: user=
"""


def test_fields_that_decide_as_dovecot(make_server, make_dovecot):
    said = []
    for make in (make_server, make_dovecot):
        one = make('passdb {\n}\n', 'imap', start=False)
        prepare(one, 'auth_failure_delay = 0\n' + ''.join(
            f'passdb {{\n  driver = passwd-file\n  args = scheme=PLAIN DIR/{name}\n}}\n' for name in ('accounts', 'more')) +
            'userdb {\n  driver = static\n  args = uid=7001 gid=7002 home=/h\n}\n' + AUTH_CLIENT + NO_PENALTY)
        Path(one.dir, 'accounts').write_text(FIELDS)
        Path(one.dir, 'more').write_text('aside:secret\n')
        os.chmod(f'{one.dir}/more', 0o644)
        one.start()
        client, master = Client(one), Master(one)
        users = [line.split(':')[0] for line in FIELDS.splitlines()]
        lines = [client.plain(user, password) for user in users for password in ('secret', 'wrong')]
        lines += [master.ask(f'PASS\t1\t{user}\tservice=imap') for user in users]
        # Dovecot tells more of failures.
        said.append([without(line, 'x=') if not line.startswith('FAIL') else re.findall(r'FAIL|code=\w+', line) for line in lines])
        one.forgive()
    assert said[0] == said[1]


def test_a_delay_of_its_own(make_server):
    """delay_until: the answer waits, and a login goes on after it."""
    one = make_server('passdb {\n}\n', 'imap', start=False)
    prepare(one)
    until = int(time.time()) + 4
    with open(f'{one.dir}/accounts', 'a', encoding='ascii') as file:
        file.write(f'late:secret:7001:7002::/home/late::delay_until={until}\n')
    one.start()
    login = Client(one, 'auth-login', 70011)
    assert login.plain('late', 'secret') == 'OK\t1\tuser=late'
    assert until - 0.1 < time.time() < until + 3
    assert '/home/late' in Master(one).ask(f'REQUEST\t3\t70011\t1\t{login.cookie}')


# Names of clients, masters and users; fields of the same line; defaults; conditions inside of conditions.
VARIABLES = r"""%{orig_user} %{orig_username} %{orig_domain} %{login_user} %{login_username} %{login_domain} %{auth_user} %{auth_username}
%{auth_domain} %{domain_first} %{domain_last} %{master_user} %{passdb:tag} %{passdb:tag:d} %{passdb:no:d:e} %{passdb:no:%u} %{userdb:seen}
%{userdb:seen:d} %{userdb:no:d} %{userdb:uid} %{userdb:home:d} %{md5:passdb:tag} %{md5;salt=%d:user} %a %{lport} %{rport} %k %{cert} a% %2L
%{if;%u;*;*@*;%{if\;1\;<\;%{passdb:no:2}\;in\;out};no} %{if;a;eq;a;\%n;no} %{if;%a;==;0;y;n}
%e %{nothing} %{nothing:x} %{if;1;==;1;%{nothing};x} %{md5} %{ %{user %& %{L:user} %{if;x;==;1;y;n} %{session_pid}
%{env} %{passdb} %{userdb} %{real_rip} %{real_lport} %{if;%u;*;u*;y} %{if;%u;*;x*;y}""".split()


def test_variables_as_dovecot(make_server, make_dovecot):
    """What cannot be expanded is an error of the configuration: no login, but no user who is not there either."""
    said = []
    lines = ''.join(f'u{n}@A.example@b:{{PLAIN}}x:7001:7002::/home/u{n}::tag=T userdb_seen=S userdb_it={text} it={text}\n'
                    for n, text in enumerate(VARIABLES))
    for make in (make_server, make_dovecot):
        one = make('passdb {\n}\n', 'imap', start=False)
        prepare(one, EXTRA.replace('1 secs', '0') + 'auth_username_format =\nprotocol lmtp {\n  passdb {\n    driver = static\n    args = nopassword=y\n'
                '    override_fields = it=%{nothing}\n  }\n  userdb {\n    driver = static\n    args = uid=1 gid=1\n  }\n}\n')
        Path(one.dir, 'accounts').write_text(lines)
        one.start()
        client, master, answers = Client(one), Master(one), []
        for n in range(len(VARIABLES)):
            user = f'u{n}@A.example@b'
            for line in (client.plain(user, 'x', extra='rip=127.0.0.1\tvalid-client-cert'), client.plain('admin', 'adminpw', user),
                         master.ask(f'USER\t1\t{user}\tservice=imap'), master.ask(f'PASS\t1\t{user}\tservice=imap'),
                         master.ask(f'USER\t1\t{user}\tservice=lmtp')):
                answers.append(VARIABLES[n] + ' ' + without(line, 'original_user=', 'auth_user=', 'password=') if line[0] != 'F' else line.split('\t')[::3])
        said.append(answers)
        one.forgive()
    assert said[0] == said[1]
    assert f'Unknown variable \'%nothing\'' in one.log_text()


def test_variables_of_who_asks(make_server):
    """%p is whose client logs in, as far as one does; %! the number of the passdb or userdb."""
    one = prepare(make_server('passdb {\n}\n', 'imap', start=False), EXTRA.replace('args = username_format=%u DIR/accounts\n}\n' + AUTH_CLIENT,
                  'args = username_format=%u DIR/accounts\n  override_fields = x=%p-%!\n}\n' + AUTH_CLIENT))
    with open(f'{one.dir}/accounts', 'a', encoding='ascii') as file:
        file.write(f'pid:{SLOW}:7001:7002::/h::t=%{{pid}}-%!\n')
    one.start()
    login, master = Client(one, 'auth-login', 70021), Master(one)
    assert login.plain('pid', 'secret') == 'OK\t1\tuser=pid\tt=70021-2'
    assert 'x=70021-1' in master.ask(f'REQUEST\t1\t70021\t1\t{login.cookie}').split('\t')
    assert 'x=0-1' in master.ask('USER\t2\tpid\tservice=lmtp').split('\t')


@pytest.mark.parametrize('text, said', [
    ('userdb {\n  driver = static\n  args = uid=nobody gid=no-such-group\n}\n', 'userdb static: Invalid gid: no-such-group'),
    ('userdb {\n  driver = passwd\n  override_fields = uid=-1\n}\n', 'userdb passwd: Invalid uid: -1'),
    ('userdb {\n  driver = prefetch\n  args = x\n}\n', 'userdb prefetch: No args are supported: x'),
    ('passdb {\n  driver = shadow\n  args = blocking=no x\n}\n', 'passdb shadow: Unknown setting: x'),
    ('auth_mechanisms = plain cram-md5\nPASSDBS\n  driver = pam\n}\n', "CRAM-MD5 mechanism can't be supported with given passdbs"),
    ('auth_policy_server_url = ldap://x/\nauth_policy_hash_nonce = x\n', 'auth_policy_server_url: Not an HTTP URL: ldap://x/'),
    ('auth_policy_server_url = http://x/\nauth_policy_hash_nonce = x\nauth_policy_request_attributes = a=b login\n',
     'auth_policy_request_attributes contains invalid value: login')])
def test_what_auth_does_not_start_with(make_server, text, said):
    extra = EXTRA
    if 'PASSDBS' in text:  # instead of the others
        extra = re.sub(r'passdb \{.*?\n\}\n', '', EXTRA, flags=re.S)
    one = prepare(make_server('passdb {\n}\n', 'imap', start=False), extra + text.replace('PASSDBS', 'passdb {')).start()
    assert one.wait_log(f'auth: [A-Z][a-z]+: {re.escape(said)}\n')
    one.forgive()


def test_a_server_without_mechanisms_does_not_start(make_server):
    one = prepare(make_server('passdb {\n}\n', 'imap', start=False), EXTRA.replace('= plain login', '='))
    with pytest.raises(AssertionError, match='line .*: No authentication mechanisms configured'):
        one.start()


def test_a_uid_that_is_none_fails_the_lookup_as_in_dovecot(make_server, make_dovecot):
    """userdb_uid of a passdb is the userdb's from the start: what it is not, no other userdb mends."""
    said = []
    for make in (make_server, make_dovecot):
        one = prepare(make('passdb {\n}\n', 'imap', start=False), """\
auth_failure_delay = 0
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u DIR/accounts
}
userdb {
  driver = prefetch
}
userdb {
  driver = passwd-file
  args = username_format=%u DIR/accounts
}
""" + AUTH_CLIENT + NO_PENALTY)
        Path(one.dir, 'accounts').write_text('bad:x:7001:7002::/h::userdb_uid=no-such-user\nname:x:7001:7002::/h::userdb_gid=nogroup userdb_uid=nobody\n')
        one.start()
        answers, login, master = [], Client(one, 'auth-login', 70031), Master(one)
        for number, user in enumerate(('bad', 'name'), 1):
            answers.append(without(login.plain(user, 'x')))
            for line in (f'REQUEST\t1\t70031\t{number}\t{login.cookie}', f'USER\t2\t{user}\tservice=imap'):
                answers.append(sorted(without(master.ask(line), 'auth_token', 'auth_mech').split('\t')))
        said.append(answers)
        assert one.wait_log(r"auth: Error: passwd-file\(bad\): Invalid UID value 'no-such-user'")
        one.forgive()
    assert said[0] == said[1] and said[0][1] == ['1', 'FAIL']


def test_no_passdb_for_a_user_is_no_wrong_password(make_server, make_dovecot):
    """fail2ban would ban who is left out by a slip in the configuration."""
    said, text = [], EXTRA.replace('master = yes', 'master = yes\n  username_filter = root*').replace('scheme=PLAIN', 'scheme=PLAIN').replace(
        'DIR/accounts\n}\nuserdb', 'DIR/accounts\n  username_filter = a*\n}\nuserdb').replace('1 secs', '0')
    for make in (make_server, make_dovecot):
        one = prepare(make('passdb {\n}\n', 'imap', start=False), text).start()
        client = Client(one)
        said.append([without(client.plain(*login), 'original_user=', 'auth_user=') for login in
                     (('alice', 'secret'), ('alice', 'x'), ('slow', 'secret'), ('alice*admin', 'adminpw'))])
        assert one.wait_log(r'auth: Error: plain\(slow,127.0.0.1,<S>\): All password databases were skipped')
        one.forgive()
    assert said[0] == said[1] and said[0][2] == 'FAIL\t3\tuser=slow\tcode=temp_fail'


def test_a_file_for_each_domain(make_server, make_dovecot):
    """Of a domain that has no file nobody is there, and what was in a file is not once it cannot be read."""
    said, blocks = [], '{\n  driver = passwd-file\n  args = username_format=%n DIR/d/%d/file\n}\n'
    for make in (make_server, make_dovecot):
        one, lines = make('passdb {\n}\n', 'imap', start=False), []
        prepare(one, f'auth_failure_delay = 0\nauth_verbose = yes\nauth_username_chars =\npassdb {blocks}userdb {blocks}' + AUTH_CLIENT + NO_PENALTY)
        path = Path(one.dir, 'd/x.example/file')
        path.parent.mkdir(parents=True)
        path.write_text('bob:{PLAIN}x:1001:1001::/home/bob\n')
        one.start()
        client, master = Client(one), Master(one)

        def ask(*domains):
            for user in (f'bob@{domain}' for domain in domains):
                lines.extend((client.plain(user, 'x'), master.ask(f'USER\t1\t{user}\tservice=imap'), master.ask(f'PASS\t1\t{user}\tservice=imap')))

        ask('x.example', 'y.example', '..', '.', '', 'y/../x.example')
        path.unlink()
        ask('x.example')
        path.write_text('bob:{PLAIN}x:1001:1001::/home/bob\n')
        ask('x.example')
        time.sleep(1.1)  # Dovecot looks once a second
        path.write_text('alice:{PLAIN}x:1001:1001::/home/alice\n')
        os.chmod(path, 0)
        if ROOT:
            ask('x.example')
        assert one.wait_log('auth: Info: missing passwd file: .*y.example/file')
        said.append([re.sub(r'\toriginal_user=[^\t]*', '', line) for line in lines])
    assert said[0] == said[1]
    one, path = make_server('passdb {\n}\n', 'imap', start=False), None
    prepare(one, f'auth_failure_delay = 0\npassdb {blocks}userdb {blocks}' + AUTH_CLIENT + NO_PENALTY)
    path = Path(one.dir, 'd/x.example/file')
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    one.start()
    assert Client(one).plain('bob@x.example', 'x').endswith('code=temp_fail')  # and nobody waits


KNOWN = """\
auth_mechanisms = plain
auth_failure_delay = 0
passdb {
  driver = passwd-file
  args = scheme=PLAIN DIR/accounts
  RULE
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN DIR/more
  override_fields = more=%u
}
passdb {
  driver = static
  args = nopassword=y skipped=y
  skip = authenticated
  result_success = continue-fail
}
service auth {
  unix_listener auth-client {
    mode = 0666
  }
}
"""


@pytest.mark.parametrize('rule, answers', [('result_success = continue-ok', ('OK more=alice', 'OK', 'FAIL')),
                                           ('result_success = continue', ('OK more=alice', 'FAIL', 'FAIL')),
                                           ('result_success = continue-fail', ('FAIL', 'FAIL', 'FAIL')),
                                           ('result_failure = continue-ok', ('OK', 'OK', 'OK more=alice'))])
def test_a_password_is_right_once(make_server, rule, answers):
    """What one passdb of a chain has accepted, the next ones only know more of."""
    one = make_server('passdb {\n}\n', 'imap', start=False)
    prepare(one, KNOWN.replace('RULE', rule))
    Path(one.dir, 'more').write_text('alice:another\n')
    one.start()
    client = Client(one)
    assert tuple(' '.join(client.plain(user, password).split('\t')[::3]) for user, password in
                 (('alice', 'secret'), ('free', 'x'), ('alice', 'x'))) == answers


def test_remembered_results(make_server):
    one = make_server('passdb {\n}\n', 'imap', start=False)
    prepare(one, EXTRA + 'auth_cache_size = 1M\nauth_failure_delay = 0\n')
    one.start()
    client, master = Client(one), Master(one)
    for n in range(1, 4):
        assert client.plain('slow', 'secret') == f'OK\t{n}\tuser=slow'
    assert client.plain('slow', 'wrong').startswith('FAIL')
    assert client.plain('slow', 'secret').startswith('OK')
    assert master.ask('CACHE-FLUSH\t1\tnobody-here') == 'OK\t1\t0'
    assert master.ask('CACHE-FLUSH\t2\tslow') == 'OK\t2\t1'
    assert client.plain('slow', 'secret').startswith('OK')


@pytest.mark.alone
def test_penalties_grow(make_server):
    one = make_server('passdb {\n}\n', 'imap', start=False)
    prepare(one, EXTRA.split('service anvil')[0] + 'auth_failure_delay = 0\n')
    one.start()
    client = Client(one)
    assert client.plain('alice', 'wrong').startswith('FAIL')
    begin = time.monotonic()
    assert client.plain('alice', 'secret').startswith('OK')
    assert 1.5 < time.monotonic() - begin < 10
    begin = time.monotonic()
    assert client.plain('alice', 'secret', extra='rip=127.0.0.1\tno-penalty').startswith('OK')
    assert client.plain('alice', 'secret', extra='rip=192.0.2.1').startswith('OK')
    assert time.monotonic() - begin < 1.9


@pytest.mark.alone
def test_penalties_of_ipv6_are_for_networks(make_server, make_dovecot):
    """Who fails has 2^80 addresses more."""
    for make in (make_server, make_dovecot):
        one = make('passdb {\n}\n', 'imap', start=False)
        prepare(one, EXTRA.split('service anvil')[0] + 'auth_failure_delay = 0\n')
        one.start()
        client = Client(one)
        assert client.plain('alice', 'wrong', extra='rip=2001:db8:1:2:3:4:5:6').startswith('FAIL')
        failed = time.monotonic()
        while '2001:db8:1:: ' not in (shown := one.doveadm('penalty').stdout):
            assert time.monotonic() - failed < 10, shown
            time.sleep(0.05)
        begin = time.monotonic()
        assert client.plain('alice', 'secret', extra='rip=2001:db8:2::1').startswith('OK')
        assert client.plain('alice', 'secret', extra='rip=::ffff:192.0.2.1').startswith('OK')
        assert time.monotonic() - begin < 1.5
        assert client.plain('alice', 'secret', extra='rip=2001:db8:1:9::1').startswith('OK')
        assert time.monotonic() - failed > 1.5  # he waits for two seconds from then on


PAM = """\
auth_verbose = yes
auth_failure_delay = 0
passdb {
  driver = pam
  args = failure_show_msg=yes max_requests=2 dovetail-test
}
passdb {
  driver = shadow
  skip = unauthenticated
}
userdb {
  driver = passwd
  args = blocking=yes
  override_fields = home=/tmp/%u
}
""" + AUTH_CLIENT + NO_PENALTY


@pytest.fixture
def pam_user(account):
    """An account of the system, and a PAM service."""
    service = Path('/etc/pam.d/dovetail-test')
    service.write_text('auth required pam_unix.so\naccount required pam_unix.so\n')
    yield account
    service.unlink()


def test_pam_and_system_users(make_server, pam_user):
    one = make_server(PAM, 'imap')
    client, master = Client(one), Master(one)
    for n in (1, 2, 3, 4, 5):
        assert client.plain(pam_user, 'secret') == f'OK\t{n}\tuser={pam_user}'
    assert client.plain(pam_user, 'wrong') == f'FAIL\t6\tuser={pam_user}'
    assert one.wait_log(rf'auth-worker\(\d+\): Info: conn unix:auth-worker \(pid=\d+,uid=\d+\): auth-worker<\d+>: '
                        rf'pam\({pam_user},127.0.0.1,<S>\): pam_authenticate\(\) failed: Authentication failure '
                        r'\([Pp]assword mismatch\?\)\n')
    assert client.plain('nobody-here', 'x') == 'FAIL\t7\tuser=nobody-here'
    uid = int(subprocess.run(['id', '-u', pam_user], capture_output=True, text=True, check=True).stdout)
    answer = master.ask(f'USER\t1\t{pam_user}\tservice=lmtp').split('\t')
    assert answer[:3] == ['USER', '1', pam_user]
    assert {f'uid={uid}', f'home=/tmp/{pam_user}', f'system_groups_user={pam_user}'} <= set(answer)
    assert master.ask('USER\t2\tnobody-here\tservice=lmtp') == 'NOTFOUND\t2'
    master.send('LIST\t3\tservice=doveadm')
    names = []
    while not names or names[-1] is not None:
        line = master.line()
        names.append(line.split('\t')[2] if line.startswith('LIST') else None)
    assert pam_user in names


def test_shadow(make_server, pam_user):
    one = make_server(PAM.replace('driver = pam', 'driver = shadow').replace('args = failure', '#'), 'imap')
    client = Client(one)
    assert client.plain(pam_user, 'secret') == f'OK\t1\tuser={pam_user}'
    assert client.plain(pam_user, 'wrong') == f'FAIL\t2\tuser={pam_user}'
    subprocess.run(['usermod', '--expiredate', '1', pam_user], check=True)
    assert client.plain(pam_user, 'secret') == f'FAIL\t3\tuser={pam_user}\tcode=pass_expired'
    assert client.plain('root', '*') == 'FAIL\t4\tuser=root\tcode=user_disabled'
