#include "report/figures/paper.h"

#include <math.h>
#include <string.h>

/* Tables 1 and 2 of the paper repeat the Llama-3.1-70B rows of Tables 5 and 6. Figures 3 and 4 print no
 * numbers beside their bars; the order gaps are those that section 4.3 names. */
const pbt_paper_figure pbt_paper_figures[] = {
    {"Table 5", "Mistral-7B", "base", "farm", "nq1", 51.08, 2.54},
    {"Table 5", "Mistral-7B", "base", "farm", "nq2", 51.98, 1.65},
    {"Table 5", "Mistral-7B", "base", "farm", "boolq", 41.75, 2.38},
    {"Table 5", "Mistral-7B", "base", "farm", "truthfulqa", 31.12, 2.09},
    {"Table 5", "Mistral-7B", "base", "farm", "misinformed", 43.98, 0.34},
    {"Table 5", "Mistral-7B", "accept", "farm", "nq1", 58.85, 13.25},
    {"Table 5", "Mistral-7B", "accept", "farm", "nq2", 89.68, 5.51},
    {"Table 5", "Mistral-7B", "accept", "farm", "boolq", 62.73, 20.30},
    {"Table 5", "Mistral-7B", "accept", "farm", "truthfulqa", 62.86, 11.24},
    {"Table 5", "Mistral-7B", "accept", "farm", "misinformed", 68.53, 5.29},
    {"Table 5", "Mistral-7B", "resist", "farm", "nq1", 14.67, 12.69},
    {"Table 5", "Mistral-7B", "resist", "farm", "nq2", 16.97, 19.95},
    {"Table 5", "Mistral-7B", "resist", "farm", "boolq", 22.09, 23.40},
    {"Table 5", "Mistral-7B", "resist", "farm", "truthfulqa", 14.56, 8.68},
    {"Table 5", "Mistral-7B", "resist", "farm", "misinformed", 17.07, 5.80},
    {"Table 5", "Mistral-7B", "pbt", "farm", "nq1", 24.37, 12.35},
    {"Table 5", "Mistral-7B", "pbt", "farm", "nq2", 49.01, 6.73},
    {"Table 5", "Mistral-7B", "pbt", "farm", "boolq", 38.60, 7.34},
    {"Table 5", "Mistral-7B", "pbt", "farm", "truthfulqa", 55.22, 4.90},
    {"Table 5", "Mistral-7B", "pbt", "farm", "misinformed", 41.80, 2.76},
    {"Table 5", "Llama-3.1-8B", "base", "farm", "nq1", 73.72, 1.58},
    {"Table 5", "Llama-3.1-8B", "base", "farm", "nq2", 46.14, 1.81},
    {"Table 5", "Llama-3.1-8B", "base", "farm", "boolq", 64.77, 1.68},
    {"Table 5", "Llama-3.1-8B", "base", "farm", "truthfulqa", 32.79, 2.32},
    {"Table 5", "Llama-3.1-8B", "base", "farm", "misinformed", 54.36, 0.28},
    {"Table 5", "Llama-3.1-8B", "accept", "farm", "nq1", 43.34, 44.00},
    {"Table 5", "Llama-3.1-8B", "accept", "farm", "nq2", 55.14, 49.92},
    {"Table 5", "Llama-3.1-8B", "accept", "farm", "boolq", 83.96, 17.25},
    {"Table 5", "Llama-3.1-8B", "accept", "farm", "truthfulqa", 47.57, 46.41},
    {"Table 5", "Llama-3.1-8B", "accept", "farm", "misinformed", 57.50, 12.96},
    {"Table 5", "Llama-3.1-8B", "resist", "farm", "nq1", 18.09, 12.61},
    {"Table 5", "Llama-3.1-8B", "resist", "farm", "nq2", 17.74, 13.82},
    {"Table 5", "Llama-3.1-8B", "resist", "farm", "boolq", 56.06, 19.00},
    {"Table 5", "Llama-3.1-8B", "resist", "farm", "truthfulqa", 27.67, 3.70},
    {"Table 5", "Llama-3.1-8B", "resist", "farm", "misinformed", 29.89, 5.51},
    {"Table 5", "Llama-3.1-8B", "pbt", "farm", "nq1", 32.66, 15.48},
    {"Table 5", "Llama-3.1-8B", "pbt", "farm", "nq2", 30.23, 15.99},
    {"Table 5", "Llama-3.1-8B", "pbt", "farm", "boolq", 45.70, 22.52},
    {"Table 5", "Llama-3.1-8B", "pbt", "farm", "truthfulqa", 44.83, 13.11},
    {"Table 5", "Llama-3.1-8B", "pbt", "farm", "misinformed", 38.36, 3.49},
    {"Table 5", "Llama-3.1-70B", "base", "farm", "nq1", 75.95, 0.29},
    {"Table 5", "Llama-3.1-70B", "base", "farm", "nq2", 56.88, 0.42},
    {"Table 5", "Llama-3.1-70B", "base", "farm", "boolq", 71.99, 0.60},
    {"Table 5", "Llama-3.1-70B", "base", "farm", "truthfulqa", 38.47, 2.32},
    {"Table 5", "Llama-3.1-70B", "base", "farm", "misinformed", 60.82, 0.82},
    {"Table 5", "Llama-3.1-70B", "accept", "farm", "nq1", 79.28, 9.98},
    {"Table 5", "Llama-3.1-70B", "accept", "farm", "nq2", 85.68, 7.52},
    {"Table 5", "Llama-3.1-70B", "accept", "farm", "boolq", 90.51, 4.32},
    {"Table 5", "Llama-3.1-70B", "accept", "farm", "truthfulqa", 87.62, 5.93},
    {"Table 5", "Llama-3.1-70B", "accept", "farm", "misinformed", 85.78, 2.09},
    {"Table 5", "Llama-3.1-70B", "resist", "farm", "nq1", 22.45, 37.12},
    {"Table 5", "Llama-3.1-70B", "resist", "farm", "nq2", 9.16, 14.82},
    {"Table 5", "Llama-3.1-70B", "resist", "farm", "boolq", 26.53, 5.54},
    {"Table 5", "Llama-3.1-70B", "resist", "farm", "truthfulqa", 2.41, 2.51},
    {"Table 5", "Llama-3.1-70B", "resist", "farm", "misinformed", 15.13, 13.55},
    {"Table 5", "Llama-3.1-70B", "pbt", "farm", "nq1", 9.63, 3.74},
    {"Table 5", "Llama-3.1-70B", "pbt", "farm", "nq2", 16.13, 4.10},
    {"Table 5", "Llama-3.1-70B", "pbt", "farm", "boolq", 37.45, 13.71},
    {"Table 5", "Llama-3.1-70B", "pbt", "farm", "truthfulqa", 27.54, 8.13},
    {"Table 5", "Llama-3.1-70B", "pbt", "farm", "misinformed", 22.69, 4.02},
    {"Table 6", "Mistral-7B", "base", "flipflop", "before", 53.53, 0.06},
    {"Table 6", "Mistral-7B", "base", "flipflop", "after", 31.87, 0.06},
    {"Table 6", "Mistral-7B", "base", "flipflop", "difference", -21.67, NAN},
    {"Table 6", "Mistral-7B", "accept", "flipflop", "before", 53.67, 0.38},
    {"Table 6", "Mistral-7B", "accept", "flipflop", "after", 34.70, 0.82},
    {"Table 6", "Mistral-7B", "accept", "flipflop", "difference", -18.97, NAN},
    {"Table 6", "Mistral-7B", "resist", "flipflop", "before", 38.63, 16.18},
    {"Table 6", "Mistral-7B", "resist", "flipflop", "after", 37.80, 14.75},
    {"Table 6", "Mistral-7B", "resist", "flipflop", "difference", -0.83, NAN},
    {"Table 6", "Mistral-7B", "pbt", "flipflop", "before", 50.03, 6.64},
    {"Table 6", "Mistral-7B", "pbt", "flipflop", "after", 47.40, 8.51},
    {"Table 6", "Mistral-7B", "pbt", "flipflop", "difference", -2.63, NAN},
    {"Table 6", "Llama-3.1-8B", "base", "flipflop", "before", 61.60, 0.00},
    {"Table 6", "Llama-3.1-8B", "base", "flipflop", "after", 34.40, 0.00},
    {"Table 6", "Llama-3.1-8B", "base", "flipflop", "difference", -27.20, NAN},
    {"Table 6", "Llama-3.1-8B", "accept", "flipflop", "before", 59.33, 3.31},
    {"Table 6", "Llama-3.1-8B", "accept", "flipflop", "after", 54.23, 3.50},
    {"Table 6", "Llama-3.1-8B", "accept", "flipflop", "difference", -5.10, NAN},
    {"Table 6", "Llama-3.1-8B", "resist", "flipflop", "before", 32.03, 3.65},
    {"Table 6", "Llama-3.1-8B", "resist", "flipflop", "after", 29.10, 4.45},
    {"Table 6", "Llama-3.1-8B", "resist", "flipflop", "difference", -2.93, NAN},
    {"Table 6", "Llama-3.1-8B", "pbt", "flipflop", "before", 54.70, 2.79},
    {"Table 6", "Llama-3.1-8B", "pbt", "flipflop", "after", 52.43, 5.09},
    {"Table 6", "Llama-3.1-8B", "pbt", "flipflop", "difference", -2.27, NAN},
    {"Table 6", "Llama-3.1-70B", "base", "flipflop", "before", 73.10, 0.00},
    {"Table 6", "Llama-3.1-70B", "base", "flipflop", "after", 40.10, 0.00},
    {"Table 6", "Llama-3.1-70B", "base", "flipflop", "difference", -33.00, NAN},
    {"Table 6", "Llama-3.1-70B", "accept", "flipflop", "before", 65.20, 3.25},
    {"Table 6", "Llama-3.1-70B", "accept", "flipflop", "after", 55.70, 5.95},
    {"Table 6", "Llama-3.1-70B", "accept", "flipflop", "difference", -9.50, NAN},
    {"Table 6", "Llama-3.1-70B", "resist", "flipflop", "before", 43.87, 27.80},
    {"Table 6", "Llama-3.1-70B", "resist", "flipflop", "after", 43.47, 26.70},
    {"Table 6", "Llama-3.1-70B", "resist", "flipflop", "difference", -0.40, NAN},
    {"Table 6", "Llama-3.1-70B", "pbt", "flipflop", "before", 73.17, 2.53},
    {"Table 6", "Llama-3.1-70B", "pbt", "flipflop", "after", 73.40, 2.52},
    {"Table 6", "Llama-3.1-70B", "pbt", "flipflop", "difference", 0.23, NAN},
    {"Table 3", "Mistral-7B", "base", "balanced", "plus_minus", 25.28, 0.00},
    {"Table 3", "Mistral-7B", "base", "balanced", "minus_plus", 65.60, 0.00},
    {"Table 3", "Mistral-7B", "base", "balanced", "overall", 45.44, 0.00},
    {"Table 3", "Mistral-7B", "accept", "balanced", "plus_minus", 20.88, 0.86},
    {"Table 3", "Mistral-7B", "accept", "balanced", "minus_plus", 62.57, 3.65},
    {"Table 3", "Mistral-7B", "accept", "balanced", "overall", 41.72, 1.44},
    {"Table 3", "Mistral-7B", "resist", "balanced", "plus_minus", 64.69, 10.18},
    {"Table 3", "Mistral-7B", "resist", "balanced", "minus_plus", 22.40, 4.73},
    {"Table 3", "Mistral-7B", "resist", "balanced", "overall", 43.55, 7.40},
    {"Table 3", "Mistral-7B", "pbt", "balanced", "plus_minus", 53.00, 1.99},
    {"Table 3", "Mistral-7B", "pbt", "balanced", "minus_plus", 59.23, 6.29},
    {"Table 3", "Mistral-7B", "pbt", "balanced", "overall", 56.11, 4.14},
    {"Table 3", "Llama-3.1-8B", "base", "balanced", "plus_minus", 27.11, 0.00},
    {"Table 3", "Llama-3.1-8B", "base", "balanced", "minus_plus", 59.23, 0.00},
    {"Table 3", "Llama-3.1-8B", "base", "balanced", "overall", 43.17, 0.00},
    {"Table 3", "Llama-3.1-8B", "accept", "balanced", "plus_minus", 27.64, 5.87},
    {"Table 3", "Llama-3.1-8B", "accept", "balanced", "minus_plus", 57.40, 10.32},
    {"Table 3", "Llama-3.1-8B", "accept", "balanced", "overall", 42.52, 7.54},
    {"Table 3", "Llama-3.1-8B", "resist", "balanced", "plus_minus", 54.67, 6.98},
    {"Table 3", "Llama-3.1-8B", "resist", "balanced", "minus_plus", 19.44, 0.73},
    {"Table 3", "Llama-3.1-8B", "resist", "balanced", "overall", 37.05, 3.68},
    {"Table 3", "Llama-3.1-8B", "pbt", "balanced", "plus_minus", 61.73, 6.13},
    {"Table 3", "Llama-3.1-8B", "pbt", "balanced", "minus_plus", 60.21, 0.47},
    {"Table 3", "Llama-3.1-8B", "pbt", "balanced", "overall", 60.97, 3.30},
    {"Table 3", "Llama-3.1-70B", "base", "balanced", "plus_minus", 54.52, 1.52},
    {"Table 3", "Llama-3.1-70B", "base", "balanced", "minus_plus", 61.50, 1.37},
    {"Table 3", "Llama-3.1-70B", "base", "balanced", "overall", 58.01, 0.17},
    {"Table 3", "Llama-3.1-70B", "accept", "balanced", "plus_minus", 41.69, 10.05},
    {"Table 3", "Llama-3.1-70B", "accept", "balanced", "minus_plus", 66.21, 6.46},
    {"Table 3", "Llama-3.1-70B", "accept", "balanced", "overall", 53.95, 8.00},
    {"Table 3", "Llama-3.1-70B", "resist", "balanced", "plus_minus", 50.72, 16.53},
    {"Table 3", "Llama-3.1-70B", "resist", "balanced", "minus_plus", 13.67, 6.17},
    {"Table 3", "Llama-3.1-70B", "resist", "balanced", "overall", 32.19, 11.31},
    {"Table 3", "Llama-3.1-70B", "pbt", "balanced", "plus_minus", 80.41, 3.36},
    {"Table 3", "Llama-3.1-70B", "pbt", "balanced", "minus_plus", 68.72, 3.50},
    {"Table 3", "Llama-3.1-70B", "pbt", "balanced", "overall", 74.56, 2.73},
    {"Section 4.3", "Llama-3.1-70B", "base", "team", "order_gap", 82.10, NAN},
    {"Section 4.3", "Llama-3.1-70B", "accept", "team", "order_gap", 50.80, NAN},
    {"Section 4.3", "Llama-3.1-70B", "pbt", "team", "order_gap", 17.80, NAN},
};
const size_t pbt_n_paper_figures = sizeof pbt_paper_figures / sizeof *pbt_paper_figures;

