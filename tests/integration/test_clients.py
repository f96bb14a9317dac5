# SPDX-License-Identifier: MIT
"""Clients that people use, against the whole server: they read every octet."""
import imaplib
import os
import re
import shutil
import subprocess

import pytest

from terminal import run_in_terminal

SAMPLES = os.path.join(os.path.dirname(__file__), '..', 'samples')


def samples():
    mails = []
    for name in sorted(os.listdir(SAMPLES)):
        with open(os.path.join(SAMPLES, name), 'rb') as file:
            mails.append(file.read().replace(b'\r\n', b'\n').replace(b'\n', b'\r\n'))
    return mails


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f'{program} is not installed')


@pytest.fixture
def filled(server):
    """A user with all samples in INBOX."""
    mails = samples()
    client = imaplib.IMAP4('127.0.0.1', server.port('imap'))
    client.login('reader', 'secret')
    if client.select('INBOX')[1] != [b'0']:
        client.store('1:*', '+FLAGS', r'(\Deleted)')
        client.expunge()
    for mail in mails:
        assert client.append('INBOX', '', None, mail)[0] == 'OK'
    client.logout()
    return server, mails


def test_imaplib_reads_every_octet(filled):
    server, mails = filled
    client = imaplib.IMAP4('127.0.0.1', server.port('imap'))
    client.login('reader', 'secret')
    assert client.select('INBOX')[1] == [b'%d' % len(mails)]
    for number, mail in enumerate(mails, 1):
        assert client.fetch(str(number), '(BODY.PEEK[])')[1][0][1] == mail
        size = client.fetch(str(number), '(RFC822.SIZE)')[1][0]
        assert size == b'%d (RFC822.SIZE %d)' % (number, len(mail))
    kind, (found,) = client.search(None, 'ALL')
    assert kind == 'OK' and len(found.split()) == len(mails)
    client.store('1', '+FLAGS', r'(\Seen $Work)')
    assert b'$Work' in client.fetch('1', '(FLAGS)')[1][0]
    client.logout()


@needs('curl')
def test_curl(filled):
    server, mails = filled
    url = f'imap://127.0.0.1:{server.port("imap")}'

    def curl(path, *more):
        return subprocess.run(['curl', '-sS', '-u', 'reader:secret', url + path, *more], check=True,
                              capture_output=True).stdout

    for number, mail in enumerate(mails, 1):
        assert curl(f'/INBOX;MAILINDEX={number}') == mail
    assert b'INBOX' in curl('/')
    assert b'* SEARCH' in curl('/INBOX?ALL')
    secure = f'imaps://127.0.0.1:{server.port("imaps")}'
    assert subprocess.run(['curl', '-sSk', '-u', 'reader:secret', secure + '/INBOX;MAILINDEX=1'], check=True,
                          capture_output=True).stdout == mails[0]


@needs('mbsync')
def test_mbsync_copies_and_keeps_in_step(filled, tmp_path):
    server, mails = filled
    maildir = tmp_path / 'mail'
    maildir.mkdir()
    config = tmp_path / 'mbsyncrc'
    config.write_text(f'''
IMAPAccount test
Host 127.0.0.1
Port {server.port('imap')}
User reader
Pass secret
SSLType None
AuthMechs LOGIN

IMAPStore far
Account test

MaildirStore near
Path {maildir}/
Inbox {maildir}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
Expunge Both
SyncState *
''')

    def sync():
        done = subprocess.run(['mbsync', '-c', config, '-a'], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def local():
        found = []
        for folder in ('new', 'cur'):
            for path in (maildir / 'INBOX' / folder).iterdir():
                found.append(path)
        return found

    sync()
    # It marks its copies, to find them again.
    copies = [re.sub(rb'X-TUID: .*\r?\n', b'', path.read_bytes()) for path in local()]
    assert sorted(copy.replace(b'\r\n', b'\n') for copy in copies) == \
        sorted(mail.replace(b'\r\n', b'\n') for mail in mails)
    sync()
    assert len(local()) == len(mails)
    # What is deleted here goes there, too.
    local()[0].unlink()
    sync()
    client = imaplib.IMAP4('127.0.0.1', server.port('imap'))
    client.login('reader', 'secret')
    assert client.select('INBOX')[1] == [b'%d' % (len(mails) - 1)]
    client.logout()


@needs('mutt')
def test_mutt_copies_a_mailbox(filled, tmp_path):
    """In batch: open the mailbox, save all of it into an mbox, and leave."""
    server, mails = filled
    out = tmp_path / 'saved'
    rc = tmp_path / 'muttrc'
    rc.write_text(f'''
set folder="imap://127.0.0.1:{server.port('imap')}/"
set imap_user=reader
set imap_pass=secret
set ssl_starttls=no
set ssl_force_tls=no
set mbox_type=mbox
set confirmappend=no
set confirmcreate=no
set copy=no
set move=no
set quit=yes
set header_cache=""
set delete=no
set wait_key=no
set imap_check_subscribed=no
set spoolfile="imap://127.0.0.1:{server.port('imap')}/INBOX"
push "<tag-pattern>.<enter><tag-prefix><copy-message><kill-line>{out}<enter><exit>"
''')
    shown = run_in_terminal(['mutt', '-n', '-F', rc], env=dict(os.environ, TERM='xterm', HOME=str(tmp_path)))
    assert out.exists(), shown[-2000:]
    assert len(re.findall(rb'(?m)^From \S+ \w{3} \w{3} [ \d]\d [\d:]{8} \d{4}$', out.read_bytes())) == len(mails)
