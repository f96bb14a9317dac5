# SPDX-License-Identifier: MIT
# The example configuration. It is installed as documentation only: nothing
# here ever writes to an administrator's /etc.
exampledir = $(docdir)/example-config
exampleconfddir = $(exampledir)/conf.d
dist_example_DATA = conf.d/dovecot.conf
dist_exampleconfd_DATA = \
	conf.d/10-auth.conf \
	conf.d/10-director.conf \
	conf.d/10-logging.conf \
	conf.d/10-mail.conf \
	conf.d/10-master.conf \
	conf.d/10-metrics.conf \
	conf.d/10-ssl.conf \
	conf.d/10-tcpwrapper.conf \
	conf.d/15-lda.conf \
	conf.d/15-mailboxes.conf \
	conf.d/20-imap.conf \
	conf.d/20-lmtp.conf \
	conf.d/20-managesieve.conf \
	conf.d/20-pop3.conf \
	conf.d/20-submission.conf \
	conf.d/90-acl.conf \
	conf.d/90-plugin.conf \
	conf.d/90-quota.conf \
	conf.d/90-sieve.conf \
	conf.d/99-remote.conf \
	conf.d/auth-app-password.conf.ext \
	conf.d/auth-deny.conf.ext \
	conf.d/auth-master.conf.ext \
	conf.d/auth-passwdfile.conf.ext \
	conf.d/auth-static.conf.ext \
	conf.d/auth-system.conf.ext
EXTRA_DIST += conf.d/layout
dist_noinst_SCRIPTS += script/gen-confd
