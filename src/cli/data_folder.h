/*
 * The files that come with the program: prompts/, experiments/ and pocket/.
 */
#ifndef PBT_CLI_DATA_FOLDER_H
#define PBT_CLI_DATA_FOLDER_H

/* The folder that holds them, malloc'ed; NULL when memory is out. In this order: what the environment
 * variable PBT_DATA says; in a build folder, the source tree it was configured from; else the place where an
 * installation has them as seen from the program (../share/pbt), so that an installation may be moved. The
 * last is returned whether it is there or not, for the sentence that will say that a file is missing. */
char *pbt_data_folder_find(void);

#endif
