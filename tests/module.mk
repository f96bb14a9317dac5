# SPDX-License-Identifier: MIT
# Unit tests are declared in their folder's module.mk; here is what concerns
# all of the tree.
TESTS += script/lint
AM_TESTS_ENVIRONMENT = \
	CC='$(CC)'; export CC; \
	srcdir='$(srcdir)'; export srcdir; \
	CPPFLAGS='$(TALLOC_CFLAGS) $(LIBEVENT_CFLAGS)'; export CPPFLAGS;
dist_noinst_SCRIPTS += script/exim script/lint script/packages script/server \
	script/test script/bench script/count script/deliver script/fuzz
# Folders, so that a new test or sample need not be listed.
EXTRA_DIST += .ci/run tests/integration tests/samples

dist-hook:
	find '$(distdir)' -name __pycache__ -prune -exec rm -r {} +
