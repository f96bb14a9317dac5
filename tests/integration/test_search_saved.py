# SPDX-License-Identifier: MIT
"""What $ holds after SEARCH and SORT with RETURN (SAVE ...)."""
import pytest

from imap_lines import Lines

# What is asked for of 2:7, and what is saved: by SEARCH, by SORT (REVERSE ARRIVAL).
SAVED = {
    '': ('2 3 4 5 6 7', '2 3 4 5 6 7'),
    'MIN': ('2', '7'),
    'MIN MAX': ('2 7', '2 7'),
    'MIN COUNT': ('2 3 4 5 6 7', '2 3 4 5 6 7'),
    'PARTIAL 2:3': ('3 4', '5 6'),
    'PARTIAL 3:2': ('3 4', '5 6'),
    'PARTIAL 2:3 MIN': ('2 3 4', '5 6 7'),
    'PARTIAL 2:3 MAX': ('3 4 7', '2 5 6'),
    'PARTIAL 6:4294967295 MIN MAX': ('2 7', '2 7'),
    'PARTIAL 2:3 COUNT': ('2 3 4 5 6 7', '2 3 4 5 6 7'),
    'PARTIAL 20:30': ('', ''),
}


@pytest.fixture(scope='module')
def clients(running, running_dovecot):
    made = []
    for server in (running, running_dovecot):
        client = Lines(server.port('imap'), 'letters')
        client.command('CREATE saved')
        for day in range(1, 9):
            client.ok(f'APPEND saved "0{day}-Jan-2020 10:00:00 +0000" {{3+}}\r\nx:y')
        client.ok('SELECT saved')
        made.append(client)
    yield made
    for client in made:
        client.logout()


def numbers(line):
    return line.decode().removeprefix('* SEARCH').strip()


@pytest.mark.parametrize('wanted', SAVED)
def test_what_is_told_is_saved(clients, wanted):
    found, ordered = SAVED[wanted]
    for client in clients:
        client.ok(f'SEARCH RETURN (SAVE {wanted}) 2:7')
        assert numbers(client.ok('SEARCH $')[0]) == found
    # Dovecot takes places of the numbers instead.
    ours = clients[0]
    ours.ok(f'SORT RETURN (SAVE {wanted}) (REVERSE ARRIVAL) UTF-8 2:7')
    assert numbers(ours.ok('SEARCH $')[0]) == ordered


@pytest.mark.parametrize('wanted', SAVED)
def test_what_is_not_found_saves_nothing(clients, wanted):
    for client in clients:
        for command in ('SEARCH', 'SORT'):
            client.ok('SEARCH RETURN (SAVE) ALL')
            program = '(ARRIVAL) UTF-8 ' if command == 'SORT' else ''
            client.ok(f'{command} RETURN (SAVE {wanted}) {program}SUBJECT none')
            assert numbers(client.ok('SEARCH $')[0]) == ''
