/* SPDX-License-Identifier: MIT */
/*
 * delivery/sieve_calendar.c - the calendars that processcalendar changes: those
 * of sieve_processcalendar_dir, as vdirsyncer and khal have them.
 *
 *	DIR/default/UID.ics	one file for each object
 *	DIR/CALENDAR/...	other calendars, which are not made here
 *
 * A UID that is no good name for a file is a hash in its place. Files are
 * replaced as a whole. A lock on DIR holds off other deliveries between the
 * look and the change; what the script did not know of makes the delivery wait.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/module.h"
#include "config/config.h"
#include "delivery/sieve.h"
#include "scripts/scripts.h"
#include "sieve/calendar.h"

enum { CALENDARS_MAX = 100, NAME_MAX_LEN = 200 };

static const char default_calendar[] = "default";

/* names */

static const char *base_of(const void *ctx, const struct carry *carry)
{
	return scripts_expand(ctx, carry->sieve->scripts,
			      carry->sieve->set.sieve_processcalendar_dir);
}

/* Of a calendar: one level, nothing hidden. */
static bool is_calendar_name(const char *name)
{
	return name[0] != '\0' && name[0] != '.' &&
	       strlen(name) <= NAME_MAX_LEN && script_name_valid(str_of(name));
}

static bool is_plain(const char *uid)
{
	for (const char *at = uid; *at != '\0'; at++) {
		char c = ascii_lower(*at);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    strchr("@_-.+", c) == NULL)
			return false;
	}
	return uid[0] != '.' && strlen(uid) <= NAME_MAX_LEN;
}

static const char *file_of(const void *ctx, const char *dir, const char *uid)
{
	CLEANUP(buf_free) struct buf hex = buf_init(3 * DIGEST_MAX);
	unsigned char hash[DIGEST_MAX];
	size_t len;

	if (is_plain(uid))
		return mem_printf(ctx, "%s/%s.ics", dir, uid);
	len = digest_once("sha256", str_of(uid), hash);
	hex_encode(str_n((const char *)hash, len), &hex);
	return mem_printf(ctx, "%s/=%s.ics", dir, hex.data);
}

/* looking */

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* data NULL: it is not there. */
static int read_object(const void *ctx, const char *path, struct str *out,
		       struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(CALENDAR_MAX_SIZE + 1);

	*out = (struct str){NULL, 0};
	if (file_read_regular(path, &text, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	out->len = text.len;
	out->data = buf_steal(ctx, &text);
	return 0;
}

/* In any calendar of the directory. */
static int find_object(const void *ctx, const char *base, const char *uid,
		       struct str *text_out, const char **calendar_out,
		       struct err *err)
{
	CLEANUP(dir_close) DIR *dir = opendir(base);
	const struct dirent *at;
	int looked = 0;

	*text_out = (struct str){NULL, 0};
	if (dir == NULL)
		return errno == ENOENT ? 0 : err_sys(err, "opendir(%s)", base);
	while ((at = readdir(dir)) != NULL && looked < CALENDARS_MAX) {
		const char *path;

		if (!is_calendar_name(at->d_name))
			continue;
		looked++;
		path = mem_printf(ctx, "%s/%s", base, at->d_name);
		if (read_object(ctx, file_of(ctx, path, uid), text_out, err) <
		    0) {
			if (is_dir(path))
				return -1;
			continue;
		}
		if (text_out->data == NULL)
			continue;
		*calendar_out = mem_strdup(ctx, at->d_name);
		return 0;
	}
	return 0;
}

int carry_calendar_object(void *ctx, const void *mem, const char *uid,
			  const char *wanted, struct str *text_out,
			  const char **calendar_out, struct err *err)
{
	const struct carry *carry = ctx;
	const char *base = base_of(mem, carry);

	/* RFC 9671 section 7.2, RFC 6785 section 3.11 */
	if (carry->stored != NULL)
		return err_set(err, ERR_INVALID,
			       "processcalendar is for mail that is delivered");
	*calendar_out = default_calendar;
	if (wanted != NULL && is_calendar_name(wanted) &&
	    is_dir(mem_printf(mem, "%s/%s", base, wanted)))
		*calendar_out = mem_strdup(mem, wanted);
	return find_object(mem, base, uid, text_out, calendar_out, err);
}

static const struct calendar_code *load_code(struct err *err)
{
	static const struct calendar_code *code;

	if (code == NULL)
		code = module_get("sieve-calendar", "calendar_code", err);
	return code;
}

void lda_sieve_load_calendars(const struct config *config,
			      const struct config_filter *filter)
{
	const char *dir =
		config_plugin(config, filter, "sieve_processcalendar_dir");
	struct err ignored; /* who needs it will tell */

	if (dir != NULL && *dir != '\0')
		(void)load_code(&ignored);
}

const struct calendar_code *carry_calendars(const struct carry *carry)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "calendars");
	const struct calendar_code *code;
	struct err err;

	if (base_of(ctx, carry) == NULL)
		return NULL;
	code = load_code(&err);
	if (code == NULL)
		log_error("sieve: processcalendar: %s", err.text);
	return code;
}

