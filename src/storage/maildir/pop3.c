/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/pop3.c - what the uidlist keeps for POP3: P is the UIDL of a
 * mail, O a number by which mails are listed.
 */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/mailbox.h"
#include "storage/maildir/maildir.h"

enum { UIDL_MAX = 255, EXT_MAX = 4096 };

char *maildir_special(const void *ctx, const struct index_record *record,
		      enum mail_special what)
{
	struct record_name name;
	struct file_name file;
	struct str field = {NULL, 0};

	if (!record_name_get(record->driver, &name))
		return NULL;
	if (what == MAIL_POP3_UIDL)
		field = ext_field(name.ext, 'P');
	else if (what == MAIL_POP3_ORDER)
		field = ext_field(name.ext, 'O');
	/* An empty P stands for the base name. */
	if (what == MAIL_FILE_NAME ||
	    (what == MAIL_POP3_UIDL && field.data != NULL && field.len == 0)) {
		file_name_parse(name.name, &file);
		field = file.base;
	}
	return field.data == NULL || field.len == 0 ? NULL
						    : str_dup(ctx, field);
}

/* It must not look like two fields, or like the base name. */
static bool can_be_field(const char *uidl)
{
	size_t len = strlen(uidl);

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)uidl[i] <= ' ' || uidl[i] == 0x7f)
			return false;
	}
	return len > 0 && len <= UIDL_MAX;
}

/* 1 if the record has changed. */
static int add_uidl(const void *ctx, struct index_txn *txn,
		    struct index_box *index_box, const struct mail_uidl *uidl,
		    struct err *err)
{
	CLEANUP(buf_free) struct buf ext = buf_init(EXT_MAX);
	struct index_record record;
	struct record_name name;

	if (index_record_get(txn, index_box->id, uidl->uid, &record, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	if (!record_name_get(record.driver, &name) ||
	    ext_field(name.ext, 'P').data != NULL || !can_be_field(uidl->uidl))
		return 0;
	buf_add_str(&ext, name.ext);
	buf_printf(&ext, "%sP%s", name.ext.len > 0 ? " " : "", uidl->uidl);
	if (ext.overflow)
		return 0;
	record.driver = record_name_make(ctx, name.dir, name.name,
					 str_n(ext.data, ext.len));
	return index_record_put(txn, index_box, &record, err) < 0 ? -1 : 1;
}

/* Under the lock: what others have put into the uidlist stays there. */
static int save(struct index_txn *txn, struct driver_box *box,
		struct index_box *index_box, const struct mail_uidl *uidls,
		size_t count, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "uidls");
	struct maildir_state state;
	bool changed = false;

	if (sync_within(box, txn, index_box, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		int ret = add_uidl(ctx, txn, index_box, &uidls[i], err);

		if (ret < 0)
			return -1;
		changed = changed || ret > 0;
	}
	state_get(index_box, &state);
	if (changed && uidlist_rewrite(box, txn, index_box, &state, err) < 0)
		return -1;
	state_put(index_box, &state);
	return index_box_put(txn, index_box, err);
}

int maildir_save_uidls(struct index_txn *txn, struct driver_box *box,
		       struct index_box *index_box,
		       const struct mail_uidl *uidls, size_t count,
		       struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "uidls");
	char *path = uidlist_path(ctx, box);
	int ret;

	if (maildir_lock(box, path, err) < 0)
		return -1;
	ret = save(txn, box, index_box, uidls, count, err);
	dotlock_release(path);
	return ret;
}
