/* SPDX-License-Identifier: MIT */
/*
 * config/settings_list.h - all declared settings, sorted by section and name,
 * each once; for the parser and for doveconf.
 */
#ifndef CONFIG_SETTINGS_LIST_H
#define CONFIG_SETTINGS_LIST_H
#include "base/mem.h"
#include "config/setting.h"

struct settings_row {
	const char *section;
	const struct setting *row;
};

const struct settings_row *settings_list(size_t *count_out);
/* Those of one kind of section; "" for the top level. */
const struct settings_row *settings_section(const char *section,
					    size_t *count_out);

struct buf;

/* The value as doveconf writes it: "3600 s" becomes "1 hours". What is no
 * right value stays as it is. */
void setting_print(const struct setting *row, const char *value,
		   struct buf *out);
/* Append " (did you mean mail_location?)" where a known name is near, or where
 * the setting lives in another section. */
void setting_suggest(const char *section, const char *name, struct buf *out);

#endif
