# SPDX-License-Identifier: MIT
"""sieve-filter: what it tells and what it does, as Debian's."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import PREFIX, as_mail_owner, mail_owner, open_up

THEIRS = '/usr/bin/sieve-filter'
CONFIG = """
base_dir = {dir}/run
log_path = /dev/stderr
mail_location = maildir:~/Maildir
plugin {{
  sieve_extensions = +editheader
}}
"""
SCRIPT = """require ["fileinto", "imap4flags", "editheader", "copy", "mailbox", "reject", "vacation"];
if header "subject" "one" { discard; }
elsif header "subject" "two" { fileinto :create "Box"; }
elsif header "subject" "three" { addflag "\\\\Flagged"; }
elsif header "subject" "four" { redirect "x@y.example"; }
elsif header "subject" "five" { fileinto "nosuch"; }
elsif header "subject" "six" { fileinto :copy :create "Box"; }
elsif header "subject" "seven" { removeflag "\\\\Seen"; }
elsif header "subject" "nine" { fileinto :create :copy "Box"; addflag "\\\\Flagged"; }
elsif header "subject" "ten" { keep; setflag "\\\\Draft"; }
elsif header "subject" "eleven" { setflag ""; }
"""
SUBJECTS = 'one two three four five six seven eight nine ten eleven'.split()


class Place:
    flags = 'S'  # of all mails

    def __init__(self, base, program):
        self.base, self.program = Path(base), program
        self.base.mkdir()
        open_up(self.base)
        (self.base / 'dovecot.conf').write_text(CONFIG.format(dir=base))
        self.script = self.base / 'x.sieve'
        self.script.write_text(SCRIPT)
        self.home = self.base / 'home'

    def fill(self):
        shutil.rmtree(self.home, ignore_errors=True)
        for name in ('cur', 'new', 'tmp', '.Trash/cur', '.Trash/new', '.Trash/tmp'):
            (self.home / 'Maildir' / name).mkdir(parents=True)
        for number, subject in enumerate(SUBJECTS):
            (self.home / f'Maildir/cur/10000000{number}.M1P1.host:2,{self.flags}').write_text(
                f'From: a@b.example\nTo: u@x.example\nSubject: {subject}\nMessage-ID: <{subject}@x>\n'
                'Date: Sun, 29 Nov 2026 02:00:00 +0000\n\nbody\n')
        for path in [self.home, *self.home.rglob('*'), self.script, self.base]:
            os.chown(path, *mail_owner())

    def run(self, *args):
        """Status, both outputs and the mails, without what differs each time."""
        self.fill()
        done = subprocess.run([self.program, '-c', self.base / 'dovecot.conf', *args], check=False, text=True,
                              capture_output=True, cwd=self.base, **as_mail_owner(),
                              env={'HOME': str(self.home), 'USER': 'u', 'ASAN_OPTIONS': 'detect_leaks=0'})
        out = re.sub(r'IMAP flags: (.*)', lambda m: 'IMAP flags: ' + ' '.join(sorted(m[1].lower().split())), done.stdout)
        # Ours are once in the log, theirs twice.
        told = re.findall(r'(?m)^(?:info|error): (?!msgid|fileinto).*', done.stderr)
        mails = sorted((str(path.parent.parent.relative_to(self.home)), re.findall('Subject: .*', path.read_text())[0],
                        # Theirs loses the flags of what it discards by moving it.
                        path.name.partition(':2,')[2] if 'move' not in args or '.Trash' not in str(path) else '')
                       for path in self.home.rglob('*') if path.parent.name in ('cur', 'new'))
        return done.returncode, out, told, mails


@pytest.fixture
def ours(tmp_path):
    open_up(tmp_path)
    return Place(tmp_path / 'ours', f'{PREFIX}/bin/sieve-filter')


RUNS = [([], []), (['-v'], []), (['-e', '-v'], []), (['-e', '-W', '-v'], []), (['-e', '-W'], ['delete']),
        (['-e', '-W', '-v'], ['delete']), (['-e', '-W', '-v'], ['expunge']), (['-e', '-W'], ['move', 'Trash']),
        (['-e', '-W', '-m', 'Trash'], ['keep']), (['-e', '-v'], ['delete']), (['-W'], ['expunge']),
        (['-e', '-C', '-x', '-reject', '-v'], [])]


@pytest.mark.skipif(not os.path.exists(THEIRS), reason="needs Debian's dovecot-sieve")
def test_as_theirs(tmp_path, ours):
    theirs = Place(tmp_path / 'theirs', THEIRS)
    differ = []
    for options, discard in RUNS:
        args = [*options, 'x.sieve', 'INBOX', *discard]
        mine, other = ours.run(*args), theirs.run(*args)
        differ += [f'{args}\n{a}\n{b}' for a, b in zip(mine, other) if a != b]
    assert not differ, '\n\n'.join(differ)


def test_deleted_mails(tmp_path, ours):
    """They are left alone."""
    places = [ours] + [Place(tmp_path / 'theirs', THEIRS)] * os.path.exists(THEIRS)
    for place in places:
        place.flags = 'ST'
        for options in ([], ['-e', '-W', '-v']):
            status, out, told, mails = place.run(*options, 'x.sieve', 'INBOX', 'expunge')
            assert (status, out.strip(), told) == (0, '', [])
            assert [mail[0::2] for mail in mails] == [('Maildir', 'ST')] * len(SUBJECTS)


def test_wrong_calls(ours):
    for args in ([], ['x.sieve'], ['x.sieve', 'INBOX', 'foo'], ['x.sieve', 'INBOX', 'move'], ['-e', 'x.sieve', 'INBOX',
                 'keep', 'more'], ['-k', 'x.sieve', 'INBOX']):
        assert ours.run(*args)[0] == 64, args
    assert ours.run('x.sieve', 'Nosuch')[0] == 89
    assert ours.run('nosuch.sieve', 'INBOX')[0] == 89
    assert ours.run('-e', '-W', 'x.sieve', 'INBOX', 'move', 'Nosuch')[0] == 89
    for args in (['INBOX', 'move', 'inbox'], ['Trash', 'move', 'Trash']):
        assert ours.run('-e', '-W', 'x.sieve', *args)[0] == 89
        assert ours.run('-e', 'x.sieve', *args)[0] == 0


def test_outgoing_into_a_mailbox(ours):
    status, _, _, mails = ours.run('-e', '-W', '-q', 'Trash', 'x.sieve', 'INBOX')
    assert status == 0
    assert [subject for box, subject, _ in mails if box.endswith('.Trash')] == ['Subject: four']
    assert not [subject for box, subject, _ in mails if box == 'Maildir' and 'four' in subject]


def test_a_mailbox_for_kept_mails_that_is_missing(ours):
    """They stay where they are, and don't go to INBOX, as new mail would."""
    ours.script.write_text('keep;')
    before = ours.run('x.sieve', 'Trash')[3]
    assert ours.run('-e', '-W', '-m', 'Nosuch', 'x.sieve', 'INBOX')[3] == before
    ours.script.write_text('require "fileinto"; fileinto "Trash";')
    moved = ours.run('-e', '-W', 'x.sieve', 'INBOX')[3]
    assert [box for box, *_ in moved] == ['Maildir/.Trash'] * len(SUBJECTS)


