/* SPDX-License-Identifier: MIT */
#include "auth/http.h"

#include <curl/curl.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/rawlog.h"

/* Less taken than given makes curl give up: the answer is too long. */
static size_t take(char *data, size_t size, size_t count, void *ctx)
{
	struct buf *body = ctx;

	buf_append(body, data, size * count);
	return body->overflow ? 0 : size * count;
}

/* One handle for all requests of the process: it keeps connections. */
static CURL *handle(struct err *err)
{
	static CURL *curl;

	if (curl == NULL && curl_global_init(CURL_GLOBAL_DEFAULT) == 0)
		curl = curl_easy_init();
	if (curl == NULL)
		err_set(err, ERR_TEMPORARY, "libcurl does not start");
	else
		curl_easy_reset(curl);
	return curl;
}

static void set_text(CURL *curl, CURLoption option, const char *text)
{
	if (text != NULL && *text != '\0')
		curl_easy_setopt(curl, option, text);
}

static void set_tls(CURL *curl, const struct http_request *request)
{
	set_text(curl, CURLOPT_CAINFO, request->ca_file);
	set_text(curl, CURLOPT_CAPATH, request->ca_dir);
	set_text(curl, CURLOPT_SSLCERT, request->cert_file);
	set_text(curl, CURLOPT_SSLKEY, request->key_file);
	set_text(curl, CURLOPT_SSL_CIPHER_LIST, request->ciphers);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER,
			 request->any_certificate ? 0L : 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST,
			 request->any_certificate ? 0L : 2L);
}

static int record(CURL *, curl_infotype type, char *data, size_t size,
		  void *ctx)
{
	if (type == CURLINFO_HEADER_IN || type == CURLINFO_DATA_IN)
		rawlog_add(ctx, RAWLOG_IN, str_n(data, size));
	else if (type == CURLINFO_HEADER_OUT || type == CURLINFO_DATA_OUT)
		rawlog_add(ctx, RAWLOG_OUT, str_n(data, size));
	return 0;
}

static void set_rawlog(CURL *curl, struct rawlog *log)
{
	if (log == NULL)
		return;
	curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L);
	curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, record);
	curl_easy_setopt(curl, CURLOPT_DEBUGDATA, log);
}

/* curl counts in seconds: what is shorter is kept a second. */
static void set_idle(CURL *curl, unsigned max_idle_ms)
{
	curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, max_idle_ms == 0 ? 1L : 0);
	curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN,
			 (long)(max_idle_ms + 999) / 1000);
}

static void set_all(CURL *curl, const struct http_request *request,
		    struct buf *body)
{
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "dovetail");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	set_idle(curl, request->max_idle_ms);
	if (request->post != NULL)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->post);
	set_tls(curl, request);
}

static void free_list(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

static int ask(const struct http_request *request, unsigned *status_out,
	       struct buf *body, struct err *err)
{
	CLEANUP(free_list) struct curl_slist *headers = NULL;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "http");
	char text[CURL_ERROR_SIZE] = "";
	CURL *curl = handle(err);
	long status = 0;
	CURLcode code;

	if (curl == NULL)
		return -1;
	set_all(curl, request, body);
	if (request->rawlog_dir != NULL)
		set_rawlog(curl, rawlog_open(ctx, request->rawlog_dir));
	for (size_t i = 0; request->headers[i] != NULL; i++)
		headers = curl_slist_append(headers, request->headers[i]);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_reset(curl);
	if (body->overflow)
		return err_set(err, ERR_LIMIT, "the answer is longer than %zu",
			       body->max);
	if (code != CURLE_OK)
		return err_set(err, ERR_TEMPORARY, "%s",
			       *text != '\0' ? text : curl_easy_strerror(code));
	*status_out = (unsigned)status;
	return 0;
}

const struct http_module http_module = {ask};
