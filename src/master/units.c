/* SPDX-License-Identifier: MIT */
/*
 * master/units.c - the service blocks of a configuration as things to run.
 */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/master.h"
#include "service/privs_internal.h"

struct reading {
	struct master *master;
	const struct config *config;
	const struct base_settings *base;
	struct err *err;
};

struct unit *unit_find(struct unit *units, const char *name)
{
	struct unit *one;

	DL_FOREACH (units, one) {
		if (strcmp(one->name, name) == 0)
			return one;
	}
	return NULL;
}

/* listeners */

static struct listener *listener_add(struct unit *unit, const char *name)
{
	struct listener *listener = mem_new(unit, struct listener);

	listener->unit = unit;
	listener->name = mem_strdup(listener, name);
	listener->fd = -1;
	listener->uid = (uid_t)-1;
	listener->gid = (gid_t)-1;
	DL_APPEND(unit->listeners, listener);
	return listener;
}

static int read_unix(struct reading *reading, struct unit *unit,
		     const struct config_section *section)
{
	struct unix_listener_settings set;
	struct listener *listener;
	const char *path;
	gid_t own;

	if (config_read_section(unit, section, unix_listener_settings, &set,
				reading->err) < 0)
		return -1;
	if (set.mode.mode == 0)
		return 0;
	path = set.path[0] != '\0' ? set.path : section->name;
	listener = listener_add(unit, section->name);
	listener->mode = set.mode.mode;
	listener->path = path[0] == '/'
				 ? mem_strdup(listener, path)
				 : mem_printf(listener, "%s/%s",
					      reading->base->base_dir, path);
	if (geteuid() != 0)
		return 0;
	listener->uid = 0;
	listener->gid = 0;
	if (set.user[0] != '\0' &&
	    privs_user(set.user, &listener->uid, &own, reading->err) < 0)
		return -1;
	if (set.group[0] != '\0' &&
	    privs_group(set.group, &listener->gid, reading->err) < 0)
		return -1;
	return 0;
}

static void add_inet(struct unit *unit, const char *name,
		     const struct inet_listener_settings *set, struct ip ip,
		     bool optional)
{
	struct listener *listener = listener_add(unit, name);

	listener->ip = ip;
	listener->ip.port = (uint16_t)set->port;
	listener->ssl = set->ssl;
	listener->haproxy = set->haproxy;
	listener->reuse_port = set->reuse_port;
	listener->optional = optional;
}

/* A name may stand for several addresses. */
static int add_named(struct reading *reading, struct unit *unit,
		     const char *name, const char *host,
		     const struct inet_listener_settings *set)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE};
	struct addrinfo *list, *one;
	int ret = getaddrinfo(host, NULL, &hints, &list);

	if (ret != 0)
		return err_set(reading->err, ERR_INVALID,
			       "Can't resolve address %s: %s", host,
			       gai_strerror(ret));
	for (one = list; one != NULL; one = one->ai_next) {
		struct ip ip = {.family = one->ai_family};

		if (ip.family == AF_INET)
			ip.v4 = ((struct sockaddr_in *)(void *)one->ai_addr)
					->sin_addr;
		else if (ip.family == AF_INET6)
			ip.v6 = ((struct sockaddr_in6 *)(void *)one->ai_addr)
					->sin6_addr;
		else
			continue;
		add_inet(unit, name, set, ip, false);
	}
	freeaddrinfo(list);
	return 0;
}

static int add_address(struct reading *reading, struct unit *unit,
		       const char *name, const char *address,
		       const struct inet_listener_settings *set)
{
	bool any6 = strcmp(address, "::") == 0 || strcmp(address, "[::]") == 0;
	struct ip ip = {.family = AF_INET};

	if (strcmp(address, "*") != 0 && !ip_parse(address, &ip))
		return add_named(reading, unit, name, address, set);
	add_inet(unit, name, set, ip, any6);
	return 0;
}

static int read_inet(struct reading *reading, struct unit *unit,
		     const struct config_section *section)
{
	struct inet_listener_settings set;
	const char *at;

	if (config_read_section(unit, section, inet_listener_settings, &set,
				reading->err) < 0)
		return -1;
	/* What could only close its connections is not opened. */
	if (set.port == 0 ||
	    (set.ssl &&
	     strcmp(config_value(reading->config, NULL, "ssl"), "no") == 0))
		return 0;
	if (set.port > UINT16_MAX)
		return err_set(reading->err, ERR_INVALID,
			       "port %u is too large", set.port);
	at = set.address[0] != '\0' ? set.address : reading->base->listen;
	while (*at != '\0') {
		size_t len = strcspn(at, ", \t");

		if (len > 0 &&
		    add_address(reading, unit, section->name,
				mem_strndup(unit, at, len), &set) < 0)
			return -1;
		at += len;
		at += strspn(at, ", \t");
	}
	return 0;
}

