/*
 * pbt stats: the report's statistics on data of one's own, so that they can be held against other programs.
 */
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/command.h"
#include "statistics/regression.h"
#include "statistics/statistics.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 1000000 };

typedef struct stats_options {
    const char *input;
    bool standardize;
    double ridge;
    int64_t folds, draws, seed;
} stats_options;

/* Rows as they came. */
typedef struct rows {
    json_t **items;
    size_t n, capacity;
    uint32_t *group; /* [n]: of the field "group"; rows without it are groups of their own */
    const char *file;
} rows;

static pbt_code push_row(rows *r, json_t *row, pbt_error *error) {
    pbt_code code = r->n >= MOST_ROWS ? pbt_fail(error, PBT_BAD_INPUT, "more than %d lines", MOST_ROWS)
                                      : pbt_grow(r->items, &r->capacity, r->n + 1, error);
    if (code == PBT_OK) {
        r->items[r->n++] = row;
    } else {
        json_decref(row);
    }
    return code;
}

static pbt_code number_groups(rows *r, pbt_error *error) {
    json_t *known = json_object();
    r->group = pbt_alloc(r->n + 1, sizeof *r->group);
    pbt_code code = known && r->group ? PBT_OK : pbt_fail_memory(error, r->n, "groups");
    for (size_t i = 0; i < r->n && code == PBT_OK; i++) {
        const json_t *group = json_object_get(r->items[i], "group");
        char *name = group ? json_dumps(group, JSON_ENCODE_ANY) : pbt_string_format("row %zu", i);
        if (!name) code = pbt_fail_memory(error, 0, "a group");
        if (name && !json_object_get(known, name))
            json_object_set_new(known, name, json_integer((json_int_t)json_object_size(known)));
        if (name) r->group[i] = (uint32_t)json_integer_value(json_object_get(known, name));
        free(name);
    }
    json_decref(known);
    return code;
}

static pbt_code read_rows(const pbt_cli *cli, const stats_options *o, rows *r, pbt_error *error) {
    pbt_lines *lines;
    char *line, where[48];
    size_t length, number;
    r->file = strcmp(o->input, "-") == 0 ? "/dev/stdin" : o->input;
    PBT_TRY(pbt_lines_open(r->file, &lines, error));
    pbt_lines_watch(lines, cli->monitor);
    pbt_code code = PBT_OK;
    while (code == PBT_OK) {
        json_t *row;
        code = pbt_lines_next(lines, &line, &length, &number, error);
        if (code != PBT_OK || !line) break;
        if (length == 0) continue;
        snprintf(where, sizeof where, "line %zu", number);
        code = pbt_json_parse_row(line, length, r->file, where, &row, error);
        if (code == PBT_OK) code = push_row(r, row, error);
    }
    pbt_lines_close(lines);
    if (code == PBT_OK && r->n == 0)
        code = pbt_fail_at(error, PBT_BAD_INPUT, r->file, NULL, "expected JSON lines, found none");
    return code == PBT_OK ? number_groups(r, error) : code;
}

static pbt_code field(const rows *r, size_t i, const char *key, double *value, pbt_error *error) {
    char where[48];
    snprintf(where, sizeof where, "row %zu", i + 1);
    PBT_TRY(pbt_json_number(r->items[i], key, r->file, where, value, error));
    if (isfinite(*value)) return PBT_OK;
    return pbt_fail_at(error, PBT_BAD_INPUT, r->file, where, "\"%s\": expected a finite number", key);
}

static json_t *numbers(const double *x, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, isfinite(x[i]) ? json_real(x[i]) : json_null());
    return list;
}

/* ---- regression ---- */

static pbt_code read_table(const rows *r, pbt_cases_table *t, double *x, unsigned char *y, pbt_error *error) {
    for (size_t i = 0; i < r->n; i++) {
        char where[48];
        const json_t *list;
        double value;
        snprintf(where, sizeof where, "row %zu", i + 1);
        PBT_TRY(pbt_json_array(r->items[i], "x", r->file, where, &list, error));
        if (json_array_size(list) != t->d)
            return pbt_fail_at(error, PBT_BAD_INPUT, r->file, where, "\"x\": expected %zu numbers, found %zu",
                               t->d, json_array_size(list));
        for (size_t j = 0; j < t->d; j++) {
            const json_t *number = json_array_get(list, j);
            if (!json_is_number(number))
                return pbt_fail_at(error, PBT_BAD_INPUT, r->file, where, "\"x\": expected numbers");
            x[i * t->d + j] = json_number_value(number);
        }
        PBT_TRY(field(r, i, "y", &value, error));
        if (value != 0 && value != 1)
            return pbt_fail_at(error, PBT_BAD_INPUT, r->file, where, "\"y\": expected 0 or 1");
        y[i] = value == 1;
    }
    return PBT_OK;
}

