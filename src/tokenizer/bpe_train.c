/*
 * BPE training, as tokenizers' BpeTrainer does it: the pair with the highest count is merged, the smaller
 * pair of ids first among equals. Positions are kept per entry of the queue, and counts are corrected when an
 * entry comes up, as there; so the vocabulary and the merges are the same.
 */
#include "base/file.h"
#include "base/hash.h"
#include "tokenizer/characters.h"
#include "tokenizer/pattern.h"
#include "tokenizer/pieces.h"
#include "tokenizer/steps.h"
#include "tokenizer/vocabulary.h"

#include <stdlib.h>
#include <string.h>

typedef struct symbols {
    int32_t *ids;
    uint32_t count;
    int64_t times; /* how often the word stands in the corpus */
} symbols;

/* A pair of ids that stands in some words. */
typedef struct entry {
    uint64_t pair;
    int64_t count;
    uint32_t *words; /* ascending, each once; owned */
    size_t n_words, capacity;
} entry;

typedef struct pair_count {
    int64_t count;
    int32_t fresh; /* index into trainer.fresh, or -1 */
} pair_count;

typedef struct trainer {
    pbt_arena *arena;
    pbt_names names;
    const char **pieces; /* by id */
    size_t n_pieces, pieces_capacity;
    pbt_names word_ids;
    symbols *words;
    size_t n_words, words_capacity;
    pair_count *counts;
    size_t n_counts, counts_capacity;
    pbt_hash_table pairs; /* pbt_pair_of -> place in counts */
    entry *fresh;         /* pairs that gained words since the queue was last filled */
    size_t n_fresh, fresh_capacity;
    entry *heap;
    size_t n_heap, heap_capacity;
    uint64_t *merges;
    size_t n_merges, merges_capacity;
    pbt_error *error;
} trainer;

static pbt_code add_piece(trainer *t, const char *string, size_t length, int32_t *id) {
    *id = pbt_names_find(&t->names, string, length);
    if (*id >= 0) return PBT_OK;
    char *copy = pbt_arena_copy(t->arena, string, length);
    if (!copy) return pbt_fail_memory(t->error, length, "the vocabulary");
    PBT_TRY(pbt_grow(t->pieces, &t->pieces_capacity, t->n_pieces + 1, t->error));
    *id = (int32_t)t->n_pieces;
    t->pieces[t->n_pieces++] = copy;
    return pbt_names_put(&t->names, copy, length, *id, t->error);
}

/* ---- counts of pairs ---- */

/* NULL: the pair was never counted. */
static pair_count *count_of(const trainer *t, uint64_t pair) {
    const pbt_hash_slot *slot = pbt_hash_table_find(&t->pairs, pair);
    return slot ? &t->counts[slot->value] : NULL;
}

/* Changes a pair's count by `change` words' worth; a gain records that the pair stands in `word`. */
static pbt_code change_count(trainer *t, uint64_t pair, int direction, uint32_t word) {
    pair_count *slot = count_of(t, pair);
    if (!slot) {
        PBT_TRY(pbt_grow(t->counts, &t->counts_capacity, t->n_counts + 1, t->error));
        PBT_TRY(pbt_hash_table_add(&t->pairs, pair, t->n_counts, t->error));
        slot = &t->counts[t->n_counts++];
        *slot = (pair_count){.fresh = -1};
    }
    slot->count += direction * t->words[word].times;
    if (direction < 0) return PBT_OK;
    if (slot->fresh < 0) {
        PBT_TRY(pbt_grow(t->fresh, &t->fresh_capacity, t->n_fresh + 1, t->error));
        slot->fresh = (int32_t)t->n_fresh;
        t->fresh[t->n_fresh++] = (entry){.pair = pair};
    }
    entry *e = &t->fresh[slot->fresh];
    if (e->n_words && e->words[e->n_words - 1] == word) return PBT_OK;
    PBT_TRY(pbt_grow(e->words, &e->capacity, e->n_words + 1, t->error));
    e->words[e->n_words++] = word;
    return PBT_OK;
}

/* ---- the queue ---- */

static bool better(const entry *a, const entry *b) {
    return a->count != b->count ? a->count > b->count : a->pair < b->pair;
}

