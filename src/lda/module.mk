# SPDX-License-Identifier: MIT
pkglibexec_PROGRAMS += dovetail-lda lmtp quota-status
lmtp_SOURCES = \
	src/lda/lmtp.c src/lda/lmtp.h \
	src/lda/lmtp_command.c \
	src/lda/lmtp_data.c \
	src/lda/lmtp_hello.c \
	src/lda/lmtp_proxy.c src/lda/lmtp_proxy.h \
	src/lda/lmtp_rcpt.c \
	src/lda/lmtp_user.c \
	src/lda/main_lmtp.c
lmtp_LDADD = $(LIB_DELIVERY)
quota_status_SOURCES = src/lda/main_quota_status.c
quota_status_LDADD = $(LIB_DELIVERY)
dovetail_lda_SOURCES = \
	src/lda/lda.h \
	src/lda/lda_mail.c \
	src/lda/main_lda.c
dovetail_lda_LDADD = $(LIB_DELIVERY)
man_MANS += doc/man/dovetail-lda.1 doc/man/dovetail-lmtp.8

# The names under which MTAs know it.
install-exec-hook: install-lda-links
install-lda-links:
	cd '$(DESTDIR)$(pkglibexecdir)' && \
		ln -sf dovetail-lda dovecot-lda && \
		ln -sf dovetail-lda deliver
uninstall-hook: uninstall-lda-links
uninstall-lda-links:
	cd '$(DESTDIR)$(pkglibexecdir)' && rm -f dovecot-lda deliver
.PHONY: install-lda-links uninstall-lda-links
