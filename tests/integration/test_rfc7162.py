# SPDX-License-Identifier: MIT
"""RFC 7162 by its sentences, where the answers of Dovecot (test_modseq_dovecot.py) do not show them: what two sessions
see of one another, and that a client that comes back knows all."""
import os
import random
import re
import shutil

import pytest

from imap_lines import Lines

ROUNDS = int(os.environ.get('DOVETAIL_COMMANDS', 400))
USER = 'twin'
MAIL = b'Subject: %d\r\n\r\nbody\r\n'


def number(word, lines):
    """The last one behind a word, or None."""
    found = re.findall(rb'\b%s \(?(\d+)' % word, b'\n'.join(lines))
    return int(found[-1]) if found else None


def kinds(lines):
    """FETCH, VANISHED ... in their order."""
    words = [re.match(rb'\* (?:\d+ )?(\w+)', line) for line in lines]
    return [word[1].decode() for word in words if word]


@pytest.fixture
def client(request, server, make_server):
    """client(*commands): another connection; the first appended six mails."""
    if getattr(request, 'param', 'maildir') == 'mbox':
        server = make_server('mail_location = mbox:~/mail\n')
    shutil.rmtree(f'{server.home(USER)}/Maildir', ignore_errors=True)
    connections = []

    def connect(*commands):
        connections.append(Lines(server.port('imap'), USER))
        for command in commands:
            connections[-1].ok(command)
        return connections[-1]

    first = connect()
    for n in range(1, 7):
        first.append('INBOX', MAIL % n)
    yield connect
    for connection in connections:
        connection.close()


# 3.1: the commands that enable CONDSTORE, and that they do for good.
@pytest.mark.parametrize('command', [
    'ENABLE CONDSTORE', 'ENABLE QRESYNC', 'SELECT INBOX (CONDSTORE)', 'EXAMINE INBOX (CONDSTORE)',
    'STATUS Other (HIGHESTMODSEQ)', 'FETCH 1 (MODSEQ)', 'FETCH 1 FLAGS (CHANGEDSINCE 1)', 'SEARCH MODSEQ 1',
    'SORT (SUBJECT) UTF-8 MODSEQ 1', 'THREAD REFS UTF-8 MODSEQ 1', r'STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\Seen)',
    'LIST "" Other RETURN (STATUS (HIGHESTMODSEQ))'])
def test_enabling_commands(client, command):
    one = client('CREATE Other', 'SELECT INBOX')
    assert number(b'MODSEQ', one.ok(r'STORE 1 +FLAGS (\Flagged)')) is None
    assert number(b'HIGHESTMODSEQ', one.ok(command)) is not None
    one.ok('SELECT INBOX')
    other = client('SELECT INBOX')
    assert number(b'MODSEQ', one.ok(r'STORE 1 -FLAGS (\Flagged)')) is not None
    other.ok(r'STORE 2 +FLAGS (\Flagged)')
    assert number(b'MODSEQ', one.ok('NOOP')) is not None
    other.ok(r'STORE 2 -FLAGS (\Flagged)')
    tag = one.idle()
    other.ok(r'STORE 3 +FLAGS (\Flagged)')
    assert number(b'MODSEQ', [one.wait_for(rb'3 FETCH')[0]]) is not None
    one.done(tag)


# 3.1: a change gets a strictly greater one, one to what is set already does not; a new mail's is no smaller than
# HIGHESTMODSEQ of before, which is no smaller than any.
def test_mod_sequences_grow(client):
    one = client('SELECT INBOX (CONDSTORE)', 'CREATE Other')
    last = number(b'HIGHESTMODSEQ', one.ok('STATUS INBOX (HIGHESTMODSEQ)'))
    for command in [r'STORE 1 +FLAGS (\Seen)', 'STORE 2 +FLAGS.SILENT (key)', 'STORE 2 -FLAGS (key)',
                    r'STORE 3 FLAGS (\Deleted)', 'EXPUNGE', 'COPY 1 INBOX', 'MOVE 1 Other', 'UID MOVE 6 INBOX',
                    'FETCH 1 BODY[]', b'APPEND INBOX {5+}\r\nA: b\n', r'STORE 1:* FLAGS (\Draft)']:
        one.ok(command)
        now = number(b'HIGHESTMODSEQ', one.ok('STATUS INBOX (HIGHESTMODSEQ)'))
        assert last < now < 1 << 63, command
        all_of_them = re.findall(rb'MODSEQ \((\d+)\)', b'\n'.join(one.ok('FETCH 1:* MODSEQ')))
        assert max(map(int, all_of_them)) <= now
        last = now
    for command in [r'STORE 1:* FLAGS (\Draft)', r'STORE 1 +FLAGS.SILENT (\Draft)', r'STORE 1 -FLAGS (\Seen)',
                    'EXPUNGE', 'FETCH 1 BODY.PEEK[]', 'CHECK', 'SEARCH ALL', 'COPY 1 Other']:
        one.ok(command)
        assert number(b'HIGHESTMODSEQ', one.ok('STATUS INBOX (HIGHESTMODSEQ)')) == last, command


