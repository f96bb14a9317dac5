/* SPDX-License-Identifier: MIT */
/*
 * doveadm/query.c - words to a tree. OR stands between keys here, and must not
 * stand in one list with keys that have none between them: Dovecot takes `a b
 * or c` for `a or b or c`, which no one means who expunges by it.
 */
#include "doveadm/query.h"

#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/setting.h"
#include "doveadm/query_value.h"
#include "index/index.h"

enum { DEPTH_MAX = 100, WORDS_MAX = 100000 };

struct words {
	const void *ctx;
	char **at;
	int left;
	time_t now;
	unsigned depth;
};

/* What a key takes. */
enum argument {
	NOTHING,
	FLAG,    /* .flags, and negated with an UN in front */
	TEXT,    /* of .kind, in .field if there is one */
	FIELD,   /* a header's name, and a text */
	DATE,    /* of .kind */
	SIZE,    /* of .kind */
	SECONDS, /* of .kind */
	UIDS,
	MODSEQ,
	BOX, /* .box */
};

struct key {
	const char *name;
	enum argument argument;
	enum search_kind kind;
	const char *field;
	uint8_t flags;
	bool negate;
	enum query_kind box;
};

static const struct key keys[] = {
	{"ALL", NOTHING, .kind = SEARCH_ALL},
	{"ANSWERED", FLAG, .flags = MAIL_ANSWERED},
	{"BCC", TEXT, .kind = SEARCH_ADDRESS, .field = "bcc"},
	{"BEFORE", DATE, .kind = SEARCH_BEFORE},
	{"BODY", TEXT, .kind = SEARCH_BODY},
	{"CC", TEXT, .kind = SEARCH_ADDRESS, .field = "cc"},
	{"DELETED", FLAG, .flags = MAIL_DELETED},
	{"DRAFT", FLAG, .flags = MAIL_DRAFT},
	{"FLAGGED", FLAG, .flags = MAIL_FLAGGED},
	{"FROM", TEXT, .kind = SEARCH_ADDRESS, .field = "from"},
	{"GUID", TEXT, .kind = SEARCH_GUID},
	{"HEADER", FIELD, .kind = SEARCH_HEADER},
	{"KEYWORD", TEXT, .kind = SEARCH_KEYWORD},
	{"LARGER", SIZE, .kind = SEARCH_LARGER},
	{"MAILBOX", BOX, .box = QUERY_MAILBOX},
	{"MAILBOX-GUID", BOX, .box = QUERY_MAILBOX_GUID},
	{"MODSEQ", MODSEQ, .kind = SEARCH_MODSEQ},
	{"OLD", FLAG, .flags = MAIL_RECENT, .negate = true},
	{"OLDER", SECONDS, .kind = SEARCH_OLDER},
	{"ON", DATE, .kind = SEARCH_ON},
	{"RECENT", FLAG, .flags = MAIL_RECENT},
	{"SAVEDATESUPPORTED", NOTHING, .kind = SEARCH_ALL},
	{"SAVEDBEFORE", DATE, .kind = SEARCH_SAVED_BEFORE},
	{"SAVEDON", DATE, .kind = SEARCH_SAVED_ON},
	{"SAVEDSINCE", DATE, .kind = SEARCH_SAVED_SINCE},
	{"SEEN", FLAG, .flags = MAIL_SEEN},
	{"SENTBEFORE", DATE, .kind = SEARCH_SENT_BEFORE},
	{"SENTON", DATE, .kind = SEARCH_SENT_ON},
	{"SENTSINCE", DATE, .kind = SEARCH_SENT_SINCE},
	{"SINCE", DATE, .kind = SEARCH_SINCE},
	{"SMALLER", SIZE, .kind = SEARCH_SMALLER},
	{"SUBJECT", TEXT, .kind = SEARCH_HEADER, .field = "subject"},
	{"TEXT", TEXT, .kind = SEARCH_TEXT},
	{"TO", TEXT, .kind = SEARCH_ADDRESS, .field = "to"},
	{"UID", UIDS, .kind = SEARCH_UIDS},
	{"UNANSWERED", FLAG, .flags = MAIL_ANSWERED, .negate = true},
	{"UNDELETED", FLAG, .flags = MAIL_DELETED, .negate = true},
	{"UNDRAFT", FLAG, .flags = MAIL_DRAFT, .negate = true},
	{"UNFLAGGED", FLAG, .flags = MAIL_FLAGGED, .negate = true},
	{"UNKEYWORD", TEXT, .kind = SEARCH_KEYWORD, .negate = true},
	{"UNSEEN", FLAG, .flags = MAIL_SEEN, .negate = true},
	{"YOUNGER", SECONDS, .kind = SEARCH_YOUNGER},
	/* Dovecot's second names of the same. */
	{"X-GUID", TEXT, .kind = SEARCH_GUID},
	{"X-MAILBOX", BOX, .box = QUERY_MAILBOX},
	{"X-REAL-UID", UIDS, .kind = SEARCH_UIDS},
	{"X-SAVEDBEFORE", DATE, .kind = SEARCH_SAVED_BEFORE},
	{"X-SAVEDON", DATE, .kind = SEARCH_SAVED_ON},
	{"X-SAVEDSINCE", DATE, .kind = SEARCH_SAVED_SINCE},
};

