/* SPDX-License-Identifier: MIT */
/*
 * auth/passdb/pam.c - PAM. args: "[session=yes] [setcred=yes] [cache_key=KEY]
 * [failure_show_msg=yes] [max_requests=N] [SERVICE]"; SERVICE is "dovecot" if
 * not given, "*" and "%s" stand for the protocol.
 */
#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/db.h"
#include "auth/passdb/drivers.h"
#include "auth/worker.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

enum { MAX_REQUESTS = 100, MESSAGES_MAX = 32, MESSAGE_LEN = 512 };

struct pam_args {
	bool session, setcred, show_message;
	unsigned max_requests;
	const char *service;
};

/* What the conversation needs, and what it heard. */
struct talk {
	const struct request *request;
	const char *user; /* as PAM knows it so far */
	struct buf message;
};

static int set_arg(struct passdb *db, struct pam_args *args, struct str word,
		   struct err *err)
{
	if (str_is(word, "session=yes"))
		args->session = true;
	else if (str_is(word, "setcred=yes"))
		args->setcred = true;
	else if (str_is(word, "failure_show_msg=yes"))
		args->show_message = true;
	else if (str_starts(word, "cache_key="))
		db->cache_key = str_dup(db, str_from(word, 10));
	else if (str_starts(word, "max_requests=")) {
		if (!str_to_unsigned(str_from(word, 13), &args->max_requests))
			return err_set(err, ERR_INVALID,
				       "Invalid max_requests: %.*s",
				       STR_FMT(word));
	} else if (str_is(word, "blocking=yes") ||
		   str_is(word, "blocking=no")) {
		/* It always is, in a worker of its own. */
		return 0;
	} else if (str_find_char(word, '=') >= 0) {
		return err_set(err, ERR_INVALID, "Unknown setting: %.*s",
			       STR_FMT(word));
	} else if (str_is(word, "*")) {
		args->service = "%s";
	} else {
		args->service = str_dup(db, word);
	}
	return 0;
}

static int pam_open(struct passdb *db, struct err *err)
{
	struct pam_args *args = mem_new(db, struct pam_args);
	struct str rest = str_of(db->args), word;

	args->max_requests = MAX_REQUESTS;
	args->service = "dovecot";
	db->data = args;
	while (str_word(&rest, &word)) {
		if (set_arg(db, args, word, err) < 0)
			return -1;
	}
	return 0;
}

/* Answers are malloc()ed: PAM frees them. */
static char *answer(struct talk *talk, const struct pam_message *message)
{
	switch (message->msg_style) {
	case PAM_PROMPT_ECHO_OFF:
		return strdup(talk->request->password);
	case PAM_PROMPT_ECHO_ON:
		return strdup(talk->request->user);
	case PAM_TEXT_INFO:
	case PAM_ERROR_MSG:
		if (message->msg != NULL) {
			if (talk->message.len > 0)
				buf_add(&talk->message, " ");
			buf_add(&talk->message, message->msg);
		}
		return strdup("");
	default:
		return NULL;
	}
}

static int talk_with(int count, const struct pam_message **messages,
		     struct pam_response **out, void *ctx)
{
	struct talk *talk = ctx;
	struct pam_response *responses;

	if (count <= 0 || count > MESSAGES_MAX)
		return PAM_CONV_ERR;
	responses = calloc((size_t)count, sizeof(*responses));
	if (responses == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < count; i++) {
		responses[i].resp = answer(talk, messages[i]);
		if (responses[i].resp == NULL) {
			for (int n = 0; n < i; n++)
				free(responses[n].resp);
			free(responses);
			return PAM_CONV_ERR;
		}
	}
	*out = responses;
	return PAM_SUCCESS;
}

static void set_items(pam_handle_t *pam, const struct request *request)
{
	char ip[IP_TEXT_MAX];

	pam_set_item(pam, PAM_RUSER, request->user);
	pam_set_item(pam, PAM_TTY, "dovecot");
	if (request->remote.family != 0)
		pam_set_item(pam, PAM_RHOST, ip_text(&request->remote, ip));
}

