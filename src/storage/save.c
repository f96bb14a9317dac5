/* SPDX-License-Identifier: MIT */
#include "storage/save.h"

#include <string.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "mime/imap.h"
#include "mime/parse.h"
#include "mime/preview.h"
#include "storage/core.h"
#include "storage/mailbox.h"
#include "storage/quota_core.h"
#include "storage/save_core.h"

/* Text is written in pieces of this size, and parsed on the way. */
enum {
	WRITE_BUFFER = 65536,
	SAVE_MAILS_MAX = 1000000,
	PARSER_SIZE = 24576, /* with the headers of most mails */
};

struct save_mail {
	struct driver_save *file;
	const char **keywords; /* names, NULL at the end; or NULL */
	bool some_keywords;    /* of them, those that can be had */
	bool linked;           /* in the same index: its cache comes from */
	uint32_t from_box, from_uid;
	unsigned epoch; /* of from_box */
	struct cached cached;
};

struct save {
	struct save *prev, *next; /* of the mailbox */
	const void *ctx;          /* of the results */
	struct mailbox *box;      /* NULL once it was closed */
	struct save_mail *mails;
	size_t count, cap;
	/* The mail under way. */
	struct save_mail current;
	bool in_mail;
	const struct mime_message *parsed;
	struct mime_parser *parser;
	TALLOC_CTX *of_parser; /* one after another */
	struct buf buf;
	uint64_t written;
	bool last_cr, last_lf;
	bool cut_off; /* what came so far does not end with a line */
	/* For quotas: of all mails, and of the largest. */
	uint64_t bytes, largest;
	bool copies; /* with a transaction open meanwhile */
	/* MOVE */
	struct mailbox *moves_from; /* whether or not in this transaction: */
	struct mailbox *expunge_from;
	const struct range_set *expunge_uids;
};

void save_detach(struct save *save)
{
	const struct driver *driver = save->box->disk->location->driver;

	if (save->in_mail)
		driver->save_end(save->current.file);
	for (size_t i = 0; i < save->count; i++)
		driver->save_end(save->mails[i].file);
	save->in_mail = false;
	save->count = 0;
	DL_DELETE(save->box->saves, save);
	save->box = NULL;
}

static int save_destroy(struct save *save)
{
	if (save->box != NULL)
		save_detach(save);
	buf_free(&save->buf);
	return 0;
}

struct save *save_begin(const void *ctx, struct mailbox *box)
{
	struct save *save = mem_new(ctx, struct save);

	save->ctx = ctx;
	save->box = box;
	save->buf = buf_init(WRITE_BUFFER * 2);
	DL_APPEND(box->saves, save);
	talloc_set_destructor(save, save_destroy);
	return save;
}

void save_rollback(struct save **save)
{
	mem_free(*save);
	*save = NULL;
}

static const char **copy_names(const void *ctx, const char *const *names)
{
	const char **out;
	size_t count = 0;

	if (names == NULL || names[0] == NULL)
		return NULL;
	while (names[count] != NULL)
		count++;
	out = mem_array(ctx, const char *, count + 1);
	for (size_t i = 0; i < count; i++)
		out[i] = mem_strdup(out, names[i]);
	return out;
}

static void take_options(struct save *save, struct save_mail *mail,
			 const struct save_options *options)
{
	struct driver_save *file = mail->file;

	file->flags = options->flags & (uint8_t)~MAIL_RECENT;
	file->received =
		options->dated ? options->received : (int64_t)time(NULL);
	if (options->guid != NULL)
		file->guid = mem_strdup(save, options->guid);
	if (options->sender != NULL)
		file->sender = mem_strdup(save, options->sender);
	mail->keywords = copy_names(save, options->keywords);
	mail->some_keywords = options->some_keywords;
}

static bool wants_line_end(const struct save *save, bool cut_off)
{
	return cut_off && save->box->disk->location->driver->whole_lines;
}

/* A tree can be used when the text it was made of goes to the disk as it is. */
static bool parsed_fits(const struct save *save,
			const struct mime_message *parsed)
{
	const struct mime_size *size = &parsed->size;

	if (wants_line_end(save, parsed->cut_off))
		return false;
	if (save->box->user->settings.mail_save_crlf)
		return size->physical == size->virtual;
	return size->physical + size->lines == size->virtual;
}

