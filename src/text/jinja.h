/*
 * (Complete and committed: jinja_{parse,expression,value,eval,call}.c and chat.c. Extend these; do not begin
 * anew.) A subset of Jinja as chat templates use it: parsed to a tree (jinja_parse.c, jinja_expression.c),
 * evaluated over immutable values (jinja_eval.c, jinja_call.c). What is not known is refused by name and
 * line, some of it only when it is reached, since templates carry branches for tools that conversations never
 * enter.
 */
#ifndef PBT_TEXT_JINJA_H
#define PBT_TEXT_JINJA_H

#include "base/memory.h"
#include "base/text.h"

enum { JINJA_DEPTH = 64, JINJA_OUTPUT = 64 << 20, JINJA_STEPS = 4000000 };

typedef enum jinja_kind {
    JINJA_UNDEFINED,
    JINJA_NONE,
    JINJA_BOOL,
    JINJA_INT,
    JINJA_STRING,
    JINJA_LIST,
    JINJA_MAP,     /* also loop and namespace objects */
    JINJA_CALLABLE /* raise_exception, namespace, strftime_now, range, or a method bound to `self` */
} jinja_kind;

typedef struct jinja_value jinja_value;
struct jinja_value {
    jinja_kind kind;
    int64_t number;   /* of bools and ints */
    const char *text; /* strings; the name of callables; the name that is undefined */
    size_t length;    /* of strings: bytes */
    size_t count, capacity;
    const jinja_value **items; /* lists and maps */
    const char **keys;         /* maps */
    const jinja_value *self;
};

typedef enum jinja_node_kind {
    /* statements */
    NODE_TEXT,
    NODE_OUTPUT,
    NODE_IF,
    NODE_FOR,
    NODE_SET,
    NODE_REFUSED,
    /* expressions */
    NODE_CONSTANT,
    NODE_NAME,
    NODE_LIST,
    NODE_MAP,
    NODE_ATTRIBUTE,
    NODE_INDEX,
    NODE_SLICE,
    NODE_CALL,
    NODE_FILTER,
    NODE_TEST,
    NODE_BINARY,
    NODE_NOT,
    NODE_MINUS,
    NODE_CONDITIONAL
} jinja_node_kind;

/* One node. Children in `a` .. `d`; lists (arguments, statements) are chained by `next`. */
typedef struct jinja_node jinja_node;
struct jinja_node {
    jinja_node_kind kind;
    int line;
    jinja_node *a, *b, *c, *d, *next;
    const char *name; /* names, attributes, filters, tests, operators; keyword of an argument */
    const char *name2;
    bool negated;
    const jinja_value *value; /* constants and text */
};

/* Reading position over the source. */
typedef struct jinja_parser {
    const char *source;
    size_t length, at;
    int line, depth;
    bool inside; /* between the marks of a tag */
    pbt_arena *arena;
    pbt_error *error;
    bool failed;
} jinja_parser;

/* Both return NULL after recording an error. */
jinja_node *jinja_parse(jinja_parser *parser);
jinja_node *jinja_parse_expression(jinja_parser *parser);
jinja_node *jinja_new(jinja_parser *parser, jinja_node_kind kind);
void *jinja_fail(jinja_parser *parser, const char *format, ...) __attribute__((format(printf, 2, 3)));
void jinja_skip_space(jinja_parser *parser);
/* Takes the word or mark if it comes next. */
bool jinja_take(jinja_parser *parser, const char *mark);
bool jinja_take_word(jinja_parser *parser, const char *word);
const char *jinja_identifier(jinja_parser *parser);

typedef struct jinja_scope {
    struct jinja_scope *outer;
    jinja_value variables; /* a map */
} jinja_scope;

typedef struct jinja_run {
    pbt_arena *arena;
    pbt_error *error;
    pbt_code code;
    pbt_text *out;
    jinja_scope *scope;
    const char *date_string;
    int depth, line;
    int64_t steps;
} jinja_run;

/* Renders statements; the run's `code` says how it went. */
void jinja_render(jinja_run *run, const jinja_node *statements);
const jinja_value *jinja_evaluate(jinja_run *run, const jinja_node *node);

/* Values; all live in the run's arena. A failing call records the error and returns undefined. */
const jinja_value *jinja_refuse(jinja_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
jinja_value *jinja_make(jinja_run *run, jinja_kind kind);
const jinja_value *jinja_int(jinja_run *run, int64_t number);
const jinja_value *jinja_bool(jinja_run *run, bool truth);
const jinja_value *jinja_string(jinja_run *run, const char *text, size_t length); /* copies */
void jinja_append(jinja_run *run, jinja_value *list, const char *key, const jinja_value *item);
const jinja_value *jinja_lookup(const jinja_value *map, const char *key); /* NULL when there is none */
bool jinja_truth(const jinja_value *value);
bool jinja_equal(const jinja_value *a, const jinja_value *b);
const char *jinja_kind_name(const jinja_value *value);
/* The text of a value as {{ }} prints it. */
void jinja_print(jinja_run *run, const jinja_value *value, pbt_text *out);

/* jinja_call.c */
typedef struct jinja_arguments {
    const jinja_value *items[8];
    const char *names[8]; /* keyword, or NULL */
    size_t count;
} jinja_arguments;
const jinja_value *jinja_call(jinja_run *run, const jinja_value *callable, const jinja_arguments *arguments);
const jinja_value *jinja_filter(jinja_run *run, const char *name, const jinja_value *value,
                                const jinja_arguments *arguments);
bool jinja_test(jinja_run *run, const char *name, const jinja_value *value, const jinja_arguments *arguments);
bool jinja_is_method(jinja_kind kind, const char *name);

#endif
