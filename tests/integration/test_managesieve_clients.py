# SPDX-License-Identifier: MIT
"""Clients as people use them: sieve-connect, Net_Sieve (which is Roundcube's managesieve), and what Thunderbird's Sieve add-on
says."""
import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import Server, finish
from sieve_lines import Sieve, plain

NET_SIEVE = '/usr/share/php/Net/Sieve.php'
SCRIPT = 'require ["fileinto"];\r\n# rule:[x]\r\nif header :contains "subject" "x" {\r\n\tfileinto "X";\r\n}\r\n'

# A session of a webmail: what it asks, the answers as JSON.
PHP = """<?php
error_reporting(E_ALL & ~E_DEPRECATED);
require_once 'Net/Sieve.php';
$options = ['ssl' => ['verify_peer' => false, 'verify_peer_name' => false]];
$sieve = new Net_Sieve('bob', 'secret', '127.0.0.1', intval($argv[1]), $argv[2], '', false, false, $argv[3] == 'tls',
                       $options);
function show($what) {
    return is_object($what) ? 'error: ' . $what->getMessage() : $what;
}
$out = [show($sieve->getError())];
$out[] = count($sieve->getExtensions()) > 20 && $sieve->hasExtension('vacation');
$out[] = $sieve->listScripts($active);
$out[] = show($sieve->haveSpace('roundcube', 1000));
$out[] = show($sieve->installScript('roundcube', $argv[4], true));
$out[] = show($sieve->installScript('other', 'keep;'));
$out[] = show($sieve->installScript('bad', "keep;\\r\\nnonsense;\\r\\n"));
$out[] = $sieve->listScripts($active);
$out[] = $active;
$out[] = $sieve->getScript('roundcube');
$out[] = show($sieve->setActive('other'));
$out[] = $sieve->getActive();
$out[] = show($sieve->removeScript('other'));
$out[] = show($sieve->setActive(''));
$out[] = show($sieve->removeScript('other'));
$out[] = show($sieve->removeScript('roundcube'));
$out[] = $sieve->listScripts($active);
$out[] = show($sieve->disconnect());
echo json_encode($out);
"""


@pytest.fixture(scope='module')
def server(tls):
    one = Server(tls, 'auth_mechanisms = plain login cram-md5 digest-md5\n', 'sieve').start()
    yield one
    finish(one)


# --- sieve-connect ----------------------------------------------------------------------

