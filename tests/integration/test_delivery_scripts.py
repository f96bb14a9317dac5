# SPDX-License-Identifier: MIT
"""Deliveries by several scripts: those that are included, those in a row, those of a user's own settings."""
import os
import re
import socket
from pathlib import Path

import pytest

from conftest import mail_owner
from imap_lines import Lines
from smtp_sink import Sink
from test_delivery_sieve import EXTRA, PIGEONHOLE, boxes, deliver, mail, script
from test_lda import LDA, lda
from test_lmtp import give_to
from test_sieve_programs import HEAD, place

INCLUDE = 'require ["include", "fileinto", "variables"];\n'


def subjects(server, user='alice'):
    return {name: [subject for subject, _ in mails] for name, mails in boxes(server, user).items()}


def test_an_optional_script_comes_and_goes(make_server):
    """A binary that was made without it is as old as one that was made with another text."""
    server = make_server(EXTRA.format(port=1, plugin=''))
    script(server, 'alice', INCLUDE + 'include :optional "more"; keep;')
    assert deliver(server, 'one').startswith('250')
    more = script(server, 'alice', 'require "fileinto"; fileinto "more";', 'sieve/more.sieve')
    assert deliver(server, 'two').startswith('250')
    more.unlink()
    assert deliver(server, 'three').startswith('250')
    script(server, 'alice', 'require "fileinto"; fileinto "again";', 'sieve/more.sieve')
    assert deliver(server, 'four').startswith('250')
    assert Path(server.home('alice'), '.dovecot.svbin').exists()
    assert subjects(server) == {'INBOX': ['one', 'two', 'three', 'four'], 'more': ['two'], 'again': ['four']}


def test_each_script_has_its_own_matches(make_server):
    """As its other variables (RFC 6609 section 3.4)."""
    server = make_server(EXTRA.format(port=1, plugin=''))
    script(server, 'alice', 'require ["fileinto", "variables"];\n'
                            'if address :matches "from" "*@*" { fileinto "in-${1}"; } else { fileinto "in"; }\n',
           'sieve/other.sieve')
    script(server, 'alice', 'require ["fileinto", "variables"]; fileinto "none-${1}";\n', 'sieve/none.sieve')
    script(server, 'alice', INCLUDE + 'if header :matches "subject" "*" {\n'
                                      'include "other"; include "none"; fileinto "${1}"; }')
    assert deliver(server, 'one').startswith('250')
    assert subjects(server) == {'in-joe': ['one'], 'none-': ['one'], 'one': ['one']}


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_a_program_that_can_not_be_run_ends_the_script(make_server, make_dovecot):
    """Unless that is what is tested; then mail goes where it would go unfiltered."""
    seen = []
    for make in (make_server, make_dovecot):
        server = make(start=False)
        base = place(server)
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(f'{base}/run/sockets/dead')
        os.chmod(base / 'run/sockets/dead', 0o666)
        for name in ('plain', 'bin/plain'):
            path = base / (name if '/' in name else f'run/sockets/{name}')
            path.write_text('#!/bin/sh\ncat\n')
            os.chmod(path, 0o755)
        for program in ('dead', 'plain', 'killed'):
            for text in (f'filter "{program}"; fileinto :create "filed";', f'execute "{program}"; fileinto :create "filed";',
                         f'if not filter "{program}" {{ fileinto :create "not"; }}'):
                script(server, 'alice', HEAD + text)
                assert deliver(server, program).startswith('250')
        server.forgive()
        log = Path(server.home('alice'), '.dovecot.sieve.log').read_text()
        seen.append((subjects(server), re.findall(r'error: (.*?)\[', log),
                     re.findall(r'sieve: action \S+ socket path .*/(.*)', server.log_text())))
    assert seen[0] == seen[1]
    assert seen[0][0] == {'INBOX': ['dead', 'dead', 'plain', 'plain', 'killed', 'killed'], 'not': ['dead', 'plain', 'killed']}


@pytest.fixture
def sink():
    one = Sink(lmtp=False, answers={'RCPT TO:<bad@': '550 5.1.1 no'})
    yield one
    one.close()


