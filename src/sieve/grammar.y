/* SPDX-License-Identifier: MIT */
/*
 * sieve/grammar.y - the grammar of RFC 5228 section 8.2, with recovery: what is
 * wrong in one command is reported, and the next is looked at.
 */
%define api.pure full
%define api.prefix {sieve_yy}
%define parse.error custom
%define lr.type canonical-lr
%define lr.default-reduction consistent
%parse-param {struct sieve_parser *parser} {void *scanner}
%lex-param {void *scanner}

%code top {
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-macros"
}
%code requires {
#include "sieve/parse.h"
}
%code provides {
int sieve_yylex(SIEVE_YYSTYPE *value, void *scanner);
}
%code {
#include <assert.h>

#include "base/buf.h"
#include "sieve/check.h"

/* 32 nested blocks and 32 nested tests need less. */
#define YYMAXDEPTH 4000

static struct sieve_node *add_node(struct sieve_node *last,
				   struct sieve_node *node);
static void add_test(struct sieve_node *node, struct sieve_node *last,
		     struct sieve_node *test);
static struct sieve_arg *add_arg(struct sieve_node *node,
				 struct sieve_arg *last, struct sieve_arg *arg);
static void add_string(struct sieve_arg *list, struct sieve_arg *last,
		       struct sieve_arg *string);
static void end_block(struct sieve_parser *parser, struct sieve_node *node,
		      struct sieve_node *last);
static void end_list(struct sieve_parser *parser, const struct sieve_arg *list);
static void hold_depth(struct sieve_parser *parser, struct sieve_node *node,
		       const char *what);
static void yyerror(struct sieve_parser *parser, void *scanner,
		    const char *text);
}

/* No more than a pointer: the lexer has made the commands, tests and arguments
 * (`[` is one), the rules link them. */
%union {
	struct sieve_arg *arg;
	struct sieve_node *node;
}

%token <node> IDENTIFIER "a name"
%token <arg> STRING "a string" TAG "a tag" NUMBER "a number"
%token INVALID "an invalid character"
%token YYEOF 0 "the end of the script"
%token '(' "'('" ')' "')'" '{' "'{'" '}' "'}'" ']' "']'" ',' "','"
%token <arg> '[' "'['"
%token SEMICOLON 59 "';'"

/* Of lists, the last; its `next` is the first, for commands. */
%type <node> commands block tests
%type <node> command test
%type <arg> arguments strings

%%

script:
  %empty
| script command		{
		/* What comes next goes to another arena, all of it. */
		assert(yychar == SIEVE_YYEMPTY);
		if ($2 != NULL)
			parser->command(parser, $2);
	}
;

commands:
  %empty			{ $$ = NULL; }
| commands command		{ $$ = add_node($1, $2); }
;

command:
  IDENTIFIER tail SEMICOLON	{ $$ = $1; $$->depth = 0; }
| IDENTIFIER tail block		{ $$ = $1; end_block(parser, $$, $3); }
| error SEMICOLON		{ $$ = NULL; yyerrok; }
| error block			{ $$ = NULL; yyerrok; }
;

block:
  '{' commands '}'		{ $$ = $2; }
| '{' commands error '}'	{ $$ = $2; yyerrok; }
;

/* A tail stands behind an IDENTIFIER, which gets what is in it: that is $0, and
 * before a parenthesis $-2. */
tail:
  arguments			{ }
| arguments test		{ add_test($<node>0, NULL, $2); }
| arguments '(' tests ')'	{ $<node>0->has_list = true; }
;

test:
  IDENTIFIER tail		{
		$$ = $1;
		$$->is_test = true;
		hold_depth(parser, $$, "tests");
	}
;

tests:
  test				{ $$ = $1; add_test($<node>-2, NULL, $1); }
| tests ',' test		{ $$ = $3; add_test($<node>-2, $1, $3); }
;

arguments:
  %empty			{ $$ = NULL; }
| arguments STRING		{ $$ = add_arg($<node>0, $1, $2); }
| arguments NUMBER		{ $$ = add_arg($<node>0, $1, $2); }
| arguments TAG			{ $$ = add_arg($<node>0, $1, $2); }
| arguments '[' strings ']'	{
		$$ = add_arg($<node>0, $1, $2);
		end_list(parser, $2);
	}
;

/* Behind '[', which is $0. */
strings:
  STRING			{ $$ = $1; add_string($<arg>0, NULL, $1); }
