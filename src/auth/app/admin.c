/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "auth/app/app.h"
#include "auth/app/totp.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"

enum { ID_OCTETS = 4, ROW_MAX = 8192 };

/* One order. */
struct order {
	const struct app_source *source;
	struct request *request;
	const struct fields *args;
	struct app_rows *rows;
	int64_t now;
	userdb_list_fn *fn;
	void *ctx;
};

static int refused(const char *why, struct err *err)
{
	return err_set(err, ERR_INVALID, "%s", why);
}

/* answers */

static void set_number(struct fields *fields, const char *key, int64_t value)
{
	fields_set(fields, key,
		   mem_printf(fields->ctx, "%lld", (long long)value));
}

static void tell(struct order *order, const struct app_row *row,
		 const char *secret)
{
	CLEANUP(buf_free) struct buf out = buf_init(ROW_MAX);
	struct fields fields = fields_init(order->request);

	fields_set(&fields, "id", row->id);
	fields_set(&fields, "name", row->name);
	fields_set(&fields, "scopes", row->scopes);
	set_number(&fields, "created", row->created);
	set_number(&fields, "expires", row->expires);
	set_number(&fields, "last_used", row->used);
	if (secret != NULL)
		fields_set(&fields, "secret", secret);
	fields_write(&fields, &out);
	order->fn(order->ctx, out.data + 1); /* behind the first tab */
	mem_wipe(out.data, out.len);
}

static int list(struct order *order, struct err *)
{
	for (size_t i = 0; i < order->rows->count; i++)
		tell(order, &order->rows->list[i], NULL);
	return 0;
}

/* changes */

static int64_t gone_at(const struct app_row *row)
{
	return row->expires < 0 ? -row->expires : row->expires;
}

/* Those that are long gone make room; the longest gone one if there is none. */
static void make_room(struct order *order)
{
	struct app_row *oldest = NULL;
	size_t left = 0;

	for (size_t i = 0; i < order->rows->count; i++) {
		struct app_row *row = &order->rows->list[i];

		left++;
		if (!app_is_gone(row, order->now))
			continue;
		if (gone_at(row) + APP_KEEP_GONE < order->now) {
			row->change = APP_REMOVE;
			left--;
		} else if (oldest == NULL || gone_at(row) < gone_at(oldest)) {
			oldest = row;
		}
	}
	if (left >= APP_ROWS_MAX - 1 && oldest != NULL)
		oldest->change = APP_REMOVE;
}

static unsigned count_active(const struct order *order)
{
	unsigned count = 0;

	for (size_t i = 0; i < order->rows->count; i++) {
		const struct app_row *row = &order->rows->list[i];

		if (!app_is_gone(row, order->now) &&
		    strcmp(row->id, APP_TOTP) != 0)
			count++;
	}
	return count;
}

static const char *new_id(struct order *order)
{
	unsigned char octets[ID_OCTETS];

	for (;;) {
		CLEANUP(buf_free) struct buf id = buf_init(2 * ID_OCTETS + 1);

		random_fill(octets, sizeof(octets));
		hex_encode(str_n(octets, sizeof(octets)), &id);
		if (app_find(order->rows, id.data, order->now) < 0)
			return buf_steal(order->request, &id);
	}
}

static bool name_is_good(const char *name)
{
	for (const char *p = name; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	}
	return *name != '\0' && strlen(name) <= APP_NAME_MAX &&
	       utf8_valid(str_of(name));
}

static int save(struct order *order, struct err *err)
{
	const struct app_store *store = &order->source->store;

	return store->kind->save(store, order->request, order->rows, err);
}

