# SPDX-License-Identifier: MIT
"""doveconf against configurations of real servers, and against odd ones.

The expected output is Dovecot 2.3.19's. The real configurations are found
beside the repository (../shared/configs); without them those tests are left
out."""
import os
import re
import subprocess
from pathlib import Path

import pytest

PREFIX = os.environ.get("DOVETAIL_PREFIX")
pytestmark = pytest.mark.skipif(not PREFIX, reason="DOVETAIL_PREFIX is not set")
TREES = Path(__file__).resolve().parents[2].parent / "shared" / "configs"
# Which extensions Sieve has is this server's own affair.
CAPABILITY = re.compile(r"managesieve_\w+_capability = ")


def doveconf(*args, cwd=None):
    return subprocess.run([f"{PREFIX}/bin/doveconf", *args], cwd=cwd, capture_output=True, text=True, timeout=20)


def settings(output):
    return [line for line in output.splitlines() if not line.startswith("#") and not CAPABILITY.match(line)]


@pytest.fixture
def conf(tmp_path):
    """Run doveconf on a text."""

    def run(text, *args):
        (tmp_path / "test.conf").write_text(text)
        return doveconf("-c", "test.conf", *(args or ("-n",)), cwd=tmp_path)

    run.dir = tmp_path
    return run


# --- real configurations ----------------------------------------------------


@pytest.mark.parametrize("tree", sorted(TREES.glob("[0-9]*")), ids=lambda tree: tree.name)
def test_real_configuration_reads_as_in_dovecot(tree):
    out = doveconf("-c", "dovecot.conf", "-n", cwd=tree)
    assert out.returncode == 0, out.stderr
    assert settings(out.stdout) == settings((tree / "expected.txt").read_text())


