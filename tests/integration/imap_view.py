# SPDX-License-Identifier: MIT
"""An IMAP client that checks what it is told: sequence numbers, UIDs and when they may change (RFC 9051 sections
2.3.1.1, 5.5, 7.4.1, 7.5.1)."""
import re

from imap_lines import Lines

# While one of these is answered, no number may go.
FIXED = re.compile(rb'(FETCH|STORE|SEARCH)\b')


class View(Lines):
    def __init__(self, *args, **kwargs):
        self.uids = []  # by sequence number - 1; None: not told yet
        self.fixed = False
        super().__init__(*args, **kwargs)

    def line(self):
        line = super().line()
        match = re.match(rb'\* (\d+) (EXISTS|EXPUNGE|FETCH)\b', line)
        if match:
            getattr(self, match[2].decode().lower())(int(match[1]), line)
        return line

    def exists(self, count, line):
        assert count >= len(self.uids), ('EXISTS went down', len(self.uids), line)
        self.uids += [None] * (count - len(self.uids))

    def expunge(self, seq, line):
        assert not self.fixed, ('EXPUNGE while numbers are fixed', line)
        assert 1 <= seq <= len(self.uids), ('no such mail', len(self.uids), line)
        del self.uids[seq - 1]

    def fetch(self, seq, line):
        assert 1 <= seq <= len(self.uids), ('no such mail', len(self.uids), line)
        uid = re.search(rb'[( ]UID (\d+)[ )]', line)
        if uid is None:
            return
        uid = int(uid[1])
        assert self.uids[seq - 1] in (None, uid), ('another UID', self.uids[seq - 1], line)
        self.uids[seq - 1] = uid
        known = [one for one in self.uids if one is not None]
        assert known == sorted(set(known)), ('UIDs out of order', line)

    def command(self, text):
        if isinstance(text, str):
            text = text.encode()
        self.fixed = FIXED.match(text) is not None
        lines = super().command(text)
        self.fixed = False
        return lines

    def select(self, name, command='SELECT'):
        self.uids = []
        return self.ok(f'{command} {name}')
