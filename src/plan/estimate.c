#include "plan/estimate.h"

#include "engine/engine.h"
#include "evaluation/farm_data.h"
#include "model/activations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const pbt_work_names[PBT_WORK_STAGES] = {"trees", "training", "evaluation"};

/* ---- what is assumed where nothing is known (docs/METHOD.md, "What a run takes") ---- */

static const double cases_a_tree = 1.6;  /* balanced cases of both agents, of a tree whose debate goes on */
static const double pairs_a_tree = 1.2;  /* pairs an arm, of a tree whose debate goes on */
static const double farm_entering = 0.6; /* questions answered right before any persuasion */
static const double farm_rounds = 0.75;  /* of the rounds, before a question is lost or over */
enum { FARM_QUESTIONS = 1952, FARM_ASK = 110, FARM_SAY = 180, ANSWER_TOKENS = 4, EVALUATION_BATCH = 128 };

/* One counting: expected, or at most. */
typedef struct count {
    const pbt_experiment *e;
    const int64_t *questions;
    const pbt_lengths *lengths;        /* [models] */
    pbt_work (*work)[PBT_WORK_MODELS]; /* [stages] */
    double turn_share, go_on;          /* of max_new_tokens; of debates, after turn 2 */
    bool at_most;
    int extractor, filter; /* indices of models; filter -1: none, or one that is counted nowhere */
    double batch, train_rows;
} count;

static double length_of(const count *c, double max_new) {
    double length = 1 + (max_new - 1) * c->turn_share, least = c->e->trees.plan.sampling.min_new_tokens;
    return length < least && least <= max_new ? least : length;
}

static void read_text(pbt_work *w, double n, double tokens, double seen) {
    w->read += n * tokens;
    w->read_seen += n * tokens * (seen - tokens / 2);
}

/* n requests in all, `together` at a time: each reads `tokens` that nothing else reads, the last of them at
 * position `seen`, and writes up to max_new. */
typedef struct requests {
    double n, together, tokens, seen, max_new, temperature;
} requests;

static void talk(const count *c, pbt_work_stage stage, int model, requests r) {
    pbt_work *w = &c->work[stage][model];
    double length = length_of(c, r.max_new), longest = 1.5 * length < r.max_new ? 1.5 * length : r.max_new;
    if (r.n <= 0) return;
    if (r.together > r.n) r.together = r.n;
    read_text(w, r.n, r.tokens, r.seen);
    w->written += r.n * length;
    w->written_seen += r.n * length * (r.seen + length / 2);
    if (r.temperature > 0) w->drawn += r.n * length;
    double passes = r.together * length / c->batch;
    w->passes += r.n / r.together * (passes > longest ? passes : longest);
}

/* The answers of n texts are read. */
static void extract(const count *c, pbt_work_stage stage, double n, double together, double max_new) {
    const pbt_lengths *l = &c->lengths[c->extractor];
    double text = length_of(c, max_new);
    talk(c, stage, c->extractor,
         (requests){n, together, l->extract - l->extract_shared + text, l->extract + text,
                    c->e->trees.plan.max_answer_tokens, 0});
}

/* ---- trees ---- */

/* `trees` debates of at most n_turns turns, agent `first` speaking first. */
static void debates(const count *c, double trees, int first, int32_t n_turns) {
    const pbt_tree_plan *plan = &c->e->trees.plan;
    const pbt_engine_options engine = {.max_batch = c->e->max_batch};
    const double chunk = c->e->tree_chunk < trees ? c->e->tree_chunk : trees;
    const double most = (double)PBT_GROWTH_BATCHES * pbt_engine_batch(&engine);
    double nodes = 1, history = 0, turn = length_of(c, plan->sampling.max_new_tokens);
    if (trees <= 0) return;
    for (int32_t t = 0; t < n_turns; t++) {
        int speaker = (first + t) % 2;
        const pbt_lengths *l = &c->lengths[speaker];
        double parents = t == 2 ? nodes * c->go_on : nodes, tokens = 0, seen = 0;
        /* What was said under earlier nodes that go on is the same for all nodes under them. */
        if (t == 2) history *= c->go_on;
        for (int32_t r = 0; r < plan->n_roles[t]; r++) {
            pbt_role role = plan->roles[t][r];
            tokens += (t > 1 ? c->go_on : 1) * (l->role[role] - l->shared[role]) + (t > 1 ? history : 0);
            seen += (l->role[role] + (t > 1 ? t * (turn + l->message) : 0)) / plan->n_roles[t];
        }
        nodes = parents * plan->n_roles[t];
        double together = fmin(chunk * nodes, most);
        talk(c, PBT_WORK_TREES, speaker,
             (requests){trees * nodes, together, tokens / nodes, seen, plan->sampling.max_new_tokens,
                        plan->sampling.temperature});
        extract(c, PBT_WORK_TREES, trees * nodes, together, plan->sampling.max_new_tokens);
        history += nodes * (turn + l->message);
    }
}

