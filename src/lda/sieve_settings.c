/* SPDX-License-Identifier: MIT */
#include "lda/sieve_settings.h"

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
	S(sieve_user_email, "", "The user's own address."),
	S(sieve_redirect_envelope_from, "sender",
	  "Envelope sender of redirected mails: sender, recipient, "
	  "orig_recipient, user_email, postmaster, or <address>."),
	S(sieve_redirect_duplicate_period, "12 hours",
	  "How long a mail is not redirected again to the same address."),
	S(sieve_duplicate_max_period, "7 days",
	  "Longest time for which the test duplicate remembers."),
	S(sieve_vacation_dont_check_recipient, "no",
	  "Answer mails that do not name the user, too."),
	S(sieve_vacation_use_original_recipient, "no",
	  "The original recipient is an address of the user's, too."),
	S(sieve_vacation_send_from_recipient, "no",
	  "Answer with the recipient as envelope sender, not with <>."),
	S(sieve_vacation_to_header_ignore_envelope, "no",
	  "To: of the answer is the field Sender, Resent-From or From, even if "
	  "it is not the envelope sender."),
	S(sieve_vacation_max_subject_codepoints, "256",
	  "Characters of the Subject: of an answer that are kept."),
	S(sieve_vacation_default_subject, "Automated reply",
	  "Subject: of an answer to a mail without one."),
	S(sieve_vacation_default_subject_template, "Auto: %$",
	  "Subject: of an answer; %$ is that of the mail."),
	S(sieve_notify_mailto_envelope_from, "",
	  "Envelope sender of notifications; see "
	  "sieve_redirect_envelope_from."),
	SETTINGS_END,
};
#undef SETTINGS_STRUCT
