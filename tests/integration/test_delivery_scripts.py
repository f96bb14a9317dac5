# SPDX-License-Identifier: MIT
"""Deliveries by several scripts: those that are included, those in a row, those of a user's own settings."""
from pathlib import Path

from test_delivery_sieve import EXTRA, boxes, deliver, script

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
