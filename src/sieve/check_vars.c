/* SPDX-License-Identifier: MIT */
/*
 * sieve/check_vars.c - names of variables (RFC 5229 section 3).
 */
#include "sieve/compile.h"

static bool is_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = ascii_lower(name.data[i]);

		if (c != '_' && !(c >= 'a' && c <= 'z') &&
		    !(c >= '0' && c <= '9' && i > 0))
			return false;
	}
	return name.len > 0;
}

static struct str lower(struct sieve_check *check, struct str name)
{
	struct str out = sieve_arena_str(check->arena, name);
	char *data = (char *)(uintptr_t)out.data;

	for (size_t i = 0; i < out.len; i++)
		data[i] = ascii_lower(data[i]);
	return out;
}

static struct sieve_symbol *add_symbol(struct sieve_check *check,
				       struct str name)
{
	struct sieve_symbol *symbol =
		sieve_arena_new_of(check->arena, struct sieve_symbol);

	symbol->name = (char *)(uintptr_t)name.data;
	HASH_ADD_KEYPTR(hh, check->symbols, symbol->name, name.len, symbol);
	return symbol;
}

static bool plain_variable(struct sieve_check *check, struct sieve_place at,
			   struct str name, struct sieve_piece *out)
{
	struct sieve_unit_build *unit = &check->build->units[check->unit];
	unsigned max = check->build->set->sieve_variables_max_scope_size;
	struct sieve_symbol *symbol;

	name = lower(check, name);
	HASH_FIND(hh, check->symbols, name.data, name.len, symbol);
	if (symbol == NULL) {
		if (check->variables >= max) {
			sieve_error(check, at,
				    "declaration of new variable '%.*s' "
				    "exceeds the limit (maximum %u variables)",
				    STR_FMT(name), max);
			return false;
		}
		symbol = add_symbol(check, name);
		symbol->number = check->variables++;
		unit->variables = check->variables;
		buf_printf(&unit->variable_names, "%.*s ", STR_FMT(name));
	}
	*out = (struct sieve_piece){.kind = SIEVE_PIECE_VARIABLE,
				    .number = symbol->number,
				    .text = name};
	if (symbol->space != NULL) {
		out->kind = SIEVE_PIECE_NAMESPACE;
		out->space = symbol->space;
	}
	return true;
}

bool sieve_check_alias(struct sieve_check *check, struct str name,
		       const struct sieve_namespace *space)
{
	struct sieve_symbol *symbol;

	name = lower(check, name);
	HASH_FIND(hh, check->symbols, name.data, name.len, symbol);
	if (symbol != NULL)
		return symbol->space == space;
	add_symbol(check, name)->space = space;
	return true;
}

static const struct sieve_namespace *find_space(struct sieve_check *check,
						struct str name)
{
	const struct sieve_extension *ext;

	for (unsigned i = 0;
	     (ext = sieve_engine_extension(check->build->engine, i)) != NULL;
	     i++) {
		const struct sieve_namespace *space = ext->namespaces;

		for (; check->active[i] && space != NULL && space->name;
		     space++) {
			if (str_case_is(name, space->name))
				return space;
		}
	}
	return NULL;
}

static bool in_space(struct sieve_check *check, struct sieve_place at,
		     struct str name, size_t dot, bool set,
		     struct sieve_piece *out)
{
	struct str prefix = str_n(name.data, dot);
	struct str rest = str_from(name, dot + 1);
	const struct sieve_namespace *space = find_space(check, prefix);
	unsigned errors = check->errors;

	if (space == NULL) {
		sieve_error(check, at,
			    "referring to variable in unknown namespace '%.*s'",
			    STR_FMT(prefix));
		return false;
	}
	if (set && space->set == NULL) {
		sieve_error(check, at, "can't assign to variable '%.*s'",
			    STR_FMT(name));
		return false;
	}
	rest = lower(check, rest);
	if (space->check != NULL)
		space->check(check, at, rest, set);
	*out = (struct sieve_piece){
		.kind = SIEVE_PIECE_NAMESPACE, .text = rest, .space = space};
	return check->errors == errors;
}

static bool match_variable(struct sieve_check *check, struct sieve_place at,
			   struct str name, unsigned number, bool set,
			   struct sieve_piece *out)
{
	if (set) {
		sieve_error(check, at, "can't assign to match variable '%.*s'",
			    STR_FMT(name));
		return false;
	}
	if (number >= SIEVE_MAX_MATCHES) {
		sieve_error(check, at,
			    "match variable '%.*s' is out of range (maximum "
			    "%d)",
			    STR_FMT(name), SIEVE_MAX_MATCHES - 1);
		return false;
	}
	*out = (struct sieve_piece){.kind = SIEVE_PIECE_MATCH,
				    .number = number};
	return true;
}

bool sieve_check_reference(struct sieve_check *check, struct sieve_place at,
			   struct str name, bool set, struct sieve_piece *out)
{
	ptrdiff_t dot = str_find_char(name, '.');
	unsigned number;

	if (str_to_unsigned(name, &number))
		return match_variable(check, at, name, number, set, out);
	if (dot > 0 && is_name(str_n(name.data, (size_t)dot)))
		return in_space(check, at, name, (size_t)dot, set, out);
	if (!is_name(name)) {
		sieve_error(check, at, "invalid variable name '%.*s'",
			    STR_FMT(name));
		return false;
	}
	return plain_variable(check, at, name, out);
}
