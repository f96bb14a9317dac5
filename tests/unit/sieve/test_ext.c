/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "script.h"

static const char message[] =
	"Received: by a; Thu, 23 Jul 2020 10:03:24 +0000\r\n"
	"Received: by b; Thu, 23 Jul 2020 09:03:20 +0000\r\n"
	"From: Alice <alice@example.com>\r\n"
	"Subject: hello\r\n"
	"Date: Thu, 23 Jul 2020 19:03:23 +0900\r\n"
	"Message-ID: <seen@example.com>\r\n"
	"X-Score: 17\r\nX-Score: 4\r\n"
	"MIME-Version: 1.0\r\n"
	"Content-Type: multipart/mixed; boundary=b\r\n"
	"\r\n"
	"prologue\r\n"
	"--b\r\n"
	"Content-Type: text/plain; charset=iso-8859-1\r\n"
	"Content-Transfer-Encoding: quoted-printable\r\n"
	"\r\n"
	"caf=E9\r\n"
	"au lait\r\n"
	"--b\r\n"
	"Content-Type: text/html\r\n"
	"Content-Disposition: attachment; filename*=utf-8''f%C3%A9.html\r\n"
	"\r\n"
	"<b>text of</b><i>html</i>\r\n"
	"--b\r\n"
	"Content-Type: message/rfc822\r\n"
	"\r\n"
	"Subject: inner subject\r\n"
	"\r\n"
	"inner\r\n"
	"--b--\r\n"
	"epilogue\r\n";

struct example {
	const char *script, *result;
};

/* Its line ends are no script's business: a delivery has it as it will lie on
 * the disk. */
static const char *with_lf(char *out)
{
	char *to = out;

	for (const char *at = message; *at != '\0'; at++) {
		if (*at != '\r')
			*to++ = *at;
	}
	*to = '\0';
	return out;
}

static void run_all(const struct example *examples, size_t count)
{
	static const char *const settings[] = {
		"sieve_spamtest_status_header=X-Score",
		"sieve_spamtest_max_value=20",
		"sieve_virustest_status_type=text",
		"sieve_virustest_status_header=Subject: (hel+)",
		"sieve_virustest_text_value5=hell",
		"sieve_editheader_protected=X-Kept",
		NULL,
	};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct sieve_engine *engine = test_engine(ctx, settings);
	char lf[sizeof(message)];
	const char *const messages[] = {message, with_lf(lf)};

	for (size_t i = 0; i < count * 2; i++) {
		const struct example *example = &examples[i / 2];
		const char *got =
			test_run(ctx, engine, example->script, messages[i % 2]);

		if (strcmp(got, example->result) != 0)
			fail_msg("%s\ngives: %s\nnot:   %s", example->script,
				 got, example->result);
	}
}

#define RUN(examples) run_all(examples, sizeof(examples) / sizeof(*examples))

static void test_dates(void **state)
{
	static const struct example examples[] = {
		{"require [\"date\", \"relational\"]; if date "
		 ":originalzone \"date\" \"iso8601\" "
		 "\"2020-07-23T19:03:23+09:00\" { discard; }",
		 "discard"},
		{"require \"date\"; if date :zone \"+0000\" \"date\" "
		 "\"time\" \"10:03:23\" { discard; }",
		 "discard"},
		{"require \"date\"; if date :zone \"-0500\" \"received\" "
		 "\"std11\" \"Thu, 23 Jul 2020 05:03:24 -0500\" { "
		 "discard; }",
		 "discard"},
		{"require \"date\"; if currentdate :zone \"+0000\" "
		 "\"julian\" \"54875\" { discard; }",
		 "discard"},
		{"require \"date\"; if currentdate :zone \"+0100\" "
		 "\"weekday\" \"6\" { discard; }",
		 "discard"},
		{"require \"date\"; if date \"subject\" \"year\" \"2020\" "
		 "{ discard; }",
		 "implicit keep"},
		{"require [\"date\", \"index\"]; if date :index 2 :zone "
		 "\"+0000\" \"received\" \"hour\" \"09\" { discard; }",
		 "discard"},
		{"require \"index\"; if header :index 1 :last \"x-score\" "
		 "\"4\" { discard; }",
		 "discard"},
		{"require \"index\"; if header :last \"x-score\" \"4\" { "
		 "discard; }",
		 "t: line 1, column 28: the :last tag for the header test "
		 "cannot be specified without the :index tag\n"
		 "t: validation failed\n"},
	};

	(void)state;
	RUN(examples);
}

