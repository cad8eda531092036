/*
 * BPE: merges the characters of one word in the order of the merges' ranks, leftmost first, in n log n with a
 * heap. Follows tokenizers to the letter where it matters for equal ids: a candidate that has aged is still
 * taken when its pair now merges into the same id, at the candidate's old rank.
 */
#include "tokenizer/bpe.h"

#include "tokenizer/vocabulary.h"

#include <stdlib.h>

static bool sooner(struct pbt_candidate a, struct pbt_candidate b) {
    return a.rank != b.rank ? a.rank < b.rank : a.position < b.position;
}

static pbt_code push_candidate(const pbt_bpe *bpe, pbt_word *word, int32_t position, pbt_error *error) {
    const struct pbt_symbol *left = &word->symbols[position];
    if (left->next < 0) return PBT_OK;
    pbt_merge merge;
    if (!pbt_bpe_merge(bpe, left->id, word->symbols[left->next].id, &merge)) return PBT_OK;
    PBT_TRY(pbt_grow(word->heap, &word->heap_capacity, word->heap_count + 1, error));
    struct pbt_candidate fresh = {merge.rank, (uint32_t)position, merge.id};
    size_t at = word->heap_count++;
    for (; at && sooner(fresh, word->heap[(at - 1) / 2]); at = (at - 1) / 2)
        word->heap[at] = word->heap[(at - 1) / 2];
    word->heap[at] = fresh;
    return PBT_OK;
}

static struct pbt_candidate pop_candidate(pbt_word *word) {
    struct pbt_candidate top = word->heap[0], last = word->heap[--word->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= word->heap_count) break;
        if (child + 1 < word->heap_count && sooner(word->heap[child + 1], word->heap[child])) child++;
        if (!sooner(word->heap[child], last)) break;
        word->heap[at] = word->heap[child];
        at = child;
    }
    word->heap[at] = last;
    return top;
}

static pbt_code push_symbol(pbt_word *word, int32_t id, size_t length, pbt_error *error) {
    PBT_TRY(pbt_grow(word->symbols, &word->capacity, word->count + 1, error));
    int32_t at = (int32_t)word->count++;
    word->symbols[at] = (struct pbt_symbol){id, at - 1, -1, (uint32_t)length};
    if (at) word->symbols[at - 1].next = at;
    return PBT_OK;
}

/* The bytes of a character that is not in the vocabulary, as <0x..> tokens; *done says whether all exist. */
static pbt_code push_bytes(const pbt_bpe *bpe, pbt_word *word, const char *bytes, size_t length, bool *done,
                           pbt_error *error) {
    *done = false;
    for (size_t i = 0; i < length; i++)
        if (bpe->bytes[(unsigned char)bytes[i]] < 0) return PBT_OK;
    for (size_t i = 0; i < length; i++)
        PBT_TRY(push_symbol(word, bpe->bytes[(unsigned char)bytes[i]], 1, error));
    *done = true;
    return PBT_OK;
}

static pbt_code split_characters(const pbt_bpe *bpe, const char *piece, size_t length, pbt_word *word,
                                 pbt_error *error) {
    size_t unknown = 0; /* bytes of the unknown token that is waiting to be written; 0: none */
    for (size_t i = 0, size; i < length; i += size) {
        uint32_t character = pbt_utf8_decode(piece + i, length - i, &size);
        int32_t id = character < sizeof bpe->characters / sizeof *bpe->characters
                         ? bpe->characters[character]
                         : pbt_names_find(&bpe->names, piece + i, size);
        if (id >= 0) {
            if (unknown) PBT_TRY(push_symbol(word, bpe->unknown, unknown, error));
            unknown = 0;
            PBT_TRY(push_symbol(word, id, size, error));
            continue;
        }
        bool done = false;
        if (bpe->byte_fallback) PBT_TRY(push_bytes(bpe, word, piece + i, size, &done, error));
        if (done || bpe->unknown < 0) continue;
        if (unknown && !bpe->fuse_unknown) {
            PBT_TRY(push_symbol(word, bpe->unknown, unknown, error));
            unknown = 0;
        }
        unknown += size;
    }
    return unknown ? push_symbol(word, bpe->unknown, unknown, error) : PBT_OK;
}

/* Joins the symbol with its right neighbour. */
static void join(pbt_word *word, int32_t position, int32_t id) {
    struct pbt_symbol *left = &word->symbols[position], *right = &word->symbols[left->next];
    left->id = id;
    left->length += right->length;
    left->next = right->next;
    right->length = 0;
    if (left->next >= 0) word->symbols[left->next].previous = position;
}

pbt_code pbt_bpe_word(const pbt_bpe *bpe, const char *piece, size_t length, pbt_word *word,
                      pbt_error *error) {
    word->count = word->heap_count = 0;
    if (bpe->ignore_merges) {
        int32_t id = pbt_names_find(&bpe->names, piece, length);
        if (id >= 0) return push_symbol(word, id, length, error);
    }
    PBT_TRY(split_characters(bpe, piece, length, word, error));
    for (size_t i = 0; i + 1 < word->count; i++) PBT_TRY(push_candidate(bpe, word, (int32_t)i, error));
    while (word->heap_count) {
        struct pbt_candidate top = pop_candidate(word);
        const struct pbt_symbol *left = &word->symbols[top.position];
        if (!left->length || left->next < 0) continue;
        pbt_merge now;
        if (!pbt_bpe_merge(bpe, left->id, word->symbols[left->next].id, &now) || now.id != top.id) continue;
        join(word, (int32_t)top.position, top.id);
        if (left->previous >= 0) PBT_TRY(push_candidate(bpe, word, left->previous, error));
        PBT_TRY(push_candidate(bpe, word, (int32_t)top.position, error));
    }
    return PBT_OK;
}
