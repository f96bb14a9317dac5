/* SPDX-License-Identifier: MIT */
/*
 * doveadm/pw.c - `doveadm pw`: make and check password hashes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/scheme/scheme.h"
#include "base/err.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"

/* As in Dovecot 2.3: crypt(3) with its bcrypt. */
#define DEFAULT_SCHEME "CRYPT"

struct pw {
	char password[SCHEME_PASSWORD_MAX];
	bool given; /* by -p */
	const char *scheme, *user, *hash;
	unsigned rounds;
	bool verify;
};

static int list_schemes(void)
{
	const struct scheme *scheme;

	for (size_t n = 0; (scheme = scheme_nth(n)) != NULL; n++)
		printf("%s ", scheme->name);
	putchar('\n');
	return EX_OK;
}

/* Twice, until both are the same. */
static bool ask_new_password(struct pw *pw)
{
	char again[SCHEME_PASSWORD_MAX];
	bool same = false;

	while (!same) {
		if (!ask_password("Enter new password: ", pw->password,
				  sizeof(pw->password)) ||
		    !ask_password("Retype new password: ", again,
				  sizeof(again)))
			return false;
		same = strcmp(pw->password, again) == 0;
		mem_wipe(again, sizeof(again));
		if (!same)
			complain("Passwords don't match!");
	}
	return true;
}

/* The password against a hash of -t, or one just made. */
static int verify(const struct pw *pw, const char *hash)
{
	struct str name, rest;
	struct err err;
	int right;

	if (hash[0] != '{')
		return give_up("Missing {scheme} prefix from hash");
	scheme_split(hash, "", &name, &rest);
	right = scheme_verify(pw->password, pw->user, name, rest, &err);
	if (right < 0)
		return give_up("reverse decode check failed: %s", err.text);
	if (right == 0)
		return give_up("reverse password verification check failed: "
			       "Password mismatch");
	printf("%s (verified)\n", hash);
	return EX_OK;
}

static int make(struct doveadm *adm, const struct pw *pw)
{
	struct str name = str_of(pw->scheme);
	struct err err;
	char *hash;

	if (scheme_make(adm->ctx, pw->password, pw->user, name, pw->rounds,
			&hash, &err) < 0)
		return give_up("%s", err.text);
	if (pw->verify)
		return verify(pw, hash);
	puts(hash);
	return EX_OK;
}

static bool set_password(struct pw *pw, char *text)
{
	size_t len = strlen(text);

	if (len >= sizeof(pw->password))
		return false;
	memcpy(pw->password, text, len + 1);
	mem_wipe(text, len); /* ps(1) shows it until here */
	pw->given = true;
	return true;
}

static int run(struct doveadm *adm, struct pw *pw)
{
	if (pw->hash != NULL && pw->hash[0] != '{')
		return give_up("Missing {scheme} prefix from hash");
	if (pw->hash == NULL && scheme_find(str_of(pw->scheme)) == NULL)
		return give_up("Unknown scheme: %s", pw->scheme);
	if (!pw->given && pw->hash != NULL)
		pw->given =
			ask_password("Enter password to verify: ", pw->password,
				     sizeof(pw->password));
	else if (!pw->given)
		pw->given = ask_new_password(pw);
	if (!pw->given)
		return give_up("No password");
	return pw->hash != NULL ? verify(pw, pw->hash) : make(adm, pw);
}

int cmd_pw(struct doveadm *adm, int, char **)
{
	char *password = doveadm_value(adm, 'p');
	const char *rounds = doveadm_value(adm, 'r');
	const char *scheme = doveadm_value(adm, 's');
	struct pw pw = {
		.scheme = scheme == NULL ? DEFAULT_SCHEME
					 : str_upper(adm->ctx, str_of(scheme)),
		.hash = doveadm_value(adm, 't'),
		.user = doveadm_value(adm, 'u'),
		.verify = doveadm_value(adm, 'V') != NULL,
	};
	int status;

	if (password != NULL && !set_password(&pw, password))
		return give_up("The password is too long");
	if (rounds != NULL && !str_to_unsigned(str_of(rounds), &pw.rounds)) {
		complain("Invalid number of rounds: %s", rounds);
		return EX_USAGE;
	}
	if (doveadm_value(adm, 'l') != NULL)
		return list_schemes();
	status = run(adm, &pw);
	mem_wipe(pw.password, sizeof(pw.password));
	return status;
}
