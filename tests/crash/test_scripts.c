/* SPDX-License-Identifier: MIT */
/*
 * Whoever changes a user's scripts is killed before a call that changes the
 * disk, or that call fails, or all do from then on, or the power goes: what was
 * acknowledged stays, each script is the old one or the new one as a whole, and
 * so is the one that deliveries run.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/storage/fixture.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "calls.h"
#include "disk.h"
#include "fault.h"
#include "scripts/scripts.h"
#include "sieve/host.h"

enum { NAMES = 4, TEXT_SIZE = 3000, REFUSED = 8, CUTS = 200 };

static const char *const names[NAMES] = {"a", "b", "c", "d"};

enum kind { PUT, PUT_ACTIVE, ACTIVATE, DELETE, RENAME };

/* `name` and `to` are numbers of names; -1: none. */
static const struct step {
	enum kind kind;
	int name, to;
} steps[] = {
	{PUT, 0, -1},        {ACTIVATE, 0, -1}, {PUT, 0, -1},
	{PUT, 1, -1},        {ACTIVATE, 1, -1}, {RENAME, 1, 2},
	{DELETE, 0, -1},     {PUT, 0, -1},      {PUT_ACTIVE, 2, -1},
	{PUT_ACTIVE, 0, -1}, {RENAME, 2, 3},    {ACTIVATE, -1, -1},
	{DELETE, 3, -1},     {ACTIVATE, 0, -1},
};
enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

/* What there is after some steps: which text each name has (the number of the
 * step that put it, from 1), and which name is active. */
struct state {
	unsigned texts[NAMES];
	int active;
};

static struct state state_after(unsigned count)
{
	struct state state = {.active = -1};

	for (unsigned i = 0; i < count; i++) {
		const struct step *step = &steps[i];

		if (step->kind == PUT || step->kind == PUT_ACTIVE)
			state.texts[step->name] = i + 1;
		if (step->kind == ACTIVATE || step->kind == PUT_ACTIVE)
			state.active = step->name;
		if (step->kind == RENAME) {
			state.texts[step->to] = state.texts[step->name];
			if (state.active == step->name)
				state.active = step->to;
		}
		if (step->kind == DELETE || step->kind == RENAME)
			state.texts[step->name] = 0;
	}
	return state;
}

/* Each is a script, and no part of one is. */
static struct str text_of(unsigned number, char out[TEXT_SIZE])
{
	size_t len =
		(size_t)snprintf(out, TEXT_SIZE, "if true { # %u\n", number);

	memset(out + len, '#', TEXT_SIZE - len - 3);
	memcpy(out + TEXT_SIZE - 3, "\n}", 3);
	return str_n(out, TEXT_SIZE - 1);
}

/* changing them */

static int run_step(const struct scripts *scripts, unsigned number,
		    struct err *err)
{
	static const struct sieve_log nothing = {0};
	const struct step *step = &steps[number];
	struct str name = step->name < 0 ? STR("") : str_of(names[step->name]);
	char text[TEXT_SIZE];
	bool changed;

	switch (step->kind) {
	case PUT:
	case PUT_ACTIVE:
		return scripts_put(scripts, name, text_of(number + 1, text),
				   step->kind == PUT_ACTIVE, &nothing, err);
	case ACTIVATE:
		return scripts_activate(scripts, name, &nothing, &changed, err);
	case DELETE:
		return scripts_delete(scripts, name, err);
	default:
		return scripts_rename(scripts, name, str_of(names[step->to]),
				      err);
	}
}

static struct scripts *scripts_of(struct user *user)
{
	struct scripts *scripts;
	struct err err;

	assert_ok(scripts_new(user, user, "+", NULL, &scripts, &err));
	return scripts;
}

/* what there is then */

/* The number of a script's text; 0 if it is not there. */
static unsigned found_text(const struct scripts *scripts, const char *name,
			   const char *where)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "found");
	struct str got;
	struct err err;

	if (scripts_get(ctx, scripts, str_of(name), &got, &err) < 0) {
		if (err.code != ERR_NOT_FOUND)
			fail_msg("%s: %s: %s", where, name, err.text);
		return 0;
	}
	for (unsigned number = 1; number <= STEPS; number++) {
		char text[TEXT_SIZE];

		if (str_equal(got, text_of(number, text)))
			return number;
	}
	fail_msg("%s: %s is no script: %.40s", where, name, got.data);
	return 0;
}

/* -1: none. It must be there. */
static int found_active(const struct scripts *scripts, const char *where)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "found");
	struct script_entry *entries;
	struct stat st;
	size_t count;
	struct err err;

	if (scripts_list(ctx, scripts, &entries, &count, &err) < 0)
		fail_msg("%s: %s", where, err.text);
	for (size_t i = 0; i < count; i++) {
		for (int name = 0; entries[i].active && name < NAMES; name++) {
			if (strcmp(entries[i].name, names[name]) == 0)
				return name;
		}
	}
	if (lstat(scripts->active, &st) == 0)
		fail_msg("%s: the active script is not there", where);
	return -1;
}

