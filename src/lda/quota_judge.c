/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "lda/deliverer.h"
#include "service/account.h"
#include "storage/quota.h"
#include "storage/user.h"

static const struct config_filter filter = {.protocol = "quota-status"};

const char *quota_judge_action(const void *ctx, const struct config *config,
			       const struct user *user, const char *name,
			       const char *preset)
{
	const char *value = user == NULL ? config_plugin(config, &filter, name)
					 : user_plugin(ctx, user, name);

	return value == NULL ? preset : value;
}

static const char *judge(const void *ctx, const struct config *config,
			 struct user *user, uint64_t octets)
{
	struct err err;
	const char *full;

	if (quota_test(user, "INBOX", octets, &err) == 0)
		return quota_judge_action(ctx, config, user,
					  "quota_status_success", "OK");
	if (err.code != ERR_QUOTA && err.code != ERR_LIMIT) {
		log_error("user %s: %s", user_name(user), err.text);
		return NULL;
	}
	full = quota_judge_action(
		ctx, config, user, "quota_status_overquota",
		mem_printf(ctx, "554 5.2.2 %s", quota_told(&err)));
	return err.code == ERR_LIMIT
		       ? quota_judge_action(ctx, config, user,
					    "quota_status_toolarge", full)
		       : full;
}

char *quota_judge(const void *ctx, const struct config *config,
		  const struct account *account, uint64_t octets)
{
	static const struct user_context context = {.service = "quota-status"};
	const char *said;
	struct user *user;
	struct err err;

	if (user_open(ctx, config, account, &context, &user, &err) < 0) {
		log_error("%s", err.text);
		return NULL;
	}
	said = judge(ctx, config, user, octets);
	mem_free(user);
	return said == NULL ? NULL : mem_strdup(ctx, said);
}
