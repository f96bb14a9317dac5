/* SPDX-License-Identifier: MIT */
/*
 * auth/mech/cram_md5.c - CRAM-MD5 (RFC 2195): the client answers a challenge
 * with its name and HMAC-MD5 in hex.
 */
#include <time.h>
#include <unistd.h>

#include "auth/mech.h"
#include "auth/mech/mechs.h"
#include "auth/request.h"
#include "auth/scheme/cram_md5.h"
#include "auth/scheme/scheme.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"

struct cram {
	char challenge[160];
	bool asked;
	char given[2 * CRAM_MD5_DIGEST];
};

static enum mech_step ask(struct cram *cram, struct buf *out)
{
	char host[65] = "";

	gethostname(host, sizeof(host) - 1);
	snprintf(cram->challenge, sizeof(cram->challenge), "<%llu.%lld@%s>",
		 (unsigned long long)random_u64(), (long long)time(NULL), host);
	cram->asked = true;
	buf_add(out, cram->challenge);
	return MECH_CONTINUE;
}

static enum mech_step cram_step(void *state, struct request *request,
				struct str response, bool, struct buf *out,
				struct err *err)
{
	struct cram *cram = state;
	size_t hex = sizeof(cram->given);

	if (!cram->asked)
		return ask(cram, out);
	if (response.len < hex + 1 ||
	    response.data[response.len - hex - 1] != ' ' ||
	    memchr(response.data, '\0', response.len) != NULL) {
		err_set(err, ERR_INVALID, "invalid input");
		return MECH_FAIL;
	}
	memcpy(cram->given, response.data + response.len - hex, hex);
	response.len -= hex + 1;
	if (request_set_user(request, str_dup(request, response), err) < 0)
		return MECH_FAIL;
	request->want_scheme = "CRAM-MD5";
	return MECH_LOOKUP;
}

static enum mech_step cram_check(void *state, struct request *request,
				 const char *credentials, struct buf *,
				 struct err *err)
{
	struct cram *cram = state;
	CLEANUP(buf_free) struct buf octets = buf_init(CRAM_MD5_OCTETS);
	CLEANUP(buf_free) struct buf hex = buf_init(2 * CRAM_MD5_DIGEST);
	unsigned char digest[CRAM_MD5_DIGEST];

	if (credentials == NULL)
		return MECH_MISMATCH;
	if (scheme_octets(credentials, "CRAM-MD5", "", &octets, err) < 0 ||
	    octets.len != CRAM_MD5_OCTETS) {
		request_log(request, LOG_LEVEL_ERROR,
			    "invalid credentials length");
		return MECH_MISMATCH;
	}
	cram_md5_hmac((const unsigned char *)octets.data,
		      str_of(cram->challenge), digest);
	mem_wipe(octets.data, octets.len);
	hex_encode(str_n(digest, sizeof(digest)), &hex);
	return str_equal_secret(str_n(hex.data, hex.len),
				str_n(cram->given, sizeof(cram->given)))
		       ? MECH_ACCEPT
		       : MECH_MISMATCH;
}

const struct mech mech_cram_md5 = {
	.name = "CRAM-MD5",
	.flags = "dictionary\tactive",
	.state_size = sizeof(struct cram),
	.step = cram_step,
	.check = cram_check,
	.wants_credentials = true,
};
