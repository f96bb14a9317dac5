# SPDX-License-Identifier: MIT
"""Which events run scripts (imap_sieve), and what they are told of them, as with Debian's Dovecot and Pigeonhole."""
import os
import re
import subprocess
from pathlib import Path

import pytest

from conftest import PREFIX
from imap_lines import Lines
from test_delivery_sieve import PIGEONHOLE, mail, script
from test_imap_sieve import METADATA, append, place, state, told

# A script that reports all it can know.
ITEMS = {'cause': 'imap.cause', 'mailbox': 'imap.mailbox', 'flags': 'imap.changedflags', 'from': 'vnd.dovecot.mailbox-from',
         'to': 'vnd.dovecot.mailbox-to'}
REPORT = 'require ["vnd.dovecot.pipe", "copy", "imapsieve", "vnd.dovecot.imapsieve", "environment", "variables"];\n' + \
    ''.join(f'if environment :matches "{item}" "*" {{ set "{name}" "${{1}}"; }}\n' for name, item in ITEMS.items()) + \
    'pipe :copy "learn" ["%s", "c=${cause}", "m=${mailbox}", "f=${flags}", "from=${from}", "to=${to}"];\n'


def put(server, names, rules, more=''):
    """A server with such scripts and rules."""
    base = place(server, rules)
    for name in names:
        (base / 'sieve' / f'{name}.sieve').write_text(REPORT % name + more)
        os.chmod(base / 'sieve' / f'{name}.sieve', 0o755)
    return base


def session(server, boxes=()):
    client = Lines(server.port('imap'), 'alice')
    for box in boxes:
        client.command(b'CREATE ' + box)
    return client


def reports(base):
    return sorted(told(base).split('.\n'))


def differences(ours, theirs):
    return '\n\n'.join(f'{n}\n{mine}\n{other}' for n, (mine, other) in enumerate(zip(ours, theirs)) if mine != other)


FLAGS = """
  imapsieve_mailbox1_name = INBOX
  imapsieve_mailbox1_causes = FLAG
  imapsieve_mailbox1_before = file:{dir}/sieve/r.sieve
"""
STORES = ['+FLAGS (\\Seen \\Flagged)', '+FLAGS (\\Seen)', 'FLAGS (\\Seen kw)', 'FLAGS ()', '-FLAGS (\\Seen)', 'FLAGS (a b \\Answered)',
          'FLAGS (c \\Draft)', '-FLAGS (c A)', 'FLAGS.SILENT (Kw \\Seen)', 'FLAGS.SILENT (kw \\Seen \\Deleted)', '-FLAGS (nosuch)']


def flag_changes(server):
    """Each mail has its own changes; of many, their flags stand apart."""
    base, seen = put(server, 'r', FLAGS), []
    client = session(server)
    for subject, flags in (('one', b'\\Seen'), ('two', b'kw'), ('three', b'')):
        append(client, b'INBOX', subject, flags)
    client.command(b'SELECT INBOX')
    for store in STORES:
        client.command(f'STORE {"1:2" if "a" in store else "1:3"} {store}')
        seen.append((store, reports(base)))
    for number in range(40):
        append(client, b'INBOX', f'many{number}', b'\\Seen' if number % 3 == 0 else b'')
    client.command(b'NOOP')
    for store in ('+FLAGS (\\Seen x)', 'FLAGS (\\Flagged)'):
        client.command(f'STORE 4:* {store}')
        seen.append((store, reports(base)))
    client.close()
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_changed_flags_of_each_mail_as_pigeonhole(make_server, make_dovecot):
    ours, theirs = flag_changes(make_server(start=False)), flag_changes(make_dovecot(start=False))
    assert sum(len(lines) - 1 for _, lines in ours) > 100
    assert ours == theirs, differences(ours, theirs)


CAUSES = ['COPY FLAG', 'COPY,FLAG', 'copy, append', 'FLAG,,APPEND ,', 'COPY FOO', 'COPY;FLAG', '']


