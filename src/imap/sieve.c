/* SPDX-License-Identifier: MIT */
#include "imap/sieve.h"

#include <stdio.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "delivery/filter.h"
#include "delivery/sieve.h"
#include "imap/cmd.h"
#include "imap/session.h"
#include "service/service.h"
#include "storage/storage.h"

enum { RULES_MAX = 1000 };

enum cause {
	CAUSE_APPEND = 1 << 0,
	CAUSE_COPY = 1 << 1,
	CAUSE_FLAG = 1 << 2,
};

/* imapsieve_mailboxN_* */
struct rule {
	const char *name, *from; /* NULL: any */
	unsigned causes;         /* enum cause */
	const char *before, *after, *copy_source_after;
	struct rule *next;
};

/* What happens, for one command. */
struct event {
	enum cause cause;
	const char *mailbox;
	const char *from;          /* but for COPY, `mailbox` */
	bool has_source;           /* COPY: the mail is in `from`, too */
	const char *changed_flags; /* NULL but for FLAG */
};

struct imap_sieve {
	struct session *session;
	struct filter *events, *filter; /* NULL: not wanted */
	struct rule *rules;             /* list */
	bool users;                     /* they may have scripts of their own */
	bool expunge_discarded;
	const char *capability;
	const struct event *event; /* that is under way */
	const char *event_mailbox; /* that its script runs for */
};

/* at the begin */

void imap_sieve_sandbox(struct service_env *env)
{
	static const struct config_filter filter = {.protocol = "imap"};
	const struct config *config = service_config(env);
	const char *plugins = config_value(config, &filter, "mail_plugins");

	if (!str_has_item(plugins, STR("imap_sieve")) &&
	    !str_has_item(plugins, STR("imap_filter_sieve")))
		return;
	service_may(env, lda_sieve_runs_programs(config, &filter)
				 ? SANDBOX_NONE
				 : SANDBOX_INET);
	lda_sieve_load_calendars(config, &filter);
}

static const char *rule_value(struct imap_sieve *sieve, unsigned number,
			      const char *what)
{
	char name[100];
	const char *value;

	snprintf(name, sizeof(name), "imapsieve_mailbox%u_%s", number, what);
	value = user_plugin(sieve, sieve->session->user, name);
	return value == NULL || value[0] == '\0' ? NULL : value;
}

static const char *cause_name(unsigned cause)
{
	return cause == CAUSE_APPEND ? "APPEND"
	       : cause == CAUSE_COPY ? "COPY"
				     : "FLAG";
}

/* False, and the log tells: the rule is of no use. */
static bool read_causes(unsigned number, const char *value, unsigned *out)
{
	struct str rest = str_of(value), word;

	*out = 0;
	while (str_item(&rest, &word)) {
		unsigned cause = CAUSE_APPEND;

		while (cause <= CAUSE_FLAG &&
		       !str_case_is(word, cause_name(cause)))
			cause <<= 1;
		if (cause > CAUSE_FLAG) {
			log_warning("imapsieve: Static mailbox rule [%u] has "
				    "invalid event cause `%.*s' (skipped)",
				    number, STR_FMT(word));
			return false;
		}
		*out |= cause;
	}
	return true;
}

static void read_rules(struct imap_sieve *sieve)
{
	for (unsigned n = 1; n < RULES_MAX; n++) {
		struct rule *rule = mem_new(sieve, struct rule);
		const char *causes = rule_value(sieve, n, "causes");

		rule->name = rule_value(sieve, n, "name");
		if (rule->name == NULL)
			return;
		rule->causes = CAUSE_APPEND | CAUSE_COPY | CAUSE_FLAG;
		if (causes != NULL && !read_causes(n, causes, &rule->causes))
			continue;
		rule->from = rule_value(sieve, n, "from");
		rule->before = rule_value(sieve, n, "before");
		rule->after = rule_value(sieve, n, "after");
		rule->copy_source_after =
			rule_value(sieve, n, "copy_source_after");
		LL_APPEND(sieve->rules, rule);
	}
}