static enum pass_result result_of(int status)
{
	switch (status) {
	case PAM_USER_UNKNOWN:
		return PASS_UNKNOWN_USER;
	case PAM_AUTH_ERR:
	case PAM_PERM_DENIED:
	case PAM_MAXTRIES:
		return PASS_MISMATCH;
	case PAM_NEW_AUTHTOK_REQD:
	case PAM_AUTHTOK_EXPIRED:
	case PAM_ACCT_EXPIRED:
	case PAM_CRED_EXPIRED:
		return PASS_EXPIRED;
	default:
		return PASS_FAILURE;
	}
}

static bool has_service_file(const char *service)
{
	char path[256];
	struct stat st;

	if (snprintf(path, sizeof(path), "/etc/pam.d/%s", service) >=
	    (int)sizeof(path))
		return false;
	return stat(path, &st) == 0;
}

static enum pass_result failed(pam_handle_t *pam, struct request *request,
			       const char *function, const char *service,
			       int status)
{
	enum pass_result result = result_of(status);
	const char *text = pam_strerror(pam, status);
	enum log_level level =
		result == PASS_FAILURE ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO;

	if (status == PAM_AUTH_ERR && !has_service_file(service))
		request_log(request, LOG_LEVEL_ERROR,
			    "%s() failed: %s (/etc/pam.d/%s missing?)",
			    function, text, service);
	else if (status == PAM_AUTH_ERR)
		request_log(request, level,
			    "%s() failed: %s (Password mismatch?)", function,
			    text);
	else
		request_log(request, level, "%s() failed: %s", function, text);
	return result;
}

static enum pass_result run(pam_handle_t *pam, const struct pam_args *args,
			    const char *service, struct request *request)
{
	int status = pam_authenticate(pam, 0);

	if (status != PAM_SUCCESS)
		return failed(pam, request, "pam_authenticate", service,
			      status);
	if (args->setcred) {
		status = pam_setcred(pam, PAM_ESTABLISH_CRED);
		if (status != PAM_SUCCESS)
			return failed(pam, request, "pam_setcred", service,
				      status);
	}
	status = pam_acct_mgmt(pam, 0);
	if (status != PAM_SUCCESS)
		return failed(pam, request, "pam_acct_mgmt", service, status);
	if (!args->session)
		return PASS_OK;
	status = pam_open_session(pam, 0);
	if (status != PAM_SUCCESS)
		return failed(pam, request, "pam_open_session", service,
			      status);
	status = pam_close_session(pam, 0);
	if (status != PAM_SUCCESS)
		return failed(pam, request, "pam_close_session", service,
			      status);
	return PASS_OK;
}

static enum pass_result pam_verify(struct passdb *db, struct request *request,
				   struct fields *fields)
{
	const struct pam_args *args = db->data;
	const char *service = request_expand(request, args->service);
	struct talk talk = {.request = request,
			    .message = buf_init(MESSAGE_LEN)};
	struct pam_conv conv = {talk_with, &talk};
	enum pass_result result;
	pam_handle_t *pam;
	const void *user;
	int status;

	if (service == NULL)
		return PASS_FAILURE;
	status = pam_start(service, request->user, &conv, &pam);
	if (status != PAM_SUCCESS) {
		request_log(request, LOG_LEVEL_ERROR, "pam_start() failed: %s",
			    pam_strerror(pam, status));
		return PASS_FAILURE;
	}
	set_items(pam, request);
	result = run(pam, args, service, request);
	if (result == PASS_OK &&
	    pam_get_item(pam, PAM_USER, &user) == PAM_SUCCESS && user != NULL)
		fields_set(fields, "user", user);
	else if (args->show_message && talk.message.len > 0)
		fields_set(fields, "reason", talk.message.data);
	pam_end(pam, result == PASS_OK ? PAM_SUCCESS : PAM_AUTH_ERR);
	buf_free(&talk.message);
	worker_retire_after(args->max_requests);
	return result;
}

const struct passdb_driver passdb_pam = {
	.name = "pam",
	.blocking = true,
	.open = pam_open,
	.verify = pam_verify,
};
