# SPDX-License-Identifier: MIT
"""What two mailboxes must hold after commands, and what SEARCH must find in them: a model of RFC 9051, without files
and without sessions."""

FLAGS = [r'\Seen', r'\Answered', r'\Flagged', r'\Deleted', r'\Draft']
KEYWORDS = ['work', '$Junk', 'Later']
KEYS = {'SEEN': r'\Seen', 'ANSWERED': r'\Answered', 'FLAGGED': r'\Flagged', 'DELETED': r'\Deleted', 'DRAFT': r'\Draft'}


class Box:
    def __init__(self):
        self.mails, self.uid_next = {}, 1  # uid: (subject, flags)

    def add(self, subject, flags):
        self.mails[self.uid_next] = (subject, frozenset(flags))
        self.uid_next += 1
        return self.uid_next - 1

    def store(self, uids, mode, flags):
        for uid in uids:
            subject, old = self.mails[uid]
            self.mails[uid] = (subject, {'+': old | flags, '-': old - flags, '': frozenset(flags)}[mode])

    def expunge(self, uids):
        for uid in [uid for uid in uids if r'\Deleted' in self.mails[uid][1]]:
            del self.mails[uid]

    def copy(self, uids, other):
        return [other.add(*self.mails[uid]) for uid in sorted(uids)]


def some_flags(dice):
    return frozenset(dice.sample(FLAGS + KEYWORDS, dice.randint(0, 3)))


def some_uids(box, dice):
    """A set as a client writes it, and those of it that exist."""
    parts, uids = [], set()
    for _ in range(dice.randint(1, 3)):
        first, last = (dice.randint(1, box.uid_next + 2) for _ in range(2))
        if dice.random() < 0.4:
            last = first
        parts.append(str(first) if first == last else f'{first}:{last}')
        uids |= set(range(min(first, last), max(first, last) + 1))
    if dice.random() < 0.1 and box.mails:
        parts.append('*')
        uids.add(max(box.mails))
    return ','.join(parts), uids & box.mails.keys()


def some_key(box, dice, depth=3):
    """A search key, and the UIDs that it finds."""
    everything = set(box.mails)
    kind = dice.randrange(10 if depth else 6)
    if kind == 0:
        text, uids = some_uids(box, dice)
        return f'UID {text}', uids
    if kind in (1, 2):
        name = dice.choice(list(KEYS))
        found = {uid for uid, one in box.mails.items() if KEYS[name] in one[1]}
        return (name, found) if kind == 1 else ('UN' + name, everything - found)
    if kind == 3:
        keyword = dice.choice(KEYWORDS)
        return f'KEYWORD {keyword}', {uid for uid, one in box.mails.items() if keyword in one[1]}
    if kind == 4:
        text = str(dice.randrange(30))
        return f'SUBJECT "m{text}"', {uid for uid, one in box.mails.items() if f'm{text}' in one[0]}
    if kind == 5:
        return 'ALL', everything
    one, found = some_key(box, dice, depth - 1)
    if kind == 6:
        return f'NOT {one}', everything - found
    two, also = some_key(box, dice, depth - 1)
    if kind == 7:
        return f'OR {one} {two}', found | also
    return f'({one} {two})', found & also