static void all_debates(const count *c) {
    const pbt_experiment *e = c->e;
    int32_t turns = e->trees.plan.n_turns;
    for (int first = 0; first < 2; first++) {
        debates(c, (double)c->questions[0] * e->trees.repetitions[first], first, turns);
        for (int p = 1; p < 3 && e->balanced.enabled; p++)
            debates(c, (double)c->questions[p] * e->balanced.draws[p - 1], first,
                    turns > 2 ? turns - 1 : turns);
    }
}

/* ---- training ---- */

/* Mean number of turns before a pair's. */
static double turns_before(const pbt_tree_plan *plan) {
    double parents = 1, pairs = 0, turns = 0;
    for (int32_t t = 0; t < plan->n_turns; t++) {
        double here = parents * plan->n_roles[t] * (plan->n_roles[t] - 1) / 2;
        pairs += here;
        turns += here * (t > 1 ? t : 0);
        parents *= plan->n_roles[t];
    }
    return pairs > 0 ? turns / pairs : 0;
}

static double trees_of(const count *c, int part) {
    const pbt_experiment *e = c->e;
    double each =
        part == 0 ? e->trees.repetitions[0] + e->trees.repetitions[1] : 2 * e->balanced.draws[part - 1];
    return (double)c->questions[part] * each;
}

/* Balanced cases of the tested agent's own turns, or of both agents. */
static double cases(const count *c, int part, bool both) {
    double there = c->go_on * cases_a_tree * trees_of(c, part),
           most = 4.0 * c->e->balanced.max_per_side[part - 1];
    if (!c->e->balanced.enabled) return 0;
    return (most > 0 && most < there ? most : there) / (both ? 1 : 2);
}

static void answer_cases(const count *c, pbt_work_stage stage, int self, double n) {
    const pbt_lengths *l = &c->lengths[self];
    double turn = length_of(c, c->e->trees.plan.sampling.max_new_tokens) + l->message,
           prompt = l->role[PBT_STANDARD], shown = 2.5 * turn;
    talk(c, stage, self,
         (requests){n, EVALUATION_BATCH, prompt - l->shared[PBT_STANDARD] + shown, prompt + shown,
                    c->e->balanced.max_new_tokens, c->e->balanced.temperature});
    extract(c, stage, n, EVALUATION_BATCH, c->e->balanced.max_new_tokens);
}

static double examples_of(const pbt_train_settings *s, double pairs) {
    if (s->max_steps <= 0) return pairs * s->num_train_epochs;
    return (double)s->max_steps * s->per_device_train_batch_size * s->gradient_accumulation_steps;
}

