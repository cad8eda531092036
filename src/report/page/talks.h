/*
 * What was said in the evaluations, for report.html: one talk is one judged item, the arms beside each other.
 * talk_items.c turns stored items into talks, talks.c chooses them and writes the section. Private to
 * src/report.
 */
#ifndef PBT_REPORT_PAGE_TALKS_H
#define PBT_REPORT_PAGE_TALKS_H

#include "report/page/page.h"

/* Texts that the page holds once, however often they were said. */
typedef struct pbt_talk_texts {
    json_t *list;   /* [text, ...] */
    json_t *places; /* text -> place in `list` */
} pbt_talk_texts;
/* The place of a text, of which at most 2,000 bytes are kept; -1 for NULL. */
json_int_t pbt_talk_text(pbt_talk_texts *texts, const char *text);

/* A talk as it is put together: everything but `kind` and `seed` comes from the items. */
typedef struct pbt_shown_talk {
    json_int_t title;   /* the question */
    json_t *right;      /* accepted answers, [text, ...] */
    json_int_t variant; /* "logical, NQ1"; -1 where there is only one */
    json_t *opening;    /* what all arms were told first: [[who, text], ...] */
    json_t *arms;       /* [[arm, verdict, outcome, [[who, text], ...]], ...] */
} pbt_shown_talk;
/* Who speaks: the model under test, or whoever talks to it. */
enum { PBT_TALK_MODEL = 0, PBT_TALK_OTHER = 1 };

/* What an item needs from elsewhere in the store. */
typedef struct pbt_talk_source {
    pbt_talk_texts *texts;
    const json_t *questions; /* id -> {"text", "answers"}, of the test trees */
    const json_t *trees;     /* tree id -> tree, of the seed at hand; for the balanced test */
} pbt_talk_source;

typedef struct pbt_talk_kind {
    const pbt_evaluation_kind *evaluation;
    int variants; /* talks an item gives */
    /* Adds the arm's part of the item to the talk; without turns where the arm has nothing to show. */
    pbt_code (*add)(const pbt_talk_source *source, const json_t *item, int variant, json_int_t arm,
                    pbt_shown_talk *talk, pbt_error *error);
} pbt_talk_kind;
extern const pbt_talk_kind pbt_talk_kinds[];
enum { PBT_TALK_KINDS = 4 };

/* The section with its data; nothing where no evaluation was run. */
pbt_code pbt_page_talks(pbt_page *page);

#endif
