/* SPDX-License-Identifier: MIT */
#include "service/privs.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "service/account.h"
#include "service/privs_internal.h"
#include "service/settings.h"

enum { GROUPS_MAX = 256 };

/* mail_privileged_group as this process may take it. */
static struct {
	bool known;
	gid_t gid, old;
} privileged;

int privs_user(const char *name, uid_t *uid, gid_t *gid, struct err *err)
{
	const struct passwd *pw;
	uint32_t number;

	errno = 0;
	if (str_to_u32(str_of(name), &number))
		pw = getpwuid(number);
	else
		pw = getpwnam(name);
	if (pw == NULL)
		return err_set(err, ERR_INVALID, "User doesn't exist: %s",
			       name);
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

int privs_group(const char *name, gid_t *gid, struct err *err)
{
	const struct group *gr;
	uint32_t number;

	if (str_to_u32(str_of(name), &number)) {
		*gid = number;
		return 0;
	}
	gr = getgrnam(name);
	if (gr == NULL)
		return err_set(err, ERR_INVALID, "Group doesn't exist: %s",
			       name);
	*gid = gr->gr_gid;
	return 0;
}

/* In Dovecot's words: `what` is "UID", `from` "userdb lookup". */
static int check_range(const char *what, const char *setting, unsigned id,
		       unsigned first, unsigned last, const char *from,
		       struct err *err)
{
	if (id >= first && (last == 0 || id <= last))
		return 0;
	return err_set(err, ERR_DENIED,
		       "Mail access for users with %s %u not permitted (see "
		       "%s_valid_%s in config file, %s from %s).",
		       what, id, id < first ? "first" : "last", setting,
		       setting, from);
}

static int find_uid(const struct account *account,
		    const struct base_settings *set, uid_t *uid, gid_t *gid,
		    struct err *err)
{
	*uid = account->uid;
	if (*uid == (uid_t)-1 && set->mail_uid[0] != '\0' &&
	    privs_user(set->mail_uid, uid, gid, err) < 0)
		return err_wrap(err, "mail_uid");
	if (*uid == (uid_t)-1 && geteuid() != 0)
		*uid = geteuid();
	if (*uid != (uid_t)-1)
		return 0;
	return err_set(err, ERR_DENIED,
		       "Couldn't drop privileges: User is missing UID (see "
		       "mail_uid setting)");
}

static int find_gid(const struct account *account,
		    const struct base_settings *set, gid_t *gid,
		    struct err *err)
{
	*gid = account->gid;
	if (*gid == (gid_t)-1 && set->mail_gid[0] != '\0' &&
	    privs_group(set->mail_gid, gid, err) < 0)
		return err_wrap(err, "mail_gid");
	if (*gid == (gid_t)-1 && geteuid() != 0)
		*gid = getegid();
	if (*gid != (gid_t)-1)
		return 0;
	return err_set(err, ERR_DENIED,
		       "Couldn't drop privileges: User is missing GID (see "
		       "mail_gid setting)");
}

static int ids(const struct account *account, const struct base_settings *set,
	       uid_t *uid, gid_t *gid, struct err *err)
{
	const char *userdb = "userdb lookup";
	gid_t own = (gid_t)-1;

	if (find_uid(account, set, uid, &own, err) < 0 ||
	    find_gid(account, set, gid, err) < 0)
		return -1;
	/* A private instance has but one user, whoever that is. */
	if (geteuid() != 0)
		return 0;
	if (check_range("UID", "uid", *uid, set->first_valid_uid,
			set->last_valid_uid,
			account->uid != (uid_t)-1 ? userdb : "mail_uid setting",
			err) < 0)
		return -1;
	return check_range(
		"GID", "gid", *gid, set->first_valid_gid, set->last_valid_gid,
		account->gid != (gid_t)-1 ? userdb : "mail_gid setting", err);
}

/* The settings of the configuration asked for last, a child of it: lmtp asks
 * for each mail. */
static struct base_settings *known;
static const struct config *known_of;

static int known_forget(struct base_settings *set)
{
	if (known == set)
		known = NULL;
	return 0;
}

static int read_base(const struct config *config, struct base_settings *set,
		     struct err *err)
{
	struct base_settings *all;

	if (known == NULL || known_of != config) {
		all = mem_new(config, struct base_settings);
		if (config_read(all, config, NULL, base_settings, all, err) <
		    0) {
			mem_free(all);
			return -1;
		}
		known = all;
		known_of = config;
		talloc_set_destructor(all, known_forget);
	}
	*set = *known;
	return 0;
}

bool privs_has_group(const struct config *config)
{
	struct base_settings set;
	struct err err;

	return config != NULL && read_base(config, &set, &err) == 0 &&
	       set.mail_privileged_group[0] != '\0';
}

int privs_ids(const struct account *account, const struct config *config,
	      uid_t *uid_out, gid_t *gid_out, struct err *err)
{
	struct base_settings set;

	if (read_base(config, &set, err) < 0)
		return -1;
	return ids(account, &set, uid_out, gid_out, err);
}

char *privs_key(const void *ctx, const struct account *account,
		const struct config *config, struct err *err)
{
	uid_t uid;
	gid_t gid;

	if (privs_ids(account, config, &uid, &gid, err) < 0)
		return NULL;
	return mem_printf(ctx, "%u\t%u\t%s\t%s", uid, gid,
			  account->groups != NULL ? account->groups : "",
			  account->chroot != NULL ? account->chroot : "");
}

/* groups */

struct groups {
	gid_t list[GROUPS_MAX];
	int count;
};

static int add_named(struct groups *groups, const char *names, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "groups");
	const char *at = names;

	while (*at != '\0') {
		struct str name;

		at += strspn(at, ", \t");
		name = str_n(at, strcspn(at, ", \t"));
		at += name.len;
		if (name.len == 0)
			continue;
		if (groups->count == GROUPS_MAX)
			return err_set(err, ERR_LIMIT, "Too many groups");
		if (privs_group(str_dup(ctx, name),
				&groups->list[groups->count], err) < 0)
			return -1;
		groups->count++;
	}
	return 0;
}

