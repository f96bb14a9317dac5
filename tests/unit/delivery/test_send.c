/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "delivery/send.h"
#include "delivery/settings.h"

struct fixture {
	struct lda_settings set;
	struct sender *sender;
	int listener, seen[2]; /* what the server was told */
	pid_t server;
};

/* A server for one connection: `replies` for MAIL, RCPT, DATA and the mail. */
static void serve(struct fixture *f, const char *const replies[4])
{
	int fd = accept(f->listener, NULL, NULL);
	FILE *in = fdopen(fd, "r"), *seen = fdopen(f->seen[1], "w");
	char line[1000];
	bool data = false;

	dprintf(fd, "220 here\r\n");
	while (fgets(line, sizeof(line), in) != NULL) {
		fputs(line, seen);
		if (data && strcmp(line, ".\r\n") != 0)
			continue;
		if (data)
			dprintf(fd, "%s\r\n", replies[3]);
		else if (strncmp(line, "EHLO", 4) == 0)
			dprintf(fd, "250-here\r\n250-PIPELINING\r\n"
				    "250 8BITMIME\r\n");
		else if (strncmp(line, "MAIL", 4) == 0)
			dprintf(fd, "%s\r\n", replies[0]);
		else if (strncmp(line, "RCPT", 4) == 0)
			dprintf(fd, "%s\r\n", replies[1]);
		else if (strncmp(line, "DATA", 4) == 0)
			dprintf(fd, "%s\r\n", replies[2]);
		data = strncmp(line, "DATA", 4) == 0 && replies[2][0] == '3';
	}
	fflush(seen);
	_exit(0);
}

static void start(struct fixture *f, const char *const replies[4])
{
	struct sockaddr_in name = {.sin_family = AF_INET};
	socklen_t len = sizeof(name);

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	f->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(f->listener, (void *)&name, len), 0);
	assert_int_equal(listen(f->listener, 1), 0);
	assert_int_equal(getsockname(f->listener, (void *)&name, &len), 0);
	assert_int_equal(pipe(f->seen), 0);
	f->server = fork();
	if (f->server == 0)
		serve(f, replies);
	close(f->seen[1]);
	f->set.submission_host =
		mem_printf(f, "127.0.0.1:%u", ntohs(name.sin_port));
}

static char *seen(struct fixture *f)
{
	CLEANUP(buf_free) struct buf text = buf_init(100000);
	ssize_t got;

	waitpid(f->server, NULL, 0);
	while ((got = read(f->seen[0], buf_space(&text, 1000), 1000)) > 0)
		buf_grew(&text, (size_t)got);
	close(f->seen[0]);
	close(f->listener);
	return buf_steal(f, &text);
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(NULL, struct fixture);
	struct err err;

	f->set = (struct lda_settings){
		.hostname = "here.example",
		.sendmail_path = "/bin/false",
		.submission_host = "",
		.submission_ssl = "no",
		.submission_timeout = {10000},
		.mail_temp_dir = "/tmp",
	};
	log_open("test", LOG_TO_STDERR);
	*state = f;
	return sender_new(f, NULL, NULL, &f->set, &f->sender, &err);
}

static int tear_down(void **state)
{
	mem_free(*state);
	return 0;
}

static int send_it(struct fixture *f, struct err *err)
{
	CLEANUP(buf_free) struct buf mail = buf_init(100);

	buf_add(&mail, "Subject: x\n\n.dot\nend");
	return sender_send_text(f->sender, "", "a@b.example", &mail, err);
}

static void test_a_mail_is_sent(void **state)
{
	static const char *const replies[] = {"250 ok", "250 ok", "354 go",
					      "250 2.0.0 queued"};
	struct fixture *f = *state;
	struct err err;

	start(f, replies);
	assert_int_equal(send_it(f, &err), 0);
	assert_string_equal(seen(f), "EHLO here.example\r\n"
				     "MAIL FROM:<> BODY=8BITMIME\r\n"
				     "RCPT TO:<a@b.example>\r\n"
				     "DATA\r\nSubject: x\r\n\r\n..dot\r\n"
				     "end\r\n.\r\nQUIT\r\n");
}

static void expect_failure(struct fixture *f, const char *const replies[4],
			   enum err_code code, const char *text)
{
	struct err err;

	start(f, replies);
	assert_int_equal(send_it(f, &err), -1);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.text, text));
	seen(f);
}

static void test_refusals_are_told_apart(void **state)
{
	static const char *const sender[] = {"550 5.1.8 you", "503 no", "503",
					     ""};
	static const char *const later[] = {"250", "451 4.1.1 later", "503",
					    ""};
	static const char *const never[] = {"250", "550 5.1.1 nobody", "503",
					    ""};
	static const char *const data[] = {"250", "250", "554 5.3.4 no", ""};
	static const char *const mail[] = {"250", "250", "354",
					   "452 4.2.2 full"};
	static const char *const nonsense[] = {"250", "250", "354", "hello?"};
	struct fixture *f = *state;

	expect_failure(f, sender, ERR_DENIED, "550 5.1.8 you");
	expect_failure(f, later, ERR_TEMPORARY, "451 4.1.1 later");
	expect_failure(f, never, ERR_DENIED, "550 5.1.1 nobody");
	expect_failure(f, data, ERR_DENIED, "554 5.3.4 no");
	expect_failure(f, mail, ERR_TEMPORARY, "452 4.2.2 full");
	expect_failure(f, nonsense, ERR_TEMPORARY, "no sense");
}

static void test_no_server(void **state)
{
	struct fixture *f = *state;
	struct err err;

	f->set.submission_host = "127.0.0.1:1";
	assert_int_equal(send_it(f, &err), -1);
	assert_int_equal(err.code, ERR_TEMPORARY);
	assert_non_null(strstr(err.text, "Connection refused"));
	f->set.submission_host = "127.0.0.1:x";
	assert_int_equal(send_it(f, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
}

/* Not even to a program that would know what to do with them. */
static void test_odd_addresses_go_nowhere(void **state)
{
	static const char *const odd[] = {"",       "-oQ/tmp", "a b@c",
					  "a@b>\n", "<a@b>",   "a@b\rx"};
	struct fixture *f = *state;
	CLEANUP(buf_free) struct buf mail = buf_init(100);
	struct err err;

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		assert_int_equal(
			sender_send_text(f->sender, "a@b", odd[i], &mail, &err),
			-1);
		assert_int_equal(err.code, ERR_DENIED);
	}
}

static void test_program_that_takes_too_long(void **state)
{
	struct fixture *f = *state;
	struct err err;

	/* It is given "-i -f <> -- a@b.example", too. */
	f->set.sendmail_path = "/bin/sh -c sleep${IFS}100";
	f->set.submission_timeout.ms = 100;
	assert_int_equal(send_it(f, &err), -1);
	assert_int_equal(err.code, ERR_TIMEOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_mail_is_sent, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_refusals_are_told_apart,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_server, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_odd_addresses_go_nowhere,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_program_that_takes_too_long, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
