/*
 * Agents that speak from a script.
 */
#ifndef PBT_TESTS_SCRIPTED_AGENT_H
#define PBT_TESTS_SCRIPTED_AGENT_H

#include "agent/agent.h"

#include "base/memory.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* `reply` returns a malloc'ed text for the messages (NULL: error), `score` a log-probability (may be NULL).
 */
typedef char *(*pbt_script_reply)(void *user, const pbt_message *messages, size_t n, pbt_key key);
typedef double (*pbt_script_score)(void *user, const pbt_message *messages, size_t n, const char *answer);

typedef struct scripted_agent {
    pbt_agent base;
    pbt_script_reply reply;
    pbt_script_score score;
    void *user;
} scripted_agent;

static int32_t count_words(const char *text) {
    int32_t n = 0;
    for (bool inside = false; *text; text++) {
        bool space = isspace((unsigned char)*text);
        if (!space && !inside && n < INT32_MAX) n++;
        inside = !space;
    }
    return n;
}

static pbt_code scripted_talk(pbt_agent *agent, pbt_talk *requests, size_t n, const pbt_monitor *monitor,
                              pbt_error *error) {
    const scripted_agent *a = (const scripted_agent *)agent;
    pbt_code code = PBT_OK;
    for (size_t i = 0; i < n; i++) requests[i].text = NULL;
    for (size_t i = 0; code == PBT_OK && i < n; i++) {
        pbt_talk *r = &requests[i];
        code = pbt_monitor_check(monitor, error);
        if (code != PBT_OK) break;
        r->text = a->reply(a->user, r->messages, r->n_messages, r->key);
        if (!r->text) {
            code = pbt_fail(error, PBT_FAILED, "the scripted agent %s has no reply to request %zu",
                            agent->name, i);
            break;
        }
        r->finished = true;
        r->n_tokens = count_words(r->text);
    }
    if (code != PBT_OK) pbt_talk_clear(requests, n);
    return code;
}

static pbt_code scripted_measure(pbt_agent *agent, pbt_measure *requests, size_t n,
                                 const pbt_monitor *monitor, pbt_error *error) {
    const scripted_agent *a = (const scripted_agent *)agent;
    if (!a->score)
        return pbt_fail(error, PBT_USAGE, "the scripted agent %s has no scores: it can only talk",
                        agent->name);
    for (size_t i = 0; i < n; i++) {
        pbt_measure *r = &requests[i];
        PBT_TRY(pbt_monitor_check(monitor, error));
        r->logprob = a->score(a->user, r->messages, r->n_messages, r->answer);
        r->n_tokens = count_words(r->answer);
    }
    return PBT_OK;
}

static void free_scripted(pbt_agent *agent) {
    free(agent);
}

/* Owns nothing; free with pbt_agent_free. */
static inline pbt_code pbt_agent_scripted(pbt_script_reply reply, pbt_script_score score, void *user,
                                          const char *name, pbt_agent **agent, pbt_error *error) {
    scripted_agent *a = pbt_alloc(1, sizeof *a);
    *agent = NULL;
    if (!a) return pbt_fail_memory(error, sizeof *a, "an agent");
    a->base = (pbt_agent){.talk = scripted_talk, .measure = scripted_measure, .free = free_scripted};
    snprintf(a->base.name, sizeof a->base.name, "%s", name ? name : "");
    a->reply = reply;
    a->score = score;
    a->user = user;
    *agent = &a->base;
    return PBT_OK;
}

#endif
