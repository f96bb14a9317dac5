/* SPDX-License-Identifier: MIT */
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "config/config.h"
#include "service/account.h"
#include "service/auth_master.h"
#include "service/privs.h"
#include "sievetools/tool.h"
#include "storage/user.h"

static int find_account(struct tool *tool, const char *name,
			struct account **out, struct err *err)
{
	const struct auth_request_info info = {.service = name,
					       .pid = getpid()};
	const char *base = config_value(tool->config, NULL, "base_dir");
	const char *socket =
		config_value(tool->config, NULL, "auth_socket_path");

	if (tool->user == NULL)
		return account_own(tool->ctx, out, err);
	socket = path_expand(tool->ctx, socket, base);
	return auth_user_lookup(tool->ctx, socket, tool->user, &info, out,
				err) < 0
		       ? err_wrap(err, "User '%s'", tool->user)
		       : 0;
}

static const char *setting_of_owner(const struct tool *tool, const char *name)
{
	return user_plugin(tool->ctx, tool->owner, name);
}

int tool_open_user(struct tool *tool, const char *name, struct err *err)
{
	const struct user_context context = {.service = name};
	struct account *account;

	if (find_account(tool, name, &account, err) < 0 ||
	    (tool->user != NULL &&
	     privs_drop_for_exec(account, tool->config, err) < 0) ||
	    user_open(tool->ctx, tool->config, account, &context, &tool->owner,
		      err) < 0)
		return -1;
	tool->setting = setting_of_owner;
	if (tool->user != NULL) {
		tool->user = user_name(tool->owner);
		tool->home = user_home(tool->owner);
	}
	return 0;
}
