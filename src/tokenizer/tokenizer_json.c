/*
 * Reads tokenizer.json: the BPE model, the added tokens, the post-processor; the steps are read in
 * step_json.c.
 */
#include "tokenizer/tokenizer_json.h"

#include "tokenizer/step_json.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT ((size_t)512 << 20)

static pbt_code read_vocabulary(pbt_tokenizer *tokenizer, json_t *model, pbt_error *error) {
    const json_t *vocabulary;
    const char *file = tokenizer->file, *key;
    json_t *value;
    PBT_TRY(pbt_json_object(model, "vocab", file, "model", &vocabulary, error));
    json_object_foreach((json_t *)vocabulary, key, value) {
        if (!json_is_integer(value) || json_integer_value(value) < 0 ||
            json_integer_value(value) >= PBT_ID_LIMIT)
            return pbt_fail_at(error, PBT_BAD_INPUT, file, "model.vocab",
                               "token \"%.80s\": expected an id from 0 to %d", key, PBT_ID_LIMIT - 1);
        int32_t id = (int32_t)json_integer_value(value);
        size_t length = strlen(key);
        PBT_TRY(pbt_tokenizer_set_piece(tokenizer, id, key, length, "model.vocab", error));
        PBT_TRY(pbt_names_put(&tokenizer->bpe.names, tokenizer->pieces[id], length, id, error));
    }
    if (!tokenizer->bpe.names.count)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, "model.vocab", "the vocabulary is empty");
    return PBT_OK;
}

/* The two sides of a merge, "a b" or ["a", "b"]; the strings are the JSON value's. */
static bool merge_sides(const json_t *merge, const char *sides[2], size_t lengths[2]) {
    if (json_is_string(merge)) {
        const char *text = json_string_value(merge), *space = strchr(text, ' ');
        if (!space || strchr(space + 1, ' ')) return false;
        sides[0] = text, lengths[0] = (size_t)(space - text);
        sides[1] = space + 1, lengths[1] = strlen(space + 1);
        return true;
    }
    if (!json_is_array(merge) || json_array_size(merge) != 2) return false;
    for (size_t i = 0; i < 2; i++) {
        const json_t *side = json_array_get(merge, i);
        if (!json_is_string(side)) return false;
        sides[i] = json_string_value(side), lengths[i] = json_string_length(side);
    }
    return true;
}

static pbt_code add_merge(pbt_tokenizer *tokenizer, const char *sides[2], const size_t lengths[2],
                          uint32_t rank, pbt_error *error) {
    const pbt_names *names = &tokenizer->bpe.names;
    char where[64];
    snprintf(where, sizeof where, "model.merges, entry %u", rank);
    int32_t left = pbt_names_find(names, sides[0], lengths[0]);
    int32_t right = pbt_names_find(names, sides[1], lengths[1]);
    pbt_text joined = {0};
    pbt_text_append(&joined, sides[0], lengths[0]);
    pbt_text_append(&joined, sides[1], lengths[1]);
    int32_t id = pbt_names_find(names, pbt_text_string(&joined), joined.length);
    bool failed = joined.failed;
    pbt_code code = PBT_OK;
    if (failed)
        code = pbt_fail_memory(error, joined.length, "a merge");
    else if (left < 0 || right < 0 || id < 0)
        code = pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, where,
                           "the token \"%.80s\" is not in the vocabulary",
                           left < 0    ? sides[0]
                           : right < 0 ? sides[1]
                                       : joined.data);
    else
        pbt_bpe_add_merge(&tokenizer->bpe, left, right, rank, id);
    pbt_text_free(&joined);
    return code;
}

static pbt_code read_merges(pbt_tokenizer *tokenizer, const json_t *model, pbt_error *error) {
    const json_t *merges;
    PBT_TRY(pbt_json_array(model, "merges", tokenizer->file, "model", &merges, error));
    size_t n = json_array_size(merges);
    PBT_TRY(pbt_bpe_prepare(&tokenizer->bpe, n, error));
    uint32_t rank = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *merge = json_array_get(merges, i);
        const char *sides[2];
        size_t lengths[2];
        if (json_is_string(merge) && pbt_string_starts(json_string_value(merge), "#version")) continue;
        if (!merge_sides(merge, sides, lengths))
            return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, "model.merges",
                               "entry %zu: expected \"LEFT RIGHT\" or [\"LEFT\", \"RIGHT\"]", i);
        PBT_TRY(add_merge(tokenizer, sides, lengths, rank++, error));
    }
    return PBT_OK;
}

