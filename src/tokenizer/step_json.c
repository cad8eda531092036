/*
 * Reads the normalizers, pre-tokenizers and decoders of tokenizer.json into steps. What is not known is
 * refused by name: leaving it out would give other ids.
 */
#include "tokenizer/step_json.h"

#include "tokenizer/pattern.h"

#include <string.h>

/* Sequences in sequences: deeper than any real file. */
#define DEPTH_LIMIT 8

typedef pbt_code read_one(pbt_tokenizer *tokenizer, const json_t *value, const char *type, const char *where,
                          pbt_error *error);

/* A null value adds nothing; a Sequence adds its members (listed under `list`). */
static pbt_code read_sequence(pbt_tokenizer *tokenizer, const json_t *value, const char *where,
                              const char *list, int depth, read_one *one, pbt_error *error) {
    if (!value || json_is_null(value)) return PBT_OK;
    if (!json_is_object(value))
        return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, where, "expected an object or null");
    const char *type;
    PBT_TRY(pbt_json_string(value, "type", tokenizer->file, where, &type, error));
    if (strcmp(type, "Sequence") != 0) return one(tokenizer, value, type, where, error);
    if (depth >= DEPTH_LIMIT)
        return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, where, "sequences are nested too deeply");
    const json_t *members;
    PBT_TRY(pbt_json_array(value, list, tokenizer->file, where, &members, error));
    for (size_t i = 0; i < json_array_size(members); i++)
        PBT_TRY(read_sequence(tokenizer, json_array_get(members, i), where, list, depth + 1, one, error));
    return PBT_OK;
}

static pbt_code read_flag(const pbt_tokenizer *tokenizer, const json_t *value, const char *key,
                          const char *where, bool initial, bool *flag, pbt_error *error) {
    const json_t *found = json_object_get(value, key);
    *flag = initial;
    if (!found || json_is_null(found)) return PBT_OK;
    if (!json_is_boolean(found))
        return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, where,
                           "field \"%s\": expected true or false", key);
    *flag = json_is_true(found);
    return PBT_OK;
}

static pbt_code copy_text(pbt_tokenizer *tokenizer, const char *text, const char **copy, size_t *length,
                          pbt_error *error) {
    *length = strlen(text);
    *copy = pbt_arena_copy(tokenizer->arena, text, *length);
    return *copy ? PBT_OK : pbt_fail_memory(error, *length, "the tokenizer");
}

/* "pattern": {"String": ...} or {"Regex": ...}. */
static pbt_code read_pattern(const pbt_tokenizer *tokenizer, const json_t *value, const char *where,
                             pbt_pattern **pattern, pbt_error *error) {
    const json_t *object;
    const char *text;
    PBT_TRY(pbt_json_object(value, "pattern", tokenizer->file, where, &object, error));
    if (json_object_get(object, "String")) {
        PBT_TRY(pbt_json_string(object, "String", tokenizer->file, where, &text, error));
        if (!*text)
            return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, where,
                               "the pattern is an empty string");
        return pbt_pattern_literal(text, strlen(text), pattern, error);
    }
    PBT_TRY(pbt_json_string(object, "Regex", tokenizer->file, where, &text, error));
    return pbt_pattern_compile(text, tokenizer->file, where, pattern, error);
}

/* A field that holds exactly one character. */
static pbt_code read_character(const pbt_tokenizer *tokenizer, const json_t *value, const char *key,
                               const char *where, const char **text, uint32_t *character, pbt_error *error) {
    PBT_TRY(pbt_json_string(value, key, tokenizer->file, where, text, error));
    size_t length = strlen(*text), size = 0;
    if (length) *character = pbt_utf8_decode(*text, length, &size);
    if (!length || size != length)
        return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, where,
                           "field \"%s\": expected one character, found \"%.40s\"", key, *text);
    return PBT_OK;
}

static pbt_code read_prepend_scheme(const pbt_tokenizer *tokenizer, const json_t *value, const char *where,
                                    pbt_prepend *prepend, pbt_error *error) {
    const char *scheme = "always";
    bool prefix;
    PBT_TRY(read_flag(tokenizer, value, "add_prefix_space", where, true, &prefix, error));
    if (pbt_json_has(value, "prepend_scheme"))
        PBT_TRY(pbt_json_string(value, "prepend_scheme", tokenizer->file, where, &scheme, error));
    else if (!prefix)
        scheme = "never";
    *prepend = strcmp(scheme, "always") == 0  ? PBT_PREPEND_ALWAYS
               : strcmp(scheme, "first") == 0 ? PBT_PREPEND_FIRST
                                              : PBT_PREPEND_NEVER;
    if (*prepend == PBT_PREPEND_NEVER && strcmp(scheme, "never") != 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, where,
                           "prepend_scheme: expected always, first or never, found \"%.40s\"", scheme);
    if (!prefix && *prepend != PBT_PREPEND_NEVER)
        return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, where,
                           "add_prefix_space is false, but prepend_scheme is \"%s\"", scheme);
    return PBT_OK;
}

