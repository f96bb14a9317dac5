# SPDX-License-Identifier: MIT
"""Postfix and Exim let users send mail who log in through our auth socket, with Debian's programs unchanged.

Debian's Exim with that authenticator can't be installed beside Postfix: script/exim unpacks it, $DOVETAIL_EXIM names its
program."""
import os
import shutil
import smtplib
import subprocess
import time

import pytest

from conftest import ROOT, free_ports, open_up
from test_mbox_programs import Postfix

EXIM = os.environ.get('DOVETAIL_EXIM') or shutil.which('exim4')
AUTH = '''
auth_mechanisms = plain login cram-md5
auth_failure_delay = 0
service auth {{
  unix_listener {path} {{
    mode = 0666
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
'''


def try_logins(port, mechanisms):
    """Each mechanism, right and wrong; who did not log in sends nothing."""
    for mechanism in mechanisms:
        for password, right in (('secret', True), ('wrong', False)):
            with smtplib.SMTP('127.0.0.1', port, timeout=30) as client:
                client.ehlo('there')
                assert mechanism in client.esmtp_features['auth'].split()
                assert client.docmd('MAIL FROM:<a@x.example>')[0] == 250
                assert client.docmd('RCPT TO:<b@elsewhere.example>')[0] in (550, 554)
                client.docmd('RSET')
                client.user, client.password = 'alice', password
                try:
                    code = client.auth(mechanism, getattr(client, f'auth_{mechanism.lower().replace("-", "_")}'))[0]
                except smtplib.SMTPAuthenticationError as error:
                    code = error.smtp_code
                assert code == (235 if right else 535), mechanism
                client.docmd('MAIL FROM:<a@x.example>')
                assert (client.docmd('RCPT TO:<b@elsewhere.example>')[0] == 250) == right


@pytest.mark.skipif(not ROOT or not os.path.exists('/usr/sbin/postfix'), reason='needs Postfix, and root')
def test_postfix(make_server, tmp_path):
    open_up(tmp_path)
    path = f'/tmp/dt-auth-{os.getpid()}'
    server = make_server(AUTH.format(path=path), 'imap')
    postfix = Postfix(tmp_path, tmp_path)
    with open(postfix.config / 'main.cf', 'a', encoding='utf-8') as file:
        file.write(f'smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = {path}\nmynetworks =\n'
                   'smtpd_relay_restrictions = permit_sasl_authenticated, reject\nsmtpd_delay_reject = yes\n'
                   'smtpd_sasl_security_options = noanonymous\n')
    postfix.start()
    try:
        try_logins(postfix.port, ['PLAIN', 'LOGIN', 'CRAM-MD5'])
        assert 'sasl_username=alice' in postfix.log() or 'SASL' in postfix.log()
        # Its connections outlive a reload of ours.
        server.doveadm('reload')
        try_logins(postfix.port, ['PLAIN'])
    finally:
        postfix.run('stop')
    assert server.complaints() == []


@pytest.mark.skipif(not ROOT or EXIM is None, reason='needs Exim, and root')
def test_exim(make_server, tmp_path):
    open_up(tmp_path)
    path = f'/tmp/dt-exim-{os.getpid()}'
    make_server(AUTH.format(path=path), 'imap')
    port, = free_ports(1)
    config = tmp_path / 'exim.conf'
    authenticators = ''.join(f'{name}:\n  driver = dovecot\n  public_name = {name.upper().replace("_", "-")}\n'
                             f'  server_socket = {path}\n  server_set_id = $auth1\n' for name in ('plain', 'login', 'cram_md5'))
    config.write_text(f'''
primary_hostname = localhost
exim_user = nobody
exim_group = nogroup
spool_directory = {tmp_path}/spool
log_file_path = {tmp_path}/exim-%slog
pid_file_path = {tmp_path}/exim.pid
tls_advertise_hosts =
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
auth_advertise_hosts = *
acl_smtp_rcpt = check
queue_only = true
begin acl
check:
  accept authenticated = *
  deny
begin authenticators
{authenticators}''')
    subprocess.run(['chown', '-R', 'nobody:nogroup', tmp_path], check=True)
    config.chmod(0o644)
    os.chown(config, 0, 0)
    daemon = subprocess.Popen([EXIM, '-C', config, '-bdf'], stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while daemon.poll() is None and time.monotonic() < deadline:
            try:
                smtplib.SMTP('127.0.0.1', port, timeout=10).quit()
                break
            except OSError:
                time.sleep(0.05)
        try_logins(port, ['PLAIN', 'LOGIN', 'CRAM-MD5'])
    finally:
        daemon.terminate()
        daemon.wait()
