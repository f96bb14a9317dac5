/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "fixture.h"

static const char mail[] = "From: Bob <bob@example.com>\r\n"
			   "Subject: parts\r\n"
			   "X-Odd: one\r\n"
			   "Content-Type: multipart/mixed; boundary=b\r\n"
			   "\r\n"
			   "--b\r\n"
			   "\r\n"
			   "first\r\n"
			   "--b\r\n"
			   "Content-Type: text/html\r\n"
			   "\r\n"
			   "second\r\n"
			   "--b--\r\n";

struct wanted {
	struct section section;
	uint64_t offset, length;
	const char *text;
};

static const uint32_t part_two[] = {2};
static const char *const odd[] = {"x-odd", NULL};

static const struct wanted wanted[] = {
	{{.kind = SECTION_ALL}, 0, UINT64_MAX, mail},
	{{.kind = SECTION_ALL}, 6, 3, "Bob"},
	{{.kind = SECTION_ALL}, 100000, 3, ""},
	{{.path = part_two, .path_len = 1}, 0, UINT64_MAX, "second"},
	{{.path = part_two, .path_len = 1}, 2, 2, "co"},
	{{.path = part_two, .path_len = 1, .kind = SECTION_MIME},
	 0,
	 UINT64_MAX,
	 "Content-Type: text/html\r\n\r\n"},
	{{.kind = SECTION_HEADER_FIELDS, .fields = odd},
	 0,
	 UINT64_MAX,
	 "X-Odd: one\r\n\r\n"},
	{{.kind = SECTION_HEADER_FIELDS, .fields = odd}, 3, 3, "dd:"},
};

static void test_sections_are_as_long_as_they_say(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);

	save_text(box, mail, 0, NULL);
	sync_box(f, box, 0);
	/* The second time from the cache. */
	for (unsigned round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]);
		     i++) {
			size_t len;
			char *text = read_section(f, box, 1, &wanted[i].section,
						  wanted[i].offset,
						  wanted[i].length, &len);

			assert_int_equal(len, strlen(wanted[i].text));
			assert_memory_equal(text, wanted[i].text, len);
		}
	}
}

