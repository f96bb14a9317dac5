/* SPDX-License-Identifier: MIT */
#include "config/vars.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/vars_internal.h"

/* "%-2.05LHu": what stands between the percent sign and the name. */
struct spec {
	int offset, width;
	bool zero; /* pad with '0', don't cut */
	struct str modifiers;
	struct str name; /* long name, or one character */
	bool is_long;
	size_t len; /* of all, the percent sign not counted */
};

static int take_int(struct str *in)
{
	bool negative = in->len > 0 && in->data[0] == '-';
	int value = 0;

	if (negative)
		*in = str_from(*in, 1);
	while (in->len > 0 && in->data[0] >= '0' && in->data[0] <= '9') {
		if (value < INT_MAX / 16)
			value = value * 10 + (in->data[0] - '0');
		*in = str_from(*in, 1);
	}
	return negative ? -value : value;
}

/* "20" is a width, "5.20" an offset and a width. */
static void take_range(struct str *in, struct spec *spec)
{
	spec->zero = in->len > 0 && in->data[0] == '0';
	spec->width = take_int(in);
	spec->offset = 0;
	if (in->len == 0 || in->data[0] != '.') {
		spec->width = abs(spec->width);
		return;
	}
	*in = str_from(*in, 1);
	spec->offset = spec->width;
	spec->zero = in->len > 0 && in->data[0] == '0';
	spec->width = take_int(in);
}

/* Where the brace that `in` starts with is closed; -1 if it is not. */
static ptrdiff_t closing_brace(struct str in)
{
	unsigned depth = 0;

	for (size_t i = 0; i < in.len; i++) {
		if (in.data[i] == '\\' && i + 1 < in.len)
			i++;
		else if (in.data[i] == '{')
			depth++;
		else if (in.data[i] == '}' && --depth == 0)
			return (ptrdiff_t)i;
	}
	return -1;
}

static struct spec parse_spec(struct str in)
{
	struct spec spec = {0};
	struct str start = in;
	size_t n = 0;

	take_range(&in, &spec);
	while (n < in.len && in.data[n] != '\0' &&
	       strchr("LUEXRNHMDT", in.data[n]) != NULL)
		n++;
	spec.modifiers = str_n(in.data, n);
	in = str_from(in, n);
	spec.name = str_n(in.data, in.len > 0 ? 1 : 0);
	spec.len = start.len - in.len + spec.name.len;
	if (in.len > 0 && in.data[0] == '{') {
		ptrdiff_t end = closing_brace(in);

		if (end < 0)
			return spec;
		spec.is_long = true;
		spec.name = str_n(in.data + 1, (size_t)end - 1);
		spec.len += (size_t)end;
	}
	return spec;
}

/* modifiers: each puts its result in place of the value */

static void change_case(struct buf *value, char (*fold)(char))
{
	for (size_t i = 0; i < value->len; i++)
		value->data[i] = fold(value->data[i]);
}

static void reverse(struct buf *value)
{
	for (size_t i = 0; i < value->len / 2; i++) {
		char c = value->data[i];

		value->data[i] = value->data[value->len - 1 - i];
		value->data[value->len - 1 - i] = c;
	}
}

static void escape(struct buf *value, struct buf *old)
{
	for (size_t i = 0; i < old->len; i++) {
		char c = old->data[i];

		if (c == '"' || c == '\'' || c == '\\')
			buf_putc(value, '\\');
		buf_putc(value, c);
	}
}

static void domain_components(struct buf *value, struct buf *old)
{
	for (size_t i = 0; i < old->len; i++) {
		if (old->data[i] == '.')
			buf_add(value, ",dc=");
		else
			buf_putc(value, old->data[i]);
	}
}

static void to_hex(struct buf *value, struct buf *old)
{
	uint64_t number;

	if (!str_to_u64(str_n(old->data, old->len), &number))
		number = 0;
	buf_printf(value, "%llx", (unsigned long long)number);
}

/* 32 bits, limited to the width and padded to the offset. */
static void put_hash(struct buf *value, uint32_t hash, struct spec *spec)
{
	if (spec->width > 0)
		hash %= (uint32_t)spec->width;
	if (spec->offset > 0 && spec->offset < 1000)
		buf_printf(value, "%0*x", spec->offset, hash);
	else
		buf_printf(value, "%x", hash);
	spec->offset = spec->width = 0;
	spec->zero = false;
}

