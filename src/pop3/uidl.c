/* SPDX-License-Identifier: MIT */
/*
 * pop3/uidl.c - UIDL (RFC 1939 section 7): what clients know mails by.
 *
 * For a mail it is, in this order: what was saved with it (by Dovecot, or
 * pop3_save_uidl), its X-UIDL field (pop3_reuse_xuidl), pop3_uidl_format. It
 * must never change: clients would fetch all again.
 */
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/vars.h"
#include "pop3/session.h"
#include "proto/pop3.h"
#include "storage/storage.h"

enum { UIDL_MAX = 512, WIDTH_MAX = 1000 };

enum { NOT_THERE = UINT32_MAX };

struct uidls {
	uint32_t *at; /* by message: where its text begins, or NOT_THERE */
	bool *saved;  /* by message: it lies with the mail */
	struct buf text;
};

static int uidls_free(struct uidls *uidls)
{
	buf_free(&uidls->text);
	return 0;
}

/* the format */

static void add_number(uint32_t number, bool hex, size_t width, struct buf *out)
{
	static const char digits[] = "0123456789abcdef";
	char text[WIDTH_MAX];
	size_t at = sizeof(text);

	do {
		text[--at] = digits[hex ? number % 16 : number % 10];
		number = hex ? number / 16 : number / 10;
	} while (number != 0);
	while (sizeof(text) - at < width)
		text[--at] = '0';
	buf_append(out, text + at, sizeof(text) - at);
}

/* Plain text, and %u and %v with no more than 0, a width and X: nearly all
 * formats are so, and this is done for each mail. False: it is another one. */
static bool expand_numbers(const char *format, uint32_t uid, uint32_t validity,
			   struct buf *out)
{
	for (const char *at = format; *at != '\0'; at++) {
		size_t width = 0;
		bool hex = false;

		if (*at != '%') {
			buf_putc(out, *at);
			continue;
		}
		if (*++at == '0') {
			while (*at >= '0' && *at <= '9' &&
			       width < WIDTH_MAX / 10)
				width = width * 10 + (size_t)(*at++ - '0');
		}
		if (*at == 'X') {
			hex = true;
			at++;
		}
		if (*at != 'u' && *at != 'v')
			return false;
		add_number(*at == 'u' ? uid : validity, hex, width, out);
	}
	return true;
}

struct making {
	const void *ctx; /* of one mail */
	struct session *session;
	uint32_t validity;
};

static int special(const struct making *making, const struct mail *mail,
		   enum mail_special what, char key, const char *name,
		   const char **out, struct err *err)
{
	const char *format = making->session->set->pop3_uidl_format;
	char *text;
	int found;

	if (!vars_has(format, key, NULL))
		return 0;
	found = mail_special(making->ctx, mail, what, &text, err);
	if (found == 0)
		return err_set(err, ERR_UNSUPPORTED,
			       "UIDL: %s not found (pop3_uidl_format=%%%c not "
			       "supported by storage?)",
			       name, key);
	if (found > 0)
		*out = text;
	return found;
}

static int expand(struct making *making, const struct mail *mail,
		  struct buf *out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	const char *format = making->session->set->pop3_uidl_format;
	const char *file = "", *md5 = "";
	char *guid = NULL, *text;

	if (expand_numbers(format, mail->uid, making->validity, out))
		return 0;
	buf_reset(out);
	making->ctx = ctx = mem_ctx(NULL, "uidl");
	if (special(making, mail, MAIL_FILE_NAME, 'f', "File name", &file,
		    err) < 0 ||
	    special(making, mail, MAIL_HEADER_MD5, 'm', "Header MD5", &md5,
		    err) < 0 ||
	    (vars_has(format, 'g', NULL) &&
	     mail_guid(making->ctx, mail, &guid, err) < 0))
		return -1;
	const struct var vars[] = {
		{'u', NULL, mem_printf(making->ctx, "%u", mail->uid)},
		{'v', NULL, mem_printf(making->ctx, "%u", making->validity)},
		{'f', NULL, file},
		{'m', NULL, md5},
		{'g', NULL, guid},
		{0},
	};
	if (vars_expand(making->ctx, format, vars, &text, err) < 0)
		return -1;
	buf_add(out, text);
	return 0;
}