def sieve_connect(server, tmp_path, *words):
    secret = tmp_path / 'secret'
    secret.write_text('secret\n', encoding='ascii')
    with open(secret, encoding='ascii') as file:
        return subprocess.run(['sieve-connect', '-s', '127.0.0.1', '-p', str(server.port('sieve')), '-u', 'alice',
                               '--passwordfd', str(file.fileno()), '--notlsverify', *words], pass_fds=[file.fileno()],
                              capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize('mechanism', ['LOGIN', 'CRAM-MD5', 'DIGEST-MD5'])
def test_mechanisms_of_sieve_connect(server, tmp_path, mechanism):
    if shutil.which('sieve-connect') is None:
        pytest.skip('needs sieve-connect')
    done = sieve_connect(server, tmp_path, '-m', mechanism, '--list')
    assert (done.returncode, done.stdout) == (0, ''), done


def test_sieve_connect(server, tmp_path):
    if shutil.which('sieve-connect') is None:
        pytest.skip('needs sieve-connect')

    def run(*words):
        return sieve_connect(server, tmp_path, *words)

    script, back = tmp_path / 'mine', tmp_path / 'back'
    script.write_bytes(SCRIPT.encode())
    done = run('--localsieve', str(script), '--remotesieve', 'mine', '--upload')
    assert done.returncode == 0, done
    assert run('--remotesieve', 'mine', '--activate').returncode == 0
    assert re.search(r'^"mine" ACTIVE', run('--list').stdout, re.M)
    assert run('--remotesieve', 'mine', '--localsieve', str(back), '--download').returncode == 0
    assert back.read_bytes() == SCRIPT.encode()
    script.write_text('nonsense;\n', encoding='ascii')
    assert run('--localsieve', str(script), '--checkscript').returncode != 0
    assert run('--localsieve', str(script), '--remotesieve', 'mine', '--upload').returncode != 0
    assert run('--deactivate').returncode == 0
    assert run('--remotesieve', 'mine', '--delete').returncode == 0
    assert run('--list').stdout == ''


# --- Net_Sieve --------------------------------------------------------------------------

@pytest.mark.parametrize('mechanism, channel', [('PLAIN', 'tls'), ('PLAIN', 'plain'), ('LOGIN', 'tls')])
def test_net_sieve(server, tmp_path, mechanism, channel):
    if shutil.which('php') is None or not os.path.exists(NET_SIEVE):
        pytest.skip('needs php-cli and php-net-sieve')
    program = tmp_path / 'session.php'
    program.write_text(PHP, encoding='ascii')
    done = subprocess.run(['php', str(program), str(server.port('sieve')), mechanism, channel, SCRIPT], capture_output=True,
                          text=True, timeout=60, check=False)
    out = json.loads(done.stdout)
    assert out[0:6] == [False, True, [], True, True, True], done
    assert out[6].startswith('error: ') and 'bad: line 2' in out[6]
    assert sorted(out[7]) == ['other', 'roundcube'] and out[8] == 'roundcube'
    assert out[9] == SCRIPT + '\r\n'  # it takes the line's end for the script's
    assert out[10:12] == [True, 'other']
    assert out[12].startswith('error: ') and 'Cannot delete the active' in out[12]
    assert out[13:17] == [True, True, True, []]


# --- Thunderbird's add-on ---------------------------------------------------------------

def test_thunderbird(server):
    """It sends strings as literals, asks for capabilities again after STARTTLS, checks while one types, and keeps the
    connection with NOOP."""
    response = plain('carol')
    size = len(SCRIPT.encode())
    session = [
        (f'AUTHENTICATE "PLAIN" "{response}"\r\n', rb'OK ".*"\r\n'),
        ('CAPABILITY\r\n', rb'(".*"\r\n)+OK ".*"\r\n'),
        ('LISTSCRIPTS\r\n', rb'OK ".*"\r\n'),
        ('PUTSCRIPT "My Script" {16+}\r\n#test\r\n\r\nkeep;\r\n\r\n', rb'OK ".*"\r\n'),
        ('LISTSCRIPTS\r\n', rb'"My Script"\r\nOK ".*"\r\n'),
        ('GETSCRIPT "My Script"\r\n', rb'\{16\}\r\n#test\r\n\r\nkeep;\r\n\r\nOK ".*"\r\n'),
        (f'CHECKSCRIPT {{{size}+}}\r\n{SCRIPT}\r\n', rb'OK ".*"\r\n'),
        ('CHECKSCRIPT {11+}\r\nnonsense;\r\n\r\n', rb'NO \{\d+\}\r\nline 1.*\r\n(.*\r\n)*'),
        (f'PUTSCRIPT "My Script" {{{size}+}}\r\n{SCRIPT}\r\n', rb'OK ".*"\r\n'),
        ('SETACTIVE "My Script"\r\n', rb'OK ".*"\r\n'),
        ('NOOP\r\n', rb'OK ".*"\r\n'),
        ('RENAMESCRIPT "My Script" "Your Script"\r\n', rb'OK ".*"\r\n'),
        ('LISTSCRIPTS\r\n', rb'"Your Script" ACTIVE\r\nOK ".*"\r\n'),
        ('SETACTIVE ""\r\n', rb'OK ".*"\r\n'),
        ('DELETESCRIPT "Your Script"\r\n', rb'OK ".*"\r\n'),
        ('LOGOUT\r\n', rb'OK ".*"\r\n'),
    ]
    with Sieve(server.port('sieve')) as client:
        client.ok('STARTTLS')
        client.start_tls()
        assert b'"SASL"' in client.answer()
        for said, expected in session:
            client.send(said)
            answer = client.answer()
            assert re.fullmatch(expected, answer), (said, answer)
        assert client.at_end()
