/* Python's string methods. Case is changed character by character; where Python's would depend on more than
 * the character or give several, the answer is a refusal. */
#include "chat/jinja/string_methods.h"

#include "chat/jinja/value.h"

#include <ctype.h>
#include <string.h>
#include <utf8proc.h>

bool jinja_is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
}

static bool strippable(const char *text, size_t length, size_t *size, const jinja_value *set) {
    uint32_t c = pbt_utf8_decode(text, length, size);
    if (!set) return jinja_is_space(c);
    for (size_t i = 0, n; i < set->length; i += n)
        if (pbt_utf8_decode(set->text + i, set->length - i, &n) == c) return true;
    return false;
}

const jinja_value *jinja_strip(jinja_run *run, const jinja_value *string, const jinja_value *set, bool left,
                               bool right) {
    const char *text = string->text;
    size_t start = 0, end = string->length, size;
    if (set && set->kind == JINJA_NONE) set = NULL;
    if (set && set->kind != JINJA_STRING)
        return jinja_refuse(run, "stripping %s is not supported", jinja_kind_name(set));
    while (left && start < end && strippable(text + start, end - start, &size, set)) start += size;
    while (right && end > start) {
        size_t last = end - 1;
        while (last > start && ((unsigned char)text[last] & 0xC0) == 0x80) last--;
        if (!strippable(text + last, end - last, &size, set)) break;
        end = last;
    }
    return jinja_string(run, text + start, end - start);
}

/* Appends one character in another case. */
static bool append_cased(jinja_run *run, pbt_text *text, uint32_t c, bool upper) {
    uint32_t other =
        (uint32_t)(upper ? utf8proc_toupper((utf8proc_int32_t)c) : utf8proc_tolower((utf8proc_int32_t)c));
    char utf8[4];
    /* Upper case of several characters (the German sharp s, ligatures, Greek with iota), and the final sigma.
     */
    bool special = upper ? c == 0xdf || c == 0x149 || c == 0x1f0 || c == 0x390 || c == 0x3b0 || c == 0x587 ||
                               (c >= 0x1e96 && c <= 0x1e9a) || (c >= 0x1f50 && c <= 0x1fff) ||
                               (c >= 0xfb00 && c <= 0xfb17)
                         : c == 0x3a3 || c == 0x130;
    if (special || utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_CN) {
        jinja_refuse(run, "%s case of U+%04X is not supported", upper ? "upper" : "lower", (unsigned)c);
        return false;
    }
    pbt_text_append(text, utf8, pbt_utf8_encode(other, utf8));
    return true;
}

const jinja_value *jinja_cased(jinja_run *run, const jinja_value *string, bool upper) {
    pbt_text text = {0};
    for (size_t i = 0, size; i < string->length; i += size) {
        uint32_t c = pbt_utf8_decode(string->text + i, string->length - i, &size);
        if (!append_cased(run, &text, c, upper)) break;
    }
    return jinja_take_text(run, &text);
}

static bool is_ascii(const jinja_value *string) {
    for (size_t i = 0; i < string->length; i++)
        if ((unsigned char)string->text[i] >= 0x80) return false;
    return true;
}

/* The first letter (or the first of every word, by Jinja's or Python's idea of one) in upper case. */
static const jinja_value *titled(jinja_run *run, const jinja_value *string, int words) {
    if (!is_ascii(string)) return jinja_refuse(run, "capitals in text that is not ASCII are not supported");
    jinja_value *made = (jinja_value *)(uintptr_t)jinja_string(run, string->text, string->length);
    if (run->code != PBT_OK) return made;
    char *text = (char *)(uintptr_t)made->text;
    bool first = true;
    for (size_t i = 0; i < made->length; i++) {
        unsigned char c = (unsigned char)text[i];
        text[i] = (char)(first ? toupper(c) : tolower(c));
        if (words == 0) first = false;
        if (words == 1) first = !isalpha(c);
        if (words == 2) first = c < 0x80 && (strchr("-({[<", c) || jinja_is_space(c));
    }
    return made;
}

const jinja_value *jinja_capitalized(jinja_run *run, const jinja_value *string) {
    return titled(run, string, 0);
}

const jinja_value *jinja_titled(jinja_run *run, const jinja_value *string) {
    return titled(run, string, 2);
}

