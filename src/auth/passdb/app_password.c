/* SPDX-License-Identifier: MIT */
/*
 * auth/passdb/app_password.c - passdb app-password; args is
 * "[max=20] [totp=no] PATH" or "... sql:PATH", the first a file with app
 * passwords, the other a dovecot-sql.conf.ext.
 *
 * It stands in front of the passdbs that know the users' own passwords. It
 * accepts app passwords, and of who uses TOTP it takes the code off the
 * password before the others see that; without the code they are not asked.
 * Nothing of it is cached: what is revoked ends at once.
 */
#include <time.h>

#include "auth/app/app.h"
#include "auth/app/totp.h"
#include "auth/passdb/drivers.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

static int take_option(struct app_source *source, struct str word,
		       struct err *err)
{
	if (str_starts(word, "max=")) {
		if (!str_to_unsigned(str_from(word, 4), &source->max) ||
		    source->max > APP_MAX_MAX)
			return err_set(err, ERR_INVALID,
				       "args: max= is at most %d", APP_MAX_MAX);
		return 1;
	}
	if (!str_starts(word, "totp="))
		return 0;
	source->totp = !str_is(word, "totp=no");
	return 1;
}

static int app_open(struct passdb *db, struct err *err)
{
	struct app_source *source = mem_new(db, struct app_source);
	struct str rest = str_of(db->args), word, at = rest;
	int ret;

	source->max = APP_MAX;
	source->totp = true;
	while (str_word(&rest, &word)) {
		ret = take_option(source, word, err);
		if (ret < 0)
			return -1;
		if (ret == 0)
			break;
		at = rest;
	}
	at = str_trim(at);
	if (at.len == 0)
		return err_set(err, ERR_INVALID, "args: Missing path");
	source->store.kind = &app_store_file;
	if (str_starts(at, "sql:")) {
		source->store.kind = &app_store_sql;
		at = str_from(at, 4);
	}
	source->store.path = str_dup(source, at);
	db->data = source;
	return 0;
}

/* The other passdbs are asked as if there were no app passwords... */
static enum pass_result pass_on(struct request *request)
{
	request_log(request, LOG_LEVEL_DEBUG, "no app password");
	return PASS_UNKNOWN_USER;
}

/* ...or not at all. */
static enum pass_result close_gate(struct request *request,
				   struct fields *fields,
				   enum pass_result result, const char *why)
{
	request->verbose = true;
	request_log(request,
		    result == PASS_FAILURE ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
		    "%s", why);
	fields_set(fields, PASS_GATE, "closed");
	return result;
}

/* TOTP */

static enum pass_result check_code(const struct app_source *source,
				   struct request *request,
				   struct app_rows *rows, size_t n,
				   struct fields *fields)
{
	CLEANUP(buf_free) struct buf secret = buf_init(256);
	struct str given = str_of(request->password);
	bool first = false;
	struct err err;
	int64_t step;

	if (given.len < TOTP_DIGITS)
		return close_gate(request, fields, PASS_MISMATCH,
				  "TOTP code is missing");
	if (!base32_decode(str_of(rows->list[n].hash), &secret) ||
	    secret.overflow || secret.len == 0)
		return close_gate(request, fields, PASS_FAILURE,
				  "TOTP secret is broken");
	step = totp_check(str_n(secret.data, secret.len),
			  str_from(given, given.len - TOTP_DIGITS), time(NULL));
	mem_wipe(secret.data, secret.len);
	if (step == 0)
		return close_gate(request, fields, PASS_MISMATCH,
				  "TOTP code is wrong or missing");
	if (source->store.kind->use(&source->store, request, rows, n, step,
				    &first, &err) < 0)
		return close_gate(request, fields, PASS_FAILURE, err.text);
	if (!first)
		return close_gate(request, fields, PASS_MISMATCH,
				  "TOTP code was used before");
	fields_set(fields, PASS_GATE,
		   mem_printf(request, "%d", (int)TOTP_DIGITS));
	request_log(request, LOG_LEVEL_DEBUG, "TOTP code is right");
	return PASS_UNKNOWN_USER;
}

static enum pass_result second_factor(const struct app_source *source,
				      struct request *request,
				      struct app_rows *rows,
				      struct fields *fields)
{
	ptrdiff_t n = app_find(rows, APP_TOTP, time(NULL));

	if (!source->totp || n < 0)
		return pass_on(request);
	if (request->want_scheme != NULL)
		return close_gate(request, fields, PASS_MISMATCH,
				  "TOTP needs a plaintext mechanism");
	return check_code(source, request, rows, (size_t)n, fields);
}

