/* SPDX-License-Identifier: MIT */
/*
 * imap/settings.h - imap_* settings.
 */
#ifndef IMAP_SETTINGS_H
#define IMAP_SETTINGS_H
#include <stdbool.h>
#include <stdint.h>

#include "config/setting.h"

struct imap_settings {
	uint64_t imap_max_line_length;
	unsigned imap_max_arguments, imap_max_nesting, imap_max_search_updates;
	unsigned imap_max_bad_commands;
	const char *imap_capability, *imap_client_workarounds;
	const char *imap_fetch_failure, *imap_id_log, *imap_id_send;
	const char *imap_logout_format;
	struct duration imap_idle_notify_interval;
	bool imap_literal_minus, imap_metadata;
};
extern const struct setting imap_settings[];

#endif
