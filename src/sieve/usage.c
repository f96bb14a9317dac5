/* SPDX-License-Identifier: MIT */
/*
 * sieve/usage.c - the CPU time that runs of a script took together, kept behind
 * its compiled program: 24 octets that its checksum does not cover (magic,
 * milliseconds, when it was last added to; little endian).
 *
 * Runs that took less than SIGNIFICANT_MS do not count.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/pack.h"
#include "sieve/program.h"

enum { SIGNIFICANT_MS = 1500, MAGIC_SIZE = 8 };

static const char magic[MAGIC_SIZE + 1] = "DTusage\n";

static uint64_t now_ms(void)
{
	return clock_real_us() / 1000;
}

static bool parse(const char in[SIEVE_USAGE_SIZE], struct sieve_usage *out)
{
	struct unpack unpack = {
		.in = str_n(in + MAGIC_SIZE, SIEVE_USAGE_SIZE - MAGIC_SIZE),
	};

	if (memcmp(in, magic, MAGIC_SIZE) != 0)
		return false;
	out->cpu_ms = unpack_u64(&unpack);
	out->last_ms = unpack_u64(&unpack);
	return true;
}

void sieve_usage_write(const struct sieve_usage *usage,
		       char out[SIEVE_USAGE_SIZE])
{
	CLEANUP(buf_free) struct buf bytes = buf_init(SIEVE_USAGE_SIZE);

	buf_add(&bytes, magic);
	pack_u64(&bytes, usage->cpu_ms);
	pack_u64(&bytes, usage->last_ms);
	memcpy(out, bytes.data, SIEVE_USAGE_SIZE);
}

struct str sieve_usage_cut(struct str bytes, struct sieve_usage *out)
{
	*out = (struct sieve_usage){0};
	if (bytes.len < SIEVE_USAGE_SIZE ||
	    !parse(bytes.data + bytes.len - SIEVE_USAGE_SIZE, out))
		return bytes;
	return str_n(bytes.data, bytes.len - SIEVE_USAGE_SIZE);
}

/* Whether it is of the time that counts. */
static bool counts(const struct sieve_program *program,
		   const struct sieve_usage *usage)
{
	uint64_t timeout = sieve_engine_settings(program->engine)
				   ->sieve_resource_usage_timeout.ms;

	return usage->last_ms + timeout > now_ms();
}

bool sieve_usage_excessive(const struct sieve_program *program)
{
	uint64_t max =
		sieve_engine_settings(program->engine)->sieve_max_cpu_time.ms;

	return max > 0 && program->usage.cpu_ms >= max &&
	       counts(program, &program->usage);
}

/* What a file holds now; *at_out: where it is, or belongs. */
static void read_usage(int fd, struct sieve_usage *out, off_t *at_out)
{
	char bytes[SIEVE_USAGE_SIZE];
	struct stat st;

	*out = (struct sieve_usage){0};
	if (fstat(fd, &st) < 0)
		st.st_size = 0;
	*at_out = st.st_size;
	if (st.st_size > SIEVE_USAGE_SIZE &&
	    pread(fd, bytes, sizeof(bytes), st.st_size - SIEVE_USAGE_SIZE) ==
		    SIEVE_USAGE_SIZE &&
	    parse(bytes, out))
		*at_out -= SIEVE_USAGE_SIZE;
}

void sieve_usage_inherit(struct sieve_program *program, const char *binary)
{
	CLEANUP(fd_close)
	int fd = open(binary, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	struct sieve_usage usage;
	off_t at;

	if (fd < 0)
		return;
	read_usage(fd, &usage, &at);
	if (counts(program, &usage))
		program->usage = usage;
}

void sieve_usage_add(struct sieve_program *program, uint64_t cpu_ms)
{
	const struct sieve_settings *set =
		sieve_engine_settings(program->engine);
	struct sieve_usage *usage = &program->usage;
	char bytes[SIEVE_USAGE_SIZE];
	CLEANUP(fd_close) int fd = -1;
	off_t at;

	if (set->sieve_resource_usage_timeout.ms == 0 ||
	    program->binary == NULL ||
	    (cpu_ms < SIGNIFICANT_MS && cpu_ms < set->sieve_max_cpu_time.ms))
		return;
	fd = open(program->binary, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return;
	read_usage(fd, usage, &at);
	if (!counts(program, usage))
		usage->cpu_ms = 0;
	usage->cpu_ms += cpu_ms;
	usage->last_ms = now_ms();
	sieve_usage_write(usage, bytes);
	/* What is written in part is no program any more, and made anew. */
	if (pwrite(fd, bytes, sizeof(bytes), at) < 0)
		*usage = (struct sieve_usage){0};
}
