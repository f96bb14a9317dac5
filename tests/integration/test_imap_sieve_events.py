# SPDX-License-Identifier: MIT
"""Which events run scripts (imap_sieve), and what they are told of them, as with Debian's Dovecot and Pigeonhole."""
import os

import pytest

from imap_lines import Lines
from test_delivery_sieve import PIGEONHOLE
from test_imap_sieve import append, place, told

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
