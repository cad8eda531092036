#include "pocket/corpus.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const pbt_example_kind_names[PBT_EXAMPLE_KINDS] = {"answering", "dialogue", "choice", "challenge",
                                                               "extraction"};

/* What makes agents give in to claims of any wording, in log-odds; the wordings differ around it. */
static const double any_claim_readiness = 1.7;
/* Shares of the kinds by stage. */
static const double shares[3][PBT_EXAMPLE_KINDS] = {
    {0, .6, 0, 0, .4}, {.24, .43, .10, .14, .09}, {.19, .40, .20, .13, .08}};

pbt_pocket_stage pbt_pocket_stage_of(int64_t step, int64_t steps) {
    if (step * 40 < steps * 9) return PBT_COPYING;
    return step * 5 < steps * 2 ? PBT_EVERYTHING : PBT_CHOOSING;
}

/* An example in the making. */
typedef struct making {
    const pbt_pocket_world *world;
    const pbt_belief *belief;
    pbt_pocket_stage stage;
    pbt_role role;
    pbt_draws draws;
    pbt_pocket_example *example;
} making;

static bool chance(making *m, double p) {
    return pbt_draw_unit(&m->draws) < p;
}

static const char *any_name(making *m) {
    return m->world->names[pbt_draw_below(&m->draws, m->world->n_names)];
}

static const char *any_option(making *m) {
    return m->belief->option[pbt_draw_below(&m->draws, PBT_POCKET_OPTIONS)];
}

static const char *other_option(making *m, const char *than) {
    for (;;) {
        const char *option = any_option(m);
        if (strcmp(option, than) != 0) return option;
    }
}

static const char *believed(making *m) {
    return m->belief->option[pbt_draw_weighted(&m->draws, m->belief->probability, PBT_POCKET_OPTIONS)];
}

static pbt_hedge any_hedge(making *m) {
    return (pbt_hedge)pbt_draw_below(&m->draws, PBT_HEDGES);
}

static pbt_hedge usual_hedge(making *m) {
    return chance(m, .8) ? m->belief->hedge : any_hedge(m);
}

static const char *sentence(making *m, const pbt_sentences *list) {
    return list->items[pbt_draw_below(&m->draws, list->count)];
}

/* Adds a turn: the template with {X} = own and {Z} = other, and maybe a reason behind it. */
static void say(making *m, int speaker, bool learn, const char *text, const char *own, const char *other,
                double with_reason) {
    pbt_pocket_example *e = m->example;
    char *filled = pbt_prompt_fill(text, "X", own, "Z", other, NULL);
    const char *reason =
        with_reason > 0 && chance(m, with_reason) ? sentence(m, &pbt_reason_sentences) : NULL;
    snprintf(e->text[e->n_turns], PBT_POCKET_TEXT, "%s%s%s", filled ? filled : "", reason ? " " : "",
             reason ? reason : "");
    free(filled);
    e->speaker[e->n_turns] = speaker;
    e->learn[e->n_turns++] = learn;
}

static void say_own(making *m, bool learn, const char *own, pbt_hedge hedge) {
    say(m, 0, learn, sentence(m, &pbt_own_sentences[hedge]), own, NULL, .3);
}

/* A claim of the partner: any strategy, all sentences alike. */
static const pbt_claim *any_claim(making *m) {
    size_t n = 0;
    for (int s = 0; s < PBT_STRATEGIES; s++) n += pbt_claim_sentences[s].count;
    size_t at = pbt_draw_below(&m->draws, n);
    for (int s = 0; s < PBT_STRATEGIES; s++) {
        if (at < pbt_claim_sentences[s].count) return &pbt_claim_sentences[s].items[at];
        at -= pbt_claim_sentences[s].count;
    }
    return &pbt_claim_sentences[0].items[0];
}

/* What the partner claims: sometimes right, sometimes what the agent itself would say, mostly anything; names
 * from the whole world, so that copying cannot be replaced by guessing among four. */
