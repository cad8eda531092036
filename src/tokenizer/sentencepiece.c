/*
 * SentencePiece's BPE models (sentencepiece_model.proto), as Llama 2 and Mistral have one: pieces with
 * scores. Two neighbours merge when their text together is a piece, the highest score first, the leftmost
 * among equals; characters without a piece become bytes. Spaces are U+2581, one put in front of the text: by
 * SentencePiece's (and the configuration's "legacy": true) rule always, by "legacy": false only at its very
 * beginning and not where it has a space already.
 */
#include "tokenizer/sentencepiece.h"

#include "tokenizer/bpe_build.h"
#include "tokenizer/model_file.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4, UNUSED = 5, BYTE = 6 };
/* Normal pieces longer than this (SentencePiece itself stops at 16 characters) would make loading slow. */
enum { MODEL_BPE = 2, NORMAL_LIMIT = 256 };

/* A position in protobuf bytes. */
typedef struct reader {
    const unsigned char *at, *end;
    bool broken;
} reader;

typedef struct field {
    uint64_t number, varint;
    int wire;
    reader bytes; /* of length-delimited fields */
    float real;   /* of 32-bit fields */
} field;

static uint64_t read_varint(reader *r) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        unsigned char byte = *r->at++;
        value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128)) return value;
    }
    r->broken = true;
    return 0;
}

/* The next field, or false at the end and where the bytes are broken. */
static bool next_field(reader *r, field *f) {
    if (r->broken || r->at >= r->end) return false;
    uint64_t key = read_varint(r), size = 0;
    f->number = key >> 3;
    f->wire = (int)(key & 7);
    if (f->wire == 0) f->varint = read_varint(r);
    if (f->wire == 1) size = 8;
    if (f->wire == 2) size = read_varint(r);
    if (f->wire == 5) size = 4;
    if (r->broken || f->wire == 3 || f->wire == 4 || f->wire > 5 || size > (uint64_t)(r->end - r->at)) {
        r->broken = true;
        return false;
    }
    f->bytes = (reader){r->at, r->at + size, false};
    if (f->wire == 5) memcpy(&f->real, r->at, 4);
    r->at += size;
    return true;
}

typedef struct piece {
    const char *text;
    size_t length;
    float score;
    uint64_t type;
} piece;

typedef struct pbt_sentencepiece {
    pbt_tokenizer *tokenizer;
    float *scores; /* by id */
    uint64_t *types;
    size_t scores_capacity, types_capacity, count;
    uint64_t model_type;
    bool byte_fallback, suffix, dummy_prefix, remove_spaces, escape_spaces, charsmap;
    int32_t bos, eos;
} model;

static piece read_piece(reader *r) {
    piece p = {.text = "", .type = NORMAL};
    field f;
    while (next_field(r, &f)) {
        if (f.number == 1 && f.wire == 2) {
            p.text = (const char *)f.bytes.at;
            p.length = (size_t)(f.bytes.end - f.bytes.at);
        }
        if (f.number == 2 && f.wire == 5) p.score = f.real;
        if (f.number == 3 && f.wire == 0) p.type = f.varint;
    }
    return p;
}

static pbt_code add_piece(model *m, piece p, pbt_error *error) {
    pbt_tokenizer *t = m->tokenizer;
    size_t id = m->count;
    if (p.length == 0 || p.length > (p.type == NORMAL ? NORMAL_LIMIT : PBT_ADDED_LIMIT) ||
        memchr(p.text, 0, p.length) || !pbt_utf8_valid(p.text, p.length) || !(p.score == p.score))
        return pbt_fail_at(error, PBT_BAD_INPUT, t->file, NULL, "piece %zu is broken", id);
    if (p.type == UNUSED || p.type < NORMAL || p.type > BYTE)
        return pbt_fail_at(error, PBT_BAD_INPUT, t->file, NULL,
                           "piece %zu (\"%.*s\") is of the type %llu, which "
                           "is not supported",
                           id, (int)(p.length < 80 ? p.length : 80), p.text, (unsigned long long)p.type);
    if (id >= PBT_ID_LIMIT)
        return pbt_fail_at(error, PBT_BAD_INPUT, t->file, NULL, "more than %d pieces", PBT_ID_LIMIT);
    PBT_TRY(pbt_grow(m->scores, &m->scores_capacity, id + 1, error));
    PBT_TRY(pbt_grow(m->types, &m->types_capacity, id + 1, error));
    m->scores[id] = p.score;
    m->types[id] = p.type;
    PBT_TRY(pbt_tokenizer_set_piece(t, (int32_t)id, p.text, p.length, "pieces", error));
    if (pbt_names_find(&t->bpe.names, p.text, p.length) >= 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, t->file, NULL, "the piece \"%.80s\" is listed twice",
                           t->pieces[id]);
    m->count++;
    return pbt_names_put(&t->bpe.names, t->pieces[id], p.length, (int32_t)id, error);
}

