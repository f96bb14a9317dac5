/* SPDX-License-Identifier: MIT */
#include "scripts/settings.h"

#define SETTINGS_STRUCT struct scripts_settings
const struct setting scripts_settings[] = {
	S(sieve, "file:~/sieve;active=~/.dovecot.sieve",
	  "The user's scripts: a directory and the link to the active one, or "
	  "one script; dict:URI;name=x;bindir=~/x for one of a dictionary, "
	  "ldap:FILE;bindir=~/x. If it names nothing that is there, and no "
	  "active=, or is empty, no script of the user's runs."),
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
	S(sieve_quota_max_scripts, "0",
	  "How many scripts a user may keep, of those that he stores himself "
	  "(doveadm sieve put does not ask); 0: no limit."),
	S(sieve_quota_max_storage, "0",
	  "How much room they may take together; 0: no limit."),
	SETTINGS_END,
};
#undef SETTINGS_STRUCT
