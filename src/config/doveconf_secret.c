/* SPDX-License-Identifier: MIT */
/*
 * config/doveconf_secret.c - what doveconf does not show without -P.
 *
 * The output of `doveconf -n` is what people send to mailing lists.
 */
#include <string.h>

#include "config/doveconf.h"

static const char hidden[] = "#hidden_use-P_to_show#";

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len >= end_len && strcmp(name + len - end_len, end) == 0;
}

static bool is_secret_name(const char *name)
{
	return ends_with(name, "_password") || ends_with(name, "_key") ||
	       ends_with(name, "_nonce") || strcmp(name, "ssl_dh") == 0;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

static size_t secret_word(const char *text)
{
	static const char *const words[] = {"pass", "secret", "key"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (str_starts(str_of(text), words[i]))
			return strlen(words[i]);
	}
	return 0;
}

/* The length of "password=" and the like at the start of `text`. */
static size_t secret_key(const char *text)
{
	size_t len = secret_word(text);

	if (len == 0)
		return 0;
	len += strcspn(text + len, " =");
	len += strspn(text + len, " ");
	return text[len] == '=' ? len + 1 : 0;
}

/* Values that look like having secrets are not quoted by Dovecot, whether
 * something is hidden or not. */
static bool looks_secret(const char *value)
{
	for (; *value != '\0'; value++) {
		if (secret_word(value) > 0 || str_starts(str_of(value), "://"))
			return true;
	}
	return false;
}

/* "user:password" of "scheme://user:password@host"; 0 if there is none. */
static size_t url_user(const char *text)
{
	size_t len = strcspn(text, "/ @");

	return text[len] == '@' ? len : 0;
}

bool secret_mask(const char *name, const char *value, struct buf *out)
{
	bool url_seen = false;
	size_t len;

	if (is_secret_name(name) && value[0] != '\0') {
		buf_add(out, "# hidden, use -P to show it");
		return true;
	}
	for (const char *at = value; *at != '\0'; at += len) {
		bool word_start = at == value || !is_word(at[-1]);

		len = word_start ? secret_key(at) : 0;
		if (len > 0) {
			buf_append(out, at, len);
			buf_add(out, hidden);
			len += strcspn(at + len, " :;");
			continue;
		}
		len = 1;
		buf_putc(out, *at);
		if (url_seen || at - value < 3 ||
		    strncmp(at - 2, "://", 3) != 0)
			continue;
		url_seen = true;
		if (url_user(at + 1) > 0) {
			buf_add(out, hidden);
			len += url_user(at + 1);
		}
	}
	return looks_secret(value);
}