static void test_ihave(void **state)
{
	static const struct example examples[] = {
		{"require \"ihave\"; if ihave \"fileinto\" { fileinto "
		 "\"a\"; } else { discard; }",
		 "store a"},
		{"require \"ihave\"; if ihave \"nope\" { frobnicate; } "
		 "else { discard; }",
		 "discard"},
		{"require \"ihave\"; if not ihave \"nope\" { error \"no "
		 "nope\"; }",
		 "t: line 1: no nope\n"},
	};

	(void)state;
	RUN(examples);
}

static void test_bodies(void **state)
{
	static const struct example examples[] = {
		{"require \"body\"; if body :contains \"text of html\" { "
		 "discard; }",
		 "discard"},
		{"require \"body\"; if body :contains \"<b>\" { discard; }",
		 "implicit keep"},
		{"require \"body\"; if body :content \"text/html\" "
		 ":contains \"<b>\" { discard; }",
		 "discard"},
		{"require \"body\"; if body :content \"text\" :contains "
		 "\"caf\xc3\xa9\" { discard; }",
		 "discard"},
		{"require \"body\"; if body :raw :contains \"caf=E9\" { "
		 "discard; }",
		 "discard"},
		{"require \"body\"; if body :content \"multipart\" "
		 ":contains \"prologue\" { discard; }",
		 "discard"},
		{"require \"body\"; if body :content \"multipart\" "
		 ":contains \"epilogue\" { discard; }",
		 "discard"},
		{"require \"body\"; if body :content \"multipart\" "
		 ":contains \"--b\" { discard; }",
		 "implicit keep"},
		{"require \"body\"; if body :content \"message/rfc822\" "
		 ":contains \"inner subject\" { discard; }",
		 "discard"},
		{"require \"body\"; if body :content \"image\" :contains "
		 "\"\" { discard; }",
		 "implicit keep"},
		{"require \"body\"; if body :raw :contains \"lait\n--b\" { "
		 "discard; }",
		 "discard"},
		{"require \"body\"; if body :is \"caf\xc3\xa9\nau lait\" { "
		 "discard; }",
		 "discard"},
		{"require \"body\"; if body :content \"multipart\" :is "
		 "\"prologue\n\" { discard; }",
		 "discard"},
		{"require \"body\"; if body :content \"multipart\" :is "
		 "\"epilogue\n\" { discard; }",
		 "discard"},
		{"require \"body\"; if body :content \"message/rfc822\" :is "
		 "\"Subject: inner subject\n\n\" { discard; }",
		 "discard"},
	};

	(void)state;
	RUN(examples);
}

static void test_mailboxes(void **state)
{
	static const struct example examples[] = {
		{"require [\"fileinto\", \"mailbox\"]; if mailboxexists "
		 "\"there\" { fileinto :create \"new\"; }",
		 "store new :create"},
		{"require \"mailbox\"; if mailboxexists [\"there\", "
		 "\"not\"] { discard; }",
		 "implicit keep"},
		{"require \"mboxmetadata\"; if metadata \"there\" "
		 "\"/private/comment\" \"mailbox\" { discard; }",
		 "discard"},
		{"require \"mboxmetadata\"; if metadataexists \"there\" "
		 "[\"/private/comment\", \"/private/x\"] { discard; }",
		 "implicit keep"},
		{"require \"servermetadata\"; if servermetadata "
		 "\"/private/comment\" \"server\" { discard; }",
		 "discard"},
		{"require [\"special-use\", \"fileinto\"]; if "
		 "specialuse_exists \"there\" \"\\\\Junk\" { fileinto "
		 ":specialuse \"\\\\Junk\" \"Spam\"; }",
		 "store Spam :specialuse \\Junk"},
		{"require \"special-use\"; if specialuse_exists "
		 "[\"\\\\Junk\", \"\\\\Sent\"] { discard; }",
		 "implicit keep"},
		{"require [\"mailboxid\", \"fileinto\"]; if "
		 "mailboxidexists \"f1\" { fileinto :mailboxid \"f1\" "
		 "\"a\"; }",
		 "store a :mailboxid f1"},
		{"require [\"vacation\", \"fcc\", \"mailbox\", "
		 "\"imap4flags\"]; vacation :fcc \"Sent\" :create :flags "
		 "\"\\\\Seen\" \"gone\";",
		 "vacation 604800 gone :fcc Sent [\\Seen] :create; "
		 "implicit keep"},
		{"require [\"vacation\", \"fcc\", \"mailbox\"]; vacation "
		 ":create \"gone\";",
		 "t: line 1, column 50: the :create tag for the vacation "
		 "command cannot be used without the :fcc tag\n"
		 "t: validation failed\n"},
	};

	(void)state;
	RUN(examples);
}