static int parse_list(struct words *words, bool inside, struct query **out,
		      struct err *err);
static int parse_one(struct words *words, struct query **out, struct err *err);

static bool next_is(const struct words *words, const char *word)
{
	return words->left > 0 && strcasecmp(words->at[0], word) == 0;
}

static const char *take(struct words *words)
{
	words->left--;
	return *words->at++;
}

static struct query *query_new(const void *ctx, enum query_kind kind)
{
	struct query *query = mem_new(ctx, struct query);

	query->kind = kind;
	query->key.set = range_set_init(query);
	return query;
}

static struct query *flag_key(const void *ctx, uint8_t flags, bool negate)
{
	struct query *query = query_new(ctx, QUERY_KEY);

	query->key.kind = SEARCH_FLAG;
	query->key.flags = flags;
	query->negate = negate;
	return query;
}

/* keys */

/* "/flags/\\Seen all 12", or the number alone (RFC 7162 section 3.1.5). */
static int parse_modseq(struct words *words, const char *value,
			struct query *query, struct err *err)
{
	if (value[0] == '/') {
		if (words->left < 2)
			return err_set(err, ERR_INVALID,
				       "Missing MODSEQ value");
		take(words); /* all, priv, shared: one modseq is all there is */
		value = take(words);
	}
	if (!str_to_u64(str_of(value), &query->key.number))
		return err_set(err, ERR_INVALID, "Invalid MODSEQ value");
	return 0;
}

static int parse_seconds(const struct words *words, const char *value,
			 struct query *query, struct err *err)
{
	uint32_t seconds;

	if (!str_to_u32(str_of(value), &seconds) || seconds == 0)
		return err_set(err, ERR_INVALID,
			       "Invalid search interval parameter");
	query->key.time = (int64_t)words->now - seconds;
	return 0;
}

static int take_value(struct words *words, const struct key *key,
		      const char **out, struct err *err)
{
	if (words->left == 0)
		return err_set(err, ERR_INVALID,
			       "Missing parameter for search key "
			       "(for search key: %s)",
			       key->name);
	*out = mem_strdup(words->ctx, take(words));
	return 0;
}

static int parse_value(struct words *words, const struct key *key,
		       struct query *query, struct err *err)
{
	const char *value = NULL;

	if (take_value(words, key, &value, err) < 0)
		return -1;
	switch (key->argument) {
	case TEXT:
		query->key.text = value;
		return 0;
	case FIELD:
		query->key.field = value;
		return take_value(words, key, &query->key.text, err);
	case DATE:
		return query_date(value, words->now, &query->key.time,
				  &query->key.instant, err);
	case SIZE:
		return setting_parse_size(value, &query->key.number, err);
	case SECONDS:
		return parse_seconds(words, value, query, err);
	case UIDS:
		if (query_set(value, &query->key.set, &query->last))
			return 0;
		return err_set(err, ERR_INVALID, "Invalid UID messageset");
	case MODSEQ:
		return parse_modseq(words, value, query, err);
	case BOX:
		query->text = value;
		return 0;
	case NOTHING:
	case FLAG:
		break;
	}
	return 0;
}

static int parse_key(struct words *words, const struct key *key,
		     struct query **out, struct err *err)
{
	struct query *query = query_new(
		words->ctx, key->argument == BOX ? key->box : QUERY_KEY);

	*out = query;
	query->key.kind = key->argument == FLAG ? SEARCH_FLAG : key->kind;
	query->key.field = key->field;
	query->key.flags = key->flags;
	query->negate = key->negate;
	if (key->argument == NOTHING || key->argument == FLAG)
		return 0;
	return parse_value(words, key, query, err);
}

