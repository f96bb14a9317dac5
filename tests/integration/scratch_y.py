import base64, random
from pathlib import Path
from conftest import *
from test_auth import Client, Master
import test_auth_chains as C
CASES = {
 'A': ('', 'driver = passwd-file|args = username_format=%u DIR/q|default_fields = mail=d'),
 'B': ('', 'driver = prefetch|default_fields = mail=d'),
 'C': ('', 'driver = passwd-file|args = username_format=%u DIR/r|default_fields = mail=d;driver = prefetch'),
 'D': ('', 'driver = passwd-file|args = username_format=%u DIR/r|default_fields = mail=d;driver = passwd-file|args = username_format=%u DIR/q'),
 'E': ('', 'driver = passwd-file|args = username_format=%u DIR/r;driver = passwd-file|args = username_format=%u DIR/q|default_fields = mail=d x=y'),
 'F': ('override_fields = userdb_mail=po', 'driver = passwd-file|args = username_format=%u DIR/r|default_fields = mail=d;driver = prefetch'),
 'G': ('default_fields = userdb_mail=pd', 'driver = static|args = uid=1000 gid=1000 home=/h|default_fields = mail=d z=%{userdb:mail}'),
}
def run(s):
    out = {}
    for name, (p, us) in CASES.items():
        text = 'passdb {\n  driver = passwd-file\n  args = scheme=PLAIN username_format=%u DIR/q\n  ' + p + '\n}\n'
        for u in us.split(';'):
            text += 'userdb {\n  ' + u.replace('|', '\n  ') + '\n}\n'
        C.write(s, text)
        Path(s.dir, 'q').write_text('a:two:7001:7001::/h/a::userdb_mail=m userdb_uid=9 userdb_gid=9 userdb_home=/p\nb:two:7001:7001::/h/b::\n')
        Path(s.dir, 'r').write_text('z:two:7001:7001::/h/a::userdb_mail=zz\n')
        s.stop(); s.start()
        pid = random.randint(100000, 200000)
        c = Client(s, 'login/login', pid); m = Master(s)
        for n, u in enumerate('ab', 1):
            ok = c.plain(u, 'two', extra='rip=127.0.0.1\tsecured')
            line = m.ask(f'REQUEST\t{n}\t{pid}\t{n}\t{c.cookie}')
            out[name, u] = [w for w in line.split('\t') if not w.startswith(('auth_token', 'auth_mech'))]
            line = m.ask(f'USER\t{n}0\t{u}\tservice=imap')
            out[name, u, 'user'] = [w for w in line.split('\t')]
    return out
def test_x(tls, running_dovecot, make_server):
    s = Dovecot(tls, 'passdb {\n}\n', 'imap')
    theirs = run(s)
    s.stop(); s.remove()
    s = make_server('passdb {\n}\n', 'imap', start=False)
    ours = run(s)
    for k in ours:
        print('SAME' if sorted(ours[k]) == sorted(theirs[k]) else 'DIFF', k, theirs[k], '' if sorted(ours[k]) == sorted(theirs[k]) else ours[k])