static void test_answers(void **state)
{
	static const struct example examples[] = {
		{"require \"vacation\"; vacation :days 3 :subject \"s\" "
		 ":from \"a@b.example\" :handle \"h\" \"gone\";",
		 "vacation 259200 gone :subject s :from a@b.example "
		 ":handle h; implicit keep"},
		{"require \"vacation-seconds\"; vacation :seconds 200000 "
		 "\"gone\";",
		 "vacation 200000 gone; implicit keep"},
		{"require \"vacation\"; vacation \"a\"; vacation \"b\";",
		 "t: line 1: duplicate vacation action not allowed "
		 "(previously triggered one was here: line 1)\n"},
		{"require \"reject\"; reject \"no\";", "reject no"},
		{"require \"ereject\"; ereject \"no\";", "reject refuse no"},
		{"require \"reject\"; keep; reject \"no\";",
		 "t: line 1: reject action conflicts with other "
		 "action: the keep action (line 1)\n"},
		{"require \"enotify\"; notify :message \"m\" "
		 "\"mailto:a@b.example?cc=c%40d.example\";",
		 "notify mailto:a@b.example?cc=c%40d.example :importance "
		 "2 :message m; implicit keep"},
		{"require [\"enotify\", \"variables\", \"fileinto\"]; set "
		 ":encodeurl \"u\" \"a b&\xc3\xa9\"; fileinto \"${u}\";",
		 "store a%20b%26%C3%A9"},
		{"require \"enotify\"; if valid_notify_method "
		 "[\"mailto:a@b.example\", \"tel:1\"] { discard; }",
		 "implicit keep"},
		{"require \"enotify\"; if notify_method_capability "
		 "\"mailto:a@b.example\" \"Online\" \"maybe\" { discard; }",
		 "discard"},
		{"require \"redirect-dsn\"; redirect :notify "
		 "\"SUCCESS,FAILURE\" :ret \"HDRS\" \"a@b.example\";",
		 "redirect a@b.example :notify SUCCESS,FAILURE :ret HDRS"},
		{"require \"vnd.dovecot.report\"; report \"abuse\" \"m\" "
		 "\"a@b.example\";",
		 "report abuse m a@b.example; implicit keep"},
	};

	(void)state;
	RUN(examples);
}

static void test_environment(void **state)
{
	static const struct example examples[] = {
		{"require \"environment\"; if environment :is \"domain\" "
		 "\"example.org\" { discard; }",
		 "discard"},
		{"require \"environment\"; if environment :contains "
		 "\"nope\" \"\" { discard; }",
		 "implicit keep"},
		{"require [\"vnd.dovecot.environment\", \"variables\", "
		 "\"fileinto\"]; fileinto "
		 "\"${env.vnd.dovecot.default_mailbox}.${env.vnd.dovecot.u"
		 "sername}\";",
		 "store INBOX.alice"},
		{"require \"vnd.dovecot.debug\"; debug_log \"hello\";",
		 "t: line 1: DEBUG: hello\n; implicit keep"},
	};

	(void)state;
	RUN(examples);
}

static void test_duplicates(void **state)
{
	static const struct example examples[] = {
		{"require \"duplicate\"; if duplicate { discard; }", "discard"},
		{"require \"duplicate\"; if duplicate :uniqueid \"new\" "
		 ":seconds 60 { discard; }",
		 "duplicate_mark 60; implicit keep"},
		{"require \"duplicate\"; if duplicate :header \"x-nope\" "
		 "{ discard; }",
		 "implicit keep"},
	};

	(void)state;
	RUN(examples);
}

static void test_lists(void **state)
{
	static const struct example examples[] = {
		{"require \"extlists\"; if address :list \"from\" "
		 "\"tag:friends\" { discard; }",
		 "discard"},
		{"require \"extlists\"; if valid_ext_list \"tag:foes\" { "
		 "discard; }",
		 "implicit keep"},
		{"require \"extlists\"; redirect :list \"tag:friends\";",
		 "redirect :list tag:friends"},
	};

	(void)state;
	RUN(examples);
}

static void test_spam(void **state)
{
	static const struct example examples[] = {
		{"require [\"spamtest\", \"relational\"]; if spamtest :is "
		 "\"8\" { discard; }",
		 "discard"},
		{"require \"spamtestplus\"; if spamtest :percent :is "
		 "\"85\" { discard; }",
		 "discard"},
		{"require \"virustest\"; if virustest :is \"5\" { "
		 "discard; }",
		 "discard"},
	};

	(void)state;
	RUN(examples);
}

