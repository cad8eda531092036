/*
 * Tokenizers in GGUF files: the vocabulary with kinds and scores or merges, and the name of the cutting rule
 * ("tokenizer.ggml.pre"), which stands for the normalizer and pre-tokenizer of the model it came from. A
 * byte-level BPE becomes the tokenizer.json it was made of; SentencePiece's pieces go where those of
 * tokenizer.model go.
 */
#include "tokenizer/gguf_tokenizer.h"

#include "tokenizer/model_file.h"
#include "tokenizer/tokenizer_json.h"

#include "base/file.h"
#include "gguf/gguf.h"

#include <stdlib.h>
#include <string.h>

/* Kinds of tokens, as SentencePiece numbers them. */
enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4, UNUSED = 5 };

#define WORDS_QWEN2                                                                                          \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "                                    \
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"                                                           \
    "\\s+(?!\\S)|\\s+"
#define WORDS_LLAMA3                                                                                         \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" \
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define WORDS_TEKKEN                                                                                         \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|"             \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| "     \
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* The rules, by llama.cpp's names for them. */
static const struct rule {
    const char *name;
    const char *words;  /* of a Split before the byte level; NULL: the byte level's own pattern (GPT-2's) */
    bool compose;       /* NFC first */
    bool digits;        /* every digit by itself */
    bool ignore_merges; /* a word that is a token is taken whole */
    bool add_bos;       /* where the file does not say */
} rules[] = {
    {"gpt-2", NULL, false, false, false, false},
    {"default", NULL, false, false, false, false},
    {"smollm", NULL, false, true, false, false},
    {"qwen2", WORDS_QWEN2, true, false, false, false},
    {"deepseek-r1-qwen", WORDS_QWEN2, true, false, false, false},
    {"llama-bpe", WORDS_LLAMA3, false, false, true, true},
    {"llama3", WORDS_LLAMA3, false, false, true, true},
    {"llama-v3", WORDS_LLAMA3, false, false, true, true},
    {"tekken", WORDS_TEKKEN, false, false, true, true},
};
enum { N_RULES = sizeof rules / sizeof *rules };

static bool is_text(pbt_gguf_string string, const char *text) {
    return string.length == strlen(text) && memcmp(string.bytes, text, string.length) == 0;
}

static const pbt_gguf_value *value_of(const pbt_gguf *file, const char *name) {
    char key[64] = "tokenizer.ggml.";
    strncat(key, name, sizeof key - strlen(key) - 1);
    return pbt_gguf_find(file, key);
}

/* Kind of token `id`: normal where the file does not say. */
static int64_t kind_of(const pbt_gguf *file, uint64_t id) {
    int64_t kind = NORMAL;
    const pbt_gguf_value *kinds = value_of(file, "token_type");
    return kinds && pbt_gguf_integer(kinds, id, &kind) ? kind : NORMAL;
}

static int32_t id_named(const pbt_gguf *file, const char *name) {
    int64_t id;
    return pbt_gguf_integer(value_of(file, name), 0, &id) && id >= 0 && id < PBT_ID_LIMIT ? (int32_t)id : -1;
}

static bool says(const pbt_gguf *file, const char *name, bool initial) {
    int64_t yes;
    return pbt_gguf_integer(value_of(file, name), 0, &yes) ? yes != 0 : initial;
}

static pbt_code find_tokens(const pbt_gguf *file, const char *path, const pbt_gguf_value **tokens,
                            pbt_error *error) {
    *tokens = value_of(file, "tokens");
    if (!*tokens || !(*tokens)->array || (*tokens)->kind != PBT_GGUF_STRING || !(*tokens)->count)
        return pbt_fail_at(error, PBT_BAD_INPUT, path, "tokenizer.ggml.tokens",
                           "expected a list of strings, found none");
    return (*tokens)->count < PBT_ID_LIMIT ? PBT_OK
                                           : pbt_fail_at(error, PBT_BAD_INPUT, path, "tokenizer.ggml.tokens",
                                                         "more than %d tokens", PBT_ID_LIMIT);
}

/* ---- byte-level BPE ---- */

static pbt_code find_rule(const pbt_gguf *file, const char *path, const struct rule **rule,
                          pbt_error *error) {
    pbt_gguf_string name = {"default", 7};
    pbt_gguf_text(value_of(file, "pre"), &name);
    for (size_t i = 0; i < N_RULES; i++) {
        if (!is_text(name, rules[i].name)) continue;
        *rule = &rules[i];
        return PBT_OK;
    }
    return pbt_fail_at(
        error, PBT_BAD_INPUT, path, "tokenizer.ggml.pre",
        "\"%.*s\" is not known (known: gpt-2, default, smollm, qwen2, deepseek-r1-qwen, llama-bpe, "
        "tekken)",
        (int)(name.length < 60 ? name.length : 60), name.bytes);
}

