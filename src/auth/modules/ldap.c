/* SPDX-License-Identifier: MIT */
#include "auth/ldap.h"

#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include "auth/conf_ext.h"
#include "auth/modules/ldap_entry.h"
#include "auth/request.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/vars.h"

static struct ldap_source *all;

#define ROW(name, preset)                                                      \
	{                                                                      \
#name, offsetof(struct ldap_settings, name), preset            \
	}
static const struct conf_ext_row rows[] = {
	ROW(hosts, NULL),
	ROW(uris, NULL),
	ROW(dn, NULL),
	ROW(dnpass, NULL),
	ROW(tls, "no"),
	ROW(sasl_bind, "no"),
	ROW(tls_ca_cert_file, NULL),
	ROW(tls_ca_cert_dir, NULL),
	ROW(tls_cert_file, NULL),
	ROW(tls_key_file, NULL),
	ROW(tls_cipher_suite, NULL),
	ROW(tls_require_cert, NULL),
	ROW(auth_bind, "no"),
	ROW(auth_bind_userdn, NULL),
	ROW(base, NULL),
	ROW(deref, "never"),
	ROW(scope, "subtree"),
	ROW(user_attrs, "homeDirectory=home,uidNumber=uid,gidNumber=gid"),
	ROW(user_filter, "(&(objectClass=posixAccount)(uid=%u))"),
	ROW(pass_attrs, "uid=user,userPassword=password"),
	ROW(pass_filter, "(&(objectClass=posixAccount)(uid=%u))"),
	ROW(iterate_attrs, "uid=user"),
	ROW(iterate_filter, "(objectClass=posixAccount)"),
	ROW(default_pass_scheme, "crypt"),
	ROW(ldap_version, "3"),
	ROW(debug_level, "0"),
	ROW(blocking, "no"), /* it always is, in a worker */
	ROW(ldaprc_path, NULL),
	ROW(userdb_warning_disable, NULL),
	ROW(sieve_ldap_filter, "(&(objectClass=posixAccount)(uid=%u))"),
	ROW(sieve_ldap_script_attr, "mailSieveRuleSource"),
	ROW(sieve_ldap_mod_attr, "modifyTimestamp"),
	{NULL, 0, NULL},
};
#undef ROW

struct conn {
	LDAP *ld;
};

static int conn_destroy(struct conn *conn)
{
	if (conn->ld != NULL)
		ldap_unbind_ext(conn->ld, NULL, NULL);
	return 0;
}

static int choice(const char *text, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(text, names[i]) == 0)
			return (int)i;
	}
	return -1;
}

static int scope_of(const struct ldap_source *source)
{
	static const char *const names[] = {"base", "onelevel", "subtree"};
	static const int scopes[] = {LDAP_SCOPE_BASE, LDAP_SCOPE_ONELEVEL,
				     LDAP_SCOPE_SUBTREE};
	int n = choice(source->set.scope, names, 3);

	return n < 0 ? -1 : scopes[n];
}

static int deref_of(const struct ldap_source *source)
{
	static const char *const names[] = {"never", "searching", "finding",
					    "always"};
	static const int values[] = {LDAP_DEREF_NEVER, LDAP_DEREF_SEARCHING,
				     LDAP_DEREF_FINDING, LDAP_DEREF_ALWAYS};
	int n = choice(source->set.deref, names, 4);

	return n < 0 ? -1 : values[n];
}

/* "host host:port" as URIs; libldap takes the next when one is not there. */
static const char *uris_of(struct ldap_source *source)
{
	CLEANUP(buf_free) struct buf out = buf_init(8192);
	struct str rest, host;

	if (source->set.uris != NULL)
		return source->set.uris;
	rest = str_of(source->set.hosts);
	while (str_word(&rest, &host))
		buf_printf(&out, "%sldap://%.*s", out.len > 0 ? " " : "",
			   STR_FMT(host));
	return buf_steal(source, &out);
}

static int require_cert_of(const struct ldap_settings *set)
{
	static const char *const names[] = {"never", "hard", "demand", "allow",
					    "try"};
	static const int values[] = {LDAP_OPT_X_TLS_NEVER, LDAP_OPT_X_TLS_HARD,
				     LDAP_OPT_X_TLS_DEMAND,
				     LDAP_OPT_X_TLS_ALLOW, LDAP_OPT_X_TLS_TRY};
	int n = choice(set->tls_require_cert, names, 5);

	return n < 0 ? -1 : values[n];
}