def causes(server):
    rules = ''.join(f'  imapsieve_mailbox{n}_name = box{n}\n  imapsieve_mailbox{n}_causes = {text}\n'
                    f'  imapsieve_mailbox{n}_before = file:{{dir}}/sieve/r.sieve\n' for n, text in enumerate(CAUSES, 1))
    base, seen = put(server, 'r', rules), []
    client = session(server, [b'box%d' % n for n in range(1, len(CAUSES) + 1)])
    append(client, b'INBOX', 'one')
    for n, text in enumerate(CAUSES, 1):
        append(client, b'box%d' % n, 'two')
        client.command(b'SELECT INBOX')
        client.command(b'COPY 1 box%d' % n)
        client.command(b'SELECT box%d' % n)
        client.command(b'STORE 1 +FLAGS (\\Flagged)')
        seen.append((text, reports(base)))
    client.close()
    for n, word in ((5, 'FOO'), (6, 'COPY;FLAG')):
        assert server.wait_log(rf"Warning: imapsieve: Static mailbox rule \[{n}\] has invalid event cause `{word}' \(skipped\)")
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_lists_of_causes_as_pigeonhole(make_server, make_dovecot):
    ours, theirs = causes(make_server(start=False)), causes(make_dovecot(start=False))
    assert ours == theirs, differences(ours, theirs)


FROM = ''.join(f'  imapsieve_mailbox{n}_name = {name}\n  imapsieve_mailbox{n}_from = {origin}\n'
               f'  imapsieve_mailbox{n}_before = file:{{dir}}/sieve/{script}.sieve\n'
               for n, (name, origin, script) in enumerate((('Sp*', 'INBOX', 'a'), ('*am', 'Ham', 'b'), ('INBOX', '*', 'c')), 1))


def origins(server):
    """A mail that is appended, or gets flags, comes from where it is."""
    base, seen = put(server, 'abc', FROM), []
    client = session(server, (b'Spam', b'Ham'))
    for box in (b'INBOX', b'Spam', b'Ham'):
        append(client, box, 'one')
        append(client, box, 'two')
        seen.append((box, reports(base)))
        client.command(b'SELECT ' + box)
        for command in (b'STORE 1 +FLAGS (\\Flagged)', b'COPY 1 INBOX', b'COPY 1 Spam', b'MOVE 2 Ham'):
            client.command(command)
            seen.append((box, command, reports(base)))
    client.close()
    server.forgive()
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_origins_as_pigeonhole(make_server, make_dovecot):
    ours, theirs = origins(make_server(start=False)), origins(make_dovecot(start=False))
    assert ours == theirs, differences(ours, theirs)


KEEPS = ['keep; fileinto "INBOX";', 'fileinto "INBOX"; keep;', 'fileinto :copy "INBOX"; keep;', 'fileinto :copy "INBOX";', 'fileinto "inbox";',
         'keep; fileinto "inbox";', 'fileinto "Spam";', 'keep; fileinto "Spam";', 'fileinto "INBOX"; fileinto "Spam"; keep;',
         'addflag "x"; fileinto "INBOX"; keep;', 'fileinto "INBOX"; discard;']


def keeps(server, box, filtered):
    """What stays of a mail in `box` that those scripts run on, at an event or by FILTER."""
    base, seen = place(server, '  imapsieve_mailbox1_name = *\n  imapsieve_mailbox1_before = file:{dir}/sieve/k.sieve\n'), []
    client = session(server, [b'Spam'])
    path = base / 'sieve' / 'k.sieve'
    for text in KEEPS:
        text = 'require ["fileinto", "copy", "imap4flags"]; ' + text
        path.write_text('keep;' if filtered else text)
        os.chmod(path, 0o644)
        for name in (b'INBOX', b'Spam'):
            client.command(b'SELECT ' + name)
            client.command(b'STORE 1:* +FLAGS (\\Deleted)')
            client.command(b'EXPUNGE')
        append(client, box, 'one', b'\\Seen')
        client.command(b'SELECT ' + box)
        if filtered:
            client.command(b'FILTER SIEVE SCRIPT {%d+}\r\n%s ALL' % (len(text), text.encode()))
        seen.append((text, state(client)))
        path.write_text('keep;')
    client.close()
    server.forgive()
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
@pytest.mark.parametrize('box', [b'INBOX', b'Spam'])
@pytest.mark.parametrize('filtered', [False, True])
def test_keep_where_the_mail_is_as_pigeonhole(make_server, make_dovecot, box, filtered):
    """keep is no store into INBOX then, and "inbox" is it."""
    ours, theirs = keeps(make_server(start=False), box, filtered), keeps(make_dovecot(start=False), box, filtered)
    assert ours == theirs, differences(ours, theirs)


