# SPDX-License-Identifier: MIT
"""doveadm auth, user and pw: each option and output as Dovecot's."""
import os
import re
from pathlib import Path

import pytest

from conftest import ROOT, Dovecot, Server, finish, have_user
from test_auth import EXTRA, prepare

WORDS = """\
auth test alice secret
auth test alice wrong
auth test nobody-here secret
auth test ALICE secret
auth test other secret
auth test nologin secret
auth test nets secret
auth test -x rip=10.1.2.3 nets secret
auth test -x real_rip=10.1.2.3 nets secret
auth test -x service=imap -x lip=127.0.0.1 -x lport=143 -x rport=1234 alice secret
auth test -x session=abc -x local_name=x.example -x client_id=foo alice secret
auth test -x foo=bar alice secret
auth test -x foo alice secret
auth test -x service alice secret
auth test -x rip=what alice secret
auth test -M admin alice adminpw
auth test -M admin alice wrong
auth test -M alice alice secret
auth test bad secret
auth test off x
auth test free x
auth test nodelay secret
auth test noids secret
auth test slow secret
auth test alice*admin adminpw
auth test
auth test alice secret more
auth test -y alice secret
auth test -a RUN/auth-client alice secret
auth -f json test alice secret
auth login alice secret
auth login alice wrong
auth login ALICE secret
auth login nobody-here secret
auth login -M admin alice adminpw
auth login -M admin alice wrong
auth login -x service=imap -x rip=127.0.0.1 nodelay secret
auth login -x rip=10.0.0.1 nets secret
auth login noids secret
auth login alice secret more
auth login -a RUN/auth-login -m RUN/auth-master alice secret
auth login
auth lookup alice
auth lookup ALICE
auth lookup alice nobody-here
auth lookup nobody-here alice
auth lookup nobody-here
auth lookup alice other
auth lookup alice*admin
auth lookup -f user alice
auth lookup -f user alice other
auth lookup -f nothing alice
auth lookup -f nothing nobody-here
auth lookup -f user nobody-here
auth lookup -x service=imap alice
auth lookup -x rip=10.0.0.1 nets
auth lookup -x rip=127.0.0.1 nets
auth lookup -x foo=bar alice
auth lookup -x foo alice
auth lookup -x rip=what alice
auth lookup -x lport=x alice
auth lookup -x lport=70000 alice
auth lookup -x real_rip=10.0.0.1 alice
auth lookup -a RUN/auth-master alice
auth lookup nologin
auth lookup free
auth lookup
auth cache flush
auth cache flush alice
auth cache flush alice bob
auth cache flush -a RUN/auth-master
auth cache flush -x
auth cache
auth nothing
auth
user alice
user ALICE
user nobody-here
user -f home alice
user -f uid alice
user -f nothing alice
user -f home alice slow
user -f home nobody-here
user -f home nobody-here alice
user -u alice
user -u noids
user -u alice nobody-here
user -u -f home alice
user -u -f uid noids
user -x service=imap alice
user -x service alice
user -x foo=bar alice
user -x foo alice
user -x rip=what alice
user -e %u alice
user -e %{userdb:home} alice
user -e %h-%u-%n-%d alice
user -e %u nobody-here
user -e %u -f home alice
user *
user a*
user no*
user xyz*
user alice *
user a* alice
user a* b*
user -f home a*
user -u a*
user ?lice
user -a RUN/auth-userdb alice
user -a RUN/auth-master alice
user nodelay
user off
user alice*admin
user
user -q alice
-f json user alice
-f tab user alice
-f table user alice
-f flow user alice
-f pager user alice
-o auth_verbose=yes user alice
pw -s PLAIN -p x
pw -s plain -p x
pw -s NOTHING -p x
pw -s SHA256 -p x
pw -s SHA256.hex -p x
pw -s SHA256.HEX -p x
pw -s SHA256.b64 -p x
pw -s SHA256.base64 -p x
pw -s SHA256.foo -p x
pw -s PLAIN.hex -p x
pw -s PLAIN.b64 -p x
pw -s SHA -p x -V
pw -s SHA1.hex -p x -V
pw -s SHA512 -p x -V
pw -s PLAIN-MD5 -p x -V
pw -s LDAP-MD5 -p x -V
pw -s PLAIN-MD4 -p x -V
pw -s LANMAN -p x -V
pw -s NTLM -p x -V
pw -s RPA -p x -V
pw -s CRAM-MD5 -p x -V
pw -s HMAC-MD5 -p x
pw -s DIGEST-MD5 -p x -u alice
pw -s DIGEST-MD5 -p x -u alice@x.example -V
pw -s CLEAR -p x
pw -s CLEARTEXT -p x
pw -s DES-CRYPT -p x -r 5 -t {PLAIN}x
pw -t {PLAIN}x -p x
pw -t {PLAIN}x -p y
pw -t {plain}x -p x
pw -t x -p x
pw -t {SHA256}LXEWQrcmsEQBYnygM+8Tw8yJ8gOIXyO+FNZ4EcJ+8IE= -p x
pw -t {SHA256.hex}2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 -p x
pw -t {SHA512-CRYPT}$6$x$y -p x
pw -t {BLF-CRYPT}$2y$05$t5LwPgzdo66Vj5muWp3ZKequyPpExXW7/LrD6GG1ZqXccYTVcLuAq -p secret
pw -t {CRYPT}$2y$05$t5LwPgzdo66Vj5muWp3ZKequyPpExXW7/LrD6GG1ZqXccYTVcLuAq -p secret
pw -t {CRYPT}* -p x
pw -t {DIGEST-MD5}71ee8ff9f4d0de0f67bdb7e1e8ac3fd1 -p x -u alice
pw -t {MD5-CRYPT}$1$abcdefgh$x -p x
pw -r 0 -s PLAIN -p x
pw -r 4 -s PLAIN -p x
pw -p x more
pw -y
"""