static int read_listeners(struct reading *reading, struct unit *unit,
			  const struct config_section *section)
{
	const struct config_section *at = NULL;
	struct listener *one;
	int count = 0;

	while ((at = config_child_next(section, "unix_listener", at)) != NULL) {
		if (read_unix(reading, unit, at) < 0)
			return -1;
	}
	while ((at = config_child_next(section, "inet_listener", at)) != NULL) {
		if (read_inet(reading, unit, at) < 0)
			return -1;
	}
	DL_FOREACH (unit->listeners, one)
		count++;
	if (count > LISTENERS_MAX)
		return err_set(reading->err, ERR_LIMIT,
			       "More than %d listeners", LISTENERS_MAX);
	return 0;
}

/* services */

static bool wanted(const struct reading *reading, const struct unit *unit)
{
	return unit->set.protocol[0] == '\0' ||
	       str_has_word(reading->base->protocols,
			    str_of(unit->set.protocol));
}

/* The program's name and arguments; false when there is no such program, which
 * is so for the services that only Dovecot has. */
static bool find_program(const struct reading *reading, struct unit *unit,
			 const struct config_section *section)
{
	const char *name = unit->set.executable;
	size_t len = strcspn(name, " \t");

	unit->program = name[0] == '/' ? mem_strndup(unit, name, len)
				       : mem_printf(unit, "%s/%.*s",
						    reading->base->libexec_dir,
						    (int)len, name);
	if (len > 0 && access(unit->program, X_OK) == 0)
		return true;
	/* Told only of what the administrator wrote himself. */
	if (section->file != NULL && strcmp(section->file, "presets") != 0)
		log_warning("service(%s): there is no program %s: ignored",
			    unit->name, unit->program);
	return false;
}

static int check_users(const struct reading *reading, const struct unit *unit)
{
	uid_t uid;
	gid_t gid;

	if (geteuid() != 0)
		return 0;
	if (unit->set.user[0] != '\0' &&
	    privs_user(unit->set.user, &uid, &gid, reading->err) < 0)
		return -1;
	if (unit->set.group[0] != '\0')
		return privs_group(unit->set.group, &gid, reading->err);
	return 0;
}

static int check_chroot(const struct reading *reading, const struct unit *unit)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "chroot");
	const char *dir = unit->set.chroot;
	struct stat st;

	if (geteuid() != 0 || dir[0] == '\0')
		return 0;
	if (dir[0] != '/')
		dir = mem_printf(ctx, "%s/%s", reading->base->base_dir, dir);
	if (stat(dir, &st) < 0)
		return err_sys(reading->err, "chroot = %s: stat(%s)",
			       unit->set.chroot, dir);
	return 0;
}

static void set_limits(const struct reading *reading, struct unit *unit)
{
	unit->client_limit = unit->set.client_limit;
	if (unit->client_limit == 0)
		unit->client_limit = reading->base->default_client_limit;
	unit->process_limit = unit->set.process_limit;
	if (unit->process_limit == 0)
		unit->process_limit = reading->base->default_process_limit;
	unit->lasting = strcmp(unit->set.type, "log") == 0 ||
			strcmp(unit->set.type, "anvil") == 0;
}

/* Told only of what the administrator wrote himself. */
static void tell_ignored(const struct unit *unit,
			 const struct config_section *section)
{
	const struct config_value *value = section->values;

	while (value != NULL &&
	       (value->file == NULL ||
		strcmp(value->name, "drop_priv_before_exec") != 0))
		value = value->next;
	if (value != NULL && unit->set.drop_priv_before_exec)
		log_warning("service(%s): drop_priv_before_exec is not needed "
			    "here: ignored",
			    unit->name);
}

static int read_unit(struct reading *reading, struct unit *unit,
		     const struct config_section *section, struct unit **all)
{
	if (config_read_section(unit, section, service_settings, &unit->set,
				reading->err) < 0)
		return -1;
	if (!wanted(reading, unit) || !find_program(reading, unit, section)) {
		mem_free(unit);
		return 0;
	}
	set_limits(reading, unit);
	tell_ignored(unit, section);
	if (check_users(reading, unit) < 0 || check_chroot(reading, unit) < 0 ||
	    read_listeners(reading, unit, section) < 0)
		return err_wrap(reading->err, "service(%s)", unit->name);
	DL_APPEND(*all, unit);
	return 0;
}

int units_read(const void *ctx, struct master *master,
	       const struct config *config, const struct base_settings *base,
	       struct unit **out, struct err *err)
{
	struct reading reading = {master, config, base, err};
	const struct config_section *at = NULL;
	struct unit *all = NULL;

	if (base->protocols[0] == '\0')
		return err_set(err, ERR_INVALID,
			       "protocols: No protocols defined (to disable "
			       "all, use protocols = none)");
	while ((at = config_section_next(config, NULL, "service", at)) !=
	       NULL) {
		struct unit *unit = mem_new(ctx, struct unit);

		unit->master = master;
		unit->name = mem_strdup(unit, at->name);
		if (read_unit(&reading, unit, at, &all) < 0)
			return -1;
	}
	if (unit_find(all, "log") == NULL)
		return err_set(err, ERR_INVALID,
			       "libexec_dir: There is no program %s/log",
			       base->libexec_dir);
	*out = all;
	return 0;
}
