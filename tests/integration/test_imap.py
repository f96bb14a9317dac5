# SPDX-License-Identifier: MIT
"""IMAP sessions on the whole server."""
import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

from conftest import mail_owner
from imap_lines import Lines

MAIL = b'From: a@x.example\r\nSubject: one\r\n\r\nbody\r\n'


@pytest.fixture
def alice(server):
    client = Lines(server.port('imap'), 'alice')
    yield client
    client.close()


def test_session_by_hand(server):
    """What the courses of the field type into telnet: log in, list, select, search, fetch, log out."""
    setup = Lines(server.port('imap'), 'hand')
    setup.append('INBOX', MAIL)
    setup.append('INBOX', MAIL)
    setup.ok('SELECT INBOX')
    setup.ok(r'STORE 1 FLAGS (\Seen)')
    setup.logout()
    client = Lines(server.port('imap'))
    assert re.match(rb'\* OK \[CAPABILITY IMAP4rev1 .*\] .*ready', client.greeting)
    client.send(b'A01 login hand secret\r\n')
    assert re.match(rb'A01 OK \[CAPABILITY IMAP4rev1 .*\] Logged in$', client.until(b'A01')[-1])
    client.send(b'A02 list "" *\r\n')
    lines = client.until(b'A02')
    assert any(re.match(rb'\* LIST \(\\HasNoChildren\) "." INBOX$', line) for line in lines)
    assert re.match(rb'A02 OK List completed \(\d+\.\d{3} \+ \d+\.\d{3} secs\)\.$', lines[-1])
    client.send(b'A03 select INBOX\r\n')
    lines = client.until(b'A03')
    assert [re.sub(rb'\(\w{32}\)|\d{3,}', b'N', line) for line in lines[:-1]] == [
        rb'* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)',
        rb'* OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft \*)] Flags permitted.',
        b'* 2 EXISTS', b'* 0 RECENT', b'* OK [UNSEEN 2] First unseen.',
        b'* OK [UIDVALIDITY N] UIDs valid', b'* OK [UIDNEXT 3] Predicted next UID',
        b'* OK [HIGHESTMODSEQ N] Highest',
        b'* OK [MAILBOXID N] Mailbox ID']
    assert lines[-1].startswith(b'A03 OK [READ-WRITE] Select completed (')
    client.send(b'A04 search all\r\n')
    lines = client.until(b'A04')
    assert lines[0] == b'* SEARCH 1 2' and lines[1].startswith(b'A04 OK Search completed (')
    client.send(b'A05 fetch 2 RFC822\r\n')
    lines = client.until(b'A05')
    assert lines[0] == b'* 2 FETCH (FLAGS (\\Seen) RFC822 {%d}\r\n%s)' % (len(MAIL), MAIL)
    assert lines[1].startswith(b'A05 OK Fetch completed (')
    client.send(b'A06 logout\r\n')
    assert client.line() == b'* BYE Logging out'
    assert client.line().startswith(b'A06 OK Logout completed (')
    with pytest.raises(EOFError):
        client.fill()


def test_pipelined_commands_are_answered_in_order(alice):
    alice.send(b''.join(b'p%d NOOP\r\n' % i for i in range(500)))
    for i in range(500):
        assert alice.line().startswith(b'p%d OK ' % i)


def test_slow_reader_costs_no_memory_and_loses_nothing(make_server):
    """A client that asks for 40 MB and reads none of it: the process must not take them in."""
    server, user = make_server(), 'spare'  # its peak is its own
    big = b'Subject: big\r\n\r\n' + b'x' * 78 + b'\r\n'
    big += (b'0123456789' * 7 + b'\r\n') * 14000
    client = Lines(server.port('imap'), user)
    for _ in range(4):
        client.append('INBOX', big)
    client.ok('SELECT INBOX')
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.send(b'F FETCH 1:4,1:4 BODY.PEEK[]\r\n' * 10 + b'G NOOP\r\n')
    time.sleep(0.5)
    # Other sessions are served meanwhile.
    Lines(server.port('imap'), 'bob').logout()
    assert server.peak_memory('imap') < 60 * 1024 * 1024
    count = 0
    while True:
        line = client.line()
        count += line.count(b'FETCH (BODY[] {%d}' % len(big))
        if line.startswith(b'G OK'):
            break
    assert count == 40
    client.logout()


