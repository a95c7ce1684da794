/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Report where the threads of a hanging test are
 */
#ifndef KTAP_STUCK_H
#define KTAP_STUCK_H

/**
 * stuck_watch() - report at intervals where all threads are
 * @seconds:	interval, and delay of the first report
 *
 * Prints diagnostic lines until the process ends. A second call does nothing.
 */
void stuck_watch(unsigned int seconds);

/* Progress of the test, for the report. */
extern unsigned long stuck_step;

#endif /* KTAP_STUCK_H */
