/* SPDX-License-Identifier: MIT */
#include "sieve/engine.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "config/config.h"
#include "sieve/compile.h"
#include "sieve/ext/list.h"

struct sieve_engine {
	struct sieve_engine_options options;
	struct sieve_settings set;
	const struct sieve_extension *extensions[SIEVE_MAX_EXTENSIONS + 1];
	void *sets[SIEVE_MAX_EXTENSIONS];
	bool enabled[SIEVE_MAX_EXTENSIONS], global[SIEVE_MAX_EXTENSIONS];
	unsigned count;
};

const struct sieve_settings *
sieve_engine_settings(const struct sieve_engine *engine)
{
	return &engine->set;
}

const struct sieve_engine_options *
sieve_engine_options(const struct sieve_engine *engine)
{
	return &engine->options;
}

const struct sieve_extension *
sieve_engine_extension(const struct sieve_engine *engine, unsigned place)
{
	return place < engine->count ? engine->extensions[place] : NULL;
}

int sieve_engine_place(const struct sieve_engine *engine,
		       const struct sieve_extension *ext)
{
	for (unsigned i = 0; i < engine->count; i++) {
		if (engine->extensions[i] == ext)
			return (int)i;
	}
	return -1;
}

const void *sieve_engine_set(const struct sieve_engine *engine,
			     const struct sieve_extension *ext)
{
	int place = sieve_engine_place(engine, ext);

	return place < 0 ? NULL : engine->sets[place];
}

static int find(const struct sieve_engine *engine, struct str name)
{
	for (unsigned i = 0; i < engine->count; i++) {
		if (str_is(name, engine->extensions[i]->name))
			return (int)i;
	}
	return -1;
}

static bool is_base(const struct sieve_engine *engine, unsigned place)
{
	return (engine->extensions[place]->flags & SIEVE_EXT_BASE) != 0;
}

/* What the administrator keeps for his scripts is not for others, whatever
 * sieve_extensions says. */
static bool is_enabled(const struct sieve_engine *engine, unsigned place,
		       bool global)
{
	if (global)
		return engine->enabled[place] || engine->global[place];
	return engine->enabled[place] &&
	       (!engine->global[place] || is_base(engine, place));
}

static const struct sieve_extension *
find_enabled(const struct sieve_engine *engine, struct str name, bool global)
{
	int place = find(engine, name);

	return place >= 0 && is_enabled(engine, (unsigned)place, global)
		       ? engine->extensions[place]
		       : NULL;
}

static bool is_misplaced(const struct sieve_engine *engine,
			 const struct sieve_extension *ext)
{
	return engine->options.no_envelope && ext != NULL &&
	       (ext->flags & SIEVE_EXT_ENVELOPE) != 0;
}

const struct sieve_extension *
sieve_engine_find(const struct sieve_engine *engine, struct str name,
		  bool global)
{
	const struct sieve_extension *ext = find_enabled(engine, name, global);

	return is_misplaced(engine, ext) ? NULL : ext;
}

const struct sieve_extension *
sieve_engine_misplaced(const struct sieve_engine *engine, struct str name,
		       bool global)
{
	const struct sieve_extension *ext = find_enabled(engine, name, global);

	return is_misplaced(engine, ext) ? ext : NULL;
}

/* Known, but where scripts run at IMAP events only. */
static bool is_of_events(struct str name)
{
	const struct sieve_extension *const *ext = sieve_imap_extensions;

	while (*ext != NULL && !str_is(name, (*ext)->name))
		ext++;
	return *ext != NULL;
}

static void enable(struct sieve_engine *engine, bool *enabled, struct str word,
		   bool on)
{
	int place = find(engine, word);

	if (place >= 0)
		enabled[place] = on;
	else if (!is_of_events(word))
		log_warning("sieve: ignored unknown extension '%.*s' while "
			    "configuring available extensions",
			    STR_FMT(word));
}

static bool is_sign(char c)
{
	return c == '+' || c == '-';
}

/* "+a -b" changes what there is, "a b" replaces it, as nothing does; where one
 * name has a sign, those without one are added. */
static void enable_list(struct sieve_engine *engine, bool *enabled,
			const char *list)
{
	struct str rest = str_of(list), word;
	bool replaces = true;

	while (str_word(&rest, &word)) {
		replaces = !is_sign(word.data[0]);
		if (!replaces)
			break;
	}
	for (unsigned i = 0; i < engine->count && replaces; i++)
		enabled[i] = is_base(engine, i);
	rest = str_of(list);
	while (str_word(&rest, &word))
		enable(engine, enabled,
		       str_from(word, is_sign(word.data[0]) ? 1 : 0),
		       word.data[0] != '-');
}

