/* SPDX-License-Identifier: MIT */
#include "auth/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auth/db.h"
#include "auth/settings.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/vars.h"
#include "proto/auth.h"

enum { LOG_NAME_MAX = 128, VARS_MAX = 48, DELAY_MAX = 300 };

static void wipe_text(char **text)
{
	if (*text != NULL)
		mem_wipe(*text, strlen(*text));
	mem_free(*text);
	*text = NULL;
}

void request_wipe(struct request *request)
{
	wipe_text(&request->password);
	wipe_text(&request->credentials);
	wipe_text(&request->to_hash);
}

static int request_destroy(struct request *request)
{
	request_wipe(request);
	return 0;
}

struct request *request_new(const void *ctx, const struct auth_settings *set)
{
	struct request *request = mem_new(ctx, struct request);

	request->set = set;
	request->service = "";
	request->mech = "";
	request->verbose = set->auth_verbose || set->auth_debug;
	request->debug = set->auth_debug;
	request->pass_fields = fields_init(request);
	request->user_fields = fields_init(request);
	request->pass_saved = fields_init(request);
	request->user_saved = fields_init(request);
	request->more_vars = fields_init(request);
	talloc_set_destructor(request, request_destroy);
	return request;
}

/* arguments of the protocol */

#define FIELD(name) offsetof(struct request, name)
#define AT(type, request, offset)                                              \
	((type *)(void *)((char *)(request) + (offset)))

static const struct {
	const char *ip, *port;
	size_t offset;
} addresses[] = {
	{"rip", "rport", FIELD(remote)},
	{"lip", "lport", FIELD(local)},
	{"real_rip", "real_rport", FIELD(real_remote)},
	{"real_lip", "real_lport", FIELD(real_local)},
};

/* Who may say it: all who ask, or only auth to its workers; and whether these
 * need to know. */
enum { TOLD = 1, SENT = 2 };

static const struct {
	const char *key;
	size_t offset;
	int ways;
} texts[] =
	{
		{"service", FIELD(service), TOLD | SENT},
		{"session", FIELD(session_id), TOLD | SENT},
		{"local_name", FIELD(local_name), TOLD | SENT},
		{"client_id", FIELD(client_id), TOLD | SENT},
		{"session_pid", FIELD(session_pid), TOLD | SENT},
		{"client_pid", FIELD(client_pid), SENT},
		{"mech", FIELD(mech), SENT},
		{"user", FIELD(user), SENT},
		{"original_user", FIELD(original_user), SENT},
		{"login_user", FIELD(login_user), SENT},
		{"master_user", FIELD(master_user), SENT},
		{"auth_user", FIELD(auth_user), SENT},
		{"forward_fields", FIELD(forward_fields), TOLD | SENT},
		{"cert_username", FIELD(cert_user), TOLD},
		{"cb-tls-exporter", FIELD(tls_exporter), TOLD},
		{"cb-tls-server-end-point", FIELD(tls_server_end_point), TOLD},
},
  flags[] = {
	  {"secured", FIELD(secured), TOLD | SENT},
	  {"in_master", FIELD(in_master), SENT},
	  {"debug", FIELD(debug), TOLD | SENT},
	  {"no-penalty", FIELD(no_penalty), TOLD},
	  {"final-resp-ok", FIELD(final_resp_ok), TOLD},
	  {"valid-client-cert", FIELD(valid_cert), TOLD | SENT},
};

enum {
	ADDRESSES = sizeof(addresses) / sizeof(addresses[0]),
	TEXTS = sizeof(texts) / sizeof(texts[0]),
	FLAGS = sizeof(flags) / sizeof(flags[0]),
};

static void set_ip(struct ip *ip, struct str value)
{
	char *text = str_tab_unescape(NULL, value);
	uint16_t port = ip->port;

	if (ip_parse(text, ip))
		ip->port = port;
	mem_free(text);
}