const jinja_value *jinja_replaced(jinja_run *run, const jinja_value *string, const jinja_value *from,
                                  const jinja_value *to, const jinja_value *most) {
    int64_t left = most && most->kind == JINJA_INT && most->number >= 0 ? most->number : INT64_MAX;
    if (most && most->kind != JINJA_INT && most->kind != JINJA_NONE)
        return jinja_refuse(run, "replace with this count is not supported");
    if (!from || !to || from->kind != JINJA_STRING || to->kind != JINJA_STRING || from->length == 0)
        return jinja_refuse(run, "replace needs two strings, the first not empty");
    pbt_text text = {0};
    const char *at = string->text, *end = at + string->length, *next;
    while (left-- > 0 && text.length <= JINJA_OUTPUT &&
           (next = memmem(at, (size_t)(end - at), from->text, from->length))) {
        pbt_text_append(&text, at, (size_t)(next - at));
        pbt_text_append(&text, to->text, to->length);
        at = next + from->length;
    }
    pbt_text_append(&text, at, (size_t)(end - at));
    return jinja_take_text(run, &text);
}

/* split() without a separator: words between white space. */
static const jinja_value *words(jinja_run *run, const jinja_value *string, int64_t most) {
    jinja_value *list = jinja_make(run, JINJA_LIST);
    const char *text = string->text;
    size_t at = 0, size = 1;
    while (jinja_step(run, 1)) {
        while (at < string->length && jinja_is_space(pbt_utf8_decode(text + at, string->length - at, &size)))
            at += size;
        if (at >= string->length) break;
        size_t start = at;
        if ((int64_t)list->count == most) {
            const jinja_value *rest = jinja_string(run, text + start, string->length - start);
            jinja_append(run, list, jinja_strip(run, rest, NULL, false, true));
            break;
        }
        while (at < string->length && !jinja_is_space(pbt_utf8_decode(text + at, string->length - at, &size)))
            at += size;
        jinja_append(run, list, jinja_string(run, text + start, at - start));
    }
    return list;
}

static const char *last_of(const char *text, size_t length, const jinja_value *mark) {
    for (size_t i = length + 1; i-- > mark->length;)
        if (memcmp(text + i - mark->length, mark->text, mark->length) == 0) return text + i - mark->length;
    return NULL;
}

static const jinja_value *split(jinja_run *run, const jinja_value *string, const jinja_value *mark,
                                int64_t most) {
    jinja_value *list = jinja_make(run, JINJA_LIST);
    const char *at = string->text, *end = at + string->length, *next;
    while (most-- > 0 && jinja_step(run, 1) &&
           (next = memmem(at, (size_t)(end - at), mark->text, mark->length))) {
        jinja_append(run, list, jinja_string(run, at, (size_t)(next - at)));
        at = next + mark->length;
    }
    jinja_append(run, list, jinja_string(run, at, (size_t)(end - at)));
    return list;
}

static const jinja_value *split_from_right(jinja_run *run, const jinja_value *string, const jinja_value *mark,
                                           int64_t most) {
    jinja_value *list = jinja_make(run, JINJA_LIST), *turned = jinja_make(run, JINJA_LIST);
    size_t end = string->length;
    const char *found;
    while (most-- > 0 && jinja_step(run, 1) && (found = last_of(string->text, end, mark))) {
        size_t start = (size_t)(found - string->text) + mark->length;
        jinja_append(run, turned, jinja_string(run, string->text + start, end - start));
        end = start - mark->length;
    }
    jinja_append(run, list, jinja_string(run, string->text, end));
    for (size_t i = turned->count; i-- > 0;) jinja_append(run, list, turned->items[i]);
    return list;
}

static const jinja_value *split_method(jinja_run *run, const jinja_value *self,
                                       const jinja_arguments *arguments, bool right) {
    static const char *const names[] = {"sep", "maxsplit", NULL};
    if (!jinja_check_arguments(run, "split", arguments, 2, names)) return self;
    const jinja_value *mark = jinja_argument(arguments, 0, "sep"),
                      *most = jinja_argument(arguments, 1, "maxsplit");
    if (most && most->kind != JINJA_INT) return jinja_refuse(run, "split with this count is not supported");
    int64_t limit = most && most->number >= 0 ? most->number : INT64_MAX;
    bool plain = !mark || mark->kind == JINJA_NONE;
    if (!plain && (mark->kind != JINJA_STRING || !mark->length))
        return jinja_refuse(run, "split needs a separator that is a string and not empty");
    if (plain && right && limit != INT64_MAX)
        return jinja_refuse(run, "rsplit with a count and no separator is not supported");
    if (plain) return words(run, self, limit);
    return right ? split_from_right(run, self, mark, limit) : split(run, self, mark, limit);
}

