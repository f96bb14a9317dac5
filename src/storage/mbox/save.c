/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/save.c - new mails: their text goes to a temporary file, and at
 * the commit behind the others, under the lock.
 *
 * The first "From " is written last, so that the mails appear at once. What a
 * kill leaves before that begins with NULs; the next look at the file cuts it
 * off.
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

enum { BLOCK_MAX = 1 << 30, PIECE = 65536, SENDER_MAX = 256 };

struct mbox_save {
	struct driver_save pub; /* first */
	int fd;                 /* of the text, when it is complete */
	/* Where the mails of the transaction were put. */
	uint64_t start, end;
	bool published;
};

static struct mbox_save *save_of(struct driver_save *save)
{
	return save->driver;
}

static int save_destroy(struct mbox_save *save)
{
	fd_close(&save->fd);
	return 0;
}

int mbox_save_begin(const void *ctx, struct driver_box *box,
		    struct driver_save **out, struct err *err)
{
	struct mbox_save *save;
	int fd = mbox_temp_file(box->location, err);

	if (fd < 0)
		return -1;
	save = mem_new(ctx, struct mbox_save);
	save->fd = -1;
	save->pub.box = box;
	save->pub.fd = fd;
	save->pub.temp = box->location->settings->mail_temp_dir;
	save->pub.driver = save;
	talloc_set_destructor(save, save_destroy);
	*out = &save->pub;
	return 0;
}

