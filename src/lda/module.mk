# SPDX-License-Identifier: MIT
pkglibexec_PROGRAMS += dovetail-lda lmtp
deliver_common = \
	src/lda/address.c \
	src/lda/deliver.c src/lda/deliver.h \
	src/lda/reject.c src/lda/reject.h \
	src/lda/send.c src/lda/send.h \
	src/lda/send_program.c src/lda/send_program.h \
	src/lda/dupes.c src/lda/dupes.h \
	src/lda/settings.h \
	src/lda/sieve.h \
	src/lda/sieve_carry.c \
	src/lda/sieve_deliver.c \
	src/lda/sieve_scripts.c \
	src/lda/sieve_send.c \
	src/lda/sieve_settings.c src/lda/sieve_settings.h \
	src/lda/spool.c src/lda/spool.h \
	src/lda/trace.c
lmtp_SOURCES = $(deliver_common) \
	src/lda/lmtp.c src/lda/lmtp.h \
	src/lda/lmtp_command.c \
	src/lda/lmtp_data.c \
	src/lda/lmtp_hello.c \
	src/lda/lmtp_proxy.c src/lda/lmtp_proxy.h \
	src/lda/lmtp_rcpt.c \
	src/lda/lmtp_user.c \
	src/lda/main_lmtp.c
lmtp_LDADD = $(LIB_SETTINGS) libsieve.a $(PCRE2_LIBS) $(LIB_STORAGE) $(LIB_SERVICE)
dovetail_lda_SOURCES = $(deliver_common) \
	src/lda/lda.h \
	src/lda/lda_mail.c \
	src/lda/main_lda.c
dovetail_lda_LDADD = $(LIB_SETTINGS) libsieve.a $(PCRE2_LIBS) $(LIB_STORAGE) $(LIB_SERVICE)
libsettings_a_SOURCES += src/lda/settings.c
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

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/lda/test_deliver tests/unit/lda/test_reject \
	tests/unit/lda/test_send
tests_unit_lda_test_deliver_SOURCES = tests/unit/lda/test_deliver.c \
	src/lda/address.c src/lda/spool.c src/lda/trace.c
tests_unit_lda_test_deliver_LDADD = $(CMOCKA_LIBS) $(LIB_MIME) $(LIB_CONFIG)
tests_unit_lda_test_reject_SOURCES = tests/unit/lda/test_reject.c \
	$(deliver_common)
tests_unit_lda_test_reject_LDADD = $(CMOCKA_LIBS) $(LIB_SETTINGS) \
	libsieve.a $(PCRE2_LIBS) $(LIB_STORAGE) $(LIB_SERVICE)
tests_unit_lda_test_send_SOURCES = tests/unit/lda/test_send.c $(deliver_common)
tests_unit_lda_test_send_LDADD = $(CMOCKA_LIBS) $(LIB_SETTINGS) \
	libsieve.a $(PCRE2_LIBS) $(LIB_STORAGE) $(LIB_SERVICE)
check_PROGRAMS += tests/unit/lda/test_carry tests/unit/lda/test_dupes
tests_unit_lda_test_carry_SOURCES = tests/unit/lda/test_carry.c \
	tests/unit/storage/fixture.c tests/unit/storage/fixture.h \
	$(deliver_common)
tests_unit_lda_test_carry_LDADD = $(CMOCKA_LIBS) $(LIB_SETTINGS) libsieve.a \
	$(PCRE2_LIBS) $(LIB_STORAGE) $(LIB_SERVICE)
tests_unit_lda_test_dupes_SOURCES = tests/unit/lda/test_dupes.c \
	src/lda/dupes.c
tests_unit_lda_test_dupes_LDADD = $(CMOCKA_LIBS) $(LIB_BASE)
endif
