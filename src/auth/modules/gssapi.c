/* SPDX-License-Identifier: MIT */
/*
 * auth/modules/gssapi.c - GSSAPI (RFC 4752) and GSS-SPNEGO (RFC 4178): a
 * Kerberos ticket for our service. No security layer is offered: TLS is one.
 *
 * Tickets are checked with the keytab alone, no KDC is asked. A principal may
 * log in as the user of its own name, as krb5's rules allow (auth_to_local,
 * .k5login), and as users whose passdb field k5principals names it. The passdbs
 * are asked in both cases: one that refuses the user (deny, allow_nets,
 * nologin, an account that has ended) is obeyed, but the first need be in none.
 */
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <unistd.h>

#include "auth/mech.h"
#include "auth/mech/mechs.h"
#include "auth/request.h"
#include "auth/settings.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

enum { HOST_MAX = 256, LAYER_NONE = 1, LAYER_LEN = 4 };

static const gss_OID_desc krb5 = {9, "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"};
static const gss_OID_desc spnego = {6, "\x2b\x06\x01\x05\x05\x02"};

struct gss {
	gss_cred_id_t cred;
	gss_ctx_id_t context;
	gss_name_t client;
	char *principal;
};

struct state {
	struct gss *gss; /* NULL: nothing was said yet */
	bool is_own;     /* no k5principals are needed */
	enum { PHASE_CONTEXT, PHASE_OFFER, PHASE_ANSWER } phase;
};

static int gss_destroy(struct gss *gss)
{
	OM_uint32 minor;

	gss_release_cred(&minor, &gss->cred);
	gss_release_name(&minor, &gss->client);
	gss_delete_sec_context(&minor, &gss->context, GSS_C_NO_BUFFER);
	return 0;
}

static enum mech_step fail(const char *what, OM_uint32 major, OM_uint32 minor,
			   struct err *err)
{
	gss_buffer_desc general = GSS_C_EMPTY_BUFFER, own = GSS_C_EMPTY_BUFFER;
	OM_uint32 more = 0, status;

	gss_display_status(&status, major, GSS_C_GSS_CODE, GSS_C_NO_OID, &more,
			   &general);
	more = 0;
	gss_display_status(&status, minor, GSS_C_MECH_CODE, GSS_C_NO_OID, &more,
			   &own);
	err_set(err, ERR_DENIED, "While %s: %.*s, %.*s", what,
		(int)general.length, (const char *)general.value,
		(int)own.length, (const char *)own.value);
	gss_release_buffer(&status, &general);
	gss_release_buffer(&status, &own);
	return MECH_FAIL;
}

static const char *service_of(const struct request *request)
{
	if (strcmp(request->service, "pop3") == 0)
		return "pop";
	if (strcmp(request->service, "submission") == 0)
		return "smtp";
	return request->service;
}

static OM_uint32 our_name(const struct request *request, gss_name_t *out,
			  OM_uint32 *minor)
{
	const char *host = request->set->auth_gssapi_hostname;
	char own[HOST_MAX] = "";
	gss_buffer_desc text;
	OM_uint32 major;

	*out = GSS_C_NO_NAME;
	if (strcmp(host, "$ALL") == 0)
		return GSS_S_COMPLETE; /* whatever the keytab has */
	if (*host == '\0' && gethostname(own, sizeof(own) - 1) == 0)
		host = own;
	text.value = mem_printf(NULL, "%s@%s", service_of(request), host);
	text.length = strlen(text.value);
	major = gss_import_name(minor, &text, GSS_C_NT_HOSTBASED_SERVICE, out);
	mem_free(text.value);
	return major;
}

