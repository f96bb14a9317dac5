/* SPDX-License-Identifier: MIT */
/*
 * delivery/settings.h - settings of deliveries, and of the two ways in.
 */
#ifndef DELIVERY_SETTINGS_H
#define DELIVERY_SETTINGS_H
#include <stdbool.h>
#include <stdint.h>

#include "config/setting.h"

/* Both lmtp and dovetail-lda. */
struct lda_settings {
	const char *hostname, *postmaster_address;
	const char *deliver_log_format;
	const char *recipient_delimiter;
	const char *lda_original_recipient_header;
	const char *sendmail_path, *rejection_reason, *rejection_subject;
	const char *submission_host, *submission_ssl;
	struct duration submission_timeout;
	const char *mail_temp_dir;
	bool lda_mailbox_autocreate, lda_mailbox_autosubscribe;
	bool quota_full_tempfail, lmtp_rcpt_check_quota;
};
extern const struct setting lda_settings[];

struct lmtp_settings {
	const char *lmtp_hdr_delivery_address; /* none, final, original */
	const char *lmtp_client_workarounds;
	const char *lmtp_rawlog_dir, *lmtp_proxy_rawlog_dir;
	bool lmtp_add_received_header, lmtp_save_to_detail_mailbox;
	bool lmtp_verbose_replies, lmtp_proxy;
	unsigned lmtp_user_concurrency_limit;
	/* Ours. */
	uint64_t lmtp_max_line_length, lmtp_max_message_size;
	unsigned lmtp_max_recipients, lmtp_max_bad_commands;
	unsigned lmtp_user_cache_size;
	struct duration lmtp_timeout, lmtp_delivery_timeout;
};
extern const struct setting lmtp_settings[];

#endif
