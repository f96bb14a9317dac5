/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/save.c - new mails: their text goes to a temporary file, and at
 * the commit behind the others, under the lock.
 *
 * The journal tells of them first, so that a kill or a power cut leaves all of
 * them or none.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "mime/header.h"
#include "mime/imap.h"
#include "storage/mbox/mbox.h"
#include "storage/user.h"

enum {
	BLOCK_MAX = 1 << 30,
	PIECE = 65536,
	HEADER_PIECE = 8192,
	HEADS_MAX = 2097152,
	SENDER_MAX = 256,
};

struct mbox_save {
	struct driver_save pub; /* first */
	struct mbox_spool *spool;
	uint64_t from, to; /* the text in it, when it is complete */
	bool complete;
	uint64_t virtual; /* octets of it with CRLF */
	uint64_t body;    /* where it begins in the text */
	uint64_t body_virtual;
	bool base; /* X-IMAPbase is in its header */
	/* In publish->heads; none: it was too much. */
	size_t head, head_len;
	/* Where the mails of the transaction were put. */
	uint64_t start, end;
	bool published;
};

static struct mbox_save *save_of(struct driver_save *save)
{
	return save->driver;
}

int mbox_save_begin(const void *ctx, struct driver_box *box,
		    struct driver_save **out, struct err *err)
{
	struct mbox_save *save = mem_new(ctx, struct mbox_save);

	(void)err;
	save->pub.box = box;
	save->pub.fd = -1;
	save->pub.driver = save;
	save->spool = mbox_spool_begin(box, &save->from);
	*out = &save->pub;
	return 0;
}

int mbox_save_write(struct driver_save *pub, const void *data, size_t len,
		    struct err *err)
{
	struct mbox_save *save = save_of(pub);

	return mbox_spool_write(save->spool, data, len, err);
}

int mbox_save_complete(struct driver_save *pub, struct err *err)
{
	struct mbox_save *save = save_of(pub);

	(void)err;
	save->to = mbox_spool_complete(save->spool);
	save->complete = true;
	return 0;
}

int mbox_save_link(const void *ctx, struct driver_box *box,
		   struct driver_box *from, const struct index_record *record,
		   struct driver_save **out, struct err *err)
{
	(void)ctx;
	(void)from;
	(void)record;
	(void)out;
	return err_set(err, ERR_UNSUPPORTED, "%s: no links to a mail in a file",
		       box->path);
}

/* a mail as it goes to the file: "From " line, header, body, line end */

struct publish {
	struct mbox_sync *sync;
	struct digest *md5;
	struct mbox_journal *journal;
	struct buf text;  /* for mbox_spool_read() */
	struct buf block; /* the header of one */
	/* "From " lines and headers, between the first look at the mails and
	 * the second: all of them that are not too much. */
	struct buf heads;
	uint32_t last_uid;
	uint64_t at; /* of the next mail in the file */
	uint64_t base_at;
};

static int put(struct publish *publish, struct str text, struct err *err)
{
	return mbox_journal_add(publish->journal, text.data, text.len, err);
}

static int get_text(struct publish *publish, const struct mbox_save *save,
		    uint64_t at, size_t len, struct str *out, struct err *err)
{
	return mbox_spool_read(save->spool, save->from + at, len,
			       &publish->text, out, err);
}

/* The scanner takes what follows for the body, and so it is. */
static void cut_header(struct str *header, size_t max)
{
	if (header->len > max)
		header->len = max;
	while (header->len > 1 && header->data[header->len - 1] != '\n')
		header->len--;
}

/* The header with its empty line, or all there is: *out is valid until the next
 * get_text(). Returns 1 if it has that line. */
static int read_header(struct publish *publish, const struct mbox_save *save,
		       struct str *out, struct err *err)
{
	uint64_t size = save->to - save->from;
	uint64_t max = save->pub.box->location->settings->mail_max_header_size;
	size_t len;

	for (uint64_t want = HEADER_PIECE;; want *= 4) {
		uint64_t take = want < size ? want : size;

		if (get_text(publish, save, 0, (size_t)take, out, err) < 0)
			return -1;
		len = header_end(*out);
		if (len > 0 || take == size || want >= max)
			break;
	}
	if (len > 0)
		out->len = len;
	else if (out->len < size)
		cut_header(out, (size_t)max);
	return len > 0;
}

