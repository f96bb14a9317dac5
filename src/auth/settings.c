/* SPDX-License-Identifier: MIT */
#include "auth/settings.h"

#ifdef HAVE_LDAP
#define LDAP "ldap:"
#else
#define LDAP ""
#endif
#ifdef HAVE_CURL
#define OAUTH2 "oauth2:"
#else
#define OAUTH2 ""
#endif
#ifdef HAVE_GSSAPI
#define GSSAPI ":gssapi:gss-spnego"
#else
#define GSSAPI ""
#endif
#define RESULTS                                                                \
	"return-ok:return:return-fail:continue:continue-ok:continue-fail"

#define SETTINGS_STRUCT struct auth_settings
const struct setting auth_settings[] = {
	S_SERVED(auth_mechanisms, "plain",
		 "plain:login:cram-md5:digest-md5:apop:"
		 "scram-sha-1:scram-sha-1-plus:scram-sha-256:scram-sha-256-"
		 "plus:oauthbearer:xoauth2:external:anonymous" GSSAPI,
		 "SASL mechanisms that clients may use; anonymous, of IMAP and "
		 "POP3 alone."),
	S(auth_default_realm, "",
	  "Added as \"@realm\" to names that have none."),
	S(auth_username_chars,
	  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890"
	  ".-_@",
	  "Characters that names may have; empty allows all."),
	S_FLAGS(auth_username_format, "%Lu", SETTING_VARS,
		"What a name is made into before it is looked up."),
	S(auth_username_translation, "",
	  "Pairs of characters: the first is replaced by the second in every "
	  "name (\"#@/@\")."),
	S(auth_master_user_separator, "",
	  "Between user and master user in \"user*master\"; empty switches "
	  "master users off."),
	S(auth_verbose_passwords, "no",
	  "Whether log lines of mismatches say what was given: no, plain, "
	  "sha1, each with :n to cut it after n characters."),
	S(auth_anonymous_username, "anonymous",
	  "User that the mechanism ANONYMOUS logs in as."),
	S(auth_realms, "", "Realms that DIGEST-MD5 offers."),
	S(auth_ssl_require_client_cert, "no",
	  "Refuse users without a valid certificate."),
	S(auth_ssl_username_from_cert, "no",
	  "Take the name from the client's certificate, whatever the client "
	  "says; EXTERNAL needs it."),
	S(auth_verbose, "no", "Log why logins fail."),
	S(auth_debug, "no", "Log each step of a login."),
	S(auth_debug_passwords, "no",
	  "Log passwords and what they were compared with, too."),
	S(auth_failure_delay, "2 secs",
	  "How long the answer to a failed login is held back; with 0, or less "
	  "than a password scheme takes, the time tells which users exist."),
	S(auth_cache_size, "0",
	  "Memory for results of lookups; 0 remembers nothing."),
	S(auth_cache_ttl, "1 hours",
	  "How long a result is remembered; 0 remembers nothing."),
	S(auth_cache_negative_ttl, "1 hours",
	  "How long it is remembered that there is no such user, or that a "
	  "password was wrong; 0 is not at all."),
	S_FOREIGN("auth_cache_verify_password_with_worker", SETTING_BOOL, "no",
		  "Remembered passwords are compared without their hash, which "
		  "takes no worker."),
	S(auth_worker_max_count, "30",
	  "How many auth-worker processes may work at a time; requests beyond "
	  "wait."),
	S_SHARED(auth_proxy_self),
	S_SHARED(base_dir),
	S_SHARED(first_valid_uid),
	S_SHARED(last_valid_uid),
	S(auth_gssapi_hostname, "",
	  "Host name in the Kerberos principal of a service (imap/HOST); empty "
	  "is this host's, $ALL any that the keytab has."),
	S(auth_krb5_keytab, "",
	  "Kerberos keytab; the user that auth runs as must be able to read "
	  "it. Empty is the system's."),
	S(auth_policy_check_after_auth, "yes",
	  "Ask the policy server after authentication."),
	S(auth_policy_check_before_auth, "yes",
	  "Ask the policy server before authentication."),
	S(auth_policy_hash_mech, "sha256",
	  "Digest for passwords sent to the policy server."),
	S(auth_policy_hash_nonce, "",
	  "Salt for passwords sent to the policy server."),
	S(auth_policy_hash_truncate, "12",
	  "Bits of the digest that are sent; 0 is all."),
	S(auth_policy_log_only, "no",
	  "Log what the policy server says, let all pass."),
	S(auth_policy_reject_on_fail, "no",
	  "Refuse logins when the policy server cannot be asked."),
	S(auth_policy_report_after_auth, "yes",
	  "Report results to the policy server."),
	S_FLAGS(auth_policy_request_attributes,
		"login=%{requested_username} pwhash=%{hashed_password} "
		"remote=%{rip} device_id=%{client_id} protocol=%s "
		"session_id=%{session}",
		SETTING_VARS,
		"What the policy server is told: names with values; \"a/b\" is "
		"b in "
		"an object a."),
	S(auth_policy_server_api_header, "",
	  "HTTP header for the policy server (\"Name: value\")."),
	S(auth_policy_server_timeout_msecs, "2000",
	  "How long to wait for the policy server, in milliseconds."),
	S(auth_policy_server_url, "",
	  "URL of the policy server; empty is none."),
	S_FOREIGN("auth_stats", SETTING_BOOL, "no", "Add auth statistics."),
	S_FOREIGN("auth_use_winbind", SETTING_BOOL, "no",
		  "NTLM and SPNEGO through winbind."),
	S_FOREIGN("auth_winbind_helper_path", SETTING_TEXT,
		  "/usr/bin/ntlm_auth", "winbind's helper."),
	SETTINGS_END,
};
SETTINGS_REGISTER(auth_settings, "");
#undef SETTINGS_STRUCT