static struct mime_parser *new_parser(struct save *save)
{
	struct mime_parser *parser;
	struct mime_limits limits;

	mail_mime_limits(&save->box->user->settings, &limits);
	if (save->of_parser == NULL)
		save->of_parser = mem_pool(save, PARSER_SIZE);
	parser = mime_parser_new(save->of_parser, &limits);
	preview_new(parser, limits.max_preview);
	return parser;
}

static int may_add(const struct save *save, struct err *err)
{
	if (save->box == NULL)
		return err_set(err, ERR_CLOSED, "the mailbox was closed");
	if (mailbox_may(save->box, RIGHT_INSERT, err) < 0)
		return -1;
	if (save->count >= SAVE_MAILS_MAX)
		return err_set(err, ERR_LIMIT, "too many mails at once");
	return 0;
}

int save_mail_begin(struct save *save, const struct save_options *options,
		    struct err *err)
{
	struct driver_box *disk;

	if (may_add(save, err) < 0)
		return -1;
	disk = save->box->disk;
	save->current = (struct save_mail){0};
	if (disk->location->driver->save_begin(save, disk, &save->current.file,
					       err) < 0)
		return -1;
	take_options(save, &save->current, options);
	save->in_mail = true;
	save->written = 0;
	save->last_cr = save->last_lf = save->cut_off = false;
	buf_reset(&save->buf);
	save->parsed = NULL;
	if (options->parsed != NULL && parsed_fits(save, options->parsed))
		save->parsed = options->parsed;
	save->parser = save->parsed == NULL ? new_parser(save) : NULL;
	return 0;
}

static int write_text(struct save *save, const char *data, size_t len,
		      struct err *err)
{
	struct driver_save *file = save->current.file;
	const struct driver *driver = file->box->location->driver;

	if (driver->save_write != NULL
		    ? driver->save_write(file, data, len, err) < 0
		    : file_write_all(file->fd, data, len, file->temp, err) < 0)
		return -1;
	if (save->parser != NULL)
		mime_parser_feed(save->parser, data, len);
	save->written += len;
	return 0;
}

static int flush(struct save *save, struct err *err)
{
	if (save->buf.len > 0 &&
	    write_text(save, save->buf.data, save->buf.len, err) < 0)
		return -1;
	buf_reset(&save->buf);
	return 0;
}

/* CRLF becomes LF; a CR alone stays. A mail has hundreds of lines: they are
 * copied here, not by buf_append(). */
static void add_lf(struct save *save, const char *data, size_t len)
{
	const char *end = data + len;
	char *space = buf_space(&save->buf, len + 1), *to = space;

	if (len == 0 || space == NULL)
		return;
	if (save->last_cr && data[0] != '\n')
		*to++ = '\r';
	save->last_cr = false;
	while (data < end) {
		const char *cr = memchr(data, '\r', (size_t)(end - data));
		size_t before = (size_t)((cr == NULL ? end : cr) - data);

		memcpy(to, data, before);
		to += before;
		data += before;
		if (cr == NULL)
			break;
		data++;
		if (data == end)
			save->last_cr = true;
		else if (*data != '\n')
			*to++ = '\r';
	}
	buf_grew(&save->buf, (size_t)(to - space));
}

static void add_crlf(struct save *save, const char *data, size_t len)
{
	crlf_append(str_n(data, len), &save->last_lf, &save->buf);
}

int save_mail_write(struct save *save, const void *data, size_t len,
		    struct err *err)
{
	const char *at = data;

	if (!save->in_mail)
		return err_set(err, ERR_CLOSED, "no mail is being saved");
	if (len > 0)
		save->cut_off = at[len - 1] != '\n';
	if (save->parsed != NULL) /* which has no line ends to change */
		return write_text(save, data, len, err);
	while (len > 0) {
		/* CRLF may be twice as long. */
		size_t take = len < WRITE_BUFFER / 2 ? len : WRITE_BUFFER / 2;

		if (save->box->user->settings.mail_save_crlf)
			add_crlf(save, at, take);
		else
			add_lf(save, at, take);
		if (save->buf.len >= WRITE_BUFFER && flush(save, err) < 0)
			return -1;
		at += take;
		len -= take;
	}
	return 0;
}

void saves_pending(const struct mailbox *box, uint64_t *bytes,
		   uint32_t *messages)
{
	const struct save *save;

	DL_FOREACH (box->saves, save) {
		*bytes += save->bytes;
		*messages += (uint32_t)save->count;
	}
}