/* The well-known hash of ELF symbol tables. */
static void old_hash(struct buf *value, struct buf *old, struct spec *spec)
{
	uint32_t hash = 0;

	for (size_t i = 0; i < old->len; i++) {
		uint32_t high;

		hash = (hash << 4) + (uint32_t)(signed char)old->data[i];
		high = hash & 0xf0000000;
		hash ^= high >> 24 ^ high;
	}
	put_hash(value, hash, spec);
}

static void new_hash(struct buf *value, struct buf *old, struct spec *spec)
{
	unsigned char md5[DIGEST_MAX];
	uint32_t hash = 0;

	digest_once("md5", str_n(old->data, old->len), md5);
	for (size_t i = 4; i < 8; i++)
		hash = hash << 8 | md5[i];
	put_hash(value, hash, spec);
}

static void md5_hex(struct buf *value, struct buf *old)
{
	unsigned char md5[DIGEST_MAX];
	size_t len = digest_once("md5", str_n(old->data, old->len), md5);

	hex_encode(str_n(md5, len), value);
}

static void trim_end(struct buf *value)
{
	while (value->len > 0 &&
	       strchr(" \t\r\n", value->data[value->len - 1]) != NULL)
		buf_truncate(value, value->len - 1);
}

/* Those that write a new value from the old one. */
static void rewrite(struct buf *value, char modifier, struct spec *spec)
{
	CLEANUP(buf_free) struct buf old = *value;

	*value = buf_init(old.max);
	switch (modifier) {
	case 'E':
		escape(value, &old);
		break;
	case 'X':
		to_hex(value, &old);
		break;
	case 'N':
		new_hash(value, &old, spec);
		break;
	case 'H':
		old_hash(value, &old, spec);
		break;
	case 'M':
		md5_hex(value, &old);
		break;
	case 'D':
		domain_components(value, &old);
		break;
	}
}

static void modify(struct buf *value, char modifier, struct spec *spec)
{
	switch (modifier) {
	case 'L':
		change_case(value, ascii_lower);
		break;
	case 'U':
		change_case(value, ascii_upper);
		break;
	case 'R':
		reverse(value);
		break;
	case 'T':
		trim_end(value);
		break;
	default:
		rewrite(value, modifier, spec);
		break;
	}
}

/* The part of the value that offset and width name. */
static void append_range(struct buf *out, struct str value,
			 const struct spec *spec)
{
	size_t skip = (size_t)abs(spec->offset);
	size_t width = (size_t)abs(spec->width);

	if (spec->offset < 0)
		skip = skip > value.len ? 0 : value.len - skip;
	value = str_from(value, skip);
	if (spec->width < 0)
		value.len = width < value.len ? value.len - width : 0;
	else if (width > 0 && !spec->zero && value.len > width)
		value.len = width;
	for (size_t i = value.len; spec->zero && spec->width > 0 && i < width;
	     i++)
		buf_putc(out, '0');
	buf_add_str(out, value);
}

/* variables */

const struct var *vars_find(const struct var *vars, char key, struct str name)
{
	const struct var *whole = NULL;

	for (; vars->key != 0 || vars->name != NULL; vars++) {
		size_t len = vars->name == NULL ? 0 : strlen(vars->name);

		if (key != '\0' ? vars->key == key
				: len > 0 && str_is(name, vars->name))
			return vars;
		if (key == '\0' && len > 0 && vars->name[len - 1] == ':' &&
		    (str_starts(name, vars->name) ||
		     str_equal(str_n(vars->name, len - 1), name)))
			whole = vars;
	}
	return whole;
}

/* Long names that every process knows. False for others. */
static bool global_value(struct str name, struct buf *out)
{
	if (str_is(name, "pid")) {
		buf_printf(out, "%d", (int)getpid());
	} else if (str_is(name, "uid")) {
		buf_printf(out, "%u", (unsigned)geteuid());
	} else if (str_is(name, "gid")) {
		buf_printf(out, "%u", (unsigned)getegid());
	} else if (str_is(name, "hostname")) {
		const char *given = getenv("DOVECOT_HOSTNAME");
		char host[HOST_NAME_MAX + 1] = "";

		if (given == NULL && gethostname(host, sizeof(host) - 1) == 0)
			host[strcspn(host, ".")] = '\0';
		buf_add(out, given != NULL ? given : host);
	} else if (str_is(name, "env")) {
		/* that of no name */
	} else if (str_starts(name, "env:")) {
		CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "env");
		const char *value = getenv(str_dup(ctx, str_from(name, 4)));

		buf_add(out, value != NULL ? value : "");
	} else {
		return false;
	}
	return true;
}

