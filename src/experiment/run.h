/*
 * A run: an experiment on its way in a folder. Stages read and write the run's store; nothing else is shared
 * between them. Whatever was committed is never done again, so the same call continues after any
 * interruption and ends with the same results.
 */
#ifndef PBT_EXPERIMENT_RUN_H
#define PBT_EXPERIMENT_RUN_H

#include "agent/agent.h"
#include "base/output.h"
#include "evaluation/context.h"

typedef enum pbt_speaker { PBT_AGENT_A, PBT_AGENT_B, PBT_EXTRACTOR, PBT_FILTER, PBT_SPEAKERS } pbt_speaker;

typedef struct pbt_run {
    char *folder;
    pbt_store *store;
    pbt_experiment experiment;
    const pbt_device *device; /* of all its models */
    const pbt_monitor *monitor;
    pbt_output *output; /* locked */
    /* Opened when a stage first needs them. */
    pbt_question_set questions;
    pbt_prompts prompts;
    pbt_chat_model *models[PBT_SPEAKERS]; /* the same pointer where two name the same folder and dtype */
    pbt_agent *agents[PBT_SPEAKERS];      /* base models; the filter's is NULL with filter "none" */
    bool questions_open, prompts_open;
    pbt_evaluation_context context; /* of the above; its questions and prompts are there once they are open */
} pbt_run;

/* What a run leaves in its folder; its lock is RUN/run.lock. */
extern const pbt_output_kind pbt_output_run;

/* Opens (with `experiment`: creates or continues) the run in `folder`. An experiment that differs from the
 * one the run was begun with, or whose files have other contents, is refused with what differs. Takes the
 * insides of `experiment`. Only one process may hold a run. A folder with other files in it is taken: who
 * names one asks pbt_output_check first. */
pbt_code pbt_run_open(const char *folder, pbt_experiment *experiment, const pbt_device *device,
                      const pbt_monitor *monitor, pbt_run **run, pbt_error *error);
/* The same, but an experiment that differs is accepted: what the difference affects is taken back (the
 * store's artefacts, the arms' folders), for the stages to make anew; everything else stays. */
pbt_code pbt_run_open_changed(const char *folder, pbt_experiment *experiment, const pbt_device *device,
                              const pbt_monitor *monitor, pbt_run **run, pbt_error *error);
void pbt_run_close(pbt_run *run);

/* Questions and prompts; models and agents as well. Called by the stages. */
pbt_code pbt_run_open_data(pbt_run *run, pbt_error *error);
pbt_code pbt_run_open_agent(pbt_run *run, pbt_speaker speaker, pbt_agent **agent, pbt_error *error);
/* RUN/seed-N/ARM/NAME (NAME may be ""), malloc'ed; NULL when memory is out. */
char *pbt_run_path(const pbt_run *run, int64_t seed, const char *arm, const char *name);
/* Marks of finished work. */
pbt_code pbt_run_is_done(pbt_run *run, const char *stage, int64_t seed, const char *arm, bool *done,
                         pbt_error *error);
pbt_code pbt_run_set_done(pbt_run *run, const char *stage, int64_t seed, const char *arm, pbt_error *error);

#endif
