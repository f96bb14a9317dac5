# SPDX-License-Identifier: MIT
"""Processes killed and stopped at any moment, locks they leave, disks that are full or read-only, clocks that jump: what
was acknowledged is there, once, and the server goes on by itself. $DOVETAIL_KILLS makes the first one long."""
import collections
import os
import random
import re
import shutil
import signal
import smtplib
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

from conftest import ROOT, mail_owner
from imap_lines import Lines

KILLS = int(os.environ.get('DOVETAIL_KILLS', 12))
SERVICES = ['imap', 'lmtp', 'imap-login', 'auth', 'anvil', 'log', 'pop3-login', 'pop3']


def mail(name):
    return f'From: a@x.example\r\nSubject: {name}\r\n\r\nThis is {name}.\r\n'.encode()


class Client(threading.Thread):
    """Works until it is told to stop, through broken connections."""

    def __init__(self, server, number):
        super().__init__()
        self.server, self.number, self.count = server, number, 0
        self.stop, self.kept, self.failure = threading.Event(), [], None
        self.start()

    def run(self):
        while not self.stop.is_set():
            try:
                self.work()
            except (OSError, EOFError, smtplib.SMTPException, IndexError):
                time.sleep(0.02)
            except Exception as error:  # pylint: disable=broad-except
                self.failure = repr(error)
                return

    def name(self):
        self.count += 1
        return f'm-{self.number}-{self.count}'


class Deliverer(Client):
    def work(self):
        with smtplib.LMTP('127.0.0.1', self.server.port('lmtp'), timeout=20) as client:
            while not self.stop.is_set():
                name = self.name()
                client.sendmail('a@x.example', ['alice'], mail(name))
                self.kept.append(name)


class Appender(Client):
    """Its mails go to Archive, too, some of them by MOVE."""

    def work(self):
        client = Lines(self.server.port('imap'), 'alice', timeout=20)
        client.ok('SELECT INBOX')
        while not self.stop.is_set():
            name = self.name()
            text = mail(name)
            answer = client.command(f'APPEND Work {{{len(text)}+}}\r\n'.encode() + text)[-1]
            if b' OK ' in answer:
                self.kept.append(name)
            client.command(r'STORE * +FLAGS (\Seen work)')
            client.command('COPY * Copies')
            client.command('NOOP')


def subjects(server, user, name):
    client = Lines(server.port('imap'), user)
    client.ok(f'SELECT {name}')
    lines = client.ok('FETCH 1:* (UID BODY.PEEK[])') if client.command('SEARCH ALL')[0].split()[2:] else []
    client.logout()
    found = re.findall(rb'Subject: (\S+)\r\n\r\nThis is (\S+)\.\r\n\)', b'\r\n'.join(lines))
    assert all(one == other for one, other in found)
    return collections.Counter(one.decode() for one, _ in found)


def serves(server):
    """A whole login and a delivery."""
    try:
        client = Lines(server.port('imap'), 'bob', timeout=5)
        client.ok('SELECT INBOX')
        client.logout()
        with smtplib.LMTP('127.0.0.1', server.port('lmtp'), timeout=5) as lmtp:
            lmtp.sendmail('a@x.example', ['bob'], mail('probe'))
        return True
    except (OSError, EOFError, AssertionError, smtplib.SMTPException):
        return False


def wait_served(server, seconds):
    begin = time.monotonic()
    while not serves(server):
        assert time.monotonic() - begin < seconds, server.console()
    return time.monotonic() - begin


def make_boxes(server, user):
    client = Lines(server.port('imap'), user)
    client.ok('CREATE Work')
    client.ok('CREATE Copies')
    client.logout()


def hurt(server, rng, number):
    """Kill or stop one process; every tenth time the master itself: its children end, and another one starts."""
    if number % 10 == 9:
        pids = server.pids()
        server.proc.kill()
        server.proc.wait()
        deadline = time.monotonic() + 20
        while any(Path(f'/proc/{pid}').exists() and server.comm(pid) for pid in pids):
            assert time.monotonic() < deadline, 'children live on without their master'
            time.sleep(0.02)
        server.start()
        return
    pid = rng.choice(server.pids(rng.choice(SERVICES)) or server.pids())
    how = signal.SIGSTOP if number % 10 == 4 else signal.SIGKILL
    try:
        os.kill(pid, how)
        if how == signal.SIGSTOP:
            time.sleep(0.3)
            os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass


