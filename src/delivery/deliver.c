/* SPDX-License-Identifier: MIT */
#include "delivery/deliver.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/vars.h"
#include "delivery/settings.h"
#include "delivery/sieve.h"
#include "delivery/spool.h"
#include "mime/address.h"
#include "mime/header.h"
#include "mime/message_id.h"
#include "mime/parse.h"
#include "storage/mailbox.h"
#include "storage/save.h"
#include "storage/user.h"

enum {
	LOG_FIELD_MAX = 400,
	LOG_SUBJECT_MAX = 80,
	LOG_DECODE_MAX = 64 * 1024,
	LINE_POOL = 4096,
};

/* the log */

static char *shown(const void *ctx, const struct buf *text)
{
	return str_sanitize(ctx, str_n(text->data, text->len), LOG_FIELD_MAX);
}

static const char *subject_of(const void *ctx, struct str header)
{
	CLEANUP(buf_free) struct buf text = buf_init(LOG_DECODE_MAX);
	struct header_field field;
	struct str all;

	if (!header_find(header, "Subject", &field))
		return NULL;
	header_decode(field.value, &text);
	all = str_n(text.data, text.len);
	if (all.len <= LOG_SUBJECT_MAX)
		return shown(ctx, &text);
	/* As Dovecot does: with the dots it is no longer, either. */
	do
		all.len--;
	while (all.len > LOG_SUBJECT_MAX - 3 ||
	       ((unsigned char)all.data[all.len] & 0xc0) == 0x80);
	buf_truncate(&text, all.len);
	return mem_printf(ctx, "%s...", shown(ctx, &text));
}

/* The first address of From. */
static const char *author_of(const void *ctx, struct str header)
{
	CLEANUP(buf_free) struct buf text = buf_init(LOG_DECODE_MAX);
	struct header_field field;
	struct address *list;
	size_t count;

	if (!header_find(header, "From", &field))
		return NULL;
	address_parse(ctx, field.value, 1, &list, &count);
	if (count == 0 || list[0].mailbox == NULL || list[0].domain == NULL ||
	    list[0].mailbox[0] == '\0' || list[0].domain[0] == '\0')
		return NULL;
	buf_printf(&text, "%s@%s", list[0].mailbox, list[0].domain);
	return shown(ctx, &text);
}

static const char *message_id(const void *ctx, struct str header)
{
	CLEANUP(buf_free) struct buf id = buf_init(LOG_DECODE_MAX);
	struct header_field field;
	struct str rest;

	if (!header_find(header, "Message-ID", &field))
		return "unspecified";
	rest = field.value;
	if (!message_id_next(&rest, &id))
		return "unspecified";
	return mem_printf(ctx, "<%s>", shown(ctx, &id));
}

char *delivery_text(const void *ctx, const struct delivery *delivery,
		    const struct lda_settings *set, const char *status)
{
	struct str header = spool_header(delivery->spool);
	const struct mime_message *message = spool_message(delivery->spool);
	uint64_t now = clock_monotonic_ms();
	const struct var vars[] = {
		{'$', NULL, status},
		{'m', "msgid", message_id(ctx, header)},
		{'s', "subject", subject_of(ctx, header)},
		{'f', "from", author_of(ctx, header)},
		{'e', "from_envelope", delivery->from},
		{'p', "size",
		 mem_printf(ctx, "%llu",
			    (unsigned long long)message->size.physical)},
		{'w', "vsize",
		 mem_printf(ctx, "%llu",
			    (unsigned long long)message->size.virtual)},
		{0, "to_envelope",
		 delivery->original_to != NULL ? delivery->original_to
					       : delivery->to},
		{0, "session", delivery->session_id},
		{0, "delivery_time",
		 mem_printf(ctx, "%llu",
			    (unsigned long long)(now - delivery->started_ms))},
		{0, "session_time",
		 mem_printf(
			 ctx, "%llu",
			 (unsigned long long)(now -
					      delivery->session_started_ms))},
		{0, NULL, NULL},
	};
	struct err err;
	char *text;

	if (vars_expand_anyway(ctx, set->deliver_log_format, vars, &text,
			       &err) < 0)
		log_error("Failed to expand deliver_log_format=%s: %s",
			  set->deliver_log_format, err.text);
	return text;
}

void delivery_log(const struct delivery *delivery,
		  const struct lda_settings *set, enum log_level level,
		  const char *prefix, const char *status)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_pool(NULL, LINE_POOL);

	log_line(level, "%s%s", prefix,
		 delivery_text(ctx, delivery, set, status));
}

