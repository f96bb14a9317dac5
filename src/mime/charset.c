/* SPDX-License-Identifier: MIT */
/*
 * mime/charset.c - most mail is ASCII or UTF-8, and that is done here; ICU,
 * which takes long to open a converter, is asked for the rest.
 */
#include "mime/charset.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/encode.h"
#include "mime/icu.h"

enum {
	CACHE = 16,    /* converters kept open by a process */
	MAX_NAME = 64, /* of a charset */
	UNITS = 512,   /* converted at a time */
	FOLDED = 1024, /* characters kept by a process */
};

enum simple { SIMPLE_NONE, SIMPLE_ASCII, SIMPLE_UTF8, SIMPLE_LATIN1 };

struct cached {
	char name[MAX_NAME];
	UConverter *converter;
	unsigned used;
};

static const char replacement[] = "\xef\xbf\xbd";

/* names */

static enum simple simple_charset(struct str name)
{
	if (str_case_is(name, "utf-8") || str_case_is(name, "utf8"))
		return SIMPLE_UTF8;
	if (str_case_is(name, "us-ascii") || str_case_is(name, "ascii"))
		return SIMPLE_ASCII;
	if (str_case_is(name, "iso-8859-1") || str_case_is(name, "latin1"))
		return SIMPLE_LATIN1;
	return SIMPLE_NONE;
}

/* The process's converter for a name; NULL if there is none. */
static UConverter *get_converter(struct str name)
{
	static struct cached cache[CACHE];
	static unsigned clock;
	struct cached *oldest = &cache[0];
	UErrorCode error = U_ZERO_ERROR;
	char text[MAX_NAME];

	if (name.len == 0 || name.len >= sizeof(text) ||
	    memchr(name.data, '\0', name.len) != NULL)
		return NULL;
	for (struct cached *at = cache; at < cache + CACHE; at++) {
		if (at->converter != NULL && str_case_is(name, at->name)) {
			at->used = ++clock;
			icu()->ucnv_reset(at->converter);
			return at->converter;
		}
		if (at->used < oldest->used)
			oldest = at;
	}
	snprintf(text, sizeof(text), "%.*s", STR_FMT(name));
	UConverter *converter = icu()->ucnv_open(text, &error);

	if (U_FAILURE(error))
		return NULL;
	if (oldest->converter != NULL)
		icu()->ucnv_close(oldest->converter);
	memcpy(oldest->name, text, sizeof(text));
	oldest->converter = converter;
	oldest->used = ++clock;
	return converter;
}

bool charset_known(struct str name)
{
	return simple_charset(name) != SIMPLE_NONE ||
	       get_converter(name) != NULL;
}

/* to UTF-8 */

/* How many octets at the start are ASCII. */
static size_t ascii_len(struct str in)
{
	size_t len = 0;
	uint64_t eight;

	while (in.len - len >= sizeof(eight)) {
		memcpy(&eight, in.data + len, sizeof(eight));
		if ((eight & 0x8080808080808080) != 0)
			break;
		len += sizeof(eight);
	}
	while (len < in.len && (unsigned char)in.data[len] < 0x80)
		len++;
	return len;
}

/* How many octets at the start are UTF-8. */
static size_t utf8_len(struct str in)
{
	size_t at = 0, len;
	uint32_t code;

	while (at < in.len) {
		struct str rest = {in.data + at, in.len - at};

		len = ascii_len(rest);
		if (len == 0)
			len = utf8_get(rest, &code);
		if (len == 0)
			break;
		at += len;
	}
	return at;
}

/* What is not UTF-8 is replaced, or taken as ISO-8859-1. */
static void append_utf8(struct str in, bool latin1, struct buf *out)
{
	while (in.len > 0) {
		size_t len = utf8_len(in);

		buf_append(out, in.data, len);
		in = str_from(in, len);
		if (in.len == 0)
			return;
		if (latin1)
			utf8_put(out, (unsigned char)in.data[0]);
		else
			buf_add(out, replacement);
		in = str_from(in, 1);
	}
}

static void append_latin1(struct str in, struct buf *out)
{
	while (in.len > 0) {
		size_t len = ascii_len(in);

		buf_append(out, in.data, len);
		in = str_from(in, len);
		if (in.len > 0) {
			utf8_put(out, (unsigned char)in.data[0]);
			in = str_from(in, 1);
		}
	}
}

/* UTF-16 as ICU has it. `high` carries half a pair over. */
static void append_units(const UChar *units, size_t count, UChar *high,
			 struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		UChar unit = units[i];

		if (*high != 0) {
			if (U16_IS_TRAIL(unit)) {
				utf8_put(out,
					 U16_GET_SUPPLEMENTARY(*high, unit));
				*high = 0;
				continue;
			}
			buf_add(out, replacement);
			*high = 0;
		}
		if (U16_IS_LEAD(unit))
			*high = unit;
		else if (U16_IS_TRAIL(unit))
			buf_add(out, replacement);
		else
			utf8_put(out, unit);
	}
}

static void append_converted(UConverter *converter, struct str in,
			     struct buf *out)
{
	const char *at = in.data, *end = in.data + in.len;
	UChar units[UNITS], high = 0;
	UErrorCode error;