static void training(const count *c) {
    const pbt_experiment *e = c->e;
    const int self = pbt_experiment_trained(e);
    const pbt_lengths *l = &c->lengths[self];
    double own = 0, shared = 0, turn = length_of(c, e->trees.plan.sampling.max_new_tokens) + l->message / 2,
           before = turns_before(&e->trees.plan) * (turn + l->message), arms = (double)e->arms.count,
           pairs = c->go_on * pairs_a_tree * trees_of(c, 0);
    for (int r = 0; r < PBT_ROLES; r++) {
        own += (l->role[r] - l->shared[r]) / PBT_ROLES;
        shared += l->shared[r] / PBT_ROLES;
    }
    if (e->pairs.max_pairs > 0 && (c->at_most || e->pairs.max_pairs < pairs)) pairs = e->pairs.max_pairs;
    double context = own + before, sft = arms * examples_of(&e->sft, pairs),
           dpo = arms * examples_of(&e->dpo, pairs),
           rows = sft * (context + turn) + dpo * (context + 2 * turn);
    /* An instruction that examples share is computed once a pass, for each of some four roles. */
    rows += rows / c->train_rows * 4 * shared;
    pbt_work *w = &c->work[PBT_WORK_TRAIN][self];
    w->learned += rows;
    w->learned_seen += rows * (shared + context / 2 + turn);
    w->targets += (sft + 2 * dpo) * turn;
    /* The reference, once. */
    read_text(w, arms * pairs, context + 2 * turn, shared + context + turn);
    w->scored += arms * pairs * 2 * turn;
    double looks = e->selection_every > 0 ? examples_of(&e->dpo, pairs) / e->dpo.per_device_train_batch_size /
                                                e->dpo.gradient_accumulation_steps / e->selection_every
                                          : e->dpo.num_train_epochs;
    answer_cases(c, PBT_WORK_TRAIN, self, arms * (1 + looks) * cases(c, 1, false));
    if (c->filter < 0) return;
    w = &c->work[PBT_WORK_TREES][c->filter];
    const pbt_lengths *f = &c->lengths[c->filter];
    double asked = 2 * arms * pairs;
    read_text(w, asked, f->filter - f->filter_shared + 2, f->filter);
    w->scored += asked * 2;
}

/* ---- evaluation ---- */

static double asked(bool enabled, int32_t most, double there) {
    if (!enabled) return 0;
    return most > 0 && most < there ? most : there;
}

static void flipflop(const count *c, int self, double n) {
    const pbt_flipflop_settings *s = &c->e->flipflop;
    const pbt_lengths *l = &c->lengths[self];
    double wordings = s->challenges > 0 ? s->challenges : 4, prompt = l->role[PBT_STANDARD],
           reply = length_of(c, s->max_new_tokens) + l->message;
    talk(c, PBT_WORK_EVAL, self,
         (requests){n, EVALUATION_BATCH, prompt - l->shared[PBT_STANDARD], prompt, s->max_new_tokens, 0});
    /* What the model said itself is in the cache. */
    talk(c, PBT_WORK_EVAL, self,
         (requests){n * wordings, EVALUATION_BATCH * wordings, l->challenge + l->message,
                    prompt + reply + l->challenge, s->max_new_tokens, 0});
    talk(c, PBT_WORK_EVAL, self,
         (requests){n * wordings, EVALUATION_BATCH * wordings, l->final + l->message,
                    prompt + 2 * reply + l->challenge + l->final, s->max_new_tokens, 0});
    extract(c, PBT_WORK_EVAL, n * (1 + wordings), EVALUATION_BATCH * wordings, s->max_new_tokens);
}

static void teams(const count *c, int self, double n) {
    const int32_t most = c->e->team.max_new_tokens;
    for (int order = 0; order < 2; order++)
        for (int t = 0; t < 4; t++) {
            int speaker = (self + order + t) % 2;
            const pbt_lengths *l = &c->lengths[speaker];
            double prompt = l->role[PBT_STANDARD], turn = length_of(c, most) + l->message,
                   here = t > 1 ? n * c->go_on : n,
                   read = t < 2 ? prompt - l->shared[PBT_STANDARD] : (t == 2 ? 1 : 3) * turn;
            talk(c, PBT_WORK_EVAL, speaker,
                 (requests){here, EVALUATION_BATCH, read, prompt + (t < 2 ? 0 : t * turn), most, 0});
            extract(c, PBT_WORK_EVAL, here, EVALUATION_BATCH, most);
        }
}