def lda_keeps(server, program):
    server.extra = 'protocol lda {\n  mail_plugins = $mail_plugins sieve\n}\n'
    server.write_config()
    server.start()
    client, seen = session(server, [b'Spam']), []
    for text in KEEPS:
        text = 'require ["fileinto", "copy", "imap4flags"]; ' + text
        for name in (b'INBOX', b'Spam'):
            client.command(b'SELECT ' + name)
            client.command(b'STORE 1:* +FLAGS (\\Deleted)')
            client.command(b'EXPUNGE')
        script(server, 'alice', text)
        subprocess.run([program, '-c', server.config, '-d', 'alice', '-m', 'Spam'], input=mail('one'), check=True)
        seen.append((text, state(client)))
    client.close()
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_keep_in_another_mailbox_as_pigeonhole(make_server, make_dovecot):
    ours = lda_keeps(make_server(start=False), f'{PREFIX}/libexec/dovetail/dovetail-lda')
    theirs = lda_keeps(make_dovecot(start=False), '/usr/lib/dovecot/dovecot-lda')
    assert ours == theirs, differences(ours, theirs)


def test_what_the_log_tells_of_events(make_server):
    """The UID; what was done only when debugging, for each change of a flag is one; a broken script once for all mails."""
    server = make_server(start=False)
    rules = FLAGS + '  imapsieve_mailbox2_name = broken\n  imapsieve_mailbox2_before = file:{dir}/sieve/broken.sieve\n' \
                    '  imapsieve_mailbox3_name = nowhere\n  imapsieve_mailbox3_before = file:{dir}/sieve/nowhere.sieve\n'
    base = put(server, 'r', rules)
    (base / 'sieve' / 'broken.sieve').write_text('foo bar')
    (base / 'sieve' / 'nowhere.sieve').write_text('require "fileinto"; fileinto "nosuch";')
    for debug in (False, True):
        server.extra += 'mail_debug = yes\n' if debug else ''
        server.write_config()
        server.doveadm('reload')
        client, start = session(server, [b'broken', b'nowhere']), len(server.log_text())
        for n in range(5):
            append(client, b'INBOX', f'm{n}')
        client.command(b'SELECT INBOX')
        client.command(b'STORE 1 FLAGS (\\Seen)')
        client.command(b'STORE 1 FLAGS ()')
        client.command(b'COPY 1:5 broken')
        client.command(b'COPY 1 nowhere')
        client.logout()
        assert server.wait_log(r"sieve: uid=\d+: fileinto action: failed to store into mailbox 'nosuch'", start=start)
        text = server.log_text()[start:]
        assert text.count('parse failed') == 1
        assert ("sieve: uid=1: pipe action: piped message to program `learn'" in text) == debug
        assert 'msgid=' not in text
    server.forgive()


def test_no_recipient_at_events(make_server):
    server = make_server(start=False)
    base = put(server, 'r', FLAGS)
    (base / 'bin' / 'learn').write_text(f'#!/bin/sh\numask 0\nenv >{base}/out/told\n')
    client = session(server)
    append(client, b'INBOX', 'one')
    client.command(b'SELECT INBOX')
    client.command(b'STORE 1 FLAGS (\\Seen)')
    client.close()
    names = {line.partition('=')[0] for line in told(base).splitlines()}
    assert {'USER', 'HOME', 'HOST'} <= names and not {'RECIPIENT', 'ORIG_RECIPIENT', 'SENDER'} & names


