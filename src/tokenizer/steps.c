/*
 * Steps: the normalizers and pre-tokenizers of tokenizer.json at work on pieces. Unicode normalization stands
 * in normalize.c, the cutting out of added tokens in added.c.
 */
#include "tokenizer/steps.h"

#include "tokenizer/added.h"
#include "tokenizer/characters.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pattern.h"
#include "tokenizer/pieces.h"

#include <string.h>

/* Where in the input a piece begins. */
static uint32_t origin(const pbt_pieces *pieces, const pbt_piece *piece) {
    return piece->length ? pieces->from[piece->start] : 0;
}

static pbt_code keep(const pbt_pieces *in, const pbt_piece *piece, pbt_pieces *out, pbt_error *error) {
    size_t start = out->length;
    PBT_TRY(pbt_pieces_copy(out, in, piece->start, piece->length, error));
    return pbt_pieces_close(out, start, piece->id, error);
}

static bool starts_with(const pbt_pieces *pieces, const pbt_piece *piece, const char *text, size_t length) {
    return piece->length >= length && memcmp(pieces->bytes + piece->start, text, length) == 0;
}

/* Copies a piece with the pattern's matches replaced. */
static pbt_code copy_replaced(const pbt_step *step, const pbt_pieces *in, const pbt_piece *piece,
                              pbt_pieces *out, pbt_search *search, pbt_error *error) {
    PBT_TRY(pbt_search_begin(search, step->pattern, in->bytes + piece->start, piece->length, error));
    size_t done = 0;
    for (;;) {
        bool found;
        PBT_TRY(pbt_search_next(search, &found, error));
        if (!found) break;
        PBT_TRY(pbt_pieces_copy(out, in, piece->start + done, search->start - done, error));
        size_t first = piece->start + search->start, last = piece->start + search->end;
        uint32_t from = search->start < piece->length ? in->from[first] : in->to[first - 1];
        uint32_t to = last > first ? in->to[last - 1] : from;
        PBT_TRY(pbt_pieces_write(out, step->text, step->text_length, from, to, error));
        done = search->end;
    }
    return pbt_pieces_copy(out, in, piece->start + done, piece->length - done, error);
}

static pbt_code run_replace(const pbt_step *step, const pbt_pieces *in, pbt_pieces *out, pbt_search *search,
                            pbt_error *error) {
    for (size_t i = 0; i < in->count; i++) {
        const pbt_piece *piece = &in->items[i];
        size_t start = out->length;
        if (piece->id >= 0) {
            PBT_TRY(keep(in, piece, out, error));
            continue;
        }
        PBT_TRY(copy_replaced(step, in, piece, out, search, error));
        PBT_TRY(pbt_pieces_close(out, start, -1, error));
    }
    return PBT_OK;
}

static pbt_code run_prepend(const pbt_step *step, const pbt_pieces *in, pbt_pieces *out, pbt_error *error) {
    for (size_t i = 0; i < in->count; i++) {
        const pbt_piece *piece = &in->items[i];
        size_t start = out->length;
        if (piece->id < 0 && piece->length) {
            uint32_t at = origin(in, piece);
            PBT_TRY(pbt_pieces_write(out, step->text, step->text_length, at, at, error));
        }
        PBT_TRY(pbt_pieces_copy(out, in, piece->start, piece->length, error));
        PBT_TRY(pbt_pieces_close(out, start, piece->id, error));
    }
    return PBT_OK;
}

static pbt_code run_strip(const pbt_step *step, const pbt_pieces *in, pbt_pieces *out, pbt_error *error) {
    for (size_t i = 0; i < in->count; i++) {
        pbt_piece piece = in->items[i];
        if (piece.id < 0 && step->left)
            for (size_t size; piece.length; piece.start += (uint32_t)size, piece.length -= (uint32_t)size)
                if (!pbt_is_space(pbt_utf8_decode(in->bytes + piece.start, piece.length, &size))) break;
        while (piece.id < 0 && step->right && piece.length) {
            size_t at = piece.start + piece.length - 1, size;
            while (at > piece.start && (in->bytes[at] & 0xc0) == 0x80) at--;
            if (!pbt_is_space(pbt_utf8_decode(in->bytes + at, piece.start + piece.length - at, &size))) break;
            piece.length = (uint32_t)(at - piece.start);
        }
        PBT_TRY(keep(in, &piece, out, error));
    }
    return PBT_OK;
}

/* Collects the parts of one piece, matches and what stands between them, joined as the behaviour says.
 * One part is held back, since the next may be joined to it. */
typedef struct splitter {
    pbt_pieces *out;
    size_t base; /* of the piece in out->bytes */
    pbt_split_behavior behavior;
    size_t start, end; /* the part held back */
    bool held, match, first_seen;
} splitter;

