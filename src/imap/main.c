/* SPDX-License-Identifier: MIT */
/*
 * imap/main.c - the imap service: sessions after login.
 */
#include "imap/session.h"
#include "imap/settings.h"
#include "service/service.h"
#include "session/mail_session.h"

static const struct service imap_service = {
	.name = "imap",
	.settings = imap_settings,
	.sandbox = SANDBOX_FILES | SANDBOX_UNIX,
	.init = imap_sessions_init,
	.start = mail_session_start,
	.stop = mail_sessions_stop,
};

int main(int argc, char **argv)
{
	return service_run(&imap_service, argc, argv);
}
