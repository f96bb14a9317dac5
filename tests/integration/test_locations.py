# SPDX-License-Identifier: MIT
"""Mail locations and mailbox settings in a whole server: layouts and places of their own, mails that go by
themselves or are kept when they are expunged, links that lead elsewhere."""
import base64
import os
import re
import shutil
import smtplib
import time
import unicodedata
from pathlib import Path

import pytest

from conftest import ROOT, mail_owner
from imap_lines import Lines

MAIL = b'From: a@x.example\r\nSubject: x\r\n\r\ntext\r\n'


def ok(client, command):
    answers = client.command(command)
    assert b' OK ' in answers[-1], (command, answers[-1])
    return answers


def append(client, name, count=1):
    for _ in range(count):
        ok(client, f'APPEND {name} {{{len(MAIL)}+}}\r\n'.encode() + MAIL)


def names(client):
    return sorted(line.rpartition(b' ')[2].decode() for line in ok(client, 'LIST "" *')[:-1])


def status(client, name):
    return ok(client, f'STATUS {name} (MESSAGES UIDNEXT UIDVALIDITY)')[0]


def test_layout_index_loses_no_name_with_its_index(make_server):
    server = make_server('mail_location = maildir:~/Maildir:LAYOUT=index:INDEX=~/index\nnamespace inbox {\n  separator = /\n}\n')
    client = Lines(server.port('imap'), 'alice')
    for name in ('a/b.c', '"x y"', 'gone'):
        ok(client, f'CREATE {name}')
    append(client, 'a/b.c', 3)
    append(client, 'INBOX')
    ok(client, 'RENAME a z')
    ok(client, 'DELETE gone')
    before = names(client), status(client, 'z/b.c'), status(client, 'INBOX')
    assert before[0] == ['INBOX', 'y"', 'z', 'z/b.c']
    client.logout()
    server.stop()
    shutil.rmtree(f'{server.home("alice")}/index')
    server.start()
    client = Lines(server.port('imap'), 'alice')
    assert (names(client), status(client, 'z/b.c'), status(client, 'INBOX')) == before
    client.logout()
    dirs = [name for name in os.listdir(f'{server.home("alice")}/Maildir') if re.fullmatch('[0-9a-f]{32}', name)]
    assert len(dirs) == 3


def test_mistyped_option_is_named_in_the_log_only(make_server):
    server = make_server('mail_location = maildir:~/Maildir:INDX=/x\n')
    client = Lines(server.port('imap'))
    client.send(b'1 LOGIN alice secret\r\n')
    assert server.wait_log(r'option INDX=/x is not known \(did you mean INDEX\?\)')
    client.sock.close()


# Dovecot's names for them (tests/unit/storage/test_layout.c), and the same mails behind them.
@pytest.mark.parametrize('location', ['maildir:~/Maildir:BROKENCHAR=~', 'maildir:~/Maildir:LAYOUT=fs:BROKENCHAR=~',
                                      'mbox:~/Maildir:BROKENCHAR=~:INBOX=~/inbox'])
