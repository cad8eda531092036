/*
 * What the files of the tokenizer share. A tokenizer is a pipeline: the text becomes one piece; steps rewrite
 * pieces or cut them (added tokens, normalizers, pre-tokenizers); every piece left is merged into ids (BPE);
 * the post-processor puts ids around them. Decoding runs the list of ids through the decoders.
 */
#ifndef PBT_TOKENIZER_PIPELINE_H
#define PBT_TOKENIZER_PIPELINE_H

#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "tokenizer/tokenizer.h"

/* Texts longer than this, before or after normalization, are refused: positions are kept in 32 bits. */
#define PBT_TEXT_LIMIT ((size_t)1 << 30)

/* Ids are below this; longer added tokens are no tokens, and the bound keeps hostile searches linear. */
enum { PBT_ID_LIMIT = 1 << 24, PBT_ADDED_LIMIT = 4096 };

/* ---- strings to ids ---- */

/* Strings and the numbers >= 0 that they stand for. */
typedef struct pbt_names {
    struct pbt_name {
        const char *string;
        uint32_t length;
        int32_t id;
    } * items;
    size_t count, capacity;
    pbt_hash_table table; /* of places in items */
} pbt_names;

/* ---- the BPE model ---- */

typedef struct pbt_merge {
    uint32_t rank;
    int32_t id; /* of the merged token */
} pbt_merge;

typedef struct pbt_bpe {
    pbt_names names;           /* the model's vocabulary, without added tokens */
    pbt_hash_table merges;     /* pbt_pair_of -> rank << 32 | id of the merged token */
    int32_t characters[0x250]; /* ids of one-character tokens, -1 where none: spares the hash */
    int32_t bytes[256];        /* ids of <0x00>..<0xFF> */
    int32_t unknown;           /* -1: unknown characters are left out */
    bool byte_fallback, fuse_unknown, ignore_merges;
} pbt_bpe;

/* What merging one word needs; kept from word to word. */
typedef struct pbt_word {
    struct pbt_symbol {
        int32_t id;
        int32_t previous, next; /* -1: none */
        uint32_t length;        /* bytes of the piece; 0: merged away */
    } * symbols;
    size_t count, capacity;
    struct pbt_candidate {
        uint32_t rank, position;
        int32_t id;
    } * heap;
    size_t heap_count, heap_capacity;
} pbt_word;

/* ---- pieces ---- */

typedef struct pbt_piece {
    uint32_t start, length; /* in pbt_pieces.bytes */
    int32_t id;             /* of an added token, or -1: text */
} pbt_piece;

/* A text cut into pieces, and where in the input every byte came from: input bytes from[i] .. to[i]-1. */
typedef struct pbt_pieces {
    char *bytes;
    uint32_t *from, *to;
    size_t length, bytes_capacity, from_capacity, to_capacity;
    pbt_piece *items;
    size_t count, items_capacity;
} pbt_pieces;

/* ---- patterns ---- */

typedef struct pbt_pattern pbt_pattern;

/* The state of one search through one subject. */
typedef struct pbt_search {
    const pbt_pattern *pattern;
    const char *subject;
    size_t length, next;
    size_t start, end; /* of the match found last */
    size_t last_end;   /* SIZE_MAX: no match yet */
    void *match;       /* PCRE2's match data; owned */
} pbt_search;

/* ---- added tokens ---- */

typedef struct pbt_added {
    const char *content;    /* as written in tokenizer.json */
    const char *normalized; /* what is looked for, and what is decoded */
    uint32_t normalized_length;
    int32_t id;
    bool special; /* it, or an entry for it before: once special, always special */
    bool said_special, left_strip, right_strip, single_word, is_normalized;
} pbt_added;

/* A trie over the contents of one set of added tokens. */
typedef struct pbt_byte_trie {
    struct pbt_byte_trie_node {
        int32_t first_child, next_sibling;
        int32_t added; /* index of the token that ends here, or -1 */
        unsigned char byte;
    } * nodes;
    size_t count, capacity;
    int32_t roots[256];
    bool built;
} pbt_byte_trie;

/* ---- steps ---- */

