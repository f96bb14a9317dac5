# SPDX-License-Identifier: MIT
"""sieve-import: what it writes compiles, decides as the rules it was made of,
and names what is not in it."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

import sieve_scripts
from conftest import PREFIX
from test_sieve_seeds import COURSE, blocks

BIN = Path(PREFIX) / "bin"


def convert(kind, text, lines=()):
    """The script; `lines` are named as not translated, and no others."""
    done = subprocess.run([BIN / "sieve-import", "--from", kind],
                          input=text.encode(), capture_output=True,
                          timeout=60)
    errors = done.stderr.decode()
    assert done.returncode == (1 if lines else 0), errors
    named = [int(line.split(": line ")[1].split(":")[0])
             for line in errors.splitlines()]
    assert named == list(lines), errors
    script = done.stdout.decode()
    assert script.count("# NOT TRANSLATED") == len(named)
    return script


def decide(tmp_path, script, mail):
    """What sieve-test says would be done."""
    path, eml = tmp_path / "s.sieve", tmp_path / "m.eml"
    path.write_text(script)
    eml.write_text(mail)
    done = subprocess.run(
        [BIN / "sieve-test", "-C", "-f", "s@example.com", "-r",
         "me@home.example", "-x", "+editheader", path, eml],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [(a[1], *sorted(a[2])) for a in sieve_scripts.normal(done.stdout)]


def mail(subject="lunch", sender="ada@club.example", to="me@home.example",
         body="hello", **fields):
    head = {"From": sender, "To": to, "Subject": subject}
    head.update({k.replace("_", "-"): v for k, v in fields.items()})
    return "".join(f"{k}: {v}\n" for k, v in head.items()) + f"\n{body}\n"


def stored(name, *flags):
    return [("store message in folder: " + name, *flags)]


PROCMAIL = r"""
SHELL=/bin/sh
MAILDIR=$HOME/Maildir/
DEFAULT=$MAILDIR
LOGFILE=$MAILDIR/log
FRIEND=eve@club\.example
VERBOSE=off

# lists
:0:
* ^(To|Cc):.*chess@club\.example
.lists.chess/

:0 c
* ^From:.*boss@
! pager@away.example

:0
* ^Subject:.*(make money|viagra)
* $ ! ^From:.*$FRIEND
/dev/null

:0 D
* ^Subject: ABC$
exact

:0 B
* ^begin [0-9]+ .*\.exe
virus

:0 B:
* lottery
$MAILDIR/.Junk.lottery/

:0
* ^TO_support@home
{
  :0 c
  support

  :0
  * > 1000
  big
}

:0
* 9876543210^0 ^X-Spam-Flag: YES
* 9876543210^0 ^X-Spam-Level: \*\*\*\*\*
junk/

:0
* ^FROM_DAEMON
bounces/.

:0
* ^List-Id:.*<news\.[a-z]+\.example>|^Newsletter:
news

:0:
* ^Resent-(From|Sender): someone
resent

