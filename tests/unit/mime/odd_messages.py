# SPDX-License-Identifier: MIT
"""Messages that are odd in one way each, for comparing MIME parsers.

`messages()` yields (name, bytes).  golden.py keeps what Dovecot makes of them.
"""
import random


def mail(headers, body='', eol='\n'):
    text = headers.strip('\n') + '\n\n' + body
    return text.replace('\n', eol).encode('utf-8', 'surrogateescape')


BASE = 'From: a@b.example\nTo: c@d.example\nSubject: x\n' \
       'Date: Thu, 1 Jan 2026 00:00:00 +0000\nMessage-ID: <1@b.example>\n'
MIXED = BASE + 'MIME-Version: 1.0\n' \
        'Content-Type: multipart/mixed; boundary="b1"\n'

ADDRESSES = {
    'plain': 'a@b.example',
    'name': 'Ann Bee <a@b.example>',
    'quoted': '"Bee, Ann" <a@b.example>',
    'quoted-escapes': r'"Bee \"the \\ bee\", Ann" <a@b.example>',
    'comment-name': 'a@b.example (Ann Bee)',
    'comments': '(x) Ann (y) Bee (z) <(1) a (2) @ (3) b.example (4)> (5)',
    'comment-nested': 'a@b.example (Ann (the (bee)) Bee)',
    'comment-open': 'a@b.example (Ann',
    'comment-escapes': r'a@b.example (A\)n\\n)',
    'list': 'a@b.example, Cee <c@d.example>, e@f.example',
    'list-empty': ',, a@b.example,,c@d.example,',
    'list-semicolon': 'a@b.example; c@d.example',
    'list-blank': 'a@b.example c@d.example',
    'group': 'Friends: a@b.example, Cee <c@d.example>;',
    'group-empty': 'undisclosed-recipients:;',
    'group-open': 'Friends: a@b.example, c@d.example',
    'group-quoted': '"My: Friends": a@b.example;, z@y.example',
    'group-nested': 'A: B: a@b.example;;',
    'group-noname': ': a@b.example;',
    'group-after': 'x@y.example, A: a@b.example;, c@d.example',
    'route': '<@r1.example,@r2.example:a@b.example>',
    'route-name': 'Ann <@r1.example:a@b.example>',
    'route-bad': '<@r1.example a@b.example>',
    'empty': '',
    'blank': '   ',
    'angle-empty': '<>',
    'angle-empty-name': 'Ann <>',
    'no-domain': 'ann',
    'no-domain-name': 'Ann Bee',
    'no-domain-angle': 'Ann <ann>',
    'no-domain-at': 'ann@',
    'no-domain-angle-at': 'Ann <ann@>',
    'no-mailbox': '@b.example',
    'no-mailbox-angle': '<@b.example>',
    'angle-open': 'Ann <a@b.example',
    'angle-open-list': 'Ann <a@b.example, c@d.example',
    'angle-close': 'a@b.example>',
    'angle-double': 'Ann <<a@b.example>>',
    'angle-twice': 'Ann <a@b.example> <c@d.example>',
    'angle-junk': 'Ann <a@b.example> junk',
    'angle-blank': 'Ann < a@b.example >',
    'local-quoted': '"a b"@b.example',
    'local-quoted-angle': '<"a\\"b"@b.example>',
    'local-dots': 'a.b..c.@b.example',
    'local-dot-first': '.a@b.example',
    'local-blanks': 'a . b @ c . example',
    'local-mixed': '"a".b."c"@b.example',
    'domain-literal': 'a@[192.0.2.1]',
    'domain-literal-open': 'a@[192.0.2.1',
    'domain-literal-blanks': 'a@[ 192.0.2.1 ]',
    'domain-dots': 'a@b..example.',
    'two-ats': 'a@b@c.example',
    'two-ats-angle': 'Ann <a@b@c.example>',
    'name-dots': 'Ann B. Bee <a@b.example>',
    'name-dot-first': '.Ann <a@b.example>',
    'name-quoted-mixed': 'Ann "the bee" Bee <a@b.example>',
    'name-quoted-joined': 'Ann"the"Bee <a@b.example>',
    'name-quoted-open': '"Ann Bee <a@b.example>',
    'name-at': 'Ann@Bee <a@b.example>',
    'name-colon': 'Ann: Bee <a@b.example>',
    'name-comma': 'Bee, Ann <a@b.example>',
    'name-8bit': 'Änn Bée <a@b.example>',
    'name-8bit-quoted': '"Änn, Bée" <a@b.example>',
    'name-latin1': '\udcc4nn <a@b.example>',
    'name-encoded': '=?utf-8?q?=C3=84nn?= <a@b.example>',
    'name-encoded-quoted': '"=?utf-8?q?=C3=84nn?=" <a@b.example>',
    'name-encoded-two': '=?utf-8?q?=C3=84?= =?utf-8?q?nn?= <a@b.example>',
    'name-brackets': '[Ann] Bee <a@b.example>',
    'name-slash': 'Ann\\Bee <a@b.example>',
    'name-empty-quoted': '"" <a@b.example>',
    'name-blank-quoted': '" " <a@b.example>',
    'comment-two': '(one) a@b.example (two)',
    'comment-angle-only': '<a@b.example> (Ann)',
    'comment-angle-open': 'Ann <a@b.example> (x, c@d.example',
    'comment-empty': 'a@b.example ()',
    'comment-before-comma': 'a@b.example (A), c@d.example (C)',
    'quoted-comma-junk': 'a@b.example junk "x, y" , c@d.example',
    'slash-comma': 'Ann\\Bee <a@b.example>, c@d.example',
    'open-quote-comma': 'Ann "b <a@b.example>, c@d.example',
    'semicolon-comma': 'a@b.example; x, c@d.example',
    'group-junk': 'A: a@b.example junk, c@d.example; e@f.example, g@h.example',
    'group-comma': 'A: a@b.example,; c@d.example',
    'group-trail': 'A: a@b.example; c@d.example',
    'group-two': 'A:;, B: x@y;',
    'group-two-nocomma': 'A:; B: x@y;',
    'group-dots': 'A.B C: a@b;',
    'group-comment': '(x) A (y): (z);',
    'dots-only': '...',
    'quoted-then-atom': '"a"b@c.example',
    'atom-then-quoted': 'a"b"@c.example',
    'domain-quoted': 'a@"b.example"',
    'domain-comment': 'a@b(x).example',
    'angle-comment': 'Ann <a(x)@b.example>',
    'angle-quoted-dots': 'Ann <"a".b@c.example>',
    'angle-dots': 'Ann <.a..b.@c.example>',
    'angle-local-blank': 'Ann <a b@c.example>',
    'angle-two': 'Ann <a@b.example, c@d.example>',
    'angle-route-two': '<@r1.example, @r2.example : a@b.example>',
    'angle-noat-8bit': '<änn>',
    'phrase-dots': 'A . B <a@b.example>',
    'phrase-dot-end': 'A. <a@b.example>',
    'phrase-8bit-quoted': 'Ä "ö" <a@b.example>',
    'name-quoted-tab': '"a\tb  c" <a@b.example>',
    'name-quoted-folded-blanks': '"a\n   b" <a@b.example>',
    'nul': 'A\0nn <a@b.example>',
    'nul-quoted': '"A\0nn" <a@b.example>',
    'name-only-quoted': '"Ann Bee"',
    'name-tab': 'Ann\tBee <a@b.example>',
    'name-blanks': 'Ann    Bee   <a@b.example>',
    'folded': 'Ann\n Bee\n\t<a@b.example>,\n c@d.example',
    'folded-quoted': '"Ann\n Bee" <a@b.example>',
    'folded-comment': 'a@b.example (Ann\n Bee)',
    'control': 'Ann\x01Bee <a@b.example>',
    'tilde': '~!#$%&*+-/=?^_`{|}~@b.example',
    'mailto': 'mailto:a@b.example',
    'utf8-local': 'änn@bée.example',
    'percent': 'Ann <a%b@c.example>, "x y" z@w.example',
    'junk': ')(><@,;:\\".[]',
    'junk2': '@@@@ <<<< >>>> ;;;; ::::',
    'junk3': '(((((((((( a@b.example',
    'quote-at-end': 'Ann "',
    'backslash-at-end': 'a@b.example (x\\',
    'many': ', '.join(f'User {n} <u{n}@b.example>' for n in range(200)),
}