static pbt_code release(splitter *s, pbt_error *error) {
    if (!s->held) return PBT_OK;
    s->held = false;
    if (s->behavior == PBT_SPLIT_REMOVED && s->match) return PBT_OK;
    return pbt_pieces_cut(s->out, s->base + s->start, s->base + s->end, -1, error);
}

/* MergedWithPrevious: a match joins the part before it unless that is (or ends with) a match.
 * MergedWithNext: the same from the right, that is, a part joins the match before it unless it is one. */
static bool joins(const splitter *s, bool match) {
    switch (s->behavior) {
    case PBT_SPLIT_CONTIGUOUS:
        return s->match == match;
    case PBT_SPLIT_MERGED_WITH_PREVIOUS:
        return match && !s->match;
    case PBT_SPLIT_MERGED_WITH_NEXT:
        return s->match && !match;
    default:
        return false;
    }
}

static pbt_code add_part(splitter *s, size_t start, size_t end, bool match, pbt_error *error) {
    if (s->held && joins(s, match)) {
        s->end = end;
        s->match = match;
        return PBT_OK;
    }
    PBT_TRY(release(s, error));
    s->start = start;
    s->end = end;
    s->match = match;
    s->held = true;
    return PBT_OK;
}

static pbt_code split_piece(const pbt_step *step, pbt_split_behavior behavior, pbt_pieces *out, size_t base,
                            size_t length, pbt_search *search, pbt_error *error) {
    splitter s = {.out = out, .base = base, .behavior = behavior};
    PBT_TRY(pbt_search_begin(search, step->pattern, out->bytes + base, length, error));
    size_t done = 0;
    for (;;) {
        bool found;
        PBT_TRY(pbt_search_next(search, &found, error));
        if (!found) break;
        if (search->start > done) PBT_TRY(add_part(&s, done, search->start, step->invert, error));
        PBT_TRY(add_part(&s, search->start, search->end, !step->invert, error));
        done = search->end;
    }
    if (done < length) PBT_TRY(add_part(&s, done, length, step->invert, error));
    return release(&s, error);
}

/* Cuts every piece in place: the bytes stay, the list of pieces is made anew in `out`'s list. */
static pbt_code run_split(const pbt_step *step, pbt_pieces *pieces, pbt_pieces *list, pbt_search *search,
                          pbt_error *error) {
    pbt_piece *old = pieces->items;
    size_t n = pieces->count, capacity = pieces->items_capacity;
    pieces->items = list->items;
    pieces->items_capacity = list->items_capacity;
    pieces->count = 0;
    list->items = old;
    list->items_capacity = capacity;
    for (size_t i = 0; i < n; i++) {
        if (old[i].id >= 0)
            PBT_TRY(pbt_pieces_cut(pieces, old[i].start, old[i].start + old[i].length, old[i].id, error));
        else
            PBT_TRY(split_piece(step, step->behavior, pieces, old[i].start, old[i].length, search, error));
    }
    return PBT_OK;
}

/* Every byte becomes its character of the byte-level alphabet. */
static pbt_code write_byte_level(const pbt_pieces *in, size_t start, size_t length, pbt_pieces *out,
                                 pbt_error *error) {
    for (size_t i = start; i < start + length; i++) {
        char utf8[4];
        size_t size = pbt_utf8_encode(pbt_byte_character((unsigned char)in->bytes[i]), utf8);
        PBT_TRY(pbt_pieces_write(out, utf8, size, in->from[i], in->to[i], error));
    }
    return PBT_OK;
}

static pbt_code run_byte_level(const pbt_step *step, pbt_pieces *in, pbt_pieces *out, pbt_search *search,
                               pbt_error *error) {
    if (step->prefix_space) {
        for (size_t i = 0; i < in->count; i++) {
            const pbt_piece *piece = &in->items[i];
            size_t start = out->length;
            uint32_t at = origin(in, piece);
            if (piece->id < 0 && !starts_with(in, piece, " ", 1))
                PBT_TRY(pbt_pieces_write(out, " ", 1, at, at, error));
            PBT_TRY(pbt_pieces_copy(out, in, piece->start, piece->length, error));
            PBT_TRY(pbt_pieces_close(out, start, piece->id, error));
        }
        pbt_pieces swap = *in;
        *in = *out;
        *out = swap;
        pbt_pieces_clear(out);
    }
    if (step->pattern) PBT_TRY(run_split(step, in, out, search, error));
    pbt_pieces_clear(out);
    for (size_t i = 0; i < in->count; i++) {
        const pbt_piece *piece = &in->items[i];
        if (piece->id >= 0) {
            PBT_TRY(keep(in, piece, out, error));
            continue;
        }
        size_t start = out->length;
        PBT_TRY(write_byte_level(in, piece->start, piece->length, out, error));
        PBT_TRY(pbt_pieces_close(out, start, -1, error));
    }
    return PBT_OK;
}

