# SPDX-License-Identifier: MIT
pkglibexec_PROGRAMS += dovetail-lda lmtp lmtp-worker quota-status
LDA_DELIVERER = \
	src/lda/deliverer.c src/lda/deliverer.h \
	src/lda/job.c src/lda/job.h \
	src/lda/quota_judge.c
LDA_WORKERS = $(LDA_DELIVERER) src/lda/same_user.c \
	src/lda/parting.c src/lda/parting.h \
	src/lda/workers.c src/lda/workers.h
lmtp_SOURCES = \
	src/lda/lmtp.c src/lda/lmtp.h \
	src/lda/lmtp_command.c \
	src/lda/lmtp_data.c \
	src/lda/lmtp_hello.c \
	src/lda/lmtp_proxy.c src/lda/lmtp_proxy.h \
	src/lda/lmtp_rcpt.c \
	src/lda/main_lmtp.c $(LDA_WORKERS)
lmtp_LDFLAGS = $(HOST_LDFLAGS)
lmtp_LDADD = $(LIB_DELIVERY)
lmtp_worker_SOURCES = src/lda/main_lmtp_worker.c $(LDA_DELIVERER)
lmtp_worker_LDFLAGS = $(HOST_LDFLAGS)
lmtp_worker_LDADD = $(LIB_DELIVERY)
quota_status_SOURCES = src/lda/main_quota_status.c $(LDA_WORKERS)
quota_status_LDFLAGS = $(HOST_LDFLAGS)
quota_status_LDADD = $(LIB_DELIVERY)
dovetail_lda_SOURCES = \
	src/lda/lda.h \
	src/lda/lda_mail.c \
	src/lda/main_lda.c
dovetail_lda_LDFLAGS = $(HOST_LDFLAGS)
dovetail_lda_LDADD = $(LIB_DELIVERY)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/lda/test_job
tests_unit_lda_test_job_SOURCES = tests/unit/lda/test_job.c \
	src/lda/job.c src/lda/job.h
tests_unit_lda_test_job_LDADD = $(LIB_DELIVERY) $(CMOCKA_LIBS)
endif

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
