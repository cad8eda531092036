/*
 * The subset of Jinja that chat templates use, with the environment transformers gives them (trim_blocks,
 * lstrip_blocks, loop controls, {% generation %}, the immutable sandbox). A template is parsed to a tree
 * (jinja_parse.c, jinja_block.c, jinja_expression.c) and evaluated over immutable values (jinja_render.c,
 * jinja_eval.c and what they call). What is not known is refused by name and line, some of it only when it is
 * reached, since templates carry branches for tools that conversations never enter. Semantics are those of
 * Jinja 3.1 and Python; wherever they are not followed the answer is a refusal, never another text.
 */
#ifndef PBT_CHAT_JINJA_JINJA_H
#define PBT_CHAT_JINJA_JINJA_H

#include "base/memory.h"
#include "base/text.h"

/* Bounds on what a template may cost: nesting of its source, of running calls, bytes of a string or of the
 * output, steps, and bytes of values. */
enum {
    JINJA_NESTING = 200,
    JINJA_CHAIN = 512,
    JINJA_DEPTH = 1200,
    JINJA_OUTPUT = 16 << 20,
    JINJA_STEPS = 4000000,
    JINJA_MEMORY = 128 << 20,
    JINJA_RANGE_LIMIT = 100000,
    JINJA_ARGUMENTS = 16
};

typedef enum jinja_kind {
    JINJA_UNDEFINED,
    JINJA_NONE,
    JINJA_BOOL,
    JINJA_INT,
    JINJA_FLOAT,
    JINJA_STRING,
    JINJA_LIST,
    JINJA_TUPLE,
    JINJA_RANGE,
    JINJA_VIEW,      /* keys(), values(), items() of a mapping */
    JINJA_GENERATOR, /* what map, select and the like return: can be looped over once */
    JINJA_MAP,
    JINJA_NAMESPACE,
    JINJA_LOOP,
    JINJA_FUNCTION, /* a global, a method bound to `self`, or a macro */
    JINJA_KINDS
} jinja_kind;

typedef struct jinja_value jinja_value;
typedef struct jinja_node jinja_node;
struct jinja_value {
    jinja_kind kind;
    /* Of bools and ints; of loops: the place, from 0; of generators: 1 when used up; of strings: 1 where the
     * filter "safe" made it markup, to which other strings may be added only if they need no escaping. */
    int64_t number;
    double real;
    const char *text; /* strings; the name of functions; the name that is undefined */
    size_t length;    /* of strings: bytes */
    size_t count, capacity;
    const jinja_value **items; /* sequences, maps, namespaces; what a loop runs over */
    const char **keys;         /* maps, namespaces */
    const jinja_value *self;   /* of methods; of a loop: the loop around it is not kept */
    const jinja_node *macro;
    struct jinja_scope *scope; /* of macros: where it was defined */
};

typedef enum jinja_node_kind {
    /* statements */
    NODE_TEXT,
    NODE_OUTPUT,    /* a */
    NODE_IF,        /* a: test, b: body, c: else (a statement list) */
    NODE_FOR,       /* target, a: iterable, b: body, c: else, d: filter */
    NODE_SET,       /* target, a: value */
    NODE_SET_BLOCK, /* target, b: body, a: filters around NODE_BODY (or NULL) */
    NODE_FILTER_BLOCK,
    NODE_GENERATION, /* b: body in a scope of its own, whose text is the assistant's */
    NODE_WITH,       /* a: assignments (NODE_SET), b: body */
    NODE_MACRO,      /* name, a: parameters (NODE_PARAMETER), b: body */
    NODE_BREAK,
    NODE_CONTINUE,
    /* assignment targets: NODE_NAME, NODE_TUPLE of names, NODE_ATTRIBUTE of a name (a namespace's field) */
    NODE_PARAMETER, /* name, a: default or NULL */
    /* expressions */
    NODE_CONSTANT,
    NODE_NAME,
    NODE_LIST,
    NODE_TUPLE,
    NODE_MAP,
    NODE_ENTRY, /* of a map: a: key, b: value */
    NODE_ATTRIBUTE,
    NODE_INDEX,
    NODE_SLICE, /* a[b:c:d] */
    NODE_CALL,
    NODE_FILTER,
    NODE_TEST,
    NODE_BINARY,
    NODE_COMPARE, /* a, then b: chain of NODE_BINARY with the operator's name and operand in a */
    NODE_NOT,
    NODE_MINUS,
    NODE_PLUS,
    NODE_CONDITIONAL, /* a if b else c */
    NODE_ARGUMENT,    /* a; name: its keyword */
    NODE_BODY         /* stands for the text of a block in the filters around it */
} jinja_node_kind;

/* One node. Children in `a` .. `d`; lists (arguments, statements) are chained by `next`. */
struct jinja_node {
    jinja_node_kind kind;
    int line;
    jinja_node *a, *b, *c, *d, *target, *next;
    const char *name; /* names, attributes, filters, tests, operators; keyword of an argument */
    bool negated;
    const jinja_value *value; /* constants and text */
};

