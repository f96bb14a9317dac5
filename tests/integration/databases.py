# SPDX-License-Identifier: MIT
"""Database servers for tests, on loopback, in scratch directories: Postgres, Mariadb, Slapd. As root they run as nobody."""
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from conftest import ROOT, free_ports

NOBODY = pwd.getpwnam('nobody') if ROOT else pwd.getpwuid(os.getuid())


def find(name, *more):
    return shutil.which(name, path=':'.join(['/usr/sbin', '/usr/bin', '/usr/libexec', *more]))


class Database:
    """A server of others. `sql` makes what is in it."""

    program = None

    def __init__(self):
        if self.program is None:
            pytest.skip(f'needs {type(self).__name__}')
        self.dir = tempfile.mkdtemp(prefix='dt-db-', dir='/tmp')
        os.chown(self.dir, NOBODY.pw_uid, NOBODY.pw_gid)
        os.chmod(self.dir, 0o755)
        self.port = free_ports(1)[0]
        self.proc = None
        self.prepare()
        self.start()

    def run(self, *args, **kwargs):
        kwargs.setdefault('check', True)
        kwargs['env'] = {**os.environ, 'TMPDIR': self.dir}
        if ROOT:
            kwargs.update(user=NOBODY.pw_uid, group=NOBODY.pw_gid, extra_groups=[])
        return subprocess.run(args, capture_output=True, cwd=self.dir, timeout=120, **kwargs)

    def start(self):
        with open(f'{self.dir}/output', 'ab') as out:
            who = {'user': NOBODY.pw_uid, 'group': NOBODY.pw_gid, 'extra_groups': []} if ROOT else {}
            self.proc = subprocess.Popen(self.command(), cwd=self.dir, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                         env={**os.environ, 'TMPDIR': self.dir}, **who)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.proc.poll() is None, Path(self.dir, 'output').read_text(errors='replace')[-2000:]
            try:
                socket.create_connection(('127.0.0.1', self.port), 5).close()
                if self.is_ready():
                    return
            except ConnectionRefusedError:
                pass
            time.sleep(0.05)
        raise AssertionError(Path(self.dir, 'output').read_text(errors='replace')[-2000:])

    def is_ready(self):
        return True

    def stop(self):
        if self.proc is not None and self.proc.poll() is None:
            self.proc.send_signal(signal.SIGINT if self.proc.args[0].endswith('postgres') else signal.SIGTERM)
            try:
                self.proc.wait(20)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()

    def remove(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class Postgres(Database):
    bin = max(map(str, Path('/usr/lib/postgresql').glob('*/bin')), default='')
    program = find('postgres', bin) if bin else None

    def prepare(self):
        self.run(f'{self.bin}/initdb', '-D', 'data', '-A', 'trust', '-U', 'mail', '--no-sync', '--no-instructions', '-E', 'UTF8')

    def command(self):
        return [f'{self.bin}/postgres', '-D', 'data', '-h', '127.0.0.1', '-p', str(self.port), '-k', self.dir, '-F']

    def is_ready(self):
        return self.run(f'{self.bin}/pg_isready', '-h', '127.0.0.1', '-p', str(self.port), check=False).returncode == 0

    def sql(self, text):
        self.run(f'{self.bin}/psql', '-h', '127.0.0.1', '-p', str(self.port), '-U', 'mail', '-v', 'ON_ERROR_STOP=1', '-q', 'postgres',
                 input=text.encode())

    def connect(self):
        return f'host=127.0.0.1 port={self.port} user=mail dbname=postgres'


class Mariadb(Database):
    program = find('mariadbd')

    def prepare(self):
        self.run(find('mariadb-install-db'), '--no-defaults', f'--datadir={self.dir}/data', '--auth-root-authentication-method=normal',
                 '--skip-test-db', '--innodb-log-file-size=4M')

    def command(self):
        return [self.program, '--no-defaults', f'--datadir={self.dir}/data', '--bind-address=127.0.0.1', f'--port={self.port}',
                f'--socket={self.dir}/sock', f'--pid-file={self.dir}/pid', '--innodb-log-file-size=4M', '--skip-name-resolve']

    def sql(self, text):
        self.run(find('mariadb'), '--no-defaults', f'--socket={self.dir}/sock', '-u', 'root', '-e',
                 "CREATE DATABASE IF NOT EXISTS mail; CREATE USER IF NOT EXISTS 'mail'@'%' IDENTIFIED BY 'm'; GRANT ALL ON mail.* TO "
                 "'mail'@'%'")
        self.run(find('mariadb'), '--no-defaults', f'--socket={self.dir}/sock', '-u', 'root', 'mail', input=text.encode())

    def connect(self):
        return f'host=127.0.0.1 port={self.port} user=mail password=m dbname=mail'


class Slapd(Database):
    """OpenLDAP below dc=x, with the certificate {dir}/server.crt."""

    program = find('slapd')

    def prepare(self):
        schema = ''.join(f'include /etc/ldap/schema/{name}.schema\n' for name in ('core', 'cosine', 'nis', 'inetorgperson'))
        self.run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '9', '-subj',
                 '/CN=x', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', 'server.key', '-out', 'server.crt')
        Path(self.dir, 'slapd.conf').write_text(
            f'{schema}modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {self.dir}/pid\n'
            f'TLSCertificateFile {self.dir}/server.crt\nTLSCertificateKeyFile {self.dir}/server.key\n'
            f'database mdb\nmaxsize 16777216\nsuffix dc=x\nrootdn cn=root,dc=x\nrootpw rootpw\ndirectory {self.dir}/db\n'
            'dbnosync\naccess to attrs=userPassword by anonymous auth by * none\naccess to * by users read by anonymous auth\n')
        self.run('mkdir', 'db')

    def command(self):
        return [self.program, '-d', '0', '-h', f'ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}', '-f', 'slapd.conf']

    def __init__(self):
        self.tls_port = free_ports(1)[0]
        super().__init__()

    def add(self, ldif):
        self.stop()
        self.run(find('slapadd'), '-q', '-f', 'slapd.conf', input=ldif.encode())
        self.start()


class Sqlite:
    """No server: a file."""

    program = find('sqlite3') or True

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix='dt-db-', dir='/tmp')
        os.chmod(self.dir, 0o755)

    def sql(self, text):
        import sqlite3
        db = sqlite3.connect(f'{self.dir}/mail.db')
        db.executescript(text)
        db.close()

    def connect(self):
        return f'{self.dir}/mail.db'

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