/* What libldap would say at the first login only, or not at all. */
static int check_connection(struct ldap_source *source, struct err *err)
{
	const struct ldap_settings *set = &source->set;
	bool tls = conf_ext_bool(set->tls);
	LDAP *ld = NULL;
	int ret;

	if (strcmp(set->ldap_version, "3") != 0 &&
	    strcmp(set->ldap_version, "2") != 0)
		return err_set(err, ERR_INVALID,
			       "%s: ldap_version is 2 or 3, not %s",
			       source->path, set->ldap_version);
	if (tls && strcmp(set->ldap_version, "3") != 0)
		return err_set(err, ERR_INVALID,
			       "%s: tls=yes requires ldap_version=3",
			       source->path);
	if (tls && set->uris != NULL && strstr(set->uris, "ldaps:") != NULL)
		return err_set(err, ERR_INVALID,
			       "%s: Don't use both tls=yes and ldaps URI",
			       source->path);
	if (set->tls_require_cert != NULL && require_cert_of(set) < 0)
		return err_set(err, ERR_INVALID,
			       "%s: Unknown tls_require_cert value '%s'",
			       source->path, set->tls_require_cert);
	/* libldap reads it when it is used first. */
	if (set->ldaprc_path != NULL)
		setenv("LDAPRC", set->ldaprc_path, 1);
	ret = ldap_initialize(&ld, uris_of(source));
	if (ret != LDAP_SUCCESS)
		return err_set(err, ERR_INVALID,
			       "%s: ldap_initialize() failed with uris %s: %s",
			       source->path, uris_of(source),
			       ldap_err2string(ret));
	ldap_unbind_ext(ld, NULL, NULL);
	return 0;
}

static int check_attrs(const struct ldap_source *source, const char *attrs,
		       struct err *err)
{
	struct str rest = str_of(attrs), part;

	while (str_split(&rest, ',', &part)) {
		part = str_trim(part);
		if (str_starts(part, "@"))
			return err_set(err, ERR_UNSUPPORTED,
				       "%s: subqueries (%.*s) are not "
				       "supported; use a second userdb",
				       source->path, STR_FMT(part));
	}
	return 0;
}

static int check(struct ldap_source *source, struct err *err)
{
	const struct ldap_settings *set = &source->set;
	const char *const bools[] = {set->tls, set->sasl_bind, set->auth_bind,
				     set->blocking};

	for (size_t i = 0; i < sizeof(bools) / sizeof(bools[0]); i++) {
		if (!conf_ext_is_bool(bools[i]))
			return err_set(err, ERR_INVALID,
				       "%s: Invalid boolean: %s", source->path,
				       bools[i]);
	}
	if (set->base == NULL)
		return err_set(err, ERR_INVALID, "%s: No base given",
			       source->path);
	if (set->uris == NULL && set->hosts == NULL)
		return err_set(err, ERR_INVALID, "%s: No uris or hosts set",
			       source->path);
	if (scope_of(source) < 0)
		return err_set(err, ERR_INVALID, "%s: Unknown scope option: %s",
			       source->path, set->scope);
	if (deref_of(source) < 0)
		return err_set(err, ERR_INVALID, "%s: Unknown deref option: %s",
			       source->path, set->deref);
	if (!str_to_unsigned(str_of(set->debug_level), &source->debug_level))
		return err_set(err, ERR_INVALID, "%s: debug_level is no number",
			       source->path);
	if (conf_ext_bool(set->sasl_bind))
		return err_set(err, ERR_UNSUPPORTED,
			       "%s: sasl_bind is not supported", source->path);
	if (check_attrs(source, set->user_attrs, err) < 0 ||
	    check_attrs(source, set->pass_attrs, err) < 0 ||
	    check_attrs(source, set->iterate_attrs, err) < 0)
		return -1;
	return check_connection(source, err);
}

static int source_open(const char *path, struct ldap_source **out,
		       struct err *err)
{
	struct ldap_source *source;

	for (source = all; source != NULL; source = source->next) {
		if (strcmp(source->path, path) == 0) {
			*out = source;
			return 0;
		}
	}
	source = mem_new(NULL, struct ldap_source);
	source->path = mem_strdup(source, path);
	if (conf_ext_read(source, path, rows, &source->set, NULL, err) < 0 ||
	    check(source, err) < 0) {
		mem_free(source);
		return -1;
	}
	source->next = all;
	all = source;
	*out = source;
	return 0;
}

/* connecting */

static int ldap_fail(struct conn *conn, const char *what, int ret,
		     struct err *err)
{
	char *more = NULL;
	bool down = ret == LDAP_SERVER_DOWN || ret == LDAP_TIMEOUT ||
		    ret == LDAP_CONNECT_ERROR || ret == LDAP_UNAVAILABLE ||
		    ret == LDAP_BUSY;

