/* SPDX-License-Identifier: MIT */
/*
 * config/setting.h - how a setting is declared: once, in a table next to the
 * code that uses it.
 *
 *	struct pop3_settings {
 *		bool pop3_lock_session;
 *		const char *pop3_uidl_format;
 *	};
 *
 *	#define SETTINGS_STRUCT struct pop3_settings
 *	const struct setting pop3_settings[] = {
 *		S(pop3_lock_session, "no", "Keep the mailbox locked."),
 *		S(pop3_uidl_format, "%08Xu%08Xv", "What UIDL shows."),
 *		SETTINGS_END,
 *	};
 *	SETTINGS_REGISTER(pop3_settings, "");
 *	#undef SETTINGS_STRUCT
 *
 * The kind comes from the field's C type, so the two can't disagree. doveconf,
 * the checks at start and dovetail-settings(7) come from the tables. A table
 * registers itself in a linker section: who links libsettings.a whole sees
 * them all, without including anything from above.
 */
#ifndef CONFIG_SETTING_H
#define CONFIG_SETTING_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/duration.h"
#include "base/str.h"

enum setting_kind {
	SETTING_BOOL,
	SETTING_UNSIGNED,
	SETTING_SIZE,     /* uint64_t octets: "10 M" */
	SETTING_DURATION, /* "30 secs" */
	SETTING_MODE,     /* struct setting_mode: "0600" */
	SETTING_TEXT,
	SETTING_ENUM,     /* text, one of `choices` */
	SETTING_FILE,     /* text; "<path" gives the file's content */
	SETTING_NETWORKS, /* text: "192.0.2.0/24 ::1" */
};

struct setting_mode {
	mode_t mode;
};

enum {
	SETTING_SECRET = 1 << 0, /* doveconf hides it without -P */
	/* Dovecot has it, this server has no use for it (yet): accepted, and
	 * named once in the log at start if it is set. */
	SETTING_FOREIGN = 1 << 1,
	SETTING_VARS = 1 << 2,   /* %-variables are expanded by its user */
	SETTING_HIDDEN = 1 << 3, /* doveconf shows it with -s only */
	SETTING_SHARED = 1 << 4, /* declared in another table */
	/* With what else a server does not run (setting_check_served()): the
	 * word in front of the ':' is none of `choices`, it is a number that is
	 * 0, a separator that is not one character that can be one, or one of
	 * its words is none of `choices`. */
	SETTING_DRIVER = 1 << 5,
	SETTING_POSITIVE = 1 << 6,
	SETTING_SEPARATOR = 1 << 7,
	SETTING_SERVED = 1 << 8,
	/* Words, of which those that are none of `choices` are named as
	 * SETTING_FOREIGN is. */
	SETTING_KNOWN = 1 << 9,
};

struct setting {
	const char *name;
	enum setting_kind kind;
	size_t offset;      /* in the struct that config_read() fills */
	const char *preset; /* Dovecot's default, as doveconf prints it */
	const char *doc;    /* manual entry: one or more sentences */
	/* SETTING_ENUM: "no:yes:required"; SETTING_TEXT: see S_SERVED() and
	 * S_KNOWN(). */
	const char *choices;
	unsigned flags;
};

#define SETTING_KIND(field)                                                    \
	_Generic(((SETTINGS_STRUCT *)0)->field, \
		bool: SETTING_BOOL, \
		unsigned: SETTING_UNSIGNED, \
		uint64_t: SETTING_SIZE, \
		struct duration: SETTING_DURATION, \
		struct setting_mode: SETTING_MODE, \
		const char *: SETTING_TEXT)

#define S_ROW(field, kind, preset, choices, flags, doc)                        \
	{                                                                      \
#field, kind, offsetof(SETTINGS_STRUCT, field), preset, doc,   \
			choices, flags                                         \
	}
#define S(field, preset, doc) S_FLAGS(field, preset, 0, doc)
#define S_FLAGS(field, preset, flags, doc)                                     \
	S_ROW(field, SETTING_KIND(field), preset, NULL, flags, doc)
/* Text with one of a few values. */
#define S_ENUM(field, preset, choices, doc)                                    \
	S_ROW(field, SETTING_ENUM, preset, choices, 0, doc)
/* Text, a list for ip_in_networks(). */
#define S_NETWORKS(field, preset, doc)                                         \
	S_ROW(field, SETTING_NETWORKS, preset, NULL, 0, doc)
/* Words, with which a server runs only if all are among `choices` (lower
 * case); doveconf shows others, too: Dovecot may have them. */
