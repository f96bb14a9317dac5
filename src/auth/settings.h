/* SPDX-License-Identifier: MIT */
/*
 * auth/settings.h - settings of auth and auth-worker.
 */
#ifndef AUTH_SETTINGS_H
#define AUTH_SETTINGS_H
#include <stdbool.h>

#include "config/setting.h"

struct auth_settings {
	const char *auth_mechanisms, *auth_default_realm;
	const char *auth_username_chars, *auth_username_format;
	const char *auth_username_translation, *auth_master_user_separator;
	const char *auth_verbose_passwords;
	const char *auth_anonymous_username, *auth_realms;
	const char *auth_policy_server_url, *auth_policy_server_api_header;
	const char *auth_policy_hash_mech, *auth_policy_hash_nonce;
	const char *auth_policy_request_attributes;
	unsigned auth_policy_hash_truncate, auth_policy_server_timeout_msecs;
	bool auth_policy_check_before_auth, auth_policy_check_after_auth;
	bool auth_policy_report_after_auth, auth_policy_reject_on_fail;
	bool auth_policy_log_only;
	const char *auth_gssapi_hostname, *auth_krb5_keytab;
	bool auth_verbose, auth_debug, auth_debug_passwords;
	bool auth_ssl_require_client_cert, auth_ssl_username_from_cert;
	struct duration auth_failure_delay;
	uint64_t auth_cache_size;
	struct duration auth_cache_ttl, auth_cache_negative_ttl;
	unsigned auth_worker_max_count;
	const char *auth_proxy_self, *base_dir;
	unsigned first_valid_uid, last_valid_uid; /* for userdb passwd */
};
extern const struct setting auth_settings[];

/* passdb { } */
struct passdb_settings {
	const char *name, *driver, *args, *default_fields, *override_fields;
	const char *mechanisms, *username_filter, *skip, *auth_verbose;
	const char *result_success, *result_failure, *result_internalfail;
	bool deny, pass, master;
};
extern const struct setting passdb_settings[];

/* userdb { } */
struct userdb_settings {
	const char *name, *driver, *args, *default_fields, *override_fields;
	const char *skip, *auth_verbose;
	const char *result_success, *result_failure, *result_internalfail;
};
extern const struct setting userdb_settings[];

#endif