TYPES = {
    'plain': 'text/plain',
    'upper': 'TEXT/HTML; CHARSET=UTF-8',
    'blanks': '  text / plain ;  charset = utf-8 ; format = flowed  ',
    'comments': 'text/plain (x); (y) charset=utf-8 (z)',
    'no-subtype': 'text',
    'no-subtype-slash': 'text/',
    'no-type': '/plain',
    'empty': '',
    'junk': ';;;',
    'params-none': 'text/plain;',
    'param-equals': 'text/plain; a==x; b===y=z ; c==; d=x=y; e==/"(x)" f',
    'message-upper': 'MESSAGE/Rfc822',
    'params-two': 'text/plain; a=b;; c=d;',
    'params-empty': 'text/plain; a=; b=""',
    'params-quoted': r'text/plain; name="a \"b\" \\ c.txt"',
    'params-quoted-open': 'text/plain; name="abc',
    'params-noequals': 'text/plain; foo; charset=utf-8',
    'params-blanks': 'text/plain; name=my file.txt; charset=utf-8',
    'params-specials': 'text/plain; name=a@b[c].txt; x=y',
    'params-twice': 'text/plain; charset=a; charset=b',
    'params-nosemi': 'text/plain charset=utf-8',
    'params-8bit': 'text/plain; name="ä.txt"',
    'params-8bit-bare': 'text/plain; name=ä.txt',
    'params-encoded': 'text/plain; name="=?utf-8?q?=C3=A4.txt?="',
    'params-single': "text/plain; name='a b.txt'",
    '2231-simple': "text/plain; name*=utf-8''%C3%A4.txt",
    '2231-lang': "text/plain; name*=utf-8'en'%C3%A4.txt",
    '2231-cont': 'text/plain; name*0="abc"; name*1="def.txt"',
    '2231-cont-order': 'text/plain; name*1="def.txt"; name*0="abc"',
    '2231-cont-enc': "text/plain; name*0*=utf-8''%C3%A4; name*1=b; name*2*=%C3%B6",
    '2231-cont-gap': 'text/plain; name*0="abc"; name*2="def.txt"',
    '2231-cont-noz': 'text/plain; name*1="abc"; name*2="def.txt"',
    '2231-cont-dup': 'text/plain; name*0="abc"; name*0="xyz"; name*1="def"',
    '2231-cont-plain': 'text/plain; name=old; name*0="abc"; name*1="def"',
    '2231-both': "text/plain; name=old.txt; name*=utf-8''new.txt",
    '2231-bad': "text/plain; name*=utf-8''%C3%ZZ%; x*y=1; z*=",
    '2231-star': 'text/plain; *=a; **=b; a*b*=c',
    '2231-quoted': 'text/plain; name*="utf-8\'\'%C3%A4.txt"',
    '2231-big': 'text/plain; name*99999999999=a; name*0=b; name*00=c',
    '2231-order': "text/plain; zz*=a; aa*=b; mm=c; bb*1=e; bb*0=d; Bb*2=f",
    '2231-percent': "text/plain; a*0*=utf-8''x; a*1=50%; a*2=\"q\\\"r\"",
    '2231-ext-late': "text/plain; a*0=x; a*1*=%41",
    '2231-case': 'text/plain; NAME*0=a; name*1=b',
    '2231-00': 'text/plain; a*00=a; a*1=b',
    'quoted-semi': 'text/plain; a=b"c;d"; e=f',
    'quoted-junk-semi': 'text/plain; a="b" "c;d"; e=f',
    'name-quoted-key': 'text/plain; "a"=b; c=d',
    'comment-in-value': 'text/plain; a=b(c;d)e; f=g',
    'comment-open': 'text/plain; a=b (c; d=e',
    'value-8bit-token': 'text/plain; a=b\udcc4c; d=e',
    'nul': 'text/plain; name="a\0b"; x=y\0z',
    'type-8bit': 'text/pläin; a=b',
    'dots-type': '.text/.plain.; a=b',
    'quoted-fold-8bit': 'text/plain; name="a\n\tä"',
    'quoted-cr': 'text/plain; name="a\\\n b"',
    'blank-before-slash': 'text /plain',
    'blank-after-slash': 'text/ plain',
    'folded': 'text/plain;\n\tcharset=utf-8;\n name="a\n b"',
    'extra': 'text/plain/foo; charset=utf-8',
    'unknown': 'foo/bar; baz=1',
    'image': 'image/png; name=x.png',
    'message-partial': 'message/partial; number=1; total=2; id=x',
    'multipart-nob': 'multipart/mixed',
    'multipart-emptyb': 'multipart/mixed; boundary=""',
    'charset-empty': 'text/plain; charset=',
    'name-long': 'text/plain; name="' + 'x' * 500 + '"',
    'many-params': 'text/plain; ' + '; '.join(f'p{n}=v{n}' for n in range(60)),
    'quoted-type': '"text"/"plain"; charset=utf-8',
    'dots': 'application/vnd.ms-excel.sheet+xml; x.y=z',
    'equals': 'text/plain; a=b=c; d=e',
    'tail': 'text/plain; charset=utf-8 ; ; ',
    'slash-param': 'text/plain; type=text/html; x=1',
    'quoted-tail': 'text/plain; a="b"c; d=e',
    'quoted-tail-blank': 'text/plain; a="b" c; d=e',
    'angle': 'text/plain; a=<b>; c=d',
    'ctl': 'text/plain; a=b\x01c; d=e',
    'colon': 'text/plain: charset=utf-8',
    'comma': 'text/plain, charset=utf-8',
    'newline-name': 'text/plain; na\n me=x',
}