class Kdc(Database):
    """MIT Kerberos: realm TEST.EXAMPLE, services of localhost in the keytab, everybody's password is "secret"."""

    program = find('krb5kdc') and find('kadmin.local')

    def command(self):
        return [find('krb5kdc'), '-n', '-P', f'{self.dir}/pid']

    def environment(self):
        return {'KRB5_CONFIG': f'{self.dir}/krb5.conf', 'KRB5_KDC_PROFILE': f'{self.dir}/kdc.conf'}

    def prepare(self):
        self.env = self.environment()
        Path(self.dir, 'krb5.conf').write_text(
            f'[libdefaults]\n default_realm = TEST.EXAMPLE\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false\n'
            f' dns_canonicalize_hostname = false\n udp_preference_limit = 1\n[realms]\n TEST.EXAMPLE = {{\n  kdc = 127.0.0.1:{self.port}\n }}\n')
        Path(self.dir, 'kdc.conf').write_text(
            f'[kdcdefaults]\n kdc_listen = ""\n kdc_tcp_listen = 127.0.0.1:{self.port}\n[realms]\n TEST.EXAMPLE = {{\n'
            f'  database_name = {self.dir}/principal\n  key_stash_file = {self.dir}/stash\n  acl_file = {self.dir}/acl\n }}\n')
        os.environ.update(self.env)
        self.run(find('kdb5_util'), 'create', '-s', '-r', 'TEST.EXAMPLE', '-P', 'master')
        commands = [f'addprinc -pw secret {user}' for user in ('alice', 'alice/bob', 'bob', 'carol@OTHER.EXAMPLE')]
        for service in ('imap', 'pop', 'smtp'):
            commands += [f'addprinc -randkey {service}/localhost', f'ktadd -k {self.dir}/keytab {service}/localhost']
        commands += ['addprinc -randkey imap/elsewhere', f'ktadd -k {self.dir}/more.keytab imap/elsewhere']
        self.run(find('kadmin.local'), '-r', 'TEST.EXAMPLE', input='\n'.join(commands[:]).encode())
        for name in ('keytab', 'more.keytab'):
            os.chmod(f'{self.dir}/{name}', 0o644)

    def remove(self):
        super().remove()
        for name in self.env:
            os.environ.pop(name, None)
