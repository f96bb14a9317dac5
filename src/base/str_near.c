/* SPDX-License-Identifier: MIT */
/*
 * base/str_near.c - what an unknown word was probably meant to be.
 */
#include <string.h>

#include "base/str.h"

enum { NAME_MAX_LEN = 64 };

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* How many characters to put in, leave out, change or swap (optimal string
 * alignment), up to NAME_MAX_LEN of each name. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned row[3][NAME_MAX_LEN + 1];
	size_t alen = strnlen(a, NAME_MAX_LEN), blen = strnlen(b, NAME_MAX_LEN);

	for (size_t j = 0; j <= blen; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= alen; i++) {
		unsigned *now = row[i % 3], *last = row[(i - 1) % 3];
		const unsigned *before = row[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= blen; j++) {
			bool same = a[i - 1] == b[j - 1];

			now[j] = least(last[j] + 1, now[j - 1] + 1);
			now[j] = least(now[j], last[j - 1] + !same);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
	}
	return row[alen % 3][blen];
}

/* Half of a short name may be wrong only by chance. */
static unsigned allowed(const char *name)
{
	size_t len = strlen(name);

	return len < 4 ? 1 : len < 8 ? 2 : 3;
}

bool str_is_near(const char *word, const char *known, unsigned *distance_out)
{
	unsigned distance = edit_distance(word, known);

	if (distance > allowed(word))
		return false;
	*distance_out = distance;
	return true;
}