static void set_port(struct ip *ip, struct str value)
{
	uint32_t port;

	if (str_to_u32(value, &port) && port <= UINT16_MAX)
		ip->port = (uint16_t)port;
}

/* Each is a field forward_* of the passdb, that no later one takes back. */
static void take_forwarded(struct request *request)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "forwarded");
	struct fields forwarded = fields_init(ctx);

	fields_parse(&forwarded, str_of(request->forward_fields));
	for (size_t i = 0; i < forwarded.count; i++)
		fields_set(&request->pass_fields,
			   mem_printf(ctx, "forward_%s", forwarded.list[i].key),
			   forwarded.list[i].value);
	request_fields_save(request);
}

static void set_arg(struct request *request, struct str key, struct str value,
		    int way)
{
	for (size_t i = 0; i < ADDRESSES; i++) {
		struct ip *ip = AT(struct ip, request, addresses[i].offset);

		if (str_is(key, addresses[i].ip))
			set_ip(ip, value);
		else if (str_is(key, addresses[i].port))
			set_port(ip, value);
	}
	for (size_t i = 0; i < FLAGS; i++) {
		if ((flags[i].ways & way) != 0 && str_is(key, flags[i].key))
			*AT(bool, request, flags[i].offset) = true;
	}
	for (size_t i = 0; i < TEXTS; i++) {
		if ((texts[i].ways & way) != 0 && str_is(key, texts[i].key))
			*AT(const char *, request, texts[i].offset) =
				str_tab_unescape(request, value);
	}
	if (str_is(key, "forward_fields"))
		take_forwarded(request);
	if (str_is(key, "secured") && str_is(value, "tls"))
		request->is_tls = true;
	if (str_is(key, "debug"))
		request->verbose = true;
}

void request_set_arg(struct request *request, struct str key, struct str value)
{
	set_arg(request, key, value, TOLD);
}

void request_read(struct request *request, struct str in)
{
	struct str key, value;

	while (str_split(&in, '\t', &value)) {
		str_split(&value, '=', &key);
		set_arg(request, key, value, SENT);
	}
}

static void write_address(struct buf *out, const char *ip_key,
			  const char *port_key, const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	if (ip->family == 0)
		return;
	auth_write_value(out, ip_key, ip_text(ip, text));
	if (ip->port != 0)
		buf_printf(out, "\t%s=%u", port_key, ip->port);
}

void request_write(const struct request *request, struct buf *out)
{
	for (size_t i = 0; i < TEXTS; i++) {
		const char *text = *AT(const char *, request, texts[i].offset);

		if ((texts[i].ways & SENT) != 0 && text != NULL &&
		    *text != '\0')
			auth_write_value(out, texts[i].key, text);
	}
	for (size_t i = 0; i < ADDRESSES; i++)
		write_address(out, addresses[i].ip, addresses[i].port,
			      AT(struct ip, request, addresses[i].offset));
	for (size_t i = 0; i < FLAGS; i++) {
		if ((flags[i].ways & SENT) != 0 &&
		    *AT(bool, request, flags[i].offset))
			buf_printf(out, "\t%s", flags[i].key);
	}
}

/* names */

static void translate(char *name, const char *pairs)
{
	for (; *name != '\0'; name++) {
		for (const char *p = pairs; p[0] != '\0' && p[1] != '\0';
		     p += 2) {
			if (*name == p[0]) {
				*name = p[1];
				break;
			}
		}
	}
}

static int check_chars(const char *name, const char *allowed, struct err *err)
{
	if (*name == '\0')
		return err_set(err, ERR_INVALID, "Empty username");
	if (*allowed == '\0')
		return 0;
	for (const char *p = name; *p != '\0'; p++) {
		CLEANUP(ctx_free) TALLOC_CTX *shown = NULL;

		if (strchr(allowed, *p) != NULL)
			continue;
		shown = str_sanitize(NULL, str_of(name), LOG_NAME_MAX);
		return err_set(err, ERR_INVALID,
			       "Username character disallowed by "
			       "auth_username_chars: 0x%02x (username: %s)",
			       (unsigned char)*p, (const char *)shown);
	}
	return 0;
}

