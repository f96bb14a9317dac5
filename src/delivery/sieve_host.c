/* SPDX-License-Identifier: MIT */
/*
 * delivery/sieve_host.c - what scripts ask about the user's mailboxes and
 * lists.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "delivery/dupes.h"
#include "delivery/settings.h"
#include "delivery/sieve.h"
#include "sieve/calendar.h"
#include "storage/attribute.h"
#include "storage/list.h"
#include "storage/mailbox.h"
#include "storage/user.h"

enum { LIST_FILE_MAX = 4 * 1024 * 1024, LISTS_MAX = 100 };

/* mailboxes */

/* There is no such thing; all else may be otherwise later. */
static bool is_no(const struct err *err)
{
	return err->code == ERR_NOT_FOUND || err->code == ERR_INVALID ||
	       err->code == ERR_DENIED || err->code == ERR_UNSUPPORTED;
}

static int mailbox_is_there(void *ctx, const char *mailbox, bool *exists_out,
			    struct err *err)
{
	const struct carry *carry = ctx;

	*exists_out = true;
	if (mailbox_exists(carry->delivery->user, mailbox, err) == 0)
		return 0;
	*exists_out = false;
	return is_no(err) ? 0 : -1;
}

/* RFC 5490 */
static int metadata(void *ctx, const void *mem, const char *mailbox,
		    const char *entry, struct str *value_out, struct err *err)
{
	struct carry *carry = ctx;
	const char *value = NULL;

	*value_out = (struct str){NULL, 0};
	if (attribute_check(entry, err) < 0 || attribute_is_internal(entry))
		return 0;
	if (attribute_get(mem, carry->delivery->user,
			  mailbox != NULL ? mailbox : "", entry, &value,
			  err) < 0)
		return is_no(err) ? 0 : -1;
	if (value != NULL)
		*value_out = str_of(value);
	return 0;
}

static int special_use(void *ctx, const char *mailbox, const char *use,
		       bool *has_out, struct err *err)
{
	const struct carry *carry = ctx;
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "special use");
	const char *const patterns[] = {mailbox == NULL ? "*" : mailbox, NULL};
	struct list_entry *entries;
	size_t count;

	*has_out = false;
	if (mailbox_list(tmp, carry->delivery->user, patterns,
			 LIST_RETURN_SPECIAL_USE, &entries, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		*has_out |=
			str_case_has_word(entries[i].special_use, str_of(use));
	return 0;
}

static bool has_id(struct mailbox_statuses *statuses, const char *name,
		   const char *id)
{
	CLEANUP(buf_free) struct buf hex = buf_init(40);
	struct mailbox_status status;
	struct err err;

	if (mailbox_statuses_get(statuses, name, &status, &err) < 0)
		return false;
	hex_encode(str_n(status.guid, sizeof(status.guid)), &hex);
	return strcmp(hex.data, id) == 0;
}

static int mailbox_by_id(void *ctx, const void *mem, const char *id,
			 const char **name_out, struct err *err)
{
	static const char *const all[] = {"*", NULL};
	const struct carry *carry = ctx;
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "mailbox id");
	CLEANUP(mailbox_statuses_end) struct mailbox_statuses *statuses = NULL;
	struct list_entry *entries;
	size_t count;

	*name_out = NULL;
	if (mailbox_list(tmp, carry->delivery->user, all, 0, &entries, &count,
			 err) < 0)
		return -1;
	statuses = mailbox_statuses_begin(tmp, carry->delivery->user);
	for (size_t i = 0; i < count && *name_out == NULL; i++) {
		if ((entries[i].flags & (ENTRY_NOSELECT | ENTRY_NONEXISTENT)) ==
			    0 &&
		    has_id(statuses, entries[i].name, id))
			*name_out = mem_strdup(mem, entries[i].name);
	}
	return 0;
}

