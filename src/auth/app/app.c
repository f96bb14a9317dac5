/* SPDX-License-Identifier: MIT */
#include "auth/app/app.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/mem.h"

static const char letters[] = "abcdefghijkmnopqrstuvwxyz";
enum { LETTERS = sizeof(letters) - 1 };

static const struct {
	const char *name;
	unsigned scope;
} scopes[] = {
	{"imap", APP_IMAP},   {"pop3", APP_POP3},           {"smtp", APP_SMTP},
	{"sieve", APP_SIEVE}, {"read-only", APP_READ_ONLY},
};
static const struct {
	const char *name;
	unsigned scope;
} services[] = {
	{"imap", APP_IMAP},       {"pop3", APP_POP3},   {"smtp", APP_SMTP},
	{"submission", APP_SMTP}, {"sieve", APP_SIEVE}, {"managesieve", APP_SIEVE},
};

enum {
	SCOPES = sizeof(scopes) / sizeof(scopes[0]),
	SERVICES = sizeof(services) / sizeof(services[0]),
};

bool app_scopes_parse(struct str text, unsigned *out)
{
	struct str word;

	*out = 0;
	while (str_split(&text, ',', &word)) {
		size_t i = 0;

		while (i < SCOPES && !str_is(word, scopes[i].name))
			i++;
		if (i == SCOPES)
			return false;
		*out |= scopes[i].scope;
	}
	/* Alone it is for all that can be read. */
	if (*out == APP_READ_ONLY)
		*out |= APP_IMAP | APP_POP3;
	return (*out & APP_READ_ONLY) == 0 ||
	       (*out & (APP_SMTP | APP_SIEVE)) == 0;
}

void app_scopes_write(unsigned set, struct buf *out)
{
	const char *comma = "";

	for (size_t i = 0; i < SCOPES; i++) {
		if ((set & scopes[i].scope) == 0)
			continue;
		buf_printf(out, "%s%s", comma, scopes[i].name);
		comma = ",";
	}
}

unsigned app_scope_of(const char *service)
{
	for (size_t i = 0; i < SERVICES; i++) {
		if (strcmp(services[i].name, service) == 0)
			return services[i].scope;
	}
	return 0;
}

bool app_concerns(const struct request *request)
{
	return request->want_scheme != NULL ||
	       (!request->lookup_only && (strcmp(request->mech, "PLAIN") == 0 ||
					  strcmp(request->mech, "LOGIN") == 0));
}

/* Each letter as likely as any other: what 25 does not divide is thrown
 * away. */
static char random_letter(void)
{
	unsigned char octet;

	do
		random_fill(&octet, 1);
	while (octet >= 256 / LETTERS * LETTERS);
	return letters[octet % LETTERS];
}

void app_make(char out[APP_LETTERS * 2])
{
	for (int i = 0; i < APP_LETTERS; i++) {
		if (i > 0 && i % APP_GROUP == 0)
			*out++ = '-';
		*out++ = random_letter();
	}
	*out = '\0';
}

char *app_hash(const void *ctx, const char *typed)
{
	CLEANUP(buf_free) struct buf hash = buf_init(128);
	unsigned char digest[DIGEST_MAX];
	char plain[APP_LETTERS];
	size_t count = 0, len;

	for (; *typed != '\0'; typed++) {
		char c = ascii_lower(*typed);

		if (c == '-' || c == ' ')
			continue;
		if (count == APP_LETTERS || strchr(letters, c) == NULL)
			return NULL;
		plain[count++] = c;
	}
	if (count < APP_LETTERS)
		return NULL;
	len = digest_once("sha256", str_n(plain, count), digest);
	mem_wipe(plain, sizeof(plain));
	buf_add(&hash, "{SHA256}");
	base64_encode(str_n(digest, len), &hash);
	return buf_steal(ctx, &hash);
}