DISPOSITIONS = {
    'attachment': 'attachment; filename=x.txt',
    'inline': 'INLINE',
    'params': 'attachment; filename="a b.txt"; size=3',
    '2231': "attachment; filename*0*=utf-8''%C3%A4; filename*1=b.txt",
    'empty': '',
    'junk': '; filename=x',
    'blank': 'attachment filename=x',
    'quoted': '"attachment"; filename=x',
    'comment': 'attachment (x); filename=x (y)',
    'equals': 'filename=x.txt',
    '8bit': 'attachment; filename="ä.txt"',
}

OTHER = {
    'cte-upper': 'Content-Transfer-Encoding: BASE64',
    'cte-blank': 'Content-Transfer-Encoding:   quoted-printable  ',
    'cte-comment': 'Content-Transfer-Encoding: (x) base64 (y)',
    'cte-junk': 'Content-Transfer-Encoding: base64; foo',
    'cte-empty': 'Content-Transfer-Encoding:',
    'cte-8bit': 'Content-Transfer-Encoding: 8bit',
    'cte-quoted': 'Content-Transfer-Encoding: "base64"',
    'cte-unknown': 'Content-Transfer-Encoding: x-foo',
    'cte-two': 'Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: 7bit',
    'ct-two': 'Content-Type: text/html\nContent-Type: image/png; a=b',
    'id': 'Content-ID: <a@b>',
    'id-folded': 'Content-ID:\n <a@b>',
    'id-empty': 'Content-ID:',
    'desc': 'Content-Description: Some  thing "quoted" \\ here',
    'desc-8bit': 'Content-Description: Änn',
    'desc-folded': 'Content-Description: a\n b\n\tc',
    'desc-encoded': 'Content-Description: =?utf-8?q?=C3=84?=',
    'md5': 'Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==',
    'md5-comment': 'Content-MD5: (x) Q2hlY2sgSW50ZWdyaXR5IQ==',
    'lang': 'Content-Language: de',
    'lang-list': 'Content-Language: de, en (x), fr-CA',
    'lang-junk': 'Content-Language: ,,de;en, "x"',
    'lang-empty': 'Content-Language:',
    'loc': 'Content-Location: http://a.example/b c',
    'loc-folded': 'Content-Location: http://a.example/\n b/c',
    'loc-empty': 'Content-Location:',
    'everything': 'Content-Type: text/plain; charset=x\nContent-ID: <1@b>\n'
                  'Content-Description: d\nContent-Transfer-Encoding: 7bit\n'
                  'Content-MD5: m\nContent-Disposition: inline; a=b\n'
                  'Content-Language: de\nContent-Location: l',
    'case': 'CONTENT-TYPE: text/html\ncontent-transfer-encoding: base64',
}