/* Settings of the model that would change the ids and that no chat model has. */
static pbt_code check_model(const pbt_tokenizer *tokenizer, const json_t *model, pbt_error *error) {
    const char *type = json_string_value(json_object_get(model, "type"));
    if (type && strcmp(type, "BPE") != 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, "model",
                           "the tokenizer model \"%.80s\" is not known: only BPE is", type);
    static const char *const empty[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (int i = 0; i < 2; i++) {
        const char *text = json_string_value(json_object_get(model, empty[i]));
        if (text && *text)
            return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, "model",
                               "the setting %s (\"%.40s\") is not supported", empty[i], text);
    }
    const json_t *dropout = json_object_get(model, "dropout");
    if (json_is_number(dropout) && json_number_value(dropout) > 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, "model",
                           "dropout is not supported: the same text would give other ids every time");
    return PBT_OK;
}

static pbt_code read_model(pbt_tokenizer *tokenizer, const json_t *root, pbt_error *error) {
    const json_t *found;
    PBT_TRY(pbt_json_object(root, "model", tokenizer->file, NULL, &found, error));
    json_t *model = (json_t *)found;
    PBT_TRY(check_model(tokenizer, model, error));
    PBT_TRY(read_vocabulary(tokenizer, model, error));
    PBT_TRY(read_merges(tokenizer, model, error));
    pbt_bpe *bpe = &tokenizer->bpe;
    bpe->byte_fallback = json_is_true(json_object_get(model, "byte_fallback"));
    bpe->fuse_unknown = json_is_true(json_object_get(model, "fuse_unk"));
    bpe->ignore_merges = json_is_true(json_object_get(model, "ignore_merges"));
    bpe->unknown = -1;
    if (pbt_json_has(model, "unk_token")) {
        const char *unknown;
        PBT_TRY(pbt_json_string(model, "unk_token", tokenizer->file, "model", &unknown, error));
        bpe->unknown = pbt_names_find(&bpe->names, unknown, strlen(unknown));
        if (bpe->unknown < 0)
            return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, "model",
                               "the unk_token \"%.80s\" is not in the vocabulary", unknown);
    }
    pbt_bpe_index(bpe);
    return PBT_OK;
}

/* tokenizers numbers added tokens itself; a file that says otherwise would mean other ids to it than to us.
 */
static pbt_code read_added(pbt_tokenizer *tokenizer, const json_t *root, pbt_error *error) {
    const json_t *list = json_object_get(root, "added_tokens");
    int32_t next = (int32_t)tokenizer->bpe.names.count;
    const char *file = tokenizer->file;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        char where[64];
        snprintf(where, sizeof where, "added_tokens, entry %zu", i);
        pbt_added added = {0};
        int64_t id;
        PBT_TRY(pbt_json_string(value, "content", file, where, &added.content, error));
        PBT_TRY(pbt_json_integer(value, "id", 0, PBT_ID_LIMIT - 1, file, where, &id, error));
        size_t length = strlen(added.content);
        if (!length) continue;
        if (length > PBT_ADDED_LIMIT)
            return pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                               "an added token of %zu bytes; expected at most %d", length, PBT_ADDED_LIMIT);
        added.special = added.said_special = json_is_true(json_object_get(value, "special"));
        added.left_strip = json_is_true(json_object_get(value, "lstrip"));
        added.right_strip = json_is_true(json_object_get(value, "rstrip"));
        added.single_word = json_is_true(json_object_get(value, "single_word"));
        const json_t *normalized = json_object_get(value, "normalized");
        added.is_normalized = normalized ? json_is_true(normalized) : !added.special;
        added.id = (int32_t)id;
        int32_t known = pbt_names_find(&tokenizer->bpe.names, added.content, length);
        int32_t expected = known >= 0 ? known : next;
        if (known < 0) next++;
        if (added.id != expected)
            return pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                               "token \"%.80s\" says id %d, but its place in the vocabulary is %d",
                               added.content, added.id, expected);
        PBT_TRY(pbt_tokenizer_add_token(tokenizer, &added, error));
    }
    return PBT_OK;
}

/* The ids of one entry of a template: a special token may stand for several. */
static pbt_code template_ids(const pbt_tokenizer *tokenizer, const json_t *processor, const json_t *item,
                             pbt_ids *ids, pbt_error *error) {
    const char *where = "post_processor", *name;
    const json_t *special = json_object_get(item, "SpecialToken");
    PBT_TRY(pbt_json_string(special, "id", tokenizer->file, where, &name, error));
    const json_t *entry = json_object_get(json_object_get(processor, "special_tokens"), name);
    const json_t *list = json_object_get(entry, "ids");
    if (!json_is_array(list))
        return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, where,
                           "the template names \"%.80s\", which is not under special_tokens", name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *id = json_array_get(list, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= PBT_ID_LIMIT)
            return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, where, "\"%.80s\" has a wrong id",
                               name);
        PBT_TRY(pbt_ids_push(ids, (int32_t)json_integer_value(id), error));
    }
    return PBT_OK;
}

