/* SPDX-License-Identifier: MIT */
#include "auth/modules/ldap_entry.h"

#include "auth/request.h"
#include "base/cleanup.h"
#include "base/mem.h"

enum { VALUES_MAX = 1000 };

size_t ldap_attrs_split(const void *ctx, const char *attrs,
			struct ldap_attr out[LDAP_ATTRS_MAX])
{
	struct str rest = str_of(attrs), part, name, field;
	size_t count = 0;

	while (count < LDAP_ATTRS_MAX && str_split(&rest, ',', &part)) {
		struct ldap_attr *attr = &out[count];

		part = str_trim(part);
		/* "!attr" is for %{ldap_ptr}; all attributes are there anyway.
		 */
		if (part.len == 0 || part.data[0] == '!' ||
		    !str_split(&part, '=', &name))
			continue;
		*attr = (struct ldap_attr){NULL, NULL, NULL};
		name = str_trim(name);
		if (name.len > 0)
			attr->name = str_dup(ctx, name);
		if (part.data == NULL || !str_split(&part, '=', &field))
			field = name;
		attr->field = str_dup(ctx, str_trim(field));
		if (part.data != NULL)
			attr->template = str_dup(ctx, part);
		if (*attr->field != '\0')
			count++;
	}
	return count;
}

/* An entry, for whom it was asked for. */
struct entry {
	struct request *request;
	LDAP *ld;
	LDAPMessage *message;
	const char *dn;
	bool each; /* there is a field for each value, not just for the first */
};

/* Which one counts is the server's choice: worth a line, but no secret. */
static void log_many(const struct entry *entry, const char *name,
		     const char *value)
{
	CLEANUP(ctx_free)
	TALLOC_CTX *shown = str_sanitize(NULL, str_of(value), 100);

	if (str_case_is(str_of(name), "userPassword"))
		request_log(entry->request, LOG_LEVEL_WARNING,
			    "Multiple values found for '%s', using the first",
			    name);
	else
		request_log(entry->request, LOG_LEVEL_WARNING,
			    "Multiple values found for '%s', using value '%s'",
			    name, (char *)shown);
}

/* The nth value, child of the request; NULL if the entry has none. */
static char *value_of(const struct entry *entry, const char *name, size_t n)
{
	struct berval **values =
		ldap_get_values_len(entry->ld, entry->message, name);
	size_t count = (size_t)ldap_count_values_len(values);
	char *text = NULL;

	if (n < count)
		text = mem_strndup(
			entry->request, values[n]->bv_val,
			strnlen(values[n]->bv_val, values[n]->bv_len));
	if (n == 0 && count > 1 && !entry->each)
		log_many(entry, name, text);
	ldap_value_free_len(values);
	return text;
}

/* "%{ldap:attr}", "%{ldap_ptr:attr}" (of the attribute that it names) and
 * "%{ldap_dn}", as far as the template has them. */
static void set_vars(const struct entry *entry, const char *template)
{
	struct request *request = entry->request;
	struct fields *vars = &request->more_vars;
	struct str rest = str_of(template);
	ptrdiff_t at;

	fields_set(vars, "ldap_dn", entry->dn);
	fields_set(vars, "ldap:", "");
	fields_set(vars, "ldap_ptr:", "");
	while ((at = str_find(rest, STR("{ldap"))) >= 0) {
		struct str word = str_from(rest, (size_t)at + 1), name;
		bool pointer = str_starts(word, "ldap_ptr:");
		const char *value;

		rest = str_from(word, 4);
		if (!pointer && !str_starts(word, "ldap:"))
			continue;
		name = str_from(word, pointer ? 9 : 5);
		name.len = strcspn(name.data, ":}");
		value = value_of(entry, str_dup(request, name), 0);
		if (value != NULL && pointer)
			value = value_of(entry, value, 0);
		word.len = (size_t)(name.data - word.data) + name.len;
		if (value != NULL)
			fields_set(vars, str_dup(request, word), value);
	}
}

/* "%$" is the value of the attribute. NULL after logging why not. */
static const char *expand(const struct entry *entry, const char *template,
			  const char *value)
{
	struct request *request = entry->request;
	const struct fields before = request->more_vars;
	const char *dollar = strstr(template, "%$"), *text, *after = "";

	request->more_vars = fields_copy(&before);
	set_vars(entry, template);
	text = request_expand(
		request, dollar == NULL
				 ? template
				 : mem_strndup(request, template,
					       (size_t)(dollar - template)));
	if (dollar != NULL)
		after = request_expand(request, dollar + 2);
	request->more_vars = before;
	if (text == NULL || after == NULL)
		return NULL;
	return dollar == NULL
		       ? text
		       : mem_printf(request, "%s%s%s", text, value, after);
}

/* The nth of its values; false if it cannot be expanded. */
static bool take_attr(const struct entry *entry, const struct ldap_attr *attr,
		      size_t n, struct fields *fields)
{
	const char *value = "", *field = attr->field;

	if (attr->name != NULL)
		value = value_of(entry, attr->name, n);
	if (value == NULL || (n > 0 && attr->name == NULL))
		return true;
	if (strchr(field, '%') != NULL)
		field = expand(entry, field, value);
	if (field != NULL && attr->template != NULL)
		value = expand(entry, attr->template, value);
	if (field == NULL || value == NULL)
		return false;
	fields_set(fields, field, value);
	return true;
}

static bool give_entry(const struct entry *entry, const struct ldap_attr *attrs,
		       size_t count, ldap_entry_fn *fn, void *ctx)
{
	for (size_t n = 0; n < VALUES_MAX && (n == 0 || entry->each); n++) {
		struct fields fields = fields_init(entry->request);

		for (size_t i = 0; i < count; i++) {
			if (!take_attr(entry, &attrs[i], n, &fields))
				return false;
		}
		if (n > 0 && fields.count == 0)
			break;
		fn(ctx, entry->dn, &fields);
	}
	return true;
}

bool ldap_entries_give(LDAP *ld, struct request *request, LDAPMessage *result,
		       const struct ldap_attr *attrs, size_t count,
		       ldap_entry_fn *fn, void *ctx)
{
	bool ok = true;

	for (LDAPMessage *message = ldap_first_entry(ld, result);
	     ok && message != NULL; message = ldap_next_entry(ld, message)) {
		char *dn = ldap_get_dn(ld, message);
		const struct entry entry = {request, ld, message,
					    dn == NULL ? "" : dn,
					    request->user == NULL};

		ok = give_entry(&entry, attrs, count, fn, ctx);
		ldap_memfree(dn);
	}
	return ok;
}