HEADERS = {
    'none': '',
    'subject-two': 'Subject: one\nSubject: two',
    'subject-empty': 'Subject:',
    'subject-blank': 'Subject:    ',
    'subject-noblank': 'Subject:x',
    'subject-8bit': 'Subject: Änn',
    'subject-latin1': 'Subject: \udcc4nn',
    'subject-quotes': 'Subject: a "b" \\c',
    'subject-folded': 'Subject: a\n b\n\tc\n  d',
    'subject-folded-empty': 'Subject:\n a',
    'subject-folded-blank': 'Subject: a\n \n b',
    'subject-tab': 'Subject:\tx\ty',
    'subject-trail': 'Subject: x   ',
    'subject-cr': 'Subject: a\rb',
    'subject-long': 'Subject: ' + 'y' * 3000,
    'subject-space-colon': 'Subject : x',
    'subject-nul': 'Subject: a\0b',
    'subject-ctl': 'Subject: a\x07b\x7f',
    'name-space': 'Sub ject: x\nSubject: y',
    'no-colon': 'foo bar\nSubject: y',
    'no-colon-first': 'foo\nFrom: a@b.example\nSubject: y',
    'continuation-first': ' foo\nSubject: y',
    'from-line': 'From foo@bar Thu Jan  1 00:00:00 2026\nSubject: y',
    'from-quoted-line': '>From foo@bar Thu Jan  1 00:00:00 2026\nSubject: y',
    'empty-name': ': foo\nSubject: y',
    'date-odd': 'Date: yesterday "noon"',
    'date-folded': 'Date: Thu,\n 1 Jan 2026\n 00:00:00 +0000',
    'date-blanks': 'Date:   Thu, 1  Jan 2026   ',
    'date-empty': 'Date:\nMessage-ID:   ',
    'date-tab': 'Date:\tx\ty\t',
    'date-8bit': 'Date: Ä\nMessage-ID: <ä@x>',
    'date-nul': 'Date: a\0b',
    'date-cr': 'Date: a\rb',
    'msgid-two': 'Message-ID: <1@b>\nMessage-ID: <2@b>',
    'msgid-junk': 'Message-ID: foo bar',
    'msgid-folded': 'Message-ID:\n <1@b>',
    'irt': 'In-Reply-To: <1@b> <2@b>',
    'irt-folded': 'In-Reply-To: <1@b>\n <2@b>\n\t"x"',
    'from-only': 'From: a@b.example',
    'sender-only': 'Sender: a@b.example',
    'reply-only': 'Reply-To: a@b.example',
    'from-empty': 'From:\nSender:\nReply-To:',
    'from-sender-empty': 'From: a@b.example\nSender:\nReply-To: <>',
    'from-two': 'From: a@b.example\nFrom: c@d.example',
    'to-two': 'To: a@b.example\nTo: c@d.example',
    'all': 'Date: d\nSubject: s\nFrom: f@x\nSender: s@x\nReply-To: r@x\n'
           'To: t@x\nCc: c@x\nBcc: b@x\nIn-Reply-To: i\nMessage-ID: m',
    'cc-bcc': 'Cc: a@b.example\nBcc: c@d.example',
    'lower': 'subject: a\nfrom: a@b.example\nMESSAGE-id: <1@b>',
    'resent': 'Resent-From: a@b.example\nFrom: c@d.example',
}

