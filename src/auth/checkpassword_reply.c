/* SPDX-License-Identifier: MIT */
/*
 * auth/checkpassword_reply.c - the program checkpassword-reply, which a
 * checkpassword program runs when the password was right: what its environment
 * says of the user goes to auth-worker on descriptor 4 (auth/checkpassword.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

enum { FD_REPLY = 4, REPLY_MAX = 32 * 1024, STATUS_FAILED = 111 };

static void add(struct buf *out, const char *key, const char *value)
{
	char *escaped = str_tab_escape(NULL, str_of(value));

	buf_printf(out, "%s%s=%s", out->len > 0 ? "\t" : "", key, escaped);
	mem_free(escaped);
}

static void add_extra(struct buf *out, const char *names)
{
	struct str rest = str_of(names), name;

	while (str_word(&rest, &name)) {
		char *key = str_dup(NULL, name);
		const char *value = getenv(key);

		if (value != NULL)
			add(out, key, value);
		mem_free(key);
	}
}

int main(void)
{
	const char *authorized = getenv("AUTHORIZED");
	const char *user = getenv("USER"), *home = getenv("HOME");
	const char *extra = getenv("EXTRA");
	struct buf out = buf_init(REPLY_MAX);
	char number[32];
	struct err err;

	/* Who was only to look up must say that it did nothing else. */
	if (authorized != NULL && strcmp(authorized, "2") != 0)
		return STATUS_FAILED;
	if (user != NULL)
		add(&out, "user", user);
	if (home != NULL)
		add(&out, "userdb_home", home);
	if (extra == NULL)
		extra = "";
	if (strstr(extra, "userdb_uid") == NULL) {
		snprintf(number, sizeof(number), "%lu",
			 (unsigned long)getuid());
		add(&out, "userdb_uid", number);
	}
	if (strstr(extra, "userdb_gid") == NULL) {
		snprintf(number, sizeof(number), "%lu",
			 (unsigned long)getgid());
		add(&out, "userdb_gid", number);
	}
	add_extra(&out, extra);
	if (out.overflow ||
	    file_write_all(FD_REPLY, out.data, out.len, "reply", &err) < 0)
		return STATUS_FAILED;
	return 0;
}