@pytest.fixture(scope='module')
def both(tls):
    if not ROOT or not os.path.exists('/usr/sbin/dovecot') or not have_user('dovenull'):
        pytest.skip("needs Debian's Dovecot, and root")
    extra = EXTRA.replace('auth_failure_delay = 1 secs', 'auth_failure_delay = 0')
    pair = [prepare(kind(tls, 'passdb {\n}\n', 'imap'), extra).start() for kind in (Server, Dovecot)]
    yield pair
    finish(pair[0])
    pair[1].stop()
    pair[1].remove()


def answer(server, line):
    got = server.doveadm(*[word.replace('RUN/', f'{server.dir}/run/') for word in line.split(' ')], input='', timeout=60)
    # An empty field of a passwd-file is a field without name in Dovecot: lines of blanks.
    text = [re.sub(r'(?m)^ +\n', '', part.replace(server.dir, 'DIR')) for part in (got.stdout, got.stderr)]
    return got.returncode, *text


# Not here: messages of sockets that are not there, errors with status 0 and what Dovecot's two ways to stdout mix up.
@pytest.mark.parametrize('family', ['auth', 'user', 'pw', '-'])
def test_as_dovecot(both, family):
    different = []
    for line in WORDS.splitlines():
        if line.startswith(family):
            ours, theirs = (answer(server, line) for server in both)
            different += [(line, ours, theirs)] if ours != theirs else []
    assert not different, "\n".join(map(str, different))


def test_where_we_differ(both):
    """An error is none of the answer, and has a status."""
    one = both[0]
    assert answer(one, 'user -e %{nothing} alice') == (64, '', 'Error: Failed to expand %{nothing}: Unknown variable \'%nothing\'\n')
    assert answer(one, 'user noids') == (0, 'field\tvalue\nuid\t\ngid\t\nhome\t\nmail\tmaildir:~/Maildir\n', '')
    assert answer(one, 'auth cache flush -a RUN/nothing')[0] == 75
    assert answer(one, 'pw -l')[1].split()[:-1] == answer(both[1], 'pw -l')[1].split()
    for line in ('pw -r 3 -s BLF-CRYPT -p x', 'pw -r 999 -s SHA512-CRYPT -p x', 'pw -r 999 -s SHA256-CRYPT -p x'):
        ours, theirs = (answer(server, line) for server in both)
        assert ours[0] == theirs[0] and ours[1].split('$')[:3] == theirs[1].split('$')[:3], line


PLACES = """\
mail_home = /home/%d/%n/%i
mail_location = LOCATION
userdb {
  driver = static
  args = uid=65534 gid=65534 foo=bar allow_all_users=yes FIELD
}
"""


@pytest.mark.parametrize('location, field', [
    ('maildir:/x/%u/%h/%{gid}/%s/%{userdb:foo}/%{userdb:no:d}/%{auth_user}/%r/%l/%2.26Hu/%{if;%n;eq;alice;y}', ''), ('maildir:~/M', 'mail=m:~/%%u'),
    ('maildir:~/M', 'mail_location=maildir:~/z'), ('maildir:~/M', 'home=/srv/./x'), ('maildir:~/%{nothing}', ''), ('maildir:~/%{if;x}', 'home=/h')])
def test_places_as_in_dovecot(make_server, make_dovecot, location, field):
    """Home and mail are those of a session; where they cannot be told nothing is, and doveadm fails."""
    said = []
    for make in (make_server, make_dovecot):
        one = make('', 'imap', start=False)
        text = Path(one.config).read_text().replace('mail_location = maildir:~/Maildir\n', '')
        text = re.sub(r'userdb \{.*?\n\}\n', '', text, flags=re.S)
        Path(one.config).write_text(text + PLACES.replace('LOCATION', location).replace('FIELD', field))
        one.start()
        said.append([])
        for args in (['alice@x.example'], ['-f', 'home', 'alice@x.example'], ['-u', 'alice@x.example'],
                     ['-x', 'rip=1.2.3.4', '-x', 'lip=5.6.7.8', '-f', 'mail', 'alice@x.example']):
            got = one.doveadm('user', *args)
            said[-1].append((got.returncode, got.stdout))
            if one.label == 'dovetail' and got.returncode != 0:
                assert got.stderr.startswith('doveadm(alice@x.example): Error: mail_location: ')
    assert said[0] == said[1]