static enum mech_step begin(struct state *state, const struct request *request,
			    const gss_OID_desc *mech, struct err *err)
{
	const char *keytab = request->set->auth_krb5_keytab;
	gss_OID_set_desc mechs = {1, (gss_OID)mech};
	OM_uint32 major, minor, ignored;
	gss_name_t name;

	state->gss = mem_new(state, struct gss);
	talloc_set_destructor(state->gss, gss_destroy);
	if (*keytab != '\0')
		krb5_gss_register_acceptor_identity(keytab);
	major = our_name(request, &name, &minor);
	if (!GSS_ERROR(major)) {
		major = gss_acquire_cred(&minor, name, GSS_C_INDEFINITE, &mechs,
					 GSS_C_ACCEPT, &state->gss->cred, NULL,
					 NULL);
		gss_release_name(&ignored, &name);
	}
	if (GSS_ERROR(major))
		return fail("acquiring service credentials", major, minor, err);
	return MECH_CONTINUE;
}

/* What protects what follows: one octet of layers, three of a size; wrapped. */
static enum mech_step offer(struct state *state, struct buf *out,
			    struct err *err)
{
	gss_buffer_desc in = {LAYER_LEN, (char[]){LAYER_NONE, 0, 0, 0}};
	gss_buffer_desc wrapped = GSS_C_EMPTY_BUFFER;
	OM_uint32 minor;
	OM_uint32 major = gss_wrap(&minor, state->gss->context, 0,
				   GSS_C_QOP_DEFAULT, &in, NULL, &wrapped);

	if (GSS_ERROR(major))
		return fail("sending security layers", major, minor, err);
	buf_append(out, wrapped.value, wrapped.length);
	gss_release_buffer(&minor, &wrapped);
	state->phase = PHASE_ANSWER;
	return MECH_CONTINUE;
}

static enum mech_step take_context(struct state *state, struct str response,
				   struct buf *out, struct err *err)
{
	gss_buffer_desc in = {response.len, (void *)response.data};
	gss_buffer_desc token = GSS_C_EMPTY_BUFFER;
	struct gss *gss = state->gss;
	OM_uint32 major, minor, ignored;

	gss_release_name(&ignored, &gss->client);
	major = gss_accept_sec_context(&minor, &gss->context, gss->cred, &in,
				       GSS_C_NO_CHANNEL_BINDINGS, &gss->client,
				       NULL, &token, NULL, NULL, NULL);
	buf_append(out, token.value, token.length);
	gss_release_buffer(&ignored, &token);
	if (GSS_ERROR(major))
		return fail("processing incoming data", major, minor, err);
	if (major == GSS_S_CONTINUE_NEEDED)
		return MECH_CONTINUE;
	state->phase = PHASE_OFFER;
	return out->len > 0 ? MECH_CONTINUE : offer(state, out, err);
}

static enum mech_step read_principal(struct gss *gss, struct err *err)
{
	gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
	OM_uint32 minor;
	OM_uint32 major = gss_display_name(&minor, gss->client, &text, NULL);

	if (GSS_ERROR(major))
		return fail("reading the client's name", major, minor, err);
	if (memchr(text.value, '\0', text.length) == NULL)
		gss->principal = mem_strndup(gss, text.value, text.length);
	gss_release_buffer(&minor, &text);
	if (gss->principal != NULL)
		return MECH_CONTINUE;
	err_set(err, ERR_DENIED, "NUL in the client's name");
	return MECH_FAIL;
}

/* May the ticket's owner be that user without our asking a passdb? It is the
 * name that counts here: a master user's, or that of a certificate. */
static bool is_own(const struct gss *gss, const struct request *request)
{
	const char *user = request->original_user;
	gss_buffer_desc text = {strlen(user), (void *)user};
	gss_name_t name = GSS_C_NO_NAME, canonical = GSS_C_NO_NAME;
	OM_uint32 minor;
	int equal = 0;

	if (strcmp(user, gss->principal) == 0)
		return true;
	if (!GSS_ERROR(gss_import_name(&minor, &text, GSS_C_NT_USER_NAME,
				       &name)) &&
	    !GSS_ERROR(gss_canonicalize_name(&minor, name, (gss_OID)&krb5,
					     &canonical)))
		gss_compare_name(&minor, gss->client, canonical, &equal);
	gss_release_name(&minor, &name);
	gss_release_name(&minor, &canonical);
	return equal != 0 || gss_userok(gss->client, user) == 1;
}

