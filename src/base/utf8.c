#include "base/utf8.h"

#include <string.h>

uint32_t pbt_utf8_decode(const char *bytes, size_t length, size_t *size) {
    const unsigned char *s = (const unsigned char *)bytes;
    *size = 1;
    if (length == 0) return 0xFFFD;
    if (s[0] < 0x80) return s[0];
    size_t n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || length < n) return 0xFFFD;
    uint32_t c = s[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0xFFFD;
        c = c << 6 | (s[i] & 0x3Fu);
    }
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return 0xFFFD;
    *size = n;
    return c;
}

size_t pbt_byte_order_mark(const char *bytes, size_t length) {
    return length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

bool pbt_utf8_valid(const char *bytes, size_t length) {
    for (size_t i = 0, size; i < length; i += size) {
        if (pbt_utf8_decode(bytes + i, length - i, &size) == 0xFFFD && size == 1) return false;
    }
    return true;
}

size_t pbt_utf8_encode(uint32_t c, char out[4]) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)((0xF00u >> n & 0xFF) | c);
    return n;
}