#define S_SERVED(field, preset, choices, doc)                                  \
	S_ROW(field, SETTING_TEXT, preset, choices, SETTING_SERVED, doc)
/* Words, of which only those among `choices` mean something here. */
#define S_KNOWN(field, preset, choices, doc)                                   \
	S_ROW(field, SETTING_TEXT, preset, choices, SETTING_KNOWN, doc)
/* Text, where "<path" stands for the content of a file (ssl_cert). */
#define S_FILE(field, preset, flags, doc)                                      \
	S_ROW(field, SETTING_FILE, preset, NULL, flags, doc)
/* A field for a setting that another table declares: it is only filled. */
#define S_SHARED(field)                                                        \
	S_ROW(field, SETTING_KIND(field), NULL, NULL, SETTING_SHARED, NULL)
/* Settings of Dovecot's that this server does not use. */
#define S_FOREIGN_ROW(name, kind, preset, choices, flags, doc)                 \
	{                                                                      \
		name, kind, 0, preset, doc, choices, SETTING_FOREIGN | (flags) \
	}
#define S_FOREIGN(name, kind, preset, doc)                                     \
	S_FOREIGN_ROW(name, kind, preset, NULL, 0, doc)
#define SETTINGS_END                                                           \
	{                                                                      \
		0                                                              \
	}

/* `section` is "" for top-level settings, else the kind of section that they
 * stand in: "service", "namespace", "mailbox", "passdb", "unix_listener". */
struct setting_table {
	const struct setting *rows; /* up to SETTINGS_END */
	const char *section;
};

#define SETTINGS_REGISTER(table, section_name)                                 \
	static const struct setting_table table##_entry = {table,              \
							   section_name};      \
	static const struct setting_table *const table##_ref                   \
		__attribute__((used, section("setting_tables"))) =             \
			&table##_entry

/* Presets of sections (services with their listeners), in the syntax of
 * dovecot.conf; what the administrator writes is merged over them. */
#define CONFIG_PRESET(name, text)                                              \
	static const char *const name##_preset                                 \
		__attribute__((used, section("config_presets"))) = text

/* Sockets in them: root's, the internal user's or group's, the login user's. */
#define PRESET_UNIX(name, mode) "unix_listener " name " {\nmode = " mode "\n}\n"
#define PRESET_UNIX_OWNED(name, mode, owner)                                   \
	"unix_listener " name " {\nmode = " mode "\n" owner "\n}\n"
#define PRESET_UNIX_INTERNAL(name, mode)                                       \
	PRESET_UNIX_OWNED(name, mode, "user = $default_internal_user")
#define PRESET_UNIX_GROUP(name)                                                \
	PRESET_UNIX_OWNED(name, "0660", "group = $default_internal_group")
#define PRESET_UNIX_LOGIN(name)                                                \
	PRESET_UNIX_OWNED(name, "0600", "user = $default_login_user")

/* The same for services of Dovecot that have no program here (yet): their
 * names and settings are accepted. */
#define CONFIG_FOREIGN(name, text)                                             \
	static const char *const name##_preset                                 \
		__attribute__((used, section("config_foreign"))) = text

/* Called for each registered table or preset; stops when `fn` says false. */
void settings_each_table(bool (*fn)(const struct setting_table *, void *ctx),
			 void *ctx);
void settings_each_preset(bool (*fn)(const char *text, bool foreign, void *ctx),
			  void *ctx);
/* The row of a name in a kind of section, or NULL. */
const struct setting *setting_find(const char *section, const char *name);

struct err;
/* Text to a value, by kind: "30 secs", "10 M", "yes", "0600", "unlimited".
 * ERR_INVALID says what was expected. */
int setting_parse_bool(const char *text, bool *out, struct err *err);
int setting_parse_unsigned(const char *text, unsigned *out, struct err *err);
int setting_parse_size(const char *text, uint64_t *out, struct err *err);
int setting_parse_duration(const char *text, struct duration *out,
			   struct err *err);
int setting_parse_mode(const char *text, struct setting_mode *out,
		       struct err *err);
/* Whether `text` is a right value for `row`. */
int setting_check(const struct setting *row, const char *text, struct err *err);
/* Whether it is one of "no:yes:required". */
bool setting_is_choice(const char *choices, struct str value);
/* Whether a server can run with it (S_SERVED, SETTING_DRIVER...). */
int setting_check_served(const struct setting *row, const char *text,
			 struct err *err);

#endif