@pytest.mark.parametrize('what', [
    b'x ' + b'a' * 200000 + b'\r\n', b'x NOOP ' + b'(' * 5000 + b'\r\n', b'x SEARCH SUBJECT {999999999}\r\n',
    b'x SEARCH ' + b'NOT ' * 10000 + b'ALL\r\n', b'\x00\xff\xfe\r\n' * 100, b'x FETCH 1:4294967296 FLAGS\r\n',
    b'x STORE 1 FLAGS (' + b'f ' * 40000 + b')\r\n', b'x FETCH 1 BODY[' + b'1.' * 30000 + b'1]\r\n',
    b'x APPEND INBOX {18446744073709551616}\r\n',
])
def test_bad_input_changes_only_its_own_connection(server, what):
    witness = Lines(server.port('imap'), 'alice')
    client = Lines(server.port('imap'), 'alice')
    client.ok('SELECT INBOX')
    client.send(what)
    client.sock.settimeout(30)
    assert re.match(rb'(\* BYE|x BAD|\* BAD|x OK|x NO)', client.line())
    witness.ok('NOOP')
    client.close()
    witness.logout()


@pytest.mark.alone
def test_idle_is_told_at_once(server):
    watcher, actor = (Lines(server.port('imap'), 'idler') for _ in range(2))
    watcher.ok('SELECT INBOX')
    actor.ok('SELECT INBOX')
    tag = watcher.idle()
    times = []
    for event in ('append', 'flag', 'expunge') * 5:
        if event == 'append':
            actor.append('INBOX', MAIL)
            pattern = rb' EXISTS'
        elif event == 'flag':
            actor.ok(r'STORE * +FLAGS (\Deleted \Flagged)')
            pattern = rb' FETCH \(.*\\Flagged'
        else:
            actor.ok('EXPUNGE')
            pattern = rb' EXPUNGE'
        end = time.monotonic()
        times.append(watcher.wait_for(pattern)[1] - end)
    watcher.done(tag)
    # Each kind at its best: other work on this machine takes time, too.
    assert max(min(times[kind::3]) for kind in range(3)) < 0.05, times
    watcher.logout()
    actor.logout()


@pytest.mark.alone
def test_idle_sees_files_that_others_put_there(server):
    """procmail and friends write into new/."""
    client = Lines(server.port('imap'), 'droppy')
    client.append('INBOX', MAIL)
    client.ok('SELECT INBOX')
    tag = client.idle()
    times = []
    for number in range(2, 7):
        begin = time.monotonic()
        server.drop_mail('droppy', MAIL)
        times.append(client.wait_for(rb'\* %d EXISTS' % number)[1] - begin)
    assert min(times) < 0.05, times
    client.done(tag)
    client.logout()


def test_two_sessions_agree(server):
    """Expunges are not told during FETCH, STORE and SEARCH by number (RFC 3501 section 7.4.1)."""
    one, two = (Lines(server.port('imap'), 'pair') for _ in range(2))
    for _ in range(4):
        one.append('INBOX', MAIL)
    one.ok('SELECT INBOX')
    two.ok('SELECT INBOX')
    two.ok(r'STORE 2 +FLAGS (\Deleted)')
    two.ok('EXPUNGE')
    for command in ('FETCH 3 FLAGS', r'STORE 3 +FLAGS (\Seen)', 'SEARCH ALL'):
        assert not any(b'EXPUNGE' in line for line in one.ok(command))
    assert b'* 2 EXPUNGE' in one.ok('NOOP')
    lines = one.ok('FETCH 1:* UID')
    assert lines[:-1] == [b'* 1 FETCH (UID 1)', b'* 2 FETCH (UID 3)', b'* 3 FETCH (UID 4)']
    two.ok(r'STORE 1 +FLAGS (\Answered)')
    assert any(b'* 1 FETCH (FLAGS (\\Answered' in line for line in one.ok('NOOP'))
    one.logout()
    two.logout()


