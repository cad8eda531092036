/*
 * Characters: the byte-level alphabet, the classes that tokenizers asks for, and text that is not UTF-8.
 */
#ifndef PBT_TOKENIZER_CHARACTERS_H
#define PBT_TOKENIZER_CHARACTERS_H

#include "tokenizer/pipeline.h"

/* The byte-level alphabet of GPT-2: byte to code point, and back (-1: not of the alphabet). */
uint32_t pbt_byte_character(unsigned char byte);
int pbt_character_byte(uint32_t character);
/* Unicode's White_Space; \w of Rust's regex; Rust's char::is_numeric. */
bool pbt_is_space(uint32_t character);
bool pbt_is_word(uint32_t character);
bool pbt_is_numeric(uint32_t character);
/* Appends `bytes` with every maximal invalid part as one U+FFFD, as Python's decode(errors="replace") and
 * Rust's from_utf8_lossy have it. */
void pbt_text_append_lossy(pbt_text *text, const char *bytes, size_t length);
/* The length of the valid character or of the maximal invalid part at bytes[0]; *valid says which. */
size_t pbt_utf8_part(const char *bytes, size_t length, bool *valid);

#endif