const char *carry_mailbox(const void *ctx, struct carry *carry,
			  const struct sieve_store *wanted)
{
	static const char *const all[] = {"*", NULL};
	struct list_entry *entries;
	const char *name = NULL;
	size_t count;
	struct err err;

	if (wanted == NULL || wanted->mailbox == NULL)
		return carry->delivery->mailbox;
	if (wanted->mailbox_id != NULL &&
	    mailbox_by_id(carry, ctx, wanted->mailbox_id, &name, &err) == 0 &&
	    name != NULL)
		return name;
	if (wanted->special_use == NULL ||
	    mailbox_list(ctx, carry->delivery->user, all,
			 LIST_SELECT_SPECIAL_USE | LIST_RETURN_SPECIAL_USE,
			 &entries, &count, &err) < 0)
		return wanted->mailbox;
	for (size_t i = 0; i < count; i++) {
		if (str_case_has_word(entries[i].special_use,
				      str_of(wanted->special_use)))
			return entries[i].name;
	}
	return wanted->mailbox;
}

/* external lists (RFC 6134): sieve_list1_name, sieve_list1_path... */

/* NULL if there is no such list. */
static const char *list_path(const void *mem, const struct carry *carry,
			     const char *list)
{
	const struct user *user = carry->delivery->user;

	for (unsigned n = 1; n < LISTS_MAX; n++) {
		const char *name = user_plugin(
			mem, user, mem_printf(mem, "sieve_list%u_name", n));
		const char *path = user_plugin(
			mem, user, mem_printf(mem, "sieve_list%u_path", n));

		if (name == NULL)
			break;
		if (sieve_list_is(name, list) && path != NULL)
			return path_expand(mem, path, user_home(user));
	}
	return NULL;
}

static bool list_exists(void *ctx, const char *list)
{
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "list");

	return list_path(tmp, ctx, list) != NULL;
}

int carry_list(struct carry *carry, const char *list, struct buf *text,
	       struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "list");
	const char *path = list_path(tmp, carry, list);

	if (path == NULL)
		return err_set(err, ERR_INVALID, "unknown list '%.200s'", list);
	/* One that is not there yet is empty. */
	if (file_read_regular(path, text, err) < 0 &&
	    err->code != ERR_NOT_FOUND)
		return -1;
	return 0;
}

bool carry_list_next(struct str *rest, struct str *member)
{
	while (rest->data != NULL && str_split(rest, '\n', member)) {
		*member = str_trim(*member);
		if (member->len > 0 && member->data[0] != '#')
			return true;
	}
	return false;
}

static int list_has(void *ctx, const char *list, struct str value,
		    bool *has_out, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(LIST_FILE_MAX);
	struct str rest, member;

	*has_out = false;
	if (carry_list(ctx, list, &text, err) < 0)
		return -1;
	rest = str_n(text.data, text.len);
	while (!*has_out && carry_list_next(&rest, &member))
		*has_out = str_case_equal(member, value);
	return 0;
}

/* the whole */

static int duplicate(void *ctx, struct str id, bool *seen_out, struct err *err)
{
	const struct carry *carry = ctx;

	*seen_out = false;
	if (carry->sieve->dupes_path == NULL)
		return 0;
	if (carry_hold(carry, DUPE_SCRIPT, id, err) < 0)
		return -1;
	return dupes_has(carry->sieve->dupes_path, DUPE_SCRIPT, id, seen_out,
			 err);
}

void carry_host(const void *ctx, struct carry *carry)
{
	const struct delivery *delivery = carry->delivery;

	carry->host = (struct sieve_host){
		.ctx = carry,
		.mailbox_exists = mailbox_is_there,
		.metadata = metadata,
		.special_use = special_use,
		.mailbox_by_id = mailbox_by_id,
		.duplicate = duplicate,
		.list_exists = list_exists,
		.list_has = list_has,
		.program = carry_program,
		.user = user_name(delivery->user),
		.home = user_home(delivery->user),
		.hostname = lda_hostname(ctx, carry->lda),
		.location = "MDA",
		.phase = "during",
		.default_mailbox = delivery->mailbox,
		.log = {.line = lda_sieve_user_log, .ctx = carry->sieve},
	};
	carry->host.postmaster = lda_postmaster(ctx, carry->lda, delivery->to,
						&carry->host.postmaster_name);
	carry->host.calendar = carry_calendars(carry);
	if (carry->host.calendar != NULL)
		carry->host.calendar_object = carry_calendar_object;
}