def test_broken_names_are_mailboxes_with_brokenchar(make_server, make_dovecot, location):
    dot = '' if 'LAYOUT' in location or 'mbox' in location else '.'
    seen = []
    for make in (make_dovecot, make_server):
        server = make(f'mail_location = {location}\n')
        top = Path(server.home('alice'), 'Maildir')
        top.mkdir()
        for name in (b'gr\xfc\xdf', 'Entwürfe'.encode(), b'a&b', b'&AOQ-\xff', b'&AGE-', b'foo~', b'fine'):
            path = os.path.join(os.fsencode(top), dot.encode() + name)
            if 'mbox' in location:
                Path(os.fsdecode(path)).write_bytes(b'From a@b Mon Jan  1 00:00:00 2024\nSubject: %r\n\nx\n' % name)
                continue
            for sub in ('cur', 'new', 'tmp'):
                os.makedirs(os.path.join(path, sub.encode()))
            Path(os.fsdecode(path), 'new', 'x').write_bytes(b'Subject: %r\n\nx\n' % name)
        for path in (top, *top.rglob('*')):
            os.chown(path, *mail_owner())
        client = Lines(server.port('imap'), 'alice')
        found = []
        for name in names(client):
            ok(client, f'SELECT {name}')
            found.append((name, [line for line in client.command('FETCH 1 BODY.PEEK[HEADER]')[:-1]]))
            ok(client, f'SUBSCRIBE {name}')
        for name in ('x~e4y', 'fine~7e'):
            ok(client, f'CREATE {name}')
        ok(client, 'RENAME a~26b a~26c~ff')
        file = '.subscriptions' if 'mbox' in location else 'subscriptions'
        lines = sorted(line.rpartition(b' ')[2] for line in ok(client, 'LSUB "" *')[:-1])
        disk = {name for name in os.listdir(os.fsencode(top)) if not name.startswith((b'dove', b'new', b'cur', b'tmp', b'.i'))}
        seen.append((found, lines, sorted((top / file).read_bytes().splitlines()), disk))
        for name in ('c~75r', '~2e~2e', 'x~2fy', 'x~00'):
            if server.label == 'dovetail':
                assert b' NO ' in client.command(f'CREATE {name}')[-1], name
        client.close()
    assert seen[0] == seen[1]


HOMES = [('relative', 'home/x', '', 'Relative home directory paths not supported: home/x'),
         ('tilde', '~/x', '', 'Relative home directory paths not supported: ~/x'),
         ('nobodys', '/tmp', 'userdb_mail=maildir:~no.such/x',
          "No home directory for system user. Can't expand ~no.such for")]


def test_homes_that_are_none_are_refused(make_server, make_dovecot):
    for make in (make_dovecot, make_server):
        server = make()
        uid, gid = mail_owner()
        with open(f'{server.dir}/users', 'a', encoding='ascii') as file:
            for name, home, extra, _ in HOMES:
                file.write(f'{name}:{{PLAIN}}secret:{uid}:{gid}::{home}::{extra}\n')
        for name, _, _, text in HOMES:
            client = Lines(server.port('imap'))
            client.send(b'1 LOGIN %s secret\r\n' % name.encode())
            assert server.wait_log(re.escape(text), 10), text
            client.close()


AUTOEXPUNGE = """\
namespace inbox {
  mailbox INBOX {
    autoexpunge_max_mails = 3
  }
  mailbox Trash* {
    autoexpunge_max_mails = 1
  }
}
"""


def test_mails_go_when_a_session_or_delivery_ends(make_server):
    server = make_server(AUTOEXPUNGE)
    client = Lines(server.port('imap'), 'bob')
    ok(client, 'CREATE Trash.old')
    append(client, 'Trash.old', 3)
    append(client, 'INBOX', 4)
    client.logout()
    assert server.wait_log(r'imap\(bob\).*Disconnected: Logged out'), server.log_text()
    client = Lines(server.port('imap'), 'bob')
    assert b'MESSAGES 3 ' in status(client, 'INBOX')
    assert b'MESSAGES 1 ' in status(client, 'Trash.old')
    for _ in range(2):
        with smtplib.LMTP('127.0.0.1', server.port('lmtp')) as lmtp:
            lmtp.sendmail('a@x.example', ['bob'], MAIL)
    # The MTA does not wait for that.
    deadline = time.monotonic() + 20
    while b'MESSAGES 3 UIDNEXT 7 ' not in status(client, 'INBOX'):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    client.logout()


def test_expunged_mails_are_kept_elsewhere(make_server):
    server = make_server('protocol imap {\n  mail_plugins = $mail_plugins lazy_expunge\n}\n'
                         'plugin {\n  lazy_expunge = Expunged\n}\n')
    client = Lines(server.port('imap'), 'carol')
    ok(client, 'CREATE a')
    append(client, 'a', 3)
    ok(client, 'SELECT a')
    ok(client, r'STORE 1:2 +FLAGS (\Deleted \Seen)')
    assert ok(client, 'UID EXPUNGE 2')[0] == b'* 2 EXPUNGE'
    assert ok(client, 'EXPUNGE')[0] == b'* 1 EXPUNGE'
    assert b'MESSAGES 2 ' in status(client, 'Expunged')
    # Moving is not expunging.
    ok(client, 'MOVE 1 INBOX')
    ok(client, 'EXAMINE Expunged')
    assert [line for line in ok(client, 'FETCH 1:* FLAGS') if rb'\Deleted' in line] == []
    client.logout()


