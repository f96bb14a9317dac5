# SPDX-License-Identifier: MIT
"""passdb and userdb dict: files, and Dovecot's dict service; the same answers as Dovecot's."""
import os
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY, Dovecot
from test_auth import Client, Master, without

EXTRA = """\
auth_mechanisms = plain
auth_username_chars =
auth_failure_delay = 0
auth_verbose = yes
passdb {
  driver = dict
  args = DIR/dict-auth.conf.ext
}
userdb {
  driver = dict
  args = DIR/dict-auth.conf.ext
}
dict {
  users = file:DIR/data/dict
}
service dict {
  unix_listener dict {
    mode = 0666
  }
}
""" + AUTH_CLIENT + NO_PENALTY
SETTINGS = """\
uri = URI
default_pass_scheme = PLAIN
iterate_prefix = userdb/
iterate_disable = no
key passdb {
  key = passdb/%u
  format = json
}
key userdb {
  key = userdb/%u
  format = json
}
key quota {
  key = quota/%u
  default_value = 100M
}
passdb_objects = passdb
userdb_objects = userdb
passdb_fields {
  userdb_mail = maildir:~/%{dict:passdb.mail}
}
userdb_fields {
  quota_rule = *:storage=%{dict:quota}
  mail = maildir:%{dict:userdb.home}/Mail
}
"""
ENTRIES = {
    'passdb/alice': '{"password": "secret", "userdb_home": "/p/alice", "mail": "M"}', 'userdb/alice': '{"uid": 7001, "gid": 7002, "home": "/h/alice"}',
    'quota/alice': '5G', 'passdb/bob': '{"password": "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=", "nodelay": true}',
    'userdb/bob': '{"uid": "7003", "gid": "7002", "home": "/h/bob", "number": 1.5, "no": null}', 'passdb/broken': '{"password": ',
    'passdb/list': '["secret"]', 'passdb/empty': '{}', 'userdb/broken': 'x', 'passdb/none': '{"nopassword": "y"}'}


def write(server, uri):
    os.chmod(server.dir, 0o755)
    Path(server.dir, 'data').mkdir()
    lines = ''
    for key, value in ENTRIES.items():
        lines += f'shared/{key}\n{value}\n'
        path = Path(server.dir, 'data', key)
        path.parent.mkdir(exist_ok=True)
        path.write_text(value)
    Path(server.dir, 'data', 'dict').write_text(lines)
    os.chmod(f'{server.dir}/data', 0o777)
    Path(server.dir, 'dict-auth.conf.ext').write_text(SETTINGS.replace('URI', uri.replace('DIR', server.dir)))
    server.extra = EXTRA.replace('DIR', server.dir)
    server.write_config()
    return server


def answers(server):
    client, master, found = Client(server), Master(server), []
    for user, password in (('alice', 'secret'), ('alice', 'wrong'), ('bob', 'secret'), ('nobody', 'secret'), ('broken', 'secret'),
                           ('list', 'secret'), ('empty', ''), ('none', 'x'), ('../userdb/alice', 'x'), ('', 'x')):
        found.append(without(client.plain(user, password), 'original_user=').split('\t'))
    for number, user in enumerate(('alice', 'bob', 'nobody', 'broken', 'empty'), 1):
        found.append(master.ask(f'USER\t{number}\t{user}\tservice=imap').split('\t'))
    return [line[:2] + sorted(line[2:]) for line in found]


WANTED = [['OK', '1', 'mail=M', 'user=alice'], ['FAIL', '2', 'user=alice'], ['OK', '3', 'nodelay=true', 'user=bob'], ['FAIL', '4', 'user=nobody'],
          ['FAIL', '5', 'code=temp_fail', 'user=broken'], ['FAIL', '6', 'code=temp_fail', 'user=list'],
          ['FAIL', '7', 'user=empty'], ['OK', '8', 'user=none'], ['FAIL', '9', 'user=../userdb/alice'], ['FAIL', '10', 'user='],
          ['USER', '1', 'alice', 'gid=7002', 'home=/h/alice', 'mail=maildir:/h/alice/Mail', 'quota_rule=*:storage=5G', 'uid=7001'],
          ['USER', '2', 'bob', 'gid=7002', 'home=/h/bob', 'mail=maildir:/h/bob/Mail', 'number=1.5', 'quota_rule=*:storage=100M', 'uid=7003'],
          ['NOTFOUND', '3'], ['FAIL', '4'], ['NOTFOUND', '5']]


@pytest.mark.parametrize('uri', ('file:DIR/data/dict', 'fs:posix:prefix=DIR/data/'))
def test_users_of_a_file(make_server, uri):
    one = write(make_server('passdb {\n}\n', 'imap', start=False), uri).start()
    got = answers(one)
    assert [line for line in zip(got, WANTED) if line[0] != line[1]] == []
    assert sorted(one.doveadm('user', '*').stdout.split()) == ['alice', 'bob', 'broken']
    assert one.wait_log(r'dict\(nobody,127.0.0.1,<S>\): unknown user\n')


def test_where_files_are_as_in_dovecot(make_server, make_dovecot):
    """"shared/" of a key is no directory of fs:posix."""
    said = [answers(write(make('passdb {\n}\n', 'imap', start=False), 'fs:posix:prefix=DIR/data/').start())
            for make in (make_server, make_dovecot)]
    assert said[0] == said[1] == WANTED


def test_the_dict_service(make_server, make_dovecot, tls):
    """Dovecot's own dict process, asked by ours; and what its auth makes of the same."""
    theirs = Dovecot(tls, 'passdb {\n}\n', 'imap')
    try:
        write(theirs, 'proxy::users').start()
        one = write(make_server('passdb {\n}\n', 'imap', start=False), f'proxy:{theirs.dir}/run/dict:users').start()
        assert [line for line in zip(answers(one), WANTED) if line[0] != line[1]] == []
        assert sorted(one.doveadm('user', '*').stdout.split()) == ['alice', 'bob', 'broken']
        different = [line for line in zip(WANTED, answers(theirs)) if line[0] != line[1]]
        assert different == [], theirs.log_text()
        theirs.stop()
        assert Client(one).plain('alice', 'secret') == 'FAIL\t1\tuser=alice\tcode=temp_fail'
    finally:
        theirs.stop()
        theirs.remove()


@pytest.mark.parametrize('text, complaint', [('key a {\n', "'}' is missing"), ('uri = nothing:x\n', 'Unknown dict'), ('bad { \nx = y\n}\n', 'Unknown section'),
                                             ('key a {\nkey = x\nb = c\n}\n', 'Unknown setting: b'), ('uri = file:x\npassdb_objects = b\n', 'key b is not defined'),
                                             ('', 'uri is not set')])
def test_bad_files_are_named(make_server, text, complaint):
    one = write(make_server('passdb {\n}\n', 'imap', start=False), '')
    Path(one.dir, 'dict-auth.conf.ext').write_text(text)
    one.start()
    assert one.wait_log(f'dict-auth.conf.ext.*{complaint}')
    one.forgive('dict-auth.conf.ext')
