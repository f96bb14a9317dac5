/* SPDX-License-Identifier: MIT */
/*
 * config/seal.c - a configuration in a memfd that nobody can change.
 *
 * A node is packed as kind, name, networks, its values (name, value, file,
 * line) and its children. Strings carry their NUL, so that they are used where
 * they lie in the mapping.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/pack.h"
#include "config/tree.h"

enum {
	SEAL_VERSION = 1,
	SEAL_MAX = 64 << 20,
	SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL,
	DEPTH_MAX = 16,
};

static const char magic[] = "dovetail config";

static void put_text(struct buf *out, const char *text)
{
	/* With its NUL; nothing at all for none. */
	pack_str(out, text == NULL ? STR("") : str_n(text, strlen(text) + 1));
}

static void put_node(struct buf *out, const struct node *node)
{
	uint32_t children = 0;

	for (const struct config_section *at = node->section.children;
	     at != NULL; at = at->next)
		children++;
	put_text(out, node->section.kind);
	put_text(out, node->section.name);
	put_text(out, node->section.file);
	pack_u32(out, node->section.line);
	put_text(out, node->networks);
	pack_u8(out, node->foreign);
	pack_u32(out, (uint32_t)node->count);
	for (size_t i = 0; i < node->count; i++) {
		const struct entry *entry = node->sorted[i];

		put_text(out, entry->value.name);
		put_text(out, entry->value.value);
		put_text(out, entry->value.file);
		pack_u32(out, entry->value.line);
	}
	pack_u32(out, children);
	for (const struct config_section *at = node->section.children;
	     at != NULL; at = at->next)
		put_node(out, node_of(at));
}

int config_seal(const struct config *config, int *fd_out, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(SEAL_MAX);
	CLEANUP(fd_close)
	int fd = memfd_create("dovetail-config",
			      MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_sys(err, "memfd_create()");
	put_text(&text, magic);
	pack_u32(&text, SEAL_VERSION);
	put_text(&text, config->path);
	pack_u8(&text, config->has_filters);
	put_node(&text, config->presets);
	put_node(&text, config->root);
	if (text.overflow)
		return err_set(err, ERR_LIMIT,
			       "The configuration is too large");
	if (file_write_all(fd, text.data, text.len, "configuration", err) < 0)
		return -1;
	mem_wipe(text.data, text.len);
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return err_sys(err, "fcntl(F_ADD_SEALS)");
	*fd_out = fd;
	fd = -1;
	return 0;
}

/* The mapping that a configuration's strings point into. */
struct mapping {
	void *data;
	size_t len;
};

static int mapping_destroy(struct mapping *mapping)
{
	munmap(mapping->data, mapping->len);
	return 0;
}

static const char *get_text(struct unpack *in)
{
	struct str text = unpack_str(in);

	if (text.len == 0)
		return NULL;
	if (text.data[text.len - 1] != '\0') {
		in->bad = true;
		return NULL;
	}
	return text.data;
}

/* One that must be there. */
static const char *get_some(struct unpack *in)
{
	const char *text = get_text(in);

	if (text == NULL)
		in->bad = true;
	return text != NULL ? text : "";
}

/* They come sorted, as they were put. */
static void get_values(struct unpack *in, struct node *node)
{
	uint32_t count = unpack_u32(in);
	struct entry *entries;

	/* Each takes some octets: no count is believed that they can't hold. */
	if (count > in->in.len)
		in->bad = true;
	if (count == 0 || in->bad)
		return;
	entries = mem_array(node, struct entry, count);
	node->sorted = mem_array(node, struct entry *, count);
	for (uint32_t i = 0; i < count; i++) {
		struct config_value *value = &entries[i].value;

		value->name = get_some(in);
		value->value = get_some(in);
		value->file = get_text(in);
		value->line = unpack_u32(in);
		if (i + 1 < count)
			value->next = &entries[i + 1].value;
		if (i > 0 &&
		    strcmp(value->name, entries[i - 1].value.name) <= 0)
			in->bad = true;
		node->sorted[i] = &entries[i];
	}
	node->section.values = &entries[0].value;
	node->count = node->cap = count;
}

struct unseal {
	struct unpack in;
	const char *service; /* the only one to take; NULL: all */
	unsigned depth;
};

static struct node *get_node(struct unseal *unseal, const void *ctx,
			     struct node *parent)
{
	struct unpack *in = &unseal->in;
	const char *kind = get_some(in), *name = get_some(in);
	bool taken = unseal->service == NULL || strcmp(kind, "service") != 0 ||
		     strcmp(name, unseal->service) == 0;
	struct node *node = node_new(ctx, taken ? parent : NULL, kind, name);
	uint32_t children;

	node->section.file = get_text(in);
	node->section.line = unpack_u32(in);
	node->networks = get_text(in);
	node->foreign = unpack_u8(in) != 0;
	get_values(in, node);
	children = unpack_u32(in);
	if (unseal->depth++ == DEPTH_MAX)
		in->bad = true;
	for (uint32_t i = 0; i < children && !in->bad; i++)
		get_node(unseal, node, node);
	unseal->depth--;
	if (!taken)
		mem_free(node);
	return node;
}

/* Only what can't change any more is mapped. */
static int map_sealed(struct config *config, int fd, struct str *out,
		      struct err *err)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct mapping *mapping;
	struct stat st;

	if (seals < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "Configuration snapshot (fd %d)", fd);
	if ((seals & SEALS) != SEALS || st.st_size > SEAL_MAX ||
	    st.st_size <= 0)
		return err_set(err, ERR_CORRUPT,
			       "Configuration snapshot (fd %d) is not sealed",
			       fd);
	mapping = mem_new(config, struct mapping);
	mapping->len = (size_t)st.st_size;
	mapping->data = mmap(NULL, mapping->len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mapping->data == MAP_FAILED)
		return err_sys(err, "mmap(configuration snapshot)");
	talloc_set_destructor(mapping, mapping_destroy);
	*out = str_n(mapping->data, mapping->len);
	return 0;
}

int config_unseal(const void *ctx, int fd, const char *service,
		  struct config **out, struct err *err)
{
	struct config *config = mem_new(ctx, struct config);
	struct unseal unseal = {.service = service};
	struct unpack *in = &unseal.in;

	if (map_sealed(config, fd, &in->in, err) < 0) {
		mem_free(config);
		return -1;
	}
	if (strcmp(get_some(in), magic) != 0 ||
	    unpack_u32(in) != SEAL_VERSION)
		in->bad = true;
	config->path = mem_strdup(config, get_some(in));
	config->has_filters = unpack_u8(in) != 0;
	config->presets = get_node(&unseal, config, NULL);
	config->root = get_node(&unseal, config, NULL);
	if (in->bad) {
		mem_free(config);
		return err_set(err, ERR_CORRUPT,
			       "Configuration snapshot (fd %d) is broken", fd);
	}
	*out = config;
	return 0;
}
