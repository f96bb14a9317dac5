/* SPDX-License-Identifier: MIT */
/*
 * mime/address_scan.h - addresses one by one, as places in the text. Only for
 * mime/.
 */
#ifndef MIME_ADDRESS_SCAN_H
#define MIME_ADDRESS_SCAN_H
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "mime/address.h"
#include "mime/lex.h"

/* As struct address; data is NULL for what is missing. Valid up to the next
 * call. */
struct address_view {
	enum address_kind kind;
	struct str name, route, mailbox, domain;
	bool bad_route, bad_domain; /* there was one, but malformed */
};

struct address_scan {
	struct lex lex;
	struct buf flat, text;
	bool in_group, closing, after_comma, end;
};

struct address_scan address_scan_init(struct str value);
bool address_scan_next(struct address_scan *scan, struct address_view *out);
void address_scan_free(struct address_scan *scan);
/* What is told for one that lacks it, as Dovecot does. */
struct str address_view_mailbox(const struct address_view *view);
struct str address_view_domain(const struct address_view *view);

#endif
