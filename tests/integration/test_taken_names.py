# SPDX-License-Identifier: MIT
"""Names of mailboxes that become those of other mailboxes, while sessions have them open."""
import random
import re
import threading
import time

import pytest

from imap_lines import Lines

MAIL = b'From: a@x.example\r\nSubject: x\r\n\r\ntext\r\n'
LOCATIONS = ['maildir:~/Maildir', 'maildir:~/Maildir:LAYOUT=fs', 'mbox:~/mail', 'mbox:~/mail:LAYOUT=maildir++']


@pytest.mark.parametrize('location', LOCATIONS)
@pytest.mark.parametrize('command', ['NOOP', 'MOVE 1 INBOX', r'STORE 3 +FLAGS (\Deleted)', 'EXPUNGE'])
def test_a_session_does_not_take_another_mailbox_for_its_own(make_server, location, command):
    """It brought what is in the new one into the index of the renamed one: flags that mbox had not written yet were
    lost, and the whole index was made anew."""
    server = make_server(f'mail_location = {location}\n')
    other = Lines(server.port('imap'), 'alice')
    other.ok('CREATE a')
    for _ in range(3):
        other.append('a', MAIL)
    client = Lines(server.port('imap'), 'alice')
    client.ok('SELECT a')
    client.ok(r'STORE 1:2 +FLAGS (\Flagged kw)')
    other.ok('RENAME a z')
    other.ok('CREATE a')
    other.append('a', MAIL)
    with pytest.raises((EOFError, BrokenPipeError, ConnectionResetError)):
        for _ in range(3):
            client.command(command)
    other.ok('SELECT z')
    flags = b' '.join(other.ok('FETCH 1:2 FLAGS')[:-1])
    # A move may have been in time.
    assert flags.count(rb'\Flagged') == flags.count(b'kw') == (1 if b'MESSAGES 1' in other.ok('STATUS INBOX (MESSAGES)')[0] else 2)
    assert b'MESSAGES 1 ' in other.ok('STATUS a (MESSAGES UIDNEXT)')[0]
    other.logout()


@pytest.mark.parametrize(('location', 'commands'), [
    ('maildir:~/Maildir', ['DELETE a']), ('maildir:~/Maildir', ['DELETE a', 'CREATE a']), ('mbox:~/mail', ['DELETE a']),
    ('mbox:~/mail', ['DELETE a', 'CREATE a']), ('mbox:~/mail', ['RENAME a z']), ('mbox:~/mail', ['RENAME a z', 'CREATE a'])])
def test_who_idles_is_told_at_once(make_server, location, commands):
    """The file of an mbox is not gone before the session closes it. Not here: a Maildir that is renamed, which has the
    same new mails under its new name."""
    server = make_server(f'mail_location = {location}\n')
    other = Lines(server.port('imap'), 'alice')
    other.ok('CREATE a')
    other.append('a', MAIL)
    client = Lines(server.port('imap'), 'alice')
    client.ok('SELECT a')
    client.ok(r'STORE 1 +FLAGS (\Flagged kw)')
    client.idle()
    for command in commands:
        other.ok(command)
    client.wait_for(rb'BYE Selected mailbox was deleted', 5)
    if 'RENAME a z' in commands:
        other.ok('SELECT z')
        assert rb'\Flagged kw' in other.ok('FETCH 1 FLAGS')[0]
    other.logout()


# In layout fs of mbox, a mailbox has none below it.
NAMES = ['a', 'b', 'c', 'd', 'e.x', 'e.y']
COMMANDS = ['CREATE {0}', 'CREATE {0}', 'DELETE {0}', 'RENAME {0} {1}', 'RENAME {0} {1}', 'SUBSCRIBE {0}', 'UNSUBSCRIBE {0}',
            'SELECT {0}', 'STATUS {0} (MESSAGES UNSEEN)', 'COPY 1:* {0}', r'STORE 1:* +FLAGS (\Deleted kw)', 'EXPUNGE', 'NOOP',
            'LIST "" *', 'LSUB "" *', 'RENAME k1 k2', 'RENAME k2 k1', 'KEEP', 'KEEP']


