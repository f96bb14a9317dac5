/* SPDX-License-Identifier: MIT */
/*
 * storage/object_id.c - EMAILID and THREADID (RFC 8474).
 *
 * Nothing is kept for them: an EMAILID is the mail's GUID, which stays with
 * copies and moves; a THREADID comes from the message id that stands at the
 * root of the thread, whatever mails are there.
 */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/mail.h"
#include "storage/reader.h"
#include "storage/sort_value.h"

static void to_hex(const void *octets, char out[OBJECT_ID_LEN + 1])
{
	CLEANUP(buf_free) struct buf hex = buf_init(OBJECT_ID_LEN);

	hex_encode(str_n(octets, OBJECT_ID_LEN / 2), &hex);
	memcpy(out, hex.data, OBJECT_ID_LEN + 1);
}

int mail_email_id(const struct mail *mail, char out[OBJECT_ID_LEN + 1],
		  struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "guid");
	CLEANUP(buf_free) struct buf octets = buf_init(OBJECT_ID_LEN / 2);
	unsigned char hash[DIGEST_MAX];
	char *guid;

	if (mail_guid(ctx, mail, &guid, err) < 0)
		return -1;
	if (strlen(guid) == OBJECT_ID_LEN &&
	    hex_decode(str_of(guid), &octets)) {
		to_hex(octets.data, out);
		return 0;
	}
	digest_once("sha1", str_of(guid), hash);
	to_hex(hash, out);
	return 0;
}

int mail_thread_id(const struct mail *mail, char out[OBJECT_ID_LEN + 1],
		   struct err *err)
{
	struct sort_value value;

	if (reader_sort_value(mail->reader, 1 << SORT_OTHER_PART, true, &value, err) < 0)
		return -1;
	if (value.reference_count > 0)
		to_hex(value.references, out);
	else if (value.has_id)
		to_hex(value.id, out);
	else
		return mail_email_id(mail, out, err);
	return 0;
}