/* Realm, translation, allowed characters, format. */
static int normalise(struct request *request, const char *given,
		     const char **out, struct err *err)
{
	const struct auth_settings *set = request->set;
	const char *format = set->auth_username_format;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "name");
	char *name;

	if (strchr(given, '@') == NULL && *set->auth_default_realm != '\0')
		name = mem_printf(ctx, "%s@%s", given, set->auth_default_realm);
	else
		name = mem_strdup(ctx, given);
	translate(name, set->auth_username_translation);
	if (check_chars(name, set->auth_username_chars, err) < 0)
		return -1;
	if (*format == '\0') {
		*out = mem_strdup(request, name);
		return 0;
	}
	if (vars_expand(ctx, format, vars_user(ctx, name), &name, err) < 0)
		return err_wrap(err, "auth_username_format");
	if (*name == '\0')
		return err_set(err, ERR_INVALID, "Empty username");
	*out = mem_strdup(request, name);
	return 0;
}

int request_set_login_user(struct request *request, const char *name,
			   struct err *err)
{
	const char *out;

	if (normalise(request, name, &out, err) < 0)
		return -1;
	/* SASL clients like to send both identities even if they agree. */
	if (request->user == NULL || strcmp(out, request->user) != 0)
		request->login_user = out;
	return 0;
}

int request_set_user(struct request *request, const char *name, struct err *err)
{
	char separator = request->set->auth_master_user_separator[0];
	bool from_cert = request->set->auth_ssl_username_from_cert &&
			 request->cert_user != NULL;
	const char *at = from_cert           ? NULL
			 : separator == '\0' ? NULL
					     : strchr(name, separator);
	const char *master = at == NULL ? NULL : at + 1;
	char *login;

	if (from_cert)
		name = request->cert_user;
	request->original_user = mem_strdup(request, name);
	if (master == NULL) {
		if (normalise(request, name, &request->user, err) < 0)
			return -1;
	} else {
		login = mem_strndup(request, name, (size_t)(at - name));
		request->original_user = mem_strdup(request, master);
		if (*login == '\0') /* no default realm makes it a name */
			return err_set(err, ERR_INVALID,
				       "Empty login username");
		/* A master user's even if both are the same. */
		if (normalise(request, master, &request->user, err) < 0 ||
		    normalise(request, login, &request->login_user, err) < 0)
			return -1;
	}
	request->auth_user = request->user;
	return 0;
}

void request_set_password(struct request *request, const char *password)
{
	wipe_text(&request->password);
	request->password = mem_strdup(request, password);
}

void request_set_credentials(struct request *request, const char *stored)
{
	wipe_text(&request->credentials);
	request->credentials = mem_strdup(request, stored);
}

void request_set_hash(struct request *request, const char *password)
{
	wipe_text(&request->to_hash);
	request->to_hash = mem_strdup(request, password);
}

/* %-variables */

static const char *shown_ip(struct request *request, const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	return mem_strdup(request, ip_text(ip, text));
}

static const char *shown_number(struct request *request, unsigned number)
{
	return number == 0 ? "" : mem_printf(request, "%u", number);
}