/* RFC 6785 section 4, and Pigeonhole's. */
static int environment(void *ctx, const void *mem, const char *name,
		       struct str *value_out, struct err *)
{
	const struct imap_sieve *sieve = ctx;
	const struct event *event = sieve->event;
	const struct {
		const char *name, *value;
	} all[] = {
		{"imap.user", user_name(sieve->session->user)},
		{"imap.email", filter_owner(mem, sieve->events)},
		{"imap.cause", cause_name(event->cause)},
		{"imap.mailbox", sieve->event_mailbox},
		{"imap.changedflags", event->changed_flags},
		{"vnd.dovecot.mailbox-from", event->from},
		{"vnd.dovecot.mailbox-to", event->mailbox},
	};

	*value_out = (struct str){0};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (str_case_is(str_of(name), all[i].name))
			*value_out = all[i].value == NULL
					     ? STR("")
					     : str_of(all[i].value);
	}
	return 0;
}

static struct filter *new_filter(struct imap_sieve *sieve, bool events)
{
	static const struct config_filter filter = {.protocol = "imap"};
	struct session *session = sieve->session;
	const struct filter_options options = {
		.config = service_config(session->env),
		.filter = &filter,
		.service = "imap",
		.session_id = session->base.login->session_id,
		.sender_of =
			events ? FILTER_SENDER_NONE : FILTER_SENDER_ENVELOPE,
		.scripts.extra = events ? sieve_imap_extensions : NULL,
		.scripts.no_envelope = events,
		.send = true,
		.log_uids = true,
		.environment = events ? environment : NULL,
		.ctx = sieve,
	};
	struct filter *out;
	struct err err;

	if (filter_new(sieve, session->user, &options, &out, &err) == 0)
		return out;
	log_error("sieve: %s", err.text);
	return NULL;
}

/* imapsieve_url: users may have scripts, and put them there. */
static const char *read_url(struct imap_sieve *sieve)
{
	const char *url =
		user_plugin(sieve, sieve->session->user, "imapsieve_url");

	if (url == NULL || url[0] == '\0')
		return "";
	/* An atom, or it would end the line of capabilities. */
	if (strncmp(url, "sieve://", 8) != 0 ||
	    url[strcspn(url, " ]()\"\\%*\r\n")] != '\0') {
		log_error("imapsieve_url: not a URL of ManageSieve: %.200s",
			  url);
		return "";
	}
	sieve->users = true;
	return mem_printf(sieve, " IMAPSIEVE=%s", url);
}

struct imap_sieve *imap_sieve_new(struct session *session)
{
	const char *plugins = user_settings(session->user)->mail_plugins;
	bool events = str_has_item(plugins, STR("imap_sieve"));
	bool filter = str_has_item(plugins, STR("imap_filter_sieve"));
	struct imap_sieve *sieve;
	const char *discarded;

	if (!events && !filter)
		return NULL;
	sieve = mem_new(session, struct imap_sieve);
	sieve->session = session;
	sieve->capability = "";
	if (events) {
		read_rules(sieve);
		discarded = user_plugin(sieve, session->user,
					"imapsieve_expunge_discarded");
		sieve->expunge_discarded =
			discarded != NULL && strcmp(discarded, "yes") == 0;
		sieve->events = new_filter(sieve, true);
	}
	if (sieve->events != NULL)
		sieve->capability = read_url(sieve);
	if (filter)
		sieve->filter = new_filter(sieve, false);
	if (sieve->filter != NULL)
		sieve->capability =
			mem_printf(sieve, "%s FILTER=SIEVE", sieve->capability);
	return sieve;
}

const char *imap_sieve_capability(const struct imap_sieve *sieve)
{
	return sieve == NULL ? "" : sieve->capability;
}

struct filter *imap_sieve_filter(const struct imap_sieve *sieve)
{
	return sieve == NULL ? NULL : sieve->filter;
}

/* which scripts */

static bool matches(const struct imap_sieve *sieve, const char *pattern,
		    const char *mailbox)
{
	const struct namespace *ns =
		namespace_find(sieve->session->user, mailbox);

	return ns != NULL &&
	       mailbox_name_match(pattern, mailbox, ns->separator);
}

static bool applies(const struct imap_sieve *sieve, const struct rule *rule,
		    const struct event *event)
{
	return (rule->causes & event->cause) != 0 &&
	       matches(sieve, rule->name, event->mailbox) &&
	       (rule->from == NULL || matches(sieve, rule->from, event->from));
}

/* The value that RFC 6785 section 2.3.1 selects: the mailbox's, or the
 * server's; NULL: neither is there. */
