/* SPDX-License-Identifier: MIT */
#include "sieve/mailto.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "sieve/message.h"

enum { MAX_RECIPIENTS = 100, MAX_FIELDS = 50, MAX_VALUE = 1 << 20 };

struct list {
	const char **items; /* up to NULL */
	unsigned count;
};

struct parse {
	const void *ctx;
	const char *const *told;
	struct list to, cc, bcc;
	struct sieve_mailto *out;
	unsigned fields;
};

/* RFC 3986 section 2: what stands for itself in a query. */
static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~!$'()*+,;:@/?", c) != NULL);
}

static int decode(struct str in, const char *what, struct buf *out,
		  struct err *err)
{
	for (size_t i = 0; i < in.len; i++) {
		char c = in.data[i];

		if (c == '%') {
			if (i + 2 >= in.len || hex_digit(in.data[i + 1]) < 0 ||
			    hex_digit(in.data[i + 2]) < 0)
				return err_set(err, ERR_INVALID,
					       "invalid %% encoding");
			c = (char)(hex_digit(in.data[i + 1]) << 4 |
				   hex_digit(in.data[i + 2]));
			i += 2;
		} else if (!is_plain(c)) {
			return err_set(err, ERR_INVALID,
				       "invalid character '%c' in %s part",
				       c < ' ' || c > '~' ? '?' : c, what);
		}
		buf_putc(out, c);
	}
	if (!utf8_valid(str_n(out->data, out->len)) ||
	    memchr(out->data, '\0', out->len) != NULL)
		return err_set(err, ERR_INVALID, "%s part is not UTF-8", what);
	return 0;
}

/* recipients */

static bool has_address(const char *const *list, struct str address)
{
	while (list != NULL && *list != NULL && !str_case_is(address, *list))
		list++;
	return list != NULL && *list != NULL;
}

static bool is_known(const struct parse *parse, struct str address)
{
	return has_address(parse->told, address) ||
	       has_address(parse->to.items, address) ||
	       has_address(parse->cc.items, address) ||
	       has_address(parse->bcc.items, address);
}

static int add_recipient(struct parse *parse, struct list *list,
			 struct str text, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "recipient");
	struct sieve_address address;

	if (parse->out->recipients == MAX_RECIPIENTS)
		return err_set(err, ERR_LIMIT, "too many recipients");
	if (!sieve_address_parse(ctx, str_trim(text), false, &address))
		return err_set(err, ERR_INVALID,
			       "invalid recipient '%s': expected user@domain",
			       str_sanitize(ctx, text, 200));
	if (is_known(parse, address.all)) {
		parse->out->twice = str_dup(parse->ctx, address.all);
		return 0;
	}
	if (list->items == NULL)
		list->items =
			mem_array(parse->ctx, const char *, MAX_RECIPIENTS + 1);
	list->items[list->count++] =
		mem_strndup(list->items, address.all.data, address.all.len);
	parse->out->recipients++;
	return 0;
}

/* Commas part addresses; one that belongs to an address is encoded twice. */
static int add_recipients(struct parse *parse, struct list *list,
			  struct str text, struct err *err)
{
	struct str part;

	while (str_split(&text, ',', &part)) {
		if (add_recipient(parse, list, part, err) < 0)
			return -1;
	}
	return 0;
}

/* fields */

/* RFC 5436 section 2.7: those that the notification has of its own. */
static bool is_reserved(struct str name)
{
	static const char *const names[] = {
		"auto-submitted", "received",
		"message-id",     "date",
		"from",           "sender",
		"return-path",    "mime-version",
		"content-type",   "content-transfer-encoding",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (str_case_is(name, names[i]))
			return true;
	}
	return str_case_starts(name, "resent-");
}

static int add_field(struct parse *parse, struct str name, struct str value,
		     struct err *err)
{
	struct sieve_mailto *out = parse->out;

	if (memchr(value.data, '\n', value.len) != NULL ||
	    memchr(value.data, '\r', value.len) != NULL)
		return err_set(err, ERR_INVALID, "invalid header field body");
	if (str_case_is(name, "subject")) {
		if (out->subject == NULL)
			out->subject = str_dup(parse->ctx, value);
		else
			out->ignored = "subject";
		return 0;
	}
	if (parse->fields == MAX_FIELDS)
		return err_set(err, ERR_LIMIT, "too many header fields");
	out->fields[parse->fields].name = str_dup(out->fields, name);
	out->fields[parse->fields].value = str_dup(out->fields, value);
	parse->fields++;
	return 0;
}

static int take_field(struct parse *parse, struct str name, struct str value,
		      struct err *err)
{
	struct sieve_mailto *out = parse->out;

	if (!sieve_field_name_valid(name))
		return err_set(err, ERR_INVALID,
			       "invalid header field name part");
	if (str_case_is(name, "to"))
		return add_recipients(parse, &parse->to, value, err);
	if (str_case_is(name, "cc"))
		return add_recipients(parse, &parse->cc, value, err);
	if (str_case_is(name, "bcc"))
		return add_recipients(parse, &parse->bcc, value, err);
	if (str_case_is(name, "body")) {
		if (out->body.data == NULL)
			out->body =
				str_n(str_dup(parse->ctx, value), value.len);
		else
			out->ignored = "body";
		return 0;
	}
	if (is_reserved(name)) {
		out->ignored = str_lower(parse->ctx, name);
		return 0;
	}
	return add_field(parse, name, value, err);
}

static int take_query(struct parse *parse, struct str query, struct err *err)
{
	struct str part, name;

	while (str_split(&query, '&', &part)) {
		CLEANUP(buf_free) struct buf key = buf_init(MAX_VALUE);
		CLEANUP(buf_free) struct buf value = buf_init(MAX_VALUE);

		(void)str_split(&part, '=', &name);
		if (decode(name, "header field name", &key, err) < 0 ||
		    decode(part, "header field value", &value, err) < 0 ||
		    take_field(parse, str_n(key.data, key.len),
			       str_n(value.data, value.len), err) < 0)
			return -1;
	}
	return 0;
}

static const char *const *give(const struct list *list)
{
	static const char *const none[] = {NULL};

	return list->items == NULL ? none : list->items;
}

int sieve_mailto_parse(const void *ctx, struct str uri, const char *const *told,
		       struct sieve_mailto *out, struct err *err)
{
	struct parse parse = {.ctx = ctx, .told = told, .out = out};
	CLEANUP(buf_free) struct buf to = buf_init(MAX_VALUE);
	struct str rest, path = {NULL, 0};

	*out = (struct sieve_mailto){
		.fields = mem_array(ctx, struct sieve_mailto_field,
				    MAX_FIELDS + 1)};
	if (!str_case_starts(uri, "mailto:"))
		return err_set(err, ERR_INVALID, "not a mailto URI");
	rest = str_from(uri, 7);
	(void)str_split(&rest, '?', &path);
	if (decode(path, "'to'", &to, err) < 0 ||
	    (to.len > 0 && add_recipients(&parse, &parse.to,
					  str_n(to.data, to.len), err) < 0) ||
	    (rest.len > 0 && take_query(&parse, rest, err) < 0))
		return -1;
	out->to = give(&parse.to);
	out->cc = give(&parse.cc);
	out->bcc = give(&parse.bcc);
	return 0;
}