/* Vocabulary and added tokens. Unused tokens are padding of the embedding. */
static pbt_code tokens_json(const pbt_gguf *file, const char *path, json_t *vocabulary, json_t *added,
                            pbt_error *error) {
    const pbt_gguf_value *tokens;
    PBT_TRY(find_tokens(file, path, &tokens, error));
    const unsigned char *at = tokens->data;
    pbt_gguf_string token;
    for (uint64_t id = 0; pbt_gguf_next_string(tokens, &at, &token); id++) {
        int64_t kind = kind_of(file, id);
        char *text = pbt_gguf_copy(token);
        int failed = 0;
        if (!text || !pbt_utf8_valid(text, token.length)) {
            free(text);
            return pbt_fail_at(error, PBT_BAD_INPUT, path, "tokenizer.ggml.tokens", "token %llu is broken",
                               (unsigned long long)id);
        }
        if (kind != UNUSED) failed = json_object_set_new(vocabulary, text, json_integer((json_int_t)id));
        if (kind != UNUSED && kind != NORMAL && !failed)
            failed = json_array_append_new(added,
                                           json_pack("{s:I, s:s, s:b, s:b}", "id", (json_int_t)id, "content",
                                                     text, "special", kind != USER_DEFINED, "normalized", 0));
        free(text);
        if (failed) return pbt_fail_memory(error, 0, "a vocabulary");
    }
    return PBT_OK;
}

static pbt_code merges_json(const pbt_gguf *file, const char *path, json_t *list, pbt_error *error) {
    const pbt_gguf_value *merges = value_of(file, "merges");
    if (!merges || !merges->array || merges->kind != PBT_GGUF_STRING)
        return pbt_fail_at(error, PBT_BAD_INPUT, path, "tokenizer.ggml.merges",
                           "expected a list of strings, found none");
    const unsigned char *at = merges->data;
    pbt_gguf_string merge;
    while (pbt_gguf_next_string(merges, &at, &merge)) {
        /* Tokens never hold a space (a byte-level space is another letter), but may begin with one of odd
         * tools. */
        const char *space = merge.length ? memchr(merge.bytes + 1, ' ', merge.length - 1) : NULL;
        size_t left = space ? (size_t)(space - merge.bytes) : 0;
        if (!space || memchr(merge.bytes, 0, merge.length) ||
            json_array_append_new(
                list, json_pack("[s%, s%]", merge.bytes, left, space + 1, merge.length - left - 1)) != 0)
            return pbt_fail_at(error, PBT_BAD_INPUT, path, "tokenizer.ggml.merges",
                               "entry %zu: expected \"LEFT RIGHT\"", json_array_size(list));
    }
    return PBT_OK;
}

static json_t *steps_json(const struct rule *rule) {
    json_t *byte_level = json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0,
                                   "trim_offsets", 1, "use_regex", rule->words == NULL);
    json_t *first = NULL;
    if (rule->words)
        first = json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "Regex", rule->words,
                          "behavior", "Isolated", "invert", 0);
    else if (rule->digits)
        first = json_pack("{s:s, s:b}", "type", "Digits", "individual_digits", 1);
    return first ? json_pack("{s:s, s:[o, o]}", "type", "Sequence", "pretokenizers", first, byte_level)
                 : byte_level;
}

/* <bos> TEXT <eos>, as far as they are wanted. */
static json_t *ends_json(const pbt_gguf *file, const struct rule *rule, pbt_gguf_string bos,
                         pbt_gguf_string eos) {
    bool first = says(file, "add_bos_token", rule->add_bos) && bos.length,
         last = says(file, "add_eos_token", false) && eos.length;
    if (!first && !last) return json_null();
    json_t *single = json_array(), *specials = json_object();
    const pbt_gguf_string *names[2] = {&bos, &eos};
    for (int i = 0; i < 2; i++) {
        if (i == 1)
            json_array_append_new(single, json_pack("{s:{s:s, s:i}}", "Sequence", "id", "A", "type_id", 0));
        if (i == 0 ? !first : !last) continue;
        json_array_append_new(single, json_pack("{s:{s:s%, s:i}}", "SpecialToken", "id", names[i]->bytes,
                                                names[i]->length, "type_id", 0));
        json_t *special = json_pack("{s:s%, s:[i], s:[s%]}", "id", names[i]->bytes, names[i]->length, "ids",
                                    id_named(file, i ? "eos_token_id" : "bos_token_id"), "tokens",
                                    names[i]->bytes, names[i]->length);
        char *key = pbt_gguf_copy(*names[i]);
        if (key) json_object_set_new(specials, key, special);
        free(key);
    }
    return json_pack("{s:s, s:o, s:[], s:o}", "type", "TemplateProcessing", "single", single, "pair",
                     "special_tokens", specials);
}

