/* SPDX-License-Identifier: MIT */
/*
 * managesieve/main.c - the managesieve service: sessions after login.
 */
#include "managesieve/session.h"
#include "managesieve/settings.h"
#include "service/service.h"
#include "session/mail_session.h"

static const struct service managesieve_service = {
	.name = "managesieve",
	.settings = managesieve_settings,
	.sandbox = SANDBOX_FILES | SANDBOX_UNIX,
	.init = managesieve_sessions_init,
	.start = mail_session_start,
	.stop = mail_sessions_stop,
};

int main(int argc, char **argv)
{
	return service_run(&managesieve_service, argc, argv);
}