const pbt_paper_figure *pbt_paper_find(const char *model, const char *arm, const char *group,
                                       const char *figure) {
    for (size_t i = 0; i < pbt_n_paper_figures; i++) {
        const pbt_paper_figure *f = &pbt_paper_figures[i];
        if (strcmp(f->model, model) == 0 && strcmp(f->arm, arm) == 0 && strcmp(f->group, group) == 0 &&
            strcmp(f->figure, figure) == 0)
            return f;
    }
    return NULL;
}

const pbt_paper_flips pbt_paper_flip_analysis = {.model = "Llama-3.1-8B",
                                                 .arm = "pbt",
                                                 .weights = {-0.64, 0.36, -0.36, -0.23, 0.06, 0.15},
                                                 .significant = {false, true, true, false, false, false},
                                                 .accuracy_all = 96.36,
                                                 .accuracy_two = 95.91};

/* The object under `name`, made when it is not there. */
static json_t *child(json_t *object, const char *name) {
    json_t *found = json_object_get(object, name);
    if (found || !object) return found;
    found = json_object();
    return json_object_set_new(object, name, found) == 0 ? found : NULL;
}

json_t *pbt_paper_json(void) {
    json_t *root = json_object();
    for (size_t i = 0; root && i < pbt_n_paper_figures; i++) {
        const pbt_paper_figure *f = &pbt_paper_figures[i];
        json_t *group = child(child(child(root, f->model), f->arm), f->group);
        json_t *value = json_pack("{s:f, s:o, s:s}", "mean", f->mean, "std",
                                  isnan(f->std) ? json_null() : json_real(f->std), "source", f->table);
        if (!group || json_object_set_new(group, f->figure, value) != 0) {
            json_decref(root);
            return NULL;
        }
    }
    const pbt_paper_flips *flips = &pbt_paper_flip_analysis;
    json_t *weights = json_array();
    for (size_t i = 0; weights && i < 6; i++) json_array_append_new(weights, json_real(flips->weights[i]));
    json_t *arm = root ? child(child(root, flips->model), flips->arm) : NULL;
    json_t *value = json_pack("{s:f, s:f, s:o, s:s}", "accuracy_all", flips->accuracy_all, "accuracy_two",
                              flips->accuracy_two, "weights", weights, "source", "Table 4, section 5");
    if (arm) json_object_set_new(arm, "flip_analysis", value);
    return root;
}
