# SPDX-License-Identifier: MIT
"""Certificates for tests, made with openssl(1)."""
import subprocess
from pathlib import Path


def openssl(*args, **kwargs):
    return subprocess.run(['openssl', *map(str, args)], check=True, capture_output=True, **kwargs)


def self_signed(base, name='localhost', days=30, kind='ec', more=()):
    """BASE.crt and BASE.key of CN=name; returns BASE."""
    key = ('ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1') if kind == 'ec' else ('rsa:2048',)
    openssl('req', '-x509', '-newkey', *key, '-nodes', '-days', days, '-subj', f'/CN={name}', '-keyout', f'{base}.key',
            '-out', f'{base}.crt', *more)
    return base


class Authority:
    """One that signs, revokes, and says so."""

    def __init__(self, path):
        self.dir = Path(path)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.base = self_signed(self.dir / 'ca', 'Test CA', 300)
        (self.dir / 'index').write_text('')
        (self.dir / 'index.attr').write_text('unique_subject = no\n')
        (self.dir / 'serial').write_text('01\n')
        (self.dir / 'crlnumber').write_text('01\n')
        (self.dir / 'conf').write_text(
            f'[ca]\ndefault_ca = x\n[x]\ndatabase = {path}/index\nserial = {path}/serial\ncrlnumber = {path}/crlnumber\n'
            f'new_certs_dir = {path}\ncertificate = {self.base}.crt\nprivate_key = {self.base}.key\ndefault_md = sha256\n'
            'default_days = 30\ndefault_crl_days = 30\npolicy = p\ncopy_extensions = copy\n[p]\ncommonName = optional\n'
            'x500UniqueIdentifier = optional\nemailAddress = optional\norganizationName = optional\n')

    def sign(self, name, subject):
        base = self.dir / name
        openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', subject,
                '-keyout', f'{base}.key', '-out', f'{base}.csr')
        openssl('ca', '-batch', '-notext', '-config', self.dir / 'conf', '-in', f'{base}.csr', '-out', f'{base}.crt')
        return base

    def revoke(self, base):
        openssl('ca', '-config', self.dir / 'conf', '-revoke', f'{base}.crt')

    def bundle(self, crl=True):
        """For ssl_ca: the certificate, and the revocation list."""
        path = self.dir / f'bundle{crl:d}'
        text = Path(f'{self.base}.crt').read_text()
        if crl:
            openssl('ca', '-config', self.dir / 'conf', '-gencrl', '-out', self.dir / 'crl')
            text += (self.dir / 'crl').read_text()
        path.write_text(text)
        return path
