/* SPDX-License-Identifier: MIT */
/*
 * lda/sieve_settings.h - settings in plugin {} about scripts of deliveries;
 * those of the language are in sieve/engine.h.
 */
#ifndef LDA_SIEVE_SETTINGS_H
#define LDA_SIEVE_SETTINGS_H
#include "config/setting.h"

struct lda_sieve_settings {
	const char *sieve, *sieve_dir, *sieve_default, *sieve_default_name;
	const char *sieve_global, *sieve_global_path, *sieve_global_dir;
	const char *sieve_user_log, *sieve_user_email;
	const char *sieve_redirect_envelope_from;
	struct duration sieve_redirect_duplicate_period;
	struct duration sieve_duplicate_max_period;
	bool sieve_vacation_dont_check_recipient;
	bool sieve_vacation_use_original_recipient;
	bool sieve_vacation_send_from_recipient;
	bool sieve_vacation_to_header_ignore_envelope;
	unsigned sieve_vacation_max_subject_codepoints;
	const char *sieve_vacation_default_subject;
	const char *sieve_vacation_default_subject_template;
	const char *sieve_notify_mailto_envelope_from;
};
extern const struct setting lda_sieve_settings[];

#endif
