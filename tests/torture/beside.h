/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An operation that a second thread repeats, beside those of the episode
 *
 * Only operations that leave the record alone can be repeated so.
 */
#ifndef TESTS_TORTURE_BESIDE_H
#define TESTS_TORTURE_BESIDE_H

#include "operations.h"

/* Begin to repeat an operation; none may be repeated now. */
void beside_start(const struct operation *op, struct subject *s, const __u32 a[4]);

/**
 * beside_end() - end the thread, if there is one
 * @succeeded: how often the operation was not refused
 *
 * Return: how often it was carried out.
 */
unsigned long beside_end(unsigned long *succeeded);

#endif