def test_keywords_that_another_session_made_are_kept_and_told(server):
    """One whose name a session has not read yet is on the mail all the same: in what STORE tells, and in copies."""
    first = Lines(server.port('imap'), 'twin')
    first.ok('CREATE Twins')
    first.append('Twins', b'A: b\r\n\r\nx\r\n')
    first.ok('SELECT Twins')
    other = Lines(server.port('imap'), 'twin')
    other.ok('SELECT Twins')
    other.ok('STORE 1 +FLAGS (one)')
    told = first.ok('STORE 1 +FLAGS (one two)')
    assert told[-2] == rb'* 1 FETCH (FLAGS (\Recent one two))', told
    other.ok('STORE 1 +FLAGS (three)')
    told = first.ok('STORE 1 +FLAGS (Three)') + first.ok(r'STORE 1 +FLAGS (\Flagged)')
    assert rb'* 1 FETCH (FLAGS (\Flagged \Recent one two three))' in told, told
    other.ok('STORE 1 +FLAGS (four)')
    assert b'COPYUID' in first.ok('COPY 1 Twins')[-1]
    assert b'one two three four' in first.ok('FETCH 2 FLAGS')[0]
    other.ok('NOOP')
    other.ok('STORE 2 FLAGS (five)')
    first.ok('MOVE 2 Twins')
    assert b'FLAGS (five' in re.sub(rb'.Recent ', b'', first.ok('FETCH 2 FLAGS')[0])
    for client in first, other:
        client.logout()


def test_deleting_the_selected_mailbox_ends_its_sessions(server):
    one, two = (Lines(server.port('imap'), 'deleter') for _ in range(2))
    one.ok('CREATE gone')
    two.ok('SELECT gone')
    one.ok('DELETE gone')
    two.send(b'x NOOP\r\n')
    assert two.line() == b'* BYE Selected mailbox was deleted, have to disconnect.'
    one.logout()


@pytest.mark.parametrize('how', ['DELETE', 'rm'])
def test_no_command_takes_the_deleted_mailbox_for_another(make_server, how):
    """None says that another one has to be made, or that one without a name does not exist."""
    server = make_server()
    other = Lines(server.port('imap'), 'alice')
    other.ok('CREATE target')
    for command in ['NOOP', 'FETCH 1 FLAGS', r'STORE 1 +FLAGS \Seen', 'EXPUNGE', 'UID EXPUNGE 1', 'COPY 1 target', 'MOVE 1 target',
                    'SORT (SUBJECT) UTF-8 ALL', 'CLOSE']:
        other.ok('CREATE box')
        other.ok('APPEND box {14+}\r\nSubject: x\r\n\r\n')
        client = Lines(server.port('imap'), 'alice')
        client.ok('SELECT box')
        if how == 'rm':
            shutil.rmtree(server.maildir('alice') / '.box')
        else:
            other.ok('DELETE box')
        client.send(f'1 {command}\r\n'.encode())
        line = client.line()
        while line.startswith((b'* 1 ', b'* SORT')):
            line = client.line()
        assert line.startswith(b'1 OK Close' if command == 'CLOSE' else b'* BYE Selected mailbox was deleted'), command
        client.sock.close()
    assert b'MESSAGES 0' in other.command('STATUS target (MESSAGES)')[0]


