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

static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";
enum { V2_SIGNATURE = sizeof(v2_signature) - 1 };

static bool word_ip(struct str *rest, int family, struct ip *out)
{
	char text[IP_TEXT_MAX];
	struct str word;

	if (!str_word(rest, &word) || word.len >= sizeof(text))
		return false;
	memcpy(text, word.data, word.len);
	text[word.len] = '\0';
	return ip_parse(text, out) && out->family == family;
}

static bool word_port(struct str *rest, struct ip *out)
{
	struct str word;
	uint32_t port;

	if (!str_word(rest, &word) || !str_to_u32(word, &port) ||
	    port > UINT16_MAX)
		return false;
	out->port = (uint16_t)port;
	return true;
}

/* "PROXY TCP4 192.0.2.1 192.0.2.2 4711 143\r\n" */
static int parse_v1(struct str in, struct ip *local, struct ip *remote)
{
	ptrdiff_t end = str_find_char(in, '\n');
	struct ip from, to;
	struct str rest, word;
	int family;

	if (end < 0)
		return in.len >= V1_MAX ? -1 : 0;
	if (end >= V1_MAX || end < 1 || in.data[end - 1] != '\r')
		return -1;
	rest = str_n(in.data + 6, (size_t)end - 7);
	if (!str_word(&rest, &word))
		return -1;
	if (str_is(word, "UNKNOWN"))
		return (int)end + 1;
	family = str_is(word, "TCP4") ? AF_INET : AF_INET6;
	if (family == AF_INET6 && !str_is(word, "TCP6"))
		return -1;
	if (!word_ip(&rest, family, &from) || !word_ip(&rest, family, &to) ||
	    !word_port(&rest, &from) || !word_port(&rest, &to) ||
	    str_word(&rest, &word))
		return -1;
	*remote = from;
	*local = to;
	return (int)end + 1;
}

static unsigned be16(const unsigned char *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static int parse_v2(struct str in, struct ip *local, struct ip *remote)
{
	const unsigned char *at = (const unsigned char *)in.data;
	const unsigned char *body = at + V2_HEADER;
	unsigned len;

	if (in.len < V2_HEADER)
		return 0;
	len = be16(at + 14);
	if ((at[12] >> 4) != 2 || len > HAPROXY_MAX - V2_HEADER)
		return -1;
	if (in.len < V2_HEADER + len)
		return 0;
	/* LOCAL: the proxy itself, asking whether we live. */
	if ((at[12] & 0xf) == 0)
		return (int)(V2_HEADER + len);
	if ((at[12] & 0xf) != 1)
		return -1;
	if (at[13] == 0x11 && len >= 12) {
		*remote = (struct ip){.family = AF_INET};
		*local = *remote;
		memcpy(&remote->v4, body, 4);
		memcpy(&local->v4, body + 4, 4);
		remote->port = (uint16_t)be16(body + 8);
		local->port = (uint16_t)be16(body + 10);
	} else if (at[13] == 0x21 && len >= 36) {
		*remote = (struct ip){.family = AF_INET6};
		*local = *remote;
		memcpy(&remote->v6, body, 16);
		memcpy(&local->v6, body + 16, 16);
		remote->port = (uint16_t)be16(body + 32);
		local->port = (uint16_t)be16(body + 34);
	} else if (at[13] != 0) {
		return -1;
	}
	return (int)(V2_HEADER + len);
}

int haproxy_parse(struct str in, struct ip *local, struct ip *remote)
{
	size_t len = in.len < V2_SIGNATURE ? in.len : V2_SIGNATURE;

	if (memcmp(in.data, v2_signature, len) == 0)
		return len < V2_SIGNATURE ? 0 : parse_v2(in, local, remote);
	len = in.len < 6 ? in.len : 6;
	if (memcmp(in.data, "PROXY ", len) == 0)
		return len < 6 ? 0 : parse_v1(in, local, remote);
	return -1;
}

struct waiting {
	struct service_client client;
	struct watch *watch;
	struct timer *timer;
	void (*done)(void *ctx, const struct service_client *client);
	void *ctx;
};

static void finish(struct waiting *waiting, const char *why)
{
	struct service_client client = waiting->client;
	void (*done)(void *ctx, const struct service_client *client) =
		waiting->done;
	void *ctx = waiting->ctx;
	char text[IP_TEXT_MAX];

	watch_free(&waiting->watch);
	timer_free(&waiting->timer);
	mem_free(waiting);
	if (why == NULL) {
		done(ctx, &client);
		return;
	}
	log_error("haproxy: %s: Client disconnected (rip=%s)", why,
		  ip_text(&client.remote, text));
	close(client.fd);
	done(ctx, NULL);
}

/* Takes the header and nothing behind it from the socket. */
static void readable(void *ctx, unsigned events)
{
	struct waiting *waiting = ctx;
	char data[HAPROXY_MAX];
	ssize_t got = recv(waiting->client.fd, data, sizeof(data), MSG_PEEK);
	int len;

	(void)events;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		finish(waiting, "Connection closed before the header");
		return;
	}
	len = haproxy_parse(str_n(data, (size_t)got), &waiting->client.local,
			    &waiting->client.remote);
	if (len == 0 && got == HAPROXY_MAX)
		len = -1;
	if (len < 0) {
		finish(waiting, "Invalid PROXY header");
	} else if (len > 0) {
		got = recv(waiting->client.fd, data, (size_t)len, 0);
		finish(waiting, got == len ? NULL : "Can't read the header");
	}
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
		finish(waiting, "Not from haproxy_trusted_networks");
		return;
	}
	waiting->watch =
		watch_new(loop, client->fd, WATCH_READ, readable, waiting);
	waiting->timer =
		timer_new(loop, set.haproxy_timeout, too_late, waiting);
}