/* Those that /etc/group lists the user in. */
static int add_system(struct groups *groups, const char *user, gid_t gid,
		      struct err *err)
{
	int room = GROUPS_MAX - groups->count;

	if (getgrouplist(user, gid, groups->list + groups->count, &room) < 0)
		return err_set(err, ERR_LIMIT, "%s is in too many groups",
			       user);
	groups->count += room;
	return 0;
}

static int collect(struct groups *groups, const struct account *account,
		   gid_t gid, const struct base_settings *set, struct err *err)
{
	groups->count = 0;
	groups->list[groups->count++] = gid;
	if (account->groups != NULL &&
	    add_system(groups, account->groups, gid, err) < 0)
		return err_wrap(err, "system_groups_user");
	if (add_named(groups, set->mail_access_groups, err) < 0)
		return err_wrap(err, "mail_access_groups");
	return 0;
}

/* The group is kept as saved gid: setegid() may take it and nothing else. */
static int privileged_read(const struct base_settings *set, gid_t gid,
			   struct err *err)
{
	privileged.known = false;
	if (set->mail_privileged_group[0] == '\0')
		return 0;
	if (privs_group(set->mail_privileged_group, &privileged.gid, err) < 0)
		return err_wrap(err, "mail_privileged_group");
	privileged.known = true;
	privileged.old = gid;
	return 0;
}

/* chroot */