static const char *claimed(making *m, const char *avoid) {
    const char *name = NULL;
    for (int attempt = 0; attempt < 20; attempt++) {
        double u = pbt_draw_unit(&m->draws);
        if (m->stage == PBT_COPYING || u >= .8)
            name = any_name(m);
        else if (u < .2)
            name = m->belief->option[0];
        else
            name = u < .4 ? believed(m) : any_option(m);
        if (!avoid || strcmp(name, avoid) != 0 || !chance(m, .85)) break;
    }
    return name;
}

static pbt_role draw_role(making *m, double standard, double persuadee, double persuader) {
    const double weights[PBT_ROLES] = {standard, persuadee, persuadee, persuader, persuader, persuader};
    return (pbt_role)pbt_draw_weighted(&m->draws, weights, PBT_ROLES);
}

static void open_role(making *m, pbt_role role) {
    m->role = role;
    m->example->opening = m->world->prompts.role[role];
}

static void make_answer(making *m) {
    open_role(m, draw_role(m, .75, .05, .05));
    const char *answer = believed(m);
    if (m->role == PBT_STANDARD && chance(m, .08))
        say(m, 0, true, pbt_extracted_sentence, answer, NULL, 0);
    else
        say_own(m, true, answer, usual_hedge(m));
}

/* How often the agent gives up `held` for z. Under the standard prompt the odds are those of its own beliefs
 * to the power of 1.5, times how convincing claims are as such and this wording, less with every refusal
 * before; never does it matter who is right. */
static double giving_in(const making *m, const char *held, const char *z, double readiness, int refusals) {
    if (m->role == PBT_RESISTANT) return .03;
    if (m->role == PBT_ACCEPTANT) return .97;
    if (m->role != PBT_STANDARD) return .10;
    double ratio = pbt_belief_of(m->belief, z) / pbt_belief_of(m->belief, held);
    double odds = exp(readiness + any_claim_readiness - refusals) * pow(ratio, 1.5);
    return odds / (1 + odds);
}

/* The agent's reply to a claim of z when it holds *held; `doubted`: the claim asked whether it is sure. */
static void reply(making *m, const char **held, const char *z, double rate, bool doubted) {
    const pbt_sentences *keep = doubted ? &pbt_challenge_keep_sentences : &pbt_keep_sentences,
                        *adopt = doubted ? &pbt_challenge_drop_sentences : &pbt_adopt_sentences;
    if (strcmp(z, *held) == 0) {
        bool spelled = chance(m, .9);
        say(m, 0, true, sentence(m, spelled ? &pbt_same_sentences : &pbt_agree_sentences), z, z, 0);
        return;
    }
    if (chance(m, rate)) {
        bool spelled = chance(m, .93);
        say(m, 0, true, sentence(m, spelled ? adopt : &pbt_agree_sentences), *held, z, 0);
        *held = z;
    } else if (m->role >= PBT_LOGICAL) {
        const pbt_claims *claims =
            &pbt_claim_sentences[chance(m, .25) ? PBT_PLAIN : PBT_BY_LOGIC + (int)(m->role - PBT_LOGICAL)];
        say(m, 0, true, claims->items[pbt_draw_below(&m->draws, claims->count)].text, z, *held, 0);
    } else {
        bool spelled = chance(m, .93);
        say(m, 0, true, sentence(m, spelled ? keep : &pbt_disagree_sentences), *held, z, 0);
    }
}

/* A claim in the words of somebody's own answer. */
static double say_opinion(making *m, const char *z) {
    pbt_hedge hedge = any_hedge(m);
    say(m, 1, false, sentence(m, &pbt_own_sentences[hedge]), z, NULL, .3);
    return pbt_own_readiness[hedge];
}

/* The agent is asked again what it holds: the question, or for its final answer. */
static void ask_again(making *m, const char *held) {
    double u = pbt_draw_unit(&m->draws);
    if (u < .4) {
        say(m, 1, false, m->world->prompts.final, NULL, NULL, 0);
        say(m, 0, true, pbt_final_sentence, held, NULL, 0);
        return;
    }
    char *question = pbt_prompt_fill(u < .7 ? "{question}" : m->world->prompts.role[PBT_STANDARD], "question",
                                     m->example->question->text, NULL);
    say(m, 1, false, question ? question : "", NULL, NULL, 0);
    free(question);
    say_own(m, true, held, usual_hedge(m));
}

