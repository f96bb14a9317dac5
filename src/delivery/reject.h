/* SPDX-License-Identifier: MIT */
/*
 * delivery/reject.h - telling the sender that a mail was not taken.
 */
#ifndef DELIVERY_REJECT_H
#define DELIVERY_REJECT_H

struct delivery;
struct err;
struct lda_settings;
struct sender;

/* `status` is "5.2.2" and the like where it could not be delivered (RFC 3464),
 * NULL where it is not wanted (RFC 8098). ERR_UNSUPPORTED: there is nobody to
 * tell (the sender is <>, or no address, or a program whose mail could not be
 * delivered: RFC 3834 section 2). Of a rejection that is wanted, a program is
 * not told either, but that is a line in the log and no error. */
int reject_send(const struct delivery *delivery, const struct lda_settings *set,
		struct sender *sender, const char *status, const char *reason,
		struct err *err);

#endif
