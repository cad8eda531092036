/*
 * Added tokens: finds them in text, leftmost first and longest there, and cuts them out as pieces of their
 * own.
 */
#include "tokenizer/added.h"

#include "tokenizer/characters.h"
#include "tokenizer/pieces.h"

#include <stdlib.h>

/* A trie and no hash table: at every byte of a text the longest token that begins there is asked for, which a
 * table of whole tokens answers only with one search for each length. The first byte, where nearly every
 * question ends, is an index; the children of a node are a list, since real tokens share long beginnings
 * ("<|reserved_special_token_") and differ in a few characters. A list never has more than 256. */
pbt_code pbt_byte_trie_add(pbt_byte_trie *trie, const char *string, size_t length, int32_t added,
                           pbt_error *error) {
    if (!trie->built) {
        for (int i = 0; i < 256; i++) trie->roots[i] = -1;
        trie->built = true;
    }
    int32_t node = -1;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)string[i];
        int32_t child = node < 0 ? trie->roots[byte] : trie->nodes[node].first_child;
        while (node >= 0 && child >= 0 && trie->nodes[child].byte != byte)
            child = trie->nodes[child].next_sibling;
        if (child < 0) {
            PBT_TRY(pbt_grow(trie->nodes, &trie->capacity, trie->count + 1, error));
            child = (int32_t)trie->count++;
            int32_t *head = node < 0 ? &trie->roots[byte] : &trie->nodes[node].first_child;
            trie->nodes[child] = (struct pbt_byte_trie_node){-1, node < 0 ? -1 : *head, -1, byte};
            *head = child;
        }
        node = child;
    }
    if (node >= 0) trie->nodes[node].added = added;
    return PBT_OK;
}

/* The longest token that begins at text[0], or -1. */
static int32_t longest(const pbt_byte_trie *trie, const char *text, size_t length, size_t *size) {
    int32_t best = -1;
    int32_t node = trie->roots[(unsigned char)text[0]];
    for (size_t i = 0; node >= 0;) {
        i++;
        if (trie->nodes[node].added >= 0) {
            best = trie->nodes[node].added;
            *size = i;
        }
        if (i >= length) break;
        int32_t child = trie->nodes[node].first_child;
        while (child >= 0 && trie->nodes[child].byte != (unsigned char)text[i])
            child = trie->nodes[child].next_sibling;
        node = child;
    }
    return best;
}

static size_t previous_character(const char *text, size_t end, uint32_t *character) {
    size_t at = end - 1, size;
    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80) at--;
    *character = pbt_utf8_decode(text + at, end - at, &size);
    return at;
}

static bool stands_alone(const char *text, size_t start, size_t end, size_t length) {
    uint32_t character;
    size_t size;
    if (start > 0) {
        previous_character(text, start, &character);
        if (pbt_is_word(character)) return false;
    }
    return end >= length || !pbt_is_word(pbt_utf8_decode(text + end, length - end, &size));
}

/* Widens a match over the white space its token takes in, at its beginning only what lies behind `least`,
 * where the last match ended. */
static void take_space(const pbt_added *added, const char *text, size_t length, size_t least, size_t *start,
                       size_t *end) {
    uint32_t character;
    while (added->left_strip && *start > least) {
        size_t at = previous_character(text, *start, &character);
        if (!pbt_is_space(character) || at < least) break;
        *start = at;
    }
    if (added->left_strip && *start < least) *start = least;
    for (size_t size; added->right_strip && *end < length; *end += size)
        if (!pbt_is_space(pbt_utf8_decode(text + *end, length - *end, &size))) break;
}

/* As tokenizers does: white space that a token takes in on its right is still looked through for tokens, and
 * what these leave of it is text again. */
static pbt_code cut_piece(const pbt_tokenizer *tokenizer, const pbt_byte_trie *trie, pbt_pieces *pieces,
                          size_t base, size_t length, pbt_error *error) {
    const char *text = pieces->bytes + base;
    size_t done = 0;
    for (size_t at = 0; at < length;) {
        size_t size = 0;
        int32_t found = longest(trie, text + at, length - at, &size);
        if (found < 0) {
            at++;
            continue;
        }
        const pbt_added *added = &tokenizer->added[found];
        size_t start = at, end = at + size;
        at = end;
        if (added->special && tokenizer->split_special_tokens) continue;
        if (added->single_word && !stands_alone(text, start, end, length)) continue;
        take_space(added, text, length, done, &start, &end);
        if (start > end) start = end;
        if (done < start) PBT_TRY(pbt_pieces_cut(pieces, base + done, base + start, -1, error));
        PBT_TRY(pbt_pieces_cut(pieces, base + start, base + end, added->id, error));
        done = end;
    }
    return pbt_pieces_cut(pieces, base + done, base + length, -1, error);
}

pbt_code pbt_step_added(const pbt_tokenizer *tokenizer, const pbt_byte_trie *trie, pbt_pieces *pieces,
                        pbt_error *error) {
    if (!trie->built) return PBT_OK;
    pbt_piece *old = pieces->items;
    size_t n = pieces->count;
    pieces->items = NULL;
    pieces->count = pieces->items_capacity = 0;
    pbt_code code = PBT_OK;
    for (size_t i = 0; i < n && code == PBT_OK; i++) {
        size_t start = old[i].start, length = old[i].length;
        code = old[i].id >= 0 ? pbt_pieces_cut(pieces, start, start + length, old[i].id, error)
                              : cut_piece(tokenizer, trie, pieces, start, length, error);
    }
    free(old);
    return code;
}
