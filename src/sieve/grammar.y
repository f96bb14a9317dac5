/* SPDX-License-Identifier: MIT */
/*
 * sieve/grammar.y - the grammar of RFC 5228 section 8.2, with recovery: what is
 * wrong in one command is reported, and the next is looked at.
 */
%define api.pure full
%define api.prefix {sieve_yy}
%define api.location.type {struct sieve_place}
%define parse.error custom
%define parse.lac full
%locations
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
int sieve_yylex(SIEVE_YYSTYPE *value, struct sieve_place *place,
		void *scanner);
}
%code {
#include "base/buf.h"
#include "sieve/arena.h"
#include "sieve/check.h"

/* A token is a point: where a rule starts is where its first token does. */
#define YYLLOC_DEFAULT(out, rhs, n)                                            \
	((out) = (n) > 0 ? YYRHSLOC(rhs, 1) : YYRHSLOC(rhs, 0))
/* 32 nested blocks and 32 nested tests need less. */
#define YYMAXDEPTH 4000

static struct sieve_arg *new_arg(struct sieve_parser *parser,
				 enum sieve_type type, struct sieve_place at);
static void add_arg(struct sieve_args_list *list, struct sieve_arg *arg);
static struct sieve_node *new_node(struct sieve_parser *parser, bool test,
				   struct str name, struct sieve_place at,
				   struct sieve_tail tail);
static void add_node(struct sieve_nodes_list *list, struct sieve_node *node);
static void hold_depth(struct sieve_parser *parser, struct sieve_node *node,
		       const char *what);
static struct sieve_arg *list_arg(struct sieve_parser *parser,
				  struct sieve_args_list list,
				  struct sieve_place at);
static void yyerror(struct sieve_place *at, struct sieve_parser *parser,
		    void *scanner, const char *text);
}

%union {
	struct str text;
	uint64_t number;
	struct sieve_arg *arg;
	struct sieve_args_list args;
	struct sieve_node *node;
	struct sieve_nodes_list nodes;
	struct sieve_tail tail;
}

%token <text> IDENTIFIER "a name" STRING "a string" TAG "a tag"
%token <number> NUMBER "a number"
%token INVALID "an invalid character"
%token YYEOF 0 "the end of the script"
%token '(' "'('" ')' "')'" '{' "'{'" '}' "'}'" '[' "'['" ']' "']'" ',' "','"
%token SEMICOLON 59 "';'"

%type <nodes> commands block tests
%type <node> command test
%type <tail> tail
%type <args> arguments strings
%type <arg> argument

%%

script:
  commands			{ parser->commands = $1.first; }
;

commands:
  %empty			{ $$ = (struct sieve_nodes_list){0}; }
| commands command		{ $$ = $1; add_node(&$$, $2); }
;

command:
  IDENTIFIER tail SEMICOLON	{ $$ = new_node(parser, false, $1, @1, $2); }
| IDENTIFIER tail block		{
		$$ = new_node(parser, false, $1, @1, $2);
		$$->has_block = true;
		$$->block = $3.first;
		$$->depth = $3.depth + 1;
		hold_depth(parser, $$, "blocks");
	}
| error SEMICOLON		{ $$ = NULL; yyerrok; }
| error block			{ $$ = NULL; yyerrok; }
;

block:
  '{' commands '}'		{ $$ = $2; }
| '{' commands error '}'	{ $$ = $2; yyerrok; }
;

tail:
  arguments			{ $$ = (struct sieve_tail){.args = $1.first}; }
| arguments test		{
		$$ = (struct sieve_tail){.args = $1.first, .tests = $2,
					 .depth = $2->depth + 1};
	}
| arguments '(' tests ')'	{
		$$ = (struct sieve_tail){.args = $1.first, .tests = $3.first,
					 .has_list = true,
					 .depth = $3.depth + 1};
	}
;

test:
  IDENTIFIER tail		{
		$$ = new_node(parser, true, $1, @1, $2);
		$$->depth = $2.depth;
		hold_depth(parser, $$, "tests");
	}