/* Without a proxy in front it is the other. */
static const struct ip *real_ip(const struct ip *real, const struct ip *ip)
{
	return real->family == 0 ? ip : real;
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
		real_ip(&request->real_remote, &request->remote);
	const struct ip *local = real_ip(&request->real_local, &request->local);
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

/* fields */

static void check_nets(struct request *request, const char *key,
		       const struct ip *ip, const char *nets)
{
	char text[IP_TEXT_MAX];

	if (ip_in_networks(ip, nets))
		return;
	request->passdb_failed = true;
	request_log(request, LOG_LEVEL_INFO,
		    "%s check failed: IP %s not "
		    "in allowed networks",
		    key, ip->family == 0 ? "local" : ip_text(ip, text));
}

static void set_user(struct request *request, const char *value)
{
	if (*value != '\0')
		request->user = mem_strdup(request, value);
	else
		request->passdb_failed = true;
}

/* "1796000000+60": up to a minute after it, so that not all come at once. */
static void set_delay(struct request *request, const char *value)
{
	struct str rest = str_of(value), until;
	uint64_t seconds, random = 0;
	int64_t now = time(NULL);

	str_split(&rest, '+', &until);
	request->delay_until = 0;
	if (!str_to_u64(until, &seconds) || seconds > INT64_MAX / 2 ||
	    (rest.len > 0 &&
	     (!str_to_u64(rest, &random) || random > DELAY_MAX))) {
		request_log(request, LOG_LEVEL_ERROR,
			    "Invalid delay_until value %s", value);
		request->passdb_failed = true;
	} else if ((int64_t)seconds > now + DELAY_MAX) {
		request_log(request, LOG_LEVEL_ERROR,
			    "delay_until timestamp %s is too much in the "
			    "future, failing",
			    value);
		request->passdb_failed = true;
	} else if ((int64_t)seconds > now) {
		request->delay_until =
			(int64_t)(seconds +
				  (random > 0 ? random_u64() % random : 0));
	}
}

void request_set_user_field(struct request *request, const char *key,
			    const char *value)
{
	if (!userdb_set_field(request, &request->user_fields, key, value))
		request->user_broken = true;
}

/* Those that are for us and mean nothing more here. */
static bool is_ours(const char *key)
{
	return strcmp(key, "password") == 0 ||
	       strcmp(key, "password_noscheme") == 0 ||
	       strcmp(key, PASS_ASIDE) == 0;
}

void request_set_pass_field(struct request *request, const char *key,
			    const char *value)
{
	struct err err;

	if (strncmp(key, "userdb_", 7) == 0) {
		request_set_user_field(request, key + 7, value);
		if (strcmp(key + 7, "user") == 0)
			set_user(request, value);
	} else if (strcmp(key, "user") == 0) {
		set_user(request, value);
	} else if (strcmp(key, "fail") == 0) {
		request->passdb_failed = true;
	} else if (strcmp(key, "delay_until") == 0) {
		set_delay(request, value);
	} else if (strcmp(key, "username") == 0 || strcmp(key, "domain") == 0) {
		const char *at = request->user == NULL
					 ? NULL
					 : strchr(request->user, '@');
		int len = at == NULL ? (int)strlen(request->user == NULL
							   ? ""
							   : request->user)
				     : (int)(at - request->user);

		if (key[0] == 'd')
			request->user = mem_printf(request, "%.*s@%s", len,
						   request->user, value);
		else
			request->user = mem_printf(request, "%s%s", value,
						   at == NULL ? "" : at);
	} else if (strcmp(key, "login_user") == 0) {
		if (request_set_login_user(request, value, &err) < 0)
			request->passdb_failed = true;
	} else if (strcmp(key, "nopassword") == 0) {
		request->no_password = true;
	} else if (strcmp(key, "allow_nets") == 0) {
		check_nets(request, key, &request->remote, value);
	} else if (strcmp(key, "allow_real_nets") == 0) {
		check_nets(request, key,
			   real_ip(&request->real_remote, &request->remote),
			   value);
	} else if (!is_ours(key)) {
		fields_set(&request->pass_fields, key, value);
	}
}

void request_fields_save(struct request *request)
{
	request->pass_saved = fields_copy(&request->pass_fields);
	request->user_saved = fields_copy(&request->user_fields);
}

void request_fields_restore(struct request *request)
{
	request->delay_until = 0;
	request->pass_fields = fields_copy(&request->pass_saved);
	request->user_fields = fields_copy(&request->user_saved);
}

void request_set_templates(struct request *request, const char *fields,
			   bool userdb)
{
	struct str rest = str_of(fields), word;

	while (str_word(&rest, &word)) {
		CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "field");
		struct str rest_of_word = word, name;
		const char *key, *value;

		str_split(&rest_of_word, '=', &name);
		key = str_dup(tmp, name);
		value = request_expand(request, str_dup(tmp, rest_of_word));
		if (value == NULL)
			request->passdb_failed = request->broken = true;
		else if (userdb)
			request_set_user_field(request, key, value);
		else
			request_set_pass_field(request, key, value);
	}
}

