/* SPDX-License-Identifier: MIT */
/*
 * pop3/settings.h - pop3_* settings.
 */
#ifndef POP3_SETTINGS_H
#define POP3_SETTINGS_H
#include <stdbool.h>
#include <stdint.h>

#include "config/setting.h"

struct pop3_settings {
	const char *pop3_client_workarounds;
	const char *pop3_delete_type; /* default, expunge, flag */
	const char *pop3_deleted_flag, *pop3_logout_format;
	const char *pop3_uidl_duplicates; /* allow, rename */
	const char *pop3_uidl_format;
	bool pop3_enable_last, pop3_fast_size_lookups, pop3_lock_session;
	bool pop3_no_flag_updates, pop3_reuse_xuidl, pop3_save_uidl;
	uint64_t pop3_max_line_length;
};
extern const struct setting pop3_settings[];

#endif