static bool chroot_allowed(const char *dir, const char *valid)
{
	struct str rest = str_of(valid), one;

	size_t len = strlen(dir);

	if (strstr(dir, "/../") != NULL || dir[0] != '/' ||
	    (len >= 3 && strcmp(dir + len - 3, "/..") == 0))
		return false;
	while (str_split(&rest, ':', &one)) {
		if (one.len > 0 && strlen(dir) >= one.len &&
		    memcmp(dir, one.data, one.len) == 0 &&
		    (dir[one.len] == '\0' || dir[one.len] == '/'))
			return true;
	}
	return false;
}

static int check_root(const struct account *account,
		      const struct base_settings *set, struct err *err)
{
	const char *dir = account->chroot;

	if (dir == NULL || chroot_allowed(dir, set->valid_chroot_dirs))
		return 0;
	return err_set(err, ERR_DENIED,
		       "userdb returned invalid chroot directory: %s "
		       "(see valid_chroot_dirs setting)",
		       dir);
}

int privs_check_root(const struct account *account, const struct config *config,
		     struct err *err)
{
	struct base_settings set;

	if (read_base(config, &set, err) < 0)
		return -1;
	return check_root(account, &set, err);
}

static int change_root(const struct account *account,
		       const struct base_settings *set, struct err *err)
{
	const char *dir =
		account->chroot != NULL ? account->chroot : set->mail_chroot;

	if (check_root(account, set, err) < 0)
		return -1;
	if (dir[0] == '\0')
		return 0;
	if (chroot(dir) < 0 || chdir("/") < 0)
		return err_sys(err, "chroot(%s)", dir);
	return 0;
}

/* for good */

int privs_set_ids(uid_t uid, gid_t gid, const gid_t *groups, int count,
		  gid_t saved, struct err *err)
{
	if (setgroups((size_t)count, groups) < 0)
		return err_sys(err, "setgroups()");
	if (setresgid(gid, gid, saved) < 0)
		return err_sys(err, "setgid(%u)", gid);
	if (setresuid(uid, uid, uid) < 0)
		return err_sys(err, "setuid(%u)", uid);
	/* That there is no way back is the point of it all. */
	if (uid != 0 && setuid(0) == 0)
		return err_set(err, ERR_TEMPORARY,
			       "setuid(0) worked after dropping privileges");
	return 0;
}

void privs_no_new(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_warning("prctl(PR_SET_NO_NEW_PRIVS): %s", strerror(errno));
}

/* In a private instance: everything belongs to one user. */
static int check_own(uid_t uid, struct err *err)
{
	if (uid == geteuid())
		return 0;
	return err_set(err, ERR_DENIED,
		       "User has UID %u, but this server runs as UID %u", uid,
		       geteuid());
}

int privs_drop_for_exec(const struct account *account,
			const struct config *config, struct err *err)
{
	struct base_settings set;
	struct groups groups;
	uid_t uid;
	gid_t gid;

	if (read_base(config, &set, err) < 0 ||
	    ids(account, &set, &uid, &gid, err) < 0)
		return -1;
	if (geteuid() != 0)
		return check_own(uid, err);
	if (collect(&groups, account, gid, &set, err) < 0 ||
	    privileged_read(&set, gid, err) < 0 ||
	    change_root(account, &set, err) < 0 ||
	    privs_set_ids(uid, gid, groups.list, groups.count,
			  privileged.known ? privileged.gid : gid, err) < 0)
		return -1;
	return 0;
}

int privs_drop(const struct account *account, const struct config *config,
	       struct err *err)
{
	if (privs_drop_for_exec(account, config, err) < 0)
		return -1;
	privs_no_new();
	return 0;
}

/* mail_privileged_group */

int privs_group_begin(struct err *err)
{
	if (privileged.known && setegid(privileged.gid) < 0)
		return err_sys(err, "setegid(%u)", privileged.gid);
	return 0;
}

void privs_group_end(void)
{
	if (privileged.known && setegid(privileged.old) < 0)
		log_fatal(EXIT_FAILURE, "Can't drop mail_privileged_group: %s",
			  strerror(errno));
}
