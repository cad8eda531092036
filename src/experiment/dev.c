#include "experiment/dev.h"

#include "base/memory.h"
#include "evaluation/cases.h"

#include <stdlib.h>
#include <string.h>

struct pbt_dev_set {
    pbt_run *run;
    int64_t seed;
    pbt_tree_list trees;
    pbt_case_list cases;
};

/* What a model in training says in its own place; the partner's place is left to the test. */
static void keep_own(pbt_case_list *cases) {
    size_t n = 0;
    for (size_t i = 0; i < cases->count; i++)
        if (cases->items[i].own) cases->items[n++] = cases->items[i];
    cases->count = n;
}

pbt_code pbt_dev_set_open(pbt_run *run, int64_t seed, pbt_dev_set **set, pbt_error *error) {
    const pbt_experiment *e = &run->experiment;
    *set = NULL;
    pbt_dev_set *d = pbt_alloc(1, sizeof *d);
    if (!d) return pbt_fail_memory(error, sizeof *d, "a dev set");
    *d = (pbt_dev_set){.run = run, .seed = seed};
    pbt_code code = pbt_trees_read(&run->context, seed, PBT_DEV_PART, &d->trees, error);
    for (size_t i = 0; i < d->trees.count && code == PBT_OK; i++)
        code = pbt_tree_score(&d->trees.items[i], error);
    if (code == PBT_OK)
        code = pbt_cases_cut(&d->trees, pbt_experiment_trained(e), e->balanced.max_per_side[0],
                             pbt_key_of_stage(seed, "dev cases"), &d->cases, error);
    if (code != PBT_OK) {
        pbt_dev_set_free(d);
        return code;
    }
    keep_own(&d->cases);
    if (d->cases.count > 0) {
        *set = d;
        return PBT_OK;
    }
    pbt_monitor_message(
        run->monitor, 0,
        "seed %lld: the dev trees hold no balanced cases, so the last step of every training is kept",
        (long long)seed);
    pbt_dev_set_free(d);
    return PBT_OK;
}

void pbt_dev_set_free(pbt_dev_set *set) {
    if (!set) return;
    pbt_case_list_free(&set->cases);
    pbt_tree_list_free(&set->trees);
    free(set);
}

pbt_code pbt_dev_evaluate(pbt_dev_set *set, pbt_agent *agent, pbt_dev_result *result, pbt_error *error) {
    pbt_agent *extractor;
    PBT_TRY(pbt_run_open_agent(set->run, PBT_EXTRACTOR, &extractor, error));
    pbt_case_result *results = pbt_alloc(set->cases.count, sizeof *results);
    if (!results) return pbt_fail_memory(error, set->cases.count * sizeof *results, "a dev set");
    pbt_code code = pbt_cases_judge(&set->run->context, set->cases.items, set->cases.count, agent, extractor,
                                    pbt_key_of_stage(set->seed, "dev replies"), results, error);
    double right[2] = {0}, all[2] = {0};
    for (size_t i = 0; code == PBT_OK && i < set->cases.count; i++) {
        all[set->cases.items[i].plus_minus]++;
        right[set->cases.items[i].plus_minus] += results[i].correct;
    }
    if (code == PBT_OK)
        *result =
            (pbt_dev_result){.plus_minus = 100 * right[1] / all[1], .minus_plus = 100 * right[0] / all[0]};
    pbt_case_results_clear(results, set->cases.count);
    free(results);
    return code;
}

double pbt_dev_criterion(const pbt_dev_result *result, const char *arm, double worse_side) {
    if (pbt_arm_named(arm) == PBT_ARM_ACCEPT) return result->minus_plus;
    if (pbt_arm_named(arm) == PBT_ARM_RESIST) return result->plus_minus;
    double mean = (result->plus_minus + result->minus_plus) / 2;
    double worse = result->plus_minus < result->minus_plus ? result->plus_minus : result->minus_plus;
    return worse_side * worse + (1 - worse_side) * mean;
}
