/* SPDX-License-Identifier: MIT */
/*
 * auth/ldap.h - an LDAP directory, as dovecot-ldap.conf.ext names it. Used in
 * auth-worker processes, where waiting is allowed.
 */
#ifndef AUTH_LDAP_H
#define AUTH_LDAP_H
#include "auth/fields.h"

struct err;
struct request;

enum { LDAP_SECONDS = 20 };

struct ldap_settings {
	const char *hosts, *uris, *dn, *dnpass, *tls, *sasl_bind;
	const char *tls_ca_cert_file, *tls_ca_cert_dir, *tls_cert_file,
		*tls_key_file, *tls_cipher_suite, *tls_require_cert;
	const char *auth_bind, *auth_bind_userdn, *base, *deref, *scope;
	const char *user_attrs, *user_filter, *pass_attrs, *pass_filter;
	const char *iterate_attrs, *iterate_filter, *default_pass_scheme;
	const char *ldap_version, *debug_level, *blocking, *ldaprc_path;
	const char *userdb_warning_disable;
	const char *sieve_ldap_filter, *sieve_ldap_script_attr,
		*sieve_ldap_mod_attr;
};

struct ldap_source {
	struct ldap_source *next;
	const char *path;
	struct ldap_settings set;
	void *conn;       /* NULL: not connected */
	bool bound;       /* as dn, not as some user */
	bool operational; /* attributes such as modifyTimestamp are wanted */
	unsigned debug_level;
};

/* Read the file; the same struct for the same path, for all of the process. */
int ldap_source_open(const char *path, struct ldap_source **out,
		     struct err *err);

/* One entry: its attributes as `attrs` ("mail=user,uid=,=uid=%{ldap:x}") makes
 * fields of them. */
typedef void ldap_entry_fn(void *ctx, const char *dn, struct fields *fields);
/* `filter` with the request's variables, escaped (RFC 4515). */
int ldap_source_search(struct ldap_source *source, struct request *request,
		       const char *filter, const char *attrs, ldap_entry_fn *fn,
		       void *ctx, struct err *err);
/* Bind with request->password. 1: it is right, 0: it is not. `dn` NULL:
 * auth_bind_userdn. */
int ldap_source_bind(struct ldap_source *source, struct request *request,
		     const char *dn, struct err *err);

/* The same as the module has it (module.h). */
struct ldap_module {
	int (*open)(const char *path, struct ldap_source **out,
		    struct err *err);
	int (*search)(struct ldap_source *source, struct request *request,
		      const char *filter, const char *attrs, ldap_entry_fn *fn,
		      void *ctx, struct err *err);
	int (*bind)(struct ldap_source *source, struct request *request,
		    const char *dn, struct err *err);
};
extern const struct ldap_module ldap_module;

#endif
