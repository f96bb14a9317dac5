# SPDX-License-Identifier: MIT
"""Names of mailboxes that become those of other mailboxes, while sessions have them open."""
import pytest

from imap_lines import Lines

MAIL = b'From: a@x.example\r\nSubject: x\r\n\r\ntext\r\n'
LOCATIONS = ['maildir:~/Maildir', 'maildir:~/Maildir:LAYOUT=fs', 'mbox:~/mail', 'mbox:~/mail:LAYOUT=maildir++']


@pytest.mark.parametrize('location', LOCATIONS)
@pytest.mark.parametrize('command', ['NOOP', 'MOVE 1 INBOX', r'STORE 3 +FLAGS (\Deleted)', 'EXPUNGE'])
def test_a_session_does_not_take_another_mailbox_for_its_own(make_server, location, command):
    """It brought what is in the new one into the index of the renamed one: flags that mbox had not written yet were
    lost, and the whole index was made anew."""
    server = make_server(f'mail_location = {location}\n')
    other = Lines(server.port('imap'), 'alice')
    other.ok('CREATE a')
    for _ in range(3):
        other.append('a', MAIL)
    client = Lines(server.port('imap'), 'alice')
    client.ok('SELECT a')
    client.ok(r'STORE 1:2 +FLAGS (\Flagged kw)')
    other.ok('RENAME a z')
    other.ok('CREATE a')
    other.append('a', MAIL)
    with pytest.raises((EOFError, BrokenPipeError, ConnectionResetError)):
        for _ in range(3):
            client.command(command)
    other.ok('SELECT z')
    flags = b' '.join(other.ok('FETCH 1:2 FLAGS')[:-1])
    # A move may have been in time.
    assert flags.count(rb'\Flagged') == flags.count(b'kw') == (1 if b'MESSAGES 1' in other.ok('STATUS INBOX (MESSAGES)')[0] else 2)
    assert b'MESSAGES 1 ' in other.ok('STATUS a (MESSAGES UIDNEXT)')[0]
    other.logout()


@pytest.mark.parametrize(('location', 'commands'), [
    ('maildir:~/Maildir', ['DELETE a']), ('maildir:~/Maildir', ['DELETE a', 'CREATE a']), ('mbox:~/mail', ['DELETE a']),
    ('mbox:~/mail', ['DELETE a', 'CREATE a']), ('mbox:~/mail', ['RENAME a z']), ('mbox:~/mail', ['RENAME a z', 'CREATE a'])])
def test_who_idles_is_told_at_once(make_server, location, commands):
    """The file of an mbox is not gone before the session closes it. Not here: a Maildir that is renamed, which has the
    same new mails under its new name."""
    server = make_server(f'mail_location = {location}\n')
    other = Lines(server.port('imap'), 'alice')
    other.ok('CREATE a')
    other.append('a', MAIL)
    client = Lines(server.port('imap'), 'alice')
    client.ok('SELECT a')
    client.ok(r'STORE 1 +FLAGS (\Flagged kw)')
    client.idle()
    for command in commands:
        other.ok(command)
    client.wait_for(rb'BYE Selected mailbox was deleted', 5)
    if 'RENAME a z' in commands:
        other.ok('SELECT z')
        assert rb'\Flagged kw' in other.ok('FETCH 1 FLAGS')[0]
    other.logout()