STRUCTURES = {
    'boundary-equals': BASE + 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary==_x=; type=a\n\n'
    '--=_x=\n\none\n--=_x=\nContent-Type: text/html\n\ntwo\n--=_x=--\n',
    'mixed': MIXED + '\n--b1\n\nhello\n--b1\nContent-Type: text/html\n\n<p>\n--b1--\n',
    'preamble': MIXED + '\npre\namble\n--b1\n\nhello\n--b1--\nepi\nlogue\n',
    'no-end': MIXED + '\n--b1\n\nhello\n',
    'no-end-nonl': MIXED + '\n--b1\n\nhello',
    'no-parts': MIXED + '\nnothing here\n',
    'no-parts-end': MIXED + '\n--b1--\n',
    'empty-body': MIXED + '\n',
    'no-body': MIXED.rstrip('\n'),
    'no-body-nl': MIXED,
    'empty-parts': MIXED + '\n--b1\n\n--b1\n\n\n--b1\n\n\n\n--b1--\n',
    'part-noheader-noblank': MIXED + '\n--b1\nhello\n--b1--\n',
    'part-header-only': MIXED + '\n--b1\nContent-Type: text/html\n--b1\nX: y\n\nz\n--b1--\n',
    'part-header-only-end': MIXED + '\n--b1\nContent-Type: text/html\n--b1--\n',
    'part-header-eof': MIXED + '\n--b1\nContent-Type: text/html\n',
    'part-header-eof-nonl': MIXED + '\n--b1\nContent-Type: text/html',
    'part-empty-eof': MIXED + '\n--b1\n',
    'part-eof': MIXED + '\n--b1',
    'end-eof': MIXED + '\n--b1\n\nx\n--b1--',
    'dash-eof': MIXED + '\n--b1\n\nx\n--b1-',
    'trail-blank': MIXED + '\n--b1 \t\n\nx\n--b1-- \n',
    'trail-text': MIXED + '\n--b1foo\n\nx\n--b1--foo\ny\n',
    'trail-dash': MIXED + '\n--b1-\n\nx\n--b1---\ny\n',
    'blank-before': MIXED + '\n --b1\n\nx\n--b1--\n',
    'one-dash': MIXED + '\n-b1\n\nx\n--b1\n\ny\n--b1--\n',
    'boundary-midline': MIXED + '\n--b1\n\nx --b1\ny\n--b1--\n',
    'end-then-more': MIXED + '\n--b1\n\nx\n--b1--\n--b1\n\ny\n--b1--\n',
    'case': MIXED + '\n--B1\n\nx\n--b1\n\ny\n--b1--\n',
    'boundary-dashes': BASE + 'Content-Type: multipart/mixed; boundary="--b1"\n\n----b1\n\nx\n----b1--\n',
    'boundary-blanks': BASE + 'Content-Type: multipart/mixed; boundary="b 1 "\n\n--b 1 \n\nx\n--b 1--\n',
    'boundary-long': BASE + 'Content-Type: multipart/mixed; boundary="' + 'q' * 200 + '"\n\n--' + 'q' * 200 + '\n\nx\n--' + 'q' * 200 + '--\n',
    'boundary-long-cut': BASE + 'Content-Type: multipart/mixed; boundary="' + 'q' * 200 + '"\n\n--' + 'q' * 100 + '\n\nx\n--' + 'q' * 79 + '\n\ny\n--' + 'q' * 200 + '--\n',
    'boundary-prefix': MIXED + '\n--b1\nContent-Type: multipart/alternative; boundary=b12\n\n--b12\n\nx\n--b12--\n--b1\n\ny\n--b1--\n',
    'boundary-prefix2': BASE + 'Content-Type: multipart/mixed; boundary=b12\n\n--b12\nContent-Type: multipart/alternative; boundary=b1\n\n--b1\n\nx\n--b12\n\ny\n--b1--\n--b12--\n',
    'boundary-same': MIXED + '\n--b1\nContent-Type: multipart/alternative; boundary=b1\n\n--b1\n\nx\n--b1--\n--b1\n\ny\n--b1--\n',
    'boundary-prefix-dashes': MIXED + '\n--b1\nContent-Type: multipart/alternative; boundary=b1--\n\n--b1--\n\nx\n--b1----\n--b1\n\ny\n--b1--\n',
    'nested': MIXED + '\n--b1\nContent-Type: multipart/alternative; boundary=b2\n\n--b2\n\nx\n--b2\nContent-Type: text/html\n\ny\n--b2--\n--b1\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAAA\n--b1--\n',
    'nested-epilogue': MIXED + '\n--b1\nContent-Type: multipart/alternative; boundary=b2\n\npre\n--b2\n\nx\n--b2--\nepi\n\n--b1--\n',
    'nested-unclosed': MIXED + '\n--b1\nContent-Type: multipart/alternative; boundary=b2\n\n--b2\n\nx\n--b1\n\ny\n--b1--\n',
    'nested-outer-end': MIXED + '\n--b1\nContent-Type: multipart/alternative; boundary=b2\n\n--b2\n\nx\n--b1--\n--b2--\n',
    'nested-empty': MIXED + '\n--b1\nContent-Type: multipart/alternative; boundary=b2\n\n--b1--\n',
    'nested-noheaderend': MIXED + '\n--b1\nContent-Type: multipart/alternative; boundary=b2\n--b2\n\nx\n--b2--\n--b1--\n',
    'rfc822': BASE + 'Content-Type: message/rfc822\n\n' + BASE + '\ninner\nbody\n',
    'rfc822-part': MIXED + '\n--b1\nContent-Type: message/rfc822\nContent-Description: fwd\n\n' + BASE + '\ninner\n--b1\n\nx\n--b1--\n',
    'rfc822-multipart': MIXED + '\n--b1\nContent-Type: message/rfc822\n\n' + MIXED.replace('b1', 'b2') + '\n--b2\n\ninner\n--b2--\n--b1--\n',
    'rfc822-empty': MIXED + '\n--b1\nContent-Type: message/rfc822\n\n--b1\n\nx\n--b1--\n',
    'rfc822-blank': MIXED + '\n--b1\nContent-Type: message/rfc822\n\n\n--b1\n\nx\n--b1--\n',
    'rfc822-headeronly': MIXED + '\n--b1\nContent-Type: message/rfc822\n\nSubject: y\n--b1\n\nx\n--b1--\n',
    'rfc822-headeronly-eof': BASE + 'Content-Type: message/rfc822\n\nSubject: y\n',
    'rfc822-nobody': BASE + 'Content-Type: message/rfc822\n',
    'rfc822-nobody2': BASE + 'Content-Type: message/rfc822\n\n',
    'rfc822-base64': MIXED + '\n--b1\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoKeQo=\n--b1--\n',
    'rfc822-qp': BASE + 'Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\nSubject: =3D\n\ny\n',
    'rfc822-nested': BASE + 'Content-Type: message/rfc822\n\n' + (BASE + 'Content-Type: message/rfc822\n\n') * 3 + BASE + '\nx\n',
    'global': BASE + 'Content-Type: message/global\n\n' + BASE + '\nx\n',
    'delivery-status': BASE + 'Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nAction: failed\n--b\nContent-Type: text/rfc822-headers\n\nSubject: x\n--b--\n',
    'digest': BASE + 'Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\nx\n--b\nContent-Type: text/plain\n\ny\n--b\nX-Foo: bar\n\nSubject: three\n\nz\n--b\nContent-Type: junk\n\nfoo: bar\n\nx\n--b--\n',
    'digest-nested': BASE + 'Content-Type: multipart/digest; boundary=b\n\n--b\n\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--c--\n--b--\n',
    'alternative-one': BASE + 'Content-Type: multipart/alternative; boundary=b\n\n--b\n\nx\n--b--\n',
    'multipart-cte': BASE + 'Content-Type: multipart/mixed; boundary=b1\nContent-Transfer-Encoding: base64\n\n--b1\n\nx\n--b1--\n',
    'multipart-nosub': BASE + 'Content-Type: multipart; boundary=b1\n\n--b1\n\nx\n--b1--\n',
    'multipart-emptysub': BASE + 'Content-Type: multipart/; boundary=b1\n\n--b1\n\nx\n--b1--\n',
    'multipart-noversion': BASE + 'Content-Type: multipart/mixed; boundary=b1\n\n--b1\n\nx\n--b1--\n',
    'multipart-params': BASE + 'Content-Type: multipart/related; boundary=b1; type="text/html"; start="<x>"\nContent-Disposition: inline\nContent-Language: de\nContent-Location: l\nContent-ID: <1>\nContent-MD5: x\n\n--b1\n\nx\n--b1--\n',
    'deep': BASE + ''.join(f'Content-Type: multipart/mixed; boundary=d{n}x\n\n--d{n}x\n' for n in range(60)) + '\nbottom\n' + ''.join(f'--d{n}x--\n' for n in reversed(range(60))),
    'deep-open': BASE + ''.join(f'Content-Type: multipart/mixed; boundary=d{n}x\n\n--d{n}x\n' for n in range(40)) + '\nbottom\n',
    'too-deep': BASE + ''.join(f'Content-Type: multipart/mixed; boundary=d{n}x\n\n--d{n}x\n' for n in range(130)) + '\nbottom\n' + ''.join(f'--d{n}x--\n' for n in reversed(range(130))),
    'too-deep-rfc822': BASE + 'Content-Type: message/rfc822\n\n' * 130 + 'Subject: x\n\nbottom\n',
    'many-parts': MIXED + '\n' + '--b1\n\nx\n' * 300 + '--b1--\n',
    'header-boundary-text': MIXED + '\n--b1\nX-Foo: bar\n --b1\nY: z\n\nx\n--b1--\n',
    'first-line-boundary': MIXED + '--b1\n\nx\n--b1--\n',
    'empty-lines': BASE + '\n\n\n\n',
    'body-nonl': BASE + '\nhello',
    'dashes-body': BASE + '\n--\n-- \nsig\n---\n----------\n',
    'dashes-multi': MIXED + '\n--b1\n\n--\n-- \nsig\n-\n---\n--b\n--b1--\n',
    'cr-body': BASE + '\na\rb\r\rc\n\r\nd\r',
    'cr-boundary': MIXED + '\n--b1\r\n\r\nx\r\n--b1\r\n\r\ny\n--b1--\r\n',
    'cr-blank': BASE + '\r\nbody\n',
    'mixed-eol': BASE.replace('\n', '\r\n', 3) + '\nx\r\ny\nz\r\n',
    'nul-body': BASE + '\na\0b\n',
    '8bit-body': BASE + 'Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nÄöü\n',
    'long-line': BASE + '\n' + 'x' * 100000 + '\ny\n',
    'long-dashes': MIXED + '\n--b1\n\n' + '-' * 10000 + '\n--b1' + '-' * 10000 + '\n',
    'only-header-nl': 'Subject: x\n',
    'only-header': 'Subject: x',
    'only-blank': '\n',
    'only-body': '\nbody\n',
    'only-crlf': '\r\n',
    'only-cr': '\r',
    'only-boundary': '--b1\n',
    'one-byte': 'x',
    'text-not-header': 'This is no header\nat all\n\nbody\n',
    'rfc822-cte-noversion': BASE + 'Content-Type: message/rfc822\n\nSubject: y\nContent-Transfer-Encoding: base64\n\nx\n',
    'rfc822-cte-version': BASE + 'Content-Type: message/rfc822\n\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\nx\n',
    'multi-cte-noversion': BASE + 'Content-Type: multipart/mixed; boundary=b1\n\n--b1\nContent-Transfer-Encoding: base64\nContent-ID: <x>\n\nx\n--b1--\n',
    'version-odd': BASE + 'MIME-Version: foo\nContent-Transfer-Encoding: base64\n\nx\n',
    'version-comment': BASE + 'MIME-Version: (x) 1.0\nContent-Transfer-Encoding: base64\n\nx\n',
    'external-body': BASE + 'Content-Type: message/external-body; access-type=local-file; name=x\n\nContent-Type: image/gif\n\n',
    'binary-header': 'Subject: \x01\x02\n\n\x00\x01\x02',
}


