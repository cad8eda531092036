/*
 * A FARM of the pocket world: its questions in the form of the released FARM files (Xu et al., 2024), with
 * the world's own sentences as the words that push one of a question's own wrong options.
 */
#ifndef PBT_POCKET_FARM_QUESTIONS_H
#define PBT_POCKET_FARM_QUESTIONS_H

#include "pocket/templates.h"

/* Writes the questions whose "split" in the file they were read from is `part` (NULL: all), in its order: the
 * wrong option that is pushed and the order of the sentences are drawn from the seed and the question's id.
 */
pbt_code pbt_pocket_farm_write(const pbt_pocket_world *world, const char *questions, const char *part,
                               uint64_t seed, const char *path, pbt_error *error);

#endif