:0
| /usr/lib/dovecot/deliver -m Rest/all
"""


@pytest.mark.parametrize("text,actions", [
    (mail(to="x@y.example, Chess <chess@club.example>"),
     stored("lists.chess")),
    (mail(to="chess@clubXexample"), stored("Rest/all")),
    (mail(sender="boss@club.example"),
     [("redirect message to: <pager@away.example>",)] + stored("Rest/all")),
    (mail(subject="Please MAKE money"), [("discard",)]),
    (mail(subject="make money", sender="Eve <eve@club.example>"),
     stored("Rest/all")),
    (mail(subject="ABC"), stored("exact")),
    (mail(subject="abc"), stored("Rest/all")),
    (mail(subject="ABC d"), stored("Rest/all")),
    (mail(body="text\nbegin 644 a.exe\n"), stored("virus")),
    (mail(body="text begin 644 a.exe\n"), stored("Rest/all")),
    (mail(body="a LOTTERY ticket"), stored("Junk.lottery")),
    (mail(to="support@home.example"),
     stored("support") + stored("Rest/all")),
    (mail(to="support@home.example", body="x" * 2000),
     stored("support") + stored("big")),
    (mail(to="nosupport@home.example"), stored("Rest/all")),
    (mail(X_Spam_Flag="YES"), stored("junk")),
    (mail(X_Spam_Level="*****"), stored("junk")),
    (mail(X_Spam_Level="****"), stored("Rest/all")),
    (mail(sender="MAILER-DAEMON@x.example"), stored("bounces")),
    (mail(Precedence="bulk"), stored("bounces")),
    (mail(List_Id="News <news.club.example>"), stored("news")),
    (mail(Newsletter="x"), stored("news")),
    (mail(Resent_Sender="someone@x.example"), stored("resent")),
])
def test_procmail(tmp_path, text, actions):
    script = convert("procmailrc", PROCMAIL)
    found = decide(tmp_path, script, text)
    assert [(a[0].replace("discard message", "discard"),) for a in found
            if not a[0].startswith("discard")] == \
        [a for a in actions if a != ("discard",)]
    assert bool([a for a in found if a[0].startswith("discard")]) == \
        (("discard",) in actions)


def test_procmail_filters(tmp_path):
    script = convert("procmailrc", ":0fhw\n| formail -A \"X-Seen: yes\"\n"
                                   ":0fw\n| formail -I \"Subject: new\"\n"
                                   ":0fw\n| formail -I \"X-Old:\"\n")
    assert 'addheader "X-Seen" "yes";' in script
    assert 'deleteheader "Subject";\naddheader "Subject" "new";' in script
    assert 'deleteheader "X-Old";' in script
    decide(tmp_path, script, mail())


@pytest.mark.parametrize("block", ["{ }", "{}", "{\n}", "{ # nothing\n}"])
def test_procmail_block_that_is_empty(tmp_path, block):
    script = convert("procmailrc", f":0\n* ^X-A:.*a\n{block}\n:0\n* ^Subject:.*lunch\n.food/\n")
    for fields in {}, {"X_A": "a"}:
        assert decide(tmp_path, script, mail(**fields)) == stored("food")


def test_procmail_block_that_begins_behind_its_brace(tmp_path):
    text = ":0\n* ^X-A:.*a\n{ :0\n  .in/\n}\n:0\n* ^X-B:.*b\n{ NAME=value }\n:0\n.out/\n"
    script = convert("procmailrc", text, [8])
    assert decide(tmp_path, script, mail(X_A="a")) == stored("in")
    assert decide(tmp_path, script, mail(X_B="b")) == stored("out")


def test_procmail_block_for_a_copy(tmp_path):
    script = convert("procmailrc", ":0c\n* ^X-A:.*a\n{\n:0\n.copy/\n}\n:0\n.all/\n", [1])
    assert decide(tmp_path, script, mail(X_A="a")) == stored("all")


def test_files_of_another_kind():
    """Or of which a part is missing."""
    convert("gmail-xml", "", [1])
    convert("gmail-xml", "<feed>\n<entry><apps:property name='from' value='a'/>", [2])
    convert("thunderbird-msgFilterRules", "<feed></feed>\n", [1])
    convert("thunderbird-msgFilterRules", 'version="9"\nname="x"\nenabled="yes"\n', [2])
    convert("thunderbird-msgFilterRules", 'version="9"\nlogging="no"\n')


def test_procmail_names_the_rest():
    script = convert("procmailrc", r""":0fw: spam.lock
* < 256000
| spamc

:0
* no field
a

:0
* ? test -f x
* ^Subject:.*x
b

:0 a
c

:0
* ^Subject: \/.*
$MATCH

INCLUDERC=$HOME/.rc2
TODAY=`date`

:0
* ^Subject:.*y
d$TODAY