/* Python's splitlines. */
const jinja_value *jinja_lines(jinja_run *run, const jinja_value *string) {
    jinja_value *list = jinja_make(run, JINJA_LIST);
    size_t start = 0, size;
    for (size_t at = 0; at < string->length && jinja_step(run, 1);) {
        uint32_t c = pbt_utf8_decode(string->text + at, string->length - at, &size);
        bool ends =
            (c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
        if (ends) jinja_append(run, list, jinja_string(run, string->text + start, at - start));
        if (c == '\r' && at + 1 < string->length && string->text[at + 1] == '\n') size = 2;
        at += size;
        if (ends) start = at;
    }
    if (start < string->length)
        jinja_append(run, list, jinja_string(run, string->text + start, string->length - start));
    return list;
}

const jinja_value *jinja_joined(jinja_run *run, const jinja_value *mark, const jinja_value *list) {
    const jinja_value *items = jinja_iterate(run, list);
    pbt_text text = {0};
    for (size_t i = 0; i < items->count && jinja_check_text(run, &text); i++) {
        if (items->items[i]->kind != JINJA_STRING) {
            jinja_refuse(run, "joining %s is not supported", jinja_kind_name(items->items[i]));
            break;
        }
        if (i) pbt_text_append(&text, mark->text, mark->length);
        pbt_text_append(&text, items->items[i]->text, items->items[i]->length);
    }
    return jinja_take_text(run, &text);
}

static bool edge(const jinja_value *string, const jinja_value *part, bool front) {
    if (part->length > string->length) return false;
    return memcmp(front ? string->text : string->text + string->length - part->length, part->text,
                  part->length) == 0;
}

static const jinja_value *edge_method(jinja_run *run, const char *name, const jinja_value *self,
                                      const jinja_value *part) {
    bool front = name[0] == 's', found = false;
    if (part && part->kind == JINJA_STRING) return jinja_bool(run, edge(self, part, front));
    if (!part || part->kind != JINJA_TUPLE)
        return jinja_refuse(run, "%s needs a string or a tuple of strings", name);
    for (size_t i = 0; i < part->count; i++) {
        if (part->items[i]->kind != JINJA_STRING) return jinja_refuse(run, "%s needs strings", name);
        found = found || edge(self, part->items[i], front);
    }
    return jinja_bool(run, found);
}

static const jinja_value *part_method(jinja_run *run, const char *name, const jinja_value *self,
                                      const jinja_value *mark) {
    bool right = name[0] == 'r';
    if (!mark->length) return jinja_refuse(run, "%s needs a separator", name);
    const char *found = right ? last_of(self->text, self->length, mark)
                              : memmem(self->text, self->length, mark->text, mark->length);
    size_t at = found ? (size_t)(found - self->text) : right ? 0 : self->length;
    size_t end = found ? at + mark->length : at;
    jinja_value *parts = jinja_make(run, JINJA_TUPLE);
    jinja_append(run, parts, jinja_string(run, self->text, at));
    jinja_append(run, parts, jinja_string(run, self->text + at, end - at));
    jinja_append(run, parts, jinja_string(run, self->text + end, self->length - end));
    return parts;
}

static const jinja_value *count_method(jinja_run *run, const jinja_value *self, const jinja_value *part) {
    int64_t n = 0;
    if (!part->length) return jinja_int(run, (int64_t)jinja_characters(self) + 1);
    const char *at = self->text, *end = at + self->length;
    for (; (at = memmem(at, (size_t)(end - at), part->text, part->length)); at += part->length) n++;
    return jinja_int(run, n);
}

static const jinja_value *find_method(jinja_run *run, const char *name, const jinja_value *self,
                                      const jinja_value *part) {
    const char *found = name[0] == 'r' ? last_of(self->text, self->length, part)
                                       : memmem(self->text, self->length, part->text, part->length);
    if (!found && strstr(name, "index")) return jinja_refuse(run, "%s: the string has no such part", name);
    jinja_value before = {.kind = JINJA_STRING, .text = self->text};
    before.length = found ? (size_t)(found - self->text) : 0;
    return jinja_int(run, found ? (int64_t)jinja_characters(&before) : -1);
}

/* isdigit() and its like, of ASCII. */
static const jinja_value *class_method(jinja_run *run, const char *name, const jinja_value *self) {
    bool all = self->length > 0, letters = false;
    const char *class = name + 2;
    if (!is_ascii(self)) return jinja_refuse(run, "%s of text that is not ASCII is not supported", name);
    for (size_t i = 0; i < self->length; i++) {
        int c = (unsigned char)self->text[i];
        letters = letters || isalpha(c);
        if (strcmp(class, "alpha") == 0)
            all = all && isalpha(c);
        else if (strcmp(class, "alnum") == 0)
            all = all && isalnum(c);
        else if (strcmp(class, "space") == 0)
            all = all && jinja_is_space((uint32_t)c);
        else if (strcmp(class, "lower") == 0)
            all = all && !isupper(c);
        else if (strcmp(class, "upper") == 0)
            all = all && !islower(c);
        else
            all = all && isdigit(c);
    }
    if (strcmp(class, "lower") == 0 || strcmp(class, "upper") == 0) all = all && letters;
    return jinja_bool(run, all);
}

static const jinja_value *plain_method(jinja_run *run, const char *name, const jinja_value *self) {
    static const char *const classes[] = {"isalpha", "isalnum", "isspace",   "islower",
                                          "isupper", "isdigit", "isdecimal", "isnumeric"};
    if (strcmp(name, "upper") == 0) return jinja_cased(run, self, true);
    if (strcmp(name, "lower") == 0) return jinja_cased(run, self, false);
    if (strcmp(name, "capitalize") == 0) return jinja_capitalized(run, self);
    if (strcmp(name, "title") == 0) return titled(run, self, 1);
    if (strcmp(name, "splitlines") == 0) return jinja_lines(run, self);
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strcmp(name, classes[i]) == 0) return class_method(run, name, self);
    return jinja_refuse(run, "the string method \"%s\" like this is not supported", name);
}

