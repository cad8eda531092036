/*
 * UTF-8: checking, decoding and encoding code points. Uses nothing else of base/, so that everything can use
 * it.
 */
#ifndef PBT_BASE_UTF8_H
#define PBT_BASE_UTF8_H

#include "base/declarations.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PBT_BEGIN_DECLS

/* The bytes of a UTF-8 byte order mark at the beginning, which is no part of the text: 3, or 0. */
size_t pbt_byte_order_mark(const char *bytes, size_t length);
bool pbt_utf8_valid(const char *bytes, size_t length);
/* Decodes one code point, sets *size to its bytes; an invalid byte gives U+FFFD and size 1. */
uint32_t pbt_utf8_decode(const char *bytes, size_t length, size_t *size);
/* Writes 1-4 bytes to `out`; returns how many. */
size_t pbt_utf8_encode(uint32_t code_point, char out[4]);

PBT_END_DECLS

#endif