:0
{
 X=1
}
nonsense
* ^To:.*x
""", [3, 6, 10, 14, 18, 21, 22, 26, 30, 32, 33])
    assert "fileinto" not in script


def test_the_course(tmp_path):
    if not COURSE.exists():
        pytest.skip("../shared/seeds is not there")
    script = convert("procmailrc",
                     next(b for b in blocks() if "\n:0\n" in b))
    assert "discard" in script
    for subject in "[SPAM] boo", "spam", "x SPAM":
        assert [a for a in decide(tmp_path, script, mail(subject))
                if a[0].startswith("discard")]
    assert decide(tmp_path, script, mail("boo")) == stored("INBOX")


def gmail(*entries):
    """Each is a list of (name, value)."""
    quote = {"&": "&amp;", "<": "&lt;", "'": "&#39;", '"': "&quot;"}
    return ("<?xml version='1.0' encoding='UTF-8'?>"
            "<feed xmlns='http://www.w3.org/2005/Atom' "
            "xmlns:apps='http://schemas.google.com/apps/2006'>\n" +
            "".join("\t<entry>\n\t\t<category term='filter'></category>\n" +
                    "".join("\t\t<apps:property name='%s' value='%s'/>\n" % (
                        name, "".join(quote.get(c, c) for c in value))
                        for name, value in entry) + "\t</entry>\n"
                    for entry in entries) + "</feed>\n")


SIZE = [("sizeOperator", "s_sl"), ("sizeUnit", "s_smb")]


@pytest.mark.parametrize("entry,yes,no,actions", [
    ([("from", "ada@club.example"), ("label", "Work"), *SIZE],
     mail(), mail(sender="x@y.example"),
     stored("Work") + stored("INBOX")),
    ([("from", "(x@y.example OR ada)"), ("label", "Caf\u00e9/Bar"),
      ("shouldArchive", "true")],
     mail(), mail(sender="bob@y.example"), stored("Caf\u00e9/Bar")),
    ([("subject", '"two words" -not'), ("shouldTrash", "true")],
     mail("two words"), mail("two words not"), stored("Trash")),
    ([("hasTheWord", "list:chess.club {open end}"),
      ("shouldArchive", "true")],
     mail("the end", List_Id="<chess.club>"), mail("the end"),
     stored("Archive")),
    ([("hasTheWord", "from:(ada -bob) larger:1K"),
      ("shouldArchive", "true")],
     mail(body="x" * 2000), mail(), stored("Archive")),
    ([("doesNotHaveTheWord", "holiday"), ("to", "me@home.example"),
      ("shouldMarkAsRead", "true"), ("shouldStar", "true"),
      ("shouldAlwaysMarkAsImportant", "true"), ("shouldArchive", "true")],
     mail(), mail(body="our holiday"),
     stored("Archive", "$important", "\\flagged", "\\seen")),
    ([("size", "1"), ("sizeOperator", "s_ss"), ("sizeUnit", "s_skb"),
      ("shouldArchive", "true")], mail(), mail(body="x" * 2000),
     stored("Archive")),
    ([("from", "it's & <ada>\"x\""), ("shouldArchive", "true")],
     mail(sender="its & <ada>x"), mail(), None),
])
def test_gmail(tmp_path, entry, yes, no, actions):
    script = convert("gmail-xml", gmail(entry))
    if actions is not None:
        assert decide(tmp_path, script, yes) == actions
    assert decide(tmp_path, script, no) == stored("INBOX")


def test_gmail_names_the_rest():
    script = convert("gmail-xml", gmail(
        [("hasTheWord", "filename:x.pdf"), ("shouldTrash", "true")],
        [("from", "a"), ("smartLabelToApply", "^smartlabel_x"),
         ("shouldStar", "true")],
        [("from", "a"), ("forwardTo", "nobody")]), [4, 10, 16])
    assert "Trash" not in script and "Flagged" in script


def thunderbird(condition, *actions, enabled="yes"):
    def quote(text):
        return text.replace("\\", "\\\\").replace('"', '\\"')
    return ('version="9"\nlogging="no"\nname="r"\n'
            f'enabled="{enabled}"\ntype="17"\n' +
            "".join(f'action="{quote(name)}"\n' +
                    (f'actionValue="{quote(value)}"\n' if value else "")
                    for name, value in actions) +
            f'condition="{quote(condition)}"\n')


MOVE = ("Move to folder", "imap://me%40home@imap.home.example/A/Caf%C3%A9")


@pytest.mark.parametrize("condition,yes,no", [
    ("OR (to or cc,contains,chess@)", mail(to="chess@x"), mail()),
    ('AND ("List-Id",contains,chess)', mail(List_Id="chess"), mail()),
    ("AND (subject,is,lunch)", mail(), mail("lunch!")),
    ("AND (subject,isn't,lunch)", mail("dinner"), mail()),
    ("AND (subject,begins with,Re*)", mail("Re* x"), mail("Re: x")),
    ("AND (subject,ends with,?)", mail("really?"), mail("really!")),
    ("AND (from,contains,ada) AND (from,doesn't contain,xad)", mail(),
     mail(sender="xada@y")),
    ("OR (from,contains,bob) OR (subject,contains,unch)", mail(),
     mail("dinner")),
    ("AND (size,is greater than,1)", mail(body="x" * 2000), mail()),
    ("AND (date,is before,01-Feb-2020)",
     mail(Date="Fri, 31 Jan 2020 12:00:00 +0000"),
     mail(Date="Mon, 3 Feb 2020 12:00:00 +0000")),
    ("AND (body,contains,ell)", mail(), mail(body="x")),
    ('AND (subject,contains,"a, (b)")', mail("x a, (b) y"), mail("a")),
    ("AND (all addresses,contains,home)", mail(), mail(to="x@y")),
])
def test_thunderbird(tmp_path, condition, yes, no):
    script = convert("thunderbird-msgFilterRules",
                     thunderbird(condition, ("Mark read", None), MOVE,
                                 ("AddTag", "$label1")))
    assert decide(tmp_path, script, yes) == stored("A/Caf\u00e9", "$label1",
                                                   "\\seen")
    assert decide(tmp_path, script, no) == stored("INBOX")


def test_thunderbird_off(tmp_path):
    script = convert("thunderbird-msgFilterRules",
                     thunderbird("ALL", ("Delete", None), enabled="no"))
    assert decide(tmp_path, script, mail()) == stored("INBOX")


def test_thunderbird_names_the_rest():
    convert("thunderbird-msgFilterRules",
            thunderbird("AND (from,is in ab,x)", MOVE), [8])
    convert("thunderbird-msgFilterRules",
            thunderbird("ALL", ("Change priority", "High"), MOVE), [6])


HOSTILE = {
    "procmailrc": [
        "A=xx\n" + "A=$A$A\n" * 100, ":0\n" * 5000,
        ":0\n* ^" + "(a|b)" * 200 + ":\nx\n", ":0\n* " + "(" * 100000,
        ":0\n{\n" * 2000, ":0\n* ^Subject:.*[\nx\n", "\\\n" * 10000,
        ":0\n* ^Subject:.*" + "(a*)*" * 100 + "\nx\n", ":0", "A=`", "$",
        ":0\n* ^Subject:.*\xff\nx\xff\n", ":0\n* 1^0\nx\n", ":0\n!\n",
        ":0\n*\n", ":0\n* ??\nx\n", ":0\n* ^:\nx\n", ":0\n| formail -A\n"],
    "gmail-xml": [
        "<entry>" * 10000, "<" * 10000, "<entry><apps:property name='",
        gmail([("from", "(" * 5000)]), gmail([("from", "-" * 5000)]),
        gmail([("hasTheWord", "{" * 50 + "a" + "}" * 50)]),
        gmail([("from", "a " * 20000)]), gmail([("label", "")]),
        gmail([("from", "&#0;&#xffffffff;"), ("label", "\x01")])],
    "thunderbird-msgFilterRules": [
        'name="' + "\\" * 1001, "=" * 1000, 'condition="AND (((((,,,,,)))"',
        thunderbird("AND " + "(from,contains,a) " * 1000, MOVE),
        thunderbird("AND (a b:,contains,c)", MOVE),
        thunderbird("ALL", ("Move to folder", "imap://%00/%")),
        thunderbird("ALL", *[("Delete", None)] * 500)],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile(kind):
    """An end within bounds: with a script, or an error."""
    rng = random.Random(7)
    good = {"procmailrc": PROCMAIL,
            "gmail-xml": gmail([("from", "(a OR b) -c"), ("label", "x")]),
            "thunderbird-msgFilterRules": thunderbird("AND (from,is,a)",
                                                      MOVE)}[kind]
    texts = [t.encode() for t in HOSTILE[kind]]
    for _ in range(25):
        text = bytearray(good.encode())
        for _ in range(rng.randrange(1, 20)):
            at = rng.randrange(len(text))
            text[at:at + rng.randrange(3)] = rng.choice(
                [b"", b"(", b")", b"\"", b"\\", b"\n", b"\0", b"\xff", b"'",
                 b":0\n", b"{", b"}", b"<", b"&", b"*", b"$A"])
        texts.append(bytes(text))
    for text in texts:
        done = subprocess.run(
            ["prlimit", "--cpu=20", BIN / "sieve-import", "--from", kind]
            if shutil.which("prlimit") else
            [BIN / "sieve-import", "--from", kind],
            input=text, capture_output=True, timeout=60)
        assert done.returncode in (0, 1), (text[:300], done.stderr[-500:])
        assert b"Sanitizer" not in done.stderr


def test_usage():
    done = subprocess.run([BIN / "sieve-import", "--help"],
                          capture_output=True, text=True)
    assert done.returncode == 0 and "procmailrc" in done.stdout
    for args in [], ["--from", "x"], ["--from", "gmail-xml", "a", "b"]:
        assert subprocess.run([BIN / "sieve-import", *args],
                              capture_output=True).returncode == 64