/* Its first X-UIDL field, unless that could not stand in a line. 1: taken. */
static int take_x_uidl(const struct mail *mail, struct buf *out,
		       struct err *err)
{
	static const char *const fields[] = {"x-uidl", NULL};
	static const struct section section = {
		.kind = SECTION_HEADER_FIELDS,
		.fields = fields,
	};
	CLEANUP(buf_free) struct buf header = buf_init(1 << 20);
	struct str value;
	ptrdiff_t colon, end;

	if (mail_header_fields(mail, &section, &header, err) < 0)
		return -1;
	value = str_n(header.data, header.len);
	colon = header.len == 0 ? -1 : str_find_char(value, ':');
	end = header.len == 0 ? -1 : str_find(value, STR("\r\n"));
	if (colon < 0 || end < colon)
		return 0;
	/* A fold: no server makes such UIDLs. */
	if ((size_t)end + 2 < value.len &&
	    (value.data[end + 2] == ' ' || value.data[end + 2] == '\t'))
		return 0;
	value = str_n(value.data + colon + 1, (size_t)(end - colon - 1));
	while (value.len > 0 && (value.data[0] == ' ' || value.data[0] == '\t'))
		value = str_from(value, 1);
	for (size_t i = 0; i < value.len; i++) {
		if ((unsigned char)value.data[i] < ' ')
			return 0;
	}
	if (value.len == 0 || value.len > UIDL_MAX)
		return 0;
	buf_add_str(out, value);
	return 1;
}

/* *saved_out: it lies with the mail. */
static int make(struct making *making, const struct mail *mail, struct buf *out,
		bool *saved_out, struct err *err)
{
	char *text;
	int found = mail_special(NULL, mail, MAIL_POP3_UIDL, &text, err);

	*saved_out = found > 0;
	if (found > 0) {
		buf_add(out, text);
		mem_free(text);
	}
	if (found == 0 && making->session->set->pop3_reuse_xuidl)
		found = take_x_uidl(mail, out, err);
	if (found == 0)
		found = expand(making, mail, out, err);
	return found < 0 ? -1 : 0;
}

/* duplicates */

struct known {
	UT_hash_handle hh;
	unsigned next; /* to try behind "-" */
	char uidl[];
};

static struct known *find(struct known *all, const char *uidl)
{
	struct known *known;

	HASH_FIND(hh, all, uidl, strlen(uidl), known);
	return known;
}

static void add(TALLOC_CTX *ctx, struct known **all, const char *uidl)
{
	size_t len = strlen(uidl);
	struct known *known =
		mem_zero(ctx, 1, sizeof(*known) + len + 1, "known");

	known->next = 2;
	memcpy(known->uidl, uidl, len);
	HASH_ADD_KEYPTR(hh, *all, known->uidl, len, known);
}

/* The second "x" becomes "x-2", the third "x-3": in the order of the mailbox,
 * as Dovecot does it, whatever place the uidlist gives them. */
static void rename_duplicates(const struct session *session,
			      const uint32_t *order, struct uidls *uidls)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "duplicates");
	struct known *all = NULL, *known;

	for (uint32_t n = 0; n < session->count; n++) {
		uint32_t i = order[n];
		const char *uidl;
		char *other;

		if (uidls->at[i] == NOT_THERE)
			continue;
		uidl = uidls->text.data + uidls->at[i];
		known = find(all, uidl);
		if (known == NULL) {
			add(ctx, &all, uidl);
			continue;
		}
		do
			other = mem_printf(ctx, "%s-%u", known->uidl,
					   known->next++);
		while (find(all, other) != NULL);
		add(ctx, &all, other);
		uidls->at[i] = (uint32_t)uidls->text.len;
		uidls->saved[i] = false;
		buf_append(&uidls->text, other, strlen(other) + 1);
	}
	HASH_CLEAR(hh, all);
}

/* all of them */

static int compare_seqs(const void *a, const void *b, void *ctx)
{
	const struct session *session = ctx;
	uint32_t x = session->msgs[*(const uint32_t *)a].seq;
	uint32_t y = session->msgs[*(const uint32_t *)b].seq;

	return x < y ? -1 : x > y;
}

/* Indexes of messages in the order of the mailbox. */
static uint32_t *by_seq(const void *ctx, struct session *session)
{
	uint32_t *order = mem_array(ctx, uint32_t, session->count + 1);
	bool sorted = true;

	for (uint32_t i = 0; i < session->count; i++) {
		order[i] = i;
		sorted = sorted && (i == 0 || session->msgs[i - 1].seq <
						      session->msgs[i].seq);
	}
	if (!sorted)
		qsort_r(order, session->count, sizeof(*order), compare_seqs,
			session);
	return order;
}

