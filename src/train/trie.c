/*
 * Building token tries: sequences are put in the order of their tokens, so that each one's longest common
 * prefix with all that stand before it is the one with its neighbour, and what remains becomes a segment that
 * branches off the neighbour's path.
 */
#include "train/trie.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* The segments from the root to the last token of the sequence added last, root first. */
typedef struct path_step {
    int32_t segment;
    int32_t end; /* depth (tokens from the root) at which the path leaves this segment */
} path_step;

typedef struct trie_builder {
    const pbt_sequence *sequences;
    int32_t n;
    int32_t *order; /* [n] sequences by their tokens */
    int32_t *rows;  /* [n] tokens of each that need a row: all before its last target */
    path_step *path;
    int32_t path_length;
    pbt_segment *segments;
    pbt_span *spans;
    int32_t n_segments;
    pbt_trie *trie;
} trie_builder;

/* Tokens behind the last target predict nothing, and the last target itself is only predicted. */
static int32_t rows_needed(const pbt_sequence *sequence) {
    for (int32_t i = sequence->length - 1; i >= 1; i--)
        if (sequence->mask[i]) return i;
    return 0;
}

static int32_t common_prefix(const int32_t *a, int32_t na, const int32_t *b, int32_t nb) {
    int32_t n = na < nb ? na : nb, i = 0;
    while (i < n && a[i] == b[i]) i++;
    return i;
}

static int by_tokens(const void *pa, const void *pb, void *context) {
    const trie_builder *builder = context;
    int32_t a = *(const int32_t *)pa, b = *(const int32_t *)pb;
    const int32_t *ia = builder->sequences[a].ids, *ib = builder->sequences[b].ids;
    int32_t na = builder->rows[a], nb = builder->rows[b], i = common_prefix(ia, na, ib, nb);
    if (i < na && i < nb) return ia[i] < ib[i] ? -1 : 1;
    if (na != nb) return na < nb ? -1 : 1;
    return a < b ? -1 : a > b;
}

static uint64_t path_hash(uint64_t before, int32_t token) {
    uint64_t word[2] = {before, (uint64_t)(uint32_t)token};
    return pbt_hash(word, sizeof word, 0);
}

/* Appends the segment of tokens [from, to) of a sequence that branches off the current path at depth `from`.
 */
static void add_segment(trie_builder *builder, const int32_t *ids, int32_t from, int32_t to) {
    pbt_trie *trie = builder->trie;
    while (builder->path_length > 0) {
        path_step *last = &builder->path[builder->path_length - 1];
        const pbt_segment *segment = &builder->segments[last->segment];
        if (segment->position < from) {
            if (last->end > from) last->end = from;
            break;
        }
        builder->path_length--;
    }
    int32_t parent = builder->path_length > 0 ? builder->path[builder->path_length - 1].segment : -1;
    int32_t row = trie->layout.n_rows, index = builder->n_segments++;
    uint64_t hash = 0;
    pbt_segment segment = {.parent = parent, .kv_row = row, .length = to - from, .position = from};
    if (parent >= 0) {
        segment.parent_rows = from - builder->segments[parent].position;
        hash = trie->row_ids[builder->segments[parent].kv_row + segment.parent_rows - 1];
    }
    builder->segments[index] = segment;
    builder->spans[index] = (pbt_span){.segment = index, .first = 0, .row = row, .length = to - from};
    builder->path[builder->path_length++] = (path_step){index, to};
    for (int32_t i = from; i < to; i++, row++) {
        trie->tokens[row] = ids[i];
        trie->positions[row] = i;
        trie->row_ids[row] = hash = path_hash(hash, ids[i]);
    }
    trie->layout.n_rows = row;
}

/* Appends the targets of a sequence whose path is the builder's current one. */
static void add_targets(trie_builder *builder, int32_t sequence) {
    const pbt_sequence *s = &builder->sequences[sequence];
    pbt_trie *trie = builder->trie;
    int32_t step = 0;
    for (int32_t i = 1; i < s->length; i++) {
        if (!s->mask[i]) continue;
        while (builder->path[step].end <= i - 1) step++;
        const pbt_segment *segment = &builder->segments[builder->path[step].segment];
        trie->target_row[trie->n_targets] = segment->kv_row + (i - 1 - segment->position);
        trie->target[trie->n_targets] = s->ids[i];
        trie->target_sequence[trie->n_targets++] = sequence;
    }
}

/* Sorts the targets by row, keeping the order within a row: counting, as rows are few and dense. */
static pbt_code sort_targets(pbt_trie *trie, pbt_error *error) {
    size_t rows = (size_t)trie->layout.n_rows, n = (size_t)trie->n_targets;
    int32_t *start = pbt_alloc(rows + 1, sizeof *start), *sorted = pbt_alloc(3 * n + 1, sizeof *sorted);
    if (!start || !sorted) {
        free(start);
        free(sorted);
        return pbt_fail_memory(error, (rows + 1 + 3 * n) * sizeof *start, "a batch's targets");
    }
    for (size_t i = 0; i < n; i++) start[trie->target_row[i] + 1]++;
    for (size_t r = 0; r < rows; r++) start[r + 1] += start[r];
    for (size_t i = 0; i < n; i++) {
        size_t at = (size_t)start[trie->target_row[i]]++;
        sorted[at] = trie->target_row[i];
        sorted[n + at] = trie->target[i];
        sorted[2 * n + at] = trie->target_sequence[i];
    }
    memcpy(trie->target_row, sorted, n * sizeof *sorted);
    memcpy(trie->target, sorted + n, n * sizeof *sorted);
    memcpy(trie->target_sequence, sorted + 2 * n, n * sizeof *sorted);
    free(start);
    free(sorted);
    return PBT_OK;
}