static void test_missing_part_is_not_found(void **state)
{
	static const uint32_t path[] = {3};
	static const struct section none = {.path = path, .path_len = 1};
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct range_set all = one(f, 1, 1);
	struct mail_reader *reader;
	struct mail_stream *stream;
	const struct mail *at;
	uint64_t size;
	struct err err;

	save_text(box, mail, 0, NULL);
	sync_box(f, box, 0);
	reader = mail_reader_begin(f->ctx, box, &all);
	assert_int_equal(mail_reader_next(reader, &at, &err), 1);
	assert_int_equal(mail_stream_open(f->ctx, at, &none, 0, UINT64_MAX,
					  &stream, &size, &err),
			 -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	mail_reader_end(&reader);
}

static char *make_large(struct fixture *f)
{
	CLEANUP(buf_free) struct buf text = buf_init(4000000);

	buf_add(&text, "Subject: large\r\n\r\n");
	for (unsigned i = 0; i < 40000; i++)
		buf_printf(&text, "line %u of many\r\n", i);
	return buf_steal(f->ctx, &text);
}

static void test_pieces_of_a_large_mail_make_the_whole(void **state)
{
	static const struct section whole = {.kind = SECTION_ALL};
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	char *text = make_large(f);
	size_t len, total = strlen(text);

	save_text(box, text, 0, NULL);
	sync_box(f, box, 0);
	for (size_t at = 0; at < total; at += 50001) {
		char *piece = read_section(f, box, 1, &whole, at, 50001, &len);

		assert_int_equal(len, total - at < 50001 ? total - at : 50001);
		assert_memory_equal(piece, text + at, len);
	}
	/* And backwards. */
	assert_memory_equal(read_section(f, box, 1, &whole, 10, 100, &len),
			    text + 10, 100);
}

/* Another program's file whose name tells the wrong sizes. */
static void drop_file(struct fixture *f, const char *name, const char *text)
{
	FILE *file = fopen(
		mem_printf(f->ctx, "%s/Maildir/new/%s", f->dir, name), "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* Line ends of both kinds, in mails that are read at once and that are not:
 * what a piece has does not depend on how much is read for it. */
static void test_pieces_are_those_of_the_whole(void **state)
{
	static const struct section section = {.kind = SECTION_ALL};
	static const size_t sizes[] = {40, 3000, 20000, 70000};
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);

	for (unsigned i = 0; i < 4; i++) {
		CLEANUP(buf_free) struct buf text = buf_init(100000);

		buf_add(&text, "A: b\n\nc\r\n\rd\n");
		while (text.len < sizes[i])
			buf_printf(&text, "%zu%s", text.len,
				   text.len % 3 == 0 ? "\r\n" : "\n\n");
		drop_file(f, mem_printf(f->ctx, "160000000%u.h", i), text.data);
	}
	sync_box(f, box, 0);
	for (unsigned i = 0; i < 4; i++) {
		size_t total, len;
		const char *whole = read_section(f, box, i + 1, &section, 0,
						 UINT64_MAX, &total);

		for (size_t at = 0; at < total + 7; at += 1 + sizes[i] / 40) {
			size_t want = at % 5 == 0 ? 9 : 1 + sizes[i] / 3;
			size_t rest = at < total ? total - at : 0;
			char *piece = read_section(f, box, i + 1, &section, at,
						   want, &len);

			assert_int_equal(len, rest < want ? rest : want);
			assert_memory_equal(piece, whole + at, len);
		}
	}
}

static unsigned open_files(void)
{
	CLEANUP(dir_close) DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(dir) != NULL)
		count++;
	return count;
}

/* Only its header is read of a mail, as far as it goes, until more is asked
 * for; and the file does not stay open behind it. */
static void test_header_is_read_before_the_rest(void **state)
{
	static const struct section whole = {.kind = SECTION_ALL};
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	CLEANUP(buf_free) struct buf text = buf_init(1000000);
	struct range_set all = one(f, 1, 3);
	struct mail_reader *reader;
	const struct mail *at;
	struct mail_stream *stream;
	struct str header, last;
	unsigned before;
	uint64_t size;
	struct err err;

	/* Longer than what is read at first. */
	while (text.len < 12000)
		buf_printf(&text, "X-Long-%zu: value\n", text.len);
	buf_add(&text, "\n");
	while (text.len < 60000)
		buf_add(&text, "a line of the body\n");
	buf_add(&text, "rest");
	for (unsigned i = 0; i < 3; i++)
		drop_file(f, mem_printf(f->ctx, "160000000%u.h", i), text.data);
	sync_box(f, box, 0);
	read_section(f, box, 1, &whole, 0, UINT64_MAX, &(size_t){0});
	before = open_files();
	reader = mail_reader_begin(f->ctx, box, &all);
	while (mail_reader_next(reader, &at, &err) > 0) {
		assert_ok(mail_header(at, &header, &err));
		assert_in_range(header.len, 12000, 12050);
		assert_memory_equal(header.data, text.data, header.len);
		if (at->seq == 2) /* goes on without */
			continue;
		assert_ok(mail_text(at, text.len - 4, 5, &last, &err));
		assert_true(str_is(last, "rest"));
		assert_ok(mail_stream_open(f->ctx, at, &whole, 0, UINT64_MAX,
					   &stream, &size, &err));
		assert_true(size > text.len);
		mail_stream_close(&stream);
	}
	mail_reader_end(&reader);
	assert_int_equal(open_files(), before);
}

static void test_wrong_sizes_in_names_are_put_right(void **state)
{
	static const struct section whole = {.kind = SECTION_ALL};
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct range_set all = one(f, 1, 1);
	struct mail_reader *reader;
	const struct mail *at;
	uint64_t octets;
	struct err err;
	size_t len;
	char *text;

	drop_file(f, "1.x.host,S=5,W=6", "A: b\n\nsome text\n");
	sync_box(f, box, SYNC_FULL);
	assert_int_equal(mailbox_messages(box), 1);
	text = read_section(f, box, 1, &whole, 0, UINT64_MAX, &len);
	assert_string_equal(text, "A: b\r\n\r\nsome text\r\n");
	reader = mail_reader_begin(f->ctx, box, &all);
	assert_int_equal(mail_reader_next(reader, &at, &err), 1);
	assert_ok(mail_size(at, &octets, &err));
	assert_int_equal(octets, len);
	mail_reader_end(&reader);
}

static void test_envelope_and_structure_are_cached(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct range_set all = one(f, 1, 1);
	struct mail_reader *reader;
	const struct mail *at;
	struct str envelope, structure, body;
	struct err err;

	drop_file(f, "1.x.host", mail);
	sync_box(f, box, SYNC_FULL);
	for (unsigned round = 0; round < 2; round++) {
		reader = mail_reader_begin(f->ctx, box, &all);
		assert_int_equal(mail_reader_next(reader, &at, &err), 1);
		assert_ok(mail_envelope(at, &envelope, &err));
		assert_true(str_starts(envelope, "(NIL \"parts\" "));
		assert_ok(mail_body_structure(at, true, &structure, &err));
		assert_true(str_starts(structure, "((\"text\" \"plain\" "));
		assert_ok(mail_body_structure(at, false, &body, &err));
		assert_true(str_starts(body, "((\"text\" \"plain\" "));
		mail_reader_end(&reader);
		if (round > 0)
			continue;
		/* Now nobody can read the file any more. */
		assert_int_equal(
			unlink(mem_printf(f->ctx, "%s/Maildir/cur/1.x.host:2,",
					  f->dir)),
			0);
	}
}

static void test_expunged_mails_are_passed_over(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct range_set all = one(f, 1, 3);
	struct mail_reader *reader;
	const struct mail *at;
	struct err err;

	for (unsigned i = 0; i < 3; i++)
		save_mail(box, "x");
	sync_box(f, box, 0);
	store_flags(box, one(f, 2, 2), STORE_ADD, MAIL_DELETED);
	assert_ok(mailbox_expunge(box, NULL, &err));
	reader = mail_reader_begin(f->ctx, box, &all);
	assert_int_equal(mail_reader_next(reader, &at, &err), 1);
	mail_reader_pause(reader);
	assert_int_equal(mail_reader_next(reader, &at, &err), 1);
	assert_int_equal(at->seq, 3);
	assert_int_equal(mail_reader_next(reader, &at, &err), 0);
	assert_int_equal(mail_reader_gone(reader), 1);
	mail_reader_end(&reader);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sections_are_as_long_as_they_say),
		TEST(test_missing_part_is_not_found),
		TEST(test_pieces_of_a_large_mail_make_the_whole),
		TEST(test_pieces_are_those_of_the_whole),
		TEST(test_header_is_read_before_the_rest),
		TEST(test_wrong_sizes_in_names_are_put_right),
		TEST(test_envelope_and_structure_are_cached),
		TEST(test_expunged_mails_are_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