@pytest.mark.parametrize("tree", sorted(TREES.glob("[0-9]*")), ids=lambda tree: tree.name)
def test_real_configuration_comes_back_from_its_own_output(tree, tmp_path):
    first = doveconf("-c", "dovecot.conf", "-n", "-P", cwd=tree)
    (tmp_path / "again.conf").write_text(first.stdout)
    again = doveconf("-c", "again.conf", "-n", "-P", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert settings(again.stdout) == settings(first.stdout)


OBSOLETE = re.compile(r"(Obsolete setting in .*|.* line \d+: Global setting .*)")


@pytest.mark.parametrize("tree", sorted(TREES.glob("*/warnings.txt")),
                         ids=[path.parent.name for path in sorted(TREES.glob("*/warnings.txt"))])
def test_real_configuration_gives_the_same_warnings(tree):
    def warnings(text):
        return {match[1] for line in text.splitlines() if (match := OBSOLETE.search(line.split("Warning: ")[-1]))}

    out = doveconf("-c", "dovecot.conf", "-n", cwd=tree.parent)
    assert warnings(out.stderr) == warnings(tree.read_text())


# --- what is shown ----------------------------------------------------------


@pytest.mark.parametrize("text, expected", [
    ("mail_plugins = a\nmail_plugins = $mail_plugins b\n", "mail_plugins = a b"),
    ("mail_plugins = $mail_plugins b\n", 'mail_plugins = " b"'),
    ("mail_home = \"x # y\"\n", 'mail_home = "x # y"'),
    ("mail_home = 'a \"b'\n", 'mail_home = a "b'),
    ("mail_home = a \\\n   b\n", "mail_home = a b"),
    ("auth_cache_size = 1024k\n", "auth_cache_size = 1 M"),
    ("auth_cache_ttl = 7200 secs\n", "auth_cache_ttl = 2 hours"),
    ("mail_debug = no\n", ""),
    ("protocol imap {\n mail_debug = no\n}\n", "protocol imap {\n  mail_debug = no\n}"),
    ("service imap {\n process_limit = 1024\n}\n", "service imap {\n  process_limit = 1024\n}"),
    ("service foo {\n}\n", ""),
    ("namespace {\n inbox = yes\n}\n", "namespace {\n  inbox = yes\n  location = \n  prefix = \n}"),
    ("passdb {\n driver = pam\n args =\n}\n", "passdb {\n  driver = pam\n}"),
    ("plugin {\n b = 1\n a =\n}\n", "plugin {\n  a = \n  b = 1\n}"),
    ("service auth {\n unix_listener /x {\n mode = 0660\n}\n unix_listener a {\n mode = 0\n}\n}\n",
     "service auth {\n  unix_listener /x {\n    mode = 0660\n  }\n  unix_listener a {\n    mode = 00\n  }\n}"),
    ("local 10.0.0.0/8 {\n protocol imap {\n mail_gid = 1\n}\n}\nprotocol lmtp {\n mail_gid = 2\n}\n",
     "protocol lmtp {\n  mail_gid = 2\n}\nlocal 10.0.0.0/8 {\n  protocol imap {\n    mail_gid = 1\n  }\n}"),
    ("doveadm_password = x\n", "doveadm_password = # hidden, use -P to show it"),
    ("plugin {\n dict = mysql://u:p@h key=1 x\n}\n",
     "plugin {\n  dict = mysql://#hidden_use-P_to_show#@h key=#hidden_use-P_to_show# x\n}"),
    ("ssl_cert = </no/such/file\n", "ssl_cert = </no/such/file"),
])
def test_n_shows_what_was_set(conf, text, expected):
    out = conf(text)
    assert out.returncode == 0, out.stderr
    assert "\n".join(settings(out.stdout)) == expected


def test_header_names_version_file_and_host(conf):
    lines = conf("").stdout.splitlines()
    assert re.fullmatch(r"# \d+\.\d+\.\d+ \(dovetail\): test.conf", lines[0])
    assert lines[1].startswith("# OS: Linux ")
    assert lines[2] == "# Hostname: " + os.uname().nodename
    assert "NOTE: Send doveconf -n" not in "\n".join(lines)
    assert "NOTE: Send doveconf -n" in conf("", "-a").stdout


def test_a_shows_defaults_and_services(conf):
    out = conf("service imap {\n process_limit = 7\n}\n", "-a").stdout
    assert "\nmail_max_userip_connections = 10\n" in out
    assert 'log_timestamp = "%b %d %H:%M:%S "' in out
    service = out[out.index("\nservice imap {"):]
    assert "  executable = imap\n" in service and "  process_limit = 7\n" in service
    assert "  unix_listener login/imap {\n    group = \n    mode = 0666\n    user = \n  }\n" in service


def test_d_shows_defaults_only(conf):
    out = conf("mail_location = x\n", "-d").stdout
    assert "\nmail_location = \n" in out


def test_names_and_paths(conf):
    text = "mail_plugins = a\nplugin {\n quota = count\n}\nprotocol imap {\n mail_plugins = $mail_plugins b\n}\n" \
        "passdb {\n driver = pam\n}\ndoveadm_password = secret\n"
    assert conf(text, "mail_plugins").stdout == "mail_plugins = a\n"
    assert conf(text, "-h", "mail_plugins").stdout == "a\n"
    assert conf(text, "-f", "protocol=imap", "-h", "mail_plugins").stdout == "a b\n"
    assert conf(text, "-f", "service=imap", "-n", "mail_plugins").stdout == "mail_plugins = a b\n"
    assert conf(text, "plugin").stdout == "plugin {\n  quota = count\n}\n"
    assert conf(text, "plugin/quota").stdout == "plugin/quota = count\n"
    assert conf(text, "passdb/0/driver").stdout == "passdb/0/driver = pam\n"
    assert conf(text, "service/imap/process_limit").stdout == "service/imap/process_limit = 1024\n"
    assert conf(text, "service/imap").stdout.startswith("service imap {\n  chroot = \n")
    assert conf(text, "doveadm_password").stdout == "doveadm_password = secret\n"
    assert "did you mean mail_plugins?" in conf(text, "mail_plugin").stderr
    # What has its default is nothing to show with -n, and no mistake either.
    for name in ("ssl", "mail_location"):
        out = conf(text + "ssl = yes\n", "-n", name)
        assert (out.returncode, out.stdout) == (0, "") and "Unknown" not in out.stderr
    assert "log_path = " in conf(text, "-h").stdout


def test_f_matches_networks_and_names(conf):
    text = "mail_gid = 0\nlocal 10.0.0.0/8 {\n mail_gid = 8\n}\nlocal 10.1.0.0/16 {\n mail_gid = 16\n}\n" \
        "remote 2001:db8::/32 {\n mail_gid = 6\n}\nlocal_name *.example.org {\n mail_gid = n\n}\n"
    for key, value in {"local=10.9.9.9": "8", "local=10.1.2.3": "16", "remote=2001:db8::1": "6",
                       "lname=a.example.org": "n", "lname=a.b.example.org": "0", "local=192.0.2.1": "0"}.items():
        assert conf(text, "-f", key, "-h", "mail_gid").stdout == value + "\n", key
    assert conf(text, "-f", "foo=bar").returncode == 89


def test_x_expands_and_reads_files(conf):
    (conf.dir / "cert.pem").write_text("CERT\n")
    text = "mail_home = $mail_location x\nmail_location = y\nmail_chroot = $mail_location z\nssl_cert = <cert.pem\n"
    assert "mail_chroot = $mail_location z\n" in conf(text).stdout
    out = conf(text, "-n", "-x").stdout
    assert "mail_chroot = y z\n" in out and 'mail_home = " x"\n' in out and "ssl_cert = CERT\n" in out


def test_o_sets_over_the_file(conf):
    assert conf("mail_location = x\n", "-o", "mail_location=y", "-h", "mail_location").stdout == "y\n"
    assert conf("", "-o", "plugin/a=b", "plugin/a").stdout == "plugin/a = b\n"
    assert conf("", "-o", "nosuch=b", "-n").returncode == 89


def test_simple_format_escapes_names(conf):
    out = conf("namespace inbox {\n inbox = yes\n mailbox \"a b/c\" {\n auto = no\n}\n}\n", "-S", "-n").stdout
    assert "namespace/inbox/mailbox/a\\_b\\sc/auto=no\n" in out
    assert conf("ssl = no\n", "-S", "ssl").stdout == "ssl=no\n"
    assert conf("plugin {\n b = 1\n}\n", "-S", "plugin").stdout == "plugin/b=1\n"


def test_tls_in_blocks_counts_only_where_it_may(conf):
    """As in Dovecot: the listeners for TLS are there or not for all."""
    text = "ssl = {}\nlocal 127.0.0.1 {{\n  ssl = yes\n}}\n"
    warning = "line 3: SSL is disabled because global ssl=no, ignoring ssl=yes for subsection"
    assert warning in conf(text.format("no"), "-n").stderr
    assert "SSL" not in conf(text.format("required"), "-n").stderr


# --- includes ---------------------------------------------------------------


def test_includes_in_ascii_order_relative_to_their_file(conf):
    sub = conf.dir / "conf.d"
    (sub / "deep").mkdir(parents=True)
    for name in ("10-b", "10-B", "9-a"):
        (sub / f"{name}.conf").write_text(f"mail_plugins = $mail_plugins {name}\n!include_try deep/*.inc\n")
    (sub / "deep" / "x.inc").write_text("mail_home = deep\n")
    out = conf("mail_plugins = x\n!include conf.d/*.conf\n")
    assert settings(out.stdout) == ["mail_home = deep", "mail_plugins = x 10-B 10-b 9-a"]


def test_recursion_ends(conf):
    out = conf("!include test.conf\n")
    assert out.returncode == 89 and "Recursive include file" in out.stderr


# --- errors -----------------------------------------------------------------


def test_all_errors_come_in_one_run(conf):
    out = conf("mail_locaton = x\nmail_debug = maybe\nservice imap {\n proces_limit = 1\n mode = 0600\n}\n"
               "quota = x\ndriver = pam\nmail_fsync = often\nlogin_proxy_timeout = 60\n")
    assert out.returncode == 89 and out.stdout == ""
    for line in ("line 1: Unknown setting: mail_locaton (did you mean mail_location?)",
                 "line 2: mail_debug: Invalid boolean value: maybe (use yes or no)",
                 "line 4: Unknown setting: service { proces_limit (did you mean process_limit?)",
                 "line 5: Unknown setting: service { mode (mode belongs into a unix_listener { } section)",
                 "line 7: Unknown setting: quota (quota belongs into plugin { })",
                 "line 8: Unknown setting: driver (driver belongs into a userdb { } section)",
                 "line 9: mail_fsync: Invalid value: often",
                 "line 10: login_proxy_timeout: Time interval '60' is missing units"):
        assert f"Error in configuration file test.conf {line}" in out.stderr
    assert out.stderr.strip().splitlines()[-1].startswith("doveconf: Fatal: ")


@pytest.mark.parametrize("text, message", [
    ("service imap {\n", "Missing '}' (section started at test.conf:1)"),
    ("}\n", "line 1: Unexpected '}'"),
    ("key value\n", "line 1: Expecting '=' or '{'"),
    ("service imap { process_limit = 3 }\n", "line 1: Garbage after '{'"),
    ("!include nosuch\n", "line 1: !include nosuch: No matches"),
    ("mail_home = $nosuch\n", "Unknown variable: $nosuch"),
    ("passdb {\n}\n", "passdb is missing driver"),
    ("auth_worker_max_count = 0\n", "line 1: auth_worker_max_count must be above zero"),
    ("auth_policy_server_url = http://x/\n", "line 1: auth_policy_hash_nonce must be set when policy server is used"),
    ("auth_policy_server_url = http://x/\nauth_policy_hash_nonce = x\nauth_policy_hash_mech = foo\n",
     "line 3: invalid auth_policy_hash_mech given"),
    ("auth_policy_server_url = http://x/\nauth_policy_hash_nonce = x\nauth_policy_hash_truncate = 256\n",
     "line 3: auth_policy_hash_truncate is not smaller than the digest's size"),
    ("service auth {\n  process_limit = 2\n}\n", "line 1: service(auth): process_limit must be 1"),
    ("passdb a {\n driver = x\n}\npassdb a {\n driver = y\n}\n", "line 4: passdb/a already exists"),
    ("protocol imap {\n local 1.2.3.4 {\n}\n}\n", "use local { protocol { .. } } instead"),
])
def test_errors_name_file_and_line(conf, text, message):
    out = conf(text)
    assert out.returncode == 89
    assert message in out.stderr


def test_missing_file(conf):
    out = doveconf("-c", "/no/such/dovecot.conf", "-n")
    assert out.returncode == 89
    assert "No such file or directory" in out.stderr


def test_plugins_without_a_use_are_named(conf):
    """Who relies on rights, or has compressed mails, is to know before."""
    out = conf("mail_plugins = quota, acl\tzlib\nprotocol imap {\n  mail_plugins = $mail_plugins imap_quota imap_acl\n}\n")
    assert out.returncode == 0 and out.stderr.splitlines() == [
        "doveconf: Warning: Settings without a meaning in this server are ignored: "
        "mail_plugins (acl), mail_plugins (zlib), mail_plugins (imap_acl)"]