static pbt_code metaspace_piece(const pbt_step *step, const pbt_pieces *in, const pbt_piece *piece,
                                pbt_pieces *out, pbt_error *error) {
    uint32_t at = origin(in, piece);
    bool has = starts_with(in, piece, " ", 1) || starts_with(in, piece, step->text, step->text_length);
    if (!has && (step->prepend == PBT_PREPEND_ALWAYS || (step->prepend == PBT_PREPEND_FIRST && at == 0)))
        PBT_TRY(pbt_pieces_write(out, step->text, step->text_length, at, at, error));
    size_t end = piece->start + (size_t)piece->length, done = piece->start;
    for (size_t i = done; i < end; i++) {
        if (in->bytes[i] != ' ') continue;
        PBT_TRY(pbt_pieces_copy(out, in, done, i - done, error));
        PBT_TRY(pbt_pieces_write(out, step->text, step->text_length, in->from[i], in->to[i], error));
        done = i + 1;
    }
    return pbt_pieces_copy(out, in, done, end - done, error);
}

static pbt_code run_metaspace(const pbt_step *step, const pbt_pieces *in, pbt_pieces *out, pbt_search *search,
                              pbt_error *error) {
    for (size_t i = 0; i < in->count; i++) {
        const pbt_piece *piece = &in->items[i];
        if (piece->id >= 0) {
            PBT_TRY(keep(in, piece, out, error));
            continue;
        }
        size_t start = out->length;
        PBT_TRY(metaspace_piece(step, in, piece, out, error));
        if (step->pattern)
            PBT_TRY(split_piece(step, PBT_SPLIT_MERGED_WITH_NEXT, out, start, out->length - start, search,
                                error));
        else
            PBT_TRY(pbt_pieces_close(out, start, -1, error));
    }
    return PBT_OK;
}

static pbt_code run_digits(const pbt_step *step, const pbt_pieces *in, pbt_pieces *out, pbt_error *error) {
    for (size_t i = 0; i < in->count; i++) {
        const pbt_piece *piece = &in->items[i];
        size_t base = out->length;
        PBT_TRY(pbt_pieces_copy(out, in, piece->start, piece->length, error));
        if (piece->id >= 0) {
            PBT_TRY(pbt_pieces_close(out, base, piece->id, error));
            continue;
        }
        size_t start = 0;
        bool before = false;
        for (size_t at = 0, size; at < piece->length; at += size) {
            bool digit = pbt_is_numeric(pbt_utf8_decode(out->bytes + base + at, piece->length - at, &size));
            bool cut = at && (digit != before || (digit && step->individual));
            if (cut) PBT_TRY(pbt_pieces_cut(out, base + start, base + at, -1, error));
            if (cut) start = at;
            before = digit;
        }
        PBT_TRY(pbt_pieces_cut(out, base + start, base + piece->length, -1, error));
    }
    return PBT_OK;
}

/* One step; *rewritten says whether the result is in `out` (else `pieces` was changed in place). */
static pbt_code run_step(const pbt_tokenizer *tokenizer, const pbt_step *step, pbt_pieces *pieces,
                         pbt_pieces *out, pbt_search *search, bool *rewritten, pbt_error *error) {
    *rewritten = true;
    switch (step->kind) {
    case PBT_STEP_UNICODE:
        return pbt_step_unicode(step, pieces, out, error);
    case PBT_STEP_LOWERCASE:
        return pbt_step_lowercase(pieces, out, error);
    case PBT_STEP_STRIP:
        return run_strip(step, pieces, out, error);
    case PBT_STEP_PREPEND:
        return run_prepend(step, pieces, out, error);
    case PBT_STEP_REPLACE:
        return run_replace(step, pieces, out, search, error);
    case PBT_STEP_BYTE_LEVEL:
        return run_byte_level(step, pieces, out, search, error);
    case PBT_STEP_METASPACE:
        return run_metaspace(step, pieces, out, search, error);
    case PBT_STEP_DIGITS:
        return run_digits(step, pieces, out, error);
    case PBT_STEP_SPLIT:
        *rewritten = false;
        return run_split(step, pieces, out, search, error);
    case PBT_STEP_ADDED:
        *rewritten = false;
        return pbt_step_added(tokenizer, step->trie, pieces, error);
    }
    return pbt_fail(error, PBT_FAILED, "an unknown step in the tokenizer");
}

pbt_code pbt_steps_run(const pbt_tokenizer *tokenizer, size_t first, size_t last, pbt_pieces *pieces,
                       pbt_pieces *other, pbt_search *search, pbt_error *error) {
    for (size_t i = first; i < last; i++) {
        bool rewritten;
        pbt_pieces_clear(other);
        PBT_TRY(run_step(tokenizer, &tokenizer->steps[i], pieces, other, search, &rewritten, error));
        if (!rewritten) continue;
        pbt_pieces swap = *pieces;
        *pieces = *other;
        *other = swap;
    }
    return PBT_OK;
}
