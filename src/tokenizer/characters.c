/*
 * Characters: the byte-level alphabet, the classes that tokenizers asks for, and text that is not UTF-8.
 */
#include "tokenizer/characters.h"

#include <utf8proc.h>

static bool byte_is_itself(unsigned byte) {
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/* Bytes that are no printable character of Latin-1 get the code points from 256 on, in order:
 * 0-32, 127-160, 173. */
uint32_t pbt_byte_character(unsigned char byte) {
    if (byte_is_itself(byte)) return byte;
    if (byte <= 32) return 256u + byte;
    return byte == 0xad ? 256u + 67 : 256u + 33 + (byte - 127u);
}

int pbt_character_byte(uint32_t character) {
    if (character < 256) return byte_is_itself(character) ? (int)character : -1;
    uint32_t n = character - 256;
    if (n <= 32) return (int)n;
    if (n <= 66) return (int)(n - 33 + 127);
    return n == 67 ? 0xad : -1;
}

bool pbt_is_space(uint32_t c) {
    if (c < 0x80) return (c >= 9 && c <= 13) || c == ' ';
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool pbt_is_numeric(uint32_t c) {
    if (c < 0x80) return c >= '0' && c <= '9';
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
           category == UTF8PROC_CATEGORY_NO;
}

bool pbt_is_word(uint32_t c) {
    if (c < 0x80)
        return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default: /* Other_Alphabetic outside marks: circled letters; Join_Control */
        return (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
               (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189) || c == 0x200c || c == 0x200d;
    }
}

size_t pbt_utf8_part(const char *bytes, size_t length, bool *valid) {
    const unsigned char *b = (const unsigned char *)bytes;
    *valid = b[0] < 0x80;
    if (*valid) return 1;
    size_t size = b[0] >= 0xc2 && b[0] <= 0xdf   ? 2
                  : b[0] >= 0xe0 && b[0] <= 0xef ? 3
                  : b[0] >= 0xf0 && b[0] <= 0xf4 ? 4
                                                 : 0;
    if (!size) return 1;
    /* The first byte narrows what the second may be (no overlong forms, no surrogates, no code points above
     * U+10FFFF). */
    unsigned char low = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : 0xbf;
    for (size_t i = 1; i < size; i++) {
        if (i >= length || b[i] < low || b[i] > high) return i;
        low = 0x80, high = 0xbf;
    }
    *valid = true;
    return size;
}

void pbt_text_append_lossy(pbt_text *text, const char *bytes, size_t length) {
    size_t start = 0;
    for (size_t i = 0; i < length;) {
        bool valid;
        size_t size = pbt_utf8_part(bytes + i, length - i, &valid);
        if (!valid) {
            pbt_text_append(text, bytes + start, i - start);
            pbt_text_append(text, "\xef\xbf\xbd", 3);
            start = i + size;
        }
        i += size;
    }
    pbt_text_append(text, bytes + start, length - start);
}
