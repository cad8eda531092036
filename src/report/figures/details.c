#include "report/figures/details.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pbt_code detail_named(pbt_detail_list *list, const char *name, pbt_detail **detail, pbt_error *error) {
    for (size_t i = 0; i < list->count; i++) {
        *detail = &list->items[i];
        if (strcmp((*detail)->name, name) == 0) return PBT_OK;
    }
    PBT_TRY(pbt_grow(list->items, &list->capacity, list->count + 1, error));
    *detail = &list->items[list->count];
    **detail = (pbt_detail){.name = pbt_string_copy(name),
                            .items = {.least = pbt_string_ends(name, ".difference") ? -1 : 0}};
    if (!(*detail)->name) return pbt_fail_memory(error, strlen(name), "a report");
    list->count++;
    return PBT_OK;
}

pbt_code pbt_details_add(pbt_detail_list *list, const json_t *details, size_t seed, uint32_t cluster,
                         pbt_error *error) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)details, name, value) {
        pbt_detail *detail;
        if (!json_is_number(value)) continue;
        PBT_TRY(detail_named(list, name, &detail, error));
        PBT_TRY(pbt_figure_add(&detail->items, seed, cluster, json_number_value(value), error));
    }
    return PBT_OK;
}

pbt_code pbt_details_make(pbt_detail_list *list, size_t n_seeds, size_t draws, const char *arm,
                          pbt_error *error) {
    for (size_t i = 0; i < list->count; i++) {
        char key[160];
        pbt_detail *d = &list->items[i];
        snprintf(key, sizeof key, "%s/%s", arm, d->name);
        PBT_TRY(pbt_figure_make(&d->items, n_seeds, draws, key, &d->figure, error));
    }
    return PBT_OK;
}

void pbt_details_free(pbt_detail_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].name);
        pbt_figure_items_free(&list->items[i].items);
        pbt_figure_free(&list->items[i].figure);
    }
    free(list->items);
    *list = (pbt_detail_list){0};
}

const pbt_figure *pbt_detail_figure(const pbt_detail_list *list, const char *name) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0) return &list->items[i].figure;
    return NULL;
}

static size_t count_of(const pbt_figure_items *items, size_t seed) {
    size_t n = 0;
    for (size_t i = 0; i < items->count; i++) n += items->seed[i] == seed;
    return n;
}

/* One seed's items: value * (all items) / (sets * items of its set). */
static pbt_code even_seed(const pbt_detail_list *list, const char *prefix, size_t seed, pbt_figure_items *out,
                          pbt_error *error) {
    size_t sets = 0, all = 0;
    for (size_t i = 0; i < list->count; i++) {
        size_t n = pbt_string_starts(list->items[i].name, prefix) ? count_of(&list->items[i].items, seed) : 0;
        sets += n > 0;
        all += n;
    }
    for (size_t i = 0; i < list->count; i++) {
        const pbt_figure_items *items = &list->items[i].items;
        if (!pbt_string_starts(list->items[i].name, prefix)) continue;
        double weight = (double)all / ((double)sets * (double)count_of(items, seed));
        for (size_t k = 0; k < items->count; k++) {
            if (items->seed[k] != seed) continue;
            PBT_TRY(
                pbt_figure_add(out, seed, items->items[k].cluster, weight * items->items[k].value, error));
        }
    }
    return PBT_OK;
}

pbt_code pbt_details_even(const pbt_detail_list *list, const char *prefix, size_t n_seeds,
                          pbt_figure_items *out, pbt_error *error) {
    for (size_t s = 0; s < n_seeds; s++) PBT_TRY(even_seed(list, prefix, s, out, error));
    return PBT_OK;
}

void pbt_details_json(const pbt_detail_list *list, json_t *arm) {
    for (size_t i = 0; i < list->count; i++) {
        json_t *at = arm;
        const char *part = list->items[i].name;
        for (;;) {
            char level[64];
            size_t length = strcspn(part, ".");
            snprintf(level, sizeof level, "%.*s", (int)length, part);
            if (!part[length]) {
                json_object_set_new(at, level, pbt_figure_json(&list->items[i].figure));
                break;
            }
            json_t *next = json_object_get(at, level);
            if (!json_is_object(next)) {
                next = json_object();
                json_object_set_new(at, level, next);
            }
            at = next;
            part += length + 1;
        }
    }
}