static pbt_code push_entry(trainer *t, entry e) {
    PBT_TRY(pbt_grow(t->heap, &t->heap_capacity, t->n_heap + 1, t->error));
    size_t at = t->n_heap++;
    for (; at && better(&e, &t->heap[(at - 1) / 2]); at = (at - 1) / 2) t->heap[at] = t->heap[(at - 1) / 2];
    t->heap[at] = e;
    return PBT_OK;
}

static entry pop_entry(trainer *t) {
    entry top = t->heap[0], last = t->heap[--t->n_heap];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= t->n_heap) break;
        if (child + 1 < t->n_heap && better(&t->heap[child + 1], &t->heap[child])) child++;
        if (!better(&t->heap[child], &last)) break;
        t->heap[at] = t->heap[child];
        at = child;
    }
    t->heap[at] = last;
    return top;
}

/* Moves the pairs that gained words into the queue; those that gained none in total are dropped. */
static pbt_code queue_fresh(trainer *t) {
    for (size_t i = 0; i < t->n_fresh; i++) {
        pair_count *slot = count_of(t, t->fresh[i].pair);
        slot->fresh = -1;
        t->fresh[i].count = slot->count;
        if (slot->count > 0)
            PBT_TRY(push_entry(t, t->fresh[i]));
        else
            free(t->fresh[i].words);
        t->fresh[i].words = NULL;
    }
    t->n_fresh = 0;
    return PBT_OK;
}

/* ---- words ---- */

static pbt_code add_word(trainer *t, const char *bytes, size_t length) {
    int32_t known = pbt_names_find(&t->word_ids, bytes, length);
    if (known >= 0) {
        t->words[known].times++;
        return PBT_OK;
    }
    char *copy = pbt_arena_copy(t->arena, bytes, length);
    symbols word = {.ids = pbt_arena_alloc(t->arena, length, sizeof(int32_t)), .times = 1};
    if (!copy || !word.ids) return pbt_fail_memory(t->error, length * 5, "the corpus");
    for (size_t i = 0, size; i < length; i += size) {
        pbt_utf8_decode(copy + i, length - i, &size);
        word.ids[word.count++] = pbt_names_find(&t->names, copy + i, size);
    }
    PBT_TRY(pbt_grow(t->words, &t->words_capacity, t->n_words + 1, t->error));
    PBT_TRY(pbt_names_put(&t->word_ids, copy, length, (int32_t)t->n_words, t->error));
    t->words[t->n_words++] = word;
    return PBT_OK;
}

/* Replaces the pair in a word, left to right, and corrects the counts of the pairs around it. */
static pbt_code merge_word(trainer *t, uint32_t index, int32_t left, int32_t right, int32_t id) {
    symbols *word = &t->words[index];
    uint32_t out = 0;
    for (uint32_t i = 0; i < word->count; i++) {
        if (word->ids[i] != left || i + 1 >= word->count || word->ids[i + 1] != right) {
            word->ids[out++] = word->ids[i];
            continue;
        }
        if (out) {
            PBT_TRY(change_count(t, pbt_pair_of(word->ids[out - 1], left), -1, index));
            PBT_TRY(change_count(t, pbt_pair_of(word->ids[out - 1], id), 1, index));
        }
        if (i + 2 < word->count) {
            PBT_TRY(change_count(t, pbt_pair_of(right, word->ids[i + 2]), -1, index));
            PBT_TRY(change_count(t, pbt_pair_of(id, word->ids[i + 2]), 1, index));
        }
        word->ids[out++] = id;
        i++;
    }
    word->count = out;
    return PBT_OK;
}

static pbt_code merge_pair(trainer *t, const entry *top) {
    int32_t left = (int32_t)(top->pair >> 32), right = (int32_t)(top->pair & UINT32_MAX), id;
    pbt_text joined = {0};
    pbt_text_add(&joined, t->pieces[left]);
    pbt_text_add(&joined, t->pieces[right]);
    pbt_code code = joined.failed ? pbt_fail_memory(t->error, joined.length, "a token")
                                  : add_piece(t, joined.data, joined.length, &id);
    pbt_text_free(&joined);
    if (code != PBT_OK) return code;
    PBT_TRY(pbt_grow(t->merges, &t->merges_capacity, t->n_merges + 1, t->error));
    t->merges[t->n_merges++] = top->pair;
    for (size_t i = 0; i < top->n_words; i++) PBT_TRY(merge_word(t, top->words[i], left, right, id));
    return queue_fresh(t);
}

