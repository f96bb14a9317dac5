# SPDX-License-Identifier: MIT
"""Scripts at IMAP events (imap_sieve) and by FILTER (imap_filter_sieve), as with Debian's Dovecot and Pigeonhole."""
import os
import re
from pathlib import Path

import pytest

from conftest import open_up
from imap_lines import Lines
from sieve_lines import Sieve
from test_delivery_sieve import PIGEONHOLE, invitation, mail, script, sink  # noqa: F401

EXTRA = """
protocol imap {{
  mail_plugins = $mail_plugins imap_sieve imap_filter_sieve
}}
plugin {{
  sieve_plugins = sieve_imapsieve sieve_extprograms
  sieve_global_extensions = +vnd.dovecot.pipe +vnd.dovecot.environment +editheader
  sieve_pipe_bin_dir = {dir}/bin
  sieve_global = {dir}/sieve
{plugin}
}}
"""
EVENTS = """
  imapsieve_mailbox1_name = Spam
  imapsieve_mailbox1_causes = COPY
  imapsieve_mailbox1_before = file:{dir}/sieve/spam.sieve
  imapsieve_mailbox2_name = *
  imapsieve_mailbox2_from = Spam
  imapsieve_mailbox2_causes = COPY
  imapsieve_mailbox2_before = file:{dir}/sieve/ham.sieve
  imapsieve_mailbox3_name = drop
  imapsieve_mailbox3_causes = APPEND
  imapsieve_mailbox3_before = file:{dir}/sieve/drop.sieve
  imapsieve_mailbox4_name = INBOX
  imapsieve_mailbox4_causes = FLAG
  imapsieve_mailbox4_before = file:{dir}/sieve/flag.sieve
  imapsieve_mailbox5_name = arch*
  imapsieve_mailbox5_after = file:{dir}/sieve/after.sieve
  imapsieve_mailbox5_copy_source_after = file:{dir}/sieve/source.sieve
"""
HEAD = 'require ["vnd.dovecot.pipe", "copy", "imapsieve", "environment", "variables", "fileinto", "mailbox", ' \
       '"imap4flags", "editheader"];\n' \
       'if environment :matches "imap.user" "*" { set "user" "${1}"; }\n' \
       'if environment :matches "imap.cause" "*" { set "cause" "${1}"; }\n' \
       'if environment :matches "imap.mailbox" "*" { set "mailbox" "${1}"; }\n' \
       'if environment :matches "imap.changedflags" "*" { set "flags" "${1}"; }\n'
LEARN = 'pipe :copy "learn" ["%s", "${user}", "${cause}", "${mailbox}", "${flags}"];\n'
SCRIPTS = {
    'spam': HEAD + LEARN % 'spam',
    'ham': HEAD + 'if string "${mailbox}" "Trash" { stop; }\n' + LEARN % 'ham',
    'drop': HEAD + 'if header :is "subject" "away" { discard; }\n'
            'elsif header :is "subject" "file" { fileinto :create "filed"; }\n'
            'elsif header :is "subject" "copy" { fileinto :create :copy "copied"; }\n'
            'elsif header :is "subject" "flag" { addflag ["\\\\Flagged", "kw"]; keep; }\n'
            'elsif header :is "subject" "had" { if hasflag "\\\\Seen" { fileinto :create "seen"; } }\n'
            'elsif header :is "subject" "broken" { addflag "\\\\Draft"; fileinto "nosuch/box"; }\n',
    'flag': HEAD + 'if string :contains "${flags}" "\\\\Flagged" { ' + LEARN % 'flag' + ' fileinto :create :copy "flagged"; }',
    'after': HEAD + LEARN % 'after' + 'addflag "arrived";',
    'source': HEAD + LEARN % 'source' + 'addflag "left";',
}


