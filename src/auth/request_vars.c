/* SPDX-License-Identifier: MIT */
/*
 * auth/request_vars.c - the %-variables of a request.
 */
#include "auth/request.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "config/vars.h"

enum { VARS_MAX = 48 };

static const char *shown_ip(struct request *request, const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	return mem_strdup(request, ip_text(ip, text));
}

static const char *shown_number(struct request *request, unsigned number)
{
	return number == 0 ? "" : mem_printf(request, "%u", number);
}

static const char *shown_port(struct request *request, const struct ip *ip)
{
	return mem_printf(request, "%u", ip->port);
}

/* "orig_user", "orig_username", "orig_domain" of one name. */
static size_t add_name(struct request *request, struct var *vars, size_t count,
		       const char *const names[3], const char *name)
{
	const struct var *parts = vars_user(request, name == NULL ? "" : name);

	for (size_t i = 0; i < 3; i++)
		vars[count++] = (struct var){0, names[i], parts[i].value};
	return count;
}

static const char *first_domain(struct request *request, const char *user)
{
	const char *at = strchr(user, '@');

	return at == NULL ? NULL
			  : mem_strndup(request, at + 1, strcspn(at + 1, "@"));
}

static const char *last_domain(const char *user)
{
	const char *at = strrchr(user, '@');

	return at == NULL ? NULL : at + 1;
}

static size_t add_fields(struct request *request, struct var *vars,
			 size_t count, const char *prefix,
			 const struct fields *fields)
{
	for (size_t i = 0; i < fields->count; i++) {
		const char *key = fields->list[i].key;

		if (strncmp(key, "userdb_", 7) == 0)
			key = mem_printf(request, "userdb:%s", key + 7);
		else
			key = mem_printf(request, "%s:%s", prefix, key);
		vars[count++] = (struct var){0, key, fields->list[i].value};
	}
	return count;
}

static struct var *request_vars(struct request *request)
{
	const char *user = request->user == NULL ? "" : request->user;
	struct var *names = vars_user(request, user), *vars;
	static const char *const names_of[][3] = {
		{"orig_user", "orig_username", "orig_domain"},
		{"login_user", "login_username", "login_domain"},
		{"auth_user", "auth_username", "auth_domain"},
	};
	const struct fields *found = request->found;
	const struct ip *remote =
		request_real_ip(&request->real_remote, &request->remote);
	const struct ip *local =
		request_real_ip(&request->real_local, &request->local);
	size_t count = 0, n = 0;

	while (names[n].key != 0 || names[n].name != NULL)
		n++;
	vars = mem_array(request, struct var,
			 n + VARS_MAX + request->pass_fields.count +
				 request->user_fields.count +
				 request->more_vars.count +
				 (found == NULL ? 0 : found->count));
	for (; count < n; count++)
		vars[count] = names[count];
	const struct var more[] = {
		{'s', "service", request->service},
		{'h', "home", fields_get(&request->user_fields, "home")},
		{'r', "rip", shown_ip(request, &request->remote)},
		{'l', "lip", shown_ip(request, &request->local)},
		{'a', "lport", shown_port(request, &request->local)},
		{'b', "rport", shown_port(request, &request->remote)},
		{'m', "mech", request->mech},
		{'c', "secured", request->secured ? "secured" : NULL},
		{'k', "cert", request->valid_cert ? "valid" : NULL},
		{'w', "password", request->password},
		{0, "session", request->session_id},
		{0, "session_pid", request->session_pid},
		{'p', "pid",
		 request->client_pid == NULL ? "0" : request->client_pid},
		{'!', NULL, shown_number(request, request->source_number)},
		{0, "domain_first", first_domain(request, user)},
		{0, "domain_last", last_domain(user)},
		{0, "real_rip", shown_ip(request, remote)},
		{0, "real_lip", shown_ip(request, local)},
		{0, "real_rport", shown_port(request, remote)},
		{0, "real_lport", shown_port(request, local)},
		{0, "local_name", request->local_name},
		{0, "client_id", request->client_id},
		{0, "master_user", request->master_user},
	};

	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		vars[count++] = more[i];
	count = add_name(request, vars, count, names_of[0],
			 request->original_user);
	count = add_name(request, vars, count, names_of[1],
			 request->login_user);
	count = add_name(request, vars, count, names_of[2], request->auth_user);
	for (size_t i = 0; i < request->more_vars.count; i++)
		vars[count++] = (struct var){0, request->more_vars.list[i].key,
					     request->more_vars.list[i].value};
	vars[count++] = (struct var){0, "dict:", ""};
	vars[count++] = (struct var){0, "oauth2:", ""};
	vars[count++] = (struct var){0, "passdb:", ""};
	vars[count++] = (struct var){0, "userdb:", ""};
	if (found != NULL)
		count = add_fields(
			request, vars, count,
			request->found_of_userdb ? "userdb" : "passdb", found);
	count = add_fields(request, vars, count, "passdb",
			   &request->pass_fields);
	add_fields(request, vars, count, "userdb", &request->user_fields);
	return vars;
}

const char *request_expand(struct request *request, const char *format)
{
	/* By far the most common. */
	if (strcmp(format, "%u") == 0)
		return request->user == NULL ? "" : request->user;
	return request_expand_escaped(request, format, NULL);
}

const char *request_expand_field(struct request *request, const char *format,
				 const struct fields *found, bool userdb)
{
	const char *text;

	request->found = found;
	request->found_of_userdb = userdb;
	text = request_expand(request, format);
	request->found = NULL;
	return text;
}

const char *request_expand_anyway(struct request *request, const char *format)
{
	struct err err;
	char *out;

	return vars_expand_anyway(request, format, request_vars(request), &out,
				  &err) < 0 &&
			       err.code == ERR_LIMIT
		       ? NULL
		       : out;
}

const char *request_expand_escaped(struct request *request, const char *format,
				   const struct vars_escape *escape)
{
	struct err err;
	char *out;

	if (strchr(format, '%') == NULL)
		return format;
	if (vars_expand_escaped(request, format, request_vars(request), escape,
				&out, &err) < 0) {
		request_log(request, LOG_LEVEL_ERROR, "Failed to expand %s: %s",
			    format, err.text);
		return NULL;
	}
	return out;
}