/* A line in a header that looks like the beginning of a mail would be one. */
static void guard_header(struct str block, struct buf *out)
{
	struct str rest = block;
	ptrdiff_t at;
	int64_t ignored;

	while ((at = str_find(rest, STR("\nFrom "))) >= 0) {
		struct str line = str_from(rest, (size_t)at + 1);
		ptrdiff_t eol = str_find_char(line, '\n');

		buf_append(out, rest.data, (size_t)at + 1);
		if (eol >= 0)
			line.len = (size_t)eol;
		if (mbox_from_parse(line, &ignored))
			buf_putc(out, '>');
		rest = str_from(rest, (size_t)at + 1);
	}
	buf_add_str(out, rest);
}

/* One that a "From " line may have. */
static bool is_sender(struct str sender)
{
	for (size_t i = 0; i < sender.len; i++) {
		if ((unsigned char)sender.data[i] <= ' ' ||
		    sender.data[i] == '"')
			return false;
	}
	return sender.len > 0 && sender.len < SENDER_MAX;
}

/* As other programs see it: that of the mail it is a copy of, or of
 * Return-Path, which deliveries have. */
static void find_sender(const char *copied, struct str block,
			char out[SENDER_MAX])
{
	struct header_field field;
	struct str sender = STR("");

	if (copied != NULL && is_sender(str_of(copied))) {
		sender = str_of(copied);
	} else if (header_find(block, "return-path", &field)) {
		sender = str_trim(field.value);
		if (sender.len > 1 && sender.data[0] == '<' &&
		    sender.data[sender.len - 1] == '>')
			sender = str_n(sender.data + 1, sender.len - 2);
	}
	if (!is_sender(sender))
		sender = STR("MAILER-DAEMON");
	memcpy(out, sender.data, sender.len);
	out[sender.len] = '\0';
}

static uint64_t body_len(const struct mbox_save *save)
{
	return save->to - save->from - save->body;
}

/* The header as it will be but for the fields that are ours, to
 * publish->block. */
static int take_header(struct publish *publish, struct mbox_save *save,
		       struct err *err)
{
	struct buf *out = &publish->block;
	struct str block;
	int ends = read_header(publish, save, &block, err);

	if (ends < 0)
		return -1;
	save->body = block.len;
	save->body_virtual = save->virtual - crlf_size(block, false);
	buf_reset(out);
	guard_header(block, out);
	if (out->len > 0 && out->data[out->len - 1] != '\n')
		buf_putc(out, '\n');
	if (ends == 0 && block.len == save->to - save->from &&
	    header_end(str_n(out->data, out->len)) == 0)
		buf_putc(out, '\n');
	return 0;
}

/* "From " line and header of it, behind what is in `out`. */
static int make_head(struct publish *publish, struct mbox_save *save,
		     struct buf *out, uint32_t *from_len_out, struct err *err)
{
	struct mbox_sync *sync = publish->sync;
	struct mbox_fields fields = {
		.uid_validity = sync->row->uid_validity,
		.names = sync->names,
		.name_count = sync->name_count,
		.uid = save->pub.uid,
		.last_uid = publish->last_uid,
		.flags = save->pub.flags,
		.keywords = &save->pub.keywords,
		.base = save->base,
	};
	char sender[SENDER_MAX];
	size_t start = out->len;
	struct str block;

	if (take_header(publish, save, err) < 0)
		return -1;
	block = str_n(publish->block.data, publish->block.len);
	fields.content_length = body_len(save);
	find_sender(save->pub.sender, block, sender);
	mbox_from_write(sender, save->pub.received, out);
	*from_len_out = (uint32_t)(out->len - start);
	mbox_header_compose(block, &fields, out);
	return out->overflow ? err_set(err, ERR_LIMIT, "header is too long")
			     : 0;
}

/* What clients will see of it. */
static void set_sizes(const struct publish *publish, struct mbox_save *save,
		      struct str header, struct mbox_record *record)
{
	struct mbox_header parsed;

	mbox_header_parse(header, publish->md5,
			  mbox_md5_all(save->pub.box->location), &parsed);
	memcpy(record->md5, parsed.md5, sizeof(record->md5));
	save->pub.size_physical = parsed.size + record->body_len;
	save->pub.size_virtual = parsed.virtual + save->body_virtual;
}

/* the transaction */