def test_kills_and_stops_at_random_lose_nothing(make_server):
    """The goal is 2 seconds; a busy machine with sanitizers may take longer to start processes."""
    server, rng = make_server(), random.Random(22)
    make_boxes(server, 'alice')
    clients = [Deliverer(server, 0), Deliverer(server, 1), Appender(server, 2), Appender(server, 3)]
    slowest = 0
    try:
        for number in range(KILLS):
            time.sleep(rng.random() * 0.2)
            hurt(server, rng, number)
            slowest = max(slowest, wait_served(server, 15))
    finally:
        for client in clients:
            client.stop.set()
        for client in clients:
            client.join()
    print(f'slowest: {slowest:.2f} s')
    server.forgive('signal 9|Killed|went away|EOF|closed|[Bb]roken|refused')
    assert [client.failure for client in clients if client.failure] == []
    inbox, work = subjects(server, 'alice', 'INBOX'), subjects(server, 'alice', 'Work')
    for client in clients:
        there = inbox if isinstance(client, Deliverer) else work
        assert len(client.kept) > 0
        assert {name: there[name] for name in client.kept if there[name] != 1} == {}


@pytest.mark.parametrize('lock', ['dovecot-uidlist.lock', 'subscriptions.lock', 'dovecot-attributes.lock'])
def test_lock_of_a_killed_process_holds_nobody_up_for_long(make_server, lock):
    server = make_server('mail_attribute_dict = file:%h/Maildir/dovecot-attributes\nprotocol imap {\n'
                         '  imap_metadata = yes\n}\n')
    client = Lines(server.port('imap'), 'alice')
    client.ok('APPEND INBOX {1+}\r\nx')
    client.ok('SELECT INBOX')
    dead = subprocess.run(['sh', '-c', 'echo $$'], capture_output=True, text=True, check=True).stdout.strip()
    path = server.maildir('alice') / lock
    path.write_text(f'{dead}:{socket.gethostname()}' if 'uidlist' in lock else '', encoding='ascii')
    os.chown(path, *mail_owner())
    os.utime(path, (time.time() - 7, time.time() - 7))  # of the ten seconds that it holds
    begin = time.monotonic()
    client.ok('APPEND INBOX {1+}\r\nx')
    client.ok('STORE 1 +FLAGS (never-seen-before)')
    client.ok('SUBSCRIBE INBOX')
    client.ok('SETMETADATA INBOX (/private/comment "x")')
    assert time.monotonic() - begin < 8
    client.logout()
    assert not path.exists()


@pytest.fixture
def small_disk(make_server):
    """small_disk(options): a server with one user's mail on a file system of its own."""
    mounted = []

    def make(options):
        if not ROOT:
            pytest.skip('mounts a file system')
        server = make_server()
        make_boxes(server, 'alice')
        home, (uid, gid) = server.home('alice'), mail_owner()
        shutil.move(home, home + '.old')
        os.mkdir(home)
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', f'{options},uid={uid},gid={gid},mode=755', 'tmpfs', home],
                          check=False, capture_output=True).returncode != 0:
            pytest.skip('cannot mount')
        mounted.append(home)
        subprocess.run(['cp', '-a', f'{home}.old/Maildir', home], check=True)
        return server

    yield make
    for home in mounted:
        subprocess.run(['umount', '-l', home], check=False)


def deliver(server, user):
    with smtplib.LMTP('127.0.0.1', server.port('lmtp'), timeout=20) as client:
        client.sendmail('a@x.example', [user], mail(user))


def try_all(server, kept, rounds):
    """Everything that writes; what is acknowledged is noted. Returns the answers that were not OK."""
    client, refused = Lines(server.port('imap'), 'alice'), []
    client.command('SELECT INBOX')
    for number in range(rounds):
        name = f'a-{len(kept["Work"])}-{number}-{time.monotonic_ns()}'
        text = mail(name)
        box = f'New-{name}'
        commands = {
            'append': f'APPEND Work {{{len(text)}+}}\r\n'.encode() + text,
            'store': rf'UID STORE 1:* +FLAGS (\Seen k{number})', 'copy': 'UID COPY 1:* Copies',
            'move': 'UID MOVE * Copies', 'create': f'CREATE {box}', 'subscribe': f'SUBSCRIBE {box}',
            'rename': f'RENAME {box} Old-{name}', 'expunge': 'EXPUNGE', 'noop': 'NOOP',
        }
        for what, command in commands.items():
            answer = client.command(command)[-1]
            if b' OK ' not in answer:
                refused.append(answer)
            elif what == 'append':
                kept['Work'].append(name)
        try:
            with smtplib.LMTP('127.0.0.1', server.port('lmtp'), timeout=30) as lmtp:
                lmtp.sendmail('a@x.example', ['alice'], mail('l' + name))
                kept['INBOX'].append('l' + name)
        except smtplib.SMTPException as error:
            refused.append(repr(error).encode())
    client.logout()
    return refused