class Stormer(threading.Thread):
    """Does anything to any mailbox, but deletes none whose mails it counts."""

    def __init__(self, server, number, end):
        super().__init__()
        self.server, self.number, self.end = server, number, end
        self.random, self.count, self.kept, self.odd = random.Random(number), 0, [], []
        self.start()

    def keep(self, client):
        self.count += 1
        subject = f'keep-{self.number}-{self.count}'
        mail = f'Subject: {subject}\r\n\r\nx\r\n'.encode()
        name = self.random.choice(['k1', 'k2'])
        answer = client.command(f'APPEND {name} (\\Flagged kk) {{{len(mail)}+}}\r\n'.encode() + mail)[-1]
        if b' OK ' in answer:
            self.kept.append(subject)
        elif b'TRYCREATE' in answer:
            client.command(f'CREATE {name}')

    def run(self):
        client = None
        while time.monotonic() < self.end:
            try:
                client = client or Lines(self.server.port('imap'), 'alice', timeout=60)
                command = self.random.choice(COMMANDS)
                if command == 'KEEP':
                    self.keep(client)
                    continue
                answer = client.command(command.format(self.random.choice(NAMES), self.random.choice(NAMES)))[-1]
                if b'SERVERBUG' in answer:
                    self.odd.append((command, answer))
            except (EOFError, BrokenPipeError, ConnectionResetError):
                client = None  # what it had selected is gone


@pytest.mark.parametrize('location', [*LOCATIONS, 'maildir:~/Maildir:LAYOUT=index', 'maildir:~/Maildir:CONTROL=~/c:INDEX=~/i'])
def test_a_storm_of_names_harms_no_mail_and_no_index(make_server, location):
    """With LAYOUT=index, who opened a mailbox that was deleted and made anew just then had the index made anew."""
    server = make_server(f'mail_location = {location}\nnamespace inbox {{\n  separator = .\n}}\n')
    end = time.monotonic() + 4
    stormers = [Stormer(server, number, end) for number in range(5)]
    for one in stormers:
        one.join()
    client = Lines(server.port('imap'), 'alice', timeout=60)
    found = []
    for line in client.ok('LIST "" *')[:-1]:
        if b'oselect' in line:
            continue
        client.ok(b'SELECT ' + line.rpartition(b' ')[2])
        for mail in client.command('FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])')[:-1]:
            subject = re.search(rb'keep-\d+-\d+', mail)
            if subject:
                found.append(subject[0].decode())
                assert rb'\Flagged' in mail and b'kk' in mail
    client.logout()
    # One that was saved before its session ended is there, though the client was not told.
    assert len(found) == len(set(found)) and {name for one in stormers for name in one.kept} <= set(found)
    assert [odd for one in stormers for odd in one.odd] == []
    assert 'anew' not in server.log_text()
    server.forgive("can't write flags: Mailbox isn't selectable")


@pytest.mark.parametrize('how', ['DELETE', 'directory'])
def test_who_saved_a_mail_is_told_even_if_the_selected_mailbox_is_gone(make_server, how):
    """Or else saves it again."""
    server = make_server()
    other = Lines(server.port('imap'), 'alice')
    for name in 'a', 'target':
        other.ok(f'CREATE {name}')
    other.append('a', MAIL)
    client = Lines(server.port('imap'), 'alice')
    client.ok('SELECT a')
    cur = server.maildir('alice') / '.a' / 'cur'
    if how == 'DELETE':
        other.ok('DELETE a')
    else:
        cur.rename(cur.with_name('other'))
        cur.write_text('no directory')
    client.append('target', MAIL)
    if how == 'DELETE':
        assert client.line() == b'* BYE Selected mailbox was deleted, have to disconnect.'
    assert b'MESSAGES 1' in other.ok('STATUS target (MESSAGES)')[0]
    server.forgive()


@pytest.mark.parametrize('location', LOCATIONS)
def test_the_longest_and_deepest_names_are_told_and_opened(make_server, location):
    """What cannot be opened or listed is not made: an mbox needs room for NAME.lock."""
    server = make_server(f'mail_location = {location}\nnamespace inbox {{\n  separator = /\n}}\n')
    client = Lines(server.port('imap'), 'alice')
    made = set()
    for name in [*('y' * length for length in range(244, 258)), *('/'.join('d' * depth) for depth in (1, 62, 63, 64, 65, 66))]:
        if b' OK ' in client.command(f'CREATE {name}')[-1]:
            client.append(name, MAIL)
            assert b'MESSAGES 1)' in client.ok(f'STATUS {name} (MESSAGES)')[0]
            # A file has no level below.
            client.ok(f'DELETE {name}' if location == 'mbox:~/mail' else 'NOOP')
            made.add(name)
    assert 'y' * 249 in made and '/'.join('d' * 64) in made and '/'.join('d' * 65) not in made
    told = {line.rpartition(b' ')[2].decode() for line in client.ok('LIST "" *')[:-1]}
    assert location == 'mbox:~/mail' or made <= told
    client.logout()