FAILING = {
    'discardpipe': ('discard; pipe "fail";', {'INBOX'}),
    'discardredirect': ('discard; redirect "bad@y.example";', {'INBOX'}),
    'filepipe': ('fileinto :create "filed"; pipe "fail";', {'INBOX', 'filed'}),
    'copypipe': ('pipe :copy "fail"; fileinto :create "filed";', {'INBOX', 'filed'}),
    'keeppipe': ('keep; pipe "fail";', {'INBOX'}),
    'redirectpipe': ('redirect "x@y.example"; pipe "fail";', {'INBOX'}),
    'redirects': ('redirect "x@y.example"; redirect "bad@y.example";', {'INBOX'}),
    'try': ('discard; pipe :try "fail";', set()),
    'piped': ('discard; pipe "scripted";', set()),
}


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_what_fails_keeps_the_mail(make_server, make_dovecot, sink):
    """Though something else took its place; also a script of the administrator."""
    seen = []
    for make in (make_server, make_dovecot):
        server = make(start=False)
        base = Path(server.dir)
        place(server, f'sieve_before = {base}/before.sieve\n  sieve_discard = {base}/discard.sieve\n}}\n'
                      f'submission_host = 127.0.0.1:{sink.port}\nplugin {{\n')
        for name, (text, wanted) in FAILING.items():
            script(server, 'alice', HEAD + text)
            assert deliver(server, name).startswith('250')
        for path in ('before.sieve', 'discard.sieve'):
            script(server, 'alice', 'discard;')
            (base / path).write_text(HEAD + 'discard; pipe "fail";')
            assert deliver(server, path).startswith('250')
            (base / path).unlink()
        server.forgive()
        found = subjects(server)
        for name, (text, wanted) in FAILING.items():
            assert {box for box, names in found.items() if name in names} == wanted, name
        log = Path(server.home('alice'), '.dovecot.sieve.log').read_text()
        lines = re.findall(r'(?:Error|Info): sieve: (failed to .*?|Execution of .*?)(?: \[.*)?\n', server.log_text())
        seen.append((found, re.findall(r'error: .*?(failed to .*?)(?: \[|: \S*smtp)', log.replace('submission_host(', 'smtp(')),
                     [line.replace(server.dir, '') for line in lines]))
    assert seen[0] == seen[1]


def test_output_of_a_pipe_is_nobody_s(make_server):
    """However much it is: the mail was piped, and is not kept, too."""
    server = make_server(start=False)
    base = place(server)
    path = base / 'bin/scripted'
    path.write_text('#!/bin/sh\ncat >/dev/null\nhead -c 5000000 /dev/zero\n')
    script(server, 'alice', HEAD + 'pipe "scripted";')
    assert deliver(server, 'one').startswith('250')
    assert server.wait_log(r"pipe action: piped message to program `scripted'")
    assert not subjects(server)


def text_in(server, mailbox):
    client = Lines(server.port('imap'), 'alice')
    client.command(b'SELECT ' + mailbox)
    text = b''.join(client.command(b'FETCH 1:* (FLAGS BODY.PEEK[])'))
    client.close()
    return text


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_what_is_kept_of_a_mail_that_scripts_changed(make_server, make_dovecot):
    """An earlier script's keep is of the mail as it was then (RFC 5293 section 7); what a failure keeps, as it came."""
    edit = 'require ["editheader", "imap4flags"]; addheader "X-Edited" "yes"; addflag "kw";'
    cases = [('keep;', edit), ('stop;', edit), (edit, 'keep;'), (edit, HEAD + 'pipe "fail";'), (edit, HEAD + 'discard; pipe :copy "fail";'),
             (HEAD + 'filter "upper"; pipe :copy "fail";', 'stop;'), (edit, HEAD + 'execute "nosuch";')]
    seen = []
    for make in (make_server, make_dovecot):
        server = make(start=False)
        place(server, f'sieve_before = {server.dir}/before.sieve\n  sieve_extensions = +editheader '
                      '+vnd.dovecot.pipe +vnd.dovecot.filter +vnd.dovecot.execute\n')
        for at, (before, own) in enumerate(cases):
            Path(server.dir, 'before.sieve').write_text(before)
            script(server, 'alice', own)
            assert deliver(server, f'm{at}').startswith('250')
        server.forgive()
        mails = re.split(rb'\* \d+ FETCH ', text_in(server, b'INBOX'))[1:]
        seen.append([(b'\nX-Edited: yes' in mail, b'FROM: JOE' in mail, re.search(rb'(?i)Subject: (\w+)', mail)[1].lower()) for mail in mails])
    assert seen[0] == seen[1]
    assert [mail[:2] for mail in seen[0]] == [(False, False), (True, False), (True, False)] + 4 * [(False, False)]