/* before = fresh + before. */
static pbt_code put_in_front(pbt_ids *before, const pbt_ids *fresh, pbt_error *error) {
    size_t old = before->count;
    for (size_t i = 0; i < fresh->count; i++) PBT_TRY(pbt_ids_push(before, 0, error));
    memmove(before->items + fresh->count, before->items, old * sizeof *before->items);
    memcpy(before->items, fresh->items, fresh->count * sizeof *before->items);
    return PBT_OK;
}

static pbt_code read_template(pbt_tokenizer *tokenizer, const json_t *processor, pbt_error *error) {
    const json_t *single;
    PBT_TRY(pbt_json_array(processor, "single", tokenizer->file, "post_processor", &single, error));
    pbt_ids front = {0};
    pbt_code code = PBT_OK;
    int texts = 0;
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *item = json_array_get(single, i), *sequence = json_object_get(item, "Sequence");
        const char *which = json_string_value(json_object_get(sequence, "id"));
        if (sequence && (!which || strcmp(which, "A") != 0 || texts++)) {
            code = pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, "post_processor",
                               "the template must hold the sequence A once");
            goto done;
        }
        if (!sequence)
            PBT_GOTO(template_ids(tokenizer, processor, item, texts ? &tokenizer->after : &front, error));
    }
    if (texts != 1)
        code = pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, "post_processor",
                           "the template must hold the sequence A once");
    else if (front.count)
        code = put_in_front(&tokenizer->before, &front, error);
done:
    free(front.items);
    return code;
}

static pbt_code read_post_processor(pbt_tokenizer *tokenizer, const json_t *value, int depth,
                                    pbt_error *error) {
    const char *file = tokenizer->file, *where = "post_processor", *type;
    if (!value || json_is_null(value)) return PBT_OK;
    PBT_TRY(pbt_json_string(value, "type", file, where, &type, error));
    if (strcmp(type, "ByteLevel") == 0) {
        tokenizer->trim_offsets = !json_is_false(json_object_get(value, "trim_offsets"));
        tokenizer->keeps_prefix_space = !json_is_false(json_object_get(value, "add_prefix_space"));
        return PBT_OK;
    }
    if (strcmp(type, "TemplateProcessing") == 0) return read_template(tokenizer, value, error);
    if (strcmp(type, "Sequence") != 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                           "the post-processor \"%.80s\" is not known (known: TemplateProcessing, ByteLevel, "
                           "Sequence)",
                           type);
    if (depth >= 8) return pbt_fail_at(error, PBT_BAD_INPUT, file, where, "sequences are nested too deeply");
    const json_t *members;
    PBT_TRY(pbt_json_array(value, "processors", file, where, &members, error));
    for (size_t i = 0; i < json_array_size(members); i++)
        PBT_TRY(read_post_processor(tokenizer, json_array_get(members, i), depth + 1, error));
    return PBT_OK;
}

pbt_code pbt_tokenizer_load_json_value(pbt_tokenizer *tokenizer, const json_t *root, pbt_error *error) {
    if (!json_is_object(root))
        return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, NULL, "expected a JSON object");
    PBT_TRY(read_model(tokenizer, root, error));
    PBT_TRY(pbt_step_read_normalizer(tokenizer, json_object_get(root, "normalizer"), error));
    tokenizer->n_normalizers = tokenizer->n_steps;
    PBT_TRY(pbt_step_read_pre_tokenizer(tokenizer, json_object_get(root, "pre_tokenizer"), error));
    PBT_TRY(pbt_decoder_read(tokenizer, json_object_get(root, "decoder"), error));
    PBT_TRY(read_post_processor(tokenizer, json_object_get(root, "post_processor"), 0, error));
    return read_added(tokenizer, root, error);
}

pbt_code pbt_tokenizer_load_json(pbt_tokenizer *tokenizer, const char *path, pbt_error *error) {
    json_t *root;
    PBT_TRY(pbt_json_read(path, FILE_LIMIT, &root, error));
    pbt_code code = pbt_tokenizer_load_json_value(tokenizer, root, error);
    json_decref(root);
    return code;
}