static void read_trainer(model *m, reader *r) {
    field f;
    while (next_field(r, &f)) {
        if (f.wire != 0) continue;
        int32_t id = f.varint < PBT_ID_LIMIT ? (int32_t)f.varint : -1;
        if (f.number == 3) m->model_type = f.varint;
        if (f.number == 24) m->suffix = f.varint;
        if (f.number == 35) m->byte_fallback = f.varint;
        if (f.number == 41) m->bos = id;
        if (f.number == 42) m->eos = id;
    }
}

static void read_normalizer(model *m, reader *r) {
    field f;
    while (next_field(r, &f)) {
        if (f.number == 2 && f.wire == 2) m->charsmap = f.bytes.end > f.bytes.at;
        if (f.wire != 0) continue;
        if (f.number == 3) m->dummy_prefix = f.varint;
        if (f.number == 4) m->remove_spaces = f.varint;
        if (f.number == 5) m->escape_spaces = f.varint;
    }
}

static pbt_code read_model(model *m, reader r, pbt_error *error) {
    field f;
    while (next_field(&r, &f)) {
        if (f.wire != 2) continue;
        if (f.number == 1) {
            piece p = read_piece(&f.bytes);
            PBT_TRY(add_piece(m, f.bytes.broken ? (piece){.type = NORMAL} : p, error));
        }
        if (f.number == 2) read_trainer(m, &f.bytes);
        if (f.number == 3) read_normalizer(m, &f.bytes);
        r.broken = r.broken || f.bytes.broken;
    }
    const char *file = m->tokenizer->file;
    if (r.broken || !m->count)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, NULL,
                           "expected a SentencePiece model or tiktoken's vocabulary, found neither");
    if (m->model_type != MODEL_BPE)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, NULL,
                           "a SentencePiece model of the type %llu; only BPE (2) is supported",
                           (unsigned long long)m->model_type);
    if (m->charsmap || m->remove_spaces || m->suffix || !m->escape_spaces)
        return pbt_fail_at(error, PBT_BAD_INPUT, file, NULL, "the SentencePiece setting %s is not supported",
                           m->charsmap        ? "precompiled_charsmap"
                           : m->remove_spaces ? "remove_extra_whitespaces"
                           : m->suffix        ? "treat_whitespace_as_suffix"
                                              : "escape_whitespaces = false");
    return PBT_OK;
}

static pbt_code add_special_pieces(model *m, pbt_error *error) {
    pbt_tokenizer *t = m->tokenizer;
    for (size_t id = 0; id < m->count; id++) {
        uint64_t type = m->types[id];
        if (type != UNKNOWN && type != CONTROL && type != USER_DEFINED) continue;
        if (type == UNKNOWN) t->bpe.unknown = (int32_t)id;
        pbt_text copy = {0}; /* adding the token replaces the piece's string */
        pbt_text_append(&copy, t->pieces[id], t->lengths[id]);
        pbt_code code =
            pbt_model_add_special(t, (int32_t)id, pbt_text_string(&copy), type != USER_DEFINED, error);
        pbt_text_free(&copy);
        if (code != PBT_OK) return code;
    }
    return PBT_OK;
}