;

tests:
  test				{
		$$ = (struct sieve_nodes_list){0};
		add_node(&$$, $1);
	}
| tests ',' test		{ $$ = $1; add_node(&$$, $3); }
;

arguments:
  %empty			{ $$ = (struct sieve_args_list){0}; }
| arguments argument		{ $$ = $1; add_arg(&$$, $2); }
;

argument:
  STRING			{
		$$ = new_arg(parser, SIEVE_STRING, @1);
		$$->text = $1;
	}
| NUMBER			{
		$$ = new_arg(parser, SIEVE_NUMBER, @1);
		$$->number = $1;
	}
| TAG				{
		$$ = new_arg(parser, SIEVE_TAG, @1);
		$$->text = $1;
	}
| '[' strings ']'		{ $$ = list_arg(parser, $2, @1); }
;

strings:
  STRING			{
		struct sieve_arg *arg = new_arg(parser, SIEVE_STRING, @1);

		$$ = (struct sieve_args_list){0};
		arg->text = $1;
		add_arg(&$$, arg);
	}
| strings ',' STRING		{
		struct sieve_arg *arg = new_arg(parser, SIEVE_STRING, @3);

		$$ = $1;
		arg->text = $3;
		add_arg(&$$, arg);
	}
;

%%

static struct sieve_arg *new_arg(struct sieve_parser *parser,
				 enum sieve_type type, struct sieve_place at)
{
	struct sieve_arg *arg =
		sieve_arena_new_of(parser->arena, struct sieve_arg);

	arg->type = type;
	arg->at = at;
	return arg;
}

static void add_arg(struct sieve_args_list *list, struct sieve_arg *arg)
{
	if (list->first == NULL)
		list->first = arg;
	else
		list->last->next = arg;
	list->last = arg;
	list->count++;
}

static struct sieve_arg *list_arg(struct sieve_parser *parser,
				  struct sieve_args_list list,
				  struct sieve_place at)
{
	struct sieve_arg *arg = new_arg(parser, SIEVE_STRINGS, at);

	arg->items = list.first;
	arg->count = list.count;
	if (list.count > parser->max_items)
		sieve_error(parser->check, at, "string list has %u items "
			    "(maximum %u)", list.count, parser->max_items);
	return arg;
}

static struct sieve_node *new_node(struct sieve_parser *parser, bool test,
				   struct str name, struct sieve_place at,
				   struct sieve_tail tail)
{
	struct sieve_node *node =
		sieve_arena_new_of(parser->arena, struct sieve_node);

	node->is_test = test;
	node->name = name;
	node->at = at;
	node->args = tail.args;
	node->tests = tail.tests;
	node->has_list = tail.has_list;
	return node;
}

static void add_node(struct sieve_nodes_list *list, struct sieve_node *node)
{
	if (node == NULL) /* there was an error */
		return;
	if (list->first == NULL)
		list->first = node;
	else
		list->last->next = node;
	list->last = node;
	if (node->depth > list->depth)
		list->depth = node->depth;
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
static void yyerror(struct sieve_place *at, struct sieve_parser *parser,
		    void *scanner, const char *text)
{
	(void)scanner;
	(void)text;
	sieve_error(parser->check, *at, "blocks or tests are nested too deeply "
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
	struct buf text = buf_init(400);

	(void)scanner;
	if (found == YYSYMBOL_INVALID) /* the lexer has told */
		return 0;
	for (int i = 0; i < count; i++) {
		if (expected[i] == YYSYMBOL_SEMICOLON) {
			buf_reset(&text);
			buf_add(&text, "end of command ';' or the beginning of "
				       "a block '{'");
			break;
		}
		buf_printf(&text, "%s%s",
			   i == 0 ? "" : i == count - 1 ? " or " : ", ",
			   token_name(expected[i]));
	}
	sieve_error(parser->check, *yypcontext_location(context),
		    "expected %s, but found %s",
		    count > 0 ? text.data : "something else",
		    token_name(found));
	buf_free(&text);
	return 0;
}
