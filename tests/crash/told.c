/* SPDX-License-Identifier: MIT */
#include "told.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define HOLDS(where, condition)                                                \
	do {                                                                   \
		if (!(condition))                                              \
			fail_msg("%s: %s", where, #condition);                 \
	} while (0)

/* The mail that a check leaves behind. */
#define TOLD_AFTERWARDS "afterwards"

/* changes */

char *told_text(const void *ctx, unsigned mail)
{
	size_t lines = mail * 37 % 90, len = 0, size = 100 + 80 * lines;
	char *text = mem_array(ctx, char, size);

	len += (size_t)snprintf(text, size, "X-Id: %u\r\n\r\n", mail);
	for (size_t i = 0; i < lines; i++)
		len += (size_t)snprintf(text + len, size - len,
					"line %zu of mail %u, which must be "
					"whole\r\n",
					i, mail);
	return text;
}

const char *told_keyword(const void *ctx, unsigned mail)
{
	return mail % 2 == 0 ? mem_printf(ctx, "key%u", mail / 2 % 2) : NULL;
}

void told_save(struct told *told, enum told_box box, unsigned mail)
{
	told->mails[box][mail].may = true;
}

void told_saved(struct told *told, enum told_box box, unsigned mail,
		uint32_t uid_validity, uint32_t uid)
{
	struct told_mail *at = &told->mails[box][mail];

	at->must = true;
	at->uid = uid;
	told->kept[mail] = true;
	told->uid_validity[box] = uid_validity;
	if (told->uid_max[box] < uid)
		told->uid_max[box] = uid;
}

void told_remove(struct told *told, enum told_box box, unsigned mail,
		 bool for_good)
{
	told->mails[box][mail].must = false;
	if (for_good)
		told->kept[mail] = false;
}

void told_removed(struct told *told, enum told_box box, unsigned mail)
{
	if (told->all_synced)
		told->mails[box][mail].may = false;
}

/* what is there */

static void check_keyword(struct fixture *f, struct mailbox *box,
			  const struct mail *mail, unsigned number,
			  const char *where)
{
	unsigned count;
	const char *const *names = mailbox_keywords(box, &count);
	const char *wanted = told_keyword(f->ctx, number);
	unsigned has = 0, right = 0;

	for (unsigned bit = 0; bit < count; bit++) {
		if ((mail->keywords.bits[0] >> bit & 1) == 0)
			continue;
		has++;
		if (wanted != NULL && strcmp(names[bit], wanted) == 0)
			right++;
	}
	HOLDS(where, has == right && right == (wanted == NULL ? 0 : 1));
}

struct found {
	unsigned count[TOLD_MAILS];
	uint32_t uid[TOLD_MAILS];
	uint8_t flags[TOLD_MAILS];
};

/* The whole text, NUL behind it; child of ctx. */
static char *read_text(const void *ctx, const struct mail *mail,
		       size_t *len_out, const char *where)
{
	static const struct section whole = {.kind = SECTION_ALL};
	struct mail_stream *stream;
	uint64_t size, at = 0;
	struct err err;
	char *text;

	if (mail_stream_open(ctx, mail, &whole, 0, UINT64_MAX, &stream, &size,
			     &err) < 0)
		fail_msg("%s: UID %u: %s", where, mail->uid, err.text);
	text = mem_array(ctx, char, size + 1);
	while (at < size) {
		ssize_t got = mail_stream_read(stream, text + at,
					       (size_t)(size - at), &err);

		HOLDS(where, got > 0);
		at += (uint64_t)got;
	}
	mail_stream_close(&stream);
	*len_out = (size_t)size;
	return text;
}

static void look_at(struct fixture *f, struct mailbox *box,
		    const struct mail *mail, struct found *found,
		    const char *where)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "look");
	size_t len;
	char *text = read_text(ctx, mail, &len, where), *wanted;
	unsigned number;

	if (strstr(text, "Subject: " TOLD_AFTERWARDS) != NULL)
		return;
	HOLDS(where, sscanf(text, "X-Id: %u", &number) == 1);
	HOLDS(where, number < TOLD_MAILS);
	wanted = told_text(ctx, number);
	HOLDS(where, len == strlen(wanted) && memcmp(text, wanted, len) == 0);
	found->count[number]++;
	found->uid[number] = mail->uid;
	found->flags[number] = mail->flags;
	check_keyword(f, box, mail, number, where);
}

static void look(struct fixture *f, struct mailbox *box, struct found *found,
		 const char *where)
{
	struct range_set all = one(f, 1, mailbox_messages(box));
	struct mail_reader *reader = mail_reader_begin(f->ctx, box, &all);
	const struct mail *mail;
	struct err err;

	while (mailbox_messages(box) > 0 &&
	       mail_reader_next(reader, &mail, &err) == 1)
		look_at(f, box, mail, found, where);
	mail_reader_end(&reader);
}

static void check_uids(const struct told_mail *told, const struct found *found,
		       const char *where)
{
	for (unsigned i = 0; i < TOLD_MAILS; i++) {
		if (found->count[i] == 0)
			continue;
		for (unsigned j = 0; j < TOLD_MAILS; j++)
			HOLDS(where, i == j || told[j].uid == 0 ||
					     told[j].uid != found->uid[i]);
	}
}

static void check_mails(const struct told_mail *told, const struct found *found,
			const char *where)
{
	for (unsigned i = 0; i < TOLD_MAILS; i++) {
		HOLDS(where, found->count[i] <= 1);
		HOLDS(where, told[i].may || found->count[i] == 0);
		if (!told[i].must)
			continue;
		HOLDS(where, found->count[i] == 1);
		HOLDS(where, found->uid[i] == told[i].uid);
		HOLDS(where,
		      (found->flags[i] & told[i].flags) == told[i].flags);
	}
	check_uids(told, found, where);
}

static const char *name_of(struct user *user, const struct told *told,
			   enum told_box box)
{
	struct err err;

	if (box == TOLD_INBOX)
		return "INBOX";
	if (box == TOLD_LATE)
		return "late";
	if (told->renamed ||
	    (told->renaming && mailbox_exists(user, "other", &err) < 0))
		return "away";
	return "other";
}

static void check_box(struct fixture *f, struct user *user,
		      const struct told *told, enum told_box which,
		      struct found *found, const char *where)
{
	const char *name = name_of(user, told, which);
	struct mailbox_status status;
	struct mailbox *box;
	uint32_t new_uid;
	struct err err;

	if (mailbox_open(user, name, 0, &box, &err) < 0) {
		if (told->exists[which] || err.code != ERR_NOT_FOUND)
			fail_msg("%s: %s: %s", where, name, err.text);
		return;
	}
	look(f, box, found, where);
	check_mails(told->mails[which], found, where);
	assert_ok(mailbox_get_status(box, &status, &err));
	HOLDS(where, told->uid_validity[which] == 0 ||
			     status.uid_validity == told->uid_validity[which]);
	new_uid = save_mail(box, TOLD_AFTERWARDS);
	HOLDS(where, new_uid > told->uid_max[which]);
	mailbox_close(&box);
}

void told_check(struct fixture *f, struct user *user, const struct told *told,
		const char *where)
{
	struct found found[TOLD_BOXES];

	memset(found, 0, sizeof(found));
	for (enum told_box box = 0; box < TOLD_BOXES; box++)
		check_box(f, user, told, box, &found[box], where);
	for (unsigned i = 0; i < TOLD_MAILS; i++) {
		unsigned count = 0;

		for (enum told_box box = 0; box < TOLD_BOXES; box++)
			count += found[box].count[i];
		HOLDS(where, !told->kept[i] || count > 0);
	}
}
