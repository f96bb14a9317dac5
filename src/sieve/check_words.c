/* SPDX-License-Identifier: MIT */
/*
 * sieve/check_words.c - the validator: the words of the extensions that are
 * required.
 */
#include "sieve/check.h"

#include "sieve/compile.h"

/* words */

static struct sieve_word **recent_of(struct sieve_check *check, char kind,
				     struct str name)
{
	uint32_t mix = (unsigned char)name.data[0];

	mix = mix << 8 ^ (unsigned char)name.data[name.len / 2];
	mix = mix << 8 ^ (unsigned char)name.data[name.len - 1];
	mix = mix << 5 ^ (uint32_t)name.len ^ (unsigned char)kind;
	return &check->recent[mix * 0x9e3779b1 >> 25];
}

struct sieve_word *sieve_check_word(struct sieve_check *check, char kind,
				    struct str name)
{
	struct sieve_word **recent, *word;
	char key[64];

	if (name.len == 0 || name.len + 1 > sizeof(key))
		return NULL;
	recent = recent_of(check, kind, name);
	if (*recent != NULL && (*recent)->hh.keylen == name.len + 1 &&
	    (*recent)->name[0] == kind &&
	    memcmp((*recent)->name + 1, name.data, name.len) == 0)
		return *recent;
	key[0] = kind;
	for (size_t i = 0; i < name.len; i++)
		key[i + 1] = ascii_lower(name.data[i]);
	HASH_FIND(hh, check->words, key, name.len + 1, word);
	if (word != NULL)
		*recent = word;
	return word;
}

static void add_word(struct sieve_check *check, char kind, const char *name,
		     const struct sieve_word *what)
{
	struct sieve_word *first = sieve_check_word(check, kind, str_of(name));
	struct sieve_word *word =
		sieve_arena_new_of(check->arena, struct sieve_word);
	size_t len = strlen(name) + 1;

	*word = *what;
	if (first != NULL) {
		word->more = first->more;
		first->more = word;
		return;
	}
	word->name = sieve_arena_alloc(check->arena, len + 1);
	word->name[0] = kind;
	for (size_t i = 1; i < len; i++)
		word->name[i] = ascii_lower(name[i - 1]);
	HASH_ADD_KEYPTR(hh, check->words, word->name, len, word);
}

static void add_words(struct sieve_check *check,
		      const struct sieve_extension *ext)
{
	const struct sieve_command *command = ext->commands;
	const struct sieve_tag *tag = ext->tags;

	for (; command != NULL && command->name != NULL; command++) {
		struct sieve_word word = {.ext = ext, .command = command};

		add_word(check,
			 (command->flags & SIEVE_IS_TEST) != 0 ? 't' : 'c',
			 command->name, &word);
	}
	for (; tag != NULL && tag->name != NULL; tag++) {
		struct sieve_word word = {.ext = ext, .tag = tag};

		add_word(check, ':', tag->name, &word);
	}
}

void sieve_check_note(struct sieve_check *check, char kind, struct str name)
{
	struct sieve_word word = {0};

	if (name.len < 60)
		add_word(check, kind, sieve_arena_str(check->arena, name).data,
			 &word);
}

/* extensions */

static void add_string(struct sieve_check *check,
		       const struct sieve_extension *ext, int place)
{
	unsigned i = check->string_count++;

	for (; i > 0 && sieve_engine_place(check->build->engine,
					   check->strings[i - 1]) > place;
	     i--)
		check->strings[i] = check->strings[i - 1];
	check->strings[i] = ext;
}

static const struct sieve_extension *find_any(struct sieve_check *check,
					      struct str name)
{
	const struct sieve_engine *engine = check->build->engine;
	bool global = check->source->global;
	const struct sieve_extension *ext =
		sieve_engine_find(engine, name, global);

	return ext != NULL ? ext : sieve_engine_misplaced(engine, name, global);
}

void sieve_check_activate(struct sieve_check *check,
			  const struct sieve_extension *ext,
			  struct sieve_place at)
{
	int place = sieve_engine_place(check->build->engine, ext);
	struct str rest = str_of(ext->implies == NULL ? "" : ext->implies);
	struct str part;

	if (place < 0 || check->active[place])
		return;
	check->active[place] = true;
	check->includes |= (ext->flags & SIEVE_EXT_INCLUDES) != 0;
	if (ext->string != NULL)
		add_string(check, ext, place);
	while (str_word(&rest, &part)) {
		const struct sieve_extension *other = find_any(check, part);

		if (other != NULL)
			sieve_check_activate(check, other, at);
	}
	add_words(check, ext);
	if (ext->required != NULL)
		ext->required(check, at);
}

bool sieve_check_active(struct sieve_check *check, const char *name)
{
	const struct sieve_extension *ext =
		sieve_engine_find(check->build->engine, str_of(name), true);
	int place = ext == NULL ? -1
				: sieve_engine_place(check->build->engine, ext);

	return place >= 0 && check->active[place];
}

void *sieve_check_state(struct sieve_check *check,
			const struct sieve_extension *ext)
{
	int place = sieve_engine_place(check->build->engine, ext);

	if (place < 0)
		return NULL;
	if (check->states[place] == NULL)
		check->states[place] =
			sieve_arena_alloc(check->arena, ext->check_size);
	return check->states[place];
}

const struct sieve_extension *sieve_check_may(struct sieve_check *check,
					      struct str name)
{
	return sieve_engine_find(check->build->engine, name,
				 check->source->global);
}

bool sieve_check_is_kept(struct sieve_check *check, struct str name)
{
	return sieve_check_may(check, name) == NULL &&
	       sieve_engine_find(check->build->engine, name, true) != NULL;
}

static void hold_excluded(struct sieve_check *check, struct sieve_place at,
			  const struct sieve_extension *ext)
{
	const struct sieve_extension *other;

	for (unsigned i = 0;
	     (other = sieve_engine_extension(check->build->engine, i)) != NULL;
	     i++) {
		if (!check->active[i] ||
		    (!str_case_has_word(ext->excludes, str_of(other->name)) &&
		     !str_case_has_word(other->excludes, str_of(ext->name))))
			continue;
		sieve_error(check, at,
			    "extensions '%s' and '%s' can't be used together",
			    ext->name, other->name);
		return;
	}
}

bool sieve_check_require(struct sieve_check *check, struct sieve_place at,
			 struct str name)
{
	const struct sieve_extension *ext = find_any(check, name);

	if (ext == NULL)
		return false;
	if (sieve_check_may(check, name) == NULL)
		sieve_error(check, at,
			    "the %s extension cannot be used in this context "
			    "(needs access to message envelope)",
			    ext->name);
	hold_excluded(check, at, ext);
	/* With its words known, what follows is no error, too. */
	sieve_check_activate(check, ext, at);
	return true;
}
