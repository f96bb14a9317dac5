/* SPDX-License-Identifier: MIT */
/*
 * config/suggest.c - what an unknown setting was probably meant to be.
 */
#include <limits.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "config/settings_list.h"

static const char *nearest(const char *section, const char *name)
{
	size_t count;
	const struct settings_row *rows = settings_section(section, &count);
	const char *best = NULL;
	unsigned best_distance = UINT_MAX;

	for (size_t i = 0; i < count; i++) {
		unsigned distance;

		if (str_is_near(name, rows[i].row->name, &distance) &&
		    distance < best_distance) {
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
