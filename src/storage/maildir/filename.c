/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/filename.c - base,S=octets,W=octets:2,FLAGSkeywords
 * (cr.yp.to/proto/maildir.html; S= is Maildir++'s, W= Dovecot's).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/mem.h"
#include "storage/maildir/maildir.h"

static const struct {
	char letter;
	uint8_t flag;
} flag_letters[] = {
	{'D', MAIL_DRAFT}, {'F', MAIL_FLAGGED}, {'R', MAIL_ANSWERED},
	{'S', MAIL_SEEN},  {'T', MAIL_DELETED},
};

static uint8_t flag_of(char letter)
{
	for (size_t i = 0; i < sizeof(flag_letters) / sizeof(flag_letters[0]);
	     i++) {
		if (flag_letters[i].letter == letter)
			return flag_letters[i].flag;
	}
	return 0;
}

/* The first S= and W= behind a comma, in one pass: every name of a mailbox that
 * is new to us comes by here. */
static void size_fields(struct str base, struct file_name *out)
{
	bool size_seen = false, vsize_seen = false;
	struct str rest = base, word;

	out->size = out->vsize = UINT64_MAX;
	str_split(&rest, ',', &word);
	while (rest.data != NULL && str_split(&rest, ',', &word)) {
		if (!size_seen && str_starts(word, "S=")) {
			size_seen = true;
			str_to_u64(str_from(word, 2), &out->size);
		} else if (!vsize_seen && str_starts(word, "W=")) {
			vsize_seen = true;
			str_to_u64(str_from(word, 2), &out->vsize);
		}
	}
}

/* What stands before the last ':', where the flags are for Dovecot, too: others
 * have put ":2,F" behind a name that had flags. */
static size_t before_info(struct str name)
{
	const char *colon = memrchr(name.data, ':', name.len);

	return colon == NULL ? name.len : (size_t)(colon - name.data);
}

/* The letters behind ":2,", and what else is there up to a comma. */
static struct str flag_part(struct str name)
{
	struct str info = str_from(name, before_info(name)), letters;

	if (!str_starts(info, ":2,"))
		return STR("");
	info = str_from(info, 3);
	str_split(&info, ',', &letters);
	return letters;
}

void file_name_parse(struct str name, struct file_name *out)
{
	ptrdiff_t colon = str_find_char(name, ':');
	struct str letters = flag_part(name);

	out->base = colon < 0 ? name : str_n(name.data, (size_t)colon);
	size_fields(out->base, out);
	out->flags = 0;
	out->keywords = 0;
	for (size_t i = 0; i < letters.len; i++) {
		char c = letters.data[i];

		if (c >= 'a' && c <= 'z')
			out->keywords |= 1U << (c - 'a');
		else
			out->flags |= flag_of(c);
	}
}

const char *maildir_host(void)
{
	static char host[128];

	if (host[0] != '\0')
		return host;
	if (gethostname(host, sizeof(host)) < 0 || host[0] == '\0')
		snprintf(host, sizeof(host), "localhost");
	host[sizeof(host) - 1] = '\0';
	/* Neither may be in a file name, and '.' and ',' mean something. */
	for (char *at = host; *at != '\0'; at++) {
		if (*at == '/' || *at == ':' || *at == ',' ||
		    (unsigned char)*at <= ' ' || *at == 127)
			*at = '_';
	}
	return host;
}

/* Microseconds never repeat within a process, and never go back while the
 * clock's second stays. */
char *file_name_new(const void *ctx)
{
	static struct timeval last;
	struct timeval now;

	gettimeofday(&now, NULL);
	if (now.tv_sec < last.tv_sec ||
	    (now.tv_sec == last.tv_sec && now.tv_usec <= last.tv_usec)) {
		now = last;
		if (++now.tv_usec == 1000000) {
			now.tv_usec = 0;
			now.tv_sec++;
		}
	}
	last = now;
	return mem_printf(ctx, "%lld.M%ldP%d.%s", (long long)now.tv_sec,
			  (long)now.tv_usec, (int)getpid(), maildir_host());
}

/* A set of ASCII characters. */
struct letters {
	uint64_t bits[2];
};

static void letter_add(struct letters *set, char c)
{
	set->bits[c / 64] |= UINT64_C(1) << c % 64;
}

static size_t letters_put(char *room, const struct letters *set)
{
	size_t len = 0;

	for (int i = 0; i < 2; i++) {
		for (uint64_t left = set->bits[i]; left != 0; left &= left - 1)
			room[len++] = (char)(64 * i + __builtin_ctzll(left));
	}
	return len;
}

/* Is neither a flag of ours, like P (passed), nor a keyword. */
static bool is_unknown(char c)
{
	return c > 0 && !(c >= 'a' && c <= 'z') && flag_of(c) == 0;
}

size_t file_name_flags_put(char *room, struct str old, uint8_t flags,
			   uint32_t keywords)
{
	struct str letters = flag_part(old), tail = STR("");
	size_t len = before_info(old);
	const uint64_t all = (1U << MAILDIR_KEYWORDS) - 1;
	struct letters set = {.bits = {0, (keywords & all) << 'a' % 64}};

	if (str_starts(str_from(old, len), ":2,"))
		tail = str_from(old, len + 3 + letters.len);
	for (size_t i = 0; i < letters.len; i++) {
		if (is_unknown(letters.data[i]))
			letter_add(&set, letters.data[i]);
	}
	for (size_t i = 0; i < sizeof(flag_letters) / sizeof(flag_letters[0]);
	     i++) {
		if ((flags & flag_letters[i].flag) != 0)
			letter_add(&set, flag_letters[i].letter);
	}
	memcpy(room, old.data, len);
	memcpy(room + len, ":2,", 3);
	len += 3;
	len += letters_put(room + len, &set);
	memcpy(room + len, tail.data, tail.len);
	room[len + tail.len] = '\0';
	return len + tail.len;
}

/* driver data */

bool record_name_get(struct str driver, struct record_name *out)
{
	struct str rest;

	if (driver.len < 2 || (driver.data[0] != 'n' && driver.data[0] != 'c'))
		return false;
	out->dir = driver.data[0];
	rest = str_from(driver, 1);
	out->ext = STR("");
	str_split(&rest, '\0', &out->name);
	if (rest.data != NULL)
		out->ext = rest;
	/* A name from the index is not to lead out of the directory. */
	return out->name.len > 0 && out->name.len < 256 &&
	       out->name.data[0] != '.' && str_find_char(out->name, '/') < 0;
}

size_t record_name_put(char *room, char dir, struct str name, struct str ext)
{
	room[0] = dir;
	memcpy(room + 1, name.data, name.len);
	if (ext.len == 0)
		return 1 + name.len;
	room[1 + name.len] = '\0';
	memcpy(room + 2 + name.len, ext.data, ext.len);
	return 2 + name.len + ext.len;
}

struct str record_name_make(const void *ctx, char dir, struct str name,
			    struct str ext)
{
	char *data = mem_array(ctx, char, name.len + ext.len + 2);

	return str_n(data, record_name_put(data, dir, name, ext));
}

struct str ext_field(struct str ext, char kind)
{
	struct str word;

	while (str_word(&ext, &word)) {
		if (word.data[0] == kind)
			return str_from(word, 1);
	}
	return (struct str){NULL, 0};
}
