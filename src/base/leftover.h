/*
 * What a killed process leaves behind of a file it was writing: PATH.PID.tmp (file.h).
 */
#ifndef PBT_BASE_LEFTOVER_H
#define PBT_BASE_LEFTOVER_H

/* Removes the temporary files of `path` whose writers are gone. Those of living processes stay; so do, on a
 * folder that machines share, those that a writer elsewhere holds locked. */
void pbt_leftovers_remove(const char *path);

#endif