def random_mail(rng, depth=0):
    """Nested multiparts with boundaries that are missing, wrong or doubled."""
    kind = rng.choice(['text', 'text', 'multi', 'multi', 'message'])
    lines = []
    if depth == 0:
        lines.append(f'Subject: random {rng.randrange(1000)}')
    for name in rng.sample(['X-A: 1', 'X-B:\n 2', 'Content-ID: <r>', 'no colon', 'From: r@x'],
                           rng.randrange(3)):
        lines.append(name)
    if depth > 4:
        kind = 'text'
    if kind == 'text':
        lines += rng.choice([[], ['Content-Type: text/html'], ['Content-Type: image/gif'],
                             ['Content-Type: text/plain; charset=utf-8']])
        lines.append(rng.choice(['', '', '', '', '\n']))
        for _ in range(rng.randrange(4)):
            lines.append(rng.choice(['text', '', '--', '--b', '--bb0x', '- -', '-']))
        return lines
    if kind == 'message':
        lines += ['Content-Type: message/rfc822', '']
        return lines + random_mail(rng, depth + 1)
    boundary = rng.choice(['b', 'bb', f'b{depth}', 'b-', 'b--', 'c'])
    lines.append(f'Content-Type: multipart/{rng.choice(["mixed", "digest", "alternative"])};'
                 f' boundary="{boundary}"')
    if rng.random() < 0.95:
        lines.append('')
    for _ in range(rng.randrange(4)):
        lines.append('--' + boundary + rng.choice([''] * 8 + [' ', 'x', '-']))
        lines += random_mail(rng, depth + 1)
    if rng.random() < 0.8:
        lines.append('--' + boundary + '--' + rng.choice([''] * 5 + ['x', '-']))
    if rng.random() < 0.2:
        lines.append('epilogue')
    return lines


