/* SPDX-License-Identifier: MIT */
/*
 * auth/mech/mechs.h - every mechanism; mech/table.c lists them.
 */
#ifndef AUTH_MECH_MECHS_H
#define AUTH_MECH_MECHS_H
struct mech;

extern const struct mech mech_anonymous;
extern const struct mech mech_apop;
extern const struct mech mech_cram_md5;
extern const struct mech mech_digest_md5;
extern const struct mech mech_external;
#ifdef HAVE_GSSAPI
extern const struct mech mech_gss_spnego, mech_gssapi;
/* Their module's (module.h). */
extern const struct mech gssapi_spnego, gssapi_krb5;
enum { GSSAPI_STATE_SIZE = 32 };
#endif
extern const struct mech mech_login;
extern const struct mech mech_oauthbearer;
extern const struct mech mech_plain;
extern const struct mech mech_scram_sha_1;
extern const struct mech mech_scram_sha_1_plus;
extern const struct mech mech_scram_sha_256;
extern const struct mech mech_scram_sha_256_plus;
extern const struct mech mech_xoauth2;

#endif
