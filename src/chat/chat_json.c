/* Conversations of JSON: what the template sees of them. */
#include "chat/jinja/statements.h"
#include "chat/jinja/value.h"
#include "chat/render.h"

#include <string.h>

enum { MAX_VALUE_DEPTH = 64 };

const char *const pbt_reasoning_fields[PBT_REASONING_FIELDS] = {"reasoning_content", "thinking", "reasoning"};

static const jinja_value *from_json(jinja_run *run, const json_t *value, int depth) {
    if (depth > MAX_VALUE_DEPTH) return jinja_refuse(run, "a message is nested too deeply");
    if (json_is_string(value)) return jinja_string(run, json_string_value(value), json_string_length(value));
    if (json_is_integer(value)) return jinja_int(run, json_integer_value(value));
    if (json_is_real(value)) return jinja_float(run, json_real_value(value));
    if (json_is_boolean(value)) return jinja_bool(run, json_is_true(value));
    if (json_is_array(value)) {
        jinja_value *list = jinja_make(run, JINJA_LIST);
        for (size_t i = 0; i < json_array_size(value) && run->code == PBT_OK; i++)
            jinja_append(run, list, from_json(run, json_array_get(value, i), depth + 1));
        return list;
    }
    if (!json_is_object(value)) return jinja_none();
    jinja_value *map = jinja_make(run, JINJA_MAP);
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)(uintptr_t)value, key, item)
        jinja_put(run, map, jinja_string(run, key, strlen(key))->text, from_json(run, item, depth + 1));
    return map;
}

/* As transformers hands messages to a template: fields that are null left out; reasoning, which has three
 * names, under the names "thinking" (first, where the message had none) and "reasoning_content". */
static const jinja_value *message_from_json(jinja_run *run, const json_t *message) {
    const json_t *reasoning = NULL;
    jinja_value *map = jinja_make(run, JINJA_MAP);
    const char *key;
    json_t *item;
    for (int i = 0; i < PBT_REASONING_FIELDS && !reasoning; i++)
        if (pbt_json_has(message, pbt_reasoning_fields[i]))
            reasoning = json_object_get(message, pbt_reasoning_fields[i]);
    if (reasoning) jinja_put(run, map, "thinking", from_json(run, reasoning, 1));
    json_object_foreach((json_t *)(uintptr_t)message, key, item) if (!json_is_null(item))
        jinja_put(run, map, jinja_string(run, key, strlen(key))->text, from_json(run, item, 1));
    if (reasoning) jinja_put(run, map, "reasoning_content", from_json(run, reasoning, 1));
    return map;
}

void pbt_turns_set_json(jinja_run *run, const pbt_turns *turns) {
    jinja_value *list = jinja_make(run, JINJA_LIST);
    const char *key;
    json_t *item;
    for (size_t i = 0; i < turns->n && run->code == PBT_OK; i++) {
        const json_t *message = json_array_get(turns->json, i);
        if (!json_is_object(message)) {
            jinja_refuse(run, "message %zu: expected an object", i + 1);
            return;
        }
        jinja_append(run, list, message_from_json(run, message));
    }
    json_object_foreach((json_t *)(uintptr_t)turns->variables, key, item)
        jinja_set(run, jinja_string(run, key, strlen(key))->text, from_json(run, item, 0));
    jinja_set(run, "messages", list);
}