def place(server, plugin=''):
    base = Path(server.dir)
    for name in ('bin', 'out', 'sieve'):
        (base / name).mkdir(exist_ok=True)
    open_up(base)
    os.chmod(base / 'out', 0o777)
    program = base / 'bin' / 'learn'
    program.write_text(f'#!/bin/sh\numask 0\n(printf "%s " "$@"; cat | grep -i subject; echo .) >>{base}/out/told\n')
    for name, text in SCRIPTS.items():
        (base / 'sieve' / f'{name}.sieve').write_text(text)
    for path in [*(base / 'bin').iterdir(), *(base / 'sieve').iterdir(), base / 'bin', base / 'sieve']:
        os.chmod(path, 0o755)
    server.extra = EXTRA.format(dir=base, plugin=plugin.format(dir=base))
    server.write_config()
    server.start()
    return base


def told(base):
    path = base / 'out' / 'told'
    if not path.exists():
        return ''
    text = path.read_text()
    path.unlink()
    return text


def append(client, box, subject, flags=b''):
    client.command(b'APPEND %s (%s) {%d+}\r\n%s' % (box, flags, len(mail(subject)), mail(subject)))


def state(client):
    """Subjects and flags of all mails, by mailbox; leaves none selected."""
    found = {}
    for line in client.command(b'LIST "" *')[:-1]:
        name = re.search(rb'" (\S+)$', line)[1]
        if b'* 0 EXISTS' not in b''.join(client.command(b'EXAMINE ' + name)):
            lines = client.command(b'FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT X-NEW)])')[:-1]
            found[name] = [(re.findall(rb'(?:Subject|X-New): (\S+)', line),
                            sorted(set(re.search(rb'FLAGS \((.*?)\)', line)[1].split()) - {rb'\Recent'}))
                           for line in lines]
    client.command(b'UNSELECT')
    return found


def bare(lines):
    return [re.sub(rb' \(0\.\d+ \+ .*', b'', re.sub(rb'\d{10}', b'N', line)) for line in lines]


def events(server):
    base, seen = place(server, EVENTS), []
    client = Lines(server.port('imap'), 'alice')
    for name in (b'Spam', b'drop', b'archive', b'Trash'):
        client.command(b'CREATE ' + name)
    for subject in ('one', 'two', 'three'):
        append(client, b'INBOX', subject)
    assert told(base) == ''
    client.command(b'SELECT INBOX')
    seen.append(bare(client.command(b'COPY 1:2 Spam')))
    seen.append(told(base))
    seen.append(bare(client.command(b'STORE 3 +FLAGS (\\Flagged x)')))
    seen.append(bare(client.command(b'STORE 2 +FLAGS (\\Answered)')))
    seen.append(bare(client.command(b'MOVE 3 Spam')))
    seen.append(told(base))
    client.command(b'COPY 1 archive')
    seen.append(sorted(told(base).split('.\n')))
    client.command(b'SELECT Spam')
    client.command(b'COPY 1 INBOX')
    client.command(b'MOVE 1 Trash')
    seen.append(told(base))
    for subject in ('away', 'file', 'copy', 'flag', 'broken', 'other'):
        append(client, b'drop', subject)
    append(client, b'drop', 'had', b'\\Seen')
    append(client, b'archive', 'new', b'\\Seen')
    seen.append(told(base))
    seen.append(state(client))
    client.close()
    server.forgive()
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_events_as_pigeonhole(make_server, make_dovecot):
    ours, theirs = events(make_server(start=False)), events(make_dovecot(start=False))
    differ = [f'{n}\n{mine}\n{other}' for n, (mine, other) in enumerate(zip(ours, theirs)) if mine != other]
    assert not differ, '\n\n'.join(differ)


USERS = """  imapsieve_url = sieve://sieve.example:4190
  imapsieve_mailbox1_name = own
  imapsieve_mailbox1_before = file:{dir}/sieve/before.sieve
  imapsieve_mailbox1_after = file:{dir}/sieve/after.sieve
"""
METADATA = """
protocol imap {
  imap_metadata = yes
}
mail_attribute_dict = file:%h/dovecot-attributes
"""
OWN = """require ["imapsieve", "environment", "variables", "imap4flags", "fileinto", "mailbox", "copy"];
if environment :matches "imap.cause" "*" { set "cause" "${1}"; }
if environment :matches "imap.changedflags" "*" { set "flags" "${1}"; }
if string "${cause}" "FLAG" {
    fileinto :create :copy "log-${flags}";
} else {
    fileinto :create :copy "log-%s-${cause}";
}
"""


