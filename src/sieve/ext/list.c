/* SPDX-License-Identifier: MIT */
#include "sieve/ext/list.h"

#include <stddef.h>

/* A line for each extension. */
#define EXTENSIONS(X)                                                          \
	X(base_control)                                                        \
	X(base_actions)                                                        \
	X(base_tests)                                                          \
	X(comparator_octet)                                                    \
	X(comparator_ascii_casemap)                                            \
	X(comparator_ascii_numeric)                                            \
	X(comparator_unicode_casemap)                                          \
	X(encoded_character)                                                   \
	X(variables)                                                           \
	X(fileinto)                                                            \
	X(envelope)                                                            \
	X(subaddress)                                                          \
	X(relational)                                                          \
	X(imap4flags)                                                          \
	X(copy)

#define DECLARE(name) extern const struct sieve_extension ext_##name;
#define NAME(name) &ext_##name,
EXTENSIONS(DECLARE)

const struct sieve_extension *const sieve_extensions[] = {
	EXTENSIONS(NAME) NULL,
};