/* ---- parsing ---- */

/* Reading position over the source. */
typedef struct jinja_parser {
    const char *source;
    size_t length, at;
    int line, depth;
    int loops;       /* loops around this place that break and continue may leave */
    bool generation; /* a {% generation %} was met */
    pbt_arena *arena;
    pbt_error *error;
    bool failed;
} jinja_parser;

/* All return NULL after recording an error. The source must have its newlines as \n. */
jinja_node *jinja_parse(jinja_parser *parser);
/* Statements up to one of the `ends` (taken, its tag still open; *ended names it) or, without ends, to the
 * end of the template. */
bool jinja_parse_body(jinja_parser *parser, const char *const *ends, const char **ended, jinja_node **body);
/* Ends a tag, with what it strips behind it. */
bool jinja_close_tag(jinja_parser *parser, const char *mark);
/* The statement whose name was just read, to the close of its last tag. */
jinja_node *jinja_parse_statement(jinja_parser *parser, const char *name);
jinja_node *jinja_parse_expression(jinja_parser *parser);
/* An expression, or a tuple without parentheses; without `conditional` an "if" behind it is left alone. */
jinja_node *jinja_parse_tuple(jinja_parser *parser, bool conditional, const char *end_word);
/* "| name(...)" as long as there are any, around `node`; `inline_first`: the first has no bar. */
jinja_node *jinja_parse_filters(jinja_parser *parser, jinja_node *node, bool inline_first);
jinja_node *jinja_new(jinja_parser *parser, jinja_node_kind kind);
jinja_node *jinja_constant(jinja_parser *parser, jinja_kind kind, int64_t number);
/* A quoted string or a number at the reading position (jinja_literal.c). */
jinja_node *jinja_parse_string(jinja_parser *parser);
jinja_node *jinja_parse_number(jinja_parser *parser);
void *jinja_fail(jinja_parser *parser, const char *format, ...) __attribute__((format(printf, 2, 3)));
void jinja_skip_space(jinja_parser *parser);
/* Whether the word or mark comes next; take: and moves behind it. */
bool jinja_at(jinja_parser *parser, const char *mark);
bool jinja_take(jinja_parser *parser, const char *mark);
bool jinja_at_word(jinja_parser *parser, const char *word);
bool jinja_take_word(jinja_parser *parser, const char *word);
const char *jinja_identifier(jinja_parser *parser);

/* ---- running ---- */

typedef struct jinja_scope {
    struct jinja_scope *outer;
    jinja_value variables; /* a map */
} jinja_scope;

/* What a {% generation %} block wrote: bytes from..to-1 of the output. */
typedef struct jinja_mark {
    size_t from, to;
    struct jinja_mark *next;
} jinja_mark;

typedef struct jinja_run {
    pbt_arena *arena;
    size_t used; /* bytes of the arena */
    pbt_error *error;
    pbt_code code;
    pbt_text *out;
    jinja_scope *scope;
    const jinja_value *body; /* what NODE_BODY stands for */
    const char *date_string;
    int depth, line;
    enum { JINJA_ON, JINJA_LEAVE, JINJA_NEXT } flow; /* after break, continue */
    int64_t steps;
    const pbt_text *root;          /* the output itself, where `out` may be a captured text */
    jinja_mark *marks, *last_mark; /* in order */
} jinja_run;

/* Renders statements; the run's `code` says how it went. */
void jinja_render(jinja_run *run, const jinja_node *statements);
/* Renders statements in a new scope on `outer` into a string. */
const jinja_value *jinja_capture(jinja_run *run, const jinja_node *statements);
const jinja_value *jinja_evaluate(jinja_run *run, const jinja_node *node);
/* Counts `n` steps against the limit. */
bool jinja_step(jinja_run *run, int64_t n);

/* A new scope on `outer`, made the current one; the caller puts back what was. */
jinja_scope *jinja_enter(jinja_run *run, jinja_scope *outer);
void jinja_set(jinja_run *run, const char *name, const jinja_value *value);

/* ---- values (jinja_value.c); all live in the run's arena ---- */

