/* SPDX-License-Identifier: MIT */
/*
 * config/suggest.c - what an unknown setting was probably meant to be.
 */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/settings_list.h"

enum { NAME_MAX_LEN = 64 };

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* How many characters to put in, leave out, change or swap (optimal string
 * alignment), up to NAME_MAX_LEN of each name. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned row[3][NAME_MAX_LEN + 1];
	size_t alen = strnlen(a, NAME_MAX_LEN), blen = strnlen(b, NAME_MAX_LEN);

	for (size_t j = 0; j <= blen; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= alen; i++) {
		unsigned *now = row[i % 3], *last = row[(i - 1) % 3];
		const unsigned *before = row[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= blen; j++) {
			bool same = a[i - 1] == b[j - 1];

			now[j] = least(last[j] + 1, now[j - 1] + 1);
			now[j] = least(now[j], last[j - 1] + !same);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
	}
	return row[alen % 3][blen];
}

/* Half of a short name may be wrong only by chance. */
static unsigned allowed(const char *name)
{
	size_t len = strlen(name);

	return len < 4 ? 1 : len < 8 ? 2 : 3;
}

static const char *nearest(const char *section, const char *name)
{
	size_t count;
	const struct settings_row *rows = settings_section(section, &count);
	const char *best = NULL;
	unsigned best_distance = allowed(name) + 1;

	for (size_t i = 0; i < count; i++) {
		unsigned distance = edit_distance(name, rows[i].row->name);

		if (distance < best_distance) {
			best_distance = distance;
			best = rows[i].row->name;
		}
	}
	return best;
}

/* Settings of plugins stand in plugin {}, but are often put elsewhere. */
static bool is_plugin_setting(const char *name)
{
	static const char *const prefixes[] = {
		"sieve",       "quota_",
		"acl",         "fts",
		"imapsieve_",  "antispam_",
		"zlib_",       "mail_crypt_",
		"expire",      "trash",
		"mail_log_",   "welcome",
		"last_login_", "push_notification_",
	};

	if (strcmp(name, "quota") == 0)
		return true;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (str_starts(str_of(name), prefixes[i]))
			return true;
	}
	return false;
}

static const char *other_section(const char *section, const char *name)
{
	size_t count;
	const struct settings_row *rows = settings_list(&count);

	/* From the end: of the listeners, unix_listener is what is meant. */
	for (size_t i = count; i > 0; i--) {
		const struct settings_row *at = &rows[i - 1];

		if (strcmp(at->row->name, name) == 0 &&
		    strcmp(at->section, section) != 0)
			return at->section;
	}
	return NULL;
}

void setting_suggest(const char *section, const char *name, struct buf *out)
{
	const char *other = other_section(section, name);
	const char *near = nearest(section, name);

	if (other != NULL && other[0] == '\0')
		buf_printf(out, " (%s belongs outside of all sections)", name);
	else if (other != NULL)
		buf_printf(out, " (%s belongs into a %s { } section)", name,
			   other);
	else if (near != NULL)
		buf_printf(out, " (did you mean %s?)", near);
	else if (section[0] == '\0' && is_plugin_setting(name))
		buf_printf(out, " (%s belongs into plugin { })", name);
}