def test_disconnect_is_logged_in_dovecots_words(server):
    client = Lines(server.port('imap'), 'logger')
    client.append('INBOX', MAIL)
    client.ok('SELECT INBOX')
    client.ok('FETCH 1 BODY[]')
    client.ok(r'STORE 1 +FLAGS (\Deleted)')
    client.ok('EXPUNGE')
    client.logout()
    assert server.wait_log(
        r'imap\(logger\)<\d+><[^>]+>: Info: Disconnected: Logged out in=\d+ out=\d+ deleted=1 expunged=1 '
        rf'trashed=0 hdr_count=0 hdr_bytes=0 body_count=1 body_bytes={len(MAIL)}$')
    client = Lines(server.port('imap'), 'logger')
    client.ok('NOOP')
    client.close()
    assert server.wait_log(
        r'imap\(logger\)<\d+><[^>]+>: Info: Disconnected: Connection closed \(NOOP finished 0\.\d\d\d secs ago\) in=')


def test_what_is_logged_at_the_end_can_be_set(make_server):
    server = make_server('imap_logout_format = %n was here from %{rip}, %{appended} in, %{trashed} out, %{session}\n'
                         'namespace inbox {\n  mailbox Trash {\n    auto = create\n'
                         '    special_use = \\Trash\n  }\n}\n')
    client = Lines(server.port('imap'), 'alice')
    client.append('INBOX', MAIL)
    client.append('INBOX', MAIL)
    client.ok('SELECT INBOX')
    client.ok('MOVE 2 Trash')
    client.logout()
    assert server.wait_log(r'imap\(alice\)<\d+><([^>]+)>: Info: Disconnected: Logged out '
                           r'alice was here from 127\.0\.0\.1, 2 in, 1 out, \1')


def test_many_at_once(server):
    """Eight clients on one mailbox: each sees a mailbox that makes sense all the time."""
    failures = []

    def work(number):
        try:
            client = Lines(server.port('imap'), 'crowd')
            client.ok('SELECT INBOX')
            for i in range(15):
                client.append('INBOX', MAIL)
                client.ok(r'STORE 1 +FLAGS (\Seen k%d)' % number)
                client.ok('UID FETCH 1:* (FLAGS)')
                if i % 5 == 4:
                    client.ok(r'UID STORE * +FLAGS.SILENT (\Deleted)')
                    client.ok('EXPUNGE')
            client.logout()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    client = Lines(server.port('imap'), 'crowd')
    lines = client.ok('SELECT INBOX')
    count = int(next(re.search(rb'\* (\d+) EXISTS', line)[1] for line in lines if b'EXISTS' in line))
    uids = [int(re.search(rb'UID (\d+)', line)[1]) for line in client.ok('FETCH 1:* UID')[:-1]]
    assert len(uids) == count and uids == sorted(set(uids))
    client.logout()


def test_sessions_are_told_when_the_server_stops(make_server):
    server = make_server('verbose_proctitle = yes\n')
    busy, idle = Lines(server.port('imap'), 'alice'), Lines(server.port('imap'), 'alice')
    busy.ok('SELECT INBOX')
    idle.ok('SELECT INBOX')
    idle.idle()
    titles = [open(f'/proc/{pid}/cmdline', 'rb').read().replace(b'\0', b' ') for pid in server.pids('imap')]
    assert any(b'[alice 127.0.0.1 IDLE]' in title for title in titles), titles
    assert any(b'[alice 127.0.0.1]' in title for title in titles), titles
    server.stop()
    for client in (busy, idle):
        assert client.line() == b'* BYE Server shutting down.'
        client.close()
    assert server.wait_log(r'Disconnected: Server shutting down\. in=\d+ out=\d+ ')


