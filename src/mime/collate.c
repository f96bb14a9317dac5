/* SPDX-License-Identifier: MIT */
#include "mime/collate.h"

#include "base/buf.h"
#include "base/encode.h"
#include "mime/icu.h"

enum {
	COLLATED = 1024, /* characters kept by a process */
	UNITS = 32,      /* of the longest decomposition (18), and room */
};

/* What one character becomes: ICU is slow to ask for each. */
struct collated {
	uint32_t code;
	unsigned char len;
	char text[UNITS * 3];
};

static void put_units(const UChar *units, int32_t count, struct buf *out)
{
	UChar32 code;

	for (int32_t i = 0; i < count;) {
		U16_NEXT(units, i, count, code);
		utf8_put(out, U_IS_SURROGATE(code) ? 0xfffd : (uint32_t)code);
	}
}

static void map_one(uint32_t code, struct buf *out)
{
	UErrorCode error = U_ZERO_ERROR;
	UChar32 title = icu()->u_totitle((UChar32)code);
	UChar units[UNITS];
	int32_t count = icu()->unorm2_getDecomposition(icu()->unorm2_getNFKDInstance(&error),
						title, units, UNITS, &error);

	if (U_FAILURE(error) || count < 0)
		utf8_put(out, (uint32_t)title);
	else
		put_units(units, count, out);
}

static const struct collated *find(uint32_t code)
{
	static struct collated cache[COLLATED];
	struct collated *entry = &cache[code % COLLATED];
	struct buf buf;

	if (entry->code == code)
		return entry;
	buf = buf_init(sizeof(entry->text));
	map_one(code, &buf);
	entry->code = code;
	entry->len = (unsigned char)buf.len;
	memcpy(entry->text, buf.data, buf.len);
	buf_free(&buf);
	return entry;
}

static void put_ascii(struct str in, struct buf *out)
{
	char *to = buf_space(out, in.len);

	if (to == NULL)
		return;
	for (size_t i = 0; i < in.len; i++)
		to[i] = ascii_upper(in.data[i]);
	buf_grew(out, in.len);
}

static size_t ascii_len(struct str in)
{
	size_t len = 0;

	while (len < in.len && in.data[len] != '\0' &&
	       (unsigned char)in.data[len] < 0x80)
		len++;
	return len;
}

void collate(struct str utf8, struct buf *out)
{
	const struct collated *one;
	uint32_t code;
	size_t len;

	while (utf8.len > 0) {
		len = ascii_len(utf8);
		put_ascii(str_n(utf8.data, len), out);
		utf8 = str_from(utf8, len);
		if (utf8.len == 0)
			return;
		len = utf8_get(utf8, &code);
		if (len == 0 || code == 0) {
			code = 0xfffd;
			len = 1;
		}
		one = find(code);
		buf_append(out, one->text, one->len);
		utf8 = str_from(utf8, len);
	}
}