def test_links_do_not_lend_the_servers_rights(make_server):
    server = make_server()
    root = server.maildir('carol')
    for link, target in (('.etc', '/etc'), ('.usr', '/usr'), ('.own', f'{root}/.real')):
        os.symlink(target, root / link)
        if ROOT:
            os.lchown(root / link, *mail_owner())
    client = Lines(server.port('imap'), 'carol')
    ok(client, 'CREATE real')
    append(client, 'real')
    assert names(client) == ['INBOX', 'own', 'real']
    assert b'MESSAGES 1 ' in status(client, 'own')
    for name in ('etc', 'usr'):
        for command in (f'SELECT {name}', f'STATUS {name} (MESSAGES)', f'CREATE {name}', f'RENAME {name} x'):
            assert b' NO ' in client.command(command)[-1]
    ok(client, 'DELETE own')
    assert b'MESSAGES 1 ' in status(client, 'real')
    client.logout()


@pytest.mark.parametrize('sub', ['new', 'cur'])
def test_directories_of_a_mailbox_that_lead_elsewhere(make_server, sub):
    """With mail_access_groups = mail, /var/mail would be one: read, or moved to the mailbox."""
    if not ROOT:
        pytest.skip('makes links of others')
    server = make_server()
    root = server.maildir('carol')
    elsewhere = Path(server.dir, 'elsewhere')
    elsewhere.mkdir()
    (elsewhere / 'someone').write_bytes(b'A: b\n\nx\n')
    for path in elsewhere, elsewhere / 'someone':
        path.chmod(0o777)
    shutil.rmtree(root / sub)
    os.symlink(elsewhere, root / sub)
    os.lchown(root / sub, *mail_owner())
    client = Lines(server.port('imap'), 'carol')
    assert b'NO [NOPERM] Permission denied' in client.command('SELECT INBOX')[-1]
    client.logout()
    assert os.listdir(elsewhere) == ['someone']
    # What is the user's own is his.
    for path in elsewhere, elsewhere / 'someone':
        os.chown(path, *mail_owner())
    client = Lines(server.port('imap'), 'carol')
    client.ok('SELECT INBOX')
    client.logout()


def b64(text):
    return base64.b64encode(text.encode('utf-16-be')).decode().rstrip('=').replace('/', ',')


def mutf7(name):
    """Modified UTF-7 (RFC 3501 section 5.1.3)."""
    return re.sub('[^ -~]+', lambda run: f'&{b64(run[0])}-', name.replace('&', '&-'))


def everything(top):
    """All files and directories, but for our index."""
    found = []
    for path, dirs, files in os.walk(top):
        dirs[:] = [name for name in dirs if name not in ('dovetail.index', '.dovetail.index')]
        found += [os.path.join(path, name) for name in dirs + files]
    return sorted(found)


@pytest.mark.parametrize('layout', ['maildir++', 'fs', 'index'])
def test_names_that_lead_elsewhere(make_server, layout):
    server = make_server(f'mail_location = maildir:~/Maildir:LAYOUT={layout}\nnamespace inbox {{\n  separator = /\n}}\n')
    client = Lines(server.port('imap'), 'tree')
    ok(client, 'CREATE good/name')
    append(client, 'INBOX')
    before = everything(server.home('tree'))
    bad = ['..', '../x', 'a/../b', 'a/..', './a', 'a/.', '/etc/x', 'a//b', '~x', '/'.join('x' * 1000), 'x' * 10000,
           'a/' * 65 + 'a', 'y' * 300, '&', '&AC8-', '&ANgA', 'x&AAA-y', 'a&AAo-b', 'inbox', 'InBoX']
    for name in bad:
        for command in ('CREATE', 'RENAME good/name', 'DELETE') + (('SUBSCRIBE',) if name.lower() != 'inbox' else ()):
            answer = client.command(f'{command} "{name}"')[-1]
            assert b' NO ' in answer or b' BAD ' in answer, (command, name[:100], answer)
    assert everything(server.home('tree')) == before
    client.logout()


