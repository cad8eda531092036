/*
 * Tokens that a folder names outside of its vocabulary: tokenizer_config.json, special_tokens_map.json and
 * added_tokens.json, put together and added as transformers' from_pretrained and TokenizersBackend do.
 */
#include "tokenizer/folder_tokens.h"

#include "base/memory.h"
#include "tokenizer/vocabulary.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* In the order in which they are added. */
static const char *const named[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                    "pad_token", "cls_token", "mask_token"};
enum { N_NAMED = sizeof named / sizeof *named };

static bool is_named(const char *key) {
    bool is = false;
    for (int i = 0; i < N_NAMED; i++) is = is || strcmp(named[i], key) == 0;
    return is;
}

/* ---- reading ---- */

/* "<s>" or {"content": "<s>", ...}; NULL: neither. */
static const char *content_of(const json_t *value) {
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

static bool truthy(const json_t *value) {
    return json_array_size(value) > 0 || json_object_size(value) > 0 || json_string_length(value) > 0;
}

/* The model's own names ("image_token") leave `settings` for `own`. */
static int take_own_names(pbt_folder_tokens *f) {
    const char *key;
    json_t *value;
    void *next;
    int failed = 0;
    json_object_foreach_safe(f->settings, next, key, value) {
        if (is_named(key) || !pbt_string_ends(key, "_token") || !content_of(value)) continue;
        failed |= json_object_set(f->own, key, value);
        failed |= json_object_del(f->settings, key);
    }
    json_t *extra = json_object_get(f->settings, "extra_special_tokens");
    if (!json_is_object(extra)) return failed;
    failed |= json_object_update(f->own, extra);
    return failed | json_object_del(f->settings, "extra_special_tokens");
}

/* The old name of extra_special_tokens; `replaced`: where the new one says nothing. */
static int rename_extra(pbt_folder_tokens *f, bool replaced) {
    json_t *old = json_object_get(f->settings, "additional_special_tokens");
    if (!old || !replaced) return 0;
    return json_object_set(f->settings, "extra_special_tokens", old) |
           json_object_del(f->settings, "additional_special_tokens");
}

/* special_tokens_map.json goes before tokenizer_config.json; its lists of extra tokens are put together. */
static int merge_map(pbt_folder_tokens *f, const json_t *map) {
    const char *key;
    json_t *value, *item;
    size_t i;
    int failed = 0;
    json_object_foreach((json_t *)(uintptr_t)map, key, value) {
        json_t *before = json_object_get(f->settings, key);
        if (strcmp(key, "extra_special_tokens") != 0 || !json_is_array(value) || !json_is_array(before)) {
            failed |= json_object_set(f->settings, key, value);
            continue;
        }
        json_t *both = json_copy(before);
        json_array_foreach(value, i, item) failed |= json_array_append(both, item);
        failed |= json_object_set_new(f->settings, key, both);
    }
    return failed;
}

static pbt_code note_content(pbt_names *names, const json_t *value, pbt_error *error) {
    const char *content = content_of(value);
    return content ? pbt_names_put(names, content, strlen(content), 1, error) : PBT_OK;
}

static pbt_code note_specials(const pbt_folder_tokens *f, pbt_names *names, pbt_error *error) {
    const json_t *extra = json_object_get(f->settings, "extra_special_tokens");
    for (int i = 0; i < N_NAMED; i++)
        PBT_TRY(note_content(names, json_object_get(f->settings, named[i]), error));
    for (size_t i = 0; i < json_array_size(extra); i++)
        PBT_TRY(note_content(names, json_array_get(extra, i), error));
    return PBT_OK;
}

/* added_tokens.json, {"token": id}, in the form of added_tokens_decoder. */
static pbt_code merge_added(pbt_folder_tokens *f, const json_t *added, const pbt_names *specials,
                            pbt_error *error) {
    const char *content;
    json_t *id;
    json_object_foreach((json_t *)(uintptr_t)added, content, id) {
        char key[24];
        bool special = pbt_names_find(specials, content, strlen(content)) >= 0;
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= PBT_ID_LIMIT)
            return pbt_fail_at(error, PBT_BAD_INPUT, "added_tokens.json", NULL,
                               "token \"%.80s\": expected an id from 0 to %d", content, PBT_ID_LIMIT - 1);
        snprintf(key, sizeof key, "%lld", (long long)json_integer_value(id));
        if (json_object_set_new(f->decoder, key,
                                json_pack("{s:s, s:b, s:b}", "content", content, "special", (int)special,
                                          "normalized", (int)!special)) != 0)
            return pbt_fail_memory(error, 0, "the added tokens");
    }
    return PBT_OK;
}