# 3.1.2.2: without persistent mod-sequences, NOMODSEQ in SELECT, 0 in STATUS, and BAD to all that need them; QRESYNC's
# parameters are as if they were not there.
def test_no_mod_sequences(make_server):
    server = make_server('mail_location = maildir:~/Maildir:INDEX=MEMORY\n')
    one = Lines(server.port('imap'), USER)
    one.append('INBOX', MAIL % 1)
    for command in ['SELECT INBOX', 'SELECT INBOX (CONDSTORE)', 'EXAMINE INBOX']:
        lines = one.ok(command)
        assert any(b'* OK [NOMODSEQ]' in line for line in lines) and number(b'HIGHESTMODSEQ', lines) is None
    validity = number(b'UIDVALIDITY', one.ok('STATUS INBOX (UIDVALIDITY)'))
    assert number(b'HIGHESTMODSEQ', one.ok('STATUS INBOX (HIGHESTMODSEQ)')) == 0
    one.ok('ENABLE QRESYNC')
    one.ok('SELECT INBOX')
    for command in ['FETCH 1 MODSEQ', 'FETCH 1 FLAGS (CHANGEDSINCE 1)', 'UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)',
                    'SEARCH MODSEQ 1', 'SORT (DATE) UTF-8 MODSEQ 1', r'STORE 1 (UNCHANGEDSINCE 1) FLAGS (\Seen)']:
        assert b' BAD ' in one.command(command)[-1], command
    lines = one.ok(f'SELECT INBOX (QRESYNC ({validity} 1))')
    assert 'VANISHED' not in kinds(lines) and 'FETCH' not in kinds(lines)
    lines = one.ok(r'STORE 1 +FLAGS (\Deleted)')
    assert number(b'MODSEQ', lines) is None and b'UID 1' in lines[0]
    lines = one.ok('EXPUNGE')
    assert 'VANISHED' in kinds(lines) and number(b'HIGHESTMODSEQ', lines) is None
    one.close()


# 3.1.3: mails that fail are in MODIFIED and stay as they are, all others are changed and told with their mod-sequences,
# silent or not; numbers for STORE, UIDs for UID STORE.
def test_conditional_store(client):
    one, other = client('SELECT INBOX (CONDSTORE)'), client('SELECT INBOX')
    for mail in (1, 4):
        one.ok(rf'STORE {mail} +FLAGS.SILENT (\Deleted)')
    one.ok('EXPUNGE')  # UIDs 2, 3, 5, 6
    other.ok('NOOP')
    since = number(b'HIGHESTMODSEQ', one.ok('STATUS INBOX (HIGHESTMODSEQ)'))
    other.ok(r'STORE 2,4 +FLAGS (\Answered)')
    lines = one.ok(rf'STORE 1:4 (UNCHANGEDSINCE {since}) +FLAGS.SILENT (\Draft)')
    assert b'[MODIFIED 2,4]' in lines[-1]
    told = {int(line.split()[1]): number(b'MODSEQ', [line]) for line in lines if b' FETCH (' in line}
    assert told[1] == told[3] > told[2] == told[4] > since
    lines = one.ok(rf'UID STORE 2:6 (UNCHANGEDSINCE {told[2]}) +FLAGS.SILENT (\Flagged)')
    assert b'[MODIFIED 2,5]' in lines[-1]
    assert re.findall(rb'UID (\d)', b'\n'.join(lines[:-1])) == [b'3', b'6']
    # 0 fails for all there are.
    assert b'[MODIFIED 1:4]' in one.ok(r'STORE 1:* (UNCHANGEDSINCE 0) FLAGS (\Seen)')[-1]
    flags = re.findall(rb'FLAGS \(([^)]*)\)', b'\n'.join(other.ok('UID FETCH 1:* FLAGS')))
    assert [set(one.split()) - {rb'\Recent'} for one in flags[-4:]] == [
        {rb'\Draft'}, {rb'\Answered', rb'\Flagged'}, {rb'\Draft'}, {rb'\Answered', rb'\Flagged'}]


