# SPDX-License-Identifier: MIT
"""Scripts and mails that are made to hurt: a delivery ends in bounded time and memory, the log says why a script
failed, and the mail is there."""
import re
import time

import pytest

from conftest import Server, finish
from lmtp_lines import Lmtp
from test_delivery_sieve import EXTRA, mail, script

CPU_TIME = 5  # sieve_max_cpu_time below
NEST = 'if header "x" "y" {'
REPLACE = 'require ["foreverypart", "replace"];\n'
VARIABLES = 'require ["variables", "foreverypart", "mime"];\n'
MANY_PARTS = b'From: a@example.org\nSubject: parts\nContent-Type: multipart/mixed; boundary=b\n\n'

# Name, script, mail (None: a small one), what the log has; None: nothing is wrong.
SCRIPTS = [
    ('deep blocks', NEST * 20000, None, r'nested too deeply'),
    ('deep tests', 'if ' + 'not ' * 20000 + 'true { keep; }', None, r'nested too deeply'),
    ('deep lists', 'if ' + 'anyof (' * 20000, None, r'nested too deeply|error'),
    ('brackets', 'if header "a" ' + '[' * 50000, None, r'expected'),
    ('huge list', 'if header "a" [' + '"b",' * 100000 + '"c"] { discard; }', None, r'list has \d+ items'),
    ('many errors', 'nosuch;\nkeep 1;\n' * 20000, None, r'more errors are not shown'),
    ('large script', '# ' + 'x' * 70 + '\n' + 'keep;\n' * 200000, None, r'too large'),
    ('no end', 'keep; fileinto "' + 'x' * 500000, None, r'not ended'),
    ('binary', ''.join(chr(i) for i in range(1, 127)) * 1000, None, r'unexpected'),
    ('regex bomb', 'require "regex"; if header :regex "subject" "(a+)+$" { discard; }',
     b'Subject: ' + b'a' * 5000 + b'!\n\nx\n', r'too many steps'),
    ('large regex', 'require "regex"; if header :regex "subject" "' + '(a|b)' * 5000 + '" { discard; }', None,
     r'regular expression is too long'),
    ('repeated regex', 'require "regex"; if header :regex "subject" "((a{1,200}){1,200}){1,200}" { discard; }', None,
     r'regular expression'),
    ('wildcards', 'if header :matches "subject" "' + '*a' * 500 + '*b" { discard; }',
     b'Subject: ' + b'a' * 200000 + b'\n\nx\n', None),
    ('variable bomb', VARIABLES + 'set "a" "' + 'x' * 4000 + '";\n' + 'set "a" "' + '${a}' * 1000 + '";\n' * 1 +
     ('set "a" "' + '${a}' * 1000 + '";\n') * 200, None, r'string is too long'),
    ('variables', VARIABLES + ''.join(f'set "v{i}" "{"x" * 100}";\n' for i in range(1000)), None, r'exceeds the limit'),
    ('nested loops', VARIABLES + 'foreverypart { ' * 6 + 'set "a" "${a}x"; ' + '} ' * 6,
     MANY_PARTS + b'--b\nContent-Type: message/rfc822\n\nSubject: x\n\ny\n' * 3000 + b'--b--\n',
     None),
    ('replace in a loop', REPLACE + 'foreverypart { replace "' + 'x' * 1000 + '"; }',
     MANY_PARTS + b'--b\n\nx\n' * 5000 + b'--b--\n', None),
    ('many actions', 'require "fileinto";\n' + ''.join(f'fileinto "f{i}";\n' for i in range(1000)), None,
     r'number of actions'),
    ('many redirects', ''.join(f'redirect "u{i}@y.example";\n' for i in range(100)), None, r'number of redirect'),
    ('many flags', 'require ["imap4flags", "foreverypart"]; addflag "' + ' '.join(f'f{i}' for i in range(30000)) +
     '"; foreverypart { if hasflag "none" { stop; } }', MANY_PARTS + b'--b\n\nx\n' * 9000 + b'--b--\n',
     r'limit of \d+ operations|CPU time limit'),
    ('many fields to delete', 'require ["editheader", "foreverypart"]; deleteheader "X-Gone"; foreverypart { }',
     b'X-Gone: x\n' * 19000 + MANY_PARTS + b'--b\n\nx\n' * 2000 + b'--b--\n', None),
    ('mails that actions keep', 'require ["enclose", "fileinto"];\n' +
     ''.join(f'enclose "x"; fileinto "f{i}";\n' for i in range(20)), b'Subject: x\n\n' + b'x\n' * (10 << 20),
     r'changed between too many actions'),
    ('include of itself', 'require "include"; include "self";', None, r'circular'),
]
# Mails that are large in one way, with a script that looks at all of it.
LOOK = ('require ["body", "mime", "foreverypart", "variables", "fileinto", "date", "index", "relational"];\n'
        'if header :contains ["subject", "x-last", "received"] "nothing" { discard; }\n'
        'if address :contains ["from", "to", "cc"] "nothing" { discard; }\n'
        'if header :mime :anychild :contains "content-type" "nothing" { discard; }\n'
        'if body :text :contains "nothing of it" { discard; }\n'
        'if date :index 1 "received" "year" "1900" { discard; }\n'
        'foreverypart { if header :mime "x-none" "y" { discard; } }\n')