int mbox_save_complete(struct driver_save *pub, struct err *err)
{
	(void)err;
	save_of(pub)->fd = pub->fd;
	pub->fd = -1;
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

/* a mail as it goes to the file */

struct publish {
	struct mbox_sync *sync;
	uint64_t start, at;
	size_t lead; /* octets that are written last */
	uint64_t base_at;
};

static size_t empty_line(struct str text)
{
	if (text.len > 0 && text.data[0] == '\n')
		return 1;
	return text.len > 1 && text.data[0] == '\r' && text.data[1] == '\n' ? 2
									    : 0;
}

/* The header with its empty line; all of it if there is none. Returns whether
 * it ends in `text`. */
static bool find_end(struct str text, size_t *len_out)
{
	size_t at = 0;

	while (at < text.len) {
		struct str rest = str_from(text, at);
		size_t empty = empty_line(rest);
		ptrdiff_t eol = str_find_char(rest, '\n');

		if (empty > 0) {
			*len_out = at + empty;
			return true;
		}
		if (eol < 0)
			break;
		at += (size_t)eol + 1;
	}
	*len_out = text.len;
	return false;
}

static int read_header(struct mbox_save *save, struct buf *out, struct err *err)
{
	const struct driver_box *box = save->pub.box;
	uint64_t size = save->pub.size_physical;
	uint64_t max = box->location->settings->mail_max_header_size;
	size_t len;

	for (uint64_t want = PIECE;; want *= 4) {
		uint64_t take = want < size ? want : size;
		char *space;

		buf_reset(out);
		space = buf_space(out, (size_t)take + 1);
		if (space == NULL)
			return err_set(err, ERR_LIMIT, "header is too long");
		if (mbox_read_at(save->pub.box, save->fd, space, (size_t)take,
				 0, err) < 0)
			return -1;
		buf_grew(out, (size_t)take);
		if (find_end(str_n(out->data, out->len), &len))
			break;
		if (take == size)
			break;
		/* The scanner takes what follows for the body, and so it is. */
		if (want >= max) {
			len = (size_t)max;
			while (len > 1 && out->data[len - 1] != '\n')
				len--;
			break;
		}
	}
	buf_truncate(out, len);
	return 0;
}

/* A line in a header that looks like the beginning of a mail would be one. */
static void guard_header(struct str block, struct buf *out)
{
	struct str rest = block;
	int64_t ignored;

	while (rest.len > 0) {
		ptrdiff_t eol = str_find_char(rest, '\n');
		size_t len = eol < 0 ? rest.len : (size_t)eol + 1;
		struct str line = str_n(rest.data, eol < 0 ? len : len - 1);

		if (line.data != block.data && mbox_from_parse(line, &ignored))
			buf_putc(out, '>');
		buf_append(out, rest.data, len);
		rest = str_from(rest, len);
	}
}

/* As other programs see it: of Return-Path, which deliveries have. */
static void find_sender(struct str block, char out[SENDER_MAX])
{
	struct header_field field;
	struct str sender = STR("");

	if (header_find(block, "return-path", &field)) {
		sender = str_trim(field.value);
		if (sender.len > 1 && sender.data[0] == '<' &&
		    sender.data[sender.len - 1] == '>')
			sender = str_n(sender.data + 1, sender.len - 2);
	}
	for (size_t i = 0; i < sender.len; i++) {
		if ((unsigned char)sender.data[i] <= ' ' ||
		    sender.data[i] == '"')
			sender.len = 0;
	}
	if (sender.len == 0 || sender.len >= SENDER_MAX)
		sender = STR("MAILER-DAEMON");
	memcpy(out, sender.data, sender.len);
	out[sender.len] = '\0';
}

static int copy_body(struct publish *publish, struct mbox_save *save,
		     uint64_t from, uint64_t to, struct err *err)
{
	struct driver_box *box = save->pub.box;
	CLEANUP(buf_free) struct buf buf = buf_init(PIECE + 1);
	char *space = buf_space(&buf, PIECE);

	while (from < to) {
		size_t take = to - from < PIECE ? (size_t)(to - from) : PIECE;

		if (mbox_read_at(box, save->fd, space, take, from, err) < 0 ||
		    mbox_write_at(box, publish->sync->fd, space, take,
				  publish->at, err) < 0)
			return -1;
		from += take;
		publish->at += take;
	}
	return 0;
}

/* "From ", header, body, line end. The first one begins with NULs for now. */
struct layout {
	struct buf head;             /* "From " line and header */
	uint64_t body_from, body_to; /* in the temporary file */
	bool add_newline;            /* the body's last line had none */
	uint64_t body_virtual;
};

static int body_layout(struct mbox_save *save, size_t header_len,
		       uint64_t header_virtual, struct layout *out,
		       struct err *err)
{
	char last = '\n';

	out->body_from = header_len;
	out->body_to = save->pub.size_physical;
	out->body_virtual = save->pub.size_virtual - header_virtual;
	if (out->body_to > out->body_from &&
	    mbox_read_at(save->pub.box, save->fd, &last, 1, out->body_to - 1,
			 err) < 0)
		return -1;
	out->add_newline = last != '\n';
	return 0;
}

static uint64_t body_len(const struct layout *layout)
{
	return layout->body_to - layout->body_from +
	       (layout->add_newline ? 1 : 0);
}

static void make_head(struct publish *publish, struct mbox_save *save,
		      struct str block, struct layout *layout,
		      struct mbox_record *record)
{
	struct mbox_sync *sync = publish->sync;
	CLEANUP(buf_free) struct buf guarded = buf_init(BLOCK_MAX);
	struct mbox_fields fields = {
		.uid_validity = sync->row->uid_validity,
		.names = sync->names,
		.name_count = sync->name_count,
		.uid = save->pub.uid,
		.last_uid = save->pub.uid,
		.flags = save->pub.flags,
		.keywords = &save->pub.keywords,
		.content_length = body_len(layout),
		.base = sync->state.base_at == 0 && publish->base_at == 0,
	};
	char sender[SENDER_MAX];
	ptrdiff_t base;

	guard_header(block, &guarded);
	if (guarded.len > 0 && guarded.data[guarded.len - 1] != '\n')
		buf_putc(&guarded, '\n');
	if (layout->body_from == layout->body_to &&
	    !find_end(str_n(guarded.data, guarded.len), &(size_t){0}))
		buf_putc(&guarded, '\n');
	find_sender(block, sender);
	mbox_from_write(sender, save->pub.received, &layout->head);
	record->from_len = (uint32_t)layout->head.len;
	mbox_header_compose(str_n(guarded.data, guarded.len), &fields,
			    &layout->head);
	record->header_len = (uint32_t)(layout->head.len - record->from_len);
	if (!fields.base)
		return;
	base = str_find(str_n(layout->head.data, layout->head.len),
			STR("X-IMAPbase: "));
	while (layout->head.data[base] != ' ')
		base++;
	base++;
	while (layout->head.data[base] != ' ')
		base++;
	publish->base_at = publish->at + (uint64_t)base + 1;
}

/* What clients will see of it. */
static void set_sizes(struct mbox_save *save, const struct layout *layout,
		      struct mbox_record *record)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "md5");
	struct mbox_header header;

	mbox_header_parse(
		str_n(layout->head.data + record->from_len, record->header_len),
		digest_new(ctx, "md5"), mbox_md5_all(save->pub.box->location),
		&header);
	memcpy(record->md5, header.md5, sizeof(record->md5));
	record->body_len = body_len(layout);
	record->end_len = 1;
	save->pub.size_physical = header.size + record->body_len;
	save->pub.size_virtual = header.virtual + layout->body_virtual +
				 (layout->add_newline ? 2 : 0);
}

static int write_parts(struct publish *publish, struct mbox_save *save,
		       struct layout *layout, struct err *err)
{
	struct driver_box *box = save->pub.box;
	int fd = publish->sync->fd;
	size_t skip = publish->at == publish->start ? publish->lead : 0;
	const char *end = layout->add_newline ? "\n\n" : "\n";