#define SETTINGS_STRUCT struct passdb_settings
const struct setting passdb_settings[] = {
	S(name, "", "Name of this passdb, for the log."),
	S_SERVED(driver, "",
		 LDAP OAUTH2
		 "app-password:checkpassword:dict:pam:passwd:passwd-file:shadow:sql:static",
		 "What kind it is."),
	S_FLAGS(args, "", SETTING_VARS, "What the driver needs to know."),
	S_FLAGS(default_fields, "", SETTING_VARS,
		"Fields (\"key=value ...\") for users that have none such."),
	S_FLAGS(override_fields, "", SETTING_VARS,
		"Fields that go over those of the user."),
	S(mechanisms, "",
	  "Use it for these SASL mechanisms only; \"none\" is a lookup without "
	  "one."),
	S(username_filter, "",
	  "Use it for names that match one of these patterns (\"*@example.com "
	  "!root\")."),
	S_ENUM(skip, "never", "never:authenticated:unauthenticated",
	       "Leave it out if an earlier passdb has (not) accepted."),
	S_ENUM(auth_verbose, "default", "default:yes:no",
	       "Overrides the setting auth_verbose for it."),
	S_ENUM(result_success, "return-ok", RESULTS, "What a match leads to."),
	S_ENUM(result_failure, "continue", RESULTS,
	       "What an unknown user or a wrong password leads to."),
	S_ENUM(result_internalfail, "continue", RESULTS,
	       "What an error leads to."),
	S(deny, "no", "Users in it may not log in."),
	S(pass, "no",
	  "After a master user was accepted, the user must exist in a passdb "
	  "too."),
	S(master, "no", "It has master users."),
	SETTINGS_END,
};
SETTINGS_REGISTER(passdb_settings, "passdb");
#undef SETTINGS_STRUCT

#define SETTINGS_STRUCT struct userdb_settings
const struct setting userdb_settings[] = {
	S(name, "", "Name of this userdb, for the log."),
	S_SERVED(driver, "",
		 LDAP
		 "checkpassword:dict:passwd:passwd-file:prefetch:sql:static",
		 "What kind it is."),
	S_FLAGS(args, "", SETTING_VARS, "What the driver needs to know."),
	S_FLAGS(default_fields, "", SETTING_VARS,
		"Fields (\"key=value ...\") for users that have none such."),
	S_FLAGS(override_fields, "", SETTING_VARS,
		"Fields that go over those of the user."),
	S_ENUM(skip, "never", "never:found:notfound",
	       "Leave it out if an earlier userdb has (not) found the user."),
	S_ENUM(auth_verbose, "default", "default:yes:no",
	       "Overrides the setting auth_verbose for it."),
	S_ENUM(result_success, "return-ok", RESULTS, "What a find leads to."),
	S_ENUM(result_failure, "continue", RESULTS,
	       "What an unknown user leads to."),
	S_ENUM(result_internalfail, "continue", RESULTS,
	       "What an error leads to."),
	SETTINGS_END,
};
SETTINGS_REGISTER(userdb_settings, "userdb");
#undef SETTINGS_STRUCT

/* clang-format off */
CONFIG_PRESET(auth_service,
	"service auth {\n"
	"  executable = auth\n"
	"  user = $default_internal_user\n"
	"  process_limit = 1\n"
	PRESET_UNIX_INTERNAL("auth-client", "0600")
	PRESET_UNIX_INTERNAL("auth-login", "0600")
	PRESET_UNIX("auth-master", "0600")
	PRESET_UNIX_INTERNAL("auth-userdb", "0666")
	PRESET_UNIX("login/login", "0666")
	PRESET_UNIX("token-login/tokenlogin", "0666")
	"}\n"
	"service auth-worker {\n"
	"  executable = auth -w\n"
	"  type = worker\n"
	"  client_limit = 1\n"
	PRESET_UNIX_INTERNAL("auth-worker", "0600")
	"}\n");

/* Scripts of deliveries in LDAP. Who asks is a mail process of any user. */
CONFIG_PRESET(sieve_ldap_service,
	"service sieve-ldap {\n"
	"  executable = script " PKG_LIBEXECDIR "/sieve-ldap\n"
	"  user = $default_internal_user\n"
	PRESET_UNIX("sieve-ldap", "0666")
	"}\n");
