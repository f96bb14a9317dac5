/* SPDX-License-Identifier: MIT */
/*
 * mime/imap_section.c - sections (RFC 3501 section 6.4.5) and line ends.
 */
#include "base/buf.h"
#include "mime/header.h"
#include "mime/imap.h"

static const struct mime_part *child_at(const struct mime_part *part,
					uint32_t number)
{
	part = number == 0 ? NULL : part->children;
	while (part != NULL && --number > 0)
		part = part->next;
	return part;
}

/* What has no parts is its own part 1 (and that has none). */
static const struct mime_part *find_part(const struct mime_message *message,
					 const struct section *section)
{
	const struct mime_part *part = message->root;
	bool stayed = false;

	for (unsigned i = 0; i < section->path_len; i++) {
		uint32_t number = section->path[i];
		const struct mime_part *from = part;

		if (i > 0 && part->kind == MIME_MESSAGE)
			part = part->children;
		if (part == NULL)
			return NULL;
		if (part->kind == MIME_MULTIPART) {
			part = child_at(part, number);
			stayed = false;
		} else if (number != 1 || (part == from && stayed)) {
			part = NULL;
		} else {
			stayed = true;
		}
		if (part == NULL)
			return NULL;
	}
	return part;
}

bool section_find(const struct mime_message *message,
		  const struct section *section, uint64_t *offset_out,
		  uint64_t *len_out, uint64_t *virtual_len_out)
{
	const struct mime_part *part = find_part(message, section);
	const struct mime_size *size;
	uint64_t offset;

	if (part == NULL)
		return false;
	/* HEADER and TEXT of a part are those of the message it encloses. */
	if (section->path_len > 0 && section->kind != SECTION_ALL &&
	    section->kind != SECTION_MIME) {
		part = part->kind == MIME_MESSAGE ? part->children : NULL;
		if (part == NULL)
			return false;
	}
	offset = part->offset;
	size = &part->header;
	if (section->kind == SECTION_ALL && section->path_len == 0) {
		size = &message->size;
	} else if (section->kind == SECTION_ALL ||
		   section->kind == SECTION_TEXT) {
		offset += part->header.physical;
		size = &part->body;
	}
	*offset_out = offset;
	*len_out = size->physical;
	*virtual_len_out = size->virtual;
	return true;
}

/* Lists are long, and most of their names begin with another letter. */
static bool is_listed(const struct section *section, struct str name)
{
	char first = name.data[0];

	for (const char *const *field = section->fields; *field != NULL;
	     field++) {
		if ((((*field)[0] ^ first) & 0x5f) == 0 &&
		    str_case_is(name, *field))
			return true;
	}
	return false;
}

void section_filter(const struct section *section, struct str header,
		    struct buf *out)
{
	bool wanted = section->kind == SECTION_HEADER_FIELDS;
	struct header_field field;
	bool last_cr = false;

	while (header_next(&header, &field)) {
		if (is_listed(section, field.name) != wanted)
			continue;
		crlf_append(field.full, &last_cr, out);
		if (field.full.data[field.full.len - 1] != '\n')
			buf_append(out, "\r\n", 2);
	}
	buf_append(out, "\r\n", 2);
}

/* A mail has hundreds of lines: they are copied here, not by buf_append(). */
void crlf_append(struct str in, bool *last_cr, struct buf *out)
{
	const char *at = in.data, *end = in.data + in.len;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((newline == NULL ? end : newline) - at);
		bool cr = len > 0 ? at[len - 1] == '\r' : *last_cr;
		size_t eol = newline == NULL ? 0 : cr ? 1 : 2;
		char *to = buf_space(out, len + eol);

		*last_cr = newline == NULL && cr;
		if (to == NULL)
			return;
		memcpy(to, at, len);
		if (eol > 0) {
			to[len] = '\r';
			to[len + eol - 1] = '\n';
		}
		buf_grew(out, len + eol);
		at = newline == NULL ? end : newline + 1;
	}
}

uint64_t crlf_size(struct str in, bool last_cr)
{
	const char *at = in.data, *end = in.data + in.len;
	uint64_t size = in.len;

	while (at < end) {
		const char *newline = memchr(at, '\n', end - at);

		if (newline == NULL)
			break;
		if (newline > at ? newline[-1] != '\r' : !last_cr)
			size++;
		last_cr = false;
		at = newline + 1;
	}
	return size;
}
