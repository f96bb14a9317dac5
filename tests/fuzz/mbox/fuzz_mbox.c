/* SPDX-License-Identifier: MIT */
/*
 * Hostile mbox files and journals. The first octet's lowest bit says which:
 *
 * 0: the rest is a file. Its mails cover it without gaps, and what is composed
 *    of their headers is read again.
 * 1: two octets with the length of a file, the file, and a journal for it.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "storage/mbox/mbox.h"
#include "storage/user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mail_settings settings = {
	.mbox_md5 = "apop3d",
	.mail_fsync = "never",
};
static const struct location location = {.settings = &settings};

static void need(bool ok)
{
	if (!ok)
		abort();
}

static int file_of(const uint8_t *data, size_t size)
{
	int fd = memfd_create("mbox", MFD_CLOEXEC);

	need(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	return fd;
}

/* files */

struct walk {
	uint64_t at;
};

static int take(void *ctx, const struct mbox_mail *mail, struct err *err)
{
	struct walk *walk = ctx;
	CLEANUP(buf_free) struct buf out = buf_init(1 << 26);
	const struct mbox_fields fields = {
		.uid = 4711,
		.flags = MAIL_SEEN | MAIL_DRAFT,
		.content_length = UINT64_MAX,
	};
	struct str block = mail->block;
	struct mbox_header header;

	(void)err;
	need(mail->record.offset == walk->at);
	walk->at = mbox_record_end(&mail->record);
	mbox_header_visible(block, &out);
	need(out.len == mail->header.size);
	buf_reset(&out);
	mbox_header_compose(block, &fields, &out);
	mbox_header_parse(str_n(out.data, out.len), NULL, false, &header);
	/* In a line that was cut off nothing more can be said. */
	if (block.len == 0 || block.data[block.len - 1] == '\n')
		need(header.uid == 4711 && header.flags == fields.flags);
	return 0;
}

static void run_file(const uint8_t *data, size_t size)
{
	CLEANUP(fd_close) int fd = file_of(data, size);
	struct driver_box box = {.location = &location, .path = "mbox"};
	struct walk walk = {0};
	struct mbox_scan scan = {
		.box = &box,
		.fd = fd,
		.end = size,
		.max_header = 4096,
		.fn = take,
		.ctx = &walk,
	};
	struct err err;

	if (mbox_scan(&scan, &err) == 0)
		need(walk.at == size);
}

/* journals */

static const char *control_dir(void)
{
	static char dir[] = "/tmp/fuzz-mbox-XXXXXX";
	static bool made;

	if (!made)
		need(mkdtemp(dir) != NULL);
	made = true;
	return dir;
}

static void put_journal(const char *dir, const uint8_t *data, size_t size)
{
	char path[100];
	int fd;

	snprintf(path, sizeof(path), "%s/dovetail-mbox-journal", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	need(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

static void run_journal(const uint8_t *data, size_t size)
{
	size_t len = (size_t)data[0] << 8 | data[1];
	struct driver_box box = {
		.location = &location,
		.path = "mbox",
		.control = control_dir(),
	};
	struct stat st;
	struct err err;

	data += 2;
	size -= 2;
	if (len > size)
		len = size;
	{
		CLEANUP(fd_close) int fd = file_of(data, len);

		put_journal(box.control, data + len, size - len);
		if (mbox_journal_recover(&box, fd, &err) == 1)
			need(!mbox_journal_exists(&box));
		/* It makes no room but for what it has. */
		need(fstat(fd, &st) == 0 &&
		     (uint64_t)st.st_size <= len + size + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool quiet;

	if (!quiet)
		log_open("fuzz", LOG_TO_NOWHERE);
	quiet = true;
	if (size >= 1 && (data[0] & 1) == 0)
		run_file(data + 1, size - 1);
	else if (size >= 3)
		run_journal(data + 1, size - 1);
	return 0;
}