def users_scripts(server):
    """Scripts that users put by ManageSieve and bind to mailboxes by METADATA."""
    base, seen = place(server, USERS), []
    server.extra += METADATA
    server.write_config()
    (base / 'sieve' / 'before.sieve').write_text('require "imap4flags"; addflag "first";')
    os.chmod(base / 'sieve' / 'before.sieve', 0o755)
    server.doveadm('reload')
    with Sieve(server.port('sieve'), 'alice') as session:
        for name in ('mine', 'server', 'broken'):
            text = OWN % name if name != 'broken' else 'require "imapsieve"; nonsense'
            seen.append(session.command(f'PUTSCRIPT "{name}" {{{len(text)}+}}\r\n{text}')[:2])
    client = Lines(server.port('imap'), 'alice')
    found = b''.join(client.command(b'CAPABILITY'))
    assert b' IMAPSIEVE=sieve://sieve.example:4190' in found
    for name in (b'own', b'empty', b'gone', b'any'):
        client.command(b'CREATE ' + name)

    def bind(box, value):
        seen.append(bare(client.command(b'SETMETADATA "%s" (/shared/imapsieve/script %s)' % (box, value))))

    bind(b'own', b'"mine"')
    append(client, b'own', 'one')
    append(client, b'any', 'two')
    seen.append(state(client))
    bind(b'', b'"server"')
    bind(b'empty', b'""')
    bind(b'gone', b'"nosuch"')
    for box in (b'own', b'any', b'empty', b'gone'):
        append(client, box, 'three')
    client.command(b'SELECT any')
    client.command(b'COPY 1 own')
    client.command(b'STORE 1 +FLAGS (\\Flagged)')
    client.command(b'FETCH 1 BODY[TEXT]')
    client.command(b'FETCH 1 BODY[TEXT]')
    seen.append(state(client))
    bind(b'', b'NIL')
    append(client, b'any', 'four')
    seen.append(state(client))
    client.close()
    server.forgive()
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_users_scripts_as_pigeonhole(make_server, make_dovecot):
    ours = users_scripts(make_server(start=False, protocols='imap sieve'))
    theirs = users_scripts(make_dovecot(start=False, protocols='imap sieve'))
    differ = [f'{n}\n{mine}\n{other}' for n, (mine, other) in enumerate(zip(ours, theirs)) if mine != other]
    assert not differ, '\n\n'.join(differ)


def test_no_user_script_without_the_url(make_server):
    server = make_server(start=False, protocols='imap sieve')
    place(server)
    server.extra += METADATA
    server.write_config()
    server.doveadm('reload')
    with Sieve(server.port('sieve'), 'alice') as session:
        assert session.command(f'PUTSCRIPT "mine" {{{len(OWN)}+}}\r\n{OWN}').startswith(b'NO')
    Path(server.home('alice'), 'sieve').mkdir(exist_ok=True)
    script(server, 'alice', OWN, 'sieve/mine.sieve')
    client = Lines(server.port('imap'), 'alice')
    assert b'IMAPSIEVE' not in b''.join(client.command(b'CAPABILITY'))
    client.command(b'SETMETADATA INBOX (/shared/imapsieve/script "mine")')
    append(client, b'INBOX', 'one')
    assert state(client) == {b'INBOX': [([b'one'], [])]}
    client.close()


def test_discarded_may_be_expunged(make_server):
    server = make_server(start=False)
    place(server, EVENTS + '  imapsieve_expunge_discarded = yes\n')
    client = Lines(server.port('imap'), 'alice')
    client.command(b'CREATE drop')
    for subject in ('away', 'other'):
        append(client, b'drop', subject)
    assert state(client) == {b'drop': [([b'other'], [])]}
    client.close()