static const char *script_name(const void *ctx, struct imap_sieve *sieve,
			       const char *mailbox)
{
	static const char entry[] = "/shared/imapsieve/script";
	const char *const where[] = {mailbox, ""};
	const char *value = NULL;
	struct err err;

	for (size_t i = 0; i < 2 && value == NULL; i++) {
		if (attribute_get(ctx, sieve->session->user, where[i], entry,
				  &value, &err) == 0)
			continue;
		if (err.code != ERR_UNSUPPORTED)
			log_error("imapsieve: mailbox %s: %s: %s", where[i],
				  entry, err.text);
		return NULL;
	}
	return value;
}

/* One that is not there is none. */
static void add_user_script(const void *ctx, struct imap_sieve *sieve,
			    struct lda_script ***end, const char *mailbox)
{
	struct lda_sieve *lda = filter_sieve(sieve->events);
	const char *name =
		sieve->users ? script_name(ctx, sieve, mailbox) : NULL;
	struct lda_script *script;
	struct err err;

	if (name == NULL || name[0] == '\0')
		return;
	if (lda_script_named(ctx, lda, false, str_of(name), &script, &err) ==
	    0) {
		**end = script;
		*end = &script->next;
	} else if (err.code != ERR_NOT_FOUND && err.code != ERR_INVALID) {
		log_error("imapsieve: mailbox %s: %s", mailbox, err.text);
	}
}

static struct lda_script *scripts_for(const void *ctx, struct imap_sieve *sieve,
				      const struct event *event, bool source)
{
	struct lda_script *list = NULL, **end = &list;
	struct lda_sieve *lda = filter_sieve(sieve->events);
	const struct rule *rule;

	LL_FOREACH (sieve->rules, rule) {
		const char *location =
			source ? rule->copy_source_after : rule->before;

		if (location != NULL && applies(sieve, rule, event))
			(void)lda_script_add_global(ctx, lda, &end, location);
	}
	if (!source)
		add_user_script(ctx, sieve, &end, event->mailbox);
	LL_FOREACH (sieve->rules, rule) {
		if (!source && rule->after != NULL &&
		    applies(sieve, rule, event))
			(void)lda_script_add_global(ctx, lda, &end,
						    rule->after);
	}
	return list;
}

/* running */

/* Pigeonhole's way, not RFC 6785 section 3.5's: a mail that was read or flagged
 * is not deleted for it. */
static bool stays(const struct imap_sieve *sieve,
		  const struct filter_outcome *outcome)
{
	return sieve->event->cause == CAUSE_FLAG && !outcome->kept &&
	       !outcome->replaced;
}

/* False: not now, or it is gone. */
static bool run_one(struct imap_sieve *sieve, struct mailbox *box, uint32_t uid,
		    struct lda_script *scripts)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "event");
	struct filter_outcome outcome;
	struct err err;

	if (filter_mail(ctx, sieve->events, box, uid, scripts, NULL, NULL,
			&outcome, &err) == 0 &&
	    (stays(sieve, &outcome) ||
	     filter_settle(ctx, box, uid, &outcome, sieve->expunge_discarded,
			   NULL, &err) == 0))
		return true;
	if (err.code != ERR_EXPUNGED)
		log_error("imapsieve: mailbox %s: uid=%u: %s",
			  mailbox_name(box), uid, err.text);
	return false;
}

static struct mailbox *open_box(struct imap_sieve *sieve, const char *name)
{
	struct mailbox *box = NULL;
	struct err err;

	if (mailbox_open(sieve->session->user, name, MAILBOX_KEEP_RECENT, &box,
			 &err) < 0)
		log_error("imapsieve: mailbox %s: %s", name, err.text);
	return box;
}

/* The user's, beside his script, unless sieve_user_log says where. */
static const char *log_beside(const void *ctx, const struct lda_sieve *lda,
			      const struct lda_script *scripts)
{
	const struct lda_script *at;

	LL_FOREACH (scripts, at) {
		if (!at->global && at->location == NULL &&
		    lda->scripts->set.sieve_user_log[0] == '\0')
			return mem_printf(ctx, "%s.log", at->path);
	}
	return lda->log_path;
}

/* Without what can't be compiled and what comes after it, which is told of once
 * for all mails. */
static struct lda_script *compiled(struct lda_sieve *lda,
				   struct lda_script *scripts)
{
	struct lda_script **at = &scripts;
	struct err err;

