# SPDX-License-Identifier: MIT
# What the sessions of imap and pop3 share.
noinst_LIBRARIES += libsession.a
libsession_a_SOURCES = \
	src/session/mail_session.c src/session/mail_session.h
