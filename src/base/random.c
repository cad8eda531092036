#include "base/random.h"

#include <math.h>
#include <string.h>

static void philox(uint32_t c[4], uint32_t k0, uint32_t k1) {
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t x0 = (uint32_t)(p1 >> 32) ^ c[1] ^ k0, x2 = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;
        c[0] = x0;
        c[1] = (uint32_t)p1;
        c[2] = x2;
        c[3] = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

static uint64_t draw(pbt_key key, uint64_t counter, uint32_t domain) {
    uint32_t c[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), domain, 0};
    philox(c, (uint32_t)key.value, (uint32_t)(key.value >> 32));
    return (uint64_t)c[1] << 32 | c[0];
}

/* Domains keep numbers, children by number and children by name apart. */
enum { DOMAIN_BITS = 0, DOMAIN_CHILD = 1, DOMAIN_NAME = 2, DOMAIN_SEED = 3 };

pbt_key pbt_key_of_seed(uint64_t seed) {
    return (pbt_key){draw((pbt_key){0x7062745F}, seed, DOMAIN_SEED)};
}

pbt_key pbt_key_child(pbt_key key, uint64_t number) {
    return (pbt_key){draw(key, number, DOMAIN_CHILD)};
}

pbt_key pbt_key_named(pbt_key key, const char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; i < length || i == 0; i += 8) {
        uint64_t word = 0;
        for (size_t j = 0; j < 8 && i + j < length; j++)
            word |= (uint64_t)(unsigned char)name[i + j] << (8 * j);
        key.value = draw(key, word, DOMAIN_NAME);
    }
    key.value = draw(key, length, DOMAIN_NAME);
    return key;
}

pbt_key pbt_key_of_stage(int64_t seed, const char *stage) {
    return pbt_key_named(pbt_key_of_seed((uint64_t)seed), stage);
}

uint64_t pbt_random_bits(pbt_key key, uint64_t counter) {
    return draw(key, counter, DOMAIN_BITS);
}

double pbt_random_unit(pbt_key key, uint64_t counter) {
    return (double)(pbt_random_bits(key, counter) >> 11) * 0x1p-53;
}

uint64_t pbt_random_below(pbt_key key, uint64_t counter, uint64_t bound) {
    return (uint64_t)((unsigned __int128)pbt_random_bits(key, counter) * bound >> 64);
}

double pbt_random_normal(pbt_key key, uint64_t counter) {
    double u = 1.0 - pbt_random_unit(key, 2 * counter), v = pbt_random_unit(key, 2 * counter + 1);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void pbt_random_shuffle(pbt_key key, uint32_t *index, size_t n) {
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)pbt_random_below(key, i, i);
        uint32_t swap = index[i - 1];
        index[i - 1] = index[j];
        index[j] = swap;
    }
}
