/* Operators of templates: arithmetic, comparison, indexing and slicing, as Python does them. */
#include "chat/jinja/operate.h"

#include "chat/jinja/attribute.h"
#include "chat/jinja/value.h"
#include "chat/jinja/value_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const jinja_value *unknown(jinja_run *run, const char *mark, const jinja_value *a,
                                  const jinja_value *b) {
    return jinja_refuse(run, "%s %s %s is not supported", jinja_kind_name(a), mark, jinja_kind_name(b));
}

static const jinja_value *joined(jinja_run *run, const jinja_value *a, const jinja_value *b) {
    pbt_text text = {0};
    jinja_print(run, a, &text);
    jinja_print(run, b, &text);
    return jinja_take_text(run, &text);
}

/* What is added to markup is escaped, in characters that mean something in HTML. */
static const jinja_value *added_markup(jinja_run *run, const jinja_value *a, const jinja_value *b) {
    for (int i = 0; i < 2; i++) {
        const jinja_value *plain = i ? b : a;
        if (!plain->number && strpbrk(plain->text, "&<>'\""))
            return jinja_refuse(run,
                                "adding a string that needs escaping to a \"safe\" one is not supported");
    }
    return jinja_markup(run, joined(run, a, b));
}

static const jinja_value *repeated(jinja_run *run, const jinja_value *value, int64_t times) {
    if (times < 0) times = 0;
    size_t n = value->kind == JINJA_STRING ? value->length : value->count;
    if (n && times > JINJA_OUTPUT / (int64_t)n) return jinja_refuse(run, "a repetition is too long");
    if (value->kind == JINJA_STRING) {
        pbt_text text = {0};
        for (int64_t i = 0; n && i < times; i++) pbt_text_append(&text, value->text, n);
        return jinja_take_text(run, &text);
    }
    jinja_value *list = jinja_make(run, value->kind);
    for (int64_t i = 0; n && i < times && jinja_step(run, (int64_t)n); i++)
        for (size_t k = 0; k < n; k++) jinja_append(run, list, value->items[k]);
    return list;
}

static const jinja_value *fractions(jinja_run *run, const char *mark, const jinja_value *a,
                                    const jinja_value *b) {
    double x = jinja_real(a), y = jinja_real(b), rest;
    switch (mark[0]) {
    case '+':
        return jinja_float(run, x + y);
    case '-':
        return jinja_float(run, x - y);
    case '*':
        return mark[1] ? unknown(run, mark, a, b) : jinja_float(run, x * y);
    default:
        if (y == 0) return jinja_refuse(run, "a division by zero");
        if (mark[0] == '/' && !mark[1]) return jinja_float(run, x / y);
        rest = fmod(x, y);
        if (rest != 0 && (rest < 0) != (y < 0)) rest += y;
        if (mark[0] == '%') return jinja_float(run, rest == 0 ? copysign(0, y) : rest);
        return unknown(run, mark, a, b);
    }
}

static const jinja_value *power(jinja_run *run, int64_t base, int64_t exponent) {
    int64_t result = 1;
    if (exponent < 0) return jinja_refuse(run, "a power with a negative exponent is not supported");
    if (exponent > 64 && base != 0 && base != 1 && base != -1)
        return jinja_refuse(run, "a number is too large");
    if (exponent > 64) return jinja_int(run, base == -1 && exponent % 2 == 0 ? 1 : base);
    for (int64_t i = 0; i < exponent; i++)
        if (__builtin_mul_overflow(result, base, &result)) return jinja_refuse(run, "a number is too large");
    return jinja_int(run, result);
}