static int read_args(struct order *order, struct app_row *out, struct err *err)
{
	CLEANUP(buf_free) struct buf words = buf_init(128);
	const char *scopes = fields_get(order->args, "scopes");
	const char *expires = fields_get(order->args, "expires");
	uint64_t until = 0;
	unsigned set;

	*out = (struct app_row){.change = APP_ADD, .created = order->now};
	out->name = fields_get(order->args, "name");
	if (out->name == NULL || !name_is_good(out->name))
		return refused("A name has 1 to 64 octets of UTF-8", err);
	/* It could be revoked by its id only. */
	if (strcmp(out->name, APP_TOTP) == 0)
		return refused("That is the name of TOTP", err);
	if (app_find(order->rows, out->name, order->now) >= 0)
		return refused("There is one of that name", err);
	if (scopes == NULL)
		scopes = "imap,pop3,smtp";
	if (!app_scopes_parse(str_of(scopes), &set))
		return refused("Scopes are imap, pop3, smtp and sieve; "
			       "read-only goes with imap and pop3",
			       err);
	app_scopes_write(set, &words);
	out->scopes = buf_steal(order->request, &words);
	if (expires != NULL && (!str_to_u64(str_of(expires), &until) ||
				until <= (uint64_t)order->now ||
				until > (uint64_t)1 << 40))
		return refused("The expiry is not in the future", err);
	out->expires = (int64_t)until;
	return 0;
}

static int add(struct order *order, struct err *err)
{
	char password[APP_LETTERS * 2];
	struct app_row row;
	int ret;

	if (read_args(order, &row, err) < 0)
		return -1;
	if (count_active(order) >= order->source->max)
		return err_set(err, ERR_LIMIT,
			       "The user has %u app passwords, and may not "
			       "have more",
			       order->source->max);
	make_room(order);
	row.id = new_id(order);
	app_make(password);
	row.hash = app_hash(order->request, password);
	*app_row_add(order->rows) = row;
	ret = save(order, err);
	if (ret == 0)
		tell(order, &row, password);
	mem_wipe(password, sizeof(password));
	return ret;
}

static int revoke(struct order *order, struct err *err)
{
	const char *what = fields_get(order->args, "name");
	ptrdiff_t n = what == NULL || strcmp(what, APP_TOTP) == 0
			      ? -1
			      : app_find(order->rows, what, order->now);
	struct app_row *row;

	if (n < 0)
		return err_set(err, ERR_NOT_FOUND, "There is no such app "
						   "password");
	row = &order->rows->list[n];
	if (row->expires >= 0) {
		row->expires = -order->now;
		row->change = APP_CHANGE;
		if (save(order, err) < 0)
			return -1;
	}
	tell(order, row, NULL);
	return 0;
}

static int totp_enable(struct order *order, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(128);
	unsigned char secret[TOTP_SECRET_OCTETS];
	struct app_row *row;
	int ret;

	if (!order->source->totp)
		return refused("The passdb has totp=no", err);
	if (app_find(order->rows, APP_TOTP, order->now) >= 0)
		return refused("TOTP is enabled already", err);
	random_fill(secret, sizeof(secret));
	base32_encode(str_n(secret, sizeof(secret)), &text);
	mem_wipe(secret, sizeof(secret));
	make_room(order);
	row = app_row_add(order->rows);
	*row = (struct app_row){.id = APP_TOTP,
				.name = "TOTP",
				.hash = text.data,
				.scopes = APP_TOTP,
				.created = order->now,
				.change = APP_ADD};
	ret = save(order, err);
	if (ret == 0)
		tell(order, row, text.data);
	mem_wipe(text.data, text.len);
	return ret;
}

static int totp_disable(struct order *order, struct err *err)
{
	ptrdiff_t n = app_find(order->rows, APP_TOTP, order->now);

	if (n < 0)
		return err_set(err, ERR_NOT_FOUND, "TOTP is not enabled");
	order->rows->list[n].change = APP_REMOVE;
	return save(order, err);
}

static const struct {
	const char *name;
	int (*run)(struct order *order, struct err *err);
} orders[] = {
	{"add", add},
	{"list", list},
	{"revoke", revoke},
	{"totp-disable", totp_disable},
	{"totp-enable", totp_enable},
};

int app_admin(struct passdb *db, struct request *request, const char *what,
	      const struct fields *args, userdb_list_fn *fn, void *ctx,
	      struct err *err)
{
	const struct app_source *source = db->data;
	struct order order = {source, request, args, NULL, time(NULL), fn, ctx};
	size_t i = 0;

	while (i < sizeof(orders) / sizeof(orders[0]) &&
	       strcmp(orders[i].name, what) != 0)
		i++;
	if (i == sizeof(orders) / sizeof(orders[0]))
		return refused("Unknown order", err);
	if (source->store.kind->load(&source->store, request,
				     orders[i].run != list, &order.rows, err) <
	    0)
		return -1;
	return orders[i].run(&order, err);
}