	ldap_get_option(conn->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
	err_set(err, down ? ERR_CLOSED : ERR_TEMPORARY, "%s: %s%s%s", what,
		ldap_err2string(ret), more == NULL || *more == '\0' ? "" : ": ",
		more == NULL ? "" : more);
	ldap_memfree(more);
	return -1;
}

static void set_text(LDAP *ld, int option, const char *value)
{
	if (value != NULL)
		ldap_set_option(ld, option, value);
}

static void set_tls(LDAP *ld, const struct ldap_settings *set)
{
	int require = set->tls_require_cert == NULL ? -1 : require_cert_of(set);
	int zero = 0;

	set_text(ld, LDAP_OPT_X_TLS_CACERTFILE, set->tls_ca_cert_file);
	set_text(ld, LDAP_OPT_X_TLS_CACERTDIR, set->tls_ca_cert_dir);
	set_text(ld, LDAP_OPT_X_TLS_CERTFILE, set->tls_cert_file);
	set_text(ld, LDAP_OPT_X_TLS_KEYFILE, set->tls_key_file);
	set_text(ld, LDAP_OPT_X_TLS_CIPHER_SUITE, set->tls_cipher_suite);
	if (require >= 0)
		ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &require);
	/* Without any, those of ldaprc are for all; a context of its own would
	 * know nothing of them. */
	if (require >= 0 || set->tls_ca_cert_file != NULL ||
	    set->tls_ca_cert_dir != NULL || set->tls_cert_file != NULL ||
	    set->tls_key_file != NULL || set->tls_cipher_suite != NULL)
		ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &zero);
}

static int simple_bind(struct conn *conn, const char *dn, const char *password)
{
	struct berval value = {password == NULL ? 0 : strlen(password),
			       (char *)(password == NULL ? "" : password)};

	return ldap_sasl_bind_s(conn->ld, dn, LDAP_SASL_SIMPLE, &value, NULL,
				NULL, NULL);
}

static int connect_to(struct ldap_source *source, struct err *err)
{
	const struct ldap_settings *set = &source->set;
	struct conn *conn = mem_new(source, struct conn);
	struct timeval wait = {LDAP_SECONDS, 0};
	int version = LDAP_VERSION3, deref = deref_of(source), ret;
	int debug = (int)source->debug_level;

	talloc_set_destructor(conn, conn_destroy);
	if (debug > 0)
		ldap_set_option(NULL, LDAP_OPT_DEBUG_LEVEL, &debug);
	ret = ldap_initialize(&conn->ld, uris_of(source));
	if (ret != LDAP_SUCCESS) {
		mem_free(conn);
		return err_set(err, ERR_TEMPORARY, "ldap_initialize(): %s",
			       ldap_err2string(ret));
	}
	if (strcmp(set->ldap_version, "2") == 0)
		version = LDAP_VERSION2;
	ldap_set_option(conn->ld, LDAP_OPT_PROTOCOL_VERSION, &version);
	ldap_set_option(conn->ld, LDAP_OPT_NETWORK_TIMEOUT, &wait);
	ldap_set_option(conn->ld, LDAP_OPT_TIMEOUT, &wait);
	ldap_set_option(conn->ld, LDAP_OPT_DEREF, &deref);
	ldap_set_option(conn->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	set_tls(conn->ld, set);
	if (conf_ext_bool(set->tls)) {
		ret = ldap_start_tls_s(conn->ld, NULL, NULL);
		if (ret != LDAP_SUCCESS) {
			ldap_fail(conn, "ldap_start_tls_s()", ret, err);
			mem_free(conn);
			return -1;
		}
	}
	source->conn = conn;
	source->bound = false;
	return 0;
}

static void disconnect(struct ldap_source *source)
{
	mem_free(source->conn);
	source->conn = NULL;
}

/* Connected, and bound as dn. */
static int ensure(struct ldap_source *source, struct err *err)
{
	char what[128] = "Can't connect to server";
	const char *dn = source->set.dn;
	int ret;

	if (source->conn == NULL && connect_to(source, err) < 0)
		return -1;
	if (source->bound)
		return 0;
	ret = simple_bind(source->conn, dn, source->set.dnpass);
	if (ret == LDAP_SUCCESS) {
		source->bound = true;
		return 0;
	}
	if (dn != NULL)
		snprintf(what, sizeof(what), "binding failed (dn %.100s)", dn);
	ldap_fail(source->conn, what, ret, err);
	disconnect(source);
	return -1;
}

/* what is asked */

/* RFC 4515 section 3. */
static void escape_filter(void *, struct str value, struct buf *out)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if (c == '*' || c == '(' || c == ')' || c == '\\' || c < 0x20)
			buf_printf(out, "\\%02x", c);
		else
			buf_putc(out, (char)c);
	}
}