static const jinja_value *part_or_place(jinja_run *run, const char *name, const jinja_value *self,
                                        const jinja_value *part) {
    if (strcmp(name, "removeprefix") == 0 || strcmp(name, "removesuffix") == 0) {
        bool front = name[6] == 'p';
        size_t cut = edge(self, part, front) ? part->length : 0;
        return jinja_string(run, self->text + (front ? cut : 0), self->length - cut);
    }
    if (strcmp(name, "partition") == 0 || strcmp(name, "rpartition") == 0)
        return part_method(run, name, self, part);
    if (strcmp(name, "count") == 0) return count_method(run, self, part);
    if (strcmp(name, "find") == 0 || strcmp(name, "rfind") == 0 || strcmp(name, "index") == 0 ||
        strcmp(name, "rindex") == 0)
        return find_method(run, name, self, part);
    return jinja_refuse(run, "the string method \"%s\" like this is not supported", name);
}

const jinja_value *jinja_string_method(jinja_run *run, const char *name, const jinja_value *self,
                                       const jinja_arguments *arguments) {
    bool edges = strcmp(name, "startswith") == 0 || strcmp(name, "endswith") == 0;
    if (self->number && !edges)
        return jinja_refuse(run, "the method \"%s\" of a \"safe\" string is not supported", name);
    if (strcmp(name, "split") == 0 || strcmp(name, "rsplit") == 0)
        return split_method(run, self, arguments, name[0] == 'r');
    static const char *const count[] = {"", "", "count", NULL};
    bool replace = strcmp(name, "replace") == 0;
    if (!jinja_check_arguments(run, name, arguments, replace ? 3 : 1, replace ? count : NULL)) return self;
    const jinja_value *first = jinja_argument(arguments, 0, NULL);
    if (replace)
        return jinja_replaced(run, self, first, jinja_argument(arguments, 1, NULL),
                              jinja_argument(arguments, 2, "count"));
    if (strcmp(name, "strip") == 0) return jinja_strip(run, self, first, true, true);
    if (strcmp(name, "lstrip") == 0) return jinja_strip(run, self, first, true, false);
    if (strcmp(name, "rstrip") == 0) return jinja_strip(run, self, first, false, true);
    if (edges) return edge_method(run, name, self, first);
    if (strcmp(name, "join") == 0 && first) return jinja_joined(run, self, first);
    if (!first) return plain_method(run, name, self);
    if (first->kind != JINJA_STRING)
        return jinja_refuse(run, "the string method \"%s\" with %s is not supported", name,
                            jinja_kind_name(first));
    return part_or_place(run, name, self, first);
}