static pbt_code check_and_count(const pbt_sequence *sequences, int32_t n, int32_t *rows, size_t *total_rows,
                                size_t *total_targets, int64_t *total_tokens, pbt_error *error) {
    for (int32_t s = 0; s < n; s++) {
        const pbt_sequence *sequence = &sequences[s];
        if (sequence->length < 0 || (sequence->length > 0 && sequence->mask[0]))
            return pbt_fail(error, PBT_USAGE,
                            "sequence %d of a batch has a loss on its first token, which nothing predicts",
                            s);
        rows[s] = rows_needed(sequence);
        *total_rows += (size_t)rows[s];
        *total_tokens += sequence->length;
        for (int32_t i = 0; i < sequence->length; i++) *total_targets += sequence->mask[i] != 0;
    }
    if (*total_rows > INT32_MAX / 2 || *total_targets > INT32_MAX / 4)
        return pbt_fail(error, PBT_USAGE, "a batch of %zu tokens is more than one pass can hold (%d)",
                        *total_rows, INT32_MAX / 2);
    return PBT_OK;
}

static pbt_code allocate(trie_builder *builder, size_t rows, size_t targets, pbt_error *error) {
    pbt_trie *trie = builder->trie;
    size_t n = (size_t)builder->n;
    trie->tokens = pbt_alloc(rows + 1, sizeof *trie->tokens);
    trie->positions = pbt_alloc(rows + 1, sizeof *trie->positions);
    trie->row_ids = pbt_alloc(rows + 1, sizeof *trie->row_ids);
    trie->target_row = pbt_alloc(targets + 1, sizeof *trie->target_row);
    trie->target = pbt_alloc(targets + 1, sizeof *trie->target);
    trie->target_sequence = pbt_alloc(targets + 1, sizeof *trie->target_sequence);
    builder->path = pbt_alloc(n + 1, sizeof *builder->path);
    trie->layout.segments = builder->segments = pbt_alloc(n + 1, sizeof *builder->segments);
    trie->layout.spans = builder->spans = pbt_alloc(n + 1, sizeof *builder->spans);
    if (trie->tokens && trie->positions && trie->row_ids && trie->target_row && trie->target &&
        trie->target_sequence && builder->path && builder->segments && builder->spans)
        return PBT_OK;
    return pbt_fail_memory(error, rows * 16 + targets * 12, "a batch's token trie");
}

static void add_sequences(trie_builder *builder, bool share) {
    for (int32_t i = 0; i < builder->n; i++) {
        int32_t s = builder->order[i], shared = 0;
        const pbt_sequence *sequence = &builder->sequences[s];
        if (share && i > 0) {
            int32_t before = builder->order[i - 1];
            shared = common_prefix(builder->sequences[before].ids, builder->rows[before], sequence->ids,
                                   builder->rows[s]);
        }
        if (shared < builder->rows[s]) add_segment(builder, sequence->ids, shared, builder->rows[s]);
        add_targets(builder, s);
    }
}

pbt_code pbt_trie_build(const pbt_sequence *sequences, int32_t n, bool share, pbt_trie *trie,
                        pbt_error *error) {
    memset(trie, 0, sizeof *trie);
    trie_builder builder = {.sequences = sequences, .n = n, .trie = trie};
    size_t rows = 0, targets = 0;
    pbt_code code;
    builder.order = pbt_alloc((size_t)n + 1, sizeof *builder.order);
    builder.rows = pbt_alloc((size_t)n + 1, sizeof *builder.rows);
    if (!builder.order || !builder.rows) {
        code = pbt_fail_memory(error, (size_t)n * 8, "a batch's token trie");
        goto done;
    }
    PBT_GOTO(check_and_count(sequences, n, builder.rows, &rows, &targets, &trie->n_tokens, error));
    PBT_GOTO(allocate(&builder, rows, targets, error));
    for (int32_t i = 0; i < n; i++) builder.order[i] = i;
    if (share) qsort_r(builder.order, (size_t)n, sizeof *builder.order, by_tokens, &builder);
    add_sequences(&builder, share);
    trie->n_sequences = n;
    trie->layout.n_segments = trie->layout.n_spans = builder.n_segments;
    PBT_GOTO(sort_targets(trie, error));
done:
    free(builder.order);
    free(builder.rows);
    free(builder.path);
    if (code != PBT_OK) pbt_trie_free(trie);
    return code;
}

void pbt_trie_free(pbt_trie *trie) {
    free(trie->tokens);
    free(trie->positions);
    free(trie->row_ids);
    free((void *)trie->layout.segments);
    free((void *)trie->layout.spans);
    free(trie->target_row);
    free(trie->target);
    free(trie->target_sequence);
    memset(trie, 0, sizeof *trie);
}
