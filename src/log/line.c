/* SPDX-License-Identifier: MIT */
#include "log/log.h"

static void without_colon(struct str *prefix)
{
	*prefix = str_trim(*prefix);
	if (prefix->len > 0 && prefix->data[prefix->len - 1] == ':')
		prefix->len--;
}

/* What follows "\001": a digit, a pid, a blank. */
static bool parse_head(struct str *rest, struct entry *out)
{
	struct str head;
	uint32_t pid;

	if (rest->len < 3 || !str_split(rest, ' ', &head) || head.len < 2 ||
	    rest->data == NULL)
		return false;
	if (head.data[0] < '1' || head.data[0] > '1' + LOG_LEVEL_PANIC)
		return false;
	if (!str_to_u32(str_from(head, 1), &pid) || pid > INT32_MAX)
		return false;
	out->level = (enum log_level)(head.data[0] - '1');
	out->pid = (pid_t)pid;
	return true;
}

void line_parse(struct str line, struct str service, struct entry *out)
{
	struct str rest = str_from(line, 1);

	*out = (struct entry){
		.level = LOG_LEVEL_ERROR, .prefix = service, .text = line};
	if (line.len == 0 || line.data[0] != '\001' ||
	    !parse_head(&rest, out)) {
		out->level = LOG_LEVEL_ERROR;
		return;
	}
	if (!str_split(&rest, '\t', &out->prefix) || rest.data == NULL) {
		out->prefix = service;
		out->text = str_from(line, 1);
		return;
	}
	out->text = rest;
	without_colon(&out->prefix);
}

pid_t line_child(const struct entry *entry)
{
	static const char mark[] = "): child ";
	struct str rest, number;
	ptrdiff_t at;
	uint32_t pid;

	if (!str_starts(entry->text, "master: service("))
		return 0;
	at = str_find(entry->text, str_of(mark));
	if (at < 0)
		return 0;
	rest = str_from(entry->text, (size_t)at + sizeof(mark) - 1);
	if (!str_word(&rest, &number) || !str_to_u32(number, &pid))
		return 0;
	return pid <= INT32_MAX ? (pid_t)pid : 0;
}
