# SPDX-License-Identifier: MIT
sbin_PROGRAMS += dovetail
dovetail_SOURCES = \
	src/master/basedir.c src/master/certs.c src/master/check.c src/master/client.c \
	src/master/listen.c src/master/main.c src/master/master.h src/master/process.c \
	src/master/protocol.h src/master/supervise.c src/master/units.c
dovetail_LDADD = $(LIB_SETTINGS) $(LIB_SERVICE)
man_MANS += doc/man/dovetail.8

# What scripts and service files that know Dovecot call.
install-exec-hook: install-dovecot-link
install-dovecot-link:
	cd $(DESTDIR)$(sbindir) && rm -f dovecot && ln -s dovetail dovecot
uninstall-hook: uninstall-dovecot-link
uninstall-dovecot-link:
	rm -f $(DESTDIR)$(sbindir)/dovecot