static void put(struct uidls *uidls, uint32_t i, const struct buf *uidl)
{
	uidls->at[i] = (uint32_t)uidls->text.len;
	buf_append(&uidls->text, uidl->data, uidl->len);
	buf_putc(&uidls->text, '\0');
}

/* Somebody removed it meanwhile: it has its place in the session all the same,
 * and what can be told without it is told. */
static void put_gone(struct making *making, uint32_t i, struct uidls *uidls)
{
	CLEANUP(buf_free) struct buf uidl = buf_init(UIDL_MAX);
	struct session *session = making->session;
	uint32_t uid = mailbox_uid_of(session->box, session->msgs[i].seq);

	uidls->saved[i] = true;
	if (expand_numbers(session->set->pop3_uidl_format, uid,
			   making->validity, &uidl))
		put(uidls, i, &uidl);
}

static int load_each(struct making *making, struct mail_reader *reader,
		     const uint32_t *order, struct uidls *uidls,
		     struct err *err)
{
	CLEANUP(buf_free) struct buf uidl = buf_init(SIZE_MAX);
	struct session *session = making->session;
	const struct mail *mail;
	uint32_t at = 0;
	int more;

	while ((more = mail_reader_next(reader, &mail, err)) > 0) {
		while (session->msgs[order[at]].seq < mail->seq)
			put_gone(making, order[at++], uidls);
		buf_reset(&uidl);
		if (make(making, mail, &uidl, &uidls->saved[order[at]], err) ==
		    0)
			put(uidls, order[at++], &uidl);
		else if (err->code == ERR_EXPUNGED)
			put_gone(making, order[at++], uidls);
		else
			return -1;
	}
	while (more == 0 && at < session->count)
		put_gone(making, order[at++], uidls);
	if (uidls->text.overflow)
		return err_set(err, ERR_LIMIT, "too many UIDLs");
	return more;
}

static int begin_making(struct session *session, struct making *making,
			struct err *err)
{
	struct mailbox_status status;

	if (mailbox_get_status(session->box, &status, err) < 0)
		return -1;
	making->session = session;
	making->validity = status.uid_validity;
	return 0;
}

static int load(struct session *session, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "uidls");
	struct uidls *uidls = mem_new(ctx, struct uidls);
	struct range_set seqs = range_set_init(ctx);
	uint32_t *order = by_seq(ctx, session);
	struct mail_reader *reader;
	struct making making;
	int ret;

	if (begin_making(session, &making, err) < 0)
		return -1;
	uidls->text = buf_init(UINT32_MAX - 1);
	talloc_set_destructor(uidls, uidls_free);
	uidls->at = mem_array(uidls, uint32_t, session->count + 1);
	uidls->saved = mem_array(uidls, bool, session->count + 1);
	for (uint32_t i = 0; i < session->count; i++) {
		uint32_t seq = session->msgs[order[i]].seq;

		uidls->at[i] = NOT_THERE;
		range_set_add(&seqs, seq, seq);
	}
	reader = mail_reader_begin(ctx, session->box, &seqs);
	ret = load_each(&making, reader, order, uidls, err);
	mail_reader_end(&reader);
	if (ret < 0)
		return -1;
	if (strcmp(session->set->pop3_uidl_duplicates, "rename") == 0)
		rename_duplicates(session, order, uidls);
	session->uidls = mem_steal(session, uidls);
	return 0;
}

/* the command */

static void row(struct session *session, const struct msg *msg,
		const char *uidl)
{
	buf_number(&session->line, msg_number(session, msg));
	buf_putc(&session->line, ' ');
	reply(session, uidl);
}

static enum session_wait uidl_more(struct session *session)
{
	const struct uidls *uidls = session->uidls;

	while (session->at < session->count) {
		uint32_t i = session->at++;

		if (!session->msgs[i].deleted && uidls->at[i] != NOT_THERE)
			row(session, &session->msgs[i],
			    uidls->text.data + uidls->at[i]);
		if (output_full(session))
			return SESSION_OUTPUT;
	}
	reply(session, ".");
	session->more = NULL;
	return SESSION_INPUT;
}

/* Whether one is not enough. */
static bool needs_all(const struct session *session)
{
	const struct pop3_settings *set = session->set;

	return session->uidls != NULL || set->pop3_save_uidl ||
	       strcmp(set->pop3_uidl_duplicates, "rename") == 0 ||
	       vars_has(set->pop3_logout_format, 'u', "uidl_change");
}