/* log */

static void write_prefix(const struct request *request, struct buf *out)
{
	const char *source =
		request->source != NULL ? request->source : request->mech;
	const char *name = request->user == NULL ? "?" : request->user;
	char ip[IP_TEXT_MAX];
	char *shown;

	if (request->worker_count > 0)
		buf_printf(out,
			   "conn unix:auth-worker (pid=%ld,uid=%lu): "
			   "auth-worker<%u>: ",
			   (long)request->worker_pid,
			   (unsigned long)request->worker_uid,
			   request->worker_count);
	if (*source == '\0')
		return;
	shown = str_sanitize(NULL, str_of(name), LOG_NAME_MAX);
	for (; *source != '\0'; source++)
		buf_putc(out, ascii_lower(*source));
	buf_printf(out, "(%s", shown);
	if (request->remote.family != 0)
		buf_printf(out, ",%s", ip_text(&request->remote, ip));
	if (request->in_master)
		buf_add(out, ",master");
	if (request->session_id != NULL) {
		char *id = str_sanitize(shown, str_of(request->session_id), 80);

		buf_printf(out, ",<%s>", id);
	}
	buf_add(out, "): ");
	mem_free(shown);
}

void request_log(const struct request *request, enum log_level level,
		 const char *fmt, ...)
{
	CLEANUP(buf_free) struct buf out = buf_init(4096);
	va_list args;

	if ((level == LOG_LEVEL_INFO && !request->verbose) ||
	    (level == LOG_LEVEL_DEBUG && !request->debug))
		return;
	write_prefix(request, &out);
	va_start(args, fmt);
	buf_vprintf(&out, fmt, args);
	va_end(args);
	log_line(level, "%s", out.data);
	mem_wipe(out.data, out.len);
}

/* What auth_verbose_passwords lets be seen of a wrong password. */
static void write_password(const struct request *request, struct buf *out)
{
	const char *how = request->set->auth_verbose_passwords;
	const char *colon = strchr(how, ':');
	unsigned max = 0;
	CLEANUP(buf_free) struct buf shown = buf_init(1024);

	if (request->password == NULL || strcmp(how, "no") == 0)
		return;
	if (strncmp(how, "sha1", 4) == 0) {
		unsigned char digest[DIGEST_MAX];
		size_t len =
			digest_once("sha1", str_of(request->password), digest);

		hex_encode(str_n(digest, len), &shown);
	} else {
		char *plain =
			str_sanitize(NULL, str_of(request->password), 1000);

		buf_add(&shown, plain);
		mem_wipe(plain, strlen(plain));
		mem_free(plain);
	}
	if (colon != NULL && str_to_unsigned(str_of(colon + 1), &max) &&
	    max < shown.len)
		buf_truncate(&shown, max);
	buf_printf(out, " (%s: %s)",
		   how[0] == 's' ? "SHA1 of given password" : "given password",
		   shown.data);
	mem_wipe(shown.data, shown.len);
}

/* Where the password is wanted in the log, whether auth_verbose or not. */
static void log_failure(const struct request *request, const char *why)
{
	CLEANUP(buf_wipe_free) struct buf line = buf_init(4096);
	size_t prefix;

	write_prefix(request, &line);
	buf_add(&line, why);
	prefix = line.len;
	write_password(request, &line);
	if (request->verbose || line.len > prefix)
		log_line(LOG_LEVEL_INFO, "%s", line.data);
}

void request_log_mismatch(const struct request *request)
{
	log_failure(request, "Password mismatch");
}

void request_log_unknown(const struct request *request)
{
	log_failure(request, "unknown user");
}
