# SPDX-License-Identifier: MIT
"""Generated sessions with Dovecot's pop3 and ours on copies of one Maildir: what they send must be the same, octet by octet,
and so must be what they leave behind and log. DOVETAIL_SESSIONS says how many there are of each configuration."""
import os
import random
import re

import pytest

from conftest import mail_owner
from pop3_lines import NO_DELAY, Ends, Pop, fill, names, pipelined

SESSIONS = int(os.environ.get('DOVETAIL_SESSIONS', 12))
USER = 'poptwin'
CONFIGURATIONS = {
    'default': '',
    'guid': 'pop3_enable_last = yes\npop3_uidl_format = %g\npop3_client_workarounds = outlook-no-nuls oe-ns-eoh\n'
            'pop3_logout_format = t=%t p=%p r=%r b=%b d=%d m=%m s=%s u=%{uidl_change} del=%{deleted_bytes}\n',
    'xuidl': 'pop3_reuse_xuidl = yes\npop3_save_uidl = yes\npop3_uidl_duplicates = rename\npop3_uidl_format = %v.%u\n'
             'pop3_lock_session = yes\n',
    'flag': 'pop3_deleted_flag = PopGone\npop3_uidl_format = %08Xv%05u-%f\n',
    'quiet': 'pop3_no_flag_updates = yes\npop3_delete_type = expunge\npop3_uidl_format = %Mf\npop3_enable_last = yes\n',
}


def header(rng):
    lines = [rng.choice([b'Subject: x', b'From: a@b.example', b'X-Long: ' + b'y' * rng.randrange(300), b'To: b\n c',
                         b'.dot: z', b'X-UIDL: id%d' % rng.randrange(6), b'no field', b'X-Nul: a\0b'])
             for _ in range(rng.randrange(6))]
    return b''.join(line + b'\n' for line in lines)


def body(rng):
    lines = [rng.choice([b'', b'.', b'..', b'.x', b'text', b'a\rb', b'\r.', b'q' * rng.randrange(2000), b'\0\0', b'\xc3\xa4'])
             for _ in range(rng.choice([0, 1, 3, 40]))]
    text = b''.join(line + rng.choice([b'\n', b'\n', b'\r\n']) for line in lines)
    if rng.random() < 0.05:
        text += b'.z\n' * 60000
    return text + rng.choice([b'', b'', b'end', b'end\r', b'.'])


def mail(rng):
    """Not one that begins with a dot: Dovecot does not double that."""
    kind = rng.random()
    if kind < 0.05:
        return b''
    if kind < 0.12:
        return header(rng).lstrip(b'.')
    text = header(rng).lstrip(b'.') + b'\n' + body(rng)
    return text.replace(b'\r\n', b'\n').replace(b'\n', b'\r\n') if rng.random() < 0.3 else text


def virtual(text):
    return len(re.sub(rb'(?<!\r)\n', b'\r\n', text))


def mailbox(rng):
    mails = []
    for number in range(rng.choice([0, 1, 2, 5, 9])):
        text = mail(rng)
        name = f'{1000 + number}.M{number}.host'
        if rng.random() < 0.6:
            name += f',S={len(text)}'
            if rng.random() < 0.8:
                name += f',W={virtual(text)}'
        flags = rng.choice(['new', 'new', '', 'S', 'RS', 'F', 'T'])
        mails.append((f'new/{name}' if flags == 'new' else f'cur/{name}:2,{flags}', text))
    return mails


def number(rng, count):
    if rng.random() < 0.1:
        return rng.choice(['0', '99', '-1', '', 'x', '1x', '01', ' 1', '4294967295', '4294967296', '18446744073709551616', '1\r'])
    return str(rng.randrange(1, count + 2))


def command(rng, count):
    name = rng.choice(['RETR', 'RETR', 'RETR', 'TOP', 'TOP', 'LIST', 'LIST', 'UIDL', 'UIDL', 'DELE', 'DELE', 'STAT', 'NOOP', 'RSET', 'LAST', 'CAPA', 'odd'])
    if name == 'odd':
        return rng.choice(['', 'FOO', 'foo bar', ' LIST', 'LIST\t1', 'QUITx', 'USER x', 'PASS', 'AUTH PLAIN', 'STLS', 'XTND x', 'NOOP ' + 'a' * 500])
    if name in ('STAT', 'NOOP', 'RSET', 'LAST', 'CAPA'):
        text = name + rng.choice(['', '', '', ' x', ' '])
    elif name in ('LIST', 'UIDL') and rng.random() < 0.5:
        text = name + rng.choice(['', '', ' '])
    elif name == 'TOP':
        lines = rng.choice(['0', '1', '2', '10', '100000', '', 'x', '-1', '1 2', '4294967296', '18446744073709551615', '18446744073709551616'])
        text = f'TOP {number(rng, count)} {lines}'.rstrip(' ' if rng.random() < 0.5 else '')
    else:
        text = f'{name} {number(rng, count)}' + (rng.choice([' ', ' 1', 'z']) if rng.random() < 0.05 else '')
    return rng.choice([text, text, text.lower()])