# 3.1.3, and RFC 2180 section 4.2: a mail that another session expunged is neither changed nor told as if it were, and
# its number stays until a command may say that it is gone.
def test_conditional_store_of_expunged_mails(client):
    one, other = client('SELECT INBOX (CONDSTORE)'), client('SELECT INBOX')
    other.ok(r'STORE 4:6 +FLAGS.SILENT (\Deleted)')
    other.ok('EXPUNGE')
    since = number(b'HIGHESTMODSEQ', other.ok('STATUS INBOX (HIGHESTMODSEQ)'))
    lines = one.ok(rf'STORE 3:6 (UNCHANGEDSINCE {since}) +FLAGS.SILENT (\Draft)')
    assert kinds(lines) == ['FETCH'] and lines[0].startswith(b'* 3 FETCH (MODSEQ')
    assert kinds(one.ok('NOOP')).count('EXPUNGE') == 3


# 3.2.10: no VANISHED while FETCH, STORE or SEARCH are answered, for they use numbers; any other command may.
@pytest.mark.parametrize('command', ['FETCH 1:2 FLAGS', r'STORE 1 +FLAGS (\Seen)', 'SEARCH ALL', 'SORT (DATE) UTF-8 ALL',
                                     'THREAD REFS UTF-8 ALL', 'FETCH 1 FLAGS (CHANGEDSINCE 1)', 'SEARCH RETURN (MIN) ALL'])
def test_numbers_stay_while_they_are_used(client, command):
    one, other = client('ENABLE QRESYNC', 'SELECT INBOX'), client('SELECT INBOX')
    before = number(b'HIGHESTMODSEQ', one.ok('STATUS INBOX (HIGHESTMODSEQ)'))
    other.ok(r'STORE 2 +FLAGS.SILENT (\Deleted)')
    other.ok('EXPUNGE')
    other.ok(r'STORE 4 +FLAGS.SILENT (\Flagged)')
    lines = one.ok(command)
    assert not {'VANISHED', 'EXPUNGE'} & set(kinds(lines))
    # HIGHESTMODSEQ must not be behind what is not told.
    assert (number(b'HIGHESTMODSEQ', lines) or 0) <= before
    lines = one.ok('UID ' + command if not command.startswith('FETCH 1 ') else 'NOOP')
    assert b'* VANISHED 2' in lines and 'EXPUNGE' not in kinds(lines)
    assert number(b'HIGHESTMODSEQ', lines) > before or 'STORE' in command


# 3.1: nor is it when CONDSTORE is enabled in between, or STATUS asked.
@pytest.mark.parametrize('command', ['ENABLE QRESYNC', 'ENABLE CONDSTORE', 'FETCH 1 MODSEQ', 'SEARCH MODSEQ 1'])
def test_highest_is_not_behind_what_is_not_told(client, command):
    one, other = client('SELECT INBOX'), client('SELECT INBOX')
    before = number(b'HIGHESTMODSEQ', client().ok('STATUS INBOX (HIGHESTMODSEQ)'))
    other.ok(r'STORE 2 +FLAGS.SILENT (\Deleted)')
    other.ok('EXPUNGE')
    one.ok('FETCH 1 FLAGS')
    assert number(b'HIGHESTMODSEQ', one.ok(command)[:-1]) <= before


# 3.2.7, 3.2.9 and RFC 6851: HIGHESTMODSEQ if something was expunged; 3.2.8: never with CLOSE, and nothing is told.
def test_expunging_commands(client):
    one = client('ENABLE QRESYNC', 'CREATE Other', 'SELECT INBOX')
    one.ok(r'STORE 1:3 +FLAGS.SILENT (\Deleted)')
    for command, vanished in [('UID EXPUNGE 2', b'2'), ('EXPUNGE', b'1,3'), ('MOVE 1 Other', b'4'),
                              ('UID MOVE 5 Other', b'5')]:
        before = number(b'HIGHESTMODSEQ', one.ok('STATUS INBOX (HIGHESTMODSEQ)'))
        lines = one.ok(command)
        assert b'* VANISHED ' + vanished in lines and 'EXPUNGE' not in kinds(lines)
        assert number(b'HIGHESTMODSEQ', lines[-1:]) > before
    for command in ['UID EXPUNGE 1:*', 'EXPUNGE', 'UID MOVE 99 Other']:
        assert b'HIGHESTMODSEQ' not in one.ok(command)[-1]
    one.ok(r'STORE 1 +FLAGS.SILENT (\Deleted)')
    assert len(one.ok('CLOSE')) == 1
    assert number(b'EXISTS', one.ok('SELECT INBOX')) is None