typedef enum pbt_step_kind {
    PBT_STEP_ADDED, /* cut out added tokens */
    PBT_STEP_UNICODE,
    PBT_STEP_LOWERCASE,
    PBT_STEP_STRIP,
    PBT_STEP_PREPEND,
    PBT_STEP_REPLACE,
    PBT_STEP_SPLIT,
    PBT_STEP_BYTE_LEVEL,
    PBT_STEP_METASPACE,
    PBT_STEP_DIGITS
} pbt_step_kind;

typedef enum pbt_split_behavior {
    PBT_SPLIT_REMOVED,
    PBT_SPLIT_ISOLATED,
    PBT_SPLIT_MERGED_WITH_PREVIOUS,
    PBT_SPLIT_MERGED_WITH_NEXT,
    PBT_SPLIT_CONTIGUOUS
} pbt_split_behavior;

typedef enum pbt_prepend { PBT_PREPEND_ALWAYS, PBT_PREPEND_FIRST, PBT_PREPEND_NEVER } pbt_prepend;

typedef struct pbt_step {
    pbt_step_kind kind;
    pbt_pattern *pattern; /* replace, split, byte level with use_regex, metaspace with split */
    const char *text;     /* prepend, replace, metaspace: what is put in */
    size_t text_length;
    pbt_split_behavior behavior;
    pbt_prepend prepend; /* metaspace */
    bool invert;         /* split */
    bool prefix_space;   /* byte level */
    bool left, right;    /* strip */
    bool individual;     /* digits */
    bool compose, compatible;
    const pbt_byte_trie *trie; /* added */
} pbt_step;

typedef enum pbt_decoder_kind {
    PBT_DECODER_BYTE_LEVEL,
    PBT_DECODER_REPLACE,
    PBT_DECODER_BYTE_FALLBACK,
    PBT_DECODER_FUSE,
    PBT_DECODER_STRIP,
    PBT_DECODER_METASPACE
} pbt_decoder_kind;

typedef struct pbt_decoder {
    pbt_decoder_kind kind;
    pbt_pattern *pattern;
    const char *text;
    size_t text_length;
    uint32_t character;
    size_t start, stop;
    pbt_prepend prepend;
} pbt_decoder;

struct pbt_tokenizer {
    pbt_arena *arena;
    pbt_bpe bpe;
    const char **pieces; /* by id; NULL where the id is not used */
    uint32_t *lengths;
    size_t size, pieces_capacity, lengths_capacity;
    pbt_added *added;
    size_t n_added, added_capacity;
    int32_t *added_of; /* by id: index into added, or -1 */
    pbt_byte_trie raw, normalized;
    pbt_step *steps;
    size_t n_steps, steps_capacity;
    size_t n_normalizers; /* of the steps, the first ones */
    pbt_decoder *decoders;
    size_t n_decoders, decoders_capacity;
    bool has_decoder;
    bool trim_offsets;         /* offsets do not count the spaces at a token's ends */
    bool keeps_prefix_space;   /* but for the one that is put before every text */
    bool split_special_tokens; /* text that spells a special token is text */
    pbt_ids before, after;     /* what the post-processor adds */
    const char *file;          /* what the steps were read from */
    int32_t bos, eos;
    int32_t n_model;                  /* ids of the model itself, read from tokenizer.model */
    int32_t default_bos, default_eos; /* what tokenizer.model says where the configuration does not; or -1 */
    struct pbt_named_special {
        const char *name, *content;
    } specials[16];
    size_t n_specials;
};

/* ---- the tokenizer while it is read ---- */

/* Gives the id its vocabulary string (copied). PBT_BAD_INPUT when another string has that id. */
pbt_code pbt_tokenizer_set_piece(pbt_tokenizer *tokenizer, int32_t id, const char *string, size_t length,
                                 const char *where, pbt_error *error);
/* `added` but for its copied strings; is_normalized forms are made by pbt_tokenizer_finish. */
pbt_code pbt_tokenizer_add_token(pbt_tokenizer *tokenizer, const pbt_added *added, pbt_error *error);
/* After all tokens and steps are there: builds the tries and puts the steps that cut added tokens in their
 * places.
 */
pbt_code pbt_tokenizer_finish(pbt_tokenizer *tokenizer, pbt_error *error);

/* ---- characters ---- */

#define PBT_GPT2_PATTERN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

#endif