static const jinja_value *integers(jinja_run *run, const char *mark, int64_t x, int64_t y) {
    int64_t result = 0;
    bool overflow = false;
    if (strcmp(mark, "**") == 0) return power(run, x, y);
    if (mark[0] == '+') overflow = __builtin_add_overflow(x, y, &result);
    if (mark[0] == '-') overflow = __builtin_sub_overflow(x, y, &result);
    if (mark[0] == '*') overflow = __builtin_mul_overflow(x, y, &result);
    if (mark[0] == '/' || mark[0] == '%') {
        if (y == 0) return jinja_refuse(run, "a division by zero");
        if (y == -1)
            return x == INT64_MIN   ? jinja_refuse(run, "a number is too large")
                   : mark[0] == '%' ? jinja_int(run, 0)
                   : mark[1]        ? jinja_int(run, -x)
                                    : jinja_float(run, -(double)x);
        int64_t rest = x % y, wrapped = rest && (rest < 0) != (y < 0) ? rest + y : rest;
        if (mark[0] == '%') return jinja_int(run, wrapped);
        if (mark[1]) return jinja_int(run, (x - wrapped) / y);
        if (llabs(x) > 1ll << 53 || llabs(y) > 1ll << 53) return jinja_refuse(run, "a number is too large");
        return jinja_float(run, (double)x / (double)y);
    }
    return overflow ? jinja_refuse(run, "a number is too large") : jinja_int(run, result);
}

const jinja_value *jinja_operate(jinja_run *run, const char *mark, const jinja_value *a,
                                 const jinja_value *b) {
    if (mark[0] == '~') return joined(run, a, b);
    if (jinja_is_number(a) && jinja_is_number(b))
        return a->kind == JINJA_FLOAT || b->kind == JINJA_FLOAT ? fractions(run, mark, a, b)
                                                                : integers(run, mark, a->number, b->number);
    bool a_repeats = a->kind == JINJA_STRING || a->kind == JINJA_LIST || a->kind == JINJA_TUPLE;
    bool b_repeats = b->kind == JINJA_STRING || b->kind == JINJA_LIST || b->kind == JINJA_TUPLE;
    if (strcmp(mark, "*") == 0 && !(a->kind == JINJA_STRING && a->number) &&
        !(b->kind == JINJA_STRING && b->number)) {
        if (a_repeats && (b->kind == JINJA_INT || b->kind == JINJA_BOOL)) return repeated(run, a, b->number);
        if (b_repeats && (a->kind == JINJA_INT || a->kind == JINJA_BOOL)) return repeated(run, b, a->number);
    }
    if (mark[0] != '+' || !a_repeats || a->kind != b->kind) return unknown(run, mark, a, b);
    if (a->kind == JINJA_STRING) return a->number || b->number ? added_markup(run, a, b) : joined(run, a, b);
    jinja_value *list = jinja_make(run, a->kind);
    if (!jinja_step(run, (int64_t)(a->count + b->count) / 4)) return list;
    for (size_t i = 0; i < a->count; i++) jinja_append(run, list, a->items[i]);
    for (size_t i = 0; i < b->count; i++) jinja_append(run, list, b->items[i]);
    return list;
}

bool jinja_contains(jinja_run *run, const jinja_value *item, const jinja_value *where) {
    if (where->kind == JINJA_STRING && item->kind == JINJA_STRING)
        return item->length == 0 || memmem(where->text, where->length, item->text, item->length) != NULL;
    if (where->kind == JINJA_UNDEFINED) return false;
    if (where->kind == JINJA_MAP && item->kind == JINJA_STRING) return jinja_lookup(where, item->text);
    if (where->kind == JINJA_MAP && (jinja_is_number(item) || item->kind == JINJA_NONE)) return false;
    if (!jinja_is_sequence(where) && where->kind != JINJA_GENERATOR) {
        jinja_refuse(run, "\"in\" for %s in %s is not supported", jinja_kind_name(item),
                     jinja_kind_name(where));
        return false;
    }
    const jinja_value *items = jinja_iterate(run, where);
    for (size_t i = 0; i < items->count && run->code == PBT_OK; i++)
        if (jinja_equal(run, item, items->items[i])) return true;
    return false;
}

static bool ordered(jinja_run *run, const char *mark, const jinja_value *a, const jinja_value *b) {
    if ((a->kind == JINJA_FLOAT && isnan(a->real)) || (b->kind == JINJA_FLOAT && isnan(b->real)))
        return jinja_is_number(a) && jinja_is_number(b) ? false : (jinja_order(run, a, b), false);
    int order = jinja_order(run, a, b);
    if (mark[0] == '<') return mark[1] ? order <= 0 : order < 0;
    return mark[1] ? order >= 0 : order > 0;
}

