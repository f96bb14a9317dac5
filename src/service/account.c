/* SPDX-License-Identifier: MIT */
#include "service/account.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pack.h"

enum { FIELDS_MAX = 1024 };

const char *account_field(const struct account *account, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; account->fields[i] != NULL; i++) {
		const char *field = account->fields[i];

		if (strncmp(field, key, len) != 0)
			continue;
		if (field[len] == '=')
			return field + len + 1;
		if (field[len] == '\0')
			return "";
	}
	return NULL;
}

/* Numbers, as userdb gives them as a rule, or names. */
static int parse_uid(const char *text, uid_t *out, struct err *err)
{
	uint32_t number;
	const struct passwd *pw;

	if (str_to_u32(str_of(text), &number) && number != (uid_t)-1) {
		*out = number;
		return 0;
	}
	pw = getpwnam(text);
	if (pw == NULL)
		return err_set(err, ERR_INVALID, "Invalid UID: %s", text);
	*out = pw->pw_uid;
	return 0;
}

static int parse_gid(const char *text, gid_t *out, struct err *err)
{
	uint32_t number;
	const struct group *gr;

	if (str_to_u32(str_of(text), &number) && number != (gid_t)-1) {
		*out = number;
		return 0;
	}
	gr = getgrnam(text);
	if (gr == NULL)
		return err_set(err, ERR_INVALID, "Invalid GID: %s", text);
	*out = gr->gr_gid;
	return 0;
}

static const char *or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? text : NULL;
}

/* The members that have a name of their own. */
static int read_known(struct account *account, struct err *err)
{
	const char *uid = or_null(account_field(account, "uid"));
	const char *gid = or_null(account_field(account, "gid"));

	account->uid = (uid_t)-1;
	account->gid = (gid_t)-1;
	account->home = or_null(account_field(account, "home"));
	account->mail = or_null(account_field(account, "mail"));
	account->chroot = or_null(account_field(account, "chroot"));
	account->groups = or_null(account_field(account, "system_groups_user"));
	if (uid != NULL && parse_uid(uid, &account->uid, err) < 0)
		return -1;
	if (gid != NULL && parse_gid(gid, &account->gid, err) < 0)
		return -1;
	return 0;
}

int account_parse(const void *ctx, struct str name, struct str fields,
		  struct account **out, struct err *err)
{
	struct account *account = mem_new(ctx, struct account);
	struct str rest = fields, part;
	const char **list;
	size_t count = 0;

	account->name = str_dup(account, name);
	while (str_split(&rest, '\t', &part))
		count++;
	if (count > FIELDS_MAX) {
		mem_free(account);
		return err_set(err, ERR_LIMIT, "Too many fields of a user");
	}
	list = mem_array(account, const char *, count + 1);
	count = 0;
	rest = fields;
	while (str_split(&rest, '\t', &part)) {
		if (part.len > 0)
			list[count++] = str_tab_unescape(account, part);
	}
	account->fields = list;
	if (read_known(account, err) < 0) {
		mem_free(account);
		return err_wrap(err, "userdb");
	}
	*out = account;
	return 0;
}

void account_pack(const struct account *account, struct buf *out)
{
	uint32_t count = 0;

	while (account->fields[count] != NULL)
		count++;
	pack_str(out, str_of(account->name));
	pack_u32(out, account->uid);
	pack_u32(out, account->gid);
	pack_u32(out, count);
	for (uint32_t i = 0; i < count; i++)
		pack_str(out, str_of(account->fields[i]));
}

struct account *account_unpack(const void *ctx, struct unpack *in)
{
	struct account *account = mem_new(ctx, struct account);
	const char **list;
	struct err err;
	uid_t uid;
	gid_t gid;
	uint32_t count;

	account->name = str_dup(account, unpack_str(in));
	uid = unpack_u32(in);
	gid = unpack_u32(in);
	count = unpack_u32(in);
	if (in->bad || count > FIELDS_MAX) {
		mem_free(account);
		return NULL;
	}
	list = mem_array(account, const char *, count + 1);
	for (uint32_t i = 0; i < count; i++)
		list[i] = str_dup(account, unpack_str(in));
	account->fields = list;
	if (in->bad || read_known(account, &err) < 0) {
		mem_free(account);
		return NULL;
	}
	account->uid = uid;
	account->gid = gid;
	return account;
}

struct account *account_copy(const void *ctx, const struct account *account)
{
	struct buf packed = buf_init(SIZE_MAX);
	struct account *copy;
	struct unpack in;

	account_pack(account, &packed);
	in = (struct unpack){.in = str_n(packed.data, packed.len)};
	copy = account_unpack(ctx, &in);
	mem_wipe(packed.data, packed.len);
	buf_free(&packed);
	/* It was packed from an account: it can't be malformed. */
	return copy;
}

int account_own(const void *ctx, struct account **out, struct err *err)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *name = getenv("USER"), *home = getenv("HOME");
	char *fields;

	if (name == NULL && pw != NULL)
		name = pw->pw_name;
	if (home == NULL && pw != NULL)
		home = pw->pw_dir;
	if (name == NULL)
		return err_set(err, ERR_TEMPORARY,
			       "Couldn't lookup our username (uid=%u)",
			       (unsigned)getuid());
	fields = mem_printf(ctx, "uid=%u\tgid=%u", (unsigned)geteuid(),
			    (unsigned)getegid());
	if (home != NULL)
		fields = mem_printf(ctx, "%s\thome=%s", fields,
				    str_tab_escape(ctx, str_of(home)));
	return account_parse(ctx, str_of(name), str_of(fields), out, err);
}