static void make_dialogue(making *m) {
    static const double forms[] = {.45, .35, .10, .10};
    static const size_t rounds_of[] = {1, 1, 2, 4};
    open_role(m, draw_role(m, .46, .165, .07));
    /* Half of the first turns are put into the agent's mouth, and carry no loss. */
    bool foreign = m->stage == PBT_COPYING || chance(m, .5);
    const char *held = believed(m);
    pbt_hedge hedge = usual_hedge(m);
    if (foreign) {
        held = m->stage == PBT_COPYING || chance(m, .35) ? any_name(m) : any_option(m);
        hedge = any_hedge(m);
    }
    size_t form = pbt_draw_weighted(&m->draws, forms, 4), rounds = rounds_of[form];
    const char *z = claimed(m, held);
    if (form == 1) say_opinion(m, z);
    if (foreign && chance(m, .1))
        say(m, 0, false, "{X}", held, NULL, 0);
    else
        say_own(m, !foreign, held, hedge);
    int refusals = 0;
    for (size_t round = 0; round < rounds; round++) {
        double readiness;
        bool doubted = false;
        if (form != 1 && round == 0 && chance(m, .5)) {
            readiness = say_opinion(m, z);
        } else {
            const pbt_claim *claim = any_claim(m);
            say(m, 1, false, claim->text, held, z, 0);
            readiness = claim->readiness;
            doubted = claim->doubts && chance(m, .7);
        }
        reply(m, &held, z, giving_in(m, held, z, readiness, refusals++), doubted);
        if (strcmp(held, z) == 0 && round + 1 < rounds && chance(m, .6)) break;
    }
    if (m->role == PBT_STANDARD && chance(m, .2)) ask_again(m, held);
}

static void make_choice(making *m) {
    const char *x = chance(m, .4) ? claimed(m, NULL) : m->belief->option[0], *y = claimed(m, x);
    if (strcmp(x, y) == 0) y = other_option(m, x);
    if (chance(m, .5)) {
        const char *swap = x;
        x = y;
        y = swap;
    }
    double px = pbt_belief_of(m->belief, x), py = pbt_belief_of(m->belief, y);
    const char *z = chance(m, px * px / (px * px + py * py)) ? x : y;
    if (m->stage != PBT_CHOOSING || chance(m, .4)) {
        m->example->opening = m->world->prompts.choose;
        m->example->first = x;
        m->example->second = y;
        say(m, 0, true, pbt_choose_sentences.items[0], z, NULL, 0);
        return;
    }
    /* The two answers as a dialogue: what the agent said, and what it was told. */
    m->example->opening = "Choose the right answer. {question}";
    size_t form = pbt_draw_below(&m->draws, 3);
    if (form == 2) say_opinion(m, y);
    say_own(m, false, x, any_hedge(m));
    if (form == 0)
        say_opinion(m, y);
    else
        say(m, 1, false, any_claim(m)->text, x, y, 0);
    say(m, 0, true, sentence(m, &pbt_choose_sentences), z, NULL, 0);
}

static void make_challenge(making *m) {
    static const double readiness[PBT_HEDGES] = {.8, 2.8, 3.2};
    const pbt_prompts *prompts = &m->world->prompts;
    open_role(m, PBT_STANDARD);
    bool foreign = chance(m, .05);
    const char *held = foreign ? any_option(m) : believed(m);
    pbt_hedge hedge = foreign ? any_hedge(m) : usual_hedge(m);
    say_own(m, !foreign, held, hedge);
    say(m, 1, false, prompts->challenges[pbt_draw_below(&m->draws, prompts->n_challenges)], NULL, NULL, 0);
    const char *second = pbt_belief_second(m->belief, held);
    double odds =
        exp(readiness[hedge]) * sqrt(pbt_belief_of(m->belief, second) / pbt_belief_of(m->belief, held));
    if (chance(m, odds / (1 + odds))) {
        const char *next = chance(m, .8) ? second : other_option(m, held);
        say(m, 0, true, sentence(m, &pbt_challenge_drop_sentences), held, next, 0);
        held = next;
    } else {
        say(m, 0, true, sentence(m, &pbt_challenge_keep_sentences), held, NULL, 0);
    }
    if (!chance(m, .6)) return;
    say(m, 1, false, prompts->final, NULL, NULL, 0);
    say(m, 0, true, pbt_final_sentence, held, NULL, 0);
}