/* RFC 4514 section 2.4; hex is right for all. */
static void escape_dn(void *, struct str value, struct buf *out)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if (strchr(",+\"\\<>;=#", c) != NULL || c < 0x20 || c == ' ')
			buf_printf(out, "\\%02x", c);
		else
			buf_putc(out, (char)c);
	}
}

static int search(struct ldap_source *source, struct request *request,
		  const char *base, const char *filter,
		  const struct ldap_attr *attrs, size_t count,
		  ldap_entry_fn *fn, void *ctx, struct err *err)
{
	char every[] = "*", operational[] = "+";
	char *both[] = {every, operational, NULL};
	struct timeval wait = {LDAP_SECONDS, 0};
	struct conn *conn = source->conn;
	LDAPMessage *result = NULL;
	int ret = ldap_search_ext_s(conn->ld, base, scope_of(source), filter,
				    source->operational ? both : NULL, 0, NULL,
				    NULL, &wait, LDAP_NO_LIMIT, &result);

	/* A base of the user's own says that there is no such user; that the
	 * base of all is not there is for the administrator. */
	if (ret == LDAP_NO_SUCH_OBJECT &&
	    strchr(source->set.base, '%') != NULL) {
		ldap_msgfree(result);
		return 0;
	}
	if (ret != LDAP_SUCCESS) {
		ldap_msgfree(result);
		return ldap_fail(conn,
				 mem_printf(request,
					    "ldap_search(base=%s filter=%s) "
					    "failed",
					    base, filter),
				 ret, err);
	}
	ret = ldap_entries_give(conn->ld, request, result, attrs, count, fn,
				ctx)
		      ? 0
		      : err_set(err, ERR_INVALID, "broken attribute template");
	ldap_msgfree(result);
	return ret;
}

static int source_search(struct ldap_source *source, struct request *request,
			 const char *filter, const char *attrs,
			 ldap_entry_fn *fn, void *ctx, struct err *err)
{
	const struct vars_escape filter_escape = {escape_filter, NULL};
	const struct vars_escape dn_escape = {escape_dn, NULL};
	struct ldap_attr list[LDAP_ATTRS_MAX];
	size_t count = ldap_attrs_split(request, attrs, list);
	const char *base;

	filter = request_expand_escaped(request, filter, &filter_escape);
	base = request_expand_escaped(request, source->set.base, &dn_escape);
	if (filter == NULL || base == NULL)
		return err_set(err, ERR_INVALID, "broken filter or base");
	request_log(request, LOG_LEVEL_DEBUG, "search: base=%s filter=%s", base,
		    filter);
	/* Twice: the server may have closed a connection that was idle. */
	for (int tries = 0; tries < 2; tries++) {
		if (ensure(source, err) < 0)
			return -1;
		if (search(source, request, base, filter, list, count, fn, ctx,
			   err) == 0)
			return 0;
		if (err->code != ERR_CLOSED)
			return -1;
		disconnect(source);
	}
	return -1;
}

static int source_bind(struct ldap_source *source, struct request *request,
		       const char *dn, struct err *err)
{
	const struct vars_escape escape = {escape_dn, NULL};
	int ret = LDAP_OTHER;

	if (dn == NULL)
		dn = request_expand_escaped(
			request, source->set.auth_bind_userdn, &escape);
	if (dn == NULL)
		return err_set(err, ERR_INVALID, "broken auth_bind_userdn");
	/* A name without a password is nobody, and nobody may bind (RFC 4513
	 * section 5.1.2). */
	if (*request->password == '\0' || *dn == '\0')
		return 0;
	for (int tries = 0; tries < 2; tries++) {
		if (source->conn == NULL && connect_to(source, err) < 0)
			return -1;
		source->bound = false;
		ret = simple_bind(source->conn, dn, request->password);
		if (ret == LDAP_SUCCESS)
			return 1;
		if (ret == LDAP_INVALID_CREDENTIALS ||
		    ret == LDAP_NO_SUCH_OBJECT || ret == LDAP_INVALID_DN_SYNTAX)
			return 0;
		ldap_fail(source->conn, "ldap_bind()", ret, err);
		if (err->code != ERR_CLOSED)
			return -1;
		disconnect(source);
	}
	return -1;
}

const struct ldap_module ldap_module = {source_open, source_search,
					source_bind};
