/*
 * The subset of Jinja that chat templates use, with the environment transformers gives them (trim_blocks,
 * lstrip_blocks, loop controls, {% generation %}, the immutable sandbox). A template is parsed to a tree
 * (parse_template.h, block.h, expression.h) and evaluated over immutable values (statements.h, eval.h and
 * what they call). Here stand the types that all of them share. What is not known is refused by name and
 * line, some of it only when it is reached, since templates carry branches for tools that conversations never
 * enter. Semantics are those of Jinja 3.1 and Python; wherever they are not followed the answer is a refusal,
 * never another text.
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

/* The arguments of a call, a filter or a test. */
typedef struct jinja_arguments {
    const jinja_value *items[JINJA_ARGUMENTS];
    const char *names[JINJA_ARGUMENTS]; /* keyword, or NULL */
    size_t count;
} jinja_arguments;

#endif
