/* SPDX-License-Identifier: MIT */
/*
 * doveadm/commands.h - the functions that the table in commands.c names.
 */
#ifndef DOVEADM_COMMANDS_H
#define DOVEADM_COMMANDS_H
#include <getopt.h>

struct doveadm;

/* master.c */
int cmd_reload(struct doveadm *adm, int argc, char **argv);
int cmd_stop(struct doveadm *adm, int argc, char **argv);
int cmd_service_status(struct doveadm *adm, int argc, char **argv);
int cmd_service_stop(struct doveadm *adm, int argc, char **argv);
int cmd_process_status(struct doveadm *adm, int argc, char **argv);
/* who.c */
int cmd_who(struct doveadm *adm, int argc, char **argv);
int cmd_kick(struct doveadm *adm, int argc, char **argv);
/* penalty.c */
int cmd_penalty(struct doveadm *adm, int argc, char **argv);
int cmd_proxy_kick(struct doveadm *adm, int argc, char **argv);
int cmd_proxy_list(struct doveadm *adm, int argc, char **argv);
/* End the proxied sessions that were opened with it. */
int doveadm_end_proxied(struct doveadm *adm, const char *app_password);
/* log.c */
int cmd_log_errors(struct doveadm *adm, int argc, char **argv);
int cmd_log_find(struct doveadm *adm, int argc, char **argv);
int cmd_log_reopen(struct doveadm *adm, int argc, char **argv);
int cmd_log_test(struct doveadm *adm, int argc, char **argv);
/* who.c: end the sessions that were opened with it, and those that share their
 * processes. */
int doveadm_end_sessions(struct doveadm *adm, const char *app_password);
/* app_password.c */
int cmd_app_password(struct doveadm *adm, int argc, char **argv);
/* auth.c */
int cmd_auth_cache_flush(struct doveadm *adm, int argc, char **argv);
int cmd_auth_lookup(struct doveadm *adm, int argc, char **argv);
int cmd_auth_test(struct doveadm *adm, int argc, char **argv);
/* user.c */
int cmd_user(struct doveadm *adm, int argc, char **argv);
/* pw.c */
int cmd_pw(struct doveadm *adm, int argc, char **argv);
/* exec.c */
int cmd_config(struct doveadm *adm, int argc, char **argv);
int cmd_exec(struct doveadm *adm, int argc, char **argv);
int cmd_help(struct doveadm *adm, int argc, char **argv);
/* expunge.c, flags.c, copy.c, save.c, import.c */
int cmd_expunge(struct doveadm *adm, int argc, char **argv);
int cmd_deduplicate(struct doveadm *adm, int argc, char **argv);
int cmd_flags(struct doveadm *adm, int argc, char **argv);
int cmd_copy(struct doveadm *adm, int argc, char **argv);
int cmd_save(struct doveadm *adm, int argc, char **argv);
int cmd_import(struct doveadm *adm, int argc, char **argv);
/* resync.c */
int cmd_force_resync(struct doveadm *adm, int argc, char **argv);
int cmd_index(struct doveadm *adm, int argc, char **argv);
/* dbox.c */
int cmd_altmove(struct doveadm *adm, int argc, char **argv);
int cmd_quota_get(struct doveadm *adm, int argc, char **argv);
int cmd_quota_recalc(struct doveadm *adm, int argc, char **argv);
int cmd_purge(struct doveadm *adm, int argc, char **argv);
/* undelete.c */
int cmd_undelete(struct doveadm *adm, int argc, char **argv);
/* sieve.c */
int cmd_sieve(struct doveadm *adm, int argc, char **argv);
/* dump.c */
int cmd_dump(struct doveadm *adm, int argc, char **argv);
/* search.c, fetch.c */
int cmd_search(struct doveadm *adm, int argc, char **argv);
int cmd_fetch(struct doveadm *adm, int argc, char **argv);
/* mailbox.c, mailbox_cache.c, mailbox_list.c, mailbox_status.c,
 * mailbox_update.c */
int cmd_mailbox_cache_purge(struct doveadm *adm, int argc, char **argv);
int cmd_mailbox_cache_decision(struct doveadm *adm, int argc, char **argv);
int cmd_mailbox_cache_remove(struct doveadm *adm, int argc, char **argv);
int cmd_mailbox_path(struct doveadm *adm, int argc, char **argv);
int cmd_mailbox_create(struct doveadm *adm, int argc, char **argv);
int cmd_mailbox_delete(struct doveadm *adm, int argc, char **argv);
int cmd_mailbox_list(struct doveadm *adm, int argc, char **argv);
/* mailbox_metadata.c */
int cmd_mailbox_metadata_get(struct doveadm *adm, int argc, char **argv);
int cmd_mailbox_metadata_set(struct doveadm *adm, int argc, char **argv);
int cmd_mailbox_mutf7(struct doveadm *adm, int argc, char **argv);
int cmd_mailbox_rename(struct doveadm *adm, int argc, char **argv);
int cmd_mailbox_status(struct doveadm *adm, int argc, char **argv);
int cmd_mailbox_subscribe(struct doveadm *adm, int argc, char **argv);
int cmd_mailbox_update(struct doveadm *adm, int argc, char **argv);

/* Long options, of a command with COMMAND_LONG. */
extern const struct option mailbox_update_options[];
extern const struct option mailbox_cache_options[];

#endif
