/* SPDX-License-Identifier: MIT */
/*
 * delivery/send_program.h - a mail through the program of sendmail_path; for
 * send.c.
 */
#ifndef DELIVERY_SEND_PROGRAM_H
#define DELIVERY_SEND_PROGRAM_H

struct err;
struct lda_settings;
struct smtp_source;

/* See sender_send(). The addresses are clean. */
int send_program(const struct lda_settings *set, const char *from,
		 const char *to, const struct smtp_source *source,
		 struct err *err);

#endif