@pytest.mark.parametrize('require', ['"processcalendar"', '["imapsieve", "processcalendar"]'])
def test_no_calendars_at_events(make_server, require):
    """RFC 9671 section 7.2, RFC 6785 section 3.11: an error, which ends the script."""
    server = make_server(start=False)
    base = place(server, EVENTS + '  sieve_extensions = +processcalendar\n'
                                  '  sieve_processcalendar_dir = {dir}/calendars\n'
                                  '  sieve_user_email = alice@mail.example\n')
    (base / 'sieve' / 'drop.sieve').write_text(f'require {require};\nprocesscalendar;\ndiscard;\n')
    client = Lines(server.port('imap'), 'alice')
    client.command(b'CREATE drop')
    text = invitation('REQUEST', 'DTSTART:20260601T120000Z')
    client.command(b'APPEND drop {%d+}\r\n%s' % (len(text), text))
    assert state(client) == {b'drop': [([b'lunch'], [])]}
    assert server.wait_log("can't be used together" if 'imapsieve' in require else 'for mail that is delivered')
    assert not (base / 'calendars').exists()
    client.close()
    server.forgive()


@pytest.mark.parametrize('name', ['envelope', 'reject', 'ereject', 'vacation'])
def test_no_deliveries_at_events(make_server, name):
    """RFC 6785 sections 3.11, 4.6: an error, which ends the script, as with Pigeonhole; ihave tells it before."""
    server = make_server(start=False)
    base = place(server, EVENTS)
    client = Lines(server.port('imap'), 'alice')
    client.command(b'CREATE drop')
    (base / 'sieve' / 'drop.sieve').write_text(f'require "{name}";\ndiscard;\n')
    append(client, b'drop', 'one')
    assert server.wait_log(f'the {name} extension cannot be used in this context')
    (base / 'sieve' / 'drop.sieve').write_text(f'require "ihave";\nif not ihave "{name}" {{ discard; }}\n')
    append(client, b'drop', 'two')
    assert state(client) == {b'drop': [([b'one'], []), ([b'two'], [rb'\Deleted'])]}
    client.close()
    server.forgive()


def test_items_of_other_events_are_empty(make_server):
    """RFC 6785 section 4.5."""
    server = make_server(start=False)
    base = place(server, EVENTS)
    (base / 'sieve' / 'drop.sieve').write_text(
        'require ["environment", "vnd.dovecot.imapsieve", "fileinto", "mailbox"];\n'
        'if allof (environment "imap.changedflags" "", environment "vnd.dovecot.mailbox-from" "drop") {\n'
        '  fileinto :create "empty";\n}\n')
    client = Lines(server.port('imap'), 'alice')
    client.command(b'CREATE drop')
    append(client, b'drop', 'one')
    assert state(client)[b'empty'] == [([b'one'], [])]
    client.close()


