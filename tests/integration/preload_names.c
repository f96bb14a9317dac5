/* SPDX-License-Identifier: MIT */
/* For LD_PRELOAD: getaddrinfo() that knows the names in $NAMES_FILE, each with
 * the milliseconds that it takes and the addresses: "host 100 ::1 127.0.0.1". */
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int lookup_fn(const char *, const char *, const struct addrinfo *,
		      struct addrinfo **);

static int addresses(lookup_fn *real, const char *service, char *words,
		     struct addrinfo **out)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST,
				       .ai_socktype = SOCK_STREAM};
	struct addrinfo **end = out;
	char *save, *word = strtok_r(words, " \n", &save);

	*out = NULL;
	usleep((useconds_t)strtoul(word, NULL, 10) * 1000);
	while ((word = strtok_r(NULL, " \n", &save)) != NULL) {
		if (real(word, service, &hints, end) == 0)
			end = &(*end)->ai_next;
	}
	return *out == NULL ? EAI_NONAME : 0;
}

int getaddrinfo(const char *host, const char *service,
		const struct addrinfo *hints, struct addrinfo **out)
{
	lookup_fn *real;
	const char *path = getenv("NAMES_FILE");
	FILE *file = path == NULL || host == NULL ? NULL : fopen(path, "re");
	size_t len = host == NULL ? 0 : strlen(host);
	char line[1000];
	int ret;

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, host, len) == 0 && line[len] == ' ') {
			ret = addresses(real, service, line + len, out);
			fclose(file);
			return ret;
		}
	}
	if (file != NULL)
		fclose(file);
	return real(host, service, hints, out);
}
