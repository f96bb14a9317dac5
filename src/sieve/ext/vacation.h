/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/vacation.h - settings of vacation, for those who answer.
 */
#ifndef SIEVE_EXT_VACATION_H
#define SIEVE_EXT_VACATION_H
#include <stdbool.h>

#include "base/duration.h"

struct sieve_extension;

struct vacation_settings {
	struct duration sieve_vacation_default_period;
	struct duration sieve_vacation_min_period;
	struct duration sieve_vacation_max_period;
	const char *sieve_vacation_default_subject;
	const char *sieve_vacation_default_subject_template;
	unsigned sieve_vacation_max_subject_codepoints;
	bool sieve_vacation_use_original_recipient;
	bool sieve_vacation_dont_check_recipient;
	bool sieve_vacation_send_from_recipient;
	bool sieve_vacation_to_header_ignore_envelope;
};

extern const struct sieve_extension ext_vacation;

#endif
