# SPDX-License-Identifier: MIT
"""Scripts of an LDAP directory (sieve = ldap:...), with OpenLDAP's slapd."""
import os
import subprocess
from pathlib import Path

import pytest

from conftest import PREFIX, ROOT, mail_owner, open_up
from databases import Slapd, find
from test_auth_ldap import ENTRY, LDIF
from test_delivery_sieve import EXTRA, boxes, deliver

CONFIG = """\
uris = ldap://127.0.0.1:PORT
dn = cn=root,dc=x
dnpass = rootpw
base = ou=users,dc=x
sieve_ldap_filter = (&(objectClass=posixAccount)(uid=%u))
sieve_ldap_script_attr = description
"""


def entry(uid, script):
    return ENTRY.replace('PASSWORD', 'x').replace('CN', uid).replace('UID', uid) + f'description: {script}\n'


def change(slapd, uid, script):
    slapd.stop()
    slapd.run(find('slapmodify'), '-q', '-f', 'slapd.conf',
              input=f'dn: uid={uid},ou=users,dc=x\nchangetype: modify\nreplace: description\ndescription: {script}\n'.encode())
    slapd.start()


@pytest.fixture
def slapd():
    one = Slapd()
    one.add(LDIF + entry('alice', 'require "fileinto"; fileinto "one";')
            + ENTRY.replace('PASSWORD', 'x').replace('CN', 'bob').replace('UID', 'bob'))
    yield one
    one.remove()


def test_scripts_of_a_directory(slapd, make_server):
    server = make_server(start=False)
    base = Path(server.dir, 'conf')
    base.mkdir()
    open_up(base)
    config = base / 'sieve-ldap.conf'
    config.write_text(CONFIG.replace('PORT', str(slapd.port)))
    os.chmod(config, 0o644)
    (base / 'default.sieve').write_text('require "fileinto"; fileinto "default";')
    os.chmod(base / 'default.sieve', 0o644)
    server.extra = EXTRA.format(port=9, plugin=f'  sieve = ldap:{config};bindir=~/bin\n'
                                               f'  sieve_default = {base}/default.sieve\n')
    server.write_config()
    server.start()
    binary = Path(server.home('alice'), 'bin', 'default.svbin')
    assert deliver(server, 'first').startswith('250')
    made = binary.stat().st_ino
    assert deliver(server, 'second').startswith('250')
    assert binary.stat().st_ino == made
    change(slapd, 'alice', 'require "fileinto"; fileinto "two";')
    assert deliver(server, 'third').startswith('250')
    # Who has none has the default one.
    assert deliver(server, 'fourth', rcpt='bob').startswith('250')
    slapd.stop()
    assert deliver(server, 'away').startswith('451')
    slapd.start()
    server.forgive()
    assert {name: [subject for subject, _ in mails] for name, mails in boxes(server, 'alice').items()} == {
        'one': ['first', 'second'], 'two': ['third']}
    assert list(boxes(server, 'bob')) == ['default']
    # Who asks names the file, and may have written it.
    os.chmod(config, 0o666)
    assert deliver(server, 'not trusted').startswith('451')
    assert server.wait_log('others could have written it')
    os.chmod(config, 0o644)
    config.write_text('base = dc=x\nnope = y\n')
    assert deliver(server, 'wrong').startswith('451')
    assert server.wait_log('Unknown setting: nope')
    server.forgive()


@pytest.mark.skipif(not ROOT, reason='files of root')
def test_files_that_others_could_have_written(tmp_path):
    """They would include the password of another and name a server."""
    program = next(Path(PREFIX, 'libexec').rglob('sieve-ldap'))
    text = '\nuris = ldap://127.0.0.1:9\nbase = x\n'
    open_dir, link = tmp_path / 'open', tmp_path / 'link'
    open_dir.mkdir()
    (open_dir / 'conf').write_text(text)
    open_dir.chmod(0o777)
    link.symlink_to(open_dir / 'conf')
    (tmp_path / 'conf').write_text(text)
    with subprocess.Popen(['#', '-c', 'read x', text], executable='/bin/sh', stdin=subprocess.PIPE) as shell:
        for path in (f'/proc/{shell.pid}/cmdline', open_dir / 'conf', link):
            ran = subprocess.run([program, 'find', path, 'alice'], capture_output=True, text=True, check=False)
            assert 'others could have written it' in ran.stderr, (path, ran.stderr)
    ran = subprocess.run([program, 'find', tmp_path / 'conf', 'alice'], capture_output=True, text=True, check=False)
    assert ran.returncode and 'others' not in ran.stderr, ran.stderr


SCRIPT_REQUEST = 'VERSION\\tscript\\t4\\t0\\n-\\nread\\n{}\\n{}\\n\\n'
ASK = 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(sys.argv[2].encode()); ' \
      's.shutdown(socket.SHUT_WR); sys.stdout.buffer.write(s.makefile("rb").read())'


@pytest.mark.skipif(not ROOT, reason='users with UIDs of their own')
def test_whose_scripts_one_may_have(slapd, make_server):
    """The socket is for all mail processes, and so for all local users: each has his own script."""
    server = make_server(start=False)
    config = Path(server.dir, 'sieve-ldap.conf')
    config.write_text(CONFIG.replace('PORT', str(slapd.port)))
    config.chmod(0o644)
    users = Path(server.dir, 'users')
    users.write_text(users.read_text() + f'eve:{{PLAIN}}x:20001:20001::{server.home("eve")}::\n')
    server.start()
    socket = f'{server.dir}/run/sieve-ldap'

    def ask(uid, user):
        return subprocess.run(['/usr/bin/python3', '-c', ASK, socket, SCRIPT_REQUEST.format(config, user).encode().decode(
            'unicode_escape')], capture_output=True, text=True, user=uid, group=uid, extra_groups=[], check=True).stdout

    own = mail_owner()[0]
    assert 'fileinto "one"' in ask(own, 'alice') and 'fileinto "one"' in ask(0, 'alice')
    # Nor by a name that only LDAP takes for hers.
    for user in ('alice', 'ALICE', 'alice ', 'nobody-known'):
        assert ask(20001, user) in ('', '-\n'), user
    assert server.wait_log('UID 20001 has no right to the script of alice')
    os.chmod(socket, 0o777)
    assert 'fileinto "one"' in ask(20001, 'alice')
    server.forgive()