/* Folds from the field "fold" when the rows have it, else drawn; by group where there are groups. */
static pbt_code validate(const stats_options *o, const rows *r, const pbt_cases_table *t, double *predicted,
                         pbt_error *error) {
    bool given = pbt_json_has(r->items[0], "fold"), grouped = pbt_json_has(r->items[0], "group");
    if (!given)
        return pbt_cross_validate(t, (size_t)o->folds, grouped, pbt_key_of_seed((uint64_t)o->seed), predicted,
                                  error);
    size_t *fold = pbt_alloc(r->n, sizeof *fold);
    pbt_code code = fold ? PBT_OK : pbt_fail_memory(error, r->n, "folds");
    for (size_t i = 0; i < r->n && code == PBT_OK; i++) {
        int64_t at;
        char where[48];
        snprintf(where, sizeof where, "row %zu", i + 1);
        code = pbt_json_integer(r->items[i], "fold", 0, o->folds - 1, r->file, where, &at, error);
        if (code == PBT_OK) fold[i] = (size_t)at;
    }
    if (code == PBT_OK) code = pbt_cross_validate_folds(t, fold, (size_t)o->folds, predicted, error);
    free(fold);
    return code;
}

static pbt_code fit_table(const stats_options *o, const rows *r, pbt_cases_table *t, double *x,
                          double *predicted, json_t **out, pbt_error *error) {
    pbt_regression fit;
    double right = 0;
    if (o->folds > 1) PBT_TRY(validate(o, r, t, predicted, error));
    for (size_t i = 0; i < r->n; i++) right += (predicted[i] > 0.5) == t->y[i];
    if (o->standardize) pbt_standardize(x, t->n, t->d, NULL, NULL);
    PBT_TRY(o->ridge > 0 ? pbt_logistic_fit(t, o->ridge, &fit, error)
                         : pbt_logistic_fit_safe(t, &fit, error));
    size_t m = t->d + 1;
    *out = json_pack("{s:o, s:o, s:o, s:o, s:o, s:f, s:i, s:b, s:f}", "weights", numbers(fit.weights, m),
                     "errors", numbers(fit.errors, m), "z", numbers(fit.z, m), "p", numbers(fit.p, m),
                     "p_by_group", numbers(fit.robust_p, m), "log_likelihood", fit.log_likelihood,
                     "iterations", (int)fit.iterations, "converged", (int)fit.converged, "ridge", fit.ridge);
    if (o->folds > 1) {
        json_object_set_new(*out, "accuracy", json_real(right / (double)r->n));
        json_object_set_new(*out, "predicted", numbers(predicted, r->n));
    }
    return PBT_OK;
}

static pbt_code regression(const stats_options *o, const rows *r, json_t **out, pbt_error *error) {
    pbt_cases_table t = {.n = r->n, .d = json_array_size(json_object_get(r->items[0], "x"))};
    if (t.d < 1 || t.d > PBT_MAX_FEATURES)
        return pbt_fail_at(error, PBT_BAD_INPUT, r->file, "row 1", "\"x\": expected 1 to %d numbers",
                           PBT_MAX_FEATURES);
    double *x = pbt_alloc(t.n * t.d, sizeof *x), *predicted = pbt_alloc(t.n, sizeof *predicted);
    unsigned char *y = pbt_alloc(t.n, sizeof *y);
    pbt_code code =
        x && y && predicted ? read_table(r, &t, x, y, error) : pbt_fail_memory(error, t.n, "a table");
    t.x = x;
    t.y = y;
    t.cluster = r->group;
    if (code == PBT_OK) code = fit_table(o, r, &t, x, predicted, out, error);
    free(x);
    free(y);
    free(predicted);
    return code;
}

/* ---- pairs and single values ---- */

static pbt_code mcnemar(const stats_options *o, const rows *r, json_t **out, pbt_error *error) {
    (void)o;
    int64_t both = 0, first = 0, second = 0;
    for (size_t i = 0; i < r->n; i++) {
        double a, b;
        PBT_TRY(field(r, i, "a", &a, error));
        PBT_TRY(field(r, i, "b", &b, error));
        both += a > 0.5 && b > 0.5;
        first += a > 0.5 && b <= 0.5;
        second += a <= 0.5 && b > 0.5;
    }
    *out = json_pack("{s:I, s:I, s:I, s:I, s:f}", "n", (json_int_t)r->n, "both", (json_int_t)both, "only_a",
                     (json_int_t)first, "only_b", (json_int_t)second, "p", pbt_mcnemar(first, second));
    return PBT_OK;
}

