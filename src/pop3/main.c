/* SPDX-License-Identifier: MIT */
/*
 * pop3/main.c - the pop3 service: sessions after login.
 */
#include "pop3/session.h"
#include "pop3/settings.h"
#include "service/service.h"
#include "session/mail_session.h"

static const struct service pop3_service = {
	.name = "pop3",
	.settings = pop3_settings,
	.sandbox = SANDBOX_FILES | SANDBOX_UNIX,
	.init = pop3_sessions_init,
	.start = mail_session_start,
	.stop = mail_sessions_stop,
};

int main(int argc, char **argv)
{
	return service_run(&pop3_service, argc, argv);
}