/* What shall stand for it is in `value` even so. */
static int unknown(struct buf *value, struct str name, struct err *err)
{
	buf_printf(value, "UNSUPPORTED_VARIABLE_%.*s", STR_FMT(name));
	return err_set(err, ERR_INVALID, "Unknown variable '%%%.*s'",
		       STR_FMT(name));
}

/* Of "passdb:name:default" and `var` is "passdb:", the one called "passdb:name"
 * or the default. */
static void value_or_default(struct buf *value, struct str name,
			     const struct var *vars, const struct var *var)
{
	size_t prefix = strlen(var->name);
	ptrdiff_t colon = str_find_char(str_from(name, prefix), ':');
	struct str rest = STR("");

	if (colon >= 0) {
		rest = str_from(name, prefix + (size_t)colon + 1);
		name.len = prefix + (size_t)colon;
		var = vars_find(vars, '\0', name);
	}
	if (str_is(name, var->name))
		rest = str_of(var->value != NULL ? var->value : "");
	buf_add_str(value, rest);
}

static int long_value(struct buf *value, struct str name,
		      const struct scope *scope, struct err *err)
{
	const struct var *var = vars_find(scope->vars, '\0', name);
	ptrdiff_t colon = str_find_char(name, ':');

	if (var != NULL) {
		if (str_is(name, var->name) || name.len < strlen(var->name))
			buf_add(value, var->value != NULL ? var->value : "");
		else
			value_or_default(value, name, scope->vars, var);
		return 0;
	}
	if (str_starts(name, "if;"))
		return vars_if(value, str_from(name, 3), scope, err);
	if (global_value(name, value))
		return 0;
	switch (vars_hash(value, name, scope)) {
	case HASH_OK:
		return 0;
	case HASH_BROKEN:
		return err_set(err, ERR_INVALID, "Invalid hash in %%{%.*s}",
			       STR_FMT(name));
	case HASH_NONE:
		break;
	}
	if (colon >= 0)
		name.len = (size_t)colon;
	return unknown(value, name, err);
}

/* A percent sign at the end is none. */
static int short_value(struct buf *value, struct str name,
		       const struct scope *scope, struct err *err)
{
	char key = name.len > 0 ? name.data[0] : '%';
	const struct var *var;

	if (key == '%') {
		buf_add_str(value, name);
		return 0;
	}
	var = vars_find(scope->vars, key, name);
	if (var != NULL) {
		buf_add(value, var->value != NULL ? var->value : "");
	} else if (key == 'p') {
		global_value(STR("pid"), value);
	} else if (key == 'i') {
		global_value(STR("uid"), value);
	} else {
		return unknown(value, name, err);
	}
	return 0;
}

static int expand_one(struct buf *out, struct spec *spec,
		      const struct scope *scope, struct err *err)
{
	CLEANUP(buf_free) struct buf value = buf_init(VARS_MAX);
	int ret = spec->is_long ? long_value(&value, spec->name, scope, err)
				: short_value(&value, spec->name, scope, err);

	if (ret < 0 && scope->anyway == NULL)
		return -1;
	if (ret < 0 && scope->anyway->text[0] == '\0')
		*scope->anyway = *err;
	if (spec->name.len == 0 && !spec->is_long)
		return 0;
	for (size_t i = 0; i < spec->modifiers.len; i++)
		modify(&value, spec->modifiers.data[i], spec);
	append_range(out, str_n(value.data, value.len), spec);
	if (value.overflow)
		out->overflow = true;
	return 0;
}

/* The same modifiers but for D; false if it was none of them. */
static bool drop_components(struct spec *spec, struct buf *kept)
{
	struct str all = spec->modifiers;

	for (size_t i = 0; i < all.len; i++) {
		if (all.data[i] != 'D')
			buf_putc(kept, all.data[i]);
	}
	spec->modifiers = str_n(kept->data, kept->len);
	return kept->len < all.len;
}

/* Of D, what it puts between the parts of a domain (",dc=") is no part of the
 * value. */
static int add_escaped(struct buf *out, struct spec *spec,
		       const struct scope *scope,
		       const struct vars_escape *escape, struct err *err)
{
	CLEANUP(buf_free) struct buf value = buf_init(VARS_MAX);
	CLEANUP(buf_free) struct buf kept = buf_init(VARS_MAX);
	bool components = drop_components(spec, &kept);
	struct str rest, part;

	if (expand_one(&value, spec, scope, err) < 0)
		return -1;
	if (value.overflow)
		out->overflow = true;
	rest = str_n(value.data, value.len);
	if (!components) {
		escape->add(escape->ctx, rest, out);
		return 0;
	}
	for (bool first = true; str_split(&rest, '.', &part); first = false) {
		if (!first)
			buf_add(out, ",dc=");
		escape->add(escape->ctx, part, out);
	}
	return 0;
}

