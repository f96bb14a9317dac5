/* SPDX-License-Identifier: MIT */
/*
 * harness.h - an IMAP session in the test's own process: a Maildir in a scratch
 * directory, a socket pair, and the few functions of service/ that a session
 * calls.
 */
#ifndef TESTS_IMAP_HARNESS_H
#define TESTS_IMAP_HARNESS_H
#include <stdbool.h>
#include <stddef.h>

struct buf;

/* With these lines in dovecot.conf; NULL: none. */
void harness_setup(const char *settings);
void harness_teardown(void);
/* Log in; the answer to it is read. */
void harness_login(void);
/* The session is to end; waits until it has. */
void harness_hang_up(void);
bool harness_ended(void);
/* Send octets. */
void harness_send(const char *text, size_t len);
/* Send each octet by itself. */
void harness_send_slowly(const char *text);
/* What comes until a line begins with `prefix` (that line included), or until
 * the session ends; times are left out, UIDVALIDITY is 0, and modseqs are ~0,
 * ~1... from the one that SELECT told. Valid up to the next call. */
const char *harness_expect(const char *prefix);
/* The other way: ~1 in `text` becomes a modseq, ~v the last UIDVALIDITY. */
void harness_expand(const char *text, struct buf *out);
/* Send "TAG command\r\n" and give what comes up to "TAG ". */
const char *harness_command(const char *tag, const char *command);
/* Let the loop run without reading what comes. */
void harness_run(unsigned ms);
/* The user's home, with Maildir below it. */
const char *harness_home(void);

#endif