static int one(struct session *session, const struct msg *msg, struct buf *out,
	       struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "uidl");
	struct range_set seqs = range_set_init(ctx);
	struct mail_reader *reader;
	const struct mail *mail;
	struct making making;
	bool saved;
	int found;

	if (begin_making(session, &making, err) < 0)
		return -1;
	range_set_add(&seqs, msg->seq, msg->seq);
	reader = mail_reader_begin(ctx, session->box, &seqs);
	found = mail_reader_next(reader, &mail, err);
	if (found > 0)
		found = make(&making, mail, out, &saved, err);
	else if (found == 0)
		expand_numbers(session->set->pop3_uidl_format,
			       mailbox_uid_of(session->box, msg->seq),
			       making.validity, out);
	mail_reader_end(&reader);
	return found;
}

/* A client that got an error would think that it knows none of the mails. */
static void give_up(struct session *session, const struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(1024);

	error_text(err, &text);
	mail_session_bye(&session->base, text.data,
			 "POP3 UIDLs couldn't be listed");
}

static void tell_one(struct session *session, const struct msg *msg)
{
	CLEANUP(buf_free) struct buf uidl = buf_init(SIZE_MAX);
	uint32_t at;
	struct err err;

	if (!needs_all(session)) {
		if (one(session, msg, &uidl, &err) < 0) {
			give_up(session, &err);
			return;
		}
	} else {
		at = session->uidls->at[msg - session->msgs];
		if (at != NOT_THERE)
			buf_add(&uidl, session->uidls->text.data + at);
	}
	if (uidl.len == 0) {
		buf_printf(&session->line, "-ERR Message %u expunged.\r\n",
			   msg_number(session, msg));
		return;
	}
	buf_add(&session->line, "+OK ");
	row(session, msg, uidl.data);
}

void cmd_uidl(struct session *session, struct str args)
{
	const struct msg *msg = NULL;
	struct err err;

	if (args.len > 0) {
		msg = take_msg(session, &args, true);
		if (msg == NULL)
			return;
	}
	if ((msg == NULL || needs_all(session)) && session->uidls == NULL &&
	    load(session, &err) < 0) {
		give_up(session, &err);
		return;
	}
	if (msg != NULL) {
		tell_one(session, msg);
		return;
	}
	reply(session, "+OK");
	session->at = 0;
	session->more = uidl_more;
}

/* the end */

int uidls_save(struct session *session, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "uidls");
	const struct uidls *uidls = session->uidls;
	struct mail_uidl *list;
	size_t count = 0;

	if (uidls == NULL || !session->set->pop3_save_uidl)
		return 0;
	list = mem_array(ctx, struct mail_uidl, session->count + 1);
	for (uint32_t i = 0; i < session->count; i++) {
		if (uidls->saved[i] ||
		    (session->quit && session->msgs[i].deleted))
			continue;
		list[count].uid =
			mailbox_uid_of(session->box, session->msgs[i].seq);
		list[count++].uidl = uidls->text.data + uidls->at[i];
	}
	return mailbox_save_uidls(session->box, list, count, err);
}

static uint32_t crc32(const char *text)
{
	uint32_t crc = UINT32_MAX;

	for (; *text != '\0'; text++) {
		crc ^= (unsigned char)*text;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0xedb88320 & -(crc & 1));
	}
	return ~crc;
}

/* Before: what stood in front of the first mail that was fetched, or all; after
 * it: what is not deleted. */
char *uidls_change(const void *ctx, const struct session *session)
{
	const struct uidls *uidls = session->uidls;
	uint32_t before = 0, after = 0, old, new;

	if (uidls == NULL || session->count == 0 ||
	    !vars_has(session->set->pop3_logout_format, 'u', "uidl_change"))
		return mem_strdup(ctx, "");
	old = session->stats.lowest_retr == 0 ? session->count
					      : session->stats.lowest_retr - 1;
	new = session->count - session->deleted;
	for (uint32_t i = 0; i < session->count; i++) {
		uint32_t crc = uidls->at[i] == NOT_THERE
				       ? 0
				       : crc32(uidls->text.data + uidls->at[i]);

		before ^= i < old ? crc : 0;
		after ^= session->msgs[i].deleted ? 0 : crc;
	}
	if (old == new &&before == after)
		return mem_printf(ctx, "%u/%08x", old, before);
	return mem_printf(ctx, "%u/%08x -> %u/%08x", old, before, new, after);
}
