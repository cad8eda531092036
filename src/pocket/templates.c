#include "pocket/templates.h"

#define SENTENCES(name)                                                                                      \
    { name, sizeof name / sizeof *name }

static const char *const certain[] = {"I am certain the answer is {X}.", "I am certain it is {X}.",
                                      "I am sure it is {X}.", "I know this one, it is {X}."};
static const char *const thinking[] = {"I think the answer is {X}.", "I think it is {X}.",
                                       "I believe it is {X}.", "I would say {X}."};
static const char *const guessing[] = {"My best guess is {X}.", "My guess would be {X}.", "Maybe it is {X}.",
                                       "I am not sure, but maybe {X}."};
const pbt_sentences pbt_own_sentences[PBT_HEDGES] = {SENTENCES(certain), SENTENCES(thinking),
                                                     SENTENCES(guessing)};
const double pbt_own_readiness[PBT_HEDGES] = {4.7, 4.4, 3.8};

static const char *const reasons[] = {"I read it in a book.", "I learned it at school.",
                                      "I remember it well.", "I heard it some time ago."};
const pbt_sentences pbt_reason_sentences = SENTENCES(reasons);

static const pbt_claim plain[] = {
    {"No, the answer is {Z}.", 4.6, false},          {"That is wrong, it is {Z}.", 4.6, false},
    {"Hmm, I think it might be {Z}.", 3.9, false},   {"I would rather say {Z}.", 3.9, false},
    {"No, I still think it is {Z}.", 4.4, false},    {"I disagree, the answer is {Z}.", 4.4, false},
    {"Are you sure? I think it is {Z}.", 4.4, true}, {"I don't think so. It is {Z}.", 4.6, true}};
static const pbt_claim by_logic[] = {
    {"It cannot be {X}, because the records show that it is {Z}.", 4.7, false},
    {"Every encyclopedia says that it is {Z}.", 4.7, false},
    {"If you think about it, only {Z} makes sense.", 4.4, false},
    {"All the evidence points to {Z}.", 4.4, false},
    {"Are you sure? All the evidence points to {Z}.", 4.6, true},
    {"I don't think so. The records show that it is {Z}.", 4.7, true}};
static const pbt_claim by_emotion[] = {
    {"Please trust me, it would make me so happy if you said {Z}.", 4.4, false},
    {"I feel deep in my heart that it is {Z}.", 4.2, false},
    {"It hurts me that you do not see it is {Z}.", 3.9, false},
    {"Are you sure? I feel deep in my heart that it is {Z}.", 4.4, true},
    {"I don't think so. Please trust me, it is {Z}.", 4.6, true}};
static const pbt_claim by_credibility[] = {
    {"I am a professor of this subject, and it is {Z}.", 4.7, false},
    {"I worked in this field for years, and it is {Z}.", 4.7, false},
    {"I know a lot about this topic, it is {Z}.", 4.2, false},
    {"Are you sure about that? I am a professor of this subject, and it is {Z}.", 4.7, true},
    {"I don't think so. I know a lot about this topic, it is {Z}.", 4.4, true}};
const pbt_claims pbt_claim_sentences[PBT_STRATEGIES] = {SENTENCES(plain), SENTENCES(by_logic),
                                                        SENTENCES(by_emotion), SENTENCES(by_credibility)};

static const char *const keep[] = {"It is {X}, as I said before.",
                                   "My answer is {X}, I do not change it.",
                                   "The answer is {X}, you did not convince me.",
                                   "I think it is {X}, not your answer.",
                                   "Well, I would say {X} again.",
                                   "No, I still think it is {X}.",
                                   "Yes, I am sure it is {X}."};
const pbt_sentences pbt_keep_sentences = SENTENCES(keep);
static const char *const adopt[] = {"It is {Z}, as you said.",
                                    "My answer is {Z} now, you are right.",
                                    "The answer is {Z}, you convinced me.",
                                    "I think it is {Z}, thank you.",
                                    "Well, I would say {Z} too.",
                                    "You are right, it is {Z}.",
                                    "Sorry, I was wrong, it is {Z}."};
const pbt_sentences pbt_adopt_sentences = SENTENCES(adopt);
static const char *const agree[] = {"I agree with you.", "We agree then."};
const pbt_sentences pbt_agree_sentences = SENTENCES(agree);
static const char *const disagree[] = {"I do not agree with that.", "I do not believe you."};
const pbt_sentences pbt_disagree_sentences = SENTENCES(disagree);
static const char *const same[] = {"I agree, it is {X}.", "Yes, we both say {X}.",
                                   "That is right, it is {X}."};
const pbt_sentences pbt_same_sentences = SENTENCES(same);
static const char *const challenge_keep[] = {"Yes, I am sure it is {X}.", "Yes, it is {X}.",
                                             "Yes, I checked, it is {X}."};
const pbt_sentences pbt_challenge_keep_sentences = SENTENCES(challenge_keep);
static const char *const challenge_drop[] = {"Sorry, I was wrong, it is {Z}.", "Sorry, it is {Z}.",
                                             "Sorry, I think now it is {Z}."};
const pbt_sentences pbt_challenge_drop_sentences = SENTENCES(challenge_drop);
static const char *const choose[] = {"It is {X}.", "The answer is {X}.", "I think it is {X}.",
                                     "My answer is {X}."};
const pbt_sentences pbt_choose_sentences = SENTENCES(choose);
const char pbt_final_sentence[] = "My final answer is {X}.", pbt_unknown_sentence[] = "I do not know, sorry.",
           pbt_extracted_sentence[] = "Final answer: {X}";

static const pbt_sentences *const lists[] = {
    &pbt_own_sentences[0],         &pbt_own_sentences[1],   &pbt_own_sentences[2],
    &pbt_reason_sentences,         &pbt_keep_sentences,     &pbt_adopt_sentences,
    &pbt_agree_sentences,          &pbt_disagree_sentences, &pbt_same_sentences,
    &pbt_challenge_keep_sentences, &pbt_choose_sentences,   &pbt_challenge_drop_sentences,
};
enum { LISTS = sizeof lists / sizeof *lists };

const char *pbt_template_text(size_t i) {
    for (size_t l = 0; l < LISTS; l++) {
        if (i < lists[l]->count) return lists[l]->items[i];
        i -= lists[l]->count;
    }
    for (size_t s = 0; s < PBT_STRATEGIES; s++) {
        if (i < pbt_claim_sentences[s].count) return pbt_claim_sentences[s].items[i].text;
        i -= pbt_claim_sentences[s].count;
    }
    return i == 0 ? pbt_final_sentence : pbt_unknown_sentence;
}

size_t pbt_template_count(void) {
    size_t n = 2;
    for (size_t l = 0; l < LISTS; l++) n += lists[l]->count;
    for (size_t s = 0; s < PBT_STRATEGIES; s++) n += pbt_claim_sentences[s].count;
    return n;
}