def normal(data):
    """Capabilities that Dovecot has not."""
    return data.replace(b'UTF8\r\nLANG\r\n', b'')


def different(got, wanted):
    """Where they begin to differ."""
    at = next((at for at, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
    if len(got) == len(wanted) == at:
        return None
    return f'here:    {got[max(0, at - 200):at + 100]}\ndovecot: {wanted[max(0, at - 200):at + 100]}'


def change_uidlist(rng, server):
    """Fields as a migration from another server leaves them; Dovecot's index must not know better."""
    root = server.maildir(USER)
    path = root / 'dovecot-uidlist'
    lines = path.read_text().split('\n')
    for at in range(1, len(lines) - 1):
        uid, rest = lines[at].split(' ', 1)
        fields = [rng.choice(['', f'P{uid}-old', f'Gguid{uid}']), rng.choice(['', '', f'O{rng.randrange(1, 99)}'])]
        lines[at] = ' '.join([uid, *filter(None, fields), rest])
    orders = [int(match) for match in re.findall(r' O(\d+) ', '\n'.join(lines))]
    if len(orders) != len(set(orders)):
        return  # who of two comes first, only Dovecot's index knows
    path.write_text('\n'.join(lines))
    for name in os.listdir(root):
        if name.startswith('dovecot.index'):
            (root / name).unlink()


@pytest.fixture(params=CONFIGURATIONS)
def both(request, make_server, make_dovecot):
    extra = NO_DELAY + CONFIGURATIONS[request.param]
    return request.param, make_dovecot(extra, 'imap pop3'), make_server(extra, 'imap pop3')


def run_one(rng, name, theirs, ours, ends):
    servers = (theirs, ours)
    fill(theirs, USER, mailbox(rng))
    Pop(theirs.port('pop3'), USER).quit()
    ends[0].next()
    if rng.random() < 0.3:
        change_uidlist(rng, theirs)
    ours.copy_mail(theirs, USER)
    for session in range(rng.choice([1, 1, 2, 3])):
        count = len(names(theirs, USER))
        commands = [command(rng, count).encode('latin1') for _ in range(rng.randrange(1, 16))]
        leave = rng.random() < 0.8
        wanted, got = (normal(pipelined(server.port('pop3'), USER, commands, leave)) for server in servers)
        what = f'{name} {session} {leave}: {commands}'
        assert different(got, wanted) is None, f'{what}\n{different(got, wanted)}'
        logged = [end.next() for end in ends]
        assert logged[0] == logged[1], what
        if not leave:  # only Dovecot's index has the flags so far
            for server, end in zip(servers, ends):
                Pop(server.port('pop3'), USER).quit()
                end.next()
        assert names(ours, USER) == names(theirs, USER), what


def test_same_sessions(both):
    name, theirs, ours = both
    ends = (Ends(theirs), Ends(ours))
    for seed in range(SESSIONS):
        run_one(random.Random(f'{name} {seed}'), f'{name} {seed}', theirs, ours, ends)


def test_duplicates_are_numbered_in_the_order_of_the_mailbox(make_server, make_dovecot):
    """Not in that of the listing, which the uidlist's O fields change."""
    told = []
    for make in make_server, make_dovecot:
        server = make('pop3_uidl_duplicates = rename\npop3_uidl_format = %v\n')
        maildir = server.maildir('alice')
        order = ['', 'O4 ', '', 'O2 ', 'O1 ', '']
        for number in range(6):
            (maildir / 'cur' / f'{number}.M1P1.x:2,').write_bytes(b'Subject: x\n\nx\n')
        (maildir / 'dovecot-uidlist').write_text(
            '3 V1600000000 N7 G00000000000000000000000000000001\n' +
            ''.join(f'{number + 1} {order[number]}:{number}.M1P1.x\n' for number in range(6)))
        for path in maildir.rglob('*'):
            os.chown(path, *mail_owner())
        client = Pop(server.port('pop3'), 'alice')
        client.command('UIDL')
        told.append(client.rest())
        client.command('QUIT')
    assert told[0] == told[1]