	lda->log_begun = false;
	for (; *at != NULL; at = &(*at)->next) {
		if (lda_script_open(lda, *at, &err) < 0)
			log_error("imapsieve: %s", err.text);
		if (!(*at)->missing && (*at)->program == NULL) {
			*at = NULL;
			break;
		}
	}
	return scripts;
}

/* For each mail: in its mailbox, and (COPY) for where it came from. */
static void run_for_all(struct imap_sieve *sieve, const struct event *event,
			struct lda_script *scripts, struct lda_script *after,
			const struct range_set *uids,
			const struct range_set *from_uids)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	CLEANUP(mailbox_close) struct mailbox *source = NULL;
	uint64_t at = 0, from_at = 0;
	uint32_t uid, from_uid = 0;

	sieve->event = event;
	if (scripts != NULL)
		box = open_box(sieve, event->mailbox);
	if (after != NULL)
		source = open_box(sieve, event->from);
	while (range_set_next(uids, &at, &uid)) {
		bool good = true;

		if (from_uids != NULL &&
		    !range_set_next(from_uids, &from_at, &from_uid))
			break;
		sieve->event_mailbox = event->mailbox;
		if (box != NULL)
			good = run_one(sieve, box, uid, scripts);
		sieve->event_mailbox = event->from;
		if (source != NULL && good)
			run_one(sieve, source, from_uid, after);
	}
	sieve->event = NULL;
}

static void run_event(const void *ctx, struct imap_sieve *sieve,
		      const struct event *event, const struct range_set *uids,
		      const struct range_set *from_uids)
{
	struct lda_sieve *lda = filter_sieve(sieve->events);
	struct lda_script *scripts = scripts_for(ctx, sieve, event, false);
	struct lda_script *after = NULL;
	const char *log_path = lda->log_path;

	if (event->has_source)
		after = scripts_for(ctx, sieve, event, true);
	lda->log_path = log_beside(ctx, lda, scripts);
	scripts = compiled(lda, scripts);
	after = compiled(lda, after);
	if (scripts != NULL || after != NULL)
		run_for_all(sieve, event, scripts, after, uids, from_uids);
	lda->log_path = log_path;
}

/* the events */

static struct imap_sieve *wanted(const struct cmd *cmd)
{
	struct imap_sieve *sieve = cmd->session->sieve;

	return sieve == NULL || sieve->events == NULL ? NULL : sieve;
}

void imap_sieve_appended(struct cmd *cmd, const char *mailbox,
			 const struct range_set *uids)
{
	const struct event event = {
		.cause = CAUSE_APPEND,
		.mailbox = mailbox,
		.from = mailbox,
	};

	if (wanted(cmd) != NULL)
		run_event(cmd, wanted(cmd), &event, uids, NULL);
}

void imap_sieve_copied(struct cmd *cmd, const char *mailbox, bool move,
		       const struct range_set *from_uids,
		       const struct range_set *to_uids)
{
	const struct event event = {
		.cause = CAUSE_COPY,
		.mailbox = mailbox,
		.from = mailbox_name(cmd->session->box),
		.has_source = !move,
	};

	if (wanted(cmd) != NULL)
		run_event(cmd, wanted(cmd), &event, to_uids, from_uids);
}

static const char *changed_flags(const void *ctx, struct mailbox *box,
				 uint8_t flags, const struct keywords *keywords)
{
	const char *const *names = filter_flag_names(ctx, box, flags, keywords);
	struct buf out = buf_init(SIZE_MAX);

	for (size_t i = 0; names[i] != NULL; i++)
		buf_printf(&out, "%s%s", i > 0 ? " " : "", names[i]);
	return buf_steal(ctx, &out);
}

void imap_sieve_stored(struct cmd *cmd, const struct store_result *result)
{
	struct mailbox *box = cmd->session->box;
	struct event event = {.cause = CAUSE_FLAG};
	const struct flag_change *at;

	if (wanted(cmd) == NULL)
		return;
	event.mailbox = event.from = mailbox_name(box);
	LL_FOREACH (result->changes, at) {
		struct range_set uids = range_set_init(cmd);

		event.changed_flags =
			changed_flags(cmd, box, at->flags, &at->keywords);
		mailbox_uids_of(box, &at->seqs, &uids);
		run_event(cmd, wanted(cmd), &event, &uids, NULL);
	}
}
