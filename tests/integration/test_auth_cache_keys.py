# SPDX-License-Identifier: MIT
"""What auth remembers of one login serves no other one that would have got another answer."""
from pathlib import Path

import pytest

from conftest import AUTH_CLIENT, NO_PENALTY
from databases import Slapd
from http_double import Double
from test_auth import Client, Master
from test_auth_ldap import ENTRY, LDIF
from test_auth_ldap import SETTINGS as LDAP
from test_auth_oauth2 import answer, oauth

EXTRA = """\
auth_mechanisms = plain oauthbearer
auth_failure_delay = 0
auth_cache_size = 1M
auth_cache_ttl = 1h
auth_debug = yes
passdb {
  driver = DRIVER
  args = DIR/conf.ext
}
userdb {
  driver = USERDB
  args = DIR/conf.ext
}
""" + AUTH_CLIENT + NO_PENALTY
DICT = """\
uri = file:DIR/dict
default_pass_scheme = PLAIN
key passdb {
  key = %u
  format = json
}
passdb_objects = passdb
userdb_objects = passdb
passdb_fields {
  from = %{rip}
}
userdb_fields {
  to = %{lip}
}
"""
OAUTH2 = 'tokeninfo_url = URL/info?token=\npass_attrs = from=%{rip} team=%{oauth2:team}\n'


def start(make_server, driver, userdb, text):
    one = make_server('passdb {\n}\n', 'imap', start=False)
    one.extra = EXTRA.replace('DRIVER', driver).replace('USERDB', userdb).replace('DIR', one.dir)
    Path(one.dir, 'conf.ext').write_text(text.replace('DIR', one.dir))
    Path(one.dir, 'dict').write_text('shared/alice\n{"password": "secret", "uid": "7001"}\n')
    one.write_config()
    return one.start()


def test_templates_of_dict(make_server):
    one = start(make_server, 'dict', 'dict', DICT)
    client, master = Client(one), Master(one)
    for ip in ('192.0.2.1', '192.0.2.2', '192.0.2.1'):
        line = client.plain('alice', 'secret', extra=f'rip={ip}\tsession=S')
        assert f'from={ip}' in line.split('\t')
        assert f'to={ip}' in master.ask(f'USER\t1\talice\tservice=imap\tlip={ip}').split('\t')
    assert one.log_text().count('Lookup:') == 4


@pytest.fixture
def double():
    one = Double(answer)
    yield one
    one.close()


def test_attributes_of_oauth2(make_server, double):
    one = start(make_server, 'oauth2', 'static', OAUTH2.replace('URL', double.url))
    client = Client(one)
    for ip in ('127.0.0.1', '192.0.2.2', '127.0.0.1'):
        line = client.plain('alice', 'good', extra=f'rip={ip}\tsession=S')
        assert f'from={ip}' in line.split('\t') and 'team=red' in line.split('\t')
    assert len(double.seen) == 2
    # The same words as a token: another mechanism is asked about anew.
    assert oauth(client, 'alice', 'good')[0].startswith('OK')
    assert len(double.seen) == 3


@pytest.fixture(scope='module')
def slapd():
    one = Slapd()
    one.add(LDIF + ENTRY.replace('UID', 'alice').replace('PASSWORD', 'secret').replace('CN', 'cn'))
    yield one
    one.remove()


def test_attributes_of_entries(slapd, make_server):
    """%{ldap:cn} and %$ are of the answer: it is remembered all the same."""
    one = start(make_server, 'ldap', 'ldap', LDAP.replace('PORT', str(slapd.port)))
    client, master = Client(one), Master(one)
    for _ in range(3):
        assert 'tag=alice-cn-none' in client.plain('alice', 'secret').split('\t')
        assert 'mail=maildir:/m/alice' in master.ask('USER\t1\talice\tservice=imap').split('\t')
    assert one.log_text().count(': search: ') == 2
    assert 'Failed to expand' not in one.log_text()