def test_examples_of_rfc6785(make_server, sink):
    """Section 5: a copy of what comes into a mailbox, word of what gets a flag, and the capability."""
    server = make_server(start=False)
    base = place(server, '  imapsieve_url = sieve://sieve.example\n'
                         '  imapsieve_mailbox1_name = *\n'
                         '  imapsieve_mailbox1_before = file:{dir}/sieve/copy.sieve\n'
                         '  imapsieve_mailbox2_name = *\n'
                         '  imapsieve_mailbox2_before = file:{dir}/sieve/tell.sieve\n')
    server.extra += f'submission_host = 127.0.0.1:{sink.port}\n'
    server.write_config()
    (base / 'sieve' / 'copy.sieve').write_text(
        'require ["copy", "environment", "imapsieve"];\n'
        'if anyof (environment :is "imap.cause" "APPEND", environment :is "imap.cause" "COPY") {\n'
        '  if environment :is "imap.mailbox" "Tasks" { redirect :copy "tasks@team.example"; }\n}\n')
    (base / 'sieve' / 'tell.sieve').write_text(
        'require ["enotify", "imap4flags", "variables", "environment", "imapsieve"];\n'
        'if environment :matches "imap.mailbox" "*" { set "where" "${1}"; }\n'
        'if allof (hasflag "\\\\Flagged", environment :contains "imap.changedflags" "\\\\Flagged") {\n'
        '  notify :message "See ${where}" "mailto:ada@team.example";\n}\n')
    for path in (base / 'sieve').iterdir():
        os.chmod(path, 0o755)
    server.doveadm('reload')
    client = Lines(server.port('imap'), 'alice')
    assert b' IMAPSIEVE=sieve://sieve.example' in b''.join(client.command(b'CAPABILITY'))
    client.command(b'CREATE Tasks')
    append(client, b'Tasks', 'one')
    append(client, b'INBOX', 'two')
    client.command(b'SELECT INBOX')
    for change in (b'+FLAGS (\\Seen)', b'+FLAGS (\\Flagged)', b'-FLAGS (\\Seen)', b'-FLAGS (\\Flagged)'):
        client.command(b'STORE 1 ' + change)
    client.command(b'COPY 1 Tasks')
    told_to = [re.search('<(.*?)>', line)[1] for line in sink.log if line.startswith('RCPT')]
    assert told_to == ['tasks@team.example', 'ada@team.example', 'tasks@team.example']
    assert [re.search(rb'Subject: (.*)\r', text)[1] for text in sink.mails] == [b'one', b'See INBOX', b'two']
    client.close()


def test_not_a_word_without_the_plugin(make_server):
    server = make_server()
    client = Lines(server.port('imap'), 'alice')
    assert b'FILTER' not in b''.join(client.command(b'CAPABILITY'))
    client.command(b'SELECT INBOX')
    assert b'BAD' in client.command(b'FILTER SIEVE DELIVERY ALL')[-1]
    client.close()


def test_a_program_that_hangs_ends(make_server):
    server = make_server(start=False)
    base = place(server, EVENTS + '  sieve_pipe_exec_timeout = 1s\n')
    (base / 'bin' / 'learn').write_text('#!/bin/sh\nsleep 100\n')
    client = Lines(server.port('imap'), 'alice')
    client.command(b'CREATE Spam')
    append(client, b'INBOX', 'one')
    client.command(b'SELECT INBOX')
    assert b'OK' in client.command(b'COPY 1 Spam')[-1]
    assert state(client)[b'Spam'] == [([b'one'], [])]
    client.close()
    server.forgive()


def scripted(text, keys=b'ALL', uid=b''):
    return uid + b'FILTER SIEVE SCRIPT {%d+}\r\n%s %s' % (len(text), text, keys)


FILTERS = [
    b'FILTER SIEVE DELIVERY ALL', b'UID FILTER SIEVE DELIVERY 1:2', b'FILTER SIEVE PERSONAL "one" ALL',
    b'FILTER SIEVE PERSONAL nosuch ALL', b'FILTER SIEVE GLOBAL g ALL', b'FILTER SIEVE GLOBAL nosuch ALL',
    scripted(b'discard;\r\n', b'SUBJECT two'), scripted(b'foo;\r\n'),
    scripted(b'require "imap4flags"; addflag "\\\\Flagged"; keep;\r\n', b'1', b'UID '),
    b'FILTER', b'FILTER SIEVE', b'FILTER FOO x ALL', b'FILTER SIEVE FOO ALL', b'FILTER SIEVE DELIVERY',
    b'FILTER SIEVE SCRIPT "keep;" FOO', b'FILTER SIEVE SCRIPT "keep;" CHARSET x-foo ALL',
    b'FILTER SIEVE (DELIVERY) ALL', b'FILTER SIEVE "DELIVERY" ALL', b'FILTER SIEVE PERSONAL NIL ALL',
    b'FILTER SIEVE GLOBAL (g) ALL', b'FILTER SIEVE SCRIPT keep; ALL', b'FILTER SIEVE SCRIPT NIL ALL',
    scripted(b'require "imap4flags"; keep; addflag "\\Flagged";', b'1'),
    scripted(b'require ["fileinto", "copy", "imap4flags"]; fileinto :copy "Spam"; addflag "kw";', b'1'),
    b'FILTER SIEVE PERSONAL "a/b" ALL', b'FILTER SIEVE SCRIPT "keep;" ALL',
    scripted(b'require "fileinto"; fileinto "nosuch"; stop;', b'2'),
    scripted(b'require "fileinto"; fileinto "Spam"; stop;', b'2'),
    scripted(b'require ["fileinto", "copy"]; fileinto :copy "Spam";', b'1'),
    scripted(b'require "reject"; reject "go away";', b'1'), scripted(b'require "vacation"; vacation "hey";', b'1'),
    scripted(b'require "fileinto"; if header "subject" "one" { fileinto "nosuch"; } else { fileinto "INBOX"; }'),
    scripted(b'require ["include","variables"]; include :personal "one";\r\n'),
]