/* Records the error and returns undefined; the first error stays. */
const jinja_value *jinja_refuse(jinja_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void *jinja_alloc(jinja_run *run, size_t count, size_t size); /* NULL after recording an error */
jinja_value *jinja_make(jinja_run *run, jinja_kind kind);
const jinja_value *jinja_missing(jinja_run *run, const char *name);
const jinja_value *jinja_none(void);
const jinja_value *jinja_int(jinja_run *run, int64_t number);
const jinja_value *jinja_float(jinja_run *run, double real);
const jinja_value *jinja_bool(jinja_run *run, bool truth);
const jinja_value *jinja_string(jinja_run *run, const char *text, size_t length); /* copies */
const jinja_value *jinja_markup(jinja_run *run, const jinja_value *string);
/* A string of what was written to `text`, which is freed. */
const jinja_value *jinja_take_text(jinja_run *run, pbt_text *text);
void jinja_append(jinja_run *run, jinja_value *list, const jinja_value *item);
void jinja_put(jinja_run *run, jinja_value *map, const char *key, const jinja_value *item);
const jinja_value *jinja_lookup(const jinja_value *map, const char *key); /* NULL when there is none */
bool jinja_is_number(const jinja_value *value);                           /* bool, int or float */
double jinja_real(const jinja_value *value);
bool jinja_is_sequence(const jinja_value *value); /* list, tuple, range, view */
bool jinja_truth(const jinja_value *value);
bool jinja_equal(jinja_run *run, const jinja_value *a, const jinja_value *b);
/* Python's order of numbers and of strings; others are refused. */
int jinja_order(jinja_run *run, const jinja_value *a, const jinja_value *b);
const char *jinja_kind_name(const jinja_value *value);
/* What a loop over the value sees, as a list; undefined gives none, strings their characters. */
const jinja_value *jinja_iterate(jinja_run *run, const jinja_value *value);
/* Code points of a string; the byte where one begins. */
size_t jinja_characters(const jinja_value *string);
size_t jinja_character_at(const jinja_value *string, size_t character);

/* ---- printing (jinja_print.c, jinja_json.c) ---- */

/* Python's str(value), as {{ }} prints it. */
void jinja_print(jinja_run *run, const jinja_value *value, pbt_text *out);
const jinja_value *jinja_to_string(jinja_run *run, const jinja_value *value);
void jinja_print_float(double real, pbt_text *out);
/* Refuses when `out` is too long or memory is out. */
bool jinja_check_text(jinja_run *run, const pbt_text *out);

typedef struct jinja_arguments {
    const jinja_value *items[JINJA_ARGUMENTS];
    const char *names[JINJA_ARGUMENTS]; /* keyword, or NULL */
    size_t count;
} jinja_arguments;
/* The argument at a place, or of a name; NULL when it is not given. */
const jinja_value *jinja_argument(const jinja_arguments *arguments, size_t place, const char *name);
/* Refuses arguments beyond `most` places, and keywords that are not in `names` (NULL-ended; may be NULL). */
bool jinja_check_arguments(jinja_run *run, const char *what, const jinja_arguments *arguments, size_t most,
                           const char *const *names);
const jinja_value *jinja_to_json(jinja_run *run, const jinja_value *value, const jinja_arguments *arguments);

/* ---- operators (jinja_operate.c) ---- */

const jinja_value *jinja_operate(jinja_run *run, const char *mark, const jinja_value *a,
                                 const jinja_value *b);
bool jinja_compare(jinja_run *run, const char *mark, const jinja_value *a, const jinja_value *b);
bool jinja_contains(jinja_run *run, const jinja_value *item, const jinja_value *where);
const jinja_value *jinja_element(jinja_run *run, const jinja_value *object, const jinja_value *index);
const jinja_value *jinja_slice(jinja_run *run, const jinja_value *object, const jinja_value *from,
                               const jinja_value *to, const jinja_value *by);

/* ---- attributes and calls (jinja_attribute.c, jinja_call.c, jinja_string.c) ---- */

const jinja_value *jinja_attribute(jinja_run *run, const jinja_value *object, const char *name);
const jinja_value *jinja_call(jinja_run *run, const jinja_value *function, const jinja_arguments *arguments);
const jinja_value *jinja_string_method(jinja_run *run, const char *name, const jinja_value *self,
                                       const jinja_arguments *arguments);
const jinja_value *jinja_strip(jinja_run *run, const jinja_value *string, const jinja_value *set, bool left,
                               bool right);
const jinja_value *jinja_cased(jinja_run *run, const jinja_value *string, bool upper);
const jinja_value *jinja_capitalized(jinja_run *run, const jinja_value *string);
const jinja_value *jinja_titled(jinja_run *run, const jinja_value *string);
const jinja_value *jinja_replaced(jinja_run *run, const jinja_value *string, const jinja_value *from,
                                  const jinja_value *to, const jinja_value *most);
const jinja_value *jinja_lines(jinja_run *run, const jinja_value *string);
const jinja_value *jinja_joined(jinja_run *run, const jinja_value *mark, const jinja_value *list);
/* Python's str.isspace of one character. */
bool jinja_is_space(uint32_t character);

/* ---- filters and tests ---- */

const jinja_value *jinja_filter(jinja_run *run, const char *name, const jinja_value *value,
                                const jinja_arguments *arguments);
/* Filters of sequences (jinja_list.c): *known says whether `name` is one. */
const jinja_value *jinja_list_filter(jinja_run *run, const char *name, const jinja_value *value,
                                     const jinja_arguments *arguments, bool *known);
bool jinja_test(jinja_run *run, const char *name, const jinja_value *value, const jinja_arguments *arguments);

#endif
