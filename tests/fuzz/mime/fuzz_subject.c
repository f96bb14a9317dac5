/* SPDX-License-Identifier: MIT */
/* A field's value: as a subject, as message ids, and what is compared of it. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "mime/address.h"
#include "mime/collate.h"
#include "mime/header.h"
#include "mime/message_id.h"
#include "mime/subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool right)
{
	if (!right)
		abort();
}

static bool is_part(struct str part, struct str whole)
{
	return part.len == 0 ||
	       (part.data >= whole.data &&
		part.data + part.len <= whole.data + whole.len);
}

/* A base subject is a part of the subject, and has no other base; but "[a] [b"
 * may have become a blob by losing what stood around it. */
static void check_subject(struct str value)
{
	CLEANUP(buf_free) struct buf words = buf_init(64 << 20);
	CLEANUP(buf_free) struct buf collated = buf_init(64 << 20);
	struct str base;
	bool reply;

	subject_words(value, &words);
	base = subject_base(str_n(words.data, words.len), &reply);
	check(is_part(base, str_n(words.data, words.len)));
	collate(str_n(words.data, words.len), &collated);
	check(memchr(collated.data, '\0', collated.len) == NULL);
	base = subject_base(str_n(collated.data, collated.len), &reply);
	check(is_part(base, str_n(collated.data, collated.len)));
}

static void check_ids(struct str value)
{
	CLEANUP(buf_free) struct buf id = buf_init(100);
	struct str rest = value;
	size_t left = value.len;

	while (message_id_next(&rest, &id)) {
		check(rest.len < left);
		check(id.len <= 100 && !id.overflow);
		left = rest.len;
	}
	check(rest.len == 0);
}

static void check_address(struct str value)
{
	CLEANUP(buf_free) struct buf mailbox = buf_init(64 << 20);
	CLEANUP(buf_free) struct buf display = buf_init(64 << 20);

	address_first(value, &mailbox, &display);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_free) struct buf decoded = buf_init(64 << 20);
	struct str value = str_n(data, size);

	check_ids(value);
	check_address(value);
	check_subject(value);
	header_decode(value, &decoded);
	check_subject(str_n(decoded.data, decoded.len));
	return 0;
}
