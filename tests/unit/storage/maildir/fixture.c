/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"

int fixture_setup(void **state)
{
	struct fixture *f = mem_new(NULL, struct fixture);
	struct err err;

	snprintf(f->root, sizeof(f->root), "/tmp/test_maildir.XXXXXX");
	if (mkdtemp(f->root) == NULL)
		return -1;
	f->settings.mail_fsync = "never";
	f->settings.maildir_copy_with_hardlinks = true;
	f->settings.mail_temp_scan_interval.ms = 7ULL * 24 * 3600 * 1000;
	f->location.driver = &maildir_driver;
	f->location.root = f->root;
	f->location.layout = "maildir++";
	f->location.settings = &f->settings;
	f->location.rights = (struct rights){0700, 0600, (gid_t)-1, f->root};
	index_keep_open(0);
	OK(index_open(mem_printf(f, "%s/dovetail.index", f->root), 0600,
		      &f->index, &err));
	OK(maildir_driver.create(&f->location, "INBOX", &err));
	f->box = fixture_box(f, "INBOX");
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	struct err err;
	int ret;

	index_close(&f->index);
	ret = dir_remove(f->root, &err);
	mem_free(f);
	return ret;
}

struct driver_box *fixture_box(struct fixture *f, const char *name)
{
	struct driver_box *box = mem_new(f, struct driver_box);
	char *path, *control;
	struct err err;

	OK(maildir_driver.paths(box, &f->location, name, &path, &control,
				&err));
	box->location = &f->location;
	box->index = f->index;
	box->name = mem_strdup(box, name);
	box->path = path;
	box->control = control;
	return box;
}

void fixture_reopen(struct fixture *f)
{
	char *name = mem_strdup(f, f->box->name);

	maildir_driver.close(f->box);
	mem_free(f->box);
	f->box = fixture_box(f, name);
}

void fixture_drop_index(struct fixture *f)
{
	struct err err;

	index_close(&f->index);
	OK(dir_remove(mem_printf(f, "%s/dovetail.index", f->root), &err));
	OK(index_open(mem_printf(f, "%s/dovetail.index", f->root), 0600,
		      &f->index, &err));
	fixture_reopen(f);
}

void fixture_sync(struct fixture *f)
{
	struct err err;

	OK(maildir_driver.sync(f->box, false, &err));
}

static struct index_txn *begin(struct fixture *f, enum index_mode mode,
			       struct index_box *row)
{
	struct index_txn *txn = NULL;
	struct err err;

	OK(index_begin(f->index, mode, &txn, &err));
	OK(index_box_get(txn, f->box->id, row, &err));
	return txn;
}

struct index_box fixture_row(struct fixture *f)
{
	struct index_box row;
	struct index_txn *txn = begin(f, INDEX_READ, &row);

	index_rollback(&txn);
	return row;
}

char *fixture_mails(struct fixture *f)
{
	CLEANUP(buf_free) struct buf out = buf_init(65536);
	struct index_record record = {.uid = 0};
	struct index_box row;
	struct index_txn *txn = begin(f, INDEX_READ, &row);

	while (index_record_next(txn, row.id, record.uid + 1, &record)) {
		uint32_t letters = (uint32_t)record.keywords.bits[0];
		char name[1 + FILE_FLAGS_ROOM];

		file_name_flags_put(name, STR("x"), record.flags, letters);
		buf_printf(&out, "%s%u:%s", out.len > 0 ? " " : "", record.uid,
			   name + 4);
	}
	index_rollback(&txn);
	return buf_steal(f->box, &out);
}

void fixture_save(struct fixture *f, const char *text, uint8_t flags,
		  uint32_t letters)
{
	struct index_txn *txn = NULL;
	struct driver_save *save = NULL;
	struct index_box row;
	struct str driver;
	struct err err;

	if (f->box->id == 0)
		fixture_sync(f);
	OK(maildir_driver.save_begin(f->box, f->box, &save, &err));
	OK(file_write_all(save->fd, text, strlen(text), save->temp, &err));
	save->received = 1600000000;
	OK(maildir_driver.save_complete(save, &err));
	save->size_physical = save->size_virtual = strlen(text);
	save->flags = flags;
	save->keywords.bits[0] = letters;
	txn = begin(f, INDEX_WRITE, &row);
	OK(maildir_driver.save_publish(f->box, txn, &row, &save, 1, &driver,
				       &err));
	struct index_record record = {
		.uid = save->uid,
		.flags = flags,
		.keywords = save->keywords,
		.received = save->received,
		.size_physical = save->size_physical,
		.size_virtual = save->size_virtual,
		.driver = driver,
	};
	OK(index_record_append(txn, &row, &record, &err));
	OK(maildir_driver.flush(txn, f->box, &row, false, &err));
	OK(index_commit(&txn, &err));
	maildir_driver.save_end(save);
}

void fixture_flags(struct fixture *f, uint32_t uid, uint8_t flags,
		   uint32_t letters)
{
	struct index_record record;
	struct index_box row;
	struct index_txn *txn = begin(f, INDEX_WRITE, &row);
	struct err err;

	OK(index_record_get(txn, row.id, uid, &record, &err));
	record.flags = flags;
	record.keywords.bits[0] = letters;
	OK(maildir_driver.write_flags(f->box, txn, f->box, &row, &record,
				      &err));
	OK(index_record_put(txn, &row, &record, &err));
	OK(maildir_driver.flush(txn, f->box, &row, false, &err));
	OK(index_commit(&txn, &err));
}

void fixture_expunge(struct fixture *f, uint32_t uid)
{
	struct index_record record;
	struct index_box row;
	struct index_txn *txn = begin(f, INDEX_WRITE, &row);
	struct err err;

	OK(index_record_get(txn, row.id, uid, &record, &err));
	OK(maildir_driver.remove_mail(txn, f->box, &row, &record, &err));
	OK(index_record_expunge(txn, &row, uid, &err));
	OK(maildir_driver.flush(txn, f->box, &row, false, &err));
	OK(index_commit(&txn, &err));
}

static char *in_box(struct fixture *f, const char *path)
{
	return mem_printf(f->box, "%s/%s", f->box->path, path);
}

void fixture_file(struct fixture *f, const char *path, const char *text)
{
	int fd = open(in_box(f, path), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct err err;

	assert_true(fd >= 0);
	OK(file_write_all(fd, text, strlen(text), path, &err));
	close(fd);
}

void fixture_move(struct fixture *f, const char *from, const char *to)
{
	assert_int_equal(rename(in_box(f, from), in_box(f, to)), 0);
}

bool fixture_has(struct fixture *f, const char *path)
{
	return access(in_box(f, path), F_OK) == 0;
}

char *fixture_text(struct fixture *f, const char *path)
{
	CLEANUP(buf_free) struct buf out = buf_init(1 << 20);
	struct err err;

	OK(file_read(in_box(f, path), &out, &err));
	return buf_steal(f->box, &out);
}

unsigned fixture_count(struct fixture *f, const char *sub)
{
	DIR *dir = opendir(in_box(f, sub));
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}