| strings ',' STRING		{ $$ = $3; add_string($<arg>0, $1, $3); }
;

%%

static struct sieve_node *add_node(struct sieve_node *last,
				   struct sieve_node *node)
{
	if (node == NULL) /* there was an error */
		return last;
	node->next = node;
	if (last != NULL) {
		node->next = last->next;
		last->next = node;
	}
	return node;
}

static void add_test(struct sieve_node *node, struct sieve_node *last,
		     struct sieve_node *test)
{
	if (last == NULL)
		node->tests = test;
	else
		last->next = test;
	if (node->depth <= test->depth)
		node->depth = test->depth + 1;
}

static struct sieve_arg *add_arg(struct sieve_node *node,
				 struct sieve_arg *last, struct sieve_arg *arg)
{
	if (last == NULL)
		node->args = arg;
	else
		last->next = arg;
	return arg;
}

static void add_string(struct sieve_arg *list, struct sieve_arg *last,
		       struct sieve_arg *string)
{
	if (last == NULL)
		list->items = string;
	else
		last->next = string;
	list->count++;
}

static void end_list(struct sieve_parser *parser, const struct sieve_arg *list)
{
	if (list->count > parser->max_items)
		sieve_error(parser->check, list->at, "string list has %u items "
			    "(maximum %u)", list->count, parser->max_items);
}

static void end_block(struct sieve_parser *parser, struct sieve_node *node,
		      struct sieve_node *last)
{
	node->has_block = true;
	node->depth = 1;
	if (last != NULL) {
		node->block = last->next;
		last->next = NULL;
	}
	for (struct sieve_node *at = node->block; at != NULL; at = at->next) {
		if (node->depth <= at->depth)
			node->depth = at->depth + 1;
	}
	hold_depth(parser, node, "blocks");
}

/* One error for all that is too deep. */
static void hold_depth(struct sieve_parser *parser, struct sieve_node *node,
		       const char *what)
{
	if (node->depth < parser->max_depth || parser->too_deep)
		return;
	parser->too_deep = true;
	sieve_error(parser->check, node->at, "%s are nested too deeply "
		    "(maximum %u levels)", what, parser->max_depth);
}

/* Only for what is not a syntax error: the stack is full. */
static void yyerror(struct sieve_parser *parser, void *scanner,
		    const char *text)
{
	(void)scanner;
	(void)text;
	sieve_error(parser->check, parser->token, "blocks or tests are nested too deeply "
		    "(maximum %u levels)", parser->max_depth);
}

static const char *token_name(yysymbol_kind_t token)
{
	switch (token) {
	case YYSYMBOL_IDENTIFIER:
		return "a name";
	case YYSYMBOL_STRING:
		return "a string";
	case YYSYMBOL_TAG:
		return "a tag";
	case YYSYMBOL_NUMBER:
		return "a number";
	case YYSYMBOL_YYEOF:
		return "the end of the script";
	default:
		return yysymbol_name(token);
	}
}

static int yyreport_syntax_error(const yypcontext_t *context,
				 struct sieve_parser *parser, void *scanner)
{
	enum { MAX_EXPECTED = 8 };
	yysymbol_kind_t expected[MAX_EXPECTED];
	yysymbol_kind_t found = yypcontext_token(context);
	int count = yypcontext_expected_tokens(context, expected,
					       MAX_EXPECTED);
	struct sieve_place at = parser->token;
	struct buf text = buf_init(400);
	bool semicolon = false;

	(void)scanner;
	if (found == YYSYMBOL_INVALID) /* the lexer has told */
		return 0;
	for (int i = 0; i < count; i++) {
		if (expected[i] == YYSYMBOL_SEMICOLON) {
			semicolon = true;
			buf_reset(&text);
			buf_add(&text, "end of command ';' or the beginning of "
				       "a block '{'");
			break;
		}
		buf_printf(&text, "%s%s",
			   i == 0 ? "" : i == count - 1 ? " or " : ", ",
			   token_name(expected[i]));
	}
	/* A semicolon is missing where the command ends, not lines below. */
	if (semicolon && parser->behind.line < at.line)
		at = parser->behind;
	sieve_error(parser->check, at, "expected %s, but found %s",
		    count > 0 ? text.data : "something else",
		    token_name(found));
	buf_free(&text);
	return 0;
}
