/*
 * Continuous batching. Texts are taken in the order of adapter and tokens, so that those with a common
 * beginning are decoded together; every pass takes each text as far as rows allow; a finished text makes room
 * for the next. When rows of the cache run out, the text admitted last goes back to wait. Which texts share a
 * pass changes no bit of any result.
 */
#include "engine/scheduler.h"

#include "base/memory.h"
#include "engine/draw.h"

#include <stdlib.h>
#include <string.h>

/* Rows kept beside a growing text, so that it stays in one segment. */
enum { GROWTH = 32 };

typedef struct schedule {
    pbt_engine *engine;
    pbt_engine_sequence **waiting; /* [n]; from `next` on; room before it for those that come back */
    size_t next, n;
    pbt_engine_sequence **active; /* in order of admission */
    size_t n_active, most_active;
    size_t limit;                   /* of active ones, lowered when rows ran out */
    bool prompt_rows;               /* the pass computes rows of prompts */
    const pbt_request_watch *watch; /* or NULL */
} schedule;

/* ---- order ---- */

static int32_t token_at(const pbt_engine_sequence *s, int64_t i) {
    return i < s->prompt_length ? s->prompt[i] : s->continuation[i - s->prompt_length];
}

static int by_tokens(const void *pa, const void *pb) {
    const pbt_engine_sequence *a = *(pbt_engine_sequence *const *)pa, *b = *(pbt_engine_sequence *const *)pb;
    int64_t na = (int64_t)a->prompt_length + a->continuation_length,
            nb = (int64_t)b->prompt_length + b->continuation_length, n = na < nb ? na : nb;
    for (int64_t i = 0; i < n; i++) {
        int32_t x = token_at(a, i), y = token_at(b, i);
        if (x != y) return x < y ? -1 : 1;
    }
    if (na != nb) return na < nb ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* ---- admission and return ---- */

static pbt_code admit(schedule *w, pbt_engine_sequence *s, pbt_error *error) {
    size_t after =
        s->generation ? (size_t)s->generation->sampling.max_new_tokens : (size_t)s->continuation_length;
    size_t n = (size_t)s->prompt_length + after;
    if (!s->tokens) {
        s->tokens = pbt_alloc(n, sizeof *s->tokens);
        if (!s->tokens) return pbt_fail_memory(error, n * sizeof *s->tokens, "the tokens of a request");
        memcpy(s->tokens, s->prompt, (size_t)s->prompt_length * sizeof *s->tokens);
        if (s->scoring)
            memcpy(s->tokens + s->prompt_length, s->continuation,
                   (size_t)s->continuation_length * sizeof *s->tokens);
    }
    PBT_TRY(pbt_cursor_open(&w->engine->cache, s->adapter, &s->cursor, error));
    s->open = true;
    w->active[w->n_active++] = s;
    return PBT_OK;
}

static void close_sequence(schedule *w, pbt_engine_sequence *s) {
    if (s->open) pbt_cursor_close(&w->engine->cache, &s->cursor);
    s->open = false;
}

/* The sequence admitted last waits again; what it has is kept, and its rows may be dropped. */
static void send_back(schedule *w) {
    pbt_engine_sequence *s = w->active[--w->n_active];
    if (s->need < s->cursor.depth && s->scoring) s->need = s->cursor.depth;
    s->decoding = false;
    close_sequence(w, s);
    w->waiting[--w->next] = s;
    w->limit = w->n_active > 1 ? w->n_active : 1;
}

/* ---- planning ---- */

static pbt_code add_target(pbt_engine *engine, const pbt_engine_sequence *s, int32_t position, int32_t row,
                           pbt_error *error) {
    PBT_TRY(pbt_grow(engine->targets, &engine->targets_capacity, engine->n_targets + 1, error));
    engine->targets[engine->n_targets++] =
        (pbt_target){.row = row,
                     .token = s->tokens[position + 1],
                     .logprob = s->scoring->logprobs + (position + 1 - s->prompt_length)};
    return PBT_OK;
}

/* Puts the `n` positions before the cursor into the pass where they are needed or new. When the budget ends
 * first, the cursor goes back to where it ended. */
static pbt_code add_positions(schedule *w, pbt_engine_sequence *s, int32_t n, bool fresh, int32_t *budget,
                              pbt_error *error) {
    pbt_engine *engine = w->engine;
    const int32_t end = s->cursor.depth, first_row = pbt_cursor_row(&s->cursor) - (n - 1);
    for (int32_t p = end - n; p < end; p++) {
        int32_t row, kv_row = first_row + (p - (end - n));
        bool added;
        if (!fresh && p < s->need) continue;
        if (*budget == 0 && !pbt_pass_has(engine, kv_row)) {
            s->cursor.depth = p;
            return PBT_OK;
        }
        PBT_TRY(pbt_pass_add(engine, &s->cursor, p, kv_row, &row, &added, error));
        *budget -= added;
        if (added && (s->scoring || p < s->prompt_length)) {
            engine->statistics.computed_tokens++;
            w->prompt_rows = true;
        }
        if (p < s->need) continue;
        if (s->scoring)
            PBT_TRY(add_target(engine, s, p, row, error));
        else
            s->last_row = row;
    }
    return PBT_OK;
}

static int32_t spare_rows(const pbt_engine_sequence *s, int32_t rest) {
    if (!s->generation) return rest;
    int32_t left = s->prompt_length + s->generation->sampling.max_new_tokens - 1 - s->limit;
    return rest + (left < GROWTH ? left : GROWTH);
}

/* Takes the sequence as far as budget and cache allow. *stuck: the cache had no row for its first step. */
static pbt_code plan_sequence(schedule *w, pbt_engine_sequence *s, int32_t *budget, bool *stuck,
                              pbt_error *error) {
    pbt_prefix_cache *cache = &w->engine->cache;
    bool moved = false;
    *stuck = false;
    while (s->cursor.depth < s->limit) {
        int32_t before = s->cursor.depth, n = pbt_cursor_walk(cache, &s->cursor, s->tokens, s->limit);
        bool fresh = n == 0;
        if (fresh) {
            if (*budget == 0) return PBT_OK;
            int32_t left = s->limit - before, want = left < *budget ? left : *budget;
            PBT_TRY(
                pbt_cursor_append(cache, &s->cursor, s->tokens, want, spare_rows(s, left - want), &n, error));
            if (n == 0) {
                *stuck = !moved;
                return PBT_OK;
            }
        }
        PBT_TRY(add_positions(w, s, n, fresh, budget, error));
        if (s->cursor.depth == before + n) {
            moved = moved || fresh || s->cursor.depth > s->need;
            continue;
        }
        return PBT_OK; /* the budget is spent */
    }
    return PBT_OK;
}

static pbt_code no_room(const schedule *w, const pbt_engine_sequence *s, pbt_error *error) {
    return pbt_fail_request(error, PBT_FAILED, s->index,
                            "%d tokens do not fit the %d rows of the key/value cache; raise kv_rows or "
                            "shorten the text",
                            s->limit, w->engine->kv.capacity);
}

/* Everyone in work, oldest first; the youngest go back when rows run out. */
static pbt_code plan_active(schedule *w, int32_t *budget, pbt_error *error) {
    for (size_t i = 0; i < w->n_active; i++) {
        pbt_engine_sequence *s = w->active[i];
        int32_t own = 1; /* room for one row of each decoding sequence is left beside the budget */
        bool stuck;
        s->last_row = -1;
        PBT_TRY(plan_sequence(w, s, s->decoding ? &own : budget, &stuck, error));
        while (stuck) {
            if (w->n_active == 1) return no_room(w, s, error);
            bool itself = i + 1 == w->n_active;
            send_back(w);
            if (itself) break;
            PBT_TRY(plan_sequence(w, s, s->decoding ? &own : budget, &stuck, error));
        }
    }
    return PBT_OK;
}

static pbt_code plan(schedule *w, pbt_error *error) {
    int32_t budget = w->engine->rows;
    for (size_t i = 0; i < w->n_active; i++) budget -= w->active[i]->decoding;
    w->prompt_rows = false;
    PBT_TRY(plan_active(w, &budget, error));
    while (budget > 0 && w->next < w->n && w->n_active < w->limit) {
        pbt_engine_sequence *s = w->waiting[w->next];
        bool stuck;
        if (w->n_active > 0 && w->active[0]->adapter != s->adapter) break;
        w->next++;
        PBT_TRY(admit(w, s, error));
        s->last_row = -1;
        PBT_TRY(plan_sequence(w, s, &budget, &stuck, error));
        if (!stuck) continue;
        if (w->n_active == 1) return no_room(w, s, error);
        send_back(w);
        break;
    }
    if (w->engine->n_rows > 0) return PBT_OK;
    return pbt_fail(error, PBT_FAILED, "the engine planned a pass without rows; please report this");
}

/* ---- the work ---- */

/* Removes the finished, keeping the order of the others, and tells of them. */
static pbt_code retire(schedule *w, pbt_error *error) {
    size_t kept = 0;
    pbt_code code = PBT_OK;
    for (size_t i = 0; i < w->n_active; i++) {
        pbt_engine_sequence *s = w->active[i];
        if (!pbt_engine_sequence_finished(s)) {
            w->active[kept++] = s;
            continue;
        }
        close_sequence(w, s);
        free(s->tokens);
        s->tokens = NULL;
        if (w->limit < w->most_active) w->limit++;
        if (w->watch && code == PBT_OK) code = w->watch->done(w->watch->user, s->index, error);
    }
    w->n_active = kept;
    return code;
}

static pbt_code one_pass(schedule *w, pbt_error *error) {
    pbt_engine *engine = w->engine;
    PBT_TRY(plan(w, error));
    const pbt_adapter *adapter = w->active[0]->adapter;
    PBT_TRY(pbt_pass_run(engine, adapter, error));
    *(w->prompt_rows ? &engine->statistics.prefill_passes : &engine->statistics.decode_passes) += 1;
    PBT_TRY(pbt_pass_logprobs(engine, error));
    PBT_TRY(pbt_generate_step(engine, w->active, w->n_active, error));
    return retire(w, error);
}

static pbt_code run_all(schedule *w, const char *task, const pbt_monitor *monitor, pbt_error *error) {
    while (w->next < w->n || w->n_active > 0) {
        PBT_TRY(pbt_monitor_check(monitor, error));
        pbt_code code = one_pass(w, error);
        if (code != PBT_OK) {
            for (size_t i = 0; i < w->n_active; i++) close_sequence(w, w->active[i]);
            pbt_pass_abandon(w->engine);
            return code;
        }
        pbt_monitor_progress(monitor, task, "texts", (double)(w->next - w->n_active), (double)w->n, NULL);
    }
    return PBT_OK;
}

/* Order: adapters as they first appear, then tokens. */
static void sort(schedule *w) {
    size_t done = 0;
    while (done < w->n) {
        const pbt_adapter *adapter = w->waiting[done]->adapter;
        size_t end = done;
        for (size_t i = done; i < w->n; i++) {
            pbt_engine_sequence *s = w->waiting[i];
            if (s->adapter != adapter) continue;
            w->waiting[i] = w->waiting[end];
            w->waiting[end++] = s;
        }
        qsort(w->waiting + done, end - done, sizeof(pbt_engine_sequence *), by_tokens);
        done = end;
    }
}

pbt_code pbt_schedule_run(pbt_engine *engine, pbt_engine_sequence *sequences, size_t n, int32_t most_active,
                          const char *task, const pbt_request_watch *watch, const pbt_monitor *monitor,
                          pbt_error *error) {
    schedule w = {
        .engine = engine, .limit = (size_t)most_active, .most_active = (size_t)most_active, .watch = watch};
    w.waiting = pbt_alloc(n + 1, sizeof(pbt_engine_sequence *));
    w.active = pbt_alloc((size_t)most_active, sizeof(pbt_engine_sequence *));
    pbt_code code = w.waiting && w.active ? PBT_OK : pbt_fail_memory(error, n * 8, "the list of requests");
    if (code == PBT_OK) {
        for (size_t i = 0; i < n && code == PBT_OK; i++)
            if (!pbt_engine_sequence_finished(&sequences[i]))
                w.waiting[w.n++] = &sequences[i];
            else if (watch)
                code = watch->done(watch->user, i, error);
        sort(&w);
        if (code == PBT_OK) code = run_all(&w, task, monitor, error);
    }
    for (size_t i = 0; i < w.n_active; i++) close_sequence(&w, w.active[i]);
    for (size_t i = 0; i < n; i++) {
        free(sequences[i].tokens);
        sequences[i].tokens = NULL;
    }
    free((void *)w.waiting);
    free((void *)w.active);
    return code;
}