	if (layout->head.overflow)
		return err_set(err, ERR_LIMIT, "header is too long");
	/* A line end that the mail before lacks is part of what comes last. */
	if (skip > 0)
		publish->at += skip - strlen("From ");
	if (mbox_write_at(box, fd, layout->head.data + (skip > 0 ? 5 : 0),
			  layout->head.len - (skip > 0 ? 5 : 0),
			  publish->at + (skip > 0 ? 5 : 0), err) < 0)
		return -1;
	publish->at += layout->head.len;
	if (copy_body(publish, save, layout->body_from, layout->body_to, err) <
		    0 ||
	    mbox_write_at(box, fd, end, strlen(end), publish->at, err) < 0)
		return -1;
	publish->at += strlen(end);
	return 0;
}

static int write_one(const void *ctx, struct publish *publish,
		     struct mbox_save *save, struct str *driver_data_out,
		     struct err *err)
{
	CLEANUP(buf_free) struct buf block = buf_init(BLOCK_MAX);
	struct layout layout = {.head = buf_init(BLOCK_MAX)};
	struct mbox_record record = {.offset = publish->at};
	int ret;

	if (publish->at == publish->start)
		record.offset += publish->lead - strlen("From ");
	ret = read_header(save, &block, err);
	if (ret == 0)
		ret = body_layout(
			save, block.len,
			crlf_size(str_n(block.data, block.len), false), &layout,
			err);
	if (ret == 0) {
		make_head(publish, save, str_n(block.data, block.len), &layout,
			  &record);
		ret = write_parts(publish, save, &layout, err);
	}
	if (ret == 0) {
		set_sizes(save, &layout, &record);
		*driver_data_out = mbox_record_make(ctx, &record);
	}
	buf_free(&layout.head);
	return ret;
}

/* the transaction */

static int take_base_uid(struct publish *publish, uint32_t last_uid,
			 struct err *err)
{
	struct mbox_sync *sync = publish->sync;
	uint64_t at =
		publish->base_at != 0 ? publish->base_at : sync->state.base_at;
	char digits[16];

	snprintf(digits, sizeof(digits), "%010u", last_uid);
	if (mbox_write_at(sync->box, sync->fd, digits, 10, at, err) < 0)
		return -1;
	sync->state.base_at = at;
	sync->state.base_uid = last_uid;
	return 0;
}

/* A file whose last line has no end needs one. */
static int find_lead(struct publish *publish, struct err *err)
{
	struct mbox_sync *sync = publish->sync;
	char last = '\n';

	publish->start = publish->at = sync->size;
	if (sync->size > 0 && mbox_read_at(sync->box, sync->fd, &last, 1,
					   sync->size - 1, err) < 0)
		return -1;
	publish->lead = strlen("From ") + (last == '\n' ? 0 : 1);
	return 0;
}

static int write_lead(struct publish *publish, struct err *err)
{
	const char *text = publish->lead > 5 ? "\nFrom " : "From ";

	return mbox_write_at(publish->sync->box, publish->sync->fd, text,
			     publish->lead, publish->start, err);
}

static int write_all(const void *ctx, struct publish *publish,
		     struct driver_save **saves, size_t count,
		     struct str *driver_data_out, struct err *err)
{
	struct mbox_sync *sync = publish->sync;
	uint32_t uid = sync->row->uid_next;

	if (uid > UINT32_MAX - count - 1)
		return err_set(err, ERR_LIMIT, "%s: no UIDs are left",
			       sync->box->path);
	for (size_t i = 0; i < count; i++) {
		saves[i]->uid = uid++;
		if (write_one(ctx, publish, save_of(saves[i]),
			      &driver_data_out[i], err) < 0)
			return -1;
	}
	if (take_base_uid(publish, uid - 1, err) < 0 ||
	    write_lead(publish, err) < 0)
		return -1;
	return mbox_fsync(sync->box, sync->fd, err);
}

static int append(const void *ctx, struct mbox_sync *sync,
		  struct driver_save **saves, size_t count,
		  struct str *driver_data_out, struct err *err)
{
	struct publish publish = {.sync = sync};

	if (find_lead(&publish, err) < 0)
		return -1;
	if (write_all(ctx, &publish, saves, count, driver_data_out, err) < 0) {
		if (ftruncate(sync->fd, (off_t)publish.start) < 0)
			log_error("ftruncate(%s): %s", sync->box->path,
				  strerror(errno));
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		struct mbox_save *save = save_of(saves[i]);

		save->published = true;
		save->start = publish.start;
		save->end = publish.at;
	}
	sync->state.messages += (uint32_t)count;
	sync->state.valid = true;
	return mbox_state_take_file(&sync->state, sync->fd, true, err);
}

/* What the file has without UIDs gets them first. */
static int prepare(struct mbox_sync *sync, struct err *err)
{
	if (!sync->urgent &&
	    (sync->state.base_at != 0 || sync->state.messages == 0) &&
	    !sync->state.gaps)
		return 0;
	if (mbox_write(sync, err) < 0)
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

	fd_close(&pub->fd);
	if (save->published && pub->failed)
		take_back(save);
	mem_free(save);
}