def test_many_sessions_in_one_process(make_server):
    """client_limit above 1: users of one uid share a process, and nobody waits for anybody."""
    server = make_server('service imap {\n  client_limit = 20\n  process_limit = 1\n}\n')
    watchers = {user: Lines(server.port('imap'), user) for user in ('alice', 'bob', 'carol')}
    for client in watchers.values():
        client.ok('SELECT INBOX')
        client.idle()
    slow = Lines(server.port('imap'), 'spare')
    for _ in range(3):
        slow.append('INBOX', b'Subject: big\r\n\r\n' + (b'x' * 70 + b'\r\n') * 30000)
    slow.ok('SELECT INBOX')
    slow.send(b'S FETCH 1:3 BODY.PEEK[]\r\nR SEARCH TEXT nowhere\r\n')
    times = []
    for user, watcher in watchers.items():
        other = Lines(server.port('imap'), user)
        begin = time.monotonic()
        other.append('INBOX', MAIL)
        times.append(watcher.wait_for(rb'\* 1 EXISTS')[1] - begin)
        other.logout()
        assert server.wait_log(rf'imap\({user}\)<\d+><[^>]+>: Info: Disconnected: Logged out')
    assert min(times) < 1, times
    assert len({line.split('<')[1].split('>')[0] for line in server.log_text().splitlines()
                if 'Disconnected: Logged out' in line}) == 1
    slow.until(b'S')
    slow.until(b'R')
    slow.logout()
    for watcher in watchers.values():
        watcher.close()


def test_a_mailbox_that_cannot_be_written_is_read_only(server):
    server.drop_mail('quota', b'Subject: one\n\ntext\n')
    with contextlib.closing(Lines(server.port('imap'), 'quota')) as client:
        client.ok('SELECT INBOX')
    cur = server.maildir('quota') / 'cur'
    cur.chmod(0o500)
    with contextlib.closing(Lines(server.port('imap'), 'quota')) as client:
        assert b'[READ-ONLY]' in client.ok('SELECT INBOX')[-1]
        # Reading sets no \Seen, so it does not fail.
        assert client.ok('FETCH 1 BODY[TEXT]')[0] == b'* 1 FETCH (BODY[TEXT] {6}\r\ntext\r\n)'
        assert len(client.ok(r'STORE 1 +FLAGS (\Flagged)')) == 1
        cur.chmod(0o700)
        assert b'[READ-WRITE]' in client.ok('SELECT INBOX')[-1]


@pytest.mark.skipif(os.getuid() != 0, reason='needs root')
def test_mail_is_read_and_expunged_on_a_full_disk(server, tmp_path):
    home = server.home('recent')
    client = Lines(server.port('imap'), 'recent')
    for _ in range(5):
        client.append('INBOX', b'Subject: x\r\n\r\n' + b'text\r\n' * 2000)
    client.logout()
    # No index either, and no room to make one.
    shutil.rmtree(server.maildir('recent') / 'dovetail.index')
    subprocess.run(['cp', '-a', server.maildir('recent'), tmp_path], check=True)
    uid, gid = mail_owner()
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size=256k,uid={uid},gid={gid},mode=755', 'tmpfs', home],
                      check=False, capture_output=True).returncode != 0:
        pytest.skip('cannot mount')
    try:
        subprocess.run(['cp', '-a', tmp_path / 'Maildir', home], check=True)
        with pytest.raises(OSError), open(f'{home}/fill', 'wb', buffering=0) as file:
            while True:
                file.write(bytes(4096))
        client = Lines(server.port('imap'), 'recent')
        client.ok('SELECT INBOX')
        assert b' NO [OVERQUOTA] ' in client.command(b'APPEND INBOX {9000+}\r\n' + b'x' * 9000)[-1]
        assert len(client.ok('FETCH 1:* BODY.PEEK[]')) == 6
        client.ok(r'STORE 1:4 +FLAGS.SILENT (\Deleted)')
        client.ok('EXPUNGE')
        client.append('INBOX', b'Subject: y\r\n\r\n' + b'text\r\n' * 2000)
        client.logout()
    finally:
        subprocess.run(['umount', '-l', home], check=True)