# 3.2.4: once QRESYNC is on, mails are told with UID, and so are those of other sessions; IDLE tells VANISHED.
def test_what_others_did_is_told_with_uids(client):
    one, other = client('SELECT INBOX', 'ENABLE QRESYNC'), client('SELECT INBOX')
    tag = one.idle()
    other.ok(r'STORE 2 +FLAGS (\Deleted)')
    assert b'UID 2 MODSEQ (' in one.wait_for(rb'\* 2 FETCH')[0]
    other.ok('EXPUNGE')
    assert one.wait_for(rb'VANISHED|EXPUNGE')[0] == b'* VANISHED 2'
    other.append('INBOX', MAIL % 7)
    assert one.wait_for(rb'EXISTS')[0] == b'* 6 EXISTS'
    lines = one.done(tag)
    highest = number(b'HIGHESTMODSEQ', lines)
    assert highest == number(b'HIGHESTMODSEQ', other.ok('STATUS INBOX (HIGHESTMODSEQ)'))


# 3.2.5: the mailbox is told first, then VANISHED (EARLIER), then FETCH; 3.2.10.1: that does not count numbers down,
# and names no UID that is there. 3.2.5.1: wrong UIDVALIDITY, and the rest is not looked at. 3.2.11: CLOSED.
def test_select_with_qresync(client):
    one = client('ENABLE QRESYNC', 'SELECT INBOX')
    start = one.ok('STATUS INBOX (HIGHESTMODSEQ UIDVALIDITY)')
    modseq, validity = number(b'HIGHESTMODSEQ', start), number(b'UIDVALIDITY', start)
    one.ok(r'STORE 2:3 +FLAGS.SILENT (\Deleted)')
    one.ok('EXPUNGE')
    one.ok(r'STORE 2 +FLAGS.SILENT (\Seen)')
    lines = one.ok(f'SELECT INBOX (QRESYNC ({validity} {modseq}))')
    assert lines[0].startswith(b'* OK [CLOSED]')
    assert kinds(lines)[-2:] == ['VANISHED', 'FETCH'] and lines[-3] == b'* VANISHED (EARLIER) 2:3'
    assert re.fullmatch(rb'\* 2 FETCH \(UID 4 FLAGS \(\\Seen( \\Recent)?\) MODSEQ \(\d+\)\)', lines[-2])
    assert b'* 4 EXISTS' in lines
    lines = one.ok(f'SELECT INBOX (QRESYNC ({validity + 1} {modseq} 1:100 (1:2 1:2)))')
    assert not {'VANISHED', 'FETCH'} & {*kinds(lines)}
    # 3.2.5: what is known limits both.
    lines = one.ok(f'EXAMINE INBOX (QRESYNC ({validity} {modseq} 1:2,5:90))')
    assert lines[-2] == b'* VANISHED (EARLIER) 2' and 'FETCH' not in kinds(lines)
    # 3.2.6
    lines = one.ok(f'UID FETCH 3:* (FLAGS) (CHANGEDSINCE {modseq} VANISHED)')
    assert kinds(lines) == ['VANISHED', 'FETCH'] and lines[0] == b'* VANISHED (EARLIER) 3'
    # What is no syntax is BAD, and no mailbox is selected (3.2.5).
    assert b' BAD ' in one.command(f'SELECT INBOX (QRESYNC ({validity} {modseq} 1:*))')[-1]
    assert b' BAD No mailbox selected' in one.command('FETCH 1 FLAGS')[-1]


