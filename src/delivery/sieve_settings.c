/* SPDX-License-Identifier: MIT */
#include "delivery/sieve_settings.h"

#define SETTINGS_STRUCT struct lda_sieve_settings
const struct setting lda_sieve_settings[] = {
	S(sieve, "file:~/sieve;active=~/.dovecot.sieve",
	  "The user's scripts: a directory and the link to the active one, or "
	  "one script."),
	S(sieve_dir, "~/sieve",
	  "Directory of the user's scripts, if `sieve` names one script."),
	S(sieve_default, "", "Script for users who have none."),
	S(sieve_default_name, "", "The name under which users see it."),
	S(sieve_global, "", "Directory of scripts for include :global."),
	S(sieve_global_path, "", "What sieve_default was called once."),
	S(sieve_global_dir, "", "What sieve_global was called once."),
	S(sieve_user_log, "",
	  "Where errors in the user's scripts are logged; empty: beside the "
	  "active script, with \".log\"."),
	S(sieve_redirect_duplicate_period, "12 hours",
	  "How long a mail is not redirected again to the same address."),
	SETTINGS_END,
};
#undef SETTINGS_STRUCT
