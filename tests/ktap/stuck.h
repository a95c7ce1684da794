/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the threads of a test are that does not end
 */
#ifndef KTAP_STUCK_H
#define KTAP_STUCK_H

/**
 * stuck_watch() - from now on say every so often where all threads are
 * @seconds:	how often, and when for the first time
 *
 * In diagnostic lines, until the process ends. A second call does nothing.
 */
void stuck_watch(unsigned int seconds);

/* How far the test has come, for what is told of it. */
extern unsigned long stuck_step;

#endif /* KTAP_STUCK_H */
