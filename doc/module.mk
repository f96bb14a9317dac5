# SPDX-License-Identifier: MIT
man_MANS += \
	doc/man/doveadm.1 \
	doc/man/doveadm-altmove.1 \
	doc/man/doveadm-app-password.1 \
	doc/man/doveadm-auth.1 \
	doc/man/doveadm-config.1 \
	doc/man/doveadm-copy.1 \
	doc/man/doveadm-deduplicate.1 \
	doc/man/doveadm-dump.1 \
	doc/man/doveadm-exec.1 \
	doc/man/doveadm-expunge.1 \
	doc/man/doveadm-fetch.1 \
	doc/man/doveadm-flags.1 \
	doc/man/doveadm-force-resync.1 \
	doc/man/doveadm-help.1 \
	doc/man/doveadm-import.1 \
	doc/man/doveadm-index.1 \
	doc/man/doveadm-kick.1 \
	doc/man/doveadm-log.1 \
	doc/man/doveadm-mailbox.1 \
	doc/man/doveadm-move.1 \
	doc/man/doveadm-penalty.1 \
	doc/man/doveadm-proxy.1 \
	doc/man/doveadm-process.1 \
	doc/man/doveadm-purge.1 \
	doc/man/doveadm-pw.1 \
	doc/man/doveadm-quota.1 \
	doc/man/doveadm-reload.1 \
	doc/man/doveadm-save.1 \
	doc/man/doveadm-search-query.7 \
	doc/man/doveadm-search.1 \
	doc/man/doveadm-service.1 \
	doc/man/doveadm-sieve.1 \
	doc/man/doveadm-stop.1 \
	doc/man/doveadm-undelete.1 \
	doc/man/doveadm-user.1 \
	doc/man/doveadm-who.1 \
	doc/man/dovetail-passdb.5

# man_MANS of all folders; automake does not distribute them by itself.
EXTRA_DIST += $(man_MANS)
