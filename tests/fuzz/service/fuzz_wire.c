/* SPDX-License-Identifier: MIT */
/*
 * Messages between processes and PROXY headers: nothing is read past the end,
 * and what is accepted comes out the same when it is packed again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pack.h"
#include "service/account.h"
#include "service/handover.h"
#include "service/haproxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_handover(struct str in)
{
	CLEANUP(buf_free) struct buf once = buf_init(1 << 20);
	CLEANUP(buf_free) struct buf twice = buf_init(1 << 20);
	struct handover_reply reply;
	struct handover handover;

	handover_reply_unpack(in, &reply);
	if (!handover_unpack(in, &handover))
		return;
	handover_pack(&handover, &once);
	if (!handover_unpack(str_n(once.data, once.len), &handover))
		abort();
	handover_pack(&handover, &twice);
	if (!str_equal(str_n(once.data, once.len),
		       str_n(twice.data, twice.len)))
		abort();
}

static void try_account(struct str in)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "fuzz");
	CLEANUP(buf_free) struct buf packed = buf_init(1 << 20);
	struct unpack un = {.in = in};
	struct account *account;
	struct err err;

	account_unpack(ctx, &un);
	if (account_parse(ctx, STR("user"), in, &account, &err) < 0)
		return;
	account_pack(account, &packed);
	un = (struct unpack){.in = str_n(packed.data, packed.len)};
	if (account_unpack(ctx, &un) == NULL)
		abort();
}

static void try_haproxy(struct str in)
{
	struct haproxy header;
	const char *why = "";
	int whole = haproxy_parse(in, &header, &why);

	if (whole > (int)in.len)
		abort();
	/* Half of what is right is not wrong. */
	if (whole > 1 && haproxy_parse(str_n(in.data, (size_t)whole - 1),
				       &header, &why) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* In memory of its own size, so that a byte too far is noticed. */
	char *copy = malloc(size > 0 ? size : 1);
	struct str in = str_n(copy, size);

	if (copy == NULL)
		return 0;
	for (size_t i = 0; i < size; i++)
		copy[i] = (char)data[i];
	try_handover(in);
	try_account(in);
	try_haproxy(in);
	free(copy);
	return 0;
}