def test_keywords_that_a_mailbox_can_not_have(make_server):
    """They are left away: of what use is a mail that is refused for one?"""
    server = make_server(EXTRA.format(port=1, plugin=''))
    require = 'require ["imap4flags", "variables", "fileinto"];'
    script(server, 'alice', f'{require} addflag ["{"k" * 200}", "good"]; keep; fileinto "filed";')
    assert deliver(server, 'long').startswith('250')
    for mailbox in (b'INBOX', b'filed'):
        assert b'(good)' in text_in(server, mailbox).replace(b'\\Recent ', b'').replace(b' \\Recent', b'')
    names = [f'"w{at}"' for at in range(300)]
    for start in range(0, 300, 50):
        script(server, 'alice', f'{require} addflag [{",".join(names[start:start + 50])}];')
        assert deliver(server, f'm{start}').startswith('250')
    assert len(subjects(server)['INBOX']) == 7


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_settings_of_deliveries_from_the_userdb(make_server, make_dovecot, sink):
    """Those of one user, by LMTP and LDA; mail_plugins from there takes no scripts away."""
    fields = {'alice': 'userdb_lda_mailbox_autocreate=no', 'bob': 'userdb_lda_mailbox_autosubscribe=yes',
              'carol': 'userdb_mail_plugins=quota', 'hand': 'userdb_postmaster_address=pm@other.example',
              'twin': 'userdb_deliver_log_format=WAS', 'sorted': 'userdb_hostname=other.example', 'letters': 'userdb_sieve_user_email=me@other.example'}
    seen = []
    for make, program in ((make_server, LDA), (make_dovecot, '/usr/lib/dovecot/dovecot-lda')):
        server = make(EXTRA.format(port=sink.port, plugin=''), start=False)
        for user, extra in fields.items():
            give_to(server, user, mail_owner()[0], extra)
        server.start()
        found = []
        for user in fields:
            script(server, user, 'require ["fileinto", "reject", "vacation"]; if header "subject" "no" { reject "no"; stop; }\n'
                                 'vacation "away"; fileinto "filed";')
            for subject in ('one', 'no'):
                start, mails = len(server.log_text()), len(sink.mails)
                assert deliver(server, subject, rcpt=user).startswith('250')
                assert lda(server, '-d', user, '-f', 'joe@example.org', program=program, mail=mail(subject)).returncode == 0
                assert server.wait_log(r'Logged out', start=start)
                found += [sorted(re.sub(r'\S+/home/\S+', '', line) for line in re.findall(rf'{user}\)\S+ Info: (.*)', server.log_text()[start:])),
                          [sorted(re.findall(rb'\n(?:From: Post|Final-Rec).*', text)) for text in sink.mails[mails:]]]
            subscribed = Path(server.home(user), 'Maildir/subscriptions')
            found += [subjects(server, user), b'filed' in subscribed.read_bytes() if subscribed.exists() else False]
        seen.append(found)
        server.forgive()
    for ours, theirs in zip(*seen):
        assert ours == theirs


def test_copies_go_by_special_use_and_id(make_server, sink):
    """RFC 8580 section 3: as fileinto with the same arguments."""
    server = make_server(EXTRA.format(port=sink.port, plugin='') + 'namespace inbox {\n  mailbox Gone {\n    special_use = \\Sent\n'
                         '    auto = create\n  }\n}\n')
    client = Lines(server.port('imap'), 'alice')
    found = re.search(rb'MAILBOXID \((\S+)\)', b''.join(client.command(b'CREATE other')))
    client.close()
    require = 'require ["vacation", "enotify", "fcc", "special-use", "mailboxid"];'
    script(server, 'alice', f'{require} vacation :addresses "alice@mail.example" :fcc "none" :specialuse "\\\\Sent" "away";')
    assert deliver(server, 'one').startswith('250')
    script(server, 'alice', f'{require} notify :fcc "none" :mailboxid "{found[1].decode()}" :message "two" "mailto:n@y.example";')
    assert deliver(server, 'two').startswith('250')
    assert len(sink.mails) == 2
    assert {name: len(mails) for name, mails in boxes(server, 'alice').items()} == {'INBOX': 2, 'Gone': 1, 'other': 1}


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_a_link_that_leads_nowhere_is_no_script(make_server, make_dovecot):
    """A mail does not have to wait until somebody looks after it; the log says what is wrong."""
    seen = []
    for make in (make_server, make_dovecot):
        server = make(EXTRA.format(port=1, plugin=''))
        for at, to in enumerate(('sieve/gone.sieve', '.dovecot.sieve', 'sieve/there.sieve')):
            link = Path(server.home('alice'), '.dovecot.sieve')
            link.unlink(missing_ok=True)
            script(server, 'alice', 'require "fileinto"; fileinto "filed";', 'sieve/there.sieve')
            link.symlink_to(to)
            assert deliver(server, f'm{at}').startswith('250')
        found = re.findall(r'Warning: sieve: file storage: (Active sieve script symlink) \S+ (points to non-existent script .*)', server.log_text())
        seen.append((subjects(server), found))
        assert len(re.findall(r'Warning: sieve: file storage: Active sieve script symlink', server.log_text())) == 2
    assert seen[0][0] == seen[1][0] == {'INBOX': ['m0', 'm1'], 'filed': ['m2']}
    assert seen[0][1][0] == seen[1][1][0]


