/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/str.h"
#include "config/config.h"
#include "lda/workers.h"

static const struct config_filter filter = {.protocol = "lmtp"};

static bool is_constant(struct str word)
{
	if (str_starts(word, "chroot="))
		return false;
	return str_find_char(word, '%') < 0 ||
	       !(str_starts(word, "uid=") || str_starts(word, "gid=") ||
		 str_starts(word, "system_groups_user="));
}

static bool gives_constants(const struct config_section *userdb)
{
	bool is_static = false;

	for (const struct config_value *at = userdb->values; at != NULL;
	     at = at->next) {
		struct str rest = str_of(at->value), word;

		if (strcmp(at->name, "driver") == 0) {
			is_static = strcmp(at->value, "static") == 0;
		} else if (strcmp(at->name, "args") == 0) {
			while (str_word(&rest, &word)) {
				if (!is_constant(word))
					return false;
			}
		} else if (strcmp(at->name, "override_fields") == 0 ||
			   strcmp(at->name, "default_fields") == 0) {
			if (rest.len > 0)
				return false;
		}
	}
	return is_static;
}

bool users_are_same(const struct config *config)
{
	const struct config_section *userdb =
		config_section_next(config, &filter, "userdb", NULL);

	return userdb != NULL && gives_constants(userdb) &&
	       config_section_next(config, &filter, "userdb", userdb) == NULL &&
	       config_value(config, &filter, "mail_chroot")[0] == '\0';
}