static pbt_code learn(trainer *t, size_t vocab_size) {
    for (size_t w = 0; w < t->n_words; w++)
        for (uint32_t i = 0; i + 1 < t->words[w].count; i++)
            PBT_TRY(change_count(t, pbt_pair_of(t->words[w].ids[i], t->words[w].ids[i + 1]), 1, (uint32_t)w));
    PBT_TRY(queue_fresh(t));
    while (t->n_pieces < vocab_size && t->n_heap) {
        entry top = pop_entry(t);
        int64_t count = count_of(t, top.pair)->count;
        if (count < 1) {
            /* An entry is in the heap once, and its words are its own. */
            free(top.words); /* NOLINT(clang-analyzer-unix.Malloc) */
        } else if (top.count != count) {
            top.count = count;
            pbt_code code = push_entry(t, top);
            if (code != PBT_OK) free(top.words);
            PBT_TRY(code);
        } else {
            pbt_code code = merge_pair(t, &top);
            free(top.words); /* NOLINT(clang-analyzer-unix.Malloc) */
            PBT_TRY(code);
        }
    }
    return PBT_OK;
}

/* ---- the corpus ---- */

static pbt_code read_texts(trainer *t, const pbt_tokenizer *cutter, const char *const *texts, size_t n) {
    pbt_pieces pieces = {0}, other = {0};
    pbt_search search = {0};
    pbt_text clean = {0};
    pbt_code code = PBT_OK;
    for (size_t i = 0; i < n; i++) {
        pbt_pieces_clear(&pieces);
        pbt_text_clear(&clean);
        pbt_text_append_lossy(&clean, texts[i], strlen(texts[i]));
        if (clean.failed) {
            code = pbt_fail_memory(t->error, strlen(texts[i]), "the corpus");
            break;
        }
        PBT_GOTO(pbt_pieces_write(&pieces, pbt_text_string(&clean), clean.length, 0, 0, t->error));
        PBT_GOTO(pbt_pieces_close(&pieces, 0, -1, t->error));
        PBT_GOTO(pbt_steps_run(cutter, 0, cutter->n_steps, &pieces, &other, &search, t->error));
        for (size_t k = 0; k < pieces.count; k++)
            PBT_GOTO(add_word(t, pieces.bytes + pieces.items[k].start, pieces.items[k].length));
    }
done:
    pbt_pieces_free(&pieces);
    pbt_pieces_free(&other);
    pbt_search_free(&search);
    pbt_text_free(&clean);
    return code;
}

static pbt_code add_alphabet(trainer *t, const char *const *specials, size_t n_specials) {
    int32_t id;
    for (size_t i = 0; i < n_specials; i++) PBT_TRY(add_piece(t, specials[i], strlen(specials[i]), &id));
    for (uint32_t c = 0; c < 0x250; c++) { /* in the order of code points */
        char utf8[4];
        if (pbt_character_byte(c) >= 0) PBT_TRY(add_piece(t, utf8, pbt_utf8_encode(c, utf8), &id));
    }
    return PBT_OK;
}

/* ---- tokenizer.json ---- */

static json_t *added_token(const trainer *t, const char *content) {
    return json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id",
                     (int)pbt_names_find(&t->names, content, strlen(content)), "content", content,
                     "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1);
}

static json_t *byte_level(bool add_prefix_space) {
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", (int)add_prefix_space,
                     "trim_offsets", 1, "use_regex", 1);
}

static json_t *model_value(const trainer *t) {
    json_t *vocabulary = json_object(), *merges = json_array();
    for (size_t i = 0; i < t->n_pieces; i++)
        json_object_set_new(vocabulary, t->pieces[i], json_integer((json_int_t)i));
    for (size_t i = 0; i < t->n_merges; i++)
        json_array_append_new(
            merges, json_pack("[s, s]", t->pieces[t->merges[i] >> 32], t->pieces[t->merges[i] & UINT32_MAX]));
    return json_pack("{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:o, s:o}", "type", "BPE", "dropout",
                     "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0,
                     "byte_fallback", 0, "ignore_merges", 0, "vocab", vocabulary, "merges", merges);
}