static pbt_gguf_string token_of(const pbt_gguf *file, int32_t id) {
    const pbt_gguf_value *tokens = value_of(file, "tokens");
    const unsigned char *at = tokens ? tokens->data : NULL;
    pbt_gguf_string token = {"", 0};
    for (int32_t i = 0; tokens && id >= 0 && pbt_gguf_next_string(tokens, &at, &token); i++)
        if (i == id) return token;
    return (pbt_gguf_string){"", 0};
}

/* The tokenizer.json that the file was made of; caller: json_decref. */
static pbt_code byte_level_json(const pbt_gguf *file, const char *path, json_t **root, pbt_error *error) {
    const struct rule *rule;
    *root = NULL;
    PBT_TRY(find_rule(file, path, &rule, error));
    json_t *vocabulary = json_object(), *added = json_array(), *merges = json_array();
    pbt_code code = tokens_json(file, path, vocabulary, added, error);
    if (code == PBT_OK) code = merges_json(file, path, merges, error);
    if (code == PBT_OK) {
        json_t *normalizer = rule->compose ? json_pack("{s:s}", "type", "NFC") : json_null();
        *root = json_pack("{s:s, s:O, s:o, s:o, s:o, s:{s:s, s:b, s:b, s:b}, s:{s:s, s:O, s:O, s:b}}",
                          "version", "1.0", "added_tokens", added, "normalizer", normalizer, "pre_tokenizer",
                          steps_json(rule), "post_processor",
                          ends_json(file, rule, token_of(file, id_named(file, "bos_token_id")),
                                    token_of(file, id_named(file, "eos_token_id"))),
                          "decoder", "type", "ByteLevel", "add_prefix_space", 1, "trim_offsets", 1,
                          "use_regex", 1, "model", "type", "BPE", "vocab", vocabulary, "merges", merges,
                          "ignore_merges", rule->ignore_merges);
        if (!*root) code = pbt_fail_memory(error, 0, "a tokenizer");
    }
    json_decref(vocabulary);
    json_decref(added);
    json_decref(merges);
    return code;
}

static pbt_code load_byte_level(pbt_tokenizer *tokenizer, const pbt_gguf *file, const char *path,
                                pbt_error *error) {
    json_t *root;
    PBT_TRY(byte_level_json(file, path, &root, error));
    pbt_code code = pbt_tokenizer_load_json_value(tokenizer, root, error);
    json_decref(root);
    return code;
}

/* ---- SentencePiece ---- */

static pbt_code load_pieces(pbt_tokenizer *tokenizer, const pbt_gguf *file, const char *path,
                            pbt_error *error) {
    const pbt_gguf_value *tokens, *scores = value_of(file, "scores");
    PBT_TRY(find_tokens(file, path, &tokens, error));
    if (!scores || scores->count != tokens->count)
        return pbt_fail_at(error, PBT_BAD_INPUT, path, "tokenizer.ggml.scores",
                           "expected a score for every token");
    pbt_sentencepiece *pieces;
    PBT_TRY(pbt_sentencepiece_begin(tokenizer, &pieces, error));
    const unsigned char *at = tokens->data;
    pbt_gguf_string token;
    pbt_code code = PBT_OK;
    for (uint64_t id = 0; code == PBT_OK && pbt_gguf_next_string(tokens, &at, &token); id++) {
        double score = 0;
        pbt_gguf_number(scores, id, &score);
        code = pbt_sentencepiece_add(pieces, token.bytes, token.length, (float)score,
                                     (uint64_t)kind_of(file, id), error);
    }
    if (code == PBT_OK) {
        json_t *config = json_pack("{s:b, s:b, s:b}", "add_bos_token", says(file, "add_bos_token", true),
                                   "add_eos_token", says(file, "add_eos_token", false), "add_prefix_space",
                                   says(file, "add_space_prefix", true));
        code = config ? pbt_sentencepiece_finish(pieces, config, id_named(file, "bos_token_id"),
                                                 id_named(file, "eos_token_id"), error)
                      : pbt_fail_memory(error, 0, "a tokenizer");
        json_decref(config);
    }
    pbt_sentencepiece_end(pieces);
    return code;
}