static int parse_sequence(struct words *words, const char *word,
			  struct query **out, struct err *err)
{
	bool last;

	*out = query_new(words->ctx, QUERY_KEY);
	(*out)->key.kind = SEARCH_SEQS;
	if (query_set(word, &(*out)->key.set, &last))
		return 0;
	return err_set(err, ERR_INVALID, "Invalid messageset");
}

/* RECENT without \Seen. */
static struct query *new_key(const void *ctx)
{
	struct query *query = query_new(ctx, QUERY_AND);

	query->children = flag_key(query, MAIL_RECENT, false);
	query->children->next = flag_key(query, MAIL_SEEN, true);
	return query;
}

static int parse_word(struct words *words, struct query **out, struct err *err)
{
	const char *word = take(words);

	if ((word[0] >= '0' && word[0] <= '9') || word[0] == '*')
		return parse_sequence(words, word, out, err);
	if (strcasecmp(word, "NEW") == 0) {
		*out = new_key(words->ctx);
		return 0;
	}
	if (strcmp(word, "$") == 0) { /* of a session's last search: none */
		*out = query_new(words->ctx, QUERY_KEY);
		(*out)->key.kind = SEARCH_SEQS;
		return 0;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcasecmp(word, keys[i].name) == 0)
			return parse_key(words, &keys[i], out, err);
	}
	return err_set(err, ERR_INVALID, "Unknown argument %s",
		       str_upper(words->ctx, str_of(word)));
}

/* lists */

static int parse_deeper(struct words *words, struct query **out,
			struct err *err)
{
	if (next_is(words, "(")) {
		take(words);
		return parse_list(words, true, out, err);
	}
	if (next_is(words, "NOT")) {
		take(words);
		if (parse_one(words, out, err) < 0)
			return -1;
		(*out)->negate = !(*out)->negate;
		return 0;
	}
	/* There is one way to compare text here, and it is a loose one. */
	take(words);
	return parse_one(words, out, err);
}

static int parse_one(struct words *words, struct query **out, struct err *err)
{
	int result;

	while (next_is(words, "OR"))
		take(words);
	if (words->left == 0)
		return err_set(err, ERR_INVALID, "Missing argument");
	if (next_is(words, ")"))
		return err_set(err, ERR_INVALID, "Unexpected ')'");
	if (!next_is(words, "(") && !next_is(words, "NOT") &&
	    !next_is(words, "FUZZY"))
		return parse_word(words, out, err);
	if (words->depth == DEPTH_MAX)
		return err_set(err, ERR_LIMIT, "Query is nested too deep");
	words->depth++;
	result = parse_deeper(words, out, err);
	words->depth--;
	return result;
}

static bool at_end(const struct words *words, bool inside)
{
	return words->left == 0 || (inside && next_is(words, ")"));
}

/* What stands between two keys must be the same in all of a list. */
static int parse_items(struct words *words, bool inside, struct query *list,
		       struct err *err)
{
	struct query **end = &list->children;
	bool with_or = next_is(words, "OR");

	do {
		if (parse_one(words, end, err) < 0)
			return -1;
		end = &(*end)->next;
		if (at_end(words, inside))
			break;
		if (end == &list->children->next && list->kind == QUERY_AND &&
		    !with_or)
			with_or = next_is(words, "OR");
		if (with_or != next_is(words, "OR"))
			return err_set(err, ERR_INVALID,
				       "Use parenthesis when mixing ANDs and "
				       "ORs");
	} while (true);
	list->kind = with_or ? QUERY_OR : QUERY_AND;
	return 0;
}

static int parse_list(struct words *words, bool inside, struct query **out,
		      struct err *err)
{
	struct query *list = query_new(words->ctx, QUERY_AND);

	if (inside && words->left == 0)
		return err_set(err, ERR_INVALID, "Missing ')'");
	if (inside && next_is(words, ")"))
		return err_set(err, ERR_INVALID,
			       "No search parameters inside list");
	if (parse_items(words, inside, list, err) < 0)
		return -1;
	if (inside) {
		if (words->left == 0)
			return err_set(err, ERR_INVALID, "Missing ')'");
		take(words);
	}
	*out = list;
	return 0;
}

int query_parse(const void *ctx, int count, char **words, time_t now,
		struct query **out, struct err *err)
{
	struct words state = {
		.ctx = ctx, .at = words, .left = count, .now = now};

	if (count > WORDS_MAX)
		return err_set(err, ERR_LIMIT, "More than %d words", WORDS_MAX);
	return parse_list(&state, false, out, err);
}