/* `done` steps were acknowledged, and one more may have been begun. */
static void check(const struct scripts *scripts, unsigned done,
		  const char *where)
{
	struct state before = state_after(done);
	struct state after = state_after(done < STEPS ? done + 1 : done);
	int active = found_active(scripts, where);
	bool moves = done < STEPS && steps[done].kind == RENAME, moved = false;

	for (int i = 0; i < NAMES; i++) {
		unsigned text = found_text(scripts, names[i], where);

		if (text != before.texts[i] && text != after.texts[i])
			fail_msg("%s: %s has text %u, not %u or %u", where,
				 names[i], text, before.texts[i],
				 after.texts[i]);
		moved |= moves && text != 0 &&
			 text == before.texts[steps[done].name];
	}
	if (moves && !moved)
		fail_msg("%s: what was renamed is lost", where);
	if (active != before.active && active != after.active)
		fail_msg("%s: %d is active, not %d or %d", where, active,
			 before.active, after.active);
}

/* calls that fail */

static int child(const struct scripts *scripts, struct fault *fault,
		 unsigned *done)
{
	struct err err;

	fault_begin(fault);
	for (*done = 0; *done < STEPS; ++*done) {
		if (run_step(scripts, *done, &err) < 0)
			return REFUSED;
	}
	return 0;
}

/* Returns how many calls there were. */
static unsigned run_once(struct fault fault, unsigned *done)
{
	static const struct sieve_log nothing = {0};
	const struct scripts *scripts;
	struct fixture *f;
	char where[100];
	struct err err;
	void *state;
	int status;
	pid_t pid;

	fault_describe(&fault, where, sizeof(where));
	fixture_open(&state, "");
	f = state;
	scripts = scripts_of(f->user);
	*fault.calls = *done = 0;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(child(scripts, &fault, done));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	/* Some failures are no reason to refuse: of what only tidies up. */
	if (fault.at == 0 || fault.error == 0)
		assert_int_equal(WEXITSTATUS(status),
				 fault.at == 0 ? 0 : FAULT_KILLED);
	check(scripts, *done, where);
	if (scripts_put(scripts, STR("e"), STR("keep;"), true, &nothing, &err) <
	    0)
		fail_msg("%s: and nothing goes any more: %s", where, err.text);
	fixture_teardown(&state);
	return *fault.calls;
}

static void run_all(int error, bool stays)
{
	unsigned *shared =
		mmap(NULL, 2 * sizeof(*shared), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct fault fault = {.calls = shared};
	unsigned *done = shared + 1, made;

	assert_true(shared != MAP_FAILED);
	made = run_once(fault, done);
	assert_true(made > 3 * STEPS);
	fault.error = error;
	fault.stays = stays;
	for (fault.at = 1; fault.at <= made; fault.at++)
		run_once(fault, done);
	munmap(shared, 2 * sizeof(*shared));
}

static void test_killed(void **state)
{
	(void)state;
	run_all(0, false);
}

static void test_failing_disk(void **state)
{
	(void)state;
	run_all(EIO, false);
}

static void test_full_disk(void **state)
{
	(void)state;
	run_all(ENOSPC, true);
}

/* the power goes */

struct power {
	struct fixture *f;
	unsigned done, count, seed;
	unsigned done_at[CUTS];
};

static char *home_of(const struct power *power, unsigned cut)
{
	return mem_printf(power->f->ctx, "%s/cut%u", power->f->dir, cut);
}

static void on_event(void *ctx)
{
	struct power *power = ctx;

	if (power->count == CUTS)
		return;
	power->done_at[power->count] = power->done;
	disk_cut(home_of(power, power->count), power->seed + power->count);
	power->count++;
}

static void check_cut(const struct power *power, unsigned cut)
{
	static const struct user_context context = {.service = "imap"};
	struct account account = power->f->account;
	struct user *user;
	char where[64];
	struct err err;

	snprintf(where, sizeof(where), "seed %u, cut %u in step %u",
		 power->seed, cut, power->done_at[cut]);
	account.home = home_of(power, cut);
	assert_ok(user_open(power->f->ctx, power->f->config, &account, &context,
			    &user, &err));
	check(scripts_of(user), power->done_at[cut], where);
	mem_free(user);
}

static void test_power(void **state)
{
	for (unsigned seed = 0; seed < 8; seed++) {
		struct power power = {.seed = 1000 * seed};
		const struct scripts *scripts;
		struct err err;

		fixture_open(state, "");
		power.f = *state;
		scripts = scripts_of(power.f->user);
		disk_begin(user_home(power.f->user), on_event, &power);
		for (; power.done < STEPS; power.done++)
			assert_ok(run_step(scripts, power.done, &err));
		calls_watch(NULL, NULL);
		on_event(&power);
		disk_end();
		assert_true(power.count > 3 * STEPS);
		for (unsigned i = 0; i < power.count; i++)
			check_cut(&power, i);
		fixture_teardown(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_failing_disk),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_power),
	};

	calls_skip_sync();
	log_open("test_scripts", LOG_TO_NOWHERE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