pbt_code pbt_folder_tokens_read(pbt_folder_tokens *f, const json_t *config, const json_t *map,
                                const json_t *added, pbt_error *error) {
    const json_t *listed = json_object_get(config, "added_tokens_decoder");
    f->settings = config ? json_copy((json_t *)(uintptr_t)config) : json_object();
    f->own = json_object();
    f->decoder = json_is_object(listed) ? json_copy((json_t *)(uintptr_t)listed) : json_object();
    int failed = !f->settings || !f->own || !f->decoder;
    if (!failed)
        failed |= rename_extra(f, !truthy(json_object_get(f->settings, "extra_special_tokens"))) |
                  take_own_names(f);
    if (!failed && !json_is_object(listed)) {
        failed |= merge_map(f, map) | take_own_names(f) |
                  rename_extra(f, !json_object_get(f->settings, "extra_special_tokens"));
        pbt_names specials = {0};
        pbt_code code = failed ? PBT_OK : note_specials(f, &specials, error);
        if (!failed && code == PBT_OK) code = merge_added(f, added, &specials, error);
        pbt_names_free(&specials);
        if (code != PBT_OK) return code;
    }
    return failed ? pbt_fail_memory(error, 0, "the special tokens") : PBT_OK;
}

void pbt_folder_tokens_free(pbt_folder_tokens *f) {
    json_decref(f->settings);
    json_decref(f->own);
    json_decref(f->decoder);
    *f = (pbt_folder_tokens){0};
}

/* ---- adding ---- */

/* The tokens to add, in order, and what is there already. */
typedef struct adding {
    pbt_tokenizer *tokenizer;
    const pbt_folder_tokens *folder;
    pbt_names known;       /* content to its last place in tokenizer->added */
    pbt_names named;       /* contents of the named special tokens */
    pbt_names in_decoder;  /* content to its place in `listed` */
    const json_t **listed; /* the tokens of added_tokens_decoder, by id */
    size_t n_listed;
    int32_t next; /* the id of the next new token */
} adding;

/* `with_name`: a named special token, special whatever it says of itself. */
static pbt_code read_token(const json_t *value, bool with_name, pbt_added *token, pbt_error *error) {
    const char *file = "tokenizer_config.json";
    *token = (pbt_added){.content = content_of(value), .special = true};
    if (!token->content)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, NULL,
                           "a special or added token is neither a string nor an object with \"content\"");
    if (strlen(token->content) > PBT_ADDED_LIMIT)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, NULL,
                           "an added token of %zu bytes; expected at most %d", strlen(token->content),
                           PBT_ADDED_LIMIT);
    if (json_is_string(value)) return PBT_OK;
    const json_t *normalized = json_object_get(value, "normalized");
    token->special = with_name || json_is_true(json_object_get(value, "special"));
    token->left_strip = json_is_true(json_object_get(value, "lstrip"));
    token->right_strip = json_is_true(json_object_get(value, "rstrip"));
    token->single_word = json_is_true(json_object_get(value, "single_word"));
    token->is_normalized = json_is_boolean(normalized) ? json_is_true(normalized) : !token->special;
    return PBT_OK;
}

static bool same_flags(const pbt_added *a, const pbt_added *b) {
    return a->said_special == b->said_special && a->left_strip == b->left_strip &&
           a->right_strip == b->right_strip && a->single_word == b->single_word &&
           a->is_normalized == b->is_normalized;
}

static const pbt_added *known_token(const adding *a, const char *content) {
    int32_t place = pbt_names_find(&a->known, content, strlen(content));
    return place < 0 ? NULL : &a->tokenizer->added[place];
}

/* As tokenizers adds a token: the id it has, or the next one; the flags given last; special once, special
 * ever.
 */
static pbt_code add_token(adding *a, pbt_added token, pbt_error *error) {
    pbt_tokenizer *t = a->tokenizer;
    const pbt_added *known = known_token(a, token.content);
    size_t length = strlen(token.content);
    token.said_special = token.special;
    if (!length || (known && same_flags(known, &token))) return PBT_OK;
    token.id = known ? known->id : pbt_names_find(&t->bpe.names, token.content, length);
    if (token.id < 0) token.id = a->next;
    if (token.id >= PBT_ID_LIMIT)
        return pbt_fail(error, PBT_BAD_INPUT, "the added tokens need ids beyond %d", PBT_ID_LIMIT - 1);
    if (token.id >= a->next) a->next = token.id + 1;
    token.special = token.special || (known && known->special);
    PBT_TRY(pbt_tokenizer_add_token(t, &token, error));
    const char *content = t->added[t->n_added - 1].content;
    return pbt_names_put(&a->known, content, length, (int32_t)t->n_added - 1, error);
}

static pbt_code note_known(adding *a, pbt_error *error) {
    const pbt_tokenizer *t = a->tokenizer;
    const size_t count = t->bpe.names.count;
    a->next = (int32_t)count;
    for (size_t i = 0; i < t->n_added; i++) {
        const pbt_added *added = &t->added[i];
        PBT_TRY(pbt_names_put(&a->known, added->content, strlen(added->content), (int32_t)i, error));
        if (added->id >= a->next) a->next = added->id + 1;
    }
    /* SentencePiece's and tiktoken's added tokens have ids of their own. */
    if (t->n_model && (size_t)a->next < t->size) a->next = (int32_t)t->size;
    return PBT_OK;
}

