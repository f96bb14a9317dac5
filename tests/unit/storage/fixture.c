/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "config/config.h"

static struct config *load_config(struct fixture *f, const char *more)
{
	CLEANUP(buf_free) struct buf errors = buf_init(65536);
	CLEANUP(buf_free) struct buf warnings = buf_init(65536);
	char *path = mem_printf(f->ctx, "%s/dovecot.conf", f->dir);
	struct config *config;
	struct err err;
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fprintf(file, "mail_location = maildir:~/Maildir\n%s\n", more);
	fclose(file);
	if (config_load(f->ctx, path, 0, &errors, &warnings, &config, &err) < 0)
		fail_msg("%s: %s", err.text, errors.data);
	return config;
}

struct user *fixture_user(struct fixture *f)
{
	static const struct user_context context = {.service = "imap"};
	struct user *user;
	struct err err;

	assert_ok(user_open(f->ctx, f->config, &f->account, &context, &user,
			    &err));
	return user;
}

int fixture_open(void **state, const char *more)
{
	static char *const no_fields[] = {NULL};
	struct fixture *f = mem_new(NULL, struct fixture);
	const char *tmp = getenv("TMPDIR");

	f->ctx = f;
	f->dir = mem_printf(f, "%s/storage-XXXXXX", tmp == NULL ? "/tmp" : tmp);
	assert_non_null(mkdtemp(f->dir));
	f->account = (struct account){
		.name = "alice",
		.home = f->dir,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.fields = (const char *const *)no_fields,
	};
	f->config = load_config(f, more);
	f->user = fixture_user(f);
	*state = f;
	return 0;
}

int fixture_setup(void **state)
{
	return fixture_open(state, "");
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	struct err err;

	mem_free(f->user);
	assert_ok(dir_remove(f->dir, &err));
	mem_free(f);
	return 0;
}

struct mailbox *open_box(struct fixture *f, const char *name, unsigned flags)
{
	struct mailbox *box;
	struct err err;

	assert_ok(mailbox_open(f->user, name, flags, &box, &err));
	return box;
}

uint32_t save_text(struct mailbox *box, const char *text, uint8_t flags,
		   const char *const *keywords)
{
	struct save_options options = {.flags = flags, .keywords = keywords};
	struct save *save = save_begin(NULL, box);
	uint32_t uid_validity, uid;
	struct range_set uids;
	struct err err;

	assert_ok(save_mail_begin(save, &options, &err));
	assert_ok(save_mail_write(save, text, strlen(text), &err));
	assert_ok(save_mail_finish(save, &err));
	assert_ok(save_commit(&save, &uid_validity, &uids, &err));
	assert_int_equal(uids.count, 1);
	uid = uids.ranges[0].first;
	mem_free(uids.ranges);
	return uid;
}

uint32_t save_mail(struct mailbox *box, const char *subject)
{
	char *text = mem_printf(NULL,
				"From: Bob <bob@example.com>\r\n"
				"To: alice@example.com\r\n"
				"Subject: %s\r\n"
				"Date: Thu, 23 Jul 2020 19:03:23 +0900\r\n"
				"Message-ID: <%s@example.com>\r\n"
				"\r\n"
				"Text of %s.\r\n",
				subject, subject, subject);
	uint32_t uid = save_text(box, text, 0, NULL);

	mem_free(text);
	return uid;
}

struct mailbox_changes sync_box(struct fixture *f, struct mailbox *box,
				unsigned flags)
{
	struct mailbox_changes changes;
	struct err err;

	assert_ok(mailbox_sync(f->ctx, box, flags, &changes, &err));
	return changes;
}

struct range_set one(struct fixture *f, uint32_t first, uint32_t last)
{
	struct range_set set = range_set_init(f->ctx);

	range_set_add(&set, first, last);
	return set;
}

char *set_text(struct fixture *f, const struct range_set *set)
{
	CLEANUP(buf_free) struct buf out = buf_init(65536);

	range_set_write(set, &out);
	return buf_steal(f->ctx, &out);
}

char *read_section(struct fixture *f, struct mailbox *box, uint32_t seq,
		   const struct section *section, uint64_t offset,
		   uint64_t length, size_t *len_out)
{
	struct range_set seqs = one(f, seq, seq);
	struct mail_reader *reader = mail_reader_begin(f->ctx, box, &seqs);
	struct mail_stream *stream;
	const struct mail *mail;
	uint64_t size, at = 0;
	struct err err;
	char *out;

	assert_int_equal(mail_reader_next(reader, &mail, &err), 1);
	assert_ok(mail_stream_open(f->ctx, mail, section, offset, length,
				   &stream, &size, &err));
	/* A stream outlives its reader. */
	mail_reader_end(&reader);
	out = mem_array(f->ctx, char, size + 1);
	while (at < size) {
		ssize_t n = mail_stream_read(stream, out + at,
					     (size_t)(size - at), &err);

		assert_ok(n);
		assert_true(n > 0);
		at += (uint64_t)n;
	}
	assert_int_equal(mail_stream_read(stream, out, 1, &err), 0);
	mail_stream_close(&stream);
	*len_out = (size_t)size;
	return out;
}

void store_flags(struct mailbox *box, struct range_set seqs,
		 enum store_mode mode, uint8_t flags)
{
	struct store store = {
		.mode = mode,
		.flags = flags,
		.unchanged_since = UINT64_MAX,
	};
	struct err err;

	assert_ok(mailbox_store(NULL, box, &seqs, &store, NULL, &err));
}

uint8_t flags_of(struct fixture *f, struct mailbox *box, uint32_t seq)
{
	struct range_set seqs = one(f, seq, seq);
	struct mail_reader *reader = mail_reader_begin(f->ctx, box, &seqs);
	const struct mail *mail;
	struct err err;
	uint8_t flags;

	assert_int_equal(mail_reader_next(reader, &mail, &err), 1);
	flags = mail->flags;
	mail_reader_end(&reader);
	return flags;
}