def test_filter_tells_of_names_in_one_line(make_server):
    """A literal may have line ends, and octets that are no UTF-8."""
    server = make_server(start=False)
    place(server)
    client = session(server)
    client.command(b'SELECT INBOX')
    for kind, words in ((b'%s ALL', rb'BAD Error in IMAP command FILTER: Unknown filter type'), (b'SIEVE PERSONAL %s ALL', rb'NO Invalid script name'),
                        (b'SIEVE GLOBAL %s ALL', rb'NO Invalid script name')):
        for name, shown in ((b'a\r\n* BYE', rb'a\?\?\* BYE'), (b'\xffx', rb'\?x'), (b'n' * 300, b'n' * 80)):
            answer = client.command(b'FILTER ' + kind % (b'{%d+}\r\n%s' % (len(name), name)))
            assert len(answer) == 1 and re.match(rb"T\d+ %s `%s'" % (words, shown), answer[0]), answer
    client.close()


TAKES = ['discard;', 'require "fileinto"; fileinto "other";', 'require "imap4flags"; addflag "z"; discard;', 'require "imap4flags"; keep :flags "z";',
         'require "vnd.dovecot.pipe"; pipe "learn";', 'require "imap4flags"; removeflag "\\\\Flagged";',
         'require ["fileinto", "imap4flags"]; setflag "q"; fileinto "other";', 'require ["fileinto", "copy"]; fileinto :copy "other"; discard;']
EXPUNGED = '  imapsieve_expunge_discarded = yes\n'
CHANGES = {'append': b'', 'copy': b'COPY 1 box', 'move': b'MOVE 1 box', 'store': b'STORE 1 +FLAGS (\\Flagged)', 'fetch': b'FETCH 1 BODY[TEXT]'}


def takes(server, more):
    """What becomes of mails that a script does not keep."""
    rule = '  imapsieve_mailbox1_name = box\n  imapsieve_mailbox1_before = file:{dir}/sieve/t.sieve\n'
    base, seen = place(server, rule + more), []
    path = base / 'sieve' / 't.sieve'
    client = session(server)
    for text in TAKES:
        for event, command in CHANGES.items():
            path.write_text('keep;')
            os.chmod(path, 0o644)
            for box in (b'box', b'other'):
                client.command(b'DELETE ' + box)
                client.command(b'CREATE ' + box)
            append(client, b'box', 'old')
            append(client, b'INBOX', 'new')
            path.write_text(text)
            client.command(b'SELECT INBOX' if event in ('copy', 'move') else b'SELECT box')
            if event == 'append':
                append(client, b'box', 'new')
            else:
                client.command(command)
            client.command(b'UNSELECT')
            boxes = state(client)
            seen.append((text, event, boxes.get(b'box'), boxes.get(b'other')))
    client.close()
    server.forgive()
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
@pytest.mark.parametrize('more', ['', EXPUNGED])
def test_mails_not_kept_as_pigeonhole(make_server, make_dovecot, more):
    """A mail that was read or flagged stays, whatever a script makes of it: RFC 6785 section 3.5 has it deleted."""
    ours, theirs = takes(make_server(start=False), more), takes(make_dovecot(start=False), more)
    assert ours == theirs, differences(ours, theirs)


LOGS = '  imapsieve_url = sieve://sieve.example\n  imapsieve_mailbox1_name = admin\n  imapsieve_mailbox1_before = file:{dir}/sieve/a.sieve\n'


def logs(server, more):
    """What the server's log and the user's tell of scripts that fail."""
    metadata = METADATA.replace('{', '{{').replace('}', '}}')
    base, seen = place(server, f'{LOGS}{more}}}}}\n{metadata}plugin {{{{\n'), []
    (base / 'sieve' / 'a.sieve').write_text('require "fileinto"; fileinto "nosuch";')
    script(server, 'alice', 'require "fileinto"; fileinto "nosuch";', 'sieve/late.sieve')
    script(server, 'alice', 'foo bar', 'sieve/early.sieve')
    client = session(server, [b'admin', b'box'])
    for box, name in ((b'admin', None), (b'box', b'late'), (b'box', b'early')):
        start = len(server.log_text())
        if name is not None:
            client.command(b'SETMETADATA box (/shared/imapsieve/script "%s")' % name)
        append(client, box, 'one')
        assert server.wait_log('script .* failed|Failed to compile', start=start)
        told_so = re.findall(r': (\w+: sieve: (?:Execution|Failed to compile).*)', server.log_text()[start:])
        files = {path.name: [line.split(':')[0] for line in path.read_text().splitlines()]
                 for path in Path(server.home('alice')).rglob('*.log') if 'Maildir' not in str(path)}
        seen.append((box, name, [line.replace(server.dir, '') for line in told_so], files))
    client.close()
    server.forgive()
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
@pytest.mark.parametrize('more', ['', '  sieve_user_log = ~/told.log\n'])
def test_logs_of_scripts_that_fail_as_pigeonhole(make_server, make_dovecot, more):
    """The user's is beside his script; the server's says where."""
    ours, theirs = logs(make_server(start=False), more), logs(make_dovecot(start=False), more)
    assert ours == theirs, differences(ours, theirs)