def test_more_scripts(ours):
    first = ours.base / 'first.sieve'
    first.write_text('if header "subject" ["two", "eight"] { discard; }')
    status, _, _, mails = ours.run('-e', '-W', '-s', 'first.sieve', 'x.sieve', 'INBOX', 'expunge')
    kept = [subject for box, subject, _ in mails if box == 'Maildir']
    assert status == 0 and kept == ['Subject: ' + name for name in sorted(set(SUBJECTS) - {'one', 'two', 'eight'})]
    assert 'two' not in str(mails)


def test_changed_mails(ours):
    ours.script.write_text('require "editheader"; deleteheader "Subject"; addheader "Subject" "new";')
    for options, expected in ((['-e'], SUBJECTS), (['-e', '-W'], ['new'] * len(SUBJECTS))):
        mails = ours.run(*options, 'x.sieve', 'INBOX')[3]
        assert sorted(subject[9:] for _, subject, _ in mails) == sorted(expected)
        assert {flags for _, _, flags in mails} == {'S'}


EXECUTED = {
    'store': 'require ["fileinto", "imap4flags", "mailbox"]; fileinto :create :flags "\\\\Seen" "Box"; keep;',
    'send': 'require ["copy", "vacation"]; redirect :copy "x@y.example"; vacation :addresses "u@x.example" "away";',
    'missing': 'require "fileinto"; fileinto "nosuch";',
    'discard': 'discard;',
    'edited': 'require "editheader"; addheader "X-New" "yes"; redirect "x@y.example";',
}


def executed(place, name, *options):
    """sieve-test -e: status, whom mails went to, what is stored where."""
    place.script.write_text(EXECUTED[name])
    (place.base / 'mail').write_text('From: a@b.example\nTo: u@x.example\nSubject: hi\n\nbody\n')
    os.chmod(place.base / 'mail', 0o644)
    status, out, _, mails = place.run('-e', *options, 'x.sieve', 'mail')
    return status, re.findall('RECIPIENT: (.*)', out), [mail for mail in mails if mail[1] == 'Subject: hi']


@pytest.mark.skipif(not os.path.exists('/usr/bin/sieve-test'), reason="needs Debian's dovecot-sieve")
def test_sieve_test_does_it_as_theirs(tmp_path, ours):
    theirs = Place(tmp_path / 'theirs', '/usr/bin/sieve-test')
    ours.program = f'{PREFIX}/bin/sieve-test'
    for name in EXECUTED:
        # Theirs stores without -l, too, which its manual denies.
        assert executed(ours, name)[2] == []
        for options in (['-l', 'maildir:~/Maildir'], ['-l', 'maildir:~/Maildir', '-m', 'Trash']):
            mine, other = executed(ours, name, *options), executed(theirs, name, *options)
            assert mine == other, (name, options)


def test_sieve_test_shows_what_is_sent(ours):
    ours.program = f'{PREFIX}/bin/sieve-test'
    ours.script.write_text(EXECUTED['edited'])
    (ours.base / 'mail').write_text('From: a@b.example\nSubject: hi\n\nbody\n')
    os.chmod(ours.base / 'mail', 0o644)
    out = ours.run('-e', 'x.sieve', 'mail')[1]
    assert re.search(r'(?s)RECIPIENT: x@y.example\nSTART MESSAGE:\n.*X-New: yes\n.*Subject: hi\n\nbody\nEND MESSAGE\n', out)
    out = ours.run('-t', '-', '-T', 'addresses', '-T', 'debug', 'x.sieve', 'mail')[1]
    assert re.search(r"(?m)^[0-9a-f]{8}:    1: redirect action; forward message to 'x@y\.example'$", out)
