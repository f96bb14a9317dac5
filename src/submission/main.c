/* SPDX-License-Identifier: MIT */
/*
 * submission/main.c - the submission service: sessions after login.
 */
#include "service/service.h"
#include "session/mail_session.h"
#include "submission/session.h"
#include "submission/settings.h"

static const struct service submission_service = {
	.name = "submission",
	.settings = submission_settings,
	.sandbox = SANDBOX_FILES | SANDBOX_UNIX | SANDBOX_INET,
	.preload = relay_preload,
	.init = submission_sessions_init,
	.start = mail_session_start,
	.stop = mail_sessions_stop,
};

int main(int argc, char **argv)
{
	return service_run(&submission_service, argc, argv);
}
