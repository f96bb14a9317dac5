# SPDX-License-Identifier: MIT
"""Postfix, procmail, mutt and mail at work on the mbox file that we serve: no mail is lost or doubled, and each keeps
its UID."""
import os
import pwd
import re
import shutil
import smtplib
import subprocess
import threading
import time
from pathlib import Path

import pytest

from conftest import ROOT, as_mail_owner, free_ports, mail_owner, open_up
from imap_lines import Lines

USER = 'reader'
EACH = 8  # mails of each kind


def needs(program):
    return pytest.mark.skipif(shutil.which(program, path='/usr/bin:/usr/sbin') is None,
                              reason=f'{program} is not installed')


class Spool:
    """The mbox, and what the test knows of it."""

    def __init__(self, server, directory):
        self.server, self.dir = server, directory
        self.inbox = directory / pwd.getpwuid(mail_owner()[0]).pw_name
        self.sent, self.removed = set(), set()
        self.uids, self.wrong = {}, []

    def connect(self):
        client = Lines(self.server.port('imap'), USER, timeout=60)
        client.ok('SELECT INBOX')
        return client

    def subjects(self, client):
        """By UID. One that changes is noted."""
        found = {}
        for line in client.ok('FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])')[:-1]:
            match = re.search(rb'UID (\d+)', line)
            subject = re.search(rb'Subject: (\S+)', line)
            if match and subject:
                found[int(match[1])] = subject[1].decode()
        for uid, subject in found.items():
            if self.uids.setdefault(uid, subject) != subject:
                self.wrong.append(f'UID {uid} was {self.uids[uid]} and is {subject}')
        return found

    def wait(self, wanted):
        deadline = time.monotonic() + 60
        client = self.connect()
        while True:
            client.ok('NOOP')
            found = sorted(self.subjects(client).values())
            if found == sorted(wanted) or time.monotonic() > deadline:
                client.logout()
                return found
            time.sleep(0.1)

    def check(self):
        wanted = self.sent - self.removed
        assert self.wait(wanted) == sorted(wanted)
        assert not self.wrong
        deadline = time.monotonic() + 20  # a session that ends writes flags
        while any(name.endswith('.lock') for name in os.listdir(self.dir)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        text = self.inbox.read_bytes()
        for subject in self.sent:
            assert text.count(b'\nSubject: %s\n' % subject.encode()) == (subject in wanted), subject


@pytest.fixture
def spool(make_server, tmp_path):
    open_up(tmp_path)
    directory = tmp_path / 'spool'
    directory.mkdir()
    os.chown(directory, *mail_owner())
    server = make_server('mail_location = mbox:~/mail:INBOX='
                         f'{directory}/{pwd.getpwuid(mail_owner()[0]).pw_name}\n')
    return Spool(server, directory)


def text_of(subject):
    return f'From: a@x.example\nTo: b@x.example\nSubject: {subject}\n\n' + f'From here on: {subject}\n' * 30


def run(spool, *command, **options):
    """A program as the user whose mail it is."""
    env = {'PATH': '/usr/bin:/bin', 'HOME': str(spool.server.home(USER)), 'TERM': 'xterm', 'LC_ALL': 'C'}
    return subprocess.run(command, timeout=60, capture_output=True, env=env, check=False, cwd='/',
                          **as_mail_owner(), **options)


# --- who brings mails ---------------------------------------------------------------------------

def by_imap(spool, subject):
    client = spool.connect()
    client.append('INBOX', text_of(subject).replace('\n', '\r\n').encode(), r'\Flagged')
    client.logout()


def by_lmtp(spool, subject):
    with smtplib.LMTP('127.0.0.1', spool.server.port('lmtp')) as client:
        client.sendmail('a@x.example', [USER], text_of(subject))


def by_procmail(spool, subject):
    rc = Path(spool.server.home(USER), 'procmailrc')
    if not rc.exists():
        rc.write_text(f'DEFAULT={spool.inbox}\nORGMAIL={spool.inbox}\nLOGFILE={rc}.log\nLOCKSLEEP=1\n', encoding='utf-8')
        os.chown(rc, *mail_owner())
    done = run(spool, 'procmail', '-t', '-f-', str(rc), input=text_of(subject).encode())
    assert done.returncode == 0, (done, Path(f'{rc}.log').read_text(errors='replace'))


class Postfix:
    """One of its own, which delivers with local(8)."""

    SERVICES = {'pickup': 'pickup', 'cleanup': 'cleanup', 'qmgr': 'qmgr', 'rewrite': 'trivial-rewrite',
                'bounce': 'bounce', 'defer': 'bounce', 'trace': 'bounce', 'error': 'error', 'retry': 'error',
                'local': 'local', 'proxymap': 'proxymap'}

    def __init__(self, directory, spool):
        self.config, self.port = directory / 'postfix', free_ports(1)[0]
        queue, data = self.config / 'queue', self.config / 'data'
        for path in self.config, queue, data:
            path.mkdir()
        os.chown(data, pwd.getpwnam('postfix').pw_uid, -1)
        (self.config / 'main.cf').write_text(f"""
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
mail_spool_directory = {spool}
maillog_file = {self.config}/log
maillog_file_prefixes = {self.config}
myhostname = localhost
mydestination = localhost
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
mailbox_delivery_lock = fcntl, dotlock
smtpd_peername_lookup = no
fast_flush_domains =
""", encoding='utf-8')
        lines = [f'127.0.0.1:{self.port} inet n - n - - smtpd', 'postlog unix-dgram n - n - 1 postlogd']
        lines += [f'{name} unix {"n" if name in ("pickup", "cleanup", "qmgr") else "-"} {"n" if name == "local" else "-"} n '
                  f'{"60 1" if name == "pickup" else "300 1" if name == "qmgr" else "- 0" if program in ("cleanup", "bounce") else "- -"} {program}'
                  for name, program in self.SERVICES.items()]
        (self.config / 'master.cf').write_text('\n'.join(lines) + '\n', encoding='utf-8')

    def run(self, what):
        return subprocess.run(['/usr/sbin/postfix', '-c', self.config, what], capture_output=True, timeout=60,
                              check=False, stdin=subprocess.DEVNULL)

    def log(self):
        path = self.config / 'log'
        return path.read_text(errors='replace')[-2000:] if path.exists() else ''

    def start(self):
        done = self.run('start')
        assert done.returncode == 0, (done, self.log())
        return self

    def send(self, spool, subject):
        with smtplib.SMTP('127.0.0.1', self.port, timeout=30) as client:
            client.sendmail('a@x.example', [f'{spool.inbox.name}@localhost'], text_of(subject))


@pytest.fixture
def postfix(spool, tmp_path):
    if not ROOT:
        pytest.skip('Postfix must be started by root')
    one = Postfix(tmp_path, spool.dir).start()
    yield one
    one.run('stop')


# --- what sessions do meanwhile --------------------------------------------------------------

def bring(spool, kind, way):
    try:
        for number in range(EACH):
            subject = f'{kind}-{number}'
            spool.sent.add(subject)
            way(spool, subject)
    except (AssertionError, OSError, smtplib.SMTPException, EOFError, subprocess.SubprocessError) as error:
        spool.wrong.append(f'{kind}: {error!r}')


def change(spool, number, stop):
    """Set flags, remove some of the mails, look at all."""
    try:
        client, step = spool.connect(), 0
        while not stop.is_set():
            step += 1
            found = spool.subjects(client)
            mine = [uid for uid in found if uid % 2 == number]
            if mine:
                client.ok(rf'UID STORE {mine[step % len(mine)]} +FLAGS (\Seen $Step{step % 5})')
            if step % 3 == 0 and len(mine) > 3:
                uid = mine[step % len(mine)]
                spool.removed.add(found[uid])
                client.ok(rf'UID STORE {uid} +FLAGS (\Deleted)')
                client.ok(f'UID EXPUNGE {uid}')
            client.ok('CHECK')
        client.logout()
    except (AssertionError, OSError, EOFError) as error:
        spool.wrong.append(f'session: {error!r}')


def storm(spool, ways):
    stop = threading.Event()
    changers = [threading.Thread(target=change, args=(spool, number, stop)) for number in range(2)]
    bringers = [threading.Thread(target=bring, args=(spool, kind, way)) for kind, way in ways.items()]
    for thread in bringers + changers:
        thread.start()
    for thread in bringers:
        thread.join()
    stop.set()
    for thread in changers:
        thread.join()
    assert not spool.wrong
    spool.check()


@needs('procmail')
def test_procmail_and_we(spool):
    by_imap_first(spool)
    storm(spool, {'imap': by_imap, 'lmtp': by_lmtp, 'procmail': by_procmail})


@needs('postfix')
def test_postfix_and_we(spool, postfix):
    by_imap_first(spool)
    storm(spool, {'imap': by_imap, 'lmtp': by_lmtp, 'postfix': postfix.send})


def by_imap_first(spool):
    """The file is there."""
    spool.inbox.touch()
    os.chown(spool.inbox, *mail_owner())
    for number in range(6):
        spool.sent.add(f'first-{number}')
        by_imap(spool, f'first-{number}')


# --- who reads and removes them ----------------------------------------------------------------

def mutt(spool, keys):
    rc = Path(spool.server.home(USER), 'muttrc')
    rc.write_text(f'''
set mbox_type=mbox
set spoolfile="{spool.inbox}"
set folder="{spool.dir}"
set move=no
set quit=yes
set delete=yes
set wait_key=no
set sort=mailbox-order
push "{keys}"
''', encoding='utf-8')
    done = run(spool, 'script', '-qec', f'mutt -n -F {rc} -f {spool.inbox}', '/dev/null', stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-2000:]


@needs('mutt')
def test_mutt_removes_and_marks(spool):
    by_imap_first(spool)
    client = spool.connect()
    before = spool.subjects(client)
    client.ok(r'STORE 2 +FLAGS (\Answered)')
    client.ok('CHECK')
    mutt(spool, '<delete-pattern>~s first-3<enter><tag-pattern>~s first-4<enter><tag-prefix><flag-message>'
                '<sync-mailbox><exit>')
    spool.removed.add('first-3')
    client.ok('NOOP')
    after = spool.subjects(client)
    assert after == {uid: subject for uid, subject in before.items() if subject != 'first-3'}
    flags = {spool.uids[int(re.search(rb'UID (\d+)', line)[1])]: line for line in client.ok(
        'FETCH 1:* (UID FLAGS)')[:-1]}
    # mutt turns the flag over.
    assert rb'\Flagged' not in flags['first-4'] and rb'\Flagged' in flags['first-5']
    assert rb'\Answered' in flags['first-1']
    client.append('INBOX', text_of('late').replace('\n', '\r\n').encode())
    spool.sent.add('late')
    spool.check()


@needs('mail')
def test_mail_reads_and_saves(spool):
    by_imap_first(spool)
    client = spool.connect()
    before = spool.subjects(client)
    life = re.search(rb'X-IMAPbase: *(\d+)', spool.inbox.read_bytes())[1]
    saved = Path(spool.server.home(USER), 'saved')
    done = run(spool, 'mail', '-f', str(spool.inbox), input=f'type 1\nsave 2 {saved}\ndelete 3\nquit\n'.encode())
    assert done.returncode == 0 and b'first-0' in done.stdout, done
    spool.removed.add('first-2')
    if b'first-1' not in spool.inbox.read_bytes():
        spool.removed.add('first-1')
    if life != re.search(rb'X-IMAPbase: *(\d+)', spool.inbox.read_bytes())[1]:
        # mailutils makes the mailbox another one, with the second of now as UIDVALIDITY: sessions end.
        with pytest.raises(EOFError):
            client.ok('NOOP')
        spool.uids.clear()
        client = spool.connect()
    client.ok('NOOP')
    after = spool.subjects(client)
    assert list(after.values()) == [subject for subject in before.values() if subject not in spool.removed]
    assert b'Subject: first-1\n' in saved.read_bytes()
    spool.check()
