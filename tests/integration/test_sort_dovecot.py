# SPDX-License-Identifier: MIT
"""SORT and THREAD of odd mail: the same orders and trees as Dovecot's."""
import random
import re

import pytest

from imap_lines import Lines

# Where the two are not the same, and so not asked here:
# - Mails with equal keys, in THREAD=REFS, and dates that are equal: RFC 5256 section 2.2 breaks ties by number;
#   Dovecot does so in SORT only. The dates below are all different.
# - "<a <b@x>": Dovecot takes it for one message id, we for <b@x> with dirt before it.

WORDS = ['apples', 'pears', 'plan', 'Report', 'über', 'ÄRGER', 'naïve', 'отчёт', 'ОТЧЁТ', '日本', 'a_b', 'aZb', '[x]', 'ﬁx', 'ß']
LEADERS = ['Re: ', 're: ', 'RE : ', 'Fwd: ', 'fw: ', 'Re[2]: ', '[list] ', '[a] [b] ', '[list] Re: ', 'Re: [list] ', ' ',
           'Re： ', '[fwd: ', 'reply: ', 'Re: Re: ', '[a]re[b]: ']
TRAILERS = [' (fwd)', '(FWD)', ' ', '\t', ']', ' (fwd) (fwd)', ' [x]']
ADDRESSES = ['{n}@x.example', 'Name {n} <{n}@x.example>', '"Quoted, {n}" <{n}@x.example>', '=?utf-8?q?=C3=84_{n}?= <{n}@y>',
             '=?iso-8859-1?q?=E4_{n}?= <{n}@y>', '<{n}@[127.0.0.1]>', '{n}', 'group {n}: a@x, b@y;', 'group {n}:;', '(c) {n}@x (d)',
             '"a b {n}" <"q {n}"@x>', '<@route:{n}@x>', 'Only name {n}', '', 'A <{n}@x>, B <other@y>', 'ß {n} <ß{n}@x>',
             '{N}@X.EXAMPLE']
DATES = ['{d} {m} {y} {t} +0000', 'Mon, {d} {m} {y} {t} -0800', '{d} {m} {y} {t} EST', 'Tue,  {d}  {m}  {y}  {t} (comment) +0530',
         'bad date', '', '{d} {m} {y} {t}']
MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split()


def encoded(rng, text):
    if text.isascii():
        return text
    style = rng.randrange(3)
    if style == 0:
        return text
    if style == 1:
        return '=?utf-8?b?' + __import__('base64').b64encode(text.encode()).decode() + '?='
    return '=?utf-8?q?' + ''.join(c if c.isascii() and c.isalnum() else ''.join(f'={b:02X}' for b in c.encode())
                                  for c in text) + '?='


def subject(rng):
    text = ' '.join(rng.choice(WORDS) for _ in range(rng.randint(1, 2)))
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        text = rng.choice(LEADERS) + text
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        text += rng.choice(TRAILERS)
    return encoded(rng, text)


def date(rng, n):
    """Different for each mail, in every zone."""
    return rng.choice(DATES).format(d=rng.randint(1, 28), m=rng.choice(MONTHS), y=rng.choice([1999, 2015, 2016, 2020]),
                                    t=f'{rng.randrange(24):02d}:{n % 60:02d}:{n // 60:02d}')


def message_id(rng, n):
    return rng.choice(['<{n}@x>', '<{n}@x>', '<{n}@x>', '<{n}@x>', '< {n}@x >', '<"{n}"@x>', '<{n}(c)@x>', 'junk <{n}@x> junk']).format(n=n)


def fields(rng, n, total):
    out = []
    if rng.random() < .9:
        out.append(f'Date: {date(rng, n)}')
    if rng.random() < .95:
        out.append(f'Subject: {subject(rng)}')
    for name in ('From', 'To', 'Cc'):
        if rng.random() < .85:
            out.append(f'{name}: ' + rng.choice(ADDRESSES).format(n=f'u{rng.randrange(60)}', N=f'U{rng.randrange(60)}'))
    if rng.random() < .95:
        out.append('Message-ID: ' + message_id(rng, n if rng.random() < .97 else rng.randrange(n + 1)))
    if rng.random() < .6:
        known = [message_id(rng, rng.randrange(total + 20)) for _ in range(rng.randint(0, 5))]
        out.append('References: ' + rng.choice([' ', '\n ', '']).join(known))
    elif rng.random() < .4:
        out.append('In-Reply-To: ' + message_id(rng, rng.randrange(total)))
    rng.shuffle(out)
    return out


def mails(seed, total):
    rng = random.Random(seed)
    for n in range(total):
        text = '\n'.join(fields(rng, n, total)) + '\n\nbody ' + 'x' * (n * 7 % 1000) + '\n'
        yield text.replace('\n', '\r\n').encode()


def fill(client, seed, total):
    for n, mail in enumerate(mails(seed, total)):
        received = f'"{n % 28 + 1:02d}-{MONTHS[n // 28 % 12]}-2018 10:{n % 60:02d}:{n // 60:02d} +0000"'
        client.ok(b'APPEND INBOX %s {%d+}\r\n%s' % (received.encode(), len(mail), mail))


def answer(client, command):
    lines = client.ok(command)
    told = [line.strip() for line in lines if line.startswith((b'* SORT', b'* THREAD', b'* ESEARCH'))]
    return re.sub(rb'TAG "\w+"', b'TAG', b'\n'.join(told)).decode()


SORTS = ['ARRIVAL', 'CC', 'DATE', 'FROM', 'SIZE', 'SUBJECT', 'TO', 'DISPLAYFROM', 'DISPLAYTO', 'REVERSE DATE',
         'REVERSE SUBJECT', 'SUBJECT REVERSE DATE', 'FROM REVERSE TO DATE', 'REVERSE CC REVERSE SIZE', 'REVERSE DISPLAYFROM',
         'DATE DATE REVERSE DATE']
THREADS = ['ORDEREDSUBJECT', 'REFERENCES', 'REFS']


@pytest.fixture(scope='module')
def twins(running, running_dovecot):
    """The same mail: through the server, as Dovecot wrote it, and without an index."""
    first = Lines(running_dovecot.port('imap'), 'sorted')
    fill(first, 5, 300)
    first.ok('SELECT INBOX')
    first.logout()
    running.copy_mail(running_dovecot, 'sorted')
    ours = Lines(running.port('imap'), 'sorted-here')
    fill(ours, 5, 300)
    clients = [Lines(running_dovecot.port('imap'), 'sorted'), Lines(running.port('imap'), 'sorted'), ours]
    for client in clients:
        client.ok('SELECT INBOX')
    yield clients
    for client in clients:
        client.close()


def same(twins, command):
    wanted, foreign, ours = (answer(client, command) for client in twins)
    assert foreign.replace('(', '\n(').split('\n') == wanted.replace('(', '\n(').split('\n'), command
    assert ours == wanted, command


@pytest.mark.parametrize('program', SORTS)
def test_same_order(twins, program):
    same(twins, f'SORT ({program}) UTF-8 ALL')
    same(twins, f'UID SORT RETURN (MIN MAX ALL COUNT) ({program}) UTF-8 7:99')


@pytest.mark.parametrize('algorithm', THREADS)
def test_same_threads(twins, algorithm):
    same(twins, f'THREAD {algorithm} UTF-8 ALL')
    same(twins, f'UID THREAD {algorithm} UTF-8 1:150')
    same(twins, f'THREAD {algorithm} UTF-8 SUBJECT re')
