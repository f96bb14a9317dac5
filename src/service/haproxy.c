/* SPDX-License-Identifier: MIT */
#include "service/haproxy.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "net/loop.h"
#include "service/settings.h"

enum { V1_MAX = 107, V2_HEADER = 16 };
/* Of version 2: protocols and the length of their addresses; additions. */
enum { V2_TCP4 = 0x11, V2_TCP6 = 0x21, V2_TCP4_LEN = 12, V2_TCP6_LEN = 36 };
enum { TLV_AUTHORITY = 0x02, TLV_SSL = 0x20, TLV_SSL_CN = 0x22 };
enum { TLV_HEAD = 3, SSL_HEAD = 5, CLIENT_SSL = 1, CLIENT_CERT = 2 | 4 };

static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";
enum { V2_SIGNATURE = sizeof(v2_signature) - 1 };

/* One blank stands between two words, no more. */
static bool next_word(struct str *rest, struct str *out)
{
	return str_split(rest, ' ', out) && out->len > 0;
}

static bool word_ip(struct str *rest, int family, struct ip *out)
{
	char text[IP_TEXT_MAX];
	struct str word;

	if (!next_word(rest, &word) || word.len >= sizeof(text))
		return false;
	memcpy(text, word.data, word.len);
	text[word.len] = '\0';
	return ip_parse(text, out) && out->family == family;
}

static bool word_port(struct str *rest, struct ip *out)
{
	struct str word;
	uint32_t port;

	if (!next_word(rest, &word) || !str_to_u32(word, &port) || port == 0 ||
	    port > UINT16_MAX)
		return false;
	out->port = (uint16_t)port;
	return true;
}

/* "PROXY TCP4 192.0.2.1 192.0.2.2 4711 143\r\n" */
static int parse_v1(struct str in, struct haproxy *out, const char **why_out)
{
	ptrdiff_t end = str_find_char(in, '\n');
	struct str rest, word;
	int family;

	*why_out = "Too long header";
	if (end < 0)
		return in.len >= V1_MAX ? -1 : 0;
	if (end >= V1_MAX)
		return -1;
	*why_out = "Invalid header";
	if (end < 7 || in.data[end - 1] != '\r')
		return -1;
	rest = str_n(in.data + 6, (size_t)end - 7);
	if (!next_word(&rest, &word))
		return -1;
	if (str_is(word, "UNKNOWN"))
		return (int)end + 1;
	family = str_is(word, "TCP4") ? AF_INET : AF_INET6;
	if (family == AF_INET6 && !str_is(word, "TCP6"))
		return -1;
	*why_out = "Proxied address is invalid";
	if (!word_ip(&rest, family, &out->remote) ||
	    !word_ip(&rest, family, &out->local) ||
	    !word_port(&rest, &out->remote) || !word_port(&rest, &out->local) ||
	    rest.data != NULL)
		return -1;
	return (int)end + 1;
}