SOURCE = """
  imapsieve_mailbox1_name = box
  imapsieve_mailbox1_before = file:{dir}/sieve/t.sieve
  imapsieve_mailbox1_copy_source_after = file:{dir}/sieve/after.sieve
"""
FAILING = ['keep;', 'discard;', 'foo', 'require "fileinto"; fileinto "nosuch";', 'require "ihave"; error "x";', 'redirect "a@b.example";',
           'require ["vnd.dovecot.pipe", "copy"]; pipe :copy "nosuch";']


def sources(server):
    """What the script for mails that were copied did to them."""
    base, seen = place(server, SOURCE + '}}\nsubmission_host = 127.0.0.1:9\nplugin {{\n'), []
    (base / 'sieve' / 'after.sieve').write_text('require "imap4flags"; addflag "after";')
    client = session(server, [b'box'])
    for n, text in enumerate(FAILING, 1):
        (base / 'sieve' / 't.sieve').write_text('keep;')
        append(client, b'INBOX', f'm{n}')
        (base / 'sieve' / 't.sieve').write_text(text)
        os.chmod(base / 'sieve' / 't.sieve', 0o644)
        client.command(b'SELECT INBOX')
        client.command(b'COPY %d box' % n)
        seen.append((text, state(client)[b'INBOX'][-1]))
    client.close()
    server.forgive()
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_sources_as_pigeonhole(make_server, make_dovecot):
    """Their script runs though that of the copy failed, but not if that may be better later."""
    ours, theirs = sources(make_server(start=False)), sources(make_dovecot(start=False))
    assert [b'after' in flags for _, (_, flags) in ours] == [True] * 5 + [False, True]
    assert ours == theirs, differences(ours, theirs)


def test_an_event_that_failed_is_no_try_of_the_next(make_server):
    """The program ran for it, and runs again when the mail comes again."""
    server = make_server(start=False)
    base = put(server, ['r'], 'imapsieve_mailbox1_name = Spam\nimapsieve_mailbox1_causes = COPY\n'
               'imapsieve_mailbox1_before = file:{dir}/sieve/r.sieve\n')
    (base / 'sieve/r.sieve').write_text('require ["vnd.dovecot.pipe", "copy", "fileinto"];\n'
                                        'pipe :copy "learn" "ran"; fileinto :copy "a"; fileinto :copy "b";')
    client = session(server, (b'Spam', b'a', b'b'))
    append(client, b'INBOX', 'one', b'')
    client.command(b'SELECT INBOX')
    new = server.maildir('alice') / '.b/new'
    new.chmod(0o555)
    client.ok('COPY 1 Spam')
    new.chmod(0o700)
    client.ok('COPY 1 Spam')
    assert told(base).count('ran') == 2
    assert b'MESSAGES 1' in client.ok('STATUS b (MESSAGES)')[0]


ONCE = [('c', 'a'), ('c', ''), ('c*', 'a*'), ('*', '')]


def rules_that_match(server):
    rules = ''.join(f'  imapsieve_mailbox{n}_{what} = {value}\n' for n, rule in enumerate(ONCE, 1)
                    for what, value in zip(('name', 'from'), rule) if value)
    rules += ''.join(f'  imapsieve_mailbox{n}_before = file:{{dir}}/sieve/r{n}.sieve\n' for n in range(1, len(ONCE) + 1))
    base = put(server, [f'r{n}' for n in range(1, len(ONCE) + 1)], rules)
    client, seen = session(server, (b'a', b'b', b'c', b'cd')), []
    for box in (b'a', b'b', b'c'):
        append(client, box, 'one')
        client.command(b'SELECT ' + box)
        for command in (b'STORE 1 +FLAGS (\\Flagged)', b'COPY 1 c', b'COPY 1 cd'):
            client.command(command)
            seen.append((box, command, reports(base)))
    client.close()
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_a_program_gets_a_mail_once_as_pigeonhole(make_server, make_dovecot):
    """Though scripts of several rules give it to it."""
    ours, theirs = rules_that_match(make_server(start=False)), rules_that_match(make_dovecot(start=False))
    assert ours == theirs, differences(ours, theirs)


