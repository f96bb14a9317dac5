# SPDX-License-Identifier: MIT
"""Far from UTC: times and days are those of Debian's Dovecot, in sessions, for doveadm and for scripts."""
import re
import time
from pathlib import Path

import pytest

from imap_lines import Lines
from lmtp_lines import Lmtp
from test_delivery_sieve import EXTRA, PIGEONHOLE, script

APPENDED = ['01-Jan-2024 23:30:00 -0500', '02-Jan-2024 03:30:00 +0000', '02-Jan-2024 05:30:00 +0000', '01-Jul-2024 22:30:00 -0400',
            '02-Jul-2024 03:30:00 +0000', '02-Jul-2024 04:30:00 +0000', '03-Nov-2024 05:30:00 +0000', '03-Nov-2024 06:30:00 +0000',
            '10-Mar-2024 06:59:59 +0000', '10-Mar-2024 07:00:00 +0000', '01-Jan-1970 00:00:00 +0000']
DAYS = ['31-Dec-1969', '1-Jan-1970', '1-Jan-2024', '2-Jan-2024', '3-Jan-2024', '10-Mar-2024', '1-Jul-2024', '2-Jul-2024', '3-Nov-2024']
# Days as 2024-01-02 are left out: Dovecot counts the zone twice there.
QUERIES = ['since 02-Jan-2024', 'before 02-Jan-2024', 'on 01-Jul-2024', 'since 1704171600', 'sentsince 03-Jan-2024', 'before 02-Jul-2024',
           'on 01-Jan-1970', 'senton 05-Jan-2024', 'since 03-Nov-2024', 'before 10-Mar-2024']
PARTS = ['year', 'month', 'day', 'date', 'julian', 'hour', 'zone', 'std11', 'iso8601', 'weekday']


@pytest.fixture
def zone(request, monkeypatch):
    """Of this process, too, whose children the servers are."""
    monkeypatch.setenv('TZ', request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def mail(i):
    return b'From: a@b.example\r\nDate: Tue, %02d Jan 2024 23:%02d:00 +0900\r\nSubject: %d\r\n\r\nx\r\n' % (i % 9 + 1, i, i)


def talk(server):
    client = Lines(server.port('imap'), 'alice')
    for i, date in enumerate(APPENDED):
        client.command('APPEND INBOX "%s" {%d+}\r\n%s' % (date, len(mail(i)), mail(i).decode()))
    client.command('SELECT INBOX')
    seen = [client.command('FETCH 1:* (INTERNALDATE)')[:-1]]
    for key in ('ON', 'BEFORE', 'SINCE', 'SENTON', 'SENTBEFORE', 'SENTSINCE'):
        seen += [(key, day, client.command(f'SEARCH {key} {day}')[:-1]) for day in DAYS]
    client.command('CREATE Copies')
    client.command('COPY 1:* Copies')
    client.command('SELECT Copies')
    seen.append(client.command('FETCH 1:* (INTERNALDATE)')[:-1])
    client.logout()
    seen.append(server.doveadm('-f', 'tab', 'fetch', '-u', 'alice', 'date.received date.received.unixtime date.sent date.sent.unixtime',
                               'mailbox', 'INBOX').stdout)
    for query in QUERIES:
        seen.append((query, server.doveadm('-f', 'tab', 'fetch', '-u', 'alice', 'uid', 'mailbox', 'INBOX', *query.split()).stdout))
    return seen


@pytest.mark.parametrize('zone', ['America/New_York', 'Asia/Kolkata'], indirect=True)
def test_sessions_and_doveadm(zone, make_server, make_dovecot):
    ours, theirs = talk(make_server()), talk(make_dovecot())
    for one, other in zip(ours, theirs):
        assert one == other


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
@pytest.mark.parametrize('zone', ['America/Bogota', 'Asia/Kolkata'], indirect=True)
def test_scripts_and_what_they_leave(zone, make_server, make_dovecot):
    """Zones without summer: Dovecot takes today's difference from UTC for all times."""
    text = 'require ["date", "variables", "fileinto", "mailbox"];\n'
    for test, name in (('date', 'a'), ('date :originalzone', 'b'), ('date :zone "+0330"', 'c'), ('currentdate', 'd')):
        header = '' if test == 'currentdate' else '"date" '
        for part in PARTS if name != 'd' else ['zone']:
            text += f'if {test} :matches {header}"{part}" "*" {{ fileinto :create "{name} {part} ${{1}}"; }}\n'
    seen = []
    for make in (make_server, make_dovecot):
        server = make(EXTRA.format(port=1, plugin='sieve_max_actions = 100'))
        script(server, 'alice', text)
        client = Lmtp(server.port('lmtp'))
        assert client.deliver(b'Date: Tue, 02 Jul 2024 23:30:00 +0900\n\nx\n', 'alice')[0].startswith('250')
        client.close()
        boxes = sorted(server.doveadm('mailbox', 'list', '-u', 'alice').stdout.splitlines())
        received = next(Path(server.home('alice'), 'Maildir').glob('.*/new/*')).read_text()
        seen.append((boxes, re.search(r'Received:.*?([+-]\d{4})\n', received, re.S)[1]))
    for one, other in zip(seen[0][0], seen[1][0]):
        assert one == other
    assert seen[0] == seen[1] and len(seen[0][0]) > 30
    assert seen[0][1] == time.strftime('%z')
