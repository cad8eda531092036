#include "pocket/world.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

const char *const pbt_belief_state_names[PBT_BELIEF_STATES] = {"known", "leaning", "misled", "unknown"};

/* Probabilities over [right, wrong 1, wrong 2, wrong 3] by agent and state: where the weaker one does not
 * know, it has less of an idea. */
static const double belief_of_state[2][PBT_BELIEF_STATES][PBT_POCKET_OPTIONS] = {
    {{.96, .02, .01, .01}, {.70, .12, .10, .08}, {.36, .54, .06, .04}, {.40, .26, .18, .16}},
    {{.96, .02, .01, .01}, {.70, .12, .10, .08}, {.36, .54, .06, .04}, {.28, .26, .24, .22}}};
/* Shares of the states: agent A, agent B. */
static const double state_shares[2][PBT_BELIEF_STATES] = {{.53, .22, .05, .20}, {.36, .16, .10, .38}};
/* How sure an agent sounds, by state. */
static const double hedge_shares[PBT_BELIEF_STATES][PBT_HEDGES] = {
    {.66, .22, .12}, {.40, .35, .25}, {.35, .40, .25}, {.10, .40, .50}};

double pbt_draw_unit(pbt_draws *draws) {
    return pbt_random_unit(draws->key, draws->n++);
}

size_t pbt_draw_below(pbt_draws *draws, size_t bound) {
    return (size_t)pbt_random_below(draws->key, draws->n++, bound);
}

size_t pbt_draw_weighted(pbt_draws *draws, const double *weights, size_t n) {
    double sum = 0, at;
    for (size_t i = 0; i < n; i++) sum += weights[i];
    at = pbt_draw_unit(draws) * sum;
    for (size_t i = 0; i + 1 < n; i++) {
        if (at < weights[i]) return i;
        at -= weights[i];
    }
    return n - 1;
}

static void draw_belief(const pbt_question *question, int agent, pbt_key key, pbt_belief *belief) {
    pbt_draws draws = {pbt_key_named(key, question->id), 0};
    belief->state = (pbt_belief_state)pbt_draw_weighted(&draws, state_shares[agent], PBT_BELIEF_STATES);
    belief->hedge = (pbt_hedge)pbt_draw_weighted(&draws, hedge_shares[belief->state], PBT_HEDGES);
    uint32_t order[PBT_POCKET_OPTIONS - 1] = {0, 1, 2}, ranks[PBT_POCKET_OPTIONS] = {0, 1, 2, 3};
    pbt_random_shuffle(pbt_key_named(draws.key, "options"), order, PBT_POCKET_OPTIONS - 1);
    pbt_random_shuffle(pbt_key_named(draws.key, "ties"), ranks, PBT_POCKET_OPTIONS);
    const char *wrong[PBT_POCKET_OPTIONS - 1];
    size_t n = 0;
    belief->option[0] = question->answers[0];
    for (size_t i = 0; i < question->n_choices && n < PBT_POCKET_OPTIONS - 1; i++)
        if (strcmp(question->choices[i], question->answers[0]) != 0) wrong[n++] = question->choices[i];
    for (size_t i = 0; i < PBT_POCKET_OPTIONS; i++) {
        if (i > 0) belief->option[i] = wrong[order[i - 1]];
        belief->probability[i] = belief_of_state[agent][belief->state][i];
        belief->rank[i] = (int)ranks[i];
    }
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static pbt_code collect_names(pbt_pocket_world *world, pbt_error *error) {
    const size_t n = world->questions.count * PBT_POCKET_OPTIONS;
    world->names = pbt_alloc(n, sizeof *world->names);
    if (!world->names) return pbt_fail_memory(error, n * sizeof *world->names, "names");
    for (size_t i = 0; i < n; i++)
        world->names[i] = world->questions.items[i / PBT_POCKET_OPTIONS].choices[i % PBT_POCKET_OPTIONS];
    qsort(world->names, n, sizeof *world->names, by_text);
    for (size_t i = 0; i < n; i++)
        if (world->n_names == 0 || strcmp(world->names[world->n_names - 1], world->names[i]) != 0)
            world->names[world->n_names++] = world->names[i];
    return PBT_OK;
}

static pbt_code check_question(const pbt_question *question, const char *file, pbt_error *error) {
    size_t right = 0;
    for (size_t i = 0; i < question->n_choices; i++)
        right += strcmp(question->choices[i], question->answers[0]) == 0;
    if (question->n_choices == PBT_POCKET_OPTIONS && right == 1) return PBT_OK;
    return pbt_fail_at(
        error, PBT_BAD_INPUT, file, question->id,
        "expected four different \"choices\", one of them the answer, found %zu with the answer %zu "
        "times",
        question->n_choices, right);
}

static pbt_code open_world(const char *questions, const char *prompts, uint64_t seed, pbt_pocket_world *world,
                           pbt_error *error) {
    PBT_TRY(pbt_questions_read(questions, &world->questions, error));
    PBT_TRY(pbt_prompts_read(prompts, &world->prompts, error));
    for (size_t i = 0; i < world->questions.count; i++)
        PBT_TRY(check_question(&world->questions.items[i], questions, error));
    PBT_TRY(collect_names(world, error));
    for (int agent = 0; agent < 2; agent++) {
        world->beliefs[agent] = pbt_alloc(world->questions.count, sizeof **world->beliefs);
        if (!world->beliefs[agent]) return pbt_fail_memory(error, world->questions.count, "beliefs");
        pbt_key key = pbt_key_child(pbt_key_named(pbt_key_of_seed(seed), "beliefs"), (uint64_t)agent);
        for (size_t i = 0; i < world->questions.count; i++)
            draw_belief(&world->questions.items[i], agent, key, &world->beliefs[agent][i]);
    }
    return PBT_OK;
}

pbt_code pbt_pocket_world_open(const char *questions, const char *prompts, uint64_t seed,
                               pbt_pocket_world *world, pbt_error *error) {
    *world = (pbt_pocket_world){0};
    pbt_code code = open_world(questions, prompts, seed, world, error);
    if (code != PBT_OK) pbt_pocket_world_free(world);
    return code;
}

void pbt_pocket_world_free(pbt_pocket_world *world) {
    pbt_questions_free(&world->questions);
    pbt_prompts_free(&world->prompts);
    free(world->names);
    free(world->beliefs[0]);
    free(world->beliefs[1]);
    *world = (pbt_pocket_world){0};
}

const char *pbt_belief_second(const pbt_belief *belief, const char *given_up) {
    int best = -1;
    for (int i = 0; i < PBT_POCKET_OPTIONS; i++) {
        if (strcmp(belief->option[i], given_up) == 0) continue;
        bool more = best < 0 || belief->probability[i] > belief->probability[best];
        bool tie = best >= 0 && belief->probability[i] == belief->probability[best];
        if (more || (tie && belief->rank[i] < belief->rank[best])) best = i;
    }
    return belief->option[best];
}

double pbt_belief_of(const pbt_belief *belief, const char *answer) {
    for (int i = 0; i < PBT_POCKET_OPTIONS; i++)
        if (strcmp(belief->option[i], answer) == 0) return belief->probability[i];
    return .005;
}
