/*
 * Merges from a vocabulary alone, as tiktoken and SentencePiece have it: what may be joined is what is a
 * token.
 */
#include "tokenizer/bpe_build.h"

#include "tokenizer/vocabulary.h"

#include <math.h>
#include <stdlib.h>

typedef struct scored {
    int32_t id;
    float score;
} scored;

static int by_score(const void *a, const void *b) {
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Ranks of all ids: 0 for the highest score, the same for equal ones. */
static pbt_code rank_scores(size_t n, const float *scores, uint32_t *ranks, pbt_error *error) {
    scored *order = pbt_alloc(n + 1, sizeof *order);
    if (!order) return pbt_fail_memory(error, n * sizeof *order, "the vocabulary");
    for (size_t i = 0; i < n; i++) order[i] = (scored){(int32_t)i, scores[i]};
    qsort(order, n, sizeof *order, by_score);
    uint32_t rank = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && order[i].score != order[i - 1].score) rank = (uint32_t)i;
        ranks[order[i].id] = rank;
    }
    free(order);
    return PBT_OK;
}

static bool takes_part(const float *scores, int32_t id) {
    return id >= 0 && (!scores || scores[id] != -INFINITY);
}

/* Counts the ways to cut a token into two (`add` false) or adds them as merges. */
static size_t cut(pbt_tokenizer *tokenizer, int32_t id, const float *scores, const uint32_t *ranks,
                  bool add) {
    const char *text = tokenizer->pieces[id];
    size_t length = tokenizer->lengths[id], n = 0;
    pbt_bpe *bpe = &tokenizer->bpe;
    for (size_t at = 1; at < length; at++) {
        if (((unsigned char)text[at] & 0xC0) == 0x80) continue;
        int32_t left = pbt_names_find(&bpe->names, text, at);
        if (!takes_part(scores, left)) continue;
        int32_t right = pbt_names_find(&bpe->names, text + at, length - at);
        if (!takes_part(scores, right)) continue;
        n++;
        if (add) pbt_bpe_add_merge(bpe, left, right, ranks ? ranks[id] : (uint32_t)id, id);
    }
    return n;
}

pbt_code pbt_bpe_merge_all(pbt_tokenizer *tokenizer, const float *scores, pbt_error *error) {
    size_t n = tokenizer->size, merges = 0;
    uint32_t *ranks = scores ? pbt_alloc(n + 1, sizeof *ranks) : NULL;
    if (scores && !ranks) return pbt_fail_memory(error, n * sizeof *ranks, "the vocabulary");
    pbt_code code = scores ? rank_scores(n, scores, ranks, error) : PBT_OK;
    for (int add = 0; add < 2 && code == PBT_OK; add++) {
        if (add) code = pbt_bpe_prepare(&tokenizer->bpe, merges, error);
        for (size_t id = 0; id < n && code == PBT_OK; id++)
            if (tokenizer->pieces[id] && takes_part(scores, (int32_t)id))
                merges += cut(tokenizer, (int32_t)id, scores, ranks, add);
    }
    free(ranks);
    return code;
}