@pytest.mark.parametrize('options, filler', [('size=600k', 4096), ('size=4m,nr_inodes=80', 0)], ids=['blocks', 'inodes'])
def test_full_disk_refuses_and_goes_on_when_there_is_room(small_disk, options, filler):
    server = small_disk(options)
    home, kept = Path(server.home('alice')), {'Work': [], 'INBOX': []}
    try_all(server, kept, 1)
    (home / 'fill').mkdir()
    with pytest.raises(OSError):
        for number in range(1000):
            (home / 'fill' / str(number)).write_bytes(bytes(filler))
    refused = try_all(server, kept, 2)
    assert refused
    for answer in refused:
        # EXPUNGEISSUED: of a MOVE that was refused when the files had moved.
        assert re.search(rb'OVERQUOTA|\b4\.2\.2|\b452|\b45\d |doesn.t exist|EXPUNGEISSUED', answer), refused
    shutil.rmtree(home / 'fill')
    assert try_all(server, kept, 1) == []
    in_inbox, in_copies = subjects(server, 'alice', 'INBOX'), subjects(server, 'alice', 'Copies')
    in_work = subjects(server, 'alice', 'Work')
    assert {name: in_work[name] for name in kept['Work'] if in_work[name] != 1} == {}
    assert {name for name in kept['INBOX'] if in_inbox[name] + in_copies[name] < 1} == set()
    server.forgive('No space left|OVERQUOTA|in memory')


def test_disk_that_becomes_read_only_is_read(small_disk):
    server = small_disk('size=4m')
    kept = {'Work': [], 'INBOX': []}
    assert try_all(server, kept, 1) == []
    home = server.home('alice')
    # Pages that are mapped for writing keep tmpfs from it: the processes that have the index go first.
    for pid in server.pids('imap') + server.pids('lmtp'):
        os.kill(pid, signal.SIGKILL)
    server.forgive('signal 9')
    deadline = time.monotonic() + 10
    while subprocess.run(['mount', '-o', 'remount,ro', home], check=False, capture_output=True).returncode != 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    client = Lines(server.port('imap'), 'alice')
    client.ok('SELECT Work')
    assert len(client.ok('FETCH 1:* BODY.PEEK[]')) == 1 + len(kept['Work'])
    assert b' NO ' in client.command('APPEND Work {1+}\r\nx')[-1]
    client.logout()
    assert [answer for answer in try_all(server, kept, 1) if b' BAD ' in answer] == []
    subprocess.run(['mount', '-o', 'remount,rw', home], check=True)
    assert try_all(server, kept, 1) == []
    work = subjects(server, 'alice', 'Work')
    assert {name: work[name] for name in kept['Work'] if work[name] != 1} == {}
    server.forgive('Read-only|Permission|in memory')


@pytest.fixture(scope='module')
def preload(tmp_path_factory):
    library = tmp_path_factory.mktemp('clock') / 'clock.so'
    source = Path(__file__).with_name('preload_clock.c')
    if shutil.which('gcc') is None:
        pytest.skip('needs a compiler')
    subprocess.run(['gcc', '-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'], check=True)
    return library