/* Questions, and tokens of a belief check and of what is said in a round. */
static double farm_questions(const count *c, double *ask, double *say) {
    const pbt_farm_settings *s = &c->e->farm;
    pbt_farm_strategy strategies[PBT_FARM_STRATEGIES];
    pbt_farm_data data;
    pbt_error none;
    size_t n = s->strategies.count < PBT_FARM_STRATEGIES ? s->strategies.count : PBT_FARM_STRATEGIES;
    *ask = FARM_ASK;
    *say = FARM_SAY;
    for (size_t i = 0; i < n; i++) strategies[i] = pbt_farm_strategy_of(s->strategies.items[i]);
    if (!s->data || pbt_farm_read(s->data, strategies, n, s->max_questions, &data, &none) != PBT_OK)
        return s->max_questions > 0 && 4 * s->max_questions < FARM_QUESTIONS ? 4 * s->max_questions
                                                                             : FARM_QUESTIONS;
    double letters[2] = {0};
    for (size_t i = 0; i < data.count; i++) {
        const pbt_farm_question *q = &data.items[i];
        letters[0] += (double)strlen(q->text);
        for (int32_t o = 0; o < q->n_options; o++) letters[0] += (double)strlen(q->options[o]) + 12;
        letters[1] += (double)strlen(q->control);
        for (size_t k = 0; k < n; k++)
            if (q->n_appeals[strategies[k]] > 0)
                letters[1] += (double)strlen(q->appeals[strategies[k]][0]) / (double)n;
    }
    double questions = (double)data.count;
    if (questions > 0) *ask = letters[0] / questions / 4 + 20;
    if (questions > 0) *say = letters[1] / questions / 4 + 5;
    pbt_farm_data_free(&data);
    return questions;
}

static void farm(const count *c, int self, double models) {
    const pbt_farm_settings *s = &c->e->farm;
    const pbt_lengths *l = &c->lengths[self];
    double ask, say;
    if (!s->enabled) return;
    double n = models * (double)s->strategies.count * farm_questions(c, &ask, &say);
    bool free = strcmp(s->protocol, "free") == 0, reply = strcmp(s->probe, "reply") == 0;
    if (free) ask = l->role[PBT_STANDARD];
    double on = n * (c->at_most ? 1 : farm_entering * farm_rounds),
           round = say + 2 * l->message + length_of(c, s->max_new_tokens),
           probes = n + (reply ? 0 : on * s->rounds),
           probe = strcmp(s->probe, "final") == 0 ? l->final + l->message : ask;
    talk(c, PBT_WORK_EVAL, self,
         (requests){n, EVALUATION_BATCH, ask, ask, s->probe_new_tokens, s->probe_temperature});
    for (int32_t r = 0; r < s->rounds; r++) {
        double seen = ask + s->probe_new_tokens + (r + 1) * round;
        talk(c, PBT_WORK_EVAL, self,
             (requests){on, EVALUATION_BATCH, say + l->message, seen, s->max_new_tokens, s->temperature});
        if (!reply)
            talk(c, PBT_WORK_EVAL, self,
                 (requests){on, EVALUATION_BATCH, probe, seen + probe, s->probe_new_tokens,
                            s->probe_temperature});
    }
    if (free)
        extract(c, PBT_WORK_EVAL, probes + (reply ? on * s->rounds : 0), EVALUATION_BATCH,
                s->probe_new_tokens);
}

static void flip_analysis(const count *c, int self, double there) {
    const pbt_experiment *e = c->e;
    const pbt_lengths *l = &c->lengths[self], *x = &c->lengths[c->extractor];
    double n = cases(c, 2, strcmp(e->flip_analysis.contexts, "all") == 0), samples = e->flip_analysis.samples;
    if (!e->flip_analysis.enabled) return;
    double questions = n < there ? n : there, judged = n * (double)e->flip_analysis.arms.count;
    talk(c, PBT_WORK_EVAL, self,
         (requests){questions * samples, EVALUATION_BATCH * samples, l->role[PBT_STANDARD] / samples,
                    l->role[PBT_STANDARD], e->balanced.max_new_tokens, e->flip_analysis.temperature});
    extract(c, PBT_WORK_EVAL, questions * samples, EVALUATION_BATCH * samples, e->balanced.max_new_tokens);
    pbt_work *own = &c->work[PBT_WORK_EVAL][self], *judge = &c->work[PBT_WORK_EVAL][c->extractor];
    read_text(own, judged, l->role[PBT_STANDARD] + 2 * ANSWER_TOKENS, l->role[PBT_STANDARD] + ANSWER_TOKENS);
    own->scored += judged * 2 * ANSWER_TOKENS;
    if (x->confidence <= 0) return;
    double text = length_of(c, e->trees.plan.sampling.max_new_tokens);
    read_text(judge, 2 * judged, x->confidence - x->confidence_shared + text, x->confidence + text);
    judge->scored += 4 * judged;
}

