/* Stored items of the evaluations as talks. The fields are those of docs/FORMATS.md, "The run store". */
#include "report/page/talks.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 2000 };

/* Right, wrong, half right, and nothing to judge. */
typedef enum verdict { WRONG = 0, RIGHT = 1, HALF = 2, OPEN = 3 } verdict;

json_int_t pbt_talk_text(pbt_talk_texts *texts, const char *text) {
    if (!text) return -1;
    char cut[MOST_BYTES + 8];
    if (strlen(text) > MOST_BYTES) {
        size_t length = MOST_BYTES;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) length--;
        memcpy(cut, text, length);
        memcpy(cut + length, "…", sizeof "…");
        text = cut;
    }
    json_t *place = json_object_get(texts->places, text);
    if (place) return json_integer_value(place);
    json_int_t n = (json_int_t)json_array_size(texts->list);
    if (json_array_append_new(texts->list, json_string(text)) != 0) return -1;
    return json_object_set_new(texts->places, text, json_integer(n)) == 0 ? n : -1;
}

static const char *string_of(const json_t *item, const char *key) {
    return json_string_value(json_object_get(item, key));
}

static const char *shown(const char *text) {
    return text ? text : "no answer";
}

static double number_of(const json_t *item, const char *object, const char *key) {
    return json_number_value(json_object_get(json_object_get(item, object), key));
}

static void say(pbt_talk_texts *texts, json_t *turns, int who, const char *text) {
    if (text) json_array_append_new(turns, json_pack("[i, I]", who, pbt_talk_text(texts, text)));
}

/* The question's text and answers where a tree of the store has them, else `otherwise`. */
static void name_talk(const pbt_talk_source *s, const char *id, const char *otherwise, pbt_shown_talk *talk) {
    const json_t *question = id ? json_object_get(s->questions, id) : NULL;
    const char *text = string_of(question, "text");
    if (talk->title >= 0) return;
    talk->title = pbt_talk_text(s->texts, text ? text : otherwise ? otherwise : id ? id : "?");
    json_array_extend(talk->right, json_object_get(question, "answers"));
}

/* Takes `outcome` and `turns`. */
static pbt_code add_arm(const pbt_talk_source *s, pbt_shown_talk *talk, json_int_t arm, verdict v,
                        pbt_text *outcome, json_t *turns, pbt_error *error) {
    json_t *part =
        json_pack("[I, i, I, o]", arm, (int)v, pbt_talk_text(s->texts, pbt_text_string(outcome)), turns);
    pbt_text_free(outcome);
    return json_array_append_new(talk->arms, part) == 0 ? PBT_OK : pbt_fail_memory(error, 0, "a talk");
}

/* ---- FARM ---- */

static pbt_code add_farm(const pbt_talk_source *s, const json_t *item, int variant, json_int_t arm,
                         pbt_shown_talk *talk, pbt_error *error) {
    (void)variant;
    const json_t *chat = json_object_get(item, "chat"), *message;
    const char *strategy = string_of(item, "strategy"), *set = string_of(item, "set");
    bool entered = json_is_true(json_object_get(item, "entered"));
    int round = (int)json_integer_value(json_object_get(item, "misinformed_round"));
    int rounds = (int)json_integer_value(json_object_get(item, "rounds"));
    size_t i;
    pbt_text outcome = {0};
    json_t *turns = json_array();
    name_talk(s, string_of(item, "question"), string_of(json_array_get(chat, 0), "content"), talk);
    if (talk->variant < 0) {
        pbt_text named = {0};
        pbt_text_addf(&named, "%s, %s", strategy ? strategy : "", set ? set : "");
        talk->variant = pbt_talk_text(s->texts, pbt_text_string(&named));
        pbt_text_free(&named);
    }
    json_array_foreach(chat, i, message) {
        const char *role = string_of(message, "role");
        say(s->texts, turns, role && strcmp(role, "user") == 0 ? PBT_TALK_OTHER : PBT_TALK_MODEL,
            string_of(message, "content"));
    }
    if (!entered)
        pbt_text_addf(&outcome, "not asked further: at first %s", shown(string_of(item, "initial")));
    else if (round >= 0)
        pbt_text_addf(&outcome, "misinformed in round %d: %s → %s", round, shown(string_of(item, "initial")),
                      shown(string_of(item, "last")));
    else
        pbt_text_addf(&outcome, "holds out for %d rounds: %s", rounds, shown(string_of(item, "initial")));
    return add_arm(s, talk, arm, !entered ? OPEN : round >= 0 ? WRONG : RIGHT, &outcome, turns, error);
}

/* ---- "Are you sure?" ---- */

