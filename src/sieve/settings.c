/* SPDX-License-Identifier: MIT */
#include "sieve/engine.h"

#define SETTINGS_STRUCT struct sieve_settings
const struct setting sieve_settings[] = {
	S(sieve_extensions, "",
	  "Extensions that scripts may require; with + and - in front, more or "
	  "less than usual; none if it is empty. Old scripts may need "
	  "+imapflags and +notify."),
	S(sieve_global_extensions, "",
	  "More of them, for scripts of the administrator only: users' scripts "
	  "can't require them, whatever sieve_extensions says."),
	S(sieve_implicit_extensions, "",
	  "Those that need no require; against the standard, but for old "
	  "scripts."),
	S(recipient_delimiter, "+",
	  "What divides user and detail in an address; each character is "
	  "one."),
	S(sieve_subaddress_sep, "",
	  "What recipient_delimiter is for, as it was called once."),
	S(sieve_user_email, "", "The user's own address."),
	S(sieve_redirect_envelope_from, "sender",
	  "Envelope sender of redirected mails: sender, recipient, "
	  "orig_recipient, user_email, postmaster or <address>."),
	S(sieve_notify_mailto_envelope_from, "",
	  "The same of notifications; empty: what :from says, or postmaster."),
	S(sieve_report_from, "postmaster", "The same, who reports are from."),
	S(sieve_max_script_size, "1 M", "Largest script; 0: no limit."),
	S(sieve_max_actions, "32", "Actions of one script; 0: no limit."),
	S(sieve_max_redirects, "4", "How many of them may be redirects."),
	S(sieve_max_cpu_time, "30 secs",
	  "CPU time that one run of a script may take; 0: no limit."),
	S(sieve_resource_usage_timeout, "1 hours",
	  "Runs that take long are added up: beyond sieve_max_cpu_time, the "
	  "script is not run until there was none for that time; 0: never."),
	S(sieve_max_compile_errors, "100",
	  "Errors of one script that are reported; 0: all."),
	S(sieve_max_nesting, "32", "Blocks, or tests, in one another."),
	S(sieve_max_list_items, "10000", "Strings in one list."),
	S(sieve_max_operations, "10000000",
	  "Instructions of one run, and steps of loops within them."),
	S(sieve_max_header_fields, "20000",
	  "Header fields that are looked at."),
	S(sieve_max_addresses, "10000",
	  "Addresses that are looked at in one field."),
	S(sieve_max_string_size, "1 M",
	  "Longest string in a script, or made by it."),
	S(sieve_max_memory, "64 M",
	  "Memory that the strings of one command may take; what the body test "
	  "decoded of a mail; and, beside the mail, what mails take that "
	  "filter, replace or enclose made and an action stores before the "
	  "next "
	  "such change."),
	S(sieve_max_binary_size, "32 M", "Largest compiled script."),
	S(sieve_regex_match_limit, "200000",
	  "Steps that a regular expression may take on one value."),
	S(sieve_regex_max_compiled, "500",
	  "Regular expressions that are kept compiled during one run."),
	S(sieve_regex_max_pattern_size, "4 k", "Longest regular expression."),
	S(sieve_variables_max_scope_size, "255", "Variables of one script."),
	S(sieve_variables_max_variable_size, "4 k",
	  "Longest value of a variable; what is longer is cut."),
	S(sieve_include_max_includes, "255",
	  "Scripts that one script may include."),
	S(sieve_include_max_nesting_depth, "10",
	  "Included scripts in one another."),
	SETTINGS_END,
};
#undef SETTINGS_STRUCT