def filter_all(server):
    base, seen = place(server), []
    (base / 'sieve' / 'g.sieve').write_text('discard;')
    os.chmod(base / 'sieve' / 'g.sieve', 0o755)
    script(server, 'alice', 'require "fileinto"; if header "subject" "one" { discard; }')
    script(server, 'alice', 'require ["fileinto", "imap4flags"]; if header "subject" "two" { addflag "kw"; }',
           'sieve/one.sieve')
    client = Lines(server.port('imap'), 'alice')
    assert b' FILTER=SIEVE' in b''.join(client.command(b'CAPABILITY'))
    client.command(b'CREATE Spam')
    for command in FILTERS:
        client.command(b'SELECT INBOX')
        client.command(b'STORE 1:* +FLAGS (\\Deleted)')
        client.command(b'EXPUNGE')
        for subject in ('one', 'two'):
            append(client, b'INBOX', subject)
        client.command(b'NOOP')
        lines = [re.sub(rb' \(\d+\.\d+ .*|\(TAG \S+\)|T\d+ |UID \d+|uid=\d+|\{\d+\}', b'', line)
                 for line in client.command(command)]
        # The one tells what is wrong in the other's words, and may find a name bad that the other misses.
        lines = [re.sub(rb'(?s)ERRORS.*', b'ERRORS', line.replace(b'[SERVERBUG] ', b'').replace(b'( F', b'(F')) for line in lines]
        lines = [re.sub(rb'(?<=FLAGS \()[^)]*', lambda m: b' '.join(sorted(m[0].split())), line) for line in lines]
        seen.append((command, sorted(lines), state(client)))
    client.close()
    server.forgive()
    return seen


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_filter_as_pigeonhole(make_server, make_dovecot):
    ours, theirs = filter_all(make_server(start=False)), filter_all(make_dovecot(start=False))
    differ = [f'{mine}\n{other}' for mine, other in zip(ours, theirs) if mine != other]
    assert not differ, '\n\n'.join(differ)


SENT = """
submission_host = 127.0.0.1:{port}
protocol imap {{
  mail_plugins = $mail_plugins imap_sieve imap_filter_sieve
}}
plugin {{
  sieve = file:~/x.sieve
  sieve_plugins = sieve_imapsieve
  imapsieve_mailbox1_name = INBOX
  imapsieve_mailbox1_causes = APPEND
  imapsieve_mailbox1_before = file:{dir}/event.sieve
  {more}
}}
"""


