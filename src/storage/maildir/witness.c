/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/witness.c - whether somebody else changed cur/ while we did.
 *
 * What others do between our looks before and after own changes gives the same
 * mtime as ours do. inotify tells one from the other: it counts what happened
 * there, and we know how much of that was ours. One instance serves the
 * process, for these are counted per user; a watch lives as long as its mailbox
 * is open, for to make and remove one costs as much as a rename. Where there is
 * no instance to be had, and where we change many mails at once, state.c does
 * without.
 */
#include <sys/inotify.h>
#include <unistd.h>

#include "storage/maildir/sync.h"

enum {
	WATCHED = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE,
	/* Two for a rename, and they cost a third of it. For many it is cheaper
	 * to read cur/ some day. */
	OWN_MAX = 256,
	EVENT_MAX = sizeof(struct inotify_event) + 256,
};

static int instance = -1;
static pid_t instance_of;
static struct witness *all;

static bool instance_open(void)
{
	pid_t pid = getpid();

	if (instance >= 0 && instance_of == pid)
		return true;
	/* A parent's events are not ours to read. */
	if (instance >= 0)
		close(instance);
	all = NULL;
	instance_of = pid;
	instance = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return instance >= 0;
}

static void count(const struct inotify_event *event)
{
	for (struct witness *one = all; one != NULL; one = one->next) {
		if ((event->mask & IN_Q_OVERFLOW) != 0)
			one->lost = true;
		else if (one->number != event->wd)
			continue;
		else if ((event->mask & WATCHED) != 0)
			one->seen++;
		else if ((event->mask & IN_IGNORED) != 0)
			one->lost = true;
	}
}

static void read_events(void)
{
	_Alignas(struct inotify_event) char data[4096];
	const ssize_t full = sizeof(data) - EVENT_MAX;
	ssize_t got = full + 1;

	while (got > full && (got = read(instance, data, sizeof(data))) > 0) {
		for (char *at = data; at < data + got;) {
			const struct inotify_event *event = (const void *)at;

			count(event);
			at += sizeof(*event) + event->len;
		}
	}
}

void witness_drop(struct witness *witness)
{
	if (!witness->listed)
		return;
	for (struct witness **at = &all; *at != NULL; at = &(*at)->next) {
		if (*at != witness)
			continue;
		*at = witness->next;
		if (instance_of == getpid())
			inotify_rm_watch(instance, witness->number);
		break;
	}
	*witness = (struct witness){.listed = false};
}

void witness_begin(struct witness *witness, const char *dir, unsigned coming)
{
	bool there = coming <= OWN_MAX / 2 && instance_open();

	witness_drain(witness);
	if (!there || witness->lost)
		witness_drop(witness);
	if (there && !witness->listed) {
		witness->number = inotify_add_watch(instance, dir, WATCHED);
		witness->listed = witness->number >= 0;
		witness->next = all;
		if (witness->listed)
			all = witness;
	}
	witness->own = witness->seen = 0;
}

void witness_drain(struct witness *witness)
{
	if (witness->listed)
		read_events();
}

void witness_own(struct witness *witness, unsigned events)
{
	witness->own += events;
	if (witness->own > OWN_MAX)
		witness_drop(witness);
}

enum witnessed witness_end(struct witness *witness)
{
	if (!witness->listed)
		return WITNESS_NONE;
	read_events();
	if (!witness->lost && witness->seen == witness->own)
		return WITNESS_ALONE;
	/* Or cur/ is another directory now. */
	witness_drop(witness);
	return WITNESS_OTHERS;
}
