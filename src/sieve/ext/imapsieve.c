/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/imapsieve.c - imapsieve (RFC 6785) and vnd.dovecot.imapsieve: items
 * of `environment`, which the host knows. Scripts of deliveries can't require
 * them; who runs scripts at IMAP events gives them to the engine as extra ones.
 */
#include "sieve/ext.h"

static const struct sieve_extension ext_imapsieve = {.name = "imapsieve"};
static const struct sieve_extension ext_vnd_dovecot_imapsieve = {
	.name = "vnd.dovecot.imapsieve", .implies = "imapsieve"};

const struct sieve_extension *const sieve_imap_extensions[] = {
	&ext_imapsieve, &ext_vnd_dovecot_imapsieve, NULL};