def test_clock_that_jumps_keeps_numbers_growing(make_server, preload, monkeypatch):
    server = make_server(start=False)
    clock = Path(server.dir, 'clock')
    clock.write_bytes(bytes(8))
    clock.chmod(0o644)
    shutil.copy(preload, server.dir)
    with open(server.config, 'a', encoding='ascii') as config:
        config.write('import_environment = $import_environment LD_PRELOAD CLOCK_FILE ASAN_OPTIONS UBSAN_OPTIONS\n')
    monkeypatch.setenv('LD_PRELOAD', f'{server.dir}/clock.so')
    monkeypatch.setenv('CLOCK_FILE', str(clock))
    monkeypatch.setenv('ASAN_OPTIONS', os.environ.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0')
    server.start()
    monkeypatch.undo()
    uid = modseq = validity = 0
    for number, seconds in enumerate([0, -3600, 365 * 86400, 365 * 86400 - 3600, 0, -86400]):
        with open(clock, 'r+b') as file:
            file.write(struct.pack('=q', seconds))
        with smtplib.LMTP('127.0.0.1', server.port('lmtp'), timeout=30) as lmtp:
            lmtp.sendmail('a@x.example', ['alice'], mail(f'l{number}'))
        client = Lines(server.port('imap'), 'alice')
        answer = client.ok('APPEND INBOX {1+}\r\nx')[-1]
        now = int(re.search(rb'APPENDUID \d+ (\d+)', answer)[1])
        told = b'\n'.join(client.ok('SELECT INBOX (CONDSTORE)'))
        assert now == uid + 2
        uid = now
        assert b'%d EXISTS' % (2 * number + 2) in told
        client.ok(r'STORE 1 -FLAGS (\Seen)')
        told = b'\n'.join(client.ok(r'STORE 1 +FLAGS (\Seen)'))
        now = int(re.search(rb'MODSEQ \((\d+)\)', told)[1])
        assert now > modseq
        modseq = now
        client.ok(f'CREATE Box{number}')
        now = int(re.search(rb'UIDVALIDITY (\d+)', b'\n'.join(client.ok(f'STATUS Box{number} (UIDVALIDITY)')))[1])
        assert now > validity
        validity = now
        client.logout()
    server.forgive('[Tt]ime|clock')


def test_a_uidlist_that_another_process_has_does_not_stop_other_mailboxes(server):
    """As long as it is not stale; then it is broken, and who waited goes on."""
    client = Lines(server.port('imap'), 'bob')
    for name in ('here', 'there'):
        client.ok(f'CREATE {name}')
        client.append(name, mail(name))
    lock = Path(server.home('bob'), 'Maildir', '.here', 'dovecot-uidlist.lock')
    lock.write_text(f'{os.getpid()}:{socket.gethostname()}')
    os.chown(lock, *mail_owner())
    os.utime(lock, (time.time() - 112,) * 2)
    client.send(f'x APPEND here {{{len(mail(1))}+}}\r\n'.encode() + mail(1) + b'\r\n')
    other = Lines(server.port('imap'), 'bob')
    start = time.monotonic()
    other.append('there', mail(2))
    assert time.monotonic() - start < 4
    assert lock.exists() and client.quiet(0.1)
    assert b' OK ' in client.until(b'x')[-1]
    assert time.monotonic() - start > 4
    assert server.wait_log('Breaking stale lock .*/.here/dovecot-uidlist.lock')
    for one in (client, other):
        one.logout()


@pytest.mark.parametrize('command', ['APPEND', 'SELECT'])
def test_nor_does_one_that_was_taken_just_now(server, command):
    """Two processes of Dovecot's waited for each other, and one of ours for them, with the index of all mailboxes."""
    client, other = Lines(server.port('imap'), 'carol'), Lines(server.port('imap'), 'carol')
    for name in ('here', 'there'):
        client.command(f'CREATE {name}')
        client.append(name, mail(name))
    client.ok('SELECT INBOX')
    lock = Path(server.home('carol'), 'Maildir', '.here', 'dovecot-uidlist.lock')
    dropped = lock.parent / 'new' / f'{time.time_ns()}.M1P1.x'
    dropped.write_bytes(mail(3))
    os.chown(dropped, *mail_owner())
    lock.write_text(f'{os.getpid()}:{socket.gethostname()}')
    os.chown(lock, *mail_owner())
    try:
        if command == 'APPEND':
            client.send(f'x APPEND here {{{len(mail(1))}+}}\r\n'.encode() + mail(1) + b'\r\n')
        else:
            client.send(b'x SELECT here\r\n')
        assert client.quiet(0.5)
        start = time.monotonic()
        other.append('there', mail(2))
        assert time.monotonic() - start < 4
        assert client.quiet(0.1)
    finally:
        lock.unlink()
    assert b' OK ' in client.until(b'x')[-1]
    for one in (client, other):
        one.logout()


@pytest.mark.parametrize('name', ['dovecot-uidlist', 'dovecot-keywords', 'subscriptions', 'dovecot-attributes',
                                  'dovecot-uidvalidity', 'dovetail.index/data.mdb'])
def test_what_waits_for_a_writer_is_not_waited_for(make_server, name):
    """A user's FIFO must not keep processes that work for others, as lmtp."""
    server = make_server('mail_attribute_dict = file:%h/Maildir/dovecot-attributes\nprotocol imap {\n'
                         '  imap_metadata = yes\n}\n')
    server.maildir('alice')
    deliver(server, 'alice')
    path = Path(server.home('alice'), 'Maildir', name)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    os.chown(path, *mail_owner())
    begin = time.monotonic()
    for user in ('alice', 'bob'):
        try:
            deliver(server, user)
        except smtplib.SMTPException:
            assert user == 'alice'
        client = Lines(server.port('imap'), user)
        for command in ('SELECT INBOX', 'STORE 1 +FLAGS (never-seen-before)', 'LSUB "" *', 'CREATE new', 'SUBSCRIBE new',
                        'SETMETADATA INBOX (/private/comment "x")'):
            answer = client.command(command)[-1]
            assert user == 'alice' or b' OK ' in answer, (command, answer)
        client.logout()
    assert time.monotonic() - begin < 10