static int by_id(const void *pa, const void *pb) {
    const char *a = *(const char *const *)pa, *b = *(const char *const *)pb;
    long x = strtol(a, NULL, 10), y = strtol(b, NULL, 10);
    return (x > y) - (x < y);
}

/* The tokens of added_tokens_decoder in the order of their ids, which say nothing else. */
static pbt_code list_decoder(adding *a, pbt_error *error) {
    json_t *decoder = a->folder->decoder, *value;
    size_t n = json_object_size(decoder);
    const char **keys = pbt_alloc(n + 1, sizeof *keys), *key;
    a->listed = pbt_alloc(n + 1, sizeof *a->listed);
    pbt_code code = keys && a->listed ? PBT_OK : pbt_fail_memory(error, n * 16, "the added tokens");
    json_object_foreach(decoder, key, value) {
        if (code == PBT_OK && (!isdigit((unsigned char)key[0]) || key[strspn(key, "0123456789")] ||
                               strtol(key, NULL, 10) >= PBT_ID_LIMIT))
            code = pbt_fail_at(error, PBT_BAD_INPUT, "tokenizer_config.json", "added_tokens_decoder",
                               "\"%.40s\" is not a token id", key);
        if (code == PBT_OK) keys[a->n_listed++] = key;
    }
    if (code == PBT_OK) qsort((void *)keys, n, sizeof *keys, by_id);
    for (size_t i = 0; code == PBT_OK && i < n; i++) {
        a->listed[i] = json_object_get(decoder, keys[i]);
        const char *content = content_of(a->listed[i]);
        if (content) code = pbt_names_put(&a->in_decoder, content, strlen(content), (int32_t)i, error);
    }
    free((void *)keys);
    return code;
}

static pbt_code note_named(adding *a, pbt_error *error) {
    const char *key;
    json_t *value;
    for (int i = 0; i < N_NAMED; i++)
        PBT_TRY(note_content(&a->named, json_object_get(a->folder->settings, named[i]), error));
    json_object_foreach(a->folder->own, key, value) PBT_TRY(note_content(&a->named, value, error));
    return PBT_OK;
}

static pbt_code add_listed(adding *a, pbt_error *error) {
    for (size_t i = 0; i < a->n_listed; i++) {
        pbt_added token;
        PBT_TRY(read_token(a->listed[i], false, &token, error));
        const pbt_added *known = known_token(a, token.content);
        token.said_special = token.special;
        if (known && same_flags(known, &token)) continue;
        if (pbt_names_find(&a->named, token.content, strlen(token.content)) >= 0)
            PBT_TRY(read_token(a->listed[i], true, &token, error));
        PBT_TRY(add_token(a, token, error));
    }
    return PBT_OK;
}

/* A special token that is no added token yet becomes one, be it in the vocabulary or not. */
static pbt_code add_special(adding *a, const json_t *value, bool with_name, pbt_error *error) {
    pbt_added token;
    if (!value || json_is_null(value)) return PBT_OK;
    PBT_TRY(read_token(value, with_name, &token, error));
    if (known_token(a, token.content) ||
        pbt_names_find(&a->in_decoder, token.content, strlen(token.content)) >= 0)
        return PBT_OK;
    return add_token(a, token, error);
}

static pbt_code add_all(adding *a, pbt_error *error) {
    const json_t *settings = a->folder->settings, *extra = json_object_get(settings, "extra_special_tokens");
    const char *key;
    json_t *value;
    PBT_TRY(note_known(a, error));
    PBT_TRY(note_named(a, error));
    if (!a->tokenizer->n_model) {
        PBT_TRY(list_decoder(a, error));
        PBT_TRY(add_listed(a, error));
    }
    for (int i = 0; i < N_NAMED; i++)
        PBT_TRY(add_special(a, json_object_get(settings, named[i]), true, error));
    json_object_foreach(a->folder->own, key, value) PBT_TRY(add_special(a, value, true, error));
    for (size_t i = 0; i < json_array_size(extra); i++)
        PBT_TRY(add_special(a, json_array_get(extra, i), false, error));
    return PBT_OK;
}

pbt_code pbt_folder_tokens_add(pbt_tokenizer *tokenizer, const pbt_folder_tokens *folder, pbt_error *error) {
    adding a = {.tokenizer = tokenizer, .folder = folder};
    pbt_code code = add_all(&a, error);
    pbt_names_free(&a.known);
    pbt_names_free(&a.named);
    pbt_names_free(&a.in_decoder);
    free((void *)a.listed);
    return code;
}
