/* SPDX-License-Identifier: MIT */
/*
 * config/obsolete.h - the conversions of old settings, for each other.
 */
#ifndef CONFIG_OBSOLETE_H
#define CONFIG_OBSOLETE_H
#include "config/parse.h"

/* Each returns whether it dealt with the statement. */
bool obsolete_service_set(struct parser *parser, struct node *node,
			  const struct statement *statement);
bool obsolete_auth_set(struct parser *parser, struct node *node,
		       const struct statement *statement);
bool obsolete_auth_open(struct parser *parser, struct node *parent,
			const struct statement *statement);
/* service NAME, and an inet_listener of it. */
struct node *obsolete_service(struct parser *parser, const char *name);
struct node *obsolete_listener(struct parser *parser, const char *service,
			       const char *name);

#endif