static void test_editheader(void **state)
{
	static const struct example examples[] = {
		{"require [\"editheader\", \"variables\", \"fileinto\"]; "
		 "addheader \"X-New\" \"1\"; if header \"x-new\" \"1\" { "
		 "deleteheader \"x-new\"; } if exists \"x-new\" { "
		 "discard; }",
		 "implicit keep"},
		{"require \"editheader\"; deleteheader :index 1 "
		 "\"x-score\"; if header \"x-score\" \"17\" { discard; }",
		 "implicit keep"},
		{"require \"editheader\"; deleteheader :contains "
		 "\"x-score\" [\"1\", \"x\"]; if header \"x-score\" \"4\" "
		 "{ discard; }",
		 "discard (edited)"},
		{"require \"editheader\"; deleteheader \"received\"; if "
		 "exists \"received\" { discard; }",
		 "t: line 1, column 36: deleting header field 'received' is "
		 "forbidden: it will not be done\n"
		 "; discard"},
		{"require \"editheader\"; addheader \"X-Kept\" \"1\"; if "
		 "exists \"x-kept\" { discard; }",
		 "t: line 1, column 33: adding header field 'X-Kept' is "
		 "forbidden: it will not be done\n"
		 "; implicit keep"},
		{"require \"editheader\"; addheader \"X A\" \"1\";",
		 "t: line 1, column 33: specified header field name 'X A' "
		 "is invalid\n"
		 "t: validation failed\n"},
	};

	(void)state;
	RUN(examples);
}

static void test_parts(void **state)
{
	static const struct example examples[] = {
		{"require [\"mime\"]; if header :mime :anychild "
		 ":contenttype \"content-type\" \"text/html\" { discard; }",
		 "discard"},
		{"require [\"mime\"]; if header :mime :subtype "
		 "\"content-type\" \"mixed\" { discard; }",
		 "discard"},
		{"require [\"mime\"]; if exists :mime :anychild "
		 "\"content-disposition\" { discard; }",
		 "discard"},
		{"require [\"mime\", \"foreverypart\", \"fileinto\", "
		 "\"variables\"]; set \"all\" \"\"; foreverypart { if "
		 "header :mime :contenttype :matches \"content-type\" "
		 "\"*\" { set \"all\" \"${all}+${1}\"; } } fileinto "
		 "\"${all}\";",
		 "store +multipart/mixed+text/plain+text/html+message/rfc8"
		 "22"},
		{"require [\"mime\", \"foreverypart\", \"fileinto\", "
		 "\"variables\"]; foreverypart { if header :mime :param "
		 "\"filename\" :matches \"content-disposition\" \"*\" { "
		 "fileinto \"${1}\"; break; } }",
		 "store f\xc3\xa9.html"},
		{"require [\"foreverypart\", \"extracttext\", "
		 "\"fileinto\", \"variables\"]; foreverypart { "
		 "foreverypart { extracttext :upper :first 3 \"t\"; "
		 "break; } fileinto \"${t}\"; break; }",
		 "store CAF"},
		{"require [\"foreverypart\", \"variables\", "
		 "\"fileinto\"]; foreverypart :name \"a\" { foreverypart "
		 ":name \"b\" { break :name \"a\"; } } fileinto \"x\";",
		 "store x"},
		{"require \"foreverypart\"; break;",
		 "t: line 1, column 25: the break command is not placed "
		 "inside a foreverypart loop\n"
		 "t: validation failed\n"},
		{"require [\"foreverypart\", \"mime\", \"replace\", "
		 "\"body\"]; foreverypart { if header :mime :subtype "
		 "\"content-type\" \"html\" { replace \"gone\"; } } if "
		 "body :contains \"gone\" { discard; }",
		 "discard (edited)"},
		{"require [\"enclose\", \"mime\", \"body\"]; enclose "
		 ":subject \"outer\" :headers [\"X-A: 1\"] \"see below\"; "
		 "if allof(header \"subject\" \"outer\", header :mime "
		 ":anychild \"subject\" \"hello\", header \"x-a\" \"1\", "
		 "body :contains \"caf\") { discard; }",
		 "discard (edited)"},
	};

	(void)state;
	RUN(examples);
}

static void test_programs(void **state)
{
	static const struct example examples[] = {
		{"require \"vnd.dovecot.pipe\"; pipe \"upper\" [\"a\"];",
		 "pipe upper"},
		{"require \"vnd.dovecot.filter\"; filter \"upper\"; if "
		 "header :comparator \"i;octet\" \"subject\" \"HELLO\" { "
		 "discard; }",
		 "discard (edited)"},
		{"require \"vnd.dovecot.filter\"; if filter \"fail\" { "
		 "discard; }",
		 "implicit keep"},
		{"require [\"vnd.dovecot.execute\", \"variables\", "
		 "\"fileinto\"]; if execute :input \"x y\" :output \"o\" "
		 "\"upper\" { fileinto \"${o}\"; }",
		 "store X Y"},
		{"require \"vnd.dovecot.execute\"; execute \"a/b\";",
		 "t: line 1, column 40: invalid program name 'a/b'\n"
		 "t: validation failed\n"},
	};

	(void)state;
	RUN(examples);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_ihave),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_mailboxes),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_spam),
		cmocka_unit_test(test_editheader),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