@pytest.mark.skipif(not PIGEONHOLE, reason="needs Debian's dovecot-sieve")
def test_who_mails_are_from_as_pigeonhole(make_server, make_dovecot, sink):
    """At events nobody sent the mail; FILTER has its Return-Path. The user without a domain gets the host's name."""
    seen = []
    asked = scripted(b'require ["envelope", "variables", "imap4flags", "enotify", "copy"];\r\n'
                     b'if envelope :matches "to" "*" { addflag "to_${1}"; } if envelope :matches "from" "*" { addflag "from_${1}"; }'
                     b'if envelope "auth" "alice" { addflag "auth"; }'
                     b'redirect :copy "x@y.example"; notify :message "m" "mailto:fn@y.example";', b'*')
    for make in (make_server, make_dovecot):
        for more in ('', 'sieve_user_email = al@ice.example', 'sieve_redirect_envelope_from = postmaster'):
            server = make(start=False)
            server.extra = SENT.format(port=sink.port, dir=server.dir, more=more)
            Path(server.dir, 'event.sieve').write_text('require ["enotify", "copy", "environment", "variables", "imapsieve"];'
                                                       'if environment :matches "imap.email" "*" { set "me" "${1}"; }'
                                                       'redirect :copy "ev@y.example"; notify :message "${me}" "mailto:n@y.example";')
            os.chmod(Path(server.dir, 'event.sieve'), 0o644)
            server.write_config()
            server.start()
            client, found = Lines(server.port('imap'), 'alice'), []
            for path in (b'Return-Path: <rp@x.example>\r\n', b'Return-Path: <>\r\n', b''):
                text = path + mail('one')
                start, mails = len(sink.log), len(sink.mails)
                client.command(b'APPEND INBOX {%d+}\r\n%s' % (len(text), text))
                client.command(b'SELECT INBOX')
                lines = b''.join(client.command(asked))
                found += [line.replace(' BODY=8BITMIME', '') for line in sink.log[start:] if line[:4] in ('MAIL', 'RCPT')]
                found += re.findall(rb'(?m)^(?:From|X-Sieve-Redirected-From|Subject): .*', b'\n'.join(sink.mails[mails:]))
                found += sorted(re.search(rb'FETCH \(FLAGS \((.*?)\)', lines)[1].split())
            client.close()
            server.stop()
            # Theirs knows no other name of the host than the machine's own.
            seen.append([re.sub(r'alice@[\w.]+', 'alice@HOST', str(line)) for line in found])
    assert seen[:3] == seen[3:]


def test_filter_puts_a_changed_mail_in_place(make_server):
    server = make_server(start=False)
    place(server, '  sieve_extensions = +editheader\n  sieve_global_extensions = +vnd.dovecot.pipe\n')
    client = Lines(server.port('imap'), 'alice')
    for subject in ('one', 'two'):
        append(client, b'INBOX', subject, b'\\Seen')
    client.command(b'SELECT INBOX')
    reply = client.command(scripted(b'require "editheader"; addheader "X-New" "yes";', b'1', b'UID '))
    assert re.match(rb'\* 1 FILTERED \(TAG "T\d+"\) UID 1 OK', reply[0]) and b'OK' in reply[-1]
    assert state(client) == {b'INBOX': [([b'two'], [rb'\Seen']), ([b'yes', b'one'], [rb'\Seen'])]}
    client.command(b'EXAMINE INBOX')
    assert b'NO' in client.command(scripted(b'discard;'))[-1]
    client.close()


def sandboxes(server):
    """Seccomp of the processes behind a session: "2" in a sandbox."""
    client = Lines(server.port('imap'), 'alice')
    append(client, b'INBOX', 'one')
    pids = re.findall(r'^imap +(\d+)', server.doveadm('process', 'status', 'imap').stdout, re.M)
    found = {re.search(r'^Seccomp:\s+(\d)', Path(f'/proc/{pid}/status').read_text(), re.M)[1] for pid in pids}
    client.close()
    return found


def test_the_sandbox_stays_without_programs(make_server, sink):
    """Mails that scripts send go out of it."""
    plain = make_server()
    if sandboxes(plain) == {'0'}:
        pytest.skip('built without a sandbox')
    server = make_server(start=False)
    base = place(server, EVENTS)
    assert '0' in sandboxes(server)
    server.extra = server.extra.replace(f'  sieve_pipe_bin_dir = {base}/bin\n', '') + \
        f'submission_host = 127.0.0.1:{sink.port}\n'
    server.write_config()
    server.doveadm('reload')
    (base / 'sieve' / 'drop.sieve').write_text('redirect "x@y.example";')
    client = Lines(server.port('imap'), 'alice')
    client.command(b'CREATE drop')
    append(client, b'drop', 'sent')
    client.close()
    assert len(sink.mails) == 1
    assert sandboxes(server) == {'2'}
