/* SPDX-License-Identifier: MIT */
/*
 * doveadm/fetch_header.c - hdr.NAME: all values of a header field, a line each.
 */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "doveadm/fetch.h"
#include "doveadm/print.h"
#include "mime/address.h"
#include "mime/header.h"
#include "storage/storage.h"

enum { VALUE_MAX = 16 << 20, ADDRESSES_MAX = 100000 };

/* As it stands, without blanks in front and CRs. */
static void add_raw(struct str value, struct buf *out)
{
	value = str_trim(value);
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] != '\r')
			buf_putc(out, value.data[i]);
	}
}

static void add_utf8(struct str value, struct buf *out)
{
	header_decode(value, out);
}

/* Those of groups stand alone, and their ends are empty. */
static void add_address(struct str value, struct buf *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "addresses");
	struct address *list;
	size_t count;

	address_parse(ctx, value, ADDRESSES_MAX, &list, &count);
	for (size_t i = 0; i < count; i++) {
		const struct address *at = &list[i];

		if (i > 0)
			buf_putc(out, '\n');
		if (at->kind == ADDRESS_GROUP_START)
			buf_add(out, at->name != NULL ? at->name : "");
		if (at->kind != ADDRESS_MAILBOX)
			continue;
		buf_add(out, at->mailbox != NULL ? at->mailbox : "");
		if (at->domain != NULL && at->domain[0] != '\0')
			buf_printf(out, "@%s", at->domain);
	}
}

static void add_names(struct str value, bool decode, struct buf *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "names");
	struct address *list;
	size_t count;

	address_parse(ctx, value, ADDRESSES_MAX, &list, &count);
	for (size_t i = 0; i < count; i++) {
		const char *name = list[i].name;

		if (i > 0)
			buf_putc(out, '\n');
		if (list[i].kind != ADDRESS_MAILBOX || name == NULL)
			continue;
		if (decode)
			header_decode(str_of(name), out);
		else
			buf_add(out, name);
	}
}

static void add_name(struct str value, struct buf *out)
{
	add_names(value, false, out);
}

static void add_name_utf8(struct str value, struct buf *out)
{
	add_names(value, true, out);
}

static const struct {
	const char *name;
	void (*add)(struct str value, struct buf *out);
} filters[] = {
	{"utf8", add_utf8},
	{"address", add_address},
	{"address_name", add_name},
	{"address_name.utf8", add_name_utf8},
};

enum { FILTER_COUNT = sizeof(filters) / sizeof(filters[0]) };

bool fetch_filter_known(const char *filter)
{
	for (size_t i = 0; i < FILTER_COUNT; i++) {
		if (strcmp(filters[i].name, filter) == 0)
			return true;
	}
	return false;
}

static void add(const struct fetch_field *field, struct str value,
		struct buf *out)
{
	if (field->filter == NULL) {
		add_raw(value, out);
		return;
	}
	for (size_t i = 0; i < FILTER_COUNT; i++) {
		if (strcmp(filters[i].name, field->filter) == 0)
			filters[i].add(value, out);
	}
}

int fetch_header(const struct fetch *fetch, const struct fetch_field *field,
		 struct err *err)
{
	CLEANUP(buf_free) struct buf out = buf_init(VALUE_MAX);
	struct header_field found;
	struct str block;
	bool first = true;

	if (mail_header(fetch->mail, &block, err) < 0)
		return -1;
	while (header_next(&block, &found)) {
		if (!str_case_is(found.name, field->header))
			continue;
		if (!first)
			buf_putc(&out, '\n');
		first = false;
		add(field, found.value, &out);
	}
	print_value(fetch->printer, out.data);
	return 0;
}
