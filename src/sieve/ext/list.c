/* SPDX-License-Identifier: MIT */
#include "sieve/ext/list.h"

#include <stddef.h>

/* A line for each extension. */
#define EXTENSIONS(X)                                                          \
	X(base_control)                                                        \
	X(base_actions)                                                        \
	X(base_tests)                                                          \
	X(comparator_octet)                                                    \
	X(comparator_ascii_casemap)                                            \
	X(comparator_ascii_numeric)                                            \
	X(comparator_unicode_casemap)                                          \
	X(encoded_character)                                                   \
	X(variables)                                                           \
	X(fileinto)                                                            \
	X(include)                                                             \
	X(regex)                                                               \
	X(envelope)                                                            \
	X(envelope_dsn)                                                        \
	X(envelope_deliverby)                                                  \
	X(subaddress)                                                          \
	X(relational)                                                          \
	X(imap4flags)                                                          \
	X(copy)                                                                \
	X(ihave)                                                               \
	X(date)                                                                \
	X(index)                                                               \
	X(body)                                                                \
	X(mailbox)                                                             \
	X(mboxmetadata)                                                        \
	X(servermetadata)                                                      \
	X(special_use)                                                         \
	X(mailboxid)                                                           \
	X(fcc)                                                                 \
	X(vacation)                                                            \
	X(vacation_seconds)                                                    \
	X(reject)                                                              \
	X(ereject)                                                             \
	X(enotify)                                                             \
	X(environment)                                                         \
	X(vnd_dovecot_environment)                                             \
	X(duplicate)                                                           \
	X(extlists)                                                            \
	X(editheader)                                                          \
	X(spamtest)                                                            \
	X(spamtestplus)                                                        \
	X(virustest)                                                           \
	X(foreverypart)                                                        \
	X(mime)                                                                \
	X(extracttext)                                                         \
	X(replace)                                                             \
	X(enclose)                                                             \
	X(redirect_dsn)                                                        \
	X(processcalendar)                                                     \
	X(imapflags)                                                           \
	X(notify)                                                              \
	X(vnd_dovecot_report)                                                  \
	X(vnd_dovecot_debug)                                                   \
	X(vnd_dovecot_pipe)                                                    \
	X(vnd_dovecot_filter)                                                  \
	X(vnd_dovecot_execute)

#define DECLARE(name) extern const struct sieve_extension ext_##name;
#define NAME(name) &ext_##name,
EXTENSIONS(DECLARE)

const struct sieve_extension *const sieve_extensions[] = {
	EXTENSIONS(NAME) NULL,
};