bool jinja_compare(jinja_run *run, const char *mark, const jinja_value *a, const jinja_value *b) {
    if (strcmp(mark, "==") == 0) return jinja_equal(run, a, b);
    if (strcmp(mark, "!=") == 0) return !jinja_equal(run, a, b);
    if (strcmp(mark, "in") == 0) return jinja_contains(run, a, b);
    if (strcmp(mark, "not in") == 0) return !jinja_contains(run, a, b);
    return ordered(run, mark, a, b);
}

const jinja_value *jinja_element(jinja_run *run, const jinja_value *object, const jinja_value *index) {
    bool whole = index->kind == JINJA_INT || index->kind == JINJA_BOOL;
    if (object->kind == JINJA_UNDEFINED)
        return jinja_refuse(run, "\"%s\" is undefined, so it has no elements",
                            object->text ? object->text : "a value");
    if (object->kind == JINJA_MAP && index->kind == JINJA_STRING) {
        const jinja_value *value = jinja_lookup(object, index->text);
        return value ? value : jinja_attribute(run, object, index->text);
    }
    if (index->kind == JINJA_STRING) return jinja_attribute(run, object, index->text);
    if (!whole || (object->kind != JINJA_STRING && object->kind != JINJA_LIST &&
                   object->kind != JINJA_TUPLE && object->kind != JINJA_RANGE))
        return jinja_missing(run, "an element");
    int64_t n = (int64_t)(object->kind == JINJA_STRING ? jinja_characters(object) : object->count);
    int64_t i = index->number < 0 ? index->number + n : index->number;
    if (i < 0 || i >= n) return jinja_missing(run, "an element");
    if (object->kind != JINJA_STRING) return object->items[i];
    size_t at = jinja_character_at(object, (size_t)i), size;
    if (!jinja_step(run, (int64_t)(object->length / 64))) return object;
    pbt_utf8_decode(object->text + at, object->length - at, &size);
    return jinja_string(run, object->text + at, size);
}

/* One end of a slice, as Python clips it. */
static bool clip(jinja_run *run, const jinja_value *value, int64_t initial, int64_t least, int64_t most,
                 int64_t n, int64_t *end) {
    *end = initial;
    if (value->kind == JINJA_NONE) return true;
    if (value->kind != JINJA_INT && value->kind != JINJA_BOOL)
        return jinja_refuse(run, "a slice with %s is not supported", jinja_kind_name(value)), false;
    int64_t i = value->number < 0 ? value->number + n : value->number;
    *end = i < least ? least : i > most ? most : i;
    return true;
}

const jinja_value *jinja_slice(jinja_run *run, const jinja_value *object, const jinja_value *from,
                               const jinja_value *to, const jinja_value *by) {
    bool string = object->kind == JINJA_STRING;
    if (!string && object->kind != JINJA_LIST && object->kind != JINJA_TUPLE)
        return jinja_refuse(run, "a slice of %s is not supported", jinja_kind_name(object));
    const jinja_value *items = jinja_iterate(run, object);
    int64_t stride = by->kind == JINJA_NONE ? 1 : by->number, n = (int64_t)items->count, first, last;
    if ((by->kind != JINJA_NONE && by->kind != JINJA_INT && by->kind != JINJA_BOOL) || stride == 0)
        return jinja_refuse(run, "a slice with this step is not supported");
    bool down = stride < 0;
    if (stride > n + 1) stride = n + 1;
    if (stride < -n - 1) stride = -n - 1;
    if (!clip(run, from, down ? n - 1 : 0, down ? -1 : 0, down ? n - 1 : n, n, &first) ||
        !clip(run, to, down ? -1 : n, down ? -1 : 0, down ? n - 1 : n, n, &last))
        return object;
    jinja_value *list = jinja_make(run, string ? JINJA_LIST : object->kind);
    for (int64_t i = first; down ? i > last : i < last; i += stride) jinja_append(run, list, items->items[i]);
    if (!string) return list;
    if (object->number) return jinja_refuse(run, "a slice of a \"safe\" string is not supported");
    pbt_text text = {0};
    for (size_t i = 0; i < list->count; i++)
        pbt_text_append(&text, list->items[i]->text, list->items[i]->length);
    return jinja_take_text(run, &text);
}