def messages():
    for name, value in ADDRESSES.items():
        yield f'address-{name}', mail(f'To: {value}')
    for name, value in TYPES.items():
        yield f'type-{name}', mail(f'{BASE}Content-Type: {value}', 'x\n')
    for name, value in DISPOSITIONS.items():
        yield f'disposition-{name}', mail(f'{BASE}MIME-Version: 1.0\nContent-Disposition: {value}', 'x\n')
    for name, value in OTHER.items():
        yield f'field-{name}', mail(f'{BASE}MIME-Version: 1.0\n{value}', 'x\n')
        yield f'fieldnover-{name}', mail(BASE + value, 'x\n')
    for name, value in HEADERS.items():
        yield f'header-{name}', mail(value, 'x\n')
        yield f'headercrlf-{name}', mail(value, 'x\n', '\r\n')
    for name, text in STRUCTURES.items():
        data = text.encode('utf-8', 'surrogateescape')
        yield f'structure-{name}', data
        if b'\r' not in data and len(data) < 5000:
            yield f'structurecrlf-{name}', data.replace(b'\n', b'\r\n')
    for n in range(300):
        rng = random.Random(f'odd:{n}')
        text = '\n'.join(random_mail(rng)) + rng.choice(['\n', ''])
        yield f'random-{n}', text.replace('\n', rng.choice(['\n', '\r\n'])).encode()