class Cache:
    """A client that keeps what it was told, and comes back with it (RFC 7162 section 3.2.5, RFC 4549)."""

    def __init__(self, connect, dice):
        self.connect, self.dice = connect, dice
        self.flags, self.modseq, self.validity = {}, 0, 1
        self.numbers, self.line = [], None
        self.come()

    def take(self, line):
        vanished = re.match(rb'\* VANISHED( \(EARLIER\))? ([\d:,]+)', line)
        if vanished:
            for part in vanished[2].split(b','):
                first, _, last = part.partition(b':')
                for uid in range(int(first), int(last or first) + 1):
                    self.flags.pop(uid, None)
        fetch = re.match(rb'\* \d+ FETCH \(', line)
        flags = re.search(rb'FLAGS \(([^)]*)\)', line)
        if fetch and flags and re.search(rb'\bUID \d', line):
            self.flags[number(rb'UID', [line])] = frozenset(flags[1].split()) - {rb'\Recent'}
        highest = re.search(rb'\[HIGHESTMODSEQ (\d+)\]', line)
        if highest:
            self.told = int(highest[1])

    def ask(self, command):
        """RFC 7162 section 3.2.5.3: what HIGHESTMODSEQ says counts when the command is done."""
        lines = self.line.command(command)
        assert re.match(rb'T\d+ (OK|NO \[EXPUNGEISSUED\])', lines[-1]), lines
        self.told = None
        for line in lines:
            self.take(line)
        return lines

    def come(self):
        self.line = self.connect('ENABLE QRESYNC')
        known = f' 1:{max(self.flags)}' if self.flags and self.dice.random() < 0.5 else ''
        lines = self.ask(f'SELECT INBOX (QRESYNC ({self.validity} {max(self.modseq, 1)}{known}))')
        validity = number(b'UIDVALIDITY', lines)
        told = self.told
        if validity != self.validity:
            self.validity, self.flags = validity, {}
            self.ask('UID FETCH 1:* (FLAGS)')
        elif known:
            self.ask(f'UID FETCH {int(known.split(":")[1]) + 1}:* (FLAGS)')
        self.modseq = told

    def do(self, command):
        lines = self.ask(command)
        told = self.told
        if any(re.match(rb'\* \d+ EXISTS', line) for line in lines):
            # What is new is fetched before its HIGHESTMODSEQ is believed.
            self.ask(f'UID FETCH {max(self.flags, default=0) + 1}:* (FLAGS)')
        if told is not None:
            self.modseq = told

    def leave(self):
        self.line.close()
        self.line = None


def some(dice, count):
    first = dice.randint(1, count)
    return f'{first}:{dice.randint(first, min(count, first + 2))}'


def change(dice, other):
    """What another client does."""
    count = int(re.search(rb'MESSAGES (\d+)', b''.join(other.ok('STATUS INBOX (MESSAGES)')))[1])
    other.ok('NOOP')
    if count < 4 or dice.random() < 0.15:
        other.append('INBOX', MAIL % 0)
    elif dice.random() < 0.3:
        other.ok(rf'STORE {some(dice, count)} +FLAGS.SILENT (\Deleted)')
        other.ok('EXPUNGE')
    else:
        flag = dice.choice([r'\Seen', r'\Flagged', 'one', 'two'])
        other.ok(f'STORE {some(dice, count)} {dice.choice("+-")}FLAGS.SILENT ({flag})')


READING = ['FETCH 1 (UID FLAGS)', 'SEARCH ALL', 'UID SEARCH ALL', 'UID FETCH 1:3 (FLAGS)', 'NOOP', 'SEARCH MODSEQ 1',
           r'STORE 1 +FLAGS (\Answered)', r'UID STORE 1:9 -FLAGS (\Answered)', 'CHECK', 'COPY 1 INBOX',
           'FETCH 1 (UID FLAGS BODY[])', r'UID EXPUNGE 1:*', 'UID MOVE 3:9 Other', 'STATUS Other (MESSAGES)']


# The point of it all: whenever the client's connection broke, what it was told and what it is told when it comes back
# are together what the mailbox holds.
@pytest.mark.parametrize(('client', 'seed'), [('maildir', 0), ('maildir', 1), ('mbox', 2)], indirect=['client'])
def test_who_comes_back_knows_all(client, seed):
    dice = random.Random(seed)
    other, truth = client('CREATE Other', 'SELECT INBOX'), client('SELECT INBOX')
    cache = Cache(client, dice)
    for _ in range(ROUNDS // 4):
        for _ in range(dice.randint(0, 3)):
            change(dice, other)
        if dice.random() < 0.3:
            cache.leave()
            for _ in range(dice.randint(0, 3)):
                change(dice, other)
            cache.come()
        else:
            command = dice.choice(READING)
            if cache.flags or command == 'NOOP':
                cache.do(command)
        if dice.random() < 0.4:
            cache.do('NOOP')
            truth.ok('NOOP')
            lines = truth.ok('UID FETCH 1:* (FLAGS)')
            wanted = {number(b'UID', [line]): frozenset(re.search(rb'FLAGS \(([^)]*)\)', line)[1].split()) - {rb'\Recent'}
                      for line in lines[:-1] if b'FETCH (UID' in line}
            assert cache.flags == wanted
