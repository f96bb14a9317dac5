/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/places.c - where the mails are in a file that others changed
 * since the index looked: found in one pass, for a session that still believes
 * in many that were moved or are gone.
 */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "storage/mbox/mbox.h"
#include "storage/user.h"

enum { PLACES_MAX = 100000 };

struct place {
	uint32_t uid, from_len, header_len, end_len;
	uint64_t offset, body_len;
};

struct mbox_places {
	struct stat of;
	bool whole; /* each mail has a UID, and they grow */
	struct place *list;
	size_t count, cap;
};

static int add(void *ctx, const struct mbox_mail *mail, struct err *err)
{
	struct mbox_places *places = ctx;
	const struct mbox_record *record = &mail->record;
	uint32_t last =
		places->count == 0 ? 0 : places->list[places->count - 1].uid;

	(void)err;
	if (mail->header.pseudo)
		return 0;
	if (mail->header.uid <= last || places->count == PLACES_MAX) {
		places->whole = false;
		return 1;
	}
	if (places->count == places->cap) {
		places->cap = places->cap == 0 ? 64 : places->cap * 2;
		places->list = mem_resize(places, places->list, struct place,
					  places->cap);
	}
	places->list[places->count++] = (struct place){
		.uid = mail->header.uid,
		.from_len = record->from_len,
		.header_len = record->header_len,
		.offset = record->offset,
		.body_len = record->body_len,
		.end_len = record->end_len,
	};
	return 0;
}

bool mbox_same_time(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int look(struct driver_box *box, struct mbox_box *own,
		const struct stat *st, struct err *err)
{
	struct mbox_places *places = mem_new(own, struct mbox_places);
	struct mbox_scan scan = {
		.box = box,
		.fd = own->fd,
		.end = (uint64_t)st->st_size,
		.max_header =
			(size_t)box->location->settings->mail_max_header_size,
		.fn = add,
		.ctx = places,
	};

	mbox_places_forget(own);
	own->places = places;
	places->of = *st;
	places->whole = true;
	if (scan.end == 0 || mbox_scan(&scan, err) == 0)
		return 0;
	places->whole = false;
	return err->code == ERR_INVALID ? 0 : -1;
}

int mbox_places_find(struct driver_box *box, struct mbox_box *own,
		     const struct stat *st, uint32_t uid,
		     struct mbox_record *record, struct err *err)
{
	size_t low = 0, high;
	const struct place *place;

	if ((own->places == NULL || !mbox_same_time(&own->places->of, st)) &&
	    look(box, own, st, err) < 0)
		return -1;
	if (!own->places->whole)
		return MBOX_PLACES_UNKNOWN;
	for (high = own->places->count; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (own->places->list[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	place = &own->places->list[low];
	if (low == own->places->count || place->uid != uid)
		return MBOX_PLACES_GONE;
	record->from_len = place->from_len;
	record->header_len = place->header_len;
	record->offset = place->offset;
	record->body_len = place->body_len;
	record->end_len = place->end_len;
	return MBOX_PLACES_FOUND;
}

void mbox_places_forget(struct mbox_box *own)
{
	mem_free(own->places);
	own->places = NULL;
}