/* With `mails` more, of so many octets. `txn` as for quota_check(). */
static int may_hold(const struct save *save, unsigned mails, uint64_t octets,
		    struct index_txn *txn, struct err *err)
{
	const struct quota_demand demand = {
		.box = save->box,
		.from = save->moves_from,
		.largest = octets > save->largest ? octets : save->largest,
		.bytes = octets,
		.messages = mails,
	};

	return quota_check(&demand, txn, err);
}

/* The tree of the mail, all of whose text is there. */
static int end_text(struct save *save, const struct mime_message **message_out,
		    struct err *err)
{
	const struct mime_message *message = save->parsed;

	if (wants_line_end(save, save->cut_off) &&
	    save_mail_write(save, "\n", 1, err) < 0)
		return -1;
	if (save->last_cr)
		buf_putc(&save->buf, '\r');
	if (flush(save, err) < 0)
		return -1;
	if (message == NULL)
		message = mime_parser_end(save->parser);
	if (message->size.physical != save->written)
		return err_set(err, ERR_TEMPORARY,
			       "the parsed mail has %ju octets, not %ju",
			       (uintmax_t)message->size.physical,
			       (uintmax_t)save->written);
	*message_out = message;
	return 0;
}

static struct save_mail *add_mail(struct save *save,
				  const struct save_mail *mail)
{
	if (save->count == save->cap) {
		save->cap = save->cap == 0 ? 4 : save->cap * 2;
		save->mails = mem_resize(save, save->mails, struct save_mail,
					 save->cap);
	}
	save->mails[save->count] = *mail;
	save->bytes += mail->file->size_virtual;
	if (mail->file->size_virtual > save->largest)
		save->largest = mail->file->size_virtual;
	return &save->mails[save->count++];
}

int save_mail_finish(struct save *save, struct err *err)
{
	struct driver_save *file = save->current.file;
	const struct mime_message *message = NULL;

	if (!save->in_mail)
		return err_set(err, ERR_CLOSED, "no mail is being saved");
	/* Before it is durable, and before a script's delivery tells anybody.
	 */
	if (end_text(save, &message, err) < 0 ||
	    (!save->copies &&
	     may_hold(save, 1, message->size.virtual, NULL, err) < 0) ||
	    file->box->location->driver->save_complete(file, err) < 0)
		return -1;
	file->size_physical = message->size.physical;
	file->size_virtual = message->size.virtual;
	cached_make(save, message, &save->current.cached);
	cached_sort_make(save, message->root->header_text,
			 &save->current.cached);
	mem_free(save->parser);
	save->parser = NULL;
	save->in_mail = false;
	add_mail(save, &save->current);
	return 0;
}

void save_mail_cancel(struct save *save)
{
	if (!save->in_mail)
		return;
	save->box->disk->location->driver->save_end(save->current.file);
	mem_free(save->parser);
	save->parser = NULL;
	save->in_mail = false;
}

int save_add_link(struct save *save, struct mailbox *from,
		  struct index_txn *txn, const struct index_record *record,
		  const struct save_options *options, struct err *err)
{
	struct save_mail mail = {0};
	struct driver_box *to;

	if (may_add(save, err) < 0)
		return -1;
	to = save->box->disk;
	if (from->disk->location->driver != to->location->driver)
		return err_set(err, ERR_UNSUPPORTED, "formats differ");
	if (to->location->driver->save_link(save, to, from->disk, record,
					    &mail.file, err) < 0)
		return -1;
	take_options(save, &mail, options);
	mail.file->size_physical = record->size_physical;
	mail.file->size_virtual = record->size_virtual;
	mail.linked = from->store == save->box->store;
	mail.from_box = from->disk->id;
	mail.from_uid = record->uid;
	mail.epoch = from->disk->epoch;
	if (!mail.linked)
		cached_read(save, txn, from->disk->id, record->uid,
			    &mail.cached);
	add_mail(save, &mail);
	return 0;
}

int save_copies(struct save *save, unsigned mails, struct mailbox *moves_from,
		struct err *err)
{
	save->copies = true;
	save->moves_from = moves_from;
	return may_hold(save, mails, 0, NULL, err);
}

void save_expunge_from(struct save *save, struct mailbox *from,
		       const struct range_set *uids)
{
	save->expunge_from = from;
	save->expunge_uids = uids;
}