/* Pushes the step and, where that fails, frees its pattern. */
static pbt_code push_step(pbt_tokenizer *tokenizer, const pbt_step *step, pbt_error *error) {
    pbt_code code = pbt_step_push(tokenizer, step, error);
    if (code != PBT_OK) pbt_pattern_free(step->pattern);
    return code;
}

static pbt_code read_normalizer(pbt_tokenizer *tokenizer, const json_t *value, const char *type,
                                const char *where, pbt_error *error) {
    pbt_step step = {0};
    const char *text;
    if (strcmp(type, "NFC") == 0 || strcmp(type, "NFD") == 0 || strcmp(type, "NFKC") == 0 ||
        strcmp(type, "NFKD") == 0) {
        step.kind = PBT_STEP_UNICODE;
        step.compose = type[strlen(type) - 1] == 'C';
        step.compatible = type[2] == 'K';
    } else if (strcmp(type, "Lowercase") == 0) {
        step.kind = PBT_STEP_LOWERCASE;
    } else if (strcmp(type, "Strip") == 0) {
        step.kind = PBT_STEP_STRIP;
        PBT_TRY(read_flag(tokenizer, value, "strip_left", where, true, &step.left, error));
        PBT_TRY(read_flag(tokenizer, value, "strip_right", where, true, &step.right, error));
    } else if (strcmp(type, "Prepend") == 0) {
        step.kind = PBT_STEP_PREPEND;
        PBT_TRY(pbt_json_string(value, "prepend", tokenizer->file, where, &text, error));
        PBT_TRY(copy_text(tokenizer, text, &step.text, &step.text_length, error));
    } else if (strcmp(type, "Replace") == 0) {
        step.kind = PBT_STEP_REPLACE;
        PBT_TRY(pbt_json_string(value, "content", tokenizer->file, where, &text, error));
        PBT_TRY(copy_text(tokenizer, text, &step.text, &step.text_length, error));
        PBT_TRY(read_pattern(tokenizer, value, where, &step.pattern, error));
    } else {
        return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, where,
                           "the normalizer \"%.80s\" is not known (known: NFC, NFD, NFKC, NFKD, Lowercase, "
                           "Strip, Prepend, Replace, Sequence)",
                           type);
    }
    return push_step(tokenizer, &step, error);
}

pbt_code pbt_step_read_normalizer(pbt_tokenizer *tokenizer, const json_t *value, pbt_error *error) {
    return read_sequence(tokenizer, value, "normalizer", "normalizers", 0, read_normalizer, error);
}

static pbt_code read_behavior(const pbt_tokenizer *tokenizer, const json_t *value, const char *where,
                              pbt_split_behavior *behavior, pbt_error *error) {
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
                                        "Contiguous"};
    const char *name;
    PBT_TRY(pbt_json_string(value, "behavior", tokenizer->file, where, &name, error));
    for (int i = 0; i < 5; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *behavior = (pbt_split_behavior)i;
        return PBT_OK;
    }
    return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, where,
                       "the split behavior \"%.80s\" is not known (known: Removed, Isolated, "
                       "MergedWithPrevious, MergedWithNext, Contiguous)",
                       name);
}

static pbt_code read_metaspace(pbt_tokenizer *tokenizer, const json_t *value, const char *where,
                               pbt_step *step, pbt_error *error) {
    const char *text;
    uint32_t character;
    bool split;
    step->kind = PBT_STEP_METASPACE;
    PBT_TRY(read_character(tokenizer, value, "replacement", where, &text, &character, error));
    PBT_TRY(copy_text(tokenizer, text, &step->text, &step->text_length, error));
    PBT_TRY(read_prepend_scheme(tokenizer, value, where, &step->prepend, error));
    PBT_TRY(read_flag(tokenizer, value, "split", where, true, &split, error));
    return split ? pbt_pattern_literal(step->text, step->text_length, &step->pattern, error) : PBT_OK;
}