MAILS = [
    ('parts', MANY_PARTS + b'--b\n\nx\n' * 100000 + b'--b--\n'),
    ('deep parts', b'Subject: deep\n' + b''.join(
        b'Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n' % (i, i) for i in range(20000))),
    ('one long field', b'Subject: long\nX-Last: ' + b'x' * (25 << 20) + b'\n\ny\n'),
    ('many fields', b'Subject: many\n' + b'X-Last: 0123456789\n' * 600000 + b'\ny\n'),
    ('long folded field', b'Subject: folded\nTo: ' + b' a@b.example,\n' * 500000 + b' c@d.example\n\ny\n'),
    ('many addresses', b'Subject: addresses\nTo: ' + b'a@b.example,' * 200000 + b'\n\ny\n'),
    ('encoded words', b'Subject: ' + b'=?utf-8?q?a?= ' * 200000 + b'\n\ny\n'),
    ('comments', b'Subject: comments\nTo: ' + b'(' * 500000 + b'\n\ny\n'),
    ('one long line', b'Subject: line\n\n' + b'x' * (25 << 20) + b'\n'),
]


@pytest.fixture(scope='module')
def place(tls):
    server = Server(tls, EXTRA.format(port=9, plugin=f'  sieve_max_cpu_time = {CPU_TIME}s\n  sieve_extensions = +editheader\n'))
    server.start()
    yield server
    server.forgive(r'sieve|deliver|lmtp')
    finish(server)


def deliver(server, what):
    start, began = len(server.log_text()), time.monotonic()
    client = Lmtp(server.port('lmtp'), timeout=150)
    client.command('MAIL FROM:<joe@example.org>')
    client.command('RCPT TO:<alice>')
    reply = client.data(what)[0]
    client.close()
    assert reply.startswith('250 2.0.0 <alice>'), reply
    # Under sanitizers, and beside other tests, all is slower.
    assert time.monotonic() - began < 20 + 6 * CPU_TIME
    return server.log_text()[start:]


def kept(server):
    return [path.stat().st_size for path in (server.maildir('alice') / 'new').iterdir()]


@pytest.mark.parametrize('name,text,what,error', SCRIPTS, ids=[s[0] for s in SCRIPTS])
def test_hostile_script(place, name, text, what, error):
    path = script(place, 'alice', text)
    log = path.with_name(path.name + '.log')
    log.unlink(missing_ok=True)
    if name == 'include of itself':
        script(place, 'alice', 'require "include"; include "self";', 'sieve/self.sieve')
    what = what or mail('hostile')
    before = len(kept(place))
    said = deliver(place, what)
    assert len(kept(place)) == before + 1
    said += log.read_text() if log.exists() else ''
    if error is None:
        assert 'error:' not in said and 'Error:' not in said, said[:2000]
    else:
        assert re.search(error, said), said[:2000]
    assert len(said) < 100000


@pytest.mark.parametrize('name,what', MAILS, ids=[m[0] for m in MAILS])
def test_hostile_mail(place, name, what):
    script(place, 'alice', LOOK)
    before = sorted(kept(place))
    deliver(place, what)
    after = sorted(kept(place))
    assert len(after) == len(before) + 1 and sum(after) - sum(before) >= len(what) * 9 // 10


def test_a_script_that_takes_all_time_is_run_no_more(make_server):
    server = make_server(EXTRA.format(port=9, plugin='  sieve_max_cpu_time = 1s\n  sieve_max_operations = 4000000000\n'
                                                     '  sieve_resource_usage_timeout = 15s\n'))
    path = script(server, 'alice', ('if header :matches "subject" "' + '*a' * 200 + '*b" { discard; }\n') * 2000)
    log = path.with_name(path.name + '.log')
    deliver(server, b'Subject: ' + b'a' * 200000 + b'\n\nx\n')
    assert 'exceeded CPU time limit' in log.read_text()
    deliver(server, mail('two'))
    assert 'cumulative resource usage limit exceeded' in log.read_text()
    # Nor another one in its place, until some time is over.
    path.write_text('require "fileinto"; fileinto "filed";')
    deliver(server, mail('three'))
    assert len(kept(server)) == 3
    time.sleep(16)
    deliver(server, mail('four'))
    assert len(kept(server)) == 3
    server.forgive()