/* the transaction */

struct commit {
	struct save *save;
	struct index_txn *txn;
	struct index_box row;
	struct quota_change change;
	struct driver_save **files;
	struct str *driver_data;
	bool new_keywords;
	/* Originals of a move that may be gone: the copies must stay. */
	struct range_set gone;
};

/* Bits for keywords, and what the index will need. */
static int prepare(struct commit *commit, struct err *err)
{
	struct save *save = commit->save;

	for (size_t i = 0; i < save->count; i++) {
		struct save_mail *mail = &save->mails[i];
		bool added;

		if (keywords_to_bits(save->box->user, commit->txn,
				     commit->row.id,
				     (const char *const *)mail->keywords,
				     !mail->some_keywords,
				     &mail->file->keywords, &added, err) < 0)
			return -1;
		commit->new_keywords = commit->new_keywords || added;
		commit->files[i] = mail->file;
	}
	return 0;
}

static int append_one(struct commit *commit, const struct save_mail *mail,
		      struct str driver_data, struct err *err)
{
	struct index_record record = {
		.uid = mail->file->uid,
		.flags = mail->file->flags,
		.keywords = mail->file->keywords,
		.received = mail->file->received,
		.saved = (int64_t)time(NULL),
		.size_physical = mail->file->size_physical,
		.size_virtual = mail->file->size_virtual,
		.driver = driver_data,
	};

	if (index_record_append(commit->txn, &commit->row, &record, err) < 0)
		return -1;
	if (!mailbox_caches(commit->save->box, &commit->row))
		return 0;
	if (mail->linked && mail->epoch == commit->save->box->store->epoch)
		return index_cache_copy(commit->txn, mail->from_box,
					mail->from_uid, commit->row.id,
					record.uid, err);
	return cached_write(commit->txn, commit->save->box, commit->row.id,
			    record.uid, &mail->cached, err);
}

static int append_all(struct commit *commit, struct err *err)
{
	for (size_t i = 0; i < commit->save->count; i++) {
		if (append_one(commit, &commit->save->mails[i],
			       commit->driver_data[i], err) < 0)
			return -1;
	}
	return 0;
}

static int expunge_originals(struct commit *commit, struct err *err)
{
	struct mailbox *from = commit->save->expunge_from;
	struct index_counts before;
	struct index_box row;

	if (from == NULL)
		return 0;
	if (from->disk->epoch != from->store->epoch)
		return err_set(err, ERR_TEMPORARY,
			       "the index was made anew meanwhile");
	if (from->disk->id == commit->row.id)
		return expunge_uids(from, commit->txn, &commit->row,
				    commit->save->expunge_uids, &commit->gone,
				    err);
	if (box_get(from->disk, commit->txn, &row, err) < 0)
		return -1;
	before = row.counts;
	if (expunge_uids(from, commit->txn, &row, commit->save->expunge_uids,
			 &commit->gone, err) < 0)
		return -1;
	commit->change.from = from;
	commit->change.removed = quota_difference(&before, &row.counts);
	return 0;
}

/* What was moved on the disk is moved: the next sync tells the index. */
static int commit_index(struct commit *commit, struct err *err)
{
	const struct mailbox *box = commit->save->box;

	if (index_commit(&commit->txn, err) == 0)
		return 0;
	if (commit->gone.count == 0)
		return -1;
	log_error("Mailbox %s: mails were moved, but not in the index: %s",
		  box->name, err->text);
	store_failed(box->store, err);
	return 0;
}

static int put_in(struct commit *commit, struct err *err)
{
	struct save *save = commit->save;
	struct driver_box *disk = save->box->disk;
	const struct driver *driver = disk->location->driver;
	const struct index_counts before = commit->row.counts;

	quota_hold(save->box);
	if (may_hold(save, 0, 0, commit->txn, err) < 0 ||
	    prepare(commit, err) < 0 ||
	    driver->save_publish(save, commit->txn, &commit->row, commit->files,
				 save->count, commit->driver_data, err) < 0 ||
	    append_all(commit, err) < 0 ||
	    driver->flush(commit->txn, disk, &commit->row, commit->new_keywords,
			  err) < 0 ||
	    expunge_originals(commit, err) < 0 || commit_index(commit, err) < 0)
		return -1;
	commit->change.to = save->box;
	commit->change.added = quota_difference(&before, &commit->row.counts);
	commit->change.unknown = commit->row.counts.size_unknown > 0;
	quota_changed(&commit->change);
	return 0;
}