@pytest.mark.parametrize('options', ['', ':UTF-8', ':LAYOUT=fs', ':LAYOUT=fs:UTF-8', ':LAYOUT=index'])
def test_odd_names_are_names(make_server, options):
    server = make_server(f'mail_location = maildir:~/Maildir{options}\nnamespace inbox {{\n  separator = /\n}}\n')
    client = Lines(server.port('imap'), 'tree')
    # Composed and decomposed letters look the same, and are two.
    odd = [mutf7(name) for name in [*(unicodedata.normalize(form, 'Entw\u00fcrfe') for form in ('NFC', 'NFD')),
                                    'a & b', '\u65e5\u672c/\U0001f4e8', "it's (50)", '#x', 'trailing ']]
    for name in odd:
        ok(client, f'CREATE "{name}"')
        append(client, f'"{name}"')
        ok(client, f'SUBSCRIBE "{name}"')
    for command in ('LIST', 'LSUB'):
        listed = {re.search(rb'"/" "?(.*?)"?$', line)[1].decode() for line in ok(client, f'{command} "" *')[:-1]}
        assert set(odd) <= listed
    for name in odd:
        assert b'MESSAGES 1 ' in status(client, f'"{name}"')
        ok(client, f'DELETE "{name}"')
    client.logout()


@pytest.mark.parametrize('layout', ['maildir++', 'fs'])
def test_directory_that_is_no_mailbox_by_its_name_is_said(make_server, layout):
    server = make_server(f'mail_location = maildir:~/Maildir:LAYOUT={layout}\n')
    dot = '.' if layout == 'maildir++' else ''
    for name in (dot + 'bad&name', dot + 'worse&name'):
        (server.maildir('tree') / name / 'cur').mkdir(parents=True)
        for path in (server.maildir('tree') / name, server.maildir('tree') / name / 'cur'):
            os.chown(path, *mail_owner())
    for _ in range(3):
        assert server.doveadm('mailbox', 'list', '-u', 'tree').stdout == 'INBOX\n'
    client = Lines(server.port('imap'), 'tree')
    for _ in range(3):
        ok(client, 'LIST "" *')
    client.logout()
    for name in ('bad', 'worse'):
        said = rf'imap\(tree\).*/\.?{name}&name is left out'
        assert server.wait_log(said) and len(re.findall(said, server.log_text())) == 1


def test_paths_are_told_to_the_log_only(make_server):
    server = make_server()
    cur = server.maildir('carol') / 'cur'
    long = 'x' * 245 + ':2,'
    for name in ('locked:2,', long):
        (cur / name).write_bytes(MAIL)
        os.chown(cur / name, *mail_owner())
    (cur / 'locked:2,').chmod(0)
    client = Lines(server.port('imap'), 'carol')
    ok(client, 'SELECT INBOX')
    answer = client.command('SEARCH BODY text')[-1]
    assert b'NO [NOPERM] Permission denied' in answer
    assert server.wait_log(r'imap\(carol\).*Error: open\(.*/cur/locked:2,\): Permission denied')
    answer = client.command(r'STORE 1:2 +FLAGS (\Seen \Flagged \Answered \Deleted \Draft a b c)')[-1]
    assert b'NO [CANNOT] The file system does not allow it' in answer and cur.as_posix().encode() not in answer
    assert server.wait_log(r'Error: rename\(.*x:2,DFRSTabc\): File name too long')
    next(cur.glob('locked*')).chmod(0o600)
    assert b'* SEARCH 1 2' in sorted(client.command('SEARCH BODY text'))
    client.logout()