static pbt_code add_flipflop(const pbt_talk_source *s, const json_t *item, int variant, json_int_t arm,
                             pbt_shown_talk *talk, pbt_error *error) {
    (void)variant;
    const json_t *first = json_array_get(json_object_get(item, "challenges"), 0);
    const json_t *texts = json_object_get(item, "texts"), *text;
    bool before = number_of(item, "scores", pbt_measures[PBT_FLIPFLOP_BEFORE].key) > 0,
         after = number_of(item, "scores", pbt_measures[PBT_FLIPFLOP_AFTER].key) > 0;
    /* What the user says between the replies. */
    const char *asked[] = {NULL, string_of(first, "challenge"), "(asked for the final answer)"};
    size_t i;
    pbt_text outcome = {0};
    json_t *turns = json_array();
    name_talk(s, string_of(item, "question"), NULL, talk);
    json_array_foreach(texts, i, text) {
        if (i > 0 && i < 3) say(s->texts, turns, PBT_TALK_OTHER, asked[i]);
        say(s->texts, turns, PBT_TALK_MODEL, json_string_value(text));
    }
    pbt_text_addf(&outcome, "%s → %s: %s → %s", before ? "right" : "wrong", after ? "right" : "wrong",
                  shown(string_of(item, "before")), shown(string_of(item, "after")));
    return add_arm(s, talk, arm, after ? RIGHT : WRONG, &outcome, turns, error);
}

/* ---- teams ---- */

static pbt_code add_team(const pbt_talk_source *s, const json_t *item, int variant, json_int_t arm,
                         pbt_shown_talk *talk, pbt_error *error) {
    const pbt_measure_info *order = &pbt_measures[variant == 0 ? PBT_TEAM_STRONG_FIRST : PBT_TEAM_WEAK_FIRST];
    const json_t *said = json_object_get(item, order->figure), *turn,
                 *held = json_object_get(item, variant == 0 ? "strong_first_held" : "weak_first_held");
    double score = number_of(item, "scores", order->key);
    size_t i;
    pbt_text outcome = {0};
    json_t *turns = json_array();
    name_talk(s, string_of(item, "question"), NULL, talk);
    if (json_array_size(said) > 0) talk->variant = pbt_talk_text(s->texts, order->label);
    json_array_foreach(said, i, turn) {
        const char *speaker = string_of(turn, "speaker");
        say(s->texts, turns, speaker && strcmp(speaker, "strong") == 0 ? PBT_TALK_MODEL : PBT_TALK_OTHER,
            string_of(turn, "text"));
    }
    pbt_text_addf(&outcome, "%s right in the end: strong %s, weak %s",
                  score > 0.75   ? "both"
                  : score > 0.25 ? "one"
                                 : "neither",
                  shown(json_string_value(json_array_get(held, 0))),
                  shown(json_string_value(json_array_get(held, 1))));
    return add_arm(s, talk, arm, score > 0.75 ? RIGHT : score > 0.25 ? HALF : WRONG, &outcome, turns, error);
}

/* ---- balanced ---- */

/* The debate up to the listener's turn, from the tree that the case was cut from. */
static void open_balanced(const pbt_talk_source *s, const json_t *item, pbt_shown_talk *talk) {
    enum { DEEPEST = 64 };
    const json_t *nodes = json_object_get(json_object_get(s->trees, shown(string_of(item, "tree"))), "nodes");
    const char *listener = string_of(item, "listener");
    json_int_t id = json_integer_value(json_object_get(item, "node"));
    const json_t *path[DEEPEST];
    int n = 0;
    while (n < DEEPEST) {
        const json_t *node = json_array_get(nodes, (size_t)id), *parent = json_object_get(node, "parent");
        if (!node) break;
        path[n++] = node;
        if (!json_is_integer(parent)) break;
        id = json_integer_value(parent);
    }
    while (n-- > 0) {
        const char *speaker = string_of(path[n], "speaker");
        bool own = speaker && listener && strcmp(speaker, listener) == 0;
        say(s->texts, talk->opening, own ? PBT_TALK_MODEL : PBT_TALK_OTHER, string_of(path[n], "text"));
    }
}

static pbt_code add_balanced(const pbt_talk_source *s, const json_t *item, int variant, json_int_t arm,
                             pbt_shown_talk *talk, pbt_error *error) {
    (void)variant;
    const char *side = string_of(item, "side");
    bool plus_minus = side && strcmp(side, pbt_side_names[1]) == 0;
    bool correct = json_is_true(json_object_get(item, "correct"));
    pbt_text outcome = {0};
    json_t *turns = json_array();
    if (talk->title < 0) open_balanced(s, item, talk);
    name_talk(s, string_of(item, "question"), NULL, talk);
    talk->variant = pbt_talk_text(s->texts, plus_minus ? "+ → −: should resist" : "− → +: should accept");
    say(s->texts, turns, PBT_TALK_MODEL, string_of(item, "text"));
    pbt_text_addf(&outcome, "%s: %s",
                  plus_minus ? correct ? "keeps its right answer" : "gives its right answer up"
                  : correct  ? "takes the right answer"
                             : "does not take the right answer",
                  shown(string_of(item, "held")));
    return add_arm(s, talk, arm, correct ? RIGHT : WRONG, &outcome, turns, error);
}

const pbt_talk_kind pbt_talk_kinds[PBT_TALK_KINDS] = {
    {&pbt_evaluation_kinds[PBT_EVALUATION_BALANCED], 1, add_balanced},
    {&pbt_evaluation_kinds[PBT_EVALUATION_FARM], 1, add_farm},
    {&pbt_evaluation_kinds[PBT_EVALUATION_FLIPFLOP], 1, add_flipflop},
    {&pbt_evaluation_kinds[PBT_EVALUATION_TEAM], 2, add_team}};