/* Else nobody can have seen the mails. */
static bool is_published(const struct save *save)
{
	return save->count > 0 && save->mails[0].file->uid != 0;
}

/* The driver takes back what it published when the index fails: the sender is
 * told so and tries again. Not so in a move whose originals may be gone. */
static int commit_run(struct commit *commit, struct err *err)
{
	struct save *save = commit->save;

	if (put_in(commit, err) == 0)
		return 0;
	for (size_t i = 0; i < save->count && is_published(save); i++)
		save->mails[i].file->failed = commit->gone.count == 0;
	return store_failed(save->box->store, err);
}

/* A record, its place in the tables, and slack in their pages. */
enum { RECORD_COST = 1024 };

static uint64_t index_cost(const struct save *save)
{
	uint64_t cost = 0;

	for (size_t i = 0; i < save->count; i++) {
		cost += RECORD_COST + 2 * cached_size(&save->mails[i].cached);
		if (save->mails[i].linked)
			cost += 8 * RECORD_COST;
	}
	return cost;
}

/* Those of a move always in the same order, lest two wait for each other. */
static int lock_both(const struct save *save, struct driver_box *locked[2],
		     struct err *err)
{
	struct driver_box *to = save->box->disk, *from = NULL;

	if (save->expunge_from != NULL)
		from = save->expunge_from->disk;
	if (from != NULL && strcmp(from->path, to->path) < 0)
		return box_lock(from, false, &locked[0], err) < 0
			       ? -1
			       : box_lock(to, false, &locked[1], err);
	if (box_lock(to, false, &locked[0], err) < 0)
		return -1;
	return from == NULL ? 0 : box_lock(from, false, &locked[1], err);
}

static void unlock_both(struct driver_box *(*locked)[2])
{
	box_unlock(&(*locked)[0]);
	box_unlock(&(*locked)[1]);
}

static int commit_once(struct save *save, uint32_t *uid_validity_out,
		       struct range_set *uids_out, struct err *err)
{
	CLEANUP(unlock_both) struct driver_box *locked[2] = {NULL, NULL};
	struct mailbox *box = save->box;
	struct commit commit = {.save = save, .gone = range_set_init(save)};
	int ret;

	commit.files = mem_array(save, struct driver_save *, save->count + 1);
	commit.driver_data = mem_array(save, struct str, save->count + 1);
	if (box_sync(box->disk, box->ns, box->store, false, err) < 0)
		return -1;
	if (may_hold(save, 0, 0, NULL, err) < 0)
		return -1;
	index_reserve(box->store->index, index_cost(save));
	if (lock_both(save, locked, err) < 0 ||
	    mailbox_begin(box, INDEX_WRITE, &commit.txn, &commit.row, err) < 0)
		return -1;
	ret = save->count == 0 ? 0 : commit_run(&commit, err);
	index_rollback(&commit.txn);
	if (ret < 0)
		return -1;
	*uid_validity_out = commit.row.uid_validity;
	if (uids_out == NULL)
		return 0;
	*uids_out = range_set_init(save->ctx);
	for (size_t i = 0; i < save->count; i++)
		range_set_add(uids_out, save->mails[i].file->uid,
			      save->mails[i].file->uid);
	return 0;
}

static int commit_all(struct save *save, uint32_t *uid_validity_out,
		      struct range_set *uids_out, struct err *err)
{
	for (int i = 1; commit_once(save, uid_validity_out, uids_out, err) < 0;
	     i++) {
		if (is_published(save) ||
		    !mailbox_begin_again(save->box, i, err))
			return -1;
	}
	return 0;
}

int save_commit(struct save **save, uint32_t *uid_validity_out,
		struct range_set *uids_out, struct err *err)
{
	uint32_t uid_validity = 0;
	int ret;

	save_mail_cancel(*save);
	if ((*save)->box == NULL)
		ret = err_set(err, ERR_CLOSED, "the mailbox was closed");
	else
		ret = commit_all(*save, &uid_validity, uids_out, err);
	if (ret == 0 && uid_validity_out != NULL)
		*uid_validity_out = uid_validity;
	save_rollback(save);
	return ret;
}