static pbt_code add_steps(const model *m, const json_t *config, size_t *n_normalizers, pbt_error *error) {
    static const char bytes[] =
        "\"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": "
        "{\"String\": \"\u2581\"}, \"content\": \" \"}, {\"type\": \"ByteFallback\"}, "
        "{\"type\": \"Fuse\"}";
    static const char replace[] =
        "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\u2581\"}";
    bool prefix = m->dummy_prefix && !json_is_false(json_object_get(config, "add_prefix_space"));
    bool legacy = !json_is_false(json_object_get(config, "legacy"));
    pbt_text text = {0};
    if (legacy)
        pbt_text_addf(&text, "{\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [%s%s]}, ",
                      prefix ? "{\"type\": \"Prepend\", \"prepend\": \"\u2581\"}, " : "", replace);
    else
        pbt_text_addf(&text,
                      "{\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"\u2581\", "
                      "\"prepend_scheme\": \"%s\", \"split\": false, \"add_prefix_space\": %s}, ",
                      prefix ? "first" : "never", prefix ? "true" : "false");
    pbt_text_addf(&text, "%s%s]}}", bytes,
                  prefix ? ", {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}" : "");
    pbt_code code = text.failed ? pbt_fail_memory(error, 0, "the tokenizer")
                                : pbt_model_steps(m->tokenizer, text.data, n_normalizers, error);
    pbt_text_free(&text);
    return code;
}

/* Only normal pieces merge. */
static void mark_unmerged(model *m) {
    for (size_t id = 0; id < m->count; id++)
        if (m->types[id] != NORMAL) m->scores[id] = -INFINITY;
}

static pbt_code build(model *m, const json_t *config, pbt_error *error) {
    pbt_tokenizer *t = m->tokenizer;
    size_t n_normalizers;
    t->bpe.byte_fallback = m->byte_fallback;
    t->bpe.fuse_unknown = true;
    t->n_model = (int32_t)m->count;
    mark_unmerged(m);
    PBT_TRY(pbt_bpe_merge_all(t, m->scores, error));
    PBT_TRY(add_special_pieces(m, error));
    pbt_bpe_index(&t->bpe);
    PBT_TRY(add_steps(m, config, &n_normalizers, error));
    PBT_TRY(pbt_model_add_configured(t, config, error));
    t->default_bos = m->bos >= 0 && (size_t)m->bos < m->count ? m->bos : -1;
    t->default_eos = m->eos >= 0 && (size_t)m->eos < m->count ? m->eos : -1;
    PBT_TRY(pbt_model_add_ends(t, config, t->default_bos, t->default_eos, error));
    t->n_normalizers = n_normalizers;
    return PBT_OK;
}

pbt_code pbt_tokenizer_load_sentencepiece(pbt_tokenizer *tokenizer, const char *path,
                                          const unsigned char *data, size_t length, const json_t *config,
                                          pbt_error *error) {
    model m = {.tokenizer = tokenizer,
               .model_type = 1,
               .dummy_prefix = true,
               .remove_spaces = true,
               .escape_spaces = true,
               .bos = 1,
               .eos = 2};
    (void)path;
    pbt_code code = read_model(&m, (reader){data, data + length, false}, error);
    if (code == PBT_OK) code = build(&m, config, error);
    free(m.scores);
    free(m.types);
    return code;
}

/* ---- pieces that come from elsewhere ---- */

pbt_code pbt_sentencepiece_begin(pbt_tokenizer *tokenizer, pbt_sentencepiece **pieces, pbt_error *error) {
    *pieces = pbt_alloc(1, sizeof **pieces);
    if (!*pieces) return pbt_fail_memory(error, sizeof **pieces, "a vocabulary");
    **pieces =
        (model){.tokenizer = tokenizer, .dummy_prefix = true, .byte_fallback = true, .bos = -1, .eos = -1};
    return PBT_OK;
}

pbt_code pbt_sentencepiece_add(pbt_sentencepiece *pieces, const char *text, size_t length, float score,
                               uint64_t type, pbt_error *error) {
    return add_piece(pieces, (piece){.text = text, .length = length, .score = score, .type = type}, error);
}

pbt_code pbt_sentencepiece_finish(pbt_sentencepiece *pieces, const json_t *config, int32_t bos, int32_t eos,
                                  pbt_error *error) {
    pieces->bos = bos;
    pieces->eos = eos;
    return build(pieces, config, error);
}

void pbt_sentencepiece_end(pbt_sentencepiece *pieces) {
    if (!pieces) return;
    free(pieces->scores);
    free(pieces->types);
    free(pieces);
}
