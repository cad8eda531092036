/*
 * Pieces: a text cut into parts, every byte knowing which bytes of the input it came from.
 */
#include "tokenizer/pieces.h"

#include <stdlib.h>
#include <string.h>

void pbt_pieces_free(pbt_pieces *pieces) {
    free(pieces->bytes);
    free(pieces->from);
    free(pieces->to);
    free(pieces->items);
    *pieces = (pbt_pieces){0};
}

void pbt_pieces_clear(pbt_pieces *pieces) {
    pieces->length = pieces->count = 0;
}

static pbt_code make_room(pbt_pieces *pieces, size_t length, pbt_error *error) {
    size_t need = pieces->length + length;
    if (length > PBT_TEXT_LIMIT || need > PBT_TEXT_LIMIT)
        return pbt_fail(
            error, PBT_BAD_INPUT,
            "a text of more than %zu bytes (as given, or after normalization) cannot be tokenized; "
            "split it",
            PBT_TEXT_LIMIT);
    PBT_TRY(pbt_grow(pieces->bytes, &pieces->bytes_capacity, need, error));
    PBT_TRY(pbt_grow(pieces->from, &pieces->from_capacity, need, error));
    return pbt_grow(pieces->to, &pieces->to_capacity, need, error);
}

pbt_code pbt_pieces_write(pbt_pieces *pieces, const char *bytes, size_t length, uint32_t from, uint32_t to,
                          pbt_error *error) {
    PBT_TRY(make_room(pieces, length, error));
    for (size_t i = 0; i < length; i++) {
        pieces->bytes[pieces->length + i] = bytes[i];
        pieces->from[pieces->length + i] = from;
        pieces->to[pieces->length + i] = to;
    }
    pieces->length += length;
    return PBT_OK;
}

pbt_code pbt_pieces_copy(pbt_pieces *pieces, const pbt_pieces *source, size_t start, size_t length,
                         pbt_error *error) {
    if (!length) return PBT_OK;
    PBT_TRY(make_room(pieces, length, error));
    memcpy(pieces->bytes + pieces->length, source->bytes + start, length);
    memcpy(pieces->from + pieces->length, source->from + start, length * sizeof *pieces->from);
    memcpy(pieces->to + pieces->length, source->to + start, length * sizeof *pieces->to);
    pieces->length += length;
    return PBT_OK;
}

pbt_code pbt_pieces_cut(pbt_pieces *pieces, size_t start, size_t end, int32_t id, pbt_error *error) {
    if (start >= end && id < 0) return PBT_OK;
    PBT_TRY(pbt_grow(pieces->items, &pieces->items_capacity, pieces->count + 1, error));
    pieces->items[pieces->count++] = (pbt_piece){(uint32_t)start, (uint32_t)(end - start), id};
    return PBT_OK;
}

pbt_code pbt_pieces_close(pbt_pieces *pieces, size_t start, int32_t id, pbt_error *error) {
    return pbt_pieces_cut(pieces, start, pieces->length, id, error);
}