static pbt_code bootstrap(const stats_options *o, const rows *r, json_t **out, pbt_error *error) {
    bool paired = pbt_json_has(r->items[0], "b");
    pbt_item *items = pbt_alloc(r->n, sizeof *items);
    double interval[2], mean = 0;
    bool shares = true; /* whose interval means something where all are the same */
    pbt_code code = items ? PBT_OK : pbt_fail_memory(error, r->n, "items");
    for (size_t i = 0; i < r->n && code == PBT_OK; i++) {
        double a, b = 0;
        code = field(r, i, "a", &a, error);
        if (code == PBT_OK && paired) code = field(r, i, "b", &b, error);
        if (code != PBT_OK) break;
        items[i] = (pbt_item){r->group[i], a - b};
        shares = shares && a >= 0 && a <= 1 && b >= 0 && b <= 1;
        mean += (a - b) / (double)r->n;
    }
    if (code == PBT_OK)
        code = shares ? pbt_mean_interval(items, r->n, paired ? -1 : 0, 1, (size_t)o->draws,
                                          pbt_key_of_seed((uint64_t)o->seed), interval, error)
                      : pbt_bootstrap(items, r->n, (size_t)o->draws, pbt_key_of_seed((uint64_t)o->seed),
                                      interval, error);
    if (code == PBT_OK)
        *out = json_pack("{s:I, s:f, s:o}", "n", (json_int_t)r->n, paired ? "difference" : "mean", mean,
                         "ci95", numbers(interval, 2));
    free(items);
    return code;
}

static pbt_code mean(const stats_options *o, const rows *r, json_t **out, pbt_error *error) {
    (void)o;
    double *x = pbt_alloc(r->n, sizeof *x), center, spread, interval[2];
    int64_t ones = 0;
    pbt_code code = x ? PBT_OK : pbt_fail_memory(error, r->n, "values");
    for (size_t i = 0; i < r->n && code == PBT_OK; i++) {
        code = field(r, i, "a", &x[i], error);
        ones += code == PBT_OK && x[i] == 1;
    }
    if (code == PBT_OK) {
        pbt_mean_std(x, r->n, &center, &spread);
        pbt_wilson(ones, (int64_t)r->n, interval);
        *out = json_pack("{s:I, s:f, s:f, s:o}", "n", (json_int_t)r->n, "mean", center, "std", spread,
                         "wilson95", numbers(interval, 2));
    }
    free(x);
    return code;
}

static pbt_code run(const pbt_cli *cli, const void *settings, int n_arguments, char **arguments,
                    pbt_error *error) {
    static const struct {
        const char *name;
        pbt_code (*run)(const stats_options *o, const rows *r, json_t **out, pbt_error *error);
    } kinds[] = {{"regression", regression}, {"mcnemar", mcnemar}, {"bootstrap", bootstrap}, {"mean", mean}};
    const stats_options *o = settings;
    size_t kind = 0;
    (void)cli, (void)n_arguments;
    while (kind < 4 && strcmp(kinds[kind].name, arguments[0]) != 0) kind++;
    if (kind == 4)
        return pbt_fail(error, PBT_USAGE,
                        "stats: expected regression, mcnemar, bootstrap or mean, found \"%s\"", arguments[0]);
    if (o->folds < 0 || o->folds > MOST_ROWS || o->draws < 1 || o->draws > 10000000 || o->ridge < 0 ||
        o->seed < 0)
        return pbt_fail(error, PBT_USAGE, "stats: expected numbers from 0 on, and at least 1 draw");
    rows r = {0};
    json_t *out = NULL;
    pbt_code code = read_rows(cli, o, &r, error);
    if (code == PBT_OK) code = kinds[kind].run(o, &r, &out, error);
    if (code == PBT_OK) code = pbt_cli_print_json(out, error);
    for (size_t i = 0; i < r.n; i++) json_decref(r.items[i]);
    free(r.items);
    free(r.group);
    return code;
}

#define AT(f) offsetof(stats_options, f)
static const pbt_option options[] = {
    {"input", 0, PBT_OPTION_STRING, AT(input), "FILE", "-", "JSON lines (-: standard input)", NULL},
    {"standardize", 0, PBT_OPTION_FLAG, AT(standardize), NULL, NULL,
     "regression: features to mean 0 and deviation 1 first", NULL},
    {"ridge", 0, PBT_OPTION_NUMBER, AT(ridge), "X", "0", "regression: penalty X / 2 * |weights|^2", NULL},
    {"folds", 0, PBT_OPTION_INTEGER, AT(folds), "K", "0",
     "regression: cross-validate with K folds, those of the field \"fold\" or random ones", NULL},
    {"draws", 0, PBT_OPTION_INTEGER, AT(draws), "N", "2000", "bootstrap: samples", NULL},
    {"seed", 0, PBT_OPTION_INTEGER, AT(seed), "N", "0", "seed of folds and samples", NULL},
};

const pbt_command pbt_command_stats = {
    .name = "stats",
    .summary = "The report's statistics on your own data",
    .usage = "regression|mcnemar|bootstrap|mean [options] < rows.jsonl",
    .details =
        "Rows are JSON lines. `regression`: {\"x\": [numbers], \"y\": 0 or 1}, logistic, with Wald tests "
        "(also with errors clustered by group). `mcnemar`: {\"a\", \"b\"}, 0 or 1, exact. `bootstrap`: "
        "{\"a\"} "
        "or {\"a\", \"b\"} for the mean of a - b, percentile interval. `mean`: {\"a\"}, with deviation, and "
        "Wilson's interval for shares. \"group\" (a question's id, say) marks rows that belong together.\n\n"
        "Example:\n  pbt stats regression --standardize --folds 10 < flips.jsonl",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .settings_size = sizeof(stats_options),
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run,
};