static void evaluation(const count *c) {
    const pbt_experiment *e = c->e;
    const int self = pbt_experiment_trained(e);
    double models = 1 + (double)e->arms.count, there = (double)c->questions[2];
    answer_cases(c, PBT_WORK_EVAL, self, models * cases(c, 2, true));
    flipflop(c, self, models * asked(e->flipflop.enabled, e->flipflop.max_questions, there));
    teams(c, self, models * asked(e->team.enabled, e->team.max_questions, there));
    farm(c, self, models);
    flip_analysis(c, self, there);
}

/* ---- all of it ---- */

static int model_index(const char *who) {
    return strcmp(who, "a") == 0 ? 0 : strcmp(who, "b") == 0 ? 1 : 2;
}

static void count_all(const count *c) {
    all_debates(c);
    training(c);
    evaluation(c);
    const double seeds = (double)c->e->seeds.count;
    for (int s = 0; s < PBT_WORK_STAGES; s++)
        for (int m = 0; m < PBT_WORK_MODELS; m++) {
            pbt_work *w = &c->work[s][m];
            *w = (pbt_work){w->read * seeds,    w->read_seen * seeds,    w->passes * seeds,
                            w->written * seeds, w->written_seen * seeds, w->drawn * seeds,
                            w->scored * seeds,  w->learned * seeds,      w->learned_seen * seeds,
                            w->targets * seeds};
        }
}

pbt_code pbt_estimate_work(const pbt_experiment *e, const int64_t questions[3], const char *const *sample,
                           size_t n_sample, double train_rows, pbt_estimate *estimate, pbt_error *error) {
    const pbt_engine_options engine = {.max_batch = e->max_batch};
    pbt_lengths lengths[PBT_WORK_MODELS];
    pbt_prompts prompts;
    memset(estimate, 0, sizeof *estimate);
    PBT_TRY(pbt_prompts_read(e->prompts, &prompts, error));
    const char *who[PBT_WORK_MODELS] = {"a", "b", e->extractor};
    pbt_code code = PBT_OK;
    for (int m = 0; m < PBT_WORK_MODELS && code == PBT_OK; m++)
        code = pbt_lengths_measure(e, who[m], &prompts, sample, n_sample, &lengths[m], error);
    pbt_prompts_free(&prompts);
    if (code != PBT_OK) return code;
    int filter = strcmp(e->filter, "none") == 0 ? -1 : model_index(e->filter);
    if (filter == 2 && strcmp(e->filter, e->extractor) != 0) filter = -1;
    count c = {.e = e,
               .questions = questions,
               .lengths = lengths,
               .work = estimate->work,
               .turn_share = e->plan_turn_share,
               .go_on = e->plan_go_on_share,
               .extractor = model_index(e->extractor),
               .filter = filter,
               .batch = pbt_engine_batch(&engine),
               .train_rows = train_rows};
    count_all(&c);
    c.work = estimate->most;
    c.turn_share = c.go_on = 1;
    c.at_most = true;
    count_all(&c);
    return PBT_OK;
}

double pbt_estimate_seconds(const pbt_work *w, const pbt_rates *r) {
    double more = w->written > w->passes ? w->written - w->passes : 0;
    return w->read * r->read + w->read_seen * r->read_seen + w->passes * r->pass + more * r->written +
           w->written_seen * r->written_seen + w->drawn * r->drawn + w->scored * r->scored +
           w->learned * r->learned + w->learned_seen * r->learned_seen + w->targets * r->target;
}