static pbt_code write_json(const trainer *t, bool add_prefix_space, const char *const *specials,
                           size_t n_specials, const char *folder, pbt_error *error) {
    json_t *added = json_array();
    for (size_t i = 0; i < n_specials; i++) {
        json_t *token = added_token(t, specials[i]);
        if (token && json_integer_value(json_object_get(token, "id")) == (json_int_t)json_array_size(added))
            json_array_append_new(added, token);
        else
            json_decref(token); /* a special that was given twice */
    }
    json_t *root =
        json_pack("{s:s, s:n, s:n, s:o, s:n, s:o, s:n, s:o, s:o}", "version", "1.0", "truncation", "padding",
                  "added_tokens", added, "normalizer", "pre_tokenizer", byte_level(add_prefix_space),
                  "post_processor", "decoder", byte_level(true), "model", model_value(t));
    if (!root) return pbt_fail_memory(error, t->n_pieces, "tokenizer.json");
    char *path = pbt_path_join(folder, "tokenizer.json");
    pbt_code code = path ? pbt_folder_make(folder, error) : pbt_fail_memory(error, strlen(folder), "a path");
    if (code == PBT_OK) code = pbt_json_write(path, root, 2, error);
    free(path);
    json_decref(root);
    return code;
}

static void release(trainer *t) {
    for (size_t i = 0; i < t->n_fresh; i++) free(t->fresh[i].words);
    for (size_t i = 0; i < t->n_heap; i++) free(t->heap[i].words);
    pbt_names_free(&t->names);
    pbt_names_free(&t->word_ids);
    pbt_hash_table_free(&t->pairs);
    free(t->pieces);
    free(t->words);
    free(t->counts);
    free(t->fresh);
    free(t->heap);
    free(t->merges);
    pbt_arena_free(t->arena);
}

static pbt_code check_request(int32_t vocab_size, const char *const *specials, size_t n_specials,
                              pbt_error *error) {
    for (size_t i = 0; i < n_specials; i++)
        if (!specials[i][0] || !pbt_utf8_valid(specials[i], strlen(specials[i])))
            return pbt_fail(error, PBT_USAGE, "special token %zu is empty or not UTF-8", i);
    if (vocab_size < 256 || (size_t)vocab_size - 256 < n_specials)
        return pbt_fail(error, PBT_USAGE,
                        "a vocabulary of %d entries has no room for the 256 bytes and %zu special tokens",
                        vocab_size, n_specials);
    return PBT_OK;
}

pbt_code pbt_bpe_train(const char *const *texts, size_t n_texts, int32_t vocab_size, bool add_prefix_space,
                       const char *const *specials, size_t n_specials, const char *folder, pbt_error *error) {
    PBT_TRY(check_request(vocab_size, specials, n_specials, error));
    trainer t = {.arena = pbt_arena_create(), .error = error};
    pbt_step cut = {
        .kind = PBT_STEP_BYTE_LEVEL, .behavior = PBT_SPLIT_ISOLATED, .prefix_space = add_prefix_space};
    pbt_tokenizer cutter = {.steps = &cut, .n_steps = 1};
    pbt_code code = t.arena ? PBT_OK : pbt_fail_memory(error, 0, "the trainer");
    if (code == PBT_OK) code = pbt_pattern_compile(PBT_GPT2_PATTERN, NULL, NULL, &cut.pattern, error);
    if (code == PBT_OK) code = add_alphabet(&t, specials, n_specials);
    if (code == PBT_OK) code = read_texts(&t, &cutter, texts, n_texts);
    if (code == PBT_OK) code = learn(&t, (size_t)vocab_size);
    if (code == PBT_OK) code = write_json(&t, add_prefix_space, specials, n_specials, folder, error);
    pbt_pattern_free(cut.pattern);
    release(&t);
    return code;
}
