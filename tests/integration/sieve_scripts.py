# SPDX-License-Identifier: MIT
"""Random Sieve scripts and messages, and what sieve-test says of them."""

REQUIRE = ('require ["fileinto", "copy", "variables", "imap4flags", '
           '"relational", "subaddress", "envelope", "encoded-character", '
           '"comparator-i;ascii-numeric", "comparator-i;octet", '
           '"comparator-i;ascii-casemap"];\n')

WORDS = ["Hello", "hello world", "a*b", "x", "", "Re: [list] Fwd: x", "17",
         "4", "042", "1e3", "Caf\u00e9", "CAF\u00c9 au lait", "  blanks  ",
         "back\\slash", 'q"uote', "a.b", "alice", "example.com", "user",
         "detail", "user+detail", "$Foo bar", "\\Seen", "?", "*", "a?c",
         "aXc", "-", "x-y_z"]
PATTERNS = ["*", "?", "*o*", "h*", "*world", "a\\*b", "a?c", "* *", "Re: *",
            "*[*]*", "?*?", "**", "*.*", "h?llo*", "\\a*", "*\\?", "Caf?",
            "Caf*lait", "* \u00e9*", "*@*", "*+*@*.*", "a*b*c"]
HEADERS = ["subject", "X-Score", "from", "to", "cc", "x-empty", "Received",
           "x-nothing", "X-Folded", "x-encoded", "List-Id"]
ADDRESS_HEADERS = ["from", "to", "cc", "sender", "reply-to"]
FOLDERS = ["a", "Work", "x.y", "INBOX", "\u00e9", "a b"]
FLAGS = ["\\Seen", "\\\\Flagged", "$Foo", "bar", "Bar", "\\Deleted", "a b"]


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Scripts:
    def __init__(self, rng):
        self.rng = rng
        self.copies = 0

    def pick(self, *values):
        return self.rng.choice(values)

    def string(self):
        rng = self.rng
        kind = rng.random()
        if kind < 0.15:
            return '"${%s}"' % rng.choice("a b c 0 1 2 3 9".split())
        if kind < 0.22:
            return '"%s${%s}-${%s}"' % (rng.choice(["", "x ", "$"]),
                                        rng.choice("abc012"),
                                        rng.choice("abc012"))
        if kind < 0.26:
            return rng.choice(['"${hex: 41 42}"', '"${unicode: e9}c"',
                               '"${hex:zz}"', '"${a"', '"${}"', '"$${a}"',
                               'text:\nline one\n..dot\n.\n'])
        return quote(rng.choice(WORDS))

    def strings(self, make=None):
        make = make or self.string
        count = self.rng.choice([1, 1, 1, 2, 3])
        if count == 1 and self.rng.random() < 0.8:
            return make()
        return "[" + ", ".join(make() for _ in range(count)) + "]"

    def match(self):
        """Tags, and a maker of keys."""
        rng = self.rng
        kind = rng.random()
        comparator = self.pick("", "", "", ' :comparator "i;octet"',
                               ' :comparator "i;ascii-casemap"')
        if kind < 0.25:
            tags = self.pick("", ":is") + comparator
            return tags, self.string
        if kind < 0.5:
            return ":contains" + comparator, self.string
        if kind < 0.75:
            return ":matches" + comparator, lambda: quote(
                rng.choice(PATTERNS))
        relation = self.pick("gt", "ge", "lt", "le", "eq", "ne")
        if kind < 0.85:
            return (':count "%s" :comparator "i;ascii-numeric"' % relation,
                    lambda: '"%d"' % rng.randrange(4))
        comparator = self.pick("i;ascii-numeric", "i;octet",
                               "i;ascii-casemap")
        return ':value "%s" :comparator "%s"' % (relation, comparator), \
            self.string

    def test(self, depth=0):
        rng = self.rng
        kind = rng.random()
        if depth < 3 and kind < 0.3:
            if kind < 0.1:
                return "not " + self.test(depth + 1)
            name = self.pick("allof", "anyof")
            return name + " (" + ", ".join(
                self.test(depth + 1)
                for _ in range(rng.randrange(1, 4))) + ")"
        tags, key = self.match()
        if kind < 0.5:
            return "header %s %s %s" % (
                tags, self.strings(lambda: quote(rng.choice(HEADERS))),
                self.strings(key))
        if kind < 0.65:
            part = self.pick("", ":all", ":localpart", ":domain", ":user",
                             ":detail")
            return "address %s %s %s %s" % (
                part, tags,
                self.strings(lambda: quote(rng.choice(ADDRESS_HEADERS))),
                self.strings(key))
        if kind < 0.72:
            part = self.pick("", ":localpart", ":domain", ":user", ":detail")
            return "envelope %s %s %s %s" % (
                part, tags, self.pick('"from"', '"to"', '["from", "to"]'),
                self.strings(key))
        if kind < 0.82:
            # Dovecot's default here is i;octet, against RFC 5228's 2.7.3.
            if ":comparator" not in tags:
                tags += ' :comparator "i;ascii-casemap"'
            return "string %s %s %s" % (tags, self.strings(),
                                        self.strings(key))
        if kind < 0.88:
            # RFC 5232 section 4: "a b" is two keys. Dovecot has one with
            # :matches.
            flags = [f for f in FLAGS if ":matches" not in tags or
                     " " not in f]
            return "hasflag %s %s %s" % (
                tags, self.pick("", "", '"a"', '["a", "b"]'),
                self.strings(key if ":count" in tags else lambda: quote(
                    rng.choice(flags))))
        if kind < 0.93:
            return "exists " + self.strings(lambda: quote(
                rng.choice(HEADERS)))
        if kind < 0.97:
            return "size %s %s" % (self.pick(":over", ":under"),
                                   self.pick("1", "10", "5K", "1M"))
        return self.pick("true", "false")

    def action(self):
        rng = self.rng
        kind = rng.random()
        flags = self.pick("", "", " :flags " + self.strings(
            lambda: quote(rng.choice(FLAGS))))
        # Where a copy meets the same without :copy, Dovecot keeps the
        # implicit keep, which RFC 3894 section 3 does not say.
        if kind < 0.04:
            self.copies += 1
            return "%s :copy \"%d%s\";" % (
                self.pick("fileinto" + flags, "redirect"), self.copies,
                "@example.net")
        if kind < 0.2:
            return "fileinto%s %s;" % (flags, quote(rng.choice(FOLDERS)))
        if kind < 0.24:
            return 'fileinto "x${%s}";' % rng.choice("abc12")
        if kind < 0.32:
            return "keep%s;" % flags
        if kind < 0.36:
            return "discard;"
        if kind < 0.4:
            return "redirect \"%s@example.%s\";" % (
                rng.choice("abc"), self.pick("com", "ORG"))
        if kind < 0.44:
            return "stop;"
        if kind < 0.6:
            return "%s %s %s;" % (
                self.pick("setflag", "addflag", "removeflag"),
                self.pick("", "", '"a"', '"b"'),
                self.strings(lambda: quote(rng.choice(FLAGS))))
        modifiers = " ".join(
            m for m in [self.pick("", ":lower", ":upper"),
                        self.pick("", ":lowerfirst", ":upperfirst"),
                        self.pick("", "", ":quotewildcard"),
                        self.pick("", "", "", ":length")] if m)
        return "set %s \"%s\" %s;" % (modifiers, rng.choice("abC"),
                                      self.string())

    def block(self, depth):
        return "".join(self.command(depth)
                       for _ in range(self.rng.randrange(0, 4)))

    def command(self, depth=0):
        if depth < 3 and self.rng.random() < 0.45:
            out = "if %s {\n%s}\n" % (self.test(), self.block(depth + 1))
            while self.rng.random() < 0.3:
                out += "elsif %s {\n%s}\n" % (self.test(),
                                              self.block(depth + 1))
            if self.rng.random() < 0.4:
                out += "else {\n%s}\n" % self.block(depth + 1)
            return out
        return self.action() + "\n"

    def script(self):
        return REQUIRE + "".join(
            self.command() for _ in range(self.rng.randrange(2, 9)))


