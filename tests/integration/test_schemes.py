# SPDX-License-Identifier: MIT
"""Password schemes: for the same file of credentials both servers give the same answer to the same passwords.

DOVETAIL_CASES=2000 makes more of them."""
import base64
import hashlib
import os
import random
import subprocess
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY, ROOT, Dovecot, Server, finish, have_user
from test_auth import Client

CASES = int(os.environ.get('DOVETAIL_CASES', 300))
EXTRA = """\
auth_mechanisms = plain
auth_failure_delay = 0
passdb {
  driver = passwd-file
  args = scheme=CRYPT username_format=%u DIR/hashes
}
""" + AUTH_CLIENT + NO_PENALTY
ROUNDS = {'BLF-CRYPT': '4', 'CRYPT': '4', 'SHA256-CRYPT': '1000', 'SHA512-CRYPT': '1000', 'PBKDF2': '100', 'SCRAM-SHA-1': '4096',
          'SCRAM-SHA-256': '4096', 'ARGON2I': '3', 'ARGON2ID': '1'}
SLOW = ('ARGON2I', 'ARGON2ID', 'SCRAM-SHA-1', 'SCRAM-SHA-256', 'OTP', 'BLF-CRYPT')
DIGESTS = {'SHA1': 'sha1', 'SHA': 'sha1', 'SHA256': 'sha256', 'SHA512': 'sha512', 'PLAIN-MD5': 'md5', 'LDAP-MD5': 'md5', 'MD5': 'md5'}
SALTED = {'SSHA': 'sha1', 'SSHA256': 'sha256', 'SSHA512': 'sha512', 'SMD5': 'md5'}
PASSWORDS = ['secret', 'x', 'päss wörd', 'p' * 72 + 'tail', 'a' * 130, '{PLAIN}x', '$1$x', '12345678', '123456789', 'tab;pipe|', '']


def pw(tool, scheme, password, user):
    rounds = ('-r', ROUNDS[scheme]) if scheme in ROUNDS else ()
    done = subprocess.run([*tool, 'pw', '-s', scheme, '-p', password, '-u', user, *rounds], capture_output=True, text=True,
                          check=False)
    return done.stdout.strip()


def digest(rnd, password):
    """A digest, maybe salted, in one of its encodings."""
    table = rnd.choice((DIGESTS, SALTED))
    scheme = rnd.choice(sorted(table))
    salt = rnd.randbytes(rnd.choice((0, 1, 4, 8, 16))) if table is SALTED else b''
    octets = hashlib.new(table[scheme], password.encode() + salt).digest() + salt
    text = rnd.choice((base64.b64encode(octets).decode(), octets.hex(), octets.hex().upper()))
    encoding = rnd.choice(('', '', '.b64', '.base64', '.hex', '.HEX', '.B64', '.foo'))
    return f'{{{rnd.choice((scheme, scheme.lower()))}{encoding}}}{text}'


def damage(rnd, stored):
    """Now and then a hash is not what it was."""
    at = rnd.randrange(len(stored) + 1) if stored else 0
    match rnd.randrange(12):
        case 0:
            return stored[:at]
        case 1:
            return stored[:at] + rnd.choice('A$./=,0 ') + stored[at:]
        case 2:
            return stored[:at] + stored[at + 1:]
        case 3:
            return stored.partition('}')[2]
        case 4:
            return stored + rnd.choice(('=', 'AAAA', '$', '01', ' '))
    return stored


def make_cases(rnd, tools):
    """(stored, password given), one for each user u0, u1, ..."""
    schemes = subprocess.run([*tools[0], 'pw', '-l'], capture_output=True, text=True, check=True).stdout.split()
    made, cases = [], []
    for number in range(max(len(schemes) * 2, CASES // 8)):
        scheme, password = schemes[number % len(schemes)], rnd.choice(PASSWORDS)
        if number >= 2 * len(schemes) and scheme in SLOW:
            continue
        encoding = rnd.choice(('', '', '.hex', '.b64'))
        made.append((scheme + encoding, password, number, rnd.choice(tools)))
    hashes = [(password, number, pw(tool, scheme, password, f'u{number}')) for scheme, password, number, tool in made]
    for number in range(CASES):
        password, user, stored = hashes[number % len(hashes)]
        if number >= len(hashes) and rnd.random() < 0.6:
            password = rnd.choice(PASSWORDS)
            stored = digest(rnd, password)
        elif number >= len(hashes) and not stored.startswith('{DIGEST'):
            stored = damage(rnd, stored)
        if stored.startswith('{DIGEST') and user != number:
            stored = '{PLAIN}' + password
        given = password if rnd.random() < 0.6 else rnd.choice((password + 'x', password[:-1], rnd.choice(PASSWORDS)))
        cases.append((stored, given))
    return cases


def answers(server, cases):
    """What each login gives: OK, FAIL, or FAIL with its code."""
    client, found = Client(server), {}
    for number, (_, given) in enumerate(cases):
        text = base64.b64encode(f'\0u{number}\0{given}'.encode()).decode()
        client.send(f'AUTH\t{number + 1}\tPLAIN\tservice=imap\tresp={text}')
        if number % 50 == 49 or number == len(cases) - 1:
            while len(found) <= number:
                words = client.line(120).split('\t')
                found[int(words[1])] = ' '.join([words[0], *(word for word in words if word.startswith('code='))])
    return [found[number + 1] for number in range(len(cases))]


@pytest.mark.skipif(not ROOT or not os.path.exists('/usr/sbin/dovecot') or not have_user('dovenull'),
                    reason="needs Debian's Dovecot, and root")
def test_answers_are_those_of_dovecot(tls, tmp_path):
    (tmp_path / 'empty.conf').write_text('')
    ours, theirs = Server(tls, EXTRA, 'imap'), Dovecot(tls, EXTRA, 'imap')
    tools = [[server.commands()[1], '-c', str(tmp_path / 'empty.conf')] for server in (theirs, ours)]
    cases = make_cases(random.Random(CASES), tools)
    got = []
    try:
        for server in (ours, theirs):
            server.extra = EXTRA.replace('DIR', server.dir)
            server.write_config()
            lines = [f"u{number}:{stored.replace(':', chr(92) + ':')}\n" for number, (stored, _) in enumerate(cases)]
            Path(server.dir, 'hashes').write_text(''.join(lines))
            got.append(answers(server.start(), cases))
    finally:
        theirs.stop()
        theirs.remove()
        finish(ours)
    different = [(case, *pair) for case, *pair in zip(cases, *got) if pair[0] != pair[1]]
    assert not different, '\n'.join(map(str, different[:50]))
    assert 0.3 < got[0].count('OK') / len(cases) < 0.9