/* The place of one: the head is as long as it will be. */
static int lay_out(const void *ctx, struct publish *publish,
		   struct mbox_save *save, struct str *driver_data_out,
		   struct err *err)
{
	struct mbox_record record = {.offset = publish->at, .end_len = 1};
	struct buf *heads = &publish->heads;
	struct str head;

	save->base = publish->sync->state.base_at == 0 && publish->base_at == 0;
	save->head = heads->len;
	save->virtual = save->pub.size_virtual;
	if (make_head(publish, save, heads, &record.from_len, err) < 0)
		return -1;
	head = str_n(heads->data + save->head, heads->len - save->head);
	save->head_len = head.len;
	record.header_len = (uint32_t)(head.len - record.from_len);
	record.body_len = body_len(save);
	if (save->base)
		publish->base_at =
			publish->at + record.from_len +
			mbox_base_digits(str_from(head, record.from_len));
	set_sizes(publish, save, str_from(head, record.from_len), &record);
	*driver_data_out = mbox_record_make(ctx, &record);
	publish->at = mbox_record_end(&record);
	if (heads->len > HEADS_MAX) {
		buf_truncate(heads, save->head);
		save->head_len = 0; /* made once more */
	}
	return 0;
}

static int copy_body(struct publish *publish, const struct mbox_save *save,
		     struct err *err)
{
	uint64_t from = save->body, to = save->to - save->from;

	while (from < to) {
		size_t take = to - from < PIECE ? (size_t)(to - from) : PIECE;
		struct str text;

		if (get_text(publish, save, from, take, &text, err) < 0 ||
		    put(publish, text, err) < 0)
			return -1;
		from += take;
	}
	return 0;
}

static int write_one(struct publish *publish, struct mbox_save *save,
		     struct err *err)
{
	struct buf *heads = &publish->heads;
	size_t kept = heads->len;
	struct str head = str_n(heads->data + save->head, save->head_len);
	uint32_t ignored;

	if (head.len == 0) {
		if (make_head(publish, save, heads, &ignored, err) < 0)
			return -1;
		head = str_n(heads->data + kept, heads->len - kept);
	}
	if (put(publish, head, err) < 0 || copy_body(publish, save, err) < 0)
		return -1;
	buf_truncate(heads, kept);
	return put(publish, STR("\n"), err);
}

/* UIDs are taken before any mail has them, where X-IMAPbase is not part of what
 * comes. */
static int take_uids(struct publish *publish, struct err *err)
{
	struct mbox_sync *sync = publish->sync;

	return sync->state.base_at == 0
		       ? 0
		       : mbox_put_last_uid(sync, sync->state.base_at,
					   sync->state.base_uid,
					   publish->last_uid, err);
}

static void note_uids(const struct publish *publish)
{
	struct mbox_state *state = &publish->sync->state;

	if (state->base_at == 0) {
		state->base_at = publish->base_at;
		state->base_names = mbox_named(publish->sync);
	}
	state->base_uid = publish->last_uid;
}

/* A file whose last line has no end needs one. */
static int find_lead(struct publish *publish, struct str *out, struct err *err)
{
	struct mbox_sync *sync = publish->sync;
	char last = '\n';

	if (sync->size > 0 && mbox_read_at(sync->box, sync->fd, &last, 1,
					   sync->size - 1, err) < 0)
		return -1;
	*out = last == '\n' ? STR("") : STR("\n");
	publish->at = sync->size + out->len;
	return 0;
}

/* First where all of them will be, then they are written. */
static int write_all(const void *ctx, struct publish *publish,
		     struct driver_save **saves, size_t count,
		     struct str *driver_data_out, struct err *err)
{
	struct mbox_sync *sync = publish->sync;
	uint32_t uid = sync->row->uid_next;
	struct str lead;

