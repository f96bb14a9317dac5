/* SPDX-License-Identifier: MIT */
/*
 * base/digest_size.c - what can be known without OpenSSL, which short programs
 * need not wait for.
 */
#include <string.h>

#include "base/digest.h"

size_t digest_size(const char *name)
{
	static const struct {
		const char *name;
		unsigned bits;
	} all[] = {
		{"md4", 128},    {"md5", 128},      {"sha1", 160},
		{"sha224", 224}, {"sha256", 256},   {"sha384", 384},
		{"sha512", 512}, {"sha3-256", 256}, {"sha3-512", 512},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(all[i].name, name) == 0)
			return all[i].bits / 8;
	}
	return 0;
}