	do {
		UChar *to = units;

		error = U_ZERO_ERROR;
		icu()->ucnv_toUnicode(converter, &to, units + UNITS, &at, end, NULL,
			       true, &error);
		append_units(units, to - units, &high, out);
	} while (error == U_BUFFER_OVERFLOW_ERROR);
	if (high != 0)
		buf_add(out, replacement);
}

bool charset_to_utf8(struct str charset, struct str in, struct buf *out)
{
	UConverter *converter;

	switch (simple_charset(charset)) {
	case SIMPLE_ASCII:
	case SIMPLE_UTF8:
		append_utf8(in, false, out);
		return true;
	case SIMPLE_LATIN1:
		append_latin1(in, out);
		return true;
	case SIMPLE_NONE:
		break;
	}
	converter = get_converter(charset);
	if (converter == NULL) {
		append_utf8(in, !utf8_valid(in), out);
		return false;
	}
	append_converted(converter, in, out);
	return true;
}

/* folding */

/* Eight ASCII characters at once. */
static uint64_t lower_eight(uint64_t text)
{
	const uint64_t ones = 0x0101010101010101;
	uint64_t from_a = text + ones * (0x80 - 'A');
	uint64_t beyond_z = text + ones * (0x7f - 'Z');

	return text | ((from_a ^ beyond_z) & ones * 0x80) >> 2;
}

static void fold_ascii(struct str in, struct buf *out)
{
	char *to = buf_space(out, in.len);
	uint64_t eight;
	size_t i = 0;

	if (to == NULL)
		return;
	for (; in.len - i >= sizeof(eight); i += sizeof(eight)) {
		memcpy(&eight, in.data + i, sizeof(eight));
		eight = lower_eight(eight);
		memcpy(to + i, &eight, sizeof(eight));
	}
	for (; i < in.len; i++)
		to[i] = ascii_lower(in.data[i]);
	buf_grew(out, in.len);
}

/* A few characters that are not ASCII: fold their case and decompose them.
 * `in` is short enough for the arrays. */
static void fold_units(struct str in, struct buf *out)
{
	UErrorCode error = U_ZERO_ERROR;
	const UNormalizer2 *nfkd = icu()->unorm2_getNFKDInstance(&error);
	UChar text[UNITS], plain[UNITS * 4], folded[UNITS * 12];
	int32_t len = 0;
	UChar high = 0;

	icu()->u_strFromUTF8WithSub(text, UNITS, &len, in.data, (int32_t)in.len,
			     0xfffd, NULL, &error);
	len = icu()->unorm2_normalize(nfkd, text, len, plain, UNITS * 4, &error);
	len = icu()->u_strFoldCase(folded, UNITS * 12, plain, len, U_FOLD_CASE_DEFAULT,
			    &error);
	if (U_FAILURE(error))
		buf_add_str(out, in);
	else
		append_units(folded, len, &high, out);
}

/* What one character becomes by itself. Text has few different ones, and ICU
 * is slow to start for each. */
struct folded {
	uint32_t code;
	bool boundary; /* it does not combine with what stands before it */
	unsigned char len;
	char text[26];
};

/* NULL if it is too long to be kept. */
static const struct folded *fold_one(struct str in, uint32_t code)
{
	static struct folded cache[FOLDED];
	struct folded *entry = &cache[code % FOLDED];
	UErrorCode error = U_ZERO_ERROR;
	struct buf buf;

	if (entry->code == code)
		return entry->len > 0 ? entry : NULL;
	buf = buf_init(sizeof(entry->text));
	fold_units(in, &buf);
	entry->code = code;
	entry->boundary = icu()->unorm2_hasBoundaryBefore(
		icu()->unorm2_getNFKDInstance(&error), (UChar32)code);
	entry->len = buf.overflow ? 0 : (unsigned char)buf.len;
	memcpy(entry->text, buf.data, entry->len);
	buf_free(&buf);
	return entry->len > 0 ? entry : NULL;
}

/* The run of characters at the start that are not ASCII, at most 128 octets.
 * It ends between characters. */
static size_t other_len(struct str in)
{
	size_t len = 0;
	uint32_t code;

	while (len < in.len && len < 128 &&
	       (unsigned char)in.data[len] >= 0x80) {
		size_t one =
			utf8_get(str_n(in.data + len, in.len - len), &code);

		len += one == 0 ? 1 : one;
	}
	return len;
}

/* A run of those, each by itself. False, and nothing added, if some of them
 * must be looked at together. */
static bool fold_apart(struct str in, struct buf *out)
{
	size_t before = out->len, at = 0, len;
	const struct folded *one;
	uint32_t code;

	for (; at < in.len; at += len) {
		len = utf8_get(str_n(in.data + at, in.len - at), &code);
		one = len == 0 ? NULL
			       : fold_one(str_n(in.data + at, len), code);
		if (one == NULL || !one->boundary) {
			buf_truncate(out, before);
			return false;
		}
		buf_append(out, one->text, one->len);
	}
	return true;
}

void charset_fold(struct str utf8, struct buf *out)
{
	while (utf8.len > 0) {
		size_t len = ascii_len(utf8);

		if (len > 0)
			fold_ascii(str_n(utf8.data, len), out);
		utf8 = str_from(utf8, len);
		len = other_len(utf8);
		if (len > 0 && !fold_apart(str_n(utf8.data, len), out))
			fold_units(str_n(utf8.data, len), out);
		utf8 = str_from(utf8, len);
	}
}