SUBJECTS = ["Hello", "hello world", "Re: [list] Fwd: x", "a*b", "",
            "=?utf-8?q?Caf=C3=A9?=", "=?iso-8859-1?q?CAF=C9?= au lait",
            "=?utf-8?b?Q2Fmw6k=?=\r\n =?utf-8?q?_au?=\r\n lait", "17", "aXc",
            "  blanks  ", "folded\r\n\tvalue\r\n here", "back\\slash"]
ADDRESSES = ["alice@example.com", "Alice <alice@Example.COM>",
             '"Quoted, Name" <user+detail@example.org>',
             "user@example.com (comment)", "<x@y.example>", "x-y_z@a.b",
             "group: a@b.c, d@e.f;", "empty group:;", '"a b"@c.d',
             "user+@example.com", "+detail@example.com", "broken", "<>",
             "a@b.c, d@e.f", "=?utf-8?q?=C3=A9?= <e@f.g>"]


def message(rng):
    lines = []
    if rng.random() < 0.9:
        lines.append("From: " + rng.choice(ADDRESSES))
    for name in "To", "Cc", "Reply-To", "Sender":
        if rng.random() < (0.9 if name == "To" else 0.3):
            lines.append(name + ": " + ", ".join(
                rng.choice(ADDRESSES)
                for _ in range(rng.choice([1, 1, 2, 3]))))
    for _ in range(rng.choice([0, 1, 1, 1, 2])):
        lines.append("Subject: " + rng.choice(SUBJECTS))
    for _ in range(rng.choice([0, 1, 2, 3])):
        lines.append("X-Score: " + rng.choice(["17", "4", "042", "x", "-1"]))
    if rng.random() < 0.4:
        lines.append("X-Empty:" + rng.choice(["", " "]))
    if rng.random() < 0.4:
        lines.append("X-Folded: one\r\n two\r\n\tthree")
    if rng.random() < 0.3:
        lines.append("X-Encoded: " + rng.choice(SUBJECTS))
    rng.shuffle(lines)
    text = "\r\n".join(lines) + "\r\n\r\n" + "body\r\n" * rng.randrange(5)
    return text if rng.random() < 0.5 else text.replace("\r\n", "\n")


def normal(output):
    """What is the same in both servers' words."""
    actions, part, last = [], None, None
    for line in output.splitlines():
        if line.startswith("Performed actions"):
            part = "do"
        elif line.startswith("Implicit keep"):
            part = "implicit"
        elif line.startswith(" * "):
            last = [part, line[3:], frozenset(), False]
            actions.append(last)
        elif "add IMAP flags:" in line and last:
            last[2] = frozenset(
                line.split("flags:", 1)[1].lower().split())
        elif "preserve implicit keep" in line and last:
            last[3] = True
    return [tuple(a) for a in actions]