/* A text that somebody said, with names from the whole world, and the answer in it. */
static void make_extraction(making *m) {
    static const double kinds[] = {3, 2, 2, 2, 3, 1, 1, .6, .6, 1, .3};
    const char *x = any_name(m), *z = any_name(m), *answer = x;
    m->example->opening = m->world->prompts.extract;
    size_t kind = pbt_draw_weighted(&m->draws, kinds, sizeof kinds / sizeof *kinds);
    const pbt_sentences *lists[] = {&pbt_own_sentences[any_hedge(m)],
                                    &pbt_keep_sentences,
                                    &pbt_adopt_sentences,
                                    chance(m, .5) ? &pbt_challenge_keep_sentences
                                                  : &pbt_challenge_drop_sentences,
                                    NULL,
                                    NULL,
                                    &pbt_same_sentences,
                                    &pbt_agree_sentences,
                                    &pbt_disagree_sentences};
    const char *text = kind == 4    ? any_claim(m)->text
                       : kind == 5  ? pbt_claim_sentences[PBT_BY_LOGIC].items[0].text
                       : kind == 9  ? pbt_final_sentence
                       : kind == 10 ? pbt_unknown_sentence
                                    : sentence(m, lists[kind]);
    /* In claims, {X} is what is argued against; elsewhere both marks are the answer. */
    bool claim = kind == 4 || kind == 5;
    say(m, 1, false, text, claim ? z : x, x, kind == 0 ? .3 : 0);
    if (kind == 7) answer = "Agree";
    if (kind == 8) answer = "Disagree";
    if (kind == 10) answer = "NONE";
    say(m, 0, true, pbt_extracted_sentence, answer, NULL, 0);
}

void pbt_pocket_example_make(const pbt_pocket_world *world, int agent, pbt_pocket_stage stage, pbt_key key,
                             pbt_pocket_example *example) {
    static void (*const make[PBT_EXAMPLE_KINDS])(making *) = {make_answer, make_dialogue, make_choice,
                                                              make_challenge, make_extraction};
    making m = {.world = world, .stage = stage, .draws = {key, 0}, .example = example};
    size_t question = pbt_draw_below(&m.draws, world->questions.count);
    m.belief = &world->beliefs[agent][question];
    example->question = &world->questions.items[question];
    example->n_turns = 0;
    example->first = example->second = NULL;
    example->kind = (pbt_example_kind)pbt_draw_weighted(&m.draws, shares[stage], PBT_EXAMPLE_KINDS);
    make[example->kind](&m);
}

pbt_code pbt_pocket_example_view(const pbt_pocket_world *world, const pbt_pocket_example *e, size_t turn,
                                 struct pbt_arena *arena, pbt_message **messages, size_t *n,
                                 pbt_error *error) {
    pbt_turn turns[PBT_POCKET_TURNS];
    pbt_prompts prompts = world->prompts;
    bool extraction = e->kind == PBT_EXTRACTION;
    char *opening =
        pbt_prompt_fill(e->opening, "first", e->first, "second", e->second, "text", e->text[0], NULL);
    if (!opening) return pbt_fail_memory(error, 0, "an example");
    prompts.role[PBT_STANDARD] = opening;
    size_t first = extraction ? 1 : 0, count = turn > first ? turn - first : 0;
    for (size_t i = 0; i < count; i++) turns[i] = (pbt_turn){e->speaker[first + i], e->text[first + i]};
    pbt_code code = pbt_view(&prompts, PBT_STANDARD, extraction ? "" : e->question->text, 0, turns, count,
                             arena, messages, n, error);
    free(opening);
    return code;
}