static unsigned be16(const unsigned char *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* The next type-length-value; false at the end, with *bad if it is cut. */
static bool next_tlv(struct str *rest, unsigned *type_out, struct str *out,
		     bool *bad)
{
	const unsigned char *at = (const unsigned char *)rest->data;
	size_t len;

	if (rest->len == 0)
		return false;
	len = rest->len < TLV_HEAD ? rest->len : be16(at + 1);
	if (rest->len < TLV_HEAD || len > rest->len - TLV_HEAD) {
		*bad = true;
		return false;
	}
	*type_out = at[0];
	*out = str_n(rest->data + TLV_HEAD, len);
	*rest = str_from(*rest, TLV_HEAD + len);
	return true;
}

/* Text without control characters; what does not fit is none. */
static void take_name(struct str value, char out[HAPROXY_NAME_MAX])
{
	if (value.len >= HAPROXY_NAME_MAX)
		return;
	for (size_t i = 0; i < value.len; i++) {
		if ((unsigned char)value.data[i] <= ' ' ||
		    value.data[i] == 0x7f)
			return;
	}
	memcpy(out, value.data, value.len);
	out[value.len] = '\0';
}

/* PP2_TYPE_SSL: flags, the certificate's verification (0: it holds), more. */
static bool take_ssl(struct str value, struct haproxy *out)
{
	const unsigned char *at = (const unsigned char *)value.data;
	bool bad = false, verified;
	struct str inner;
	unsigned type;

	if (value.len < SSL_HEAD)
		return false;
	out->tls = (at[0] & CLIENT_SSL) != 0;
	verified = (at[0] & CLIENT_CERT) != 0 &&
		   (at[1] | at[2] | at[3] | at[4]) == 0;
	value = str_from(value, SSL_HEAD);
	while (next_tlv(&value, &type, &inner, &bad)) {
		if (type == TLV_SSL_CN && verified)
			take_name(inner, out->cert_name);
	}
	return !bad;
}

static bool take_tlvs(struct str rest, struct haproxy *out)
{
	struct str value;
	bool bad = false;
	unsigned type;

	while (next_tlv(&rest, &type, &value, &bad)) {
		if (type == TLV_AUTHORITY)
			take_name(value, out->server_name);
		else if (type == TLV_SSL && !take_ssl(value, out))
			return false;
	}
	return !bad;
}

static void take_address(const unsigned char *body, int family, bool second,
			 struct ip *out)
{
	size_t len = family == AF_INET ? sizeof(out->v4) : sizeof(out->v6);

	*out = (struct ip){.family = (sa_family_t)family};
	if (family == AF_INET)
		memcpy(&out->v4, body + (second ? len : 0), len);
	else
		memcpy(&out->v6, body + (second ? len : 0), len);
	out->port = (uint16_t)be16(body + 2 * len + (second ? 2 : 0));
}

static int parse_v2(struct str in, struct haproxy *out, const char **why_out)
{
	const unsigned char *at = (const unsigned char *)in.data;
	const unsigned char *body = at + V2_HEADER;
	unsigned len, used = 0;

	if (in.len < V2_HEADER)
		return 0;
	len = be16(at + 14);
	*why_out = "Too long header";
	if (len > HAPROXY_MAX - V2_HEADER)
		return -1;
	*why_out = "Invalid header";
	if ((at[12] >> 4) != 2 || (at[12] & 0xf) > 1)
		return -1;
	if (in.len < V2_HEADER + len)
		return 0;
	/* LOCAL: the proxy itself, asking whether we live. */
	if ((at[12] & 0xf) == 0)
		return (int)(V2_HEADER + len);
	if (at[13] == V2_TCP4 || at[13] == V2_TCP6) {
		int family = at[13] == V2_TCP4 ? AF_INET : AF_INET6;

		used = family == AF_INET ? V2_TCP4_LEN : V2_TCP6_LEN;
		if (len < used)
			return -1;
		take_address(body, family, false, &out->remote);
		take_address(body, family, true, &out->local);
	} else if (at[13] != 0) {
		return -1;
	}
	*why_out = "Invalid TLV";
	if (!take_tlvs(str_n((const char *)body + used, len - used), out))
		return -1;
	return (int)(V2_HEADER + len);
}

int haproxy_parse(struct str in, struct haproxy *out, const char **why_out)
{
	size_t len = in.len < V2_SIGNATURE ? in.len : V2_SIGNATURE;

	memset(out, 0, sizeof(*out));
	if (memcmp(in.data, v2_signature, len) == 0)
		return len < V2_SIGNATURE ? 0 : parse_v2(in, out, why_out);
	len = in.len < 6 ? in.len : 6;
	if (memcmp(in.data, "PROXY ", len) == 0)
		return len < 6 ? 0 : parse_v1(in, out, why_out);
	*why_out = "Failed to read valid HAproxy data";
	return -1;
}

struct waiting {
	struct service_client client;
	struct haproxy header;
	char data[HAPROXY_MAX];
	size_t len; /* taken from the socket */
	struct watch *watch;
	struct timer *timer;
	void (*done)(void *ctx, const struct service_client *client);
	void *ctx;
};

static void finish(struct waiting *waiting, const char *why)
{
	struct service_client *client = &waiting->client;
	char text[IP_TEXT_MAX];

	watch_free(&waiting->watch);
	timer_free(&waiting->timer);
	if (why == NULL) {
		client->haproxy = &waiting->header;
		if (waiting->header.remote.family != 0) {
			client->local = waiting->header.local;
			client->remote = waiting->header.remote;
		}
		waiting->done(waiting->ctx, client);
	} else {
		log_error("haproxy: Client disconnected: %s (rip=%s)", why,
			  ip_text(&client->remote, text));
		close(client->fd);
		waiting->done(waiting->ctx, NULL);
	}
	mem_free(waiting);
}

/* Takes the header and nothing behind it from the socket: what is there of one
 * that is not whole is all its own. */
static void readable(void *ctx, unsigned)
{
	struct waiting *waiting = ctx;
	const char *why = NULL;
	ssize_t got = recv(waiting->client.fd, waiting->data + waiting->len,
			   sizeof(waiting->data) - waiting->len, MSG_PEEK);
	size_t take;
	int len;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		finish(waiting, "Connection closed before the header");
		return;
	}
	len = haproxy_parse(str_n(waiting->data, waiting->len + (size_t)got),
			    &waiting->header, &why);
	if (len < 0) {
		finish(waiting, why);
		return;
	}
	take = len == 0 ? (size_t)got : (size_t)len - waiting->len;
	if (recv(waiting->client.fd, waiting->data + waiting->len, take, 0) !=
	    (ssize_t)take)
		finish(waiting, "Can't read the header");
	else if (len > 0)
		finish(waiting, NULL);
	else
		waiting->len += take;
}

static void too_late(void *ctx)
{
	finish(ctx, "Timed out while waiting for the header");
}

void haproxy_start(const void *ctx, struct loop *loop,
		   const struct config *config,
		   const struct service_client *client,
		   void (*done)(void *ctx, const struct service_client *client),
		   void *done_ctx)
{
	struct waiting *waiting = mem_new(ctx, struct waiting);
	struct base_settings set;
	struct err err;

	waiting->client = *client;
	waiting->done = done;
	waiting->ctx = done_ctx;
	if (config_read(waiting, config, NULL, base_settings, &set, &err) < 0) {
		finish(waiting, err.text);
		return;
	}
	if (!ip_in_networks(&client->remote, set.haproxy_trusted_networks)) {
		finish(waiting,
		       "IP is not trusted by haproxy_trusted_networks");
		return;
	}
	waiting->watch =
		watch_new(loop, client->fd, WATCH_READ, readable, waiting);
	waiting->timer =
		timer_new(loop, set.haproxy_timeout, too_late, waiting);
}