static enum mech_step take_answer(struct state *state, struct request *request,
				  struct str response, struct err *err)
{
	gss_buffer_desc in = {response.len, (void *)response.data};
	gss_buffer_desc plain = GSS_C_EMPTY_BUFFER;
	struct gss *gss = state->gss;
	OM_uint32 minor;
	OM_uint32 major =
		gss_unwrap(&minor, gss->context, &in, &plain, NULL, NULL);
	struct str data = str_n(plain.value, plain.length);
	const char *user = gss->principal;

	if (GSS_ERROR(major))
		return fail("final negotiation", major, minor, err);
	if (data.len < LAYER_LEN || data.data[0] != LAYER_NONE ||
	    memchr(data.data + LAYER_LEN, '\0', data.len - LAYER_LEN) != NULL) {
		gss_release_buffer(&minor, &plain);
		err_set(err, ERR_INVALID, "Invalid security layer or name");
		return MECH_FAIL;
	}
	if (data.len > LAYER_LEN)
		user = str_dup(request, str_from(data, LAYER_LEN));
	gss_release_buffer(&minor, &plain);
	if (request_set_user(request, user, err) < 0)
		return MECH_FAIL;
	request->auth_user = mem_strdup(request, gss->principal);
	state->is_own = is_own(gss, request);
	return MECH_LOOKUP;
}

static enum mech_step step(struct state *state, struct request *request,
			   const gss_OID_desc *mech, struct str response,
			   struct buf *out, struct err *err)
{
	enum mech_step result = MECH_CONTINUE;

	if (state->gss == NULL)
		result = begin(state, request, mech, err);
	if (result != MECH_CONTINUE)
		return result;
	switch (state->phase) {
	case PHASE_CONTEXT:
		result = take_context(state, response, out, err);
		break;
	case PHASE_OFFER:
		result = offer(state, out, err);
		break;
	case PHASE_ANSWER:
		return take_answer(state, request, response, err);
	}
	if (result == MECH_CONTINUE && state->phase != PHASE_CONTEXT &&
	    state->gss->principal == NULL)
		result = read_principal(state->gss, err);
	return result;
}

static enum mech_step gssapi_step(void *state, struct request *request,
				  struct str response, bool, struct buf *out,
				  struct err *err)
{
	return step(state, request, &krb5, response, out, err);
}

static enum mech_step spnego_step(void *state, struct request *request,
				  struct str response, bool, struct buf *out,
				  struct err *err)
{
	return step(state, request, &spnego, response, out, err);
}

/* "user@ORG1,user@ORG2", as the passdb has it. */
static bool is_named(const char *list, const char *principal)
{
	size_t len = strlen(principal);

	while (list != NULL && *list != '\0') {
		size_t part = strcspn(list, ",");

		if (part == len && memcmp(list, principal, len) == 0)
			return true;
		list += part + (list[part] != '\0');
	}
	return false;
}

static enum mech_step gssapi_check(void *ctx, struct request *request,
				   const char *, struct buf *, struct err *)
{
	const struct state *state = ctx;
	bool named = state->is_own ||
		     is_named(fields_get(&request->pass_fields, "k5principals"),
			      state->gss->principal);

	fields_remove(&request->pass_fields, "k5principals");
	/* Who wants to be somebody else must be a master user. */
	if (request->refused || request->login_user != NULL)
		return MECH_MISMATCH;
	if (named)
		return MECH_ACCEPT;
	request_log(request, LOG_LEVEL_INFO,
		    "User not authorized to log in as %s: %s", request->user,
		    state->gss->principal);
	return MECH_MISMATCH;
}

_Static_assert(sizeof(struct state) <= GSSAPI_STATE_SIZE,
	       "mech/gssapi.c makes room for it");

const struct mech gssapi_krb5 = {
	.step = gssapi_step,
	.check = gssapi_check,
};

const struct mech gssapi_spnego = {
	.step = spnego_step,
	.check = gssapi_check,
};