FLAGGED = [before + ''.join(order) for before in ('', 'addflag "y"; ') for keep in ('keep :flags "k";', 'keep;', 'addflag "k";')
           for fail in ('pipe :copy "nosuch";', 'fileinto "nosuch";', 'error "x";') for order in ((keep, fail), (fail, keep))]


def flags_kept(server):
    """Of a mail whose script failed in part."""
    base, seen = place(server, '  imapsieve_mailbox1_name = box\n  imapsieve_mailbox1_before = file:{dir}/sieve/t.sieve\n'), []
    client, path = session(server, [b'box']), base / 'sieve' / 't.sieve'
    for text in FLAGGED:
        path.write_text('require ["vnd.dovecot.pipe", "copy", "fileinto", "imap4flags", "ihave"]; ' + text)
        os.chmod(path, 0o644)
        os.utime(path, (1e9 + len(seen), 1e9 + len(seen)))
        append(client, b'box', 'one', b'\\Flagged')
        seen.append((text, state(client)[b'box'][-1]))
    client.close()
    server.forgive()
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_flags_of_scripts_that_fail_as_pigeonhole(make_server, make_dovecot):
    """They hold though a program failed, but not where a mail could not be stored."""
    ours, theirs = flags_kept(make_server(start=False)), flags_kept(make_dovecot(start=False))
    assert ours == theirs, differences(ours, theirs)


def lda_flags(server, program):
    server.extra = EXTRA_LDA.format(dir=server.dir)
    server.write_config()
    server.start()
    base = Path(server.dir)
    (base / 'bin').mkdir()
    (base / 'bin/learn').write_text('#!/bin/sh\ncat >/dev/null\n')
    (base / 'before.sieve').write_text('require ["vnd.dovecot.pipe", "copy"]; pipe :copy "learn";')
    for path in (base, base / 'bin', base / 'bin/learn', base / 'before.sieve'):
        path.chmod(0o755)
    client, seen = session(server), []
    for text in ('addflag "k"; pipe :copy "nosuch";', 'pipe :copy "nosuch"; addflag "k";', 'addflag "k"; pipe "nosuch";', 'addflag "k"; error "x";',
                 'addheader "X-New" "v"; addflag "k"; pipe :copy "nosuch";', 'addflag "k"; pipe :copy "nosuch"; discard;',
                 'addflag "k"; fileinto :copy "a//b";', 'addflag "k"; pipe :copy "learn"; discard;'):
        script(server, 'alice', 'require ["vnd.dovecot.pipe", "copy", "imap4flags", "ihave", "editheader", "fileinto"]; ' + text)
        subprocess.run([program, '-c', server.config, '-d', 'alice'], input=mail('one'), check=True)
        seen.append((text, state(client)[b'INBOX'][-1]))
    client.close()
    server.forgive()
    return seen


EXTRA_LDA = """
protocol lda {{
  mail_plugins = $mail_plugins sieve
}}
plugin {{
  sieve_plugins = sieve_extprograms
  sieve_extensions = +vnd.dovecot.pipe +editheader
  sieve_pipe_bin_dir = {dir}/bin
  sieve_before = {dir}/before.sieve
}}
"""


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_flags_of_deliveries_that_fail_as_pigeonhole(make_server, make_dovecot):
    """Or whose program has had the mail from another script already."""
    ours = lda_flags(make_server(start=False), f'{PREFIX}/libexec/dovetail/dovetail-lda')
    theirs = lda_flags(make_dovecot(start=False), '/usr/lib/dovecot/dovecot-lda')
    assert ours == theirs, differences(ours, theirs)