static pbt_code read_pre_tokenizer(pbt_tokenizer *tokenizer, const json_t *value, const char *type,
                                   const char *where, pbt_error *error) {
    pbt_step step = {.behavior = PBT_SPLIT_ISOLATED};
    if (strcmp(type, "ByteLevel") == 0) {
        bool use_regex;
        step.kind = PBT_STEP_BYTE_LEVEL;
        PBT_TRY(read_flag(tokenizer, value, "add_prefix_space", where, true, &step.prefix_space, error));
        PBT_TRY(read_flag(tokenizer, value, "use_regex", where, true, &use_regex, error));
        if (use_regex)
            PBT_TRY(pbt_pattern_compile(PBT_GPT2_PATTERN, tokenizer->file, where, &step.pattern, error));
    } else if (strcmp(type, "Split") == 0) {
        step.kind = PBT_STEP_SPLIT;
        PBT_TRY(read_flag(tokenizer, value, "invert", where, false, &step.invert, error));
        PBT_TRY(read_behavior(tokenizer, value, where, &step.behavior, error));
        PBT_TRY(read_pattern(tokenizer, value, where, &step.pattern, error));
    } else if (strcmp(type, "Metaspace") == 0) {
        PBT_TRY(read_metaspace(tokenizer, value, where, &step, error));
    } else if (strcmp(type, "Digits") == 0) {
        step.kind = PBT_STEP_DIGITS;
        PBT_TRY(read_flag(tokenizer, value, "individual_digits", where, false, &step.individual, error));
    } else {
        return pbt_fail_at(error, PBT_BAD_INPUT, tokenizer->file, where,
                           "the pre-tokenizer \"%.80s\" is not known (known: ByteLevel, Split, Metaspace, "
                           "Digits, Sequence)",
                           type);
    }
    return push_step(tokenizer, &step, error);
}

pbt_code pbt_step_read_pre_tokenizer(pbt_tokenizer *tokenizer, const json_t *value, pbt_error *error) {
    return read_sequence(tokenizer, value, "pre_tokenizer", "pretokenizers", 0, read_pre_tokenizer, error);
}

static pbt_code read_decoder(pbt_tokenizer *tokenizer, const json_t *value, const char *type,
                             const char *where, pbt_error *error) {
    pbt_decoder decoder = {0};
    const char *text, *file = tokenizer->file;
    if (strcmp(type, "ByteLevel") == 0) {
        decoder.kind = PBT_DECODER_BYTE_LEVEL;
    } else if (strcmp(type, "ByteFallback") == 0) {
        decoder.kind = PBT_DECODER_BYTE_FALLBACK;
    } else if (strcmp(type, "Fuse") == 0) {
        decoder.kind = PBT_DECODER_FUSE;
    } else if (strcmp(type, "Strip") == 0) {
        int64_t start, stop;
        decoder.kind = PBT_DECODER_STRIP;
        PBT_TRY(read_character(tokenizer, value, "content", where, &text, &decoder.character, error));
        PBT_TRY(pbt_json_integer(value, "start", 0, 1 << 20, file, where, &start, error));
        PBT_TRY(pbt_json_integer(value, "stop", 0, 1 << 20, file, where, &stop, error));
        decoder.start = (size_t)start, decoder.stop = (size_t)stop;
    } else if (strcmp(type, "Metaspace") == 0) {
        decoder.kind = PBT_DECODER_METASPACE;
        PBT_TRY(read_character(tokenizer, value, "replacement", where, &text, &decoder.character, error));
        PBT_TRY(read_prepend_scheme(tokenizer, value, where, &decoder.prepend, error));
    } else if (strcmp(type, "Replace") == 0) {
        decoder.kind = PBT_DECODER_REPLACE;
        PBT_TRY(pbt_json_string(value, "content", file, where, &text, error));
        PBT_TRY(copy_text(tokenizer, text, &decoder.text, &decoder.text_length, error));
        PBT_TRY(read_pattern(tokenizer, value, where, &decoder.pattern, error));
    } else {
        return pbt_fail_at(error, PBT_BAD_INPUT, file, where,
                           "the decoder \"%.80s\" is not known (known: ByteLevel, ByteFallback, Fuse, Strip, "
                           "Metaspace, Replace, Sequence)",
                           type);
    }
    pbt_code code =
        pbt_grow(tokenizer->decoders, &tokenizer->decoders_capacity, tokenizer->n_decoders + 1, error);
    if (code == PBT_OK)
        tokenizer->decoders[tokenizer->n_decoders++] = decoder;
    else
        pbt_pattern_free(decoder.pattern);
    return code;
}

pbt_code pbt_decoder_read(pbt_tokenizer *tokenizer, const json_t *value, pbt_error *error) {
    tokenizer->has_decoder = value && !json_is_null(value);
    return read_sequence(tokenizer, value, "decoder", "decoders", 0, read_decoder, error);
}

pbt_code pbt_step_push(pbt_tokenizer *tokenizer, const pbt_step *step, pbt_error *error) {
    PBT_TRY(pbt_grow(tokenizer->steps, &tokenizer->steps_capacity, tokenizer->n_steps + 1, error));
    tokenizer->steps[tokenizer->n_steps++] = *step;
    return PBT_OK;
}
