# SPDX-License-Identifier: MIT
"""Sites that Dovecot served for years: what their clients and scripts saw, they see."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import mail_owner
from imap_lines import Lines

PREFIXED = """\
namespace inbox {
  prefix = INBOX.
  separator = .
}
namespace archive {
  prefix = "#archive."
  separator = .
  location = maildir:~/archive
}
"""


@pytest.mark.parametrize('extra', ['', PREFIXED, 'namespace inbox {\n  separator = /\n}\n'])
def test_the_separator_is_told_without_a_namespace(make_server, make_dovecot, extra):
    """LIST "" "" is how clients learn it, and no namespace need have an empty prefix."""
    told = []
    for server in (make_server(extra), make_dovecot(extra)):
        client = Lines(server.port('imap'), 'alice')
        told.append([client.command(f'LIST "{ref}" ""')[:-1]
                     for ref in ('', 'INBOX', 'INBOX.', 'INBOX.a.b', 'INBOX/a/b', 'foo', 'foo.bar', 'foo/bar',
                                 '#archive.', '#archive.a.b', '#archive', '#archive/a')])
        client.logout()
    assert told[0] == told[1]


def test_a_mailbox_that_came_from_a_backup_can_be_updated(server):
    """Its files have other inodes and the same times: a sync sees nothing."""
    client = Lines(server.port('imap'), 'mover')
    client.append('INBOX', b'Subject: x\r\n\r\n')
    client.logout()
    home = Path(server.home('mover'))
    subprocess.run(['cp', '-a', home / 'Maildir', home / 'copy'], check=True)
    shutil.rmtree(home / 'Maildir')
    (home / 'copy').rename(home / 'Maildir')
    for option, value, told in (('--uid-validity', 77, 'uidvalidity'), ('--min-next-uid', 50, 'uidnext')):
        done = server.doveadm('mailbox', 'update', '-u', 'mover', option, value, 'INBOX')
        assert (done.returncode, done.stderr) == (0, '')
        assert server.doveadm('mailbox', 'status', '-u', 'mover', told, 'INBOX').stdout == f'INBOX {told}={value}\n'
        (home / 'Maildir' / 'dovecot-uidlist').touch()


def test_paths_of_many_users_name_the_users(server, dovecot):
    told = []
    for one in (server, dovecot):
        for user in ('whoa', 'whob'):
            assert Lines(one.port('imap'), user).logout()
        for form in ('flow', 'tab', 'json', 'pager', 'table'):
            done = one.doveadm('-f', form, 'mailbox', 'path', '-u', 'who*', 'INBOX')
            told.append((form, done.returncode, done.stdout.replace(one.dir, 'DIR'), done.stderr))
    assert told[:5] == told[5:]
    assert 'whob' in told[0][2]


def test_an_expunge_that_deletes_a_mailbox_ends_its_subscription(server, dovecot):
    for one in (server, dovecot):
        client = Lines(one.port('imap'), 'deleter')
        client.ok('CREATE Old')
        client.ok('SUBSCRIBE Old')
        client.append('Old', b'Subject: x\r\n\r\n')
        assert one.doveadm('expunge', '-u', 'deleter', '-d', 'mailbox', 'Old', 'all').returncode == 0
        assert one.doveadm('mailbox', 'list', '-u', 'deleter', 'O*').stdout == ''
        assert client.command('LSUB "" *')[:-1] == [], one.label
        client.logout()


FROM_DATES = ['Mon Mar  2 10:11:12 2020', 'Thu Jul  2 10:11:12 2020', 'Mon Mar  2 10:11:12 2020 +0100',
              'Mon Mar  2 10:11:12 CET 2020', 'Mon Mar  2 10:11:12 +0500 2020', 'Mon Mar  2 10:11 2020',
              'Mon, 2 Mar 2020 10:11:12 +0100', 'Mon Mar  2 10:11:12 2020 UTC', 'Sun Mar 29 03:30:00 2020',
              'Sun Oct 25 03:30:00 2020', 'Sun Nov  1 01:30:00 2020']


@pytest.mark.parametrize('zone', ['UTC', 'Europe/Helsinki', 'America/New_York', 'Asia/Kolkata'])
def test_times_in_an_mbox_are_local(make_server, make_dovecot, monkeypatch, zone):
    """What Postfix, procmail and Dovecot write there, and what clients are told of it."""
    monkeypatch.setenv('TZ', zone)
    text = ''.join(f'From a@x.example  {date}\nSubject: {i}\n\nx\n\n' for i, date in enumerate(FROM_DATES))
    told, written = [], []
    for make in (make_server, make_dovecot):
        server = make('mail_location = mbox:~/mail:INBOX=~/inbox\n')
        path = Path(server.home('alice'), 'inbox')
        path.write_text(text, encoding='ascii')
        os.chown(path, *mail_owner())
        client = Lines(server.port('imap'), 'alice')
        client.ok(b'APPEND INBOX "05-Jan-2020 12:00:00 +0500" {16+}\r\nSubject: late\r\n\r\n')
        client.ok('SELECT INBOX')
        told.append(client.command('FETCH 1:* INTERNALDATE')[:-1])
        client.logout()
        written.append(re.findall(r'^From \S+  (.*)$', path.read_text(encoding='ascii'), re.M)[-1])
    assert len(told[0]) == len(FROM_DATES) + 1
    assert told[0] == told[1] and written[0] == written[1]


def test_a_uidlist_from_a_backup_counts(make_server):
    """It is how an administrator keeps clients from downloading all again."""
    server = make_server()
    for _ in range(3):
        assert server.doveadm('save', '-u', 'alice', input='Subject: x\n\n').returncode == 0
    path = server.maildir('alice') / 'dovecot-uidlist'
    text = re.sub(r'V\d+ N\d+', 'V1234567 N10', path.read_text(encoding='ascii'))
    path.write_text(text.replace('\n3 ', '\n9 '), encoding='ascii')
    client = Lines(server.port('imap'), 'alice')
    selected = b'\n'.join(client.ok('SELECT INBOX'))
    assert b'[UIDVALIDITY 1234567]' in selected and b'[UIDNEXT 10]' in selected
    assert client.ok('UID SEARCH ALL')[0] == b'* SEARCH 1 2 9'
    client.logout()


@pytest.mark.parametrize('damage', ['old', 'a line'])
def test_a_uidlist_that_lacks_mails_is_mended(make_server, damage):
    """From an older backup, or damaged: what the index alone knew of UIDs went with it, or when Dovecot looked."""
    server = make_server()
    path = server.maildir('alice') / 'dovecot-uidlist'
    texts = []
    for _ in range(5):
        assert server.doveadm('save', '-u', 'alice', input='Subject: x\n\n').returncode == 0
        texts.append(path.read_text(encoding='ascii'))
    path.write_text(texts[2] if damage == 'old' else texts[4].replace('\n4 :', '\n4;'), encoding='ascii')

    def mails():
        client = Lines(server.port('imap'), 'alice')
        client.ok('SELECT INBOX')
        answer = client.ok('UID FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]')[:-1]
        client.logout()
        return answer

    before = mails()
    assert re.findall(r'^(\d+) :', path.read_text(encoding='ascii'), re.M) == ['1', '2', '3', '4', '5']
    shutil.rmtree(server.maildir('alice') / 'dovetail.index')
    assert mails() == before
    assert server.doveadm('save', '-u', 'alice', input='Subject: x\n\n').returncode == 0
    assert re.findall(r'^(\d+) :', path.read_text(encoding='ascii'), re.M)[5:] == ['6']


@pytest.mark.parametrize('left', ['', '1 other\n', None])
def test_keywords_that_were_lost_come_back(make_server, left):
    """Deleted, or from an older backup: the index alone knew their names then."""
    server = make_server()
    path = server.maildir('alice') / 'dovecot-keywords'
    client = Lines(server.port('imap'), 'alice')
    client.append('INBOX', b'Subject: x\r\n\r\nx\r\n', 'first other third')
    path.unlink() if left is None else path.write_text(left, encoding='ascii')
    server.drop_mail('alice', b'Subject: y\n\ny\n')
    client.ok('SELECT INBOX')
    assert path.read_text(encoding='ascii') == '0 first\n1 other\n2 third\n'
    client.logout()
    shutil.rmtree(server.maildir('alice') / 'dovetail.index')
    client = Lines(server.port('imap'), 'alice')
    client.ok('SELECT INBOX')
    assert b'first other third' in client.ok('FETCH 1 FLAGS')[0]
    client.logout()