/* mail_log_prefix with this delivery's session. */
static void set_log_prefix(const void *ctx, const struct delivery *delivery)
{
	const struct mail_settings *set = user_settings(delivery->user);
	struct var *user = vars_user(ctx, user_name(delivery->user));
	struct var *vars = mem_array(ctx, struct var, 16);
	struct err err;
	size_t n = 0;
	char *prefix;

	for (; n < 8 && (user[n].key != 0 || user[n].name != NULL); n++)
		vars[n] = user[n];
	vars[n++] = (struct var){'s', "service", delivery->service};
	vars[n++] =
		(struct var){'p', "pid",
			     mem_printf(ctx, "%d",
					(int)(delivery->pid != 0 ? delivery->pid
								 : getpid()))};
	vars[n++] = (struct var){0, "session", delivery->session_id};
	if (vars_expand_anyway(ctx, set->mail_log_prefix, vars, &prefix, &err) <
	    0)
		log_error("Failed to expand mail_log_prefix=%s: %s",
			  set->mail_log_prefix, err.text);
	/* The log puts ": " behind it by itself. */
	if (strlen(prefix) >= 2 &&
	    strcmp(prefix + strlen(prefix) - 2, ": ") == 0)
		prefix[strlen(prefix) - 2] = '\0';
	log_prefix_set(prefix);
}

static void reset_log_prefix(const struct delivery *delivery)
{
	if (delivery->log_prefix != NULL)
		log_prefix_set(delivery->log_prefix);
}

/* saving */

unsigned delivery_open_flags(const struct lda_settings *set)
{
	unsigned flags = MAILBOX_SAVE_ONLY;

	if (set->lda_mailbox_autocreate)
		flags |= MAILBOX_CREATE;
	if (set->lda_mailbox_autosubscribe)
		flags |= MAILBOX_SUBSCRIBE;
	return flags;
}

static bool is_inbox(const char *name)
{
	return str_case_is(str_of(name), "INBOX");
}

static int save_into(const void *ctx, const struct delivery *delivery,
		     struct mailbox *box, struct err *err)
{
	CLEANUP(save_rollback) struct save *save = save_begin(ctx, box);
	const struct save_options options = {
		.parsed = spool_message(delivery->spool),
	};
	uint32_t uid_validity;

	if (save_mail_begin(save, &options, err) < 0 ||
	    spool_save(delivery->spool, save, err) < 0 ||
	    save_mail_finish(save, err) < 0)
		return -1;
	return save_commit(&save, &uid_validity, NULL, err);
}

/* An error of ours, or something that users do: but INBOX must be there. */
static enum log_level level_of(const struct err *err, const char *name)
{
	switch (err->code) {
	case ERR_QUOTA:
	case ERR_LIMIT:
		return LOG_LEVEL_INFO;
	case ERR_NOT_FOUND:
	case ERR_DENIED:
	case ERR_INVALID:
		return is_inbox(name) ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO;
	default:
		return LOG_LEVEL_ERROR;
	}
}

static int save_and_log(const void *ctx, const struct delivery *delivery,
			const struct lda_settings *set, const char *name,
			struct err *err)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	const char *failed = "open mailbox ";

	if (mailbox_open(delivery->user, name, delivery_open_flags(set), &box,
			 err) == 0) {
		failed = "";
		if (save_into(ctx, delivery, box, err) == 0) {
			delivery_log(delivery, set, LOG_LEVEL_INFO, "",
				     mem_printf(ctx, "saved mail to %s", name));
			return 0;
		}
	}
	delivery_log(delivery, set, level_of(err, name), "",
		     mem_printf(ctx, "save failed to %s%s: %s", failed, name,
				err->text));
	return -1;
}

int deliver(const struct delivery *delivery, const struct lda_settings *set,
	    struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_pool(NULL, DELIVERY_POOL);
	const char *name = delivery->mailbox;
	int ret = 1;

	set_log_prefix(ctx, delivery);
	if (delivery->sieve != NULL && delivery->sieve->set.sieve_enabled)
		ret = sieve_deliver(delivery->sieve, delivery, err);
	if (ret <= 0) {
		reset_log_prefix(delivery);
		return ret;
	}
	ret = save_and_log(ctx, delivery, set, name, err);
	/* A mailbox that cannot be had must not cost the mail; a full disk or
	 * quota is the same in INBOX. */
	if (ret < 0 && !is_inbox(name) && err->code != ERR_QUOTA &&
	    err->code != ERR_NO_SPACE)
		ret = save_and_log(ctx, delivery, set, "INBOX", err);
	reset_log_prefix(delivery);
	return ret;
}
