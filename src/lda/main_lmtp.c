/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/vars.h"
#include "delivery/deliver.h"
#include "lda/lmtp.h"
#include "lda/lmtp_proxy.h"
#include "lda/workers.h"
#include "net/tls.h"
#include "service/anvil.h"
#include "service/auth_master.h"
#include "service/service.h"

static struct lmtp_process *process;

/* Without a certificate there is no STARTTLS. */
static int open_tls(const struct config_filter *filter, struct err *err)
{
	const struct config *config = service_config(process->env);
	struct tls_settings set;

	if (config_read(process, config, filter, tls_settings, &set, err) < 0)
		return -1;
	if (strcmp(set.ssl, "no") == 0 || set.ssl_cert[0] == '\0' ||
	    strcmp(config_value(config, NULL, "ssl"), "no") == 0)
		return 0;
	if (tls_new(process, &set, &process->tls, err) < 0)
		return err_wrap(err, "Failed to initialize SSL server context");
	return 0;
}

static int lmtp_init(struct service_env *env, struct err *err)
{
	const struct config_filter filter = {.protocol = "lmtp"};
	const struct config *config = service_config(env);
	const struct var none[] = {{0}};
	const char *greeting, *socket;

	process = mem_new(NULL, struct lmtp_process);
	process->env = env;
	if (config_read(process, config, &filter, lda_settings, &process->lda,
			err) < 0 ||
	    config_read(process, config, &filter, lmtp_settings, &process->set,
			err) < 0 ||
	    config_read(process, config, &filter, mail_settings, &process->mail,
			err) < 0)
		return -1;
	if (open_tls(&filter, err) < 0)
		return -1;
	process->log_prefix = mem_printf(process, "lmtp(%d)", (int)getpid());
	log_prefix_set(process->log_prefix);
	process->hostname = lda_hostname(process, &process->lda);
	greeting = config_value(config, &filter, "login_greeting");
	if (vars_expand_anyway(process, greeting, none, &process->greeting,
			       err) < 0)
		log_error("Failed to expand login_greeting=%s: %s", greeting,
			  err->text);
	process->trusted_networks =
		config_value(config, &filter, "login_trusted_networks");
	if (workers_new(process, env, process->log_prefix, &process->workers,
			err) < 0)
		return -1;
	if (process->set.lmtp_proxy &&
	    lmtp_proxy_new(process, config, &filter, &process->proxy, err) < 0)
		return -1;
	socket = config_value(config, &filter, "auth_socket_path");
	process->auth =
		auth_master_new(process, service_loop(env),
				service_socket_path(process, env, socket));
	if (process->set.lmtp_user_concurrency_limit > 0)
		process->anvil =
			anvil_new(process, service_loop(env),
				  service_socket_path(process, env, "anvil"));
	return 0;
}

static void lmtp_accept(struct service_env *env,
			const struct service_client *client)
{
	(void)env;
	lmtp_session_new(process, client);
}

static void lmtp_stop(struct service_env *env, const char *reason)
{
	struct lmtp_session *session, *tmp;

	(void)env;
	process->stopping = reason;
	DL_FOREACH_SAFE(process->sessions, session, tmp)
	{
		lmtp_shut_down(session);
	}
}

static const struct service lmtp_service = {
	.name = "lmtp",
	.settings = lmtp_settings,
	.sandbox = SANDBOX_FILES | SANDBOX_UNIX | SANDBOX_INET,
	.init = lmtp_init,
	.accept = lmtp_accept,
	.stop = lmtp_stop,
};

int main(int argc, char **argv)
{
	return service_run(&lmtp_service, argc, argv);
}