/* ---- loading ---- */

/* The special tokens under the names that tokenizer_config.json gives them; caller: json_decref. */
static json_t *specials_json(const pbt_gguf *file) {
    static const char *const names[][2] = {{"bos_token", "bos_token_id"},
                                           {"eos_token", "eos_token_id"},
                                           {"unk_token", "unknown_token_id"},
                                           {"pad_token", "padding_token_id"}};
    json_t *config = json_object();
    for (size_t i = 0; config && i < sizeof names / sizeof *names; i++) {
        pbt_gguf_string token = token_of(file, id_named(file, names[i][1]));
        if (token.length) json_object_set_new(config, names[i][0], json_stringn(token.bytes, token.length));
    }
    return config;
}

pbt_code pbt_tokenizer_load_gguf(pbt_tokenizer *tokenizer, const char *path, json_t **config,
                                 pbt_error *error) {
    pbt_gguf file;
    pbt_gguf_string model = {"", 0};
    *config = NULL;
    PBT_TRY(pbt_gguf_open(path, &file, error));
    pbt_gguf_text(value_of(&file, "model"), &model);
    pbt_code code;
    if (is_text(model, "gpt2"))
        code = load_byte_level(tokenizer, &file, path, error);
    else if (is_text(model, "llama"))
        code = load_pieces(tokenizer, &file, path, error);
    else
        code = pbt_fail_at(error, PBT_BAD_INPUT, path, "tokenizer.ggml.model",
                           "\"%.*s\" is not known (known: gpt2, llama)",
                           (int)(model.length < 60 ? model.length : 60), model.bytes);
    if (code == PBT_OK) *config = specials_json(&file);
    pbt_gguf_close(&file);
    return code;
}

/* ---- writing ---- */

static pbt_code write_json(const char *folder, const char *name, const json_t *value, pbt_error *error) {
    char *path = pbt_path_join(folder, name), *text = json_dumps(value, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    pbt_code code = path && text ? pbt_file_write(path, text, strlen(text), error)
                                 : pbt_fail_memory(error, 0, "a tokenizer");
    free(path);
    free(text);
    return code;
}

static pbt_code write_template(const pbt_gguf *file, const char *folder, pbt_error *error) {
    pbt_gguf_string text;
    if (!pbt_gguf_text(pbt_gguf_find(file, "tokenizer.chat_template"), &text)) return PBT_OK;
    char *path = pbt_path_join(folder, "chat_template.jinja");
    pbt_code code =
        path ? pbt_file_write(path, text.bytes, text.length, error) : pbt_fail_memory(error, 0, "a path");
    free(path);
    return code;
}

static pbt_code write_files(const pbt_gguf *file, const char *path, const char *folder, pbt_error *error) {
    pbt_gguf_string model = {"", 0};
    pbt_gguf_text(value_of(file, "model"), &model);
    if (!is_text(model, "gpt2"))
        return pbt_fail_at(
            error, PBT_BAD_INPUT, path, "tokenizer.ggml.model",
            "only byte-level BPE (gpt2) is written as tokenizer.json, found \"%.*s\"; copy the "
            "tokenizer's files from the model's own folder",
            (int)(model.length < 60 ? model.length : 60), model.bytes);
    json_t *root, *config = specials_json(file);
    pbt_code code = byte_level_json(file, path, &root, error);
    if (code == PBT_OK && (!config || json_object_set_new(config, "tokenizer_class",
                                                          json_string("PreTrainedTokenizerFast")) != 0))
        code = pbt_fail_memory(error, 0, "a tokenizer");
    if (code == PBT_OK) code = write_json(folder, "tokenizer.json", root, error);
    if (code == PBT_OK) code = write_json(folder, "tokenizer_config.json", config, error);
    if (code == PBT_OK) code = write_template(file, folder, error);
    json_decref(root);
    json_decref(config);
    return code;
}

pbt_code pbt_tokenizer_write_gguf(const char *path, const char *folder, pbt_error *error) {
    pbt_gguf file;
    PBT_TRY(pbt_gguf_open(path, &file, error));
    pbt_code code = write_files(&file, path, folder, error);
    pbt_gguf_close(&file);
    return code;
}
