# SPDX-License-Identifier: MIT
# Password schemes: a library, for doveadm pw too.
noinst_LIBRARIES += libscheme.a
libscheme_a_SOURCES = \
	src/auth/scheme/argon2.c \
	src/auth/scheme/cram_md5.c src/auth/scheme/cram_md5.h \
	src/auth/scheme/crypt.c \
	src/auth/scheme/digest.c \
	src/auth/scheme/internal.h \
	src/auth/scheme/otp.c \
	src/auth/scheme/pbkdf2.c \
	src/auth/scheme/plain.c \
	src/auth/scheme/scheme.c src/auth/scheme/scheme.h
LIB_SCHEME = libscheme.a $(SODIUM_LIBS) $(CRYPT_LIBS) $(LIB_BASE)

# All of auth but its main(), for tests.
noinst_LIBRARIES += libauth.a
libauth_a_SOURCES = \
	src/auth/app/admin.c \
	src/auth/app/app.c src/auth/app/app.h \
	src/auth/app/file.c \
	src/auth/app/sql.c \
	src/auth/app/store.h \
	src/auth/app/totp.c src/auth/app/totp.h \
	src/auth/auth.c src/auth/auth.h \
	src/auth/cache.c src/auth/cache.h \
	src/auth/checkpassword.c src/auth/checkpassword.h \
	src/auth/client.c src/auth/client.h \
	src/auth/conf_ext.c src/auth/conf_ext.h \
	src/auth/db.c src/auth/db.h \
	src/auth/db_dict.c \
	src/auth/exchange.c src/auth/exchange.h \
	src/auth/fields.c src/auth/fields.h \
	src/auth/json.c src/auth/json.h \
	src/auth/lookup.c \
	src/auth/master.c src/auth/master.h \
	src/auth/relay.c src/auth/relay.h \
	src/auth/mech.h \
	src/auth/mech/anonymous.c \
	src/auth/mech/apop.c \
	src/auth/mech/cram_md5.c \
	src/auth/mech/digest_md5.c \
	src/auth/mech/external.c \
	src/auth/mech/login.c \
	src/auth/mech/mechs.h \
	src/auth/mech/oauth.c \
	src/auth/mech/plain.c \
	src/auth/mech/scram.c \
	src/auth/mech/table.c \
	src/auth/passdb/app_password.c \
	src/auth/passdb/checkpassword.c \
	src/auth/passdb/drivers.h \
	src/auth/passdb/pam.c \
	src/auth/passdb/passwd.c \
	src/auth/passdb/passwd_file.c \
	src/auth/passdb/shadow.c \
	src/auth/passdb/sql.c \
	src/auth/passdb/static.c \
	src/auth/passdb/table.c \
	src/auth/passwd_file.c src/auth/passwd_file.h \
	src/auth/peer.c src/auth/peer.h \
	src/auth/penalty.c src/auth/penalty.h \
	src/auth/policy.c src/auth/policy.h \
	src/auth/proxy_host.c src/auth/proxy_host.h \
	src/auth/request.c src/auth/request.h \
	src/auth/request_args.c \
	src/auth/request_fields.c \
	src/auth/request_log.c \
	src/auth/request_vars.c \
	src/auth/userdb/checkpassword.c \
	src/auth/userdb/drivers.h \
	src/auth/userdb/passwd.c \
	src/auth/userdb/passwd_file.c \
	src/auth/userdb/prefetch.c \
	src/auth/sql/sql.c src/auth/sql/sql.h \
	src/auth/userdb/sql.c \
	src/auth/userdb/static.c src/auth/userdb/static.h \
	src/auth/userdb/table.c \
	src/auth/verify.c src/auth/verify.h \
	src/auth/worker.c src/auth/worker.h \
	src/auth/workers.c src/auth/workers.h
if HAVE_LDAP
libauth_a_SOURCES += src/auth/ldap.c src/auth/ldap.h src/auth/passdb/ldap.c \
	src/auth/userdb/ldap.c
endif
if HAVE_GSSAPI
libauth_a_SOURCES += src/auth/mech/gssapi.c
endif
if HAVE_CURL
libauth_a_SOURCES += src/auth/http.c src/auth/http.h \
	src/auth/oauth2/jwt.c src/auth/oauth2/jwt.h \
	src/auth/oauth2/signature.c src/auth/oauth2/signature.h \
	src/auth/oauth2/oauth2.c
endif
LIB_AUTH = libauth.a $(LIB_SCHEME) $(PAM_LIBS) $(JANSSON_LIBS) $(LIB_SETTINGS) \
	$(LIB_SERVICE)
libsettings_a_SOURCES += src/auth/settings.c src/auth/settings.h

auth_ldap = src/auth/modules/ldap.c src/auth/modules/ldap_entry.c \
	src/auth/modules/ldap_entry.h
if HAVE_LDAP
pkglibexec_PROGRAMS += sieve-ldap
sieve_ldap_SOURCES = src/auth/sieve_ldap.c $(auth_ldap)
sieve_ldap_LDADD = $(LIB_AUTH) $(LDAP_LIBS)
endif

pkglibexec_PROGRAMS += auth
auth_SOURCES = src/auth/main.c
pkglibexec_PROGRAMS += checkpassword-reply
checkpassword_reply_SOURCES = src/auth/checkpassword_reply.c
checkpassword_reply_LDADD = $(LIB_BASE)
auth_LDFLAGS = $(HOST_LDFLAGS)
auth_LDADD = $(LIB_AUTH)