/* storing */

static int lock(const char *base, int *fd_out, struct err *err)
{
	if (dir_create(base, 0700, err) < 0)
		return -1;
	*fd_out = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd_out < 0)
		return err_sys(err, "open(%s)", base);
	return flock(*fd_out, LOCK_EX) == 0 ? 0
					    : err_sys(err, "flock(%s)", base);
}

static int hold_limit(const struct carry *carry, const char *dir,
		      struct err *err)
{
	CLEANUP(dir_close) DIR *stream = opendir(dir);
	unsigned max = carry->sieve->set.sieve_processcalendar_max_objects;
	unsigned count = 0;

	while (stream != NULL && readdir(stream) != NULL)
		count++;
	return max == 0 || count < max + 2 /* "." and ".." */
		       ? 0
		       : err_set(err, ERR_LIMIT,
				 "%s has %u objects, and may have no more", dir,
				 max);
}

static bool is_equal(struct str a, struct str b)
{
	return a.data == NULL ? b.data == NULL
			      : b.data != NULL && str_equal(a, b);
}

static int remove_object(const char *dir, const char *path, struct err *err)
{
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, "unlink(%s)", path);
	return dir_fsync(dir, err);
}

static int change(const void *ctx, struct carry *carry,
		  const struct sieve_calendar *object, const char *base,
		  struct err *err)
{
	const char *dir = mem_printf(ctx, "%s/%s", base, object->calendar);
	const char *path = file_of(ctx, dir, object->uid);
	struct str now;

	if (dir_create(dir, 0700, err) < 0 || dir_fsync(base, err) < 0 ||
	    read_object(ctx, path, &now, err) < 0)
		return -1;
	/* An earlier try of this delivery got so far. */
	if (is_equal(now, object->after))
		return 0;
	if (!is_equal(now, object->before))
		return err_set(err, ERR_TEMPORARY, "%s has changed meanwhile",
			       path);
	if (object->after.data == NULL)
		return remove_object(dir, path, err);
	if (now.data == NULL && hold_limit(carry, dir, err) < 0)
		return -1;
	return file_replace(path, object->after.data, object->after.len, 0600,
			    err);
}

int carry_calendar(const void *ctx, struct carry *carry,
		   const struct sieve_calendar *object, struct err *err)
{
	const char *base = base_of(ctx, carry);
	CLEANUP(fd_close) int fd = -1;

	if (object->uid == NULL)
		return 0;
	if (lock(base, &fd, err) == 0 &&
	    change(ctx, carry, object, base, err) == 0) {
		carry_log(carry, LOG_LEVEL_INFO,
			  "processcalendar action: %s %s in calendar '%s'",
			  object->after.data == NULL ? "removed" : "stored",
			  str_sanitize(ctx, str_of(object->uid), 80),
			  object->calendar);
		return 0;
	}
	carry_log(carry, LOG_LEVEL_ERROR, "processcalendar action: %s",
		  err->text);
	if (err->code != ERR_LIMIT)
		return -1;
	carry->failed = true;
	return 0;
}