static bool is_set(const struct sieve_engine *engine, const char *name)
{
	const struct sieve_engine_options *options = &engine->options;

	return options->setting(options->ctx, name) != NULL;
}

static void enable_all(struct sieve_engine *engine)
{
	for (unsigned i = 0; i < engine->count; i++) {
		unsigned flags = engine->extensions[i]->flags;

		engine->enabled[i] =
			engine->options.all_extensions ||
			(flags & (SIEVE_EXT_OFF | SIEVE_EXT_GLOBAL)) == 0;
	}
	if (is_set(engine, "sieve_extensions"))
		enable_list(engine, engine->enabled,
			    engine->set.sieve_extensions);
	enable_list(engine, engine->global,
		    engine->set.sieve_global_extensions);
	for (unsigned i = 0; i < engine->count; i++)
		engine->enabled[i] |=
			str_has_word(engine->options.always,
				     str_of(engine->extensions[i]->name));
}

static void add(struct sieve_engine *engine,
		const struct sieve_extension *const *list)
{
	for (; list != NULL && *list != NULL; list++) {
		if (engine->count < SIEVE_MAX_EXTENSIONS)
			engine->extensions[engine->count++] = *list;
	}
}

static const char *no_setting(void *, const char *)
{
	return NULL;
}

static void reload(struct sieve_engine *engine, unsigned place)
{
	const struct sieve_extension *ext = engine->extensions[place];

	if (ext->settings == NULL)
		return;
	if (engine->sets[place] == NULL)
		engine->sets[place] =
			mem_zero(engine, 1, ext->settings_size, "settings");
	config_read_tolerant(engine, engine->options.setting,
			     engine->options.ctx, ext->settings,
			     engine->sets[place], "sieve");
}

/* What sieve_out_source() knows, or nothing. */
static void check_source(const char *name, const char **value,
			 const char *preset)
{
	static const char words[] =
		"sender recipient orig_recipient user_email postmaster";
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "source");
	struct str how = str_trim(str_of(*value));
	struct sieve_address address;

	if (how.len == 0 || str_has_word(words, how) ||
	    (how.data[0] == '<' &&
	     sieve_address_parse(ctx, how, true, &address)))
		return;
	log_warning("sieve: Invalid value for setting '%s': '%s'", name,
		    *value);
	*value = preset;
}

/* Addresses, and who is meant by a word. */
static void check_addresses(struct sieve_settings *set)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "address");
	struct sieve_address address;

	check_source("sieve_redirect_envelope_from",
		     &set->sieve_redirect_envelope_from, "sender");
	check_source("sieve_notify_mailto_envelope_from",
		     &set->sieve_notify_mailto_envelope_from, "");
	check_source("sieve_report_from", &set->sieve_report_from,
		     "postmaster");
	if (set->sieve_user_email[0] == '\0' ||
	    (sieve_address_parse(ctx, str_of(set->sieve_user_email), false,
				 &address) &&
	     address.domain.len > 0))
		return;
	log_warning("sieve: Invalid address value for setting "
		    "'sieve_user_email': '%s'",
		    set->sieve_user_email);
	set->sieve_user_email = "";
}

void sieve_engine_reload(struct sieve_engine *engine,
			 const struct sieve_extension *ext)
{
	config_read_tolerant(engine, engine->options.setting,
			     engine->options.ctx, sieve_settings, &engine->set,
			     "sieve");
	check_addresses(&engine->set);
	for (unsigned i = 0; i < engine->count; i++) {
		if (ext == NULL || ext == engine->extensions[i])
			reload(engine, i);
	}
}

struct sieve_engine *
sieve_engine_new(const void *ctx, const struct sieve_engine_options *options)
{
	struct sieve_engine *engine = mem_new(ctx, struct sieve_engine);

	engine->options = *options;
	if (options->setting == NULL)
		engine->options.setting = no_setting;
	add(engine, sieve_extensions);
	add(engine, options->extra);
	sieve_engine_reload(engine, NULL);
	enable_all(engine);
	return engine;
}

const char *sieve_engine_capability(const void *ctx,
				    const struct sieve_engine *engine,
				    bool global)
{
	struct buf text = buf_init(10000);

	for (unsigned i = 0; i < engine->count; i++) {
		const char *name = engine->extensions[i]->name;

		if (name[0] != '@' &&
		    sieve_engine_find(engine, str_of(name), global) != NULL)
			buf_printf(&text, "%s%s", text.len > 0 ? " " : "",
				   name);
	}
	return buf_steal(ctx, &text);
}