# What they need of libauth.a and below it, auth has.
if HAVE_SQLITE
pkglibexec_PROGRAMS += auth-sqlite.so
auth_sqlite_so_SOURCES = src/auth/modules/sqlite.c
auth_sqlite_so_CFLAGS = $(MODULE_CFLAGS)
auth_sqlite_so_LDFLAGS = $(MODULE_LDFLAGS)
auth_sqlite_so_LDADD = $(SQLITE_LIBS)
endif
if HAVE_PGSQL
pkglibexec_PROGRAMS += auth-pgsql.so
auth_pgsql_so_SOURCES = src/auth/modules/pgsql.c
auth_pgsql_so_CFLAGS = $(MODULE_CFLAGS)
auth_pgsql_so_LDFLAGS = $(MODULE_LDFLAGS)
auth_pgsql_so_LDADD = $(PGSQL_LIBS)
endif
if HAVE_MYSQL
pkglibexec_PROGRAMS += auth-mysql.so
auth_mysql_so_SOURCES = src/auth/modules/mysql.c
auth_mysql_so_CFLAGS = $(MODULE_CFLAGS)
auth_mysql_so_LDFLAGS = $(MODULE_LDFLAGS)
auth_mysql_so_LDADD = $(MYSQL_LIBS)
endif
if HAVE_LDAP
pkglibexec_PROGRAMS += auth-ldap.so
auth_ldap_so_SOURCES = $(auth_ldap)
auth_ldap_so_CFLAGS = $(MODULE_CFLAGS)
auth_ldap_so_LDFLAGS = $(MODULE_LDFLAGS)
auth_ldap_so_LDADD = $(LDAP_LIBS)
endif
if HAVE_GSSAPI
pkglibexec_PROGRAMS += auth-gssapi.so
auth_gssapi_so_SOURCES = src/auth/modules/gssapi.c
auth_gssapi_so_CFLAGS = $(MODULE_CFLAGS)
auth_gssapi_so_LDFLAGS = $(MODULE_LDFLAGS)
auth_gssapi_so_LDADD = $(GSSAPI_LIBS)
endif
if HAVE_CURL
pkglibexec_PROGRAMS += auth-http.so
auth_http_so_SOURCES = src/auth/modules/http.c
auth_http_so_CFLAGS = $(MODULE_CFLAGS)
auth_http_so_LDFLAGS = $(MODULE_LDFLAGS)
auth_http_so_LDADD = $(CURL_LIBS)
endif

# The fuzz target, and its corpus as a test.
check_PROGRAMS += tests/fuzz/auth/replay_mech
tests_fuzz_auth_replay_mech_SOURCES = tests/fuzz/auth/fuzz_mech.c \
	tests/fuzz/replay.c
tests_fuzz_auth_replay_mech_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORPUS='"tests/fuzz/auth/mech"'
tests_fuzz_auth_replay_mech_LDADD = $(LIB_AUTH)
if FUZZING
noinst_PROGRAMS += tests/fuzz/auth/fuzz_mech
tests_fuzz_auth_fuzz_mech_SOURCES = tests/fuzz/auth/fuzz_mech.c
tests_fuzz_auth_fuzz_mech_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_auth_fuzz_mech_LDADD = $(LIB_AUTH)
endif
EXTRA_DIST += tests/fuzz/auth
if HAVE_CURL
check_PROGRAMS += tests/fuzz/auth/replay_token
tests_fuzz_auth_replay_token_SOURCES = tests/fuzz/auth/fuzz_token.c \
	tests/fuzz/replay.c
tests_fuzz_auth_replay_token_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORPUS='"tests/fuzz/auth/token"'
tests_fuzz_auth_replay_token_LDADD = $(LIB_AUTH)
if FUZZING
noinst_PROGRAMS += tests/fuzz/auth/fuzz_token
tests_fuzz_auth_fuzz_token_SOURCES = tests/fuzz/auth/fuzz_token.c
tests_fuzz_auth_fuzz_token_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_auth_fuzz_token_LDADD = $(LIB_AUTH)
endif
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/auth/test_app tests/unit/auth/test_cache tests/unit/auth/test_mech \
	tests/unit/auth/test_passwd_file tests/unit/auth/test_scheme
auth_test_libs = $(LIB_AUTH) $(CMOCKA_LIBS)
tests_unit_auth_test_app_SOURCES = tests/unit/auth/test_app.c
tests_unit_auth_test_app_LDADD = $(auth_test_libs)
tests_unit_auth_test_cache_SOURCES = tests/unit/auth/test_cache.c
tests_unit_auth_test_cache_LDADD = $(auth_test_libs)
tests_unit_auth_test_mech_SOURCES = tests/unit/auth/test_mech.c
tests_unit_auth_test_mech_LDADD = $(auth_test_libs)
tests_unit_auth_test_passwd_file_SOURCES = tests/unit/auth/test_passwd_file.c
tests_unit_auth_test_passwd_file_LDADD = $(auth_test_libs)
tests_unit_auth_test_scheme_SOURCES = tests/unit/auth/test_scheme.c
tests_unit_auth_test_scheme_LDADD = $(LIB_SCHEME) $(CMOCKA_LIBS)
endif
