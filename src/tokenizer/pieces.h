/*
 * Pieces: a text cut into parts, every byte knowing which bytes of the input it came from.
 */
#ifndef PBT_TOKENIZER_PIECES_H
#define PBT_TOKENIZER_PIECES_H

#include "tokenizer/pipeline.h"

void pbt_pieces_free(pbt_pieces *pieces);
void pbt_pieces_clear(pbt_pieces *pieces);
/* Appends bytes that all stand for the input range from..to-1. */
pbt_code pbt_pieces_write(pbt_pieces *pieces, const char *bytes, size_t length, uint32_t from, uint32_t to,
                          pbt_error *error);
/* Appends bytes [start, start + length) of another, with their places. */
pbt_code pbt_pieces_copy(pbt_pieces *pieces, const pbt_pieces *source, size_t start, size_t length,
                         pbt_error *error);
/* Adds the piece [start, length-so-far) unless it is empty text. */
pbt_code pbt_pieces_close(pbt_pieces *pieces, size_t start, int32_t id, pbt_error *error);
/* Adds a piece over bytes that are there already, unless it is empty text. */
pbt_code pbt_pieces_cut(pbt_pieces *pieces, size_t start, size_t end, int32_t id, pbt_error *error);

#endif