def test_one_user_s_script_is_not_run_for_another(make_server):
    """That a script of all users includes: what is compiled for one is no other's, though they share where it is kept."""
    server = make_server(EXTRA.format(port=1, plugin='  sieve_before = file:{dir}/before.sieve;bindir={dir}/compiled\n'
                                                     '  sieve_global = {dir}/global\n'), start=False)
    server.extra = server.extra.replace('{dir}', server.dir)
    server.write_config()
    server.start()
    for name in ('compiled', 'global', 'global2'):
        Path(server.dir, name).mkdir()
        os.chmod(Path(server.dir, name), 0o777)
        Path(server.dir, name, 'all.sieve').write_text(f'require ["fileinto", "copy"]; fileinto :copy "{name}";')
    Path(server.dir, 'before.sieve').write_text(INCLUDE + 'include :personal :optional "own"; include :global "all"; keep;')
    for user in ('alice', 'bob'):
        script(server, user, f'require ["fileinto", "copy"]; fileinto :copy "{user}";', 'sieve/own.sieve')
    for user in ('alice', 'bob', 'carol', 'alice'):
        assert deliver(server, 'one', rcpt=user).startswith('250')
    assert list(Path(server.dir, 'compiled').glob('*.svbin'))
    server.extra = server.extra.replace('/global\n', '/global2\n')
    server.write_config()
    server.stop()
    server.start()
    assert deliver(server, 'one', rcpt='bob').startswith('250')
    found = {user: {name: len(mails) for name, mails in boxes(server, user).items()} for user in ('alice', 'bob', 'carol')}
    assert found == {'alice': {'INBOX': 2, 'alice': 2, 'global': 2}, 'bob': {'INBOX': 2, 'bob': 2, 'global': 1, 'global2': 1},
                     'carol': {'INBOX': 1, 'global': 1}}


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_a_global_script_has_what_only_those_may(make_server, make_dovecot):
    """Also where a user's script includes it; but not what it includes itself of the user's."""
    pipe = 'require "vnd.dovecot.pipe"; pipe "save";'
    seen = []
    for make in (make_server, make_dovecot):
        server = make(start=False)
        base = place(server, f'sieve_extensions = +copy\n  sieve_global_extensions = +vnd.dovecot.pipe\n  sieve_global = {server.dir}/global\n')
        Path(base, 'global').mkdir()
        Path(base, 'global/pipe.sieve').write_text(pipe)
        Path(base, 'global/own.sieve').write_text(INCLUDE + 'include :personal "pipe";')
        script(server, 'alice', pipe, 'sieve/pipe.sieve')
        found = []
        for at, text in enumerate(('include :global "pipe";', 'include :global "pipe";', 'include :global "own";', 'include "pipe";')):
            if at != 1:
                script(server, 'alice', INCLUDE + text)
            assert deliver(server, f'm{at}').startswith('250')
            found.append((base / 'out/input').exists())
            (base / 'out/input').unlink(missing_ok=True)
        seen.append((found, subjects(server)))
        server.forgive()
    assert seen[0] == seen[1] == ([True, True, False, False], {'INBOX': ['m2', 'm3']})


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_what_is_no_script_in_a_directory_of_them(make_server, make_dovecot):
    """A folder, a link to what is gone: the others run. A directory that nobody may read is told of."""
    seen = []
    for make in (make_server, make_dovecot):
        server = make(EXTRA.format(port=1, plugin='  sieve_before = {dir}/before\n'), start=False)
        server.extra = server.extra.replace('{dir}', server.dir)
        server.write_config()
        server.start()
        place = Path(server.dir, 'before')
        (place / 'a.sieve').mkdir(parents=True)
        (place / 'b.sieve').symlink_to('/nonexistent')
        (place / 'c.sieve').write_text('require ["fileinto", "copy"]; fileinto :copy "c";')
        os.chmod(server.dir, 0o755)
        assert deliver(server, 'one').startswith('250')
        os.chmod(place, 0o700)
        assert deliver(server, 'two').startswith('250')
        os.chmod(place, 0o755)
        seen.append((subjects(server), len(re.findall('Error: sieve: file storage: Failed to open sieve sequence: .*Permission denied', server.log_text()))))
    assert seen[0] == seen[1] == ({'INBOX': ['one', 'two'], 'c': ['one']}, 1)


def test_an_optional_script_that_can_not_be_read_is_an_error(make_server):
    """It is there, and who wrote it thinks that it runs."""
    server = make_server(EXTRA.format(port=1, plugin=''))
    os.chmod(script(server, 'alice', 'discard;', 'sieve/own.sieve'), 0)
    script(server, 'alice', INCLUDE + 'include :optional "own"; discard;')
    assert deliver(server, 'one').startswith('250')
    assert subjects(server) == {'INBOX': ['one']}
    assert "include of 'own': it can't be read" in Path(server.home('alice'), '.dovecot.sieve.log').read_text()