static int append(struct buf *out, struct str format, const struct scope *scope,
		  const struct vars_escape *escape, struct err *err)
{
	ptrdiff_t percent;

	if (scope->depth > VARS_DEPTH_MAX)
		return err_set(err, ERR_LIMIT, "%%{if} nests too deep");
	while ((percent = str_find_char(format, '%')) >= 0) {
		struct spec spec;

		buf_add_str(out, str_n(format.data, (size_t)percent));
		format = str_from(format, (size_t)percent + 1);
		spec = parse_spec(format);
		format = str_from(format, spec.len);
		if (escape != NULL
			    ? add_escaped(out, &spec, scope, escape, err) < 0
			    : expand_one(out, &spec, scope, err) < 0)
			return -1;
	}
	buf_add_str(out, format);
	return 0;
}

int vars_append(struct buf *out, struct str format, const struct scope *scope,
		struct err *err)
{
	return append(out, format, scope, NULL, err);
}

static int expand(const void *ctx, const char *format,
		  const struct scope *scope, const struct vars_escape *escape,
		  char **out, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(VARS_MAX);

	if (append(&text, str_of(format), scope, escape, err) < 0)
		return -1;
	if (text.overflow)
		return err_set(err, ERR_LIMIT, "%%-variables become too long");
	*out = buf_steal(ctx, &text);
	return 0;
}

int vars_expand(const void *ctx, const char *format, const struct var *vars,
		char **out, struct err *err)
{
	const struct scope scope = {.vars = vars};

	return expand(ctx, format, &scope, NULL, out, err);
}

int vars_expand_anyway(const void *ctx, const char *format,
		       const struct var *vars, char **out, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(VARS_MAX);
	struct err first = {.text = ""};
	const struct scope scope = {.vars = vars, .anyway = &first};
	int ret = append(&text, str_of(format), &scope, NULL, err);

	if (ret == 0 && first.text[0] != '\0') {
		*err = first;
		ret = -1;
	}
	if (text.overflow)
		ret = err_set(err, ERR_LIMIT, "%%-variables become too long");
	*out = buf_steal(ctx, &text);
	return ret;
}

int vars_expand_escaped(const void *ctx, const char *format,
			const struct var *vars,
			const struct vars_escape *escape, char **out,
			struct err *err)
{
	const struct scope scope = {.vars = vars};

	return expand(ctx, format, &scope, escape, out, err);
}

/* questions */

/* "md5;rounds=2:user" and "if;%u;..." use what is inside of them. */
static bool name_has(struct str inside, const char *name)
{
	ptrdiff_t colon = str_find_char(inside, ':');

	if (name == NULL)
		return false;
	return str_is(inside, name) ||
	       (colon >= 0 &&
		str_is(str_from(inside, (size_t)colon + 1), name));
}

static bool has(struct str format, char key, const char *name, unsigned depth)
{
	ptrdiff_t percent;

	while (depth <= VARS_DEPTH_MAX &&
	       (percent = str_find_char(format, '%')) >= 0) {
		struct spec spec;

		format = str_from(format, (size_t)percent + 1);
		spec = parse_spec(format);
		format = str_from(format, spec.len);
		if (spec.is_long
			    ? name_has(spec.name, name) ||
				      (str_starts(spec.name, "if;") &&
				       has(spec.name, key, name, depth + 1))
			    : spec.name.len == 1 && key != '\0' &&
				      spec.name.data[0] == key)
			return true;
	}
	return false;
}

bool vars_has(const char *format, char key, const char *name)
{
	return has(str_of(format), key, name, 0);
}

struct var *vars_user(const void *ctx, const char *user)
{
	struct var *vars = mem_array(ctx, struct var, 4);
	const char *at = strchr(user, '@');

	user = mem_strdup(vars, user);
	vars[0] = (struct var){'u', "user", user};
	vars[1] = (struct var){'n', "username", user};
	vars[2] = (struct var){'d', "domain", ""};
	if (at != NULL) {
		at = strchr(user, '@');
		vars[1].value = mem_strndup(vars, user, (size_t)(at - user));
		vars[2].value = at + 1;
	}
	return vars;
}
