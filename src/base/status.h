/*
 * Errors. Owns the one convention of success in pbt: a function that can fail returns pbt_code and takes a
 * `pbt_error *` as its last argument. The library never exits, aborts or prints; cli/ prints the sentence.
 */
#ifndef PBT_BASE_STATUS_H
#define PBT_BASE_STATUS_H

#include "base/declarations.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

PBT_BEGIN_DECLS

/* The values are the program's exit codes (docs/FORMATS.md, "Exit codes"). */
typedef enum pbt_code {
    PBT_OK = 0,
    PBT_FAILED = 1,       /* the machine or the library could not do it (memory, disk, a bug) */
    PBT_USAGE = 2,        /* a command line or an API call that makes no sense */
    PBT_BAD_INPUT = 3,    /* a file, a model or an experiment is not what it must be */
    PBT_INTERRUPTED = 130 /* asked to stop */
} pbt_code;

/* What a caller may want to tell apart beyond the code, so that nobody has to read the sentence for it. */
typedef enum pbt_error_reason {
    PBT_REASON_NONE = 0,
    PBT_NO_CHAT_TEMPLATE, /* messages are to be rendered, and the model's folder has no chat template */
    PBT_BAD_REQUEST       /* one request of a call; `item` says which */
} pbt_error_reason;

/* What went wrong, in one sentence that says what was expected, what was found, and what to do. */
typedef struct pbt_error {
    pbt_code code;
    char message[1280]; /* the sentence, without "error:" and without a closing newline */
    char file[512];     /* the file concerned, or "" */
    char where[160];    /* the place in it ("line 12", "tensor model.norm.weight"), or "" */
    pbt_error_reason reason;
    int64_t item;    /* the request, from 0, where `reason` is PBT_BAD_REQUEST; otherwise -1 */
    size_t sentence; /* where in `message` the sentence without "request 3: " begins; otherwise 0 */
} pbt_error;

/* pbt_fail(error, code, format, ...) fills `error` (which may be NULL) and returns `code`, so that callers
 * can write `return pbt_fail(...)`. A macro around the function, so that the compiler sees that what comes
 * back is `code` and never PBT_OK. */
#define pbt_fail(error, code, ...) pbt_the_code((code), pbt_error_set((error), (code), __VA_ARGS__))
void pbt_error_set(pbt_error *error, pbt_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* As pbt_fail, and records the file and the place; the message gets "file: where: " in front. Both may be
 * NULL. */
#define pbt_fail_at(error, code, file, where, ...)                                                           \
    pbt_the_code((code), pbt_error_set_at((error), (code), (file), (where), __VA_ARGS__))
void pbt_error_set_at(pbt_error *error, pbt_code code, const char *file, const char *where,
                      const char *format, ...) __attribute__((format(printf, 5, 6), cold));

/* As pbt_fail, for request `index` of a call: the message gets "request 3: " in front, the error the reason
 * PBT_BAD_REQUEST and the index. */
#define pbt_fail_request(error, code, index, ...)                                                            \
    pbt_the_code((code), pbt_error_set_request((error), (code), (index), __VA_ARGS__))
void pbt_error_set_request(pbt_error *error, pbt_code code, size_t index, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold));

/* Adds the reason to an error that is set; `error` may be NULL. Every later pbt_fail clears it. */
void pbt_error_set_reason(pbt_error *error, pbt_error_reason reason);

/* The sentence for an allocation of `bytes` that failed; returns PBT_FAILED. */
#define pbt_fail_memory(error, bytes, what)                                                                  \
    pbt_the_code(PBT_FAILED, pbt_error_set_memory((error), (bytes), (what)))
void pbt_error_set_memory(pbt_error *error, size_t bytes, const char *what) __attribute__((cold));

#define pbt_the_code(code, set) ((set), pbt_code_same(code))
static inline pbt_code pbt_code_same(pbt_code code) {
    return code;
}

/* "usage", "bad_input", "failed", "interrupted", "ok": the `kind` of JSON errors. */
const char *pbt_code_name(pbt_code code);

#define PBT_TRY(expression)                                                                                  \
    do {                                                                                                     \
        pbt_code pbt_try_code_ = (expression);                                                               \
        if (pbt_try_code_ != PBT_OK) return pbt_try_code_;                                                   \
    } while (0)

/* For functions with one clean-up label: sets `code` and jumps to `done`. */
#define PBT_GOTO(expression)                                                                                 \
    do {                                                                                                     \
        code = (expression);                                                                                 \
        if (code != PBT_OK) goto done;                                                                       \
    } while (0)

PBT_END_DECLS

#endif