	if (uid > UINT32_MAX - count - 1)
		return err_set(err, ERR_LIMIT, "no UIDs are left");
	publish->last_uid = uid + (uint32_t)count - 1;
	if (find_lead(publish, &lead, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		saves[i]->uid = uid++;
		if (lay_out(ctx, publish, save_of(saves[i]),
			    &driver_data_out[i], err) < 0)
			return -1;
	}
	mbox_journal_expect(publish->journal, publish->at - sync->size);
	if (take_uids(publish, err) < 0 || put(publish, lead, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (write_one(publish, save_of(saves[i]), err) < 0)
			return -1;
	}
	if (mbox_journal_commit(publish->journal, err) < 0)
		return -1;
	note_uids(publish);
	return 0;
}

static int append_mails(const void *ctx, struct publish *publish,
			struct driver_save **saves, size_t count,
			struct str *driver_data_out, struct err *err)
{
	struct mbox_sync *sync = publish->sync;

	if (mbox_journal_begin(sync->ctx, sync->box, MBOX_JOURNAL_APPEND,
			       sync->fd, sync->size, 0, &publish->journal,
			       err) < 0)
		return -1;
	publish->journal->thorough = count > 1;
	if (write_all(ctx, publish, saves, count, driver_data_out, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct mbox_save *save = save_of(saves[i]);

		save->published = true;
		save->start = sync->size;
		save->end = mbox_journal_at(publish->journal);
	}
	return 0;
}

static int append(const void *ctx, struct mbox_sync *sync,
		  struct driver_save **saves, size_t count,
		  struct str *driver_data_out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *work = mem_ctx(NULL, "append");
	struct publish publish = {
		.sync = sync,
		.md5 = digest_new(work, "md5"),
		.text = buf_init(BLOCK_MAX),
		.block = buf_init(BLOCK_MAX),
		.heads = buf_init(BLOCK_MAX),
	};
	int ret;

	if (publish.md5 == NULL)
		return err_set(err, ERR_UNSUPPORTED, "MD5 is not to be had");
	ret = append_mails(ctx, &publish, saves, count, driver_data_out, err);
	mem_free(publish.journal);
	buf_free(&publish.text);
	buf_free(&publish.block);
	buf_free(&publish.heads);
	if (ret < 0)
		return -1;
	sync->state.messages += (uint32_t)count;
	sync->state.valid = true;
	return mbox_state_take_file(&sync->state, sync->fd, true, err);
}

/* What the file has without UIDs gets them first, and so do keywords their
 * names. */
static int prepare(struct mbox_sync *sync, struct err *err)
{
	const struct mbox_state *state = &sync->state;

	if (!sync->urgent && !state->gaps &&
	    (state->base_at != 0 ? state->base_names == mbox_named(sync)
				 : state->messages == 0))
		return 0;
	/* Before mails use them, also after a power cut. */
	if (mbox_write(sync, err) < 0 ||
	    mbox_fsync(sync->box, sync->fd, err) < 0)
		return -1;
	sync->size = sync->state.size;
	return 0;
}

int mbox_save_publish(const void *ctx, struct index_txn *txn,
		      struct index_box *index_box, struct driver_save **saves,
		      size_t count, struct str *driver_data_out,
		      struct err *err)
{
	CLEANUP(mbox_unlock) struct mbox_lock lock = {.fd = -1};
	struct mbox_sync sync;

	if (count == 0)
		return 0;
	if (mbox_update_begin(ctx, saves[0]->box, txn, index_box, NULL, &sync,
			      &lock, err) < 0 ||
	    prepare(&sync, err) < 0 ||
	    append(ctx, &sync, saves, count, driver_data_out, err) < 0)
		return -1;
	mbox_box_get(saves[0]->box)->names_due =
		sync.state.base_names != mbox_named(&sync);
	mbox_state_put(index_box, &sync.state);
	return index_box_put(txn, index_box, err);
}

/* The index failed: the mails go, unless others came behind them. */
static void take_back(struct mbox_save *save)
{
	CLEANUP(mbox_unlock) struct mbox_lock lock = {.fd = -1};
	struct driver_box *box = save->pub.box;
	struct mbox_box *own;
	struct stat st;
	struct err err;

	if (mbox_file(box, &own, &st, &err) < 0 ||
	    mbox_lock(box, own->fd, MBOX_WRITE, &lock, &err) < 0)
		log_error("Mailbox %s: can't take back a mail: %s", box->name,
			  err.text);
	else if (fstat(own->fd, &st) == 0 &&
		 (uint64_t)st.st_size == save->end &&
		 ftruncate(own->fd, (off_t)save->start) < 0)
		log_error("ftruncate(%s): %s", box->path, strerror(errno));
}

void mbox_save_end(struct driver_save *pub)
{
	struct mbox_save *save = save_of(pub);

	mbox_spool_end(pub->box, save->spool, save->complete);
	if (save->published && pub->failed)
		take_back(save);
	mem_free(save);
}