/* app passwords */

static const char *day(char *out, size_t size, int64_t when)
{
	time_t at = (time_t)when;
	struct tm tm;

	strftime(out, size, "%Y-%m-%d %H:%M:%S", localtime_r(&at, &tm));
	return out;
}

/* Why the right one is of no use; true if it is. */
static bool is_usable(struct request *request, const struct app_row *row,
		      struct fields *fields)
{
	CLEANUP(ctx_free)
	TALLOC_CTX *name = str_sanitize(NULL, str_of(row->name), APP_NAME_MAX);
	int64_t now = time(NULL);
	unsigned scopes;
	char text[32];

	request->verbose = true;
	if (row->expires < 0)
		request_log(request, LOG_LEVEL_INFO,
			    "app password '%s' (%s) was revoked on %s",
			    (char *)name, row->id,
			    day(text, sizeof(text), -row->expires));
	else if (app_is_gone(row, now))
		request_log(request, LOG_LEVEL_INFO,
			    "app password '%s' (%s) expired on %s",
			    (char *)name, row->id,
			    day(text, sizeof(text), row->expires));
	else if (!app_scopes_parse(str_of(row->scopes), &scopes) ||
		 (scopes & app_scope_of(request->service)) == 0)
		request_log(request, LOG_LEVEL_INFO,
			    "app password '%s' (%s) is not for service %s, "
			    "but for: %s",
			    (char *)name, row->id, request->service,
			    row->scopes);
	else {
		/* For who revokes it: see service/anvil.h. */
		fields_set(fields, "userdb_app_password", row->id);
		if ((scopes & APP_READ_ONLY) != 0)
			fields_set(fields, "userdb_mail_read_only", "yes");
		request_log(request, LOG_LEVEL_DEBUG,
			    "app password '%s' (%s) is right", (char *)name,
			    row->id);
		return true;
	}
	return false;
}

/* All are compared, whichever it is. */
static ptrdiff_t find_hash(const struct app_rows *rows, const char *hash)
{
	ptrdiff_t found = -1;

	for (size_t i = 0; i < rows->count; i++) {
		if (strcmp(rows->list[i].id, APP_TOTP) != 0 &&
		    str_equal_secret(str_of(rows->list[i].hash), str_of(hash)))
			found = (ptrdiff_t)i;
	}
	return found;
}

static enum pass_result app_ask(struct passdb *db, struct request *request,
				struct fields *fields, const char **,
				bool *verified_out)
{
	struct app_source *source = db->data;
	struct app_rows *rows;
	const char *hash;
	struct err err;
	ptrdiff_t n;

	*verified_out = true;
	source->used_rows = NULL;
	/* Of lookups without password, of tokens and certificates it knows
	 * nothing; nor where the password is known to be right already. */
	if (request->password_known || !app_concerns(request))
		return PASS_NOT_FOR_USER;
	if (source->store.kind->load(&source->store, request, false, &rows,
				     &err) < 0) {
		/* Whether a code is needed, nobody can say. */
		if (source->totp)
			return close_gate(request, fields, PASS_FAILURE,
					  err.text);
		request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
		return PASS_FAILURE;
	}
	hash = request->want_scheme != NULL
		       ? NULL
		       : app_hash(request, request->password);
	n = hash == NULL ? -1 : find_hash(rows, hash);
	if (n < 0)
		return second_factor(source, request, rows, fields);
	if (!is_usable(request, &rows->list[n], fields))
		return PASS_MISMATCH;
	source->used_rows = rows;
	source->used = (size_t)n;
	return PASS_OK;
}

/* When it was used last. Whoever logs in does not wait for it, nor suffer if it
 * cannot be written. */
static void app_after(struct passdb *db, struct request *request)
{
	struct app_source *source = db->data;
	struct app_rows *rows = source->used_rows;
	int64_t now = time(NULL);
	struct err err;

	source->used_rows = NULL;
	if (rows != NULL && source->not_noted + APP_USED_STEP <= now &&
	    rows->list[source->used].used + APP_USED_STEP <= now &&
	    source->store.kind->use(&source->store, request, rows, source->used,
				    now, NULL, &err) < 0) {
		source->not_noted = now; /* the next ones don't wait, too */
		request_log(request, LOG_LEVEL_WARNING,
			    "last use is not noted: %s", err.text);
	}
}

const struct passdb_driver passdb_app_password = {
	.name = "app-password",
	.blocking = true,
	.open = app_open,
	.ask = app_ask,
	.after = app_after,
};
