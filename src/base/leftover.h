/*
 * What killed processes leave behind of files they were writing: NAME.pbt.tmp (file.h).
 */
#ifndef PBT_BASE_LEFTOVER_H
#define PBT_BASE_LEFTOVER_H

/* Removes the unfinished files in a folder of pbt's and the folders in it. One that a living process writes,
 * and so holds locked, stays. Earlier versions wrote NAME.PID.tmp; those go where the process is gone. */
void pbt_leftovers_remove(const char *folder);

#endif
