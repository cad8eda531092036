#include "settings/yaml.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum { MAX_DEPTH = 16, MAX_NODES = 100000 };

typedef struct converter {
    yaml_document_t *document;
    pbt_arena *arena;
    const char *file;
    size_t n_nodes; /* aliases multiply nodes: bounded here */
    pbt_error *error;
} converter;

static pbt_code fail_line(const converter *c, size_t line, const char *sentence) {
    char where[32];
    snprintf(where, sizeof where, "line %zu", line);
    return pbt_fail_at(c->error, PBT_BAD_INPUT, c->file, where, "%s", sentence);
}

static pbt_code convert(converter *c, const yaml_node_t *node, int depth, pbt_yaml **out);

static pbt_code add_child(converter *c, pbt_yaml *parent, int item, int depth) {
    return convert(c, yaml_document_get_node(c->document, item), depth + 1,
                   &parent->children[parent->n_children++]);
}

static pbt_code make_room(converter *c, pbt_yaml *out, ptrdiff_t n) {
    out->children = pbt_arena_alloc(c->arena, (size_t)n + 1, sizeof *out->children);
    return out->children ? PBT_OK : pbt_fail_memory(c->error, (size_t)n, "a YAML node");
}

static pbt_code convert_mapping(converter *c, const yaml_node_t *node, int depth, pbt_yaml *out) {
    const yaml_node_pair_t *first = node->data.mapping.pairs.start, *end = node->data.mapping.pairs.top;
    PBT_TRY(make_room(c, out, 2 * (end - first)));
    for (const yaml_node_pair_t *pair = first; pair < end; pair++) {
        PBT_TRY(add_child(c, out, pair->key, depth));
        const pbt_yaml *key = out->children[out->n_children - 1];
        if (key->kind != PBT_YAML_SCALAR)
            return fail_line(c, key->line, "expected a name before \":\", found a list or a mapping");
        if (strcmp(key->text, "<<") == 0)
            return fail_line(c, key->line, "merge keys (<<) are not supported; write the keys out");
        PBT_TRY(add_child(c, out, pair->value, depth));
    }
    return PBT_OK;
}

static pbt_code convert(converter *c, const yaml_node_t *node, int depth, pbt_yaml **out) {
    pbt_yaml *made = pbt_arena_alloc(c->arena, 1, sizeof *made);
    if (!made) return pbt_fail_memory(c->error, sizeof *made, "a YAML node");
    if (!node) return pbt_fail_at(c->error, PBT_BAD_INPUT, c->file, NULL, "a YAML node is missing");
    made->line = node->start_mark.line + 1;
    *out = made;
    if (depth > MAX_DEPTH) return fail_line(c, made->line, "nested deeper than 16 levels");
    if (++c->n_nodes > MAX_NODES) return fail_line(c, made->line, "more than 100000 YAML nodes");
    if (node->type == YAML_SCALAR_NODE) {
        if (memchr(node->data.scalar.value, 0, node->data.scalar.length))
            return fail_line(c, made->line, "found a NUL character");
        made->plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        made->text =
            pbt_arena_copy(c->arena, (const char *)node->data.scalar.value, node->data.scalar.length);
        return made->text ? PBT_OK : pbt_fail_memory(c->error, node->data.scalar.length, "a YAML scalar");
    }
    if (node->type == YAML_MAPPING_NODE) {
        made->kind = PBT_YAML_MAPPING;
        return convert_mapping(c, node, depth, made);
    }
    made->kind = PBT_YAML_SEQUENCE;
    const yaml_node_item_t *first = node->data.sequence.items.start, *end = node->data.sequence.items.top;
    PBT_TRY(make_room(c, made, end - first));
    for (const yaml_node_item_t *item = first; item < end; item++) PBT_TRY(add_child(c, made, *item, depth));
    return PBT_OK;
}

static pbt_code fail_parser(const yaml_parser_t *parser, const char *file, pbt_error *error) {
    char where[32];
    snprintf(where, sizeof where, "line %zu", parser->problem_mark.line + 1);
    if (parser->error == YAML_MEMORY_ERROR) return pbt_fail_memory(error, 0, "YAML");
    return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "not valid YAML: %s%s%s",
                       parser->problem ? parser->problem : "unreadable", parser->context ? ", " : "",
                       parser->context ? parser->context : "");
}

/* A second document after the first would be passed over in silence otherwise. */
static pbt_code refuse_more(yaml_parser_t *parser, const char *file, pbt_error *error) {
    yaml_document_t next;
    if (!yaml_parser_load(parser, &next)) return fail_parser(parser, file, error);
    bool more = yaml_document_get_root_node(&next) != NULL;
    yaml_document_delete(&next);
    if (more)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, NULL, "expected one YAML document, found several");
    return PBT_OK;
}

pbt_code pbt_yaml_parse(const char *text, size_t length, const char *file, pbt_arena *arena, pbt_yaml **root,
                        pbt_error *error) {
    yaml_parser_t parser;
    yaml_document_t document;
    if (!yaml_parser_initialize(&parser)) return pbt_fail_memory(error, 0, "YAML");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    if (!yaml_parser_load(&parser, &document)) {
        pbt_code code = fail_parser(&parser, file, error);
        yaml_parser_delete(&parser);
        return code;
    }
    converter c = {&document, arena, file, 0, error};
    const yaml_node_t *node = yaml_document_get_root_node(&document);
    pbt_code code = PBT_OK;
    if (node) {
        code = convert(&c, node, 0, root);
        if (code == PBT_OK) code = refuse_more(&parser, file, error);
    } else {
        *root = pbt_arena_alloc(arena, 1, sizeof **root);
        if (*root)
            **root = (pbt_yaml){.kind = PBT_YAML_MAPPING, .line = 1};
        else
            code = pbt_fail_memory(error, sizeof **root, "a YAML node");
    }
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    return code;
}

bool pbt_yaml_is_null(const pbt_yaml *node) {
    if (node->kind != PBT_YAML_SCALAR || !node->plain) return false;
    return node->text[0] == '\0' || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0;
}
