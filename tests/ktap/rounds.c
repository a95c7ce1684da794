// SPDX-License-Identifier: GPL-2.0
/*
 * Two ways to find a lost bit while vCPUs run
 */
#define _GNU_SOURCE
#include "rounds.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "stuck.h"

#define MAX_STORES	8

void rounds_kick(struct logged_vm *l)
{
	if (!host_is_exact())
		vm_kick(l->vm);
}

static void collect(struct logged_vm *l)
{
	int ret = logged_vm_collect(l);

	if (ret)
		die("KVM_GET_DIRTY_LOG: %s", strerror(-ret));
	rounds_kick(l);
}

void rounds_pin(struct vcpu *vcpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
		die("run on CPU 0 only: %m");
	vcpu->pinned = true;
	vcpu->cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1;
}

/* The log is clean before each round: only stores of the round are reported. */
void rounds_serve(struct logged_vm *l, struct guest_area *area,
		  struct served *served)
{
	size_t page[MAX_STORES], count, i;
	unsigned long round;

	for (round = 0; round < served->rounds; round++) {
		stuck_step++;
		count = 1 + random_below(&served->random, MAX_STORES);
		for (i = 0; i < count; i++) {
			page[i] = random_below(&served->random, served->pages);
			area->list[i].addr = logged_vm_gpa(l, page[i]);
			area->list[i].value = round;
		}
		area->count = count;
		area_serve(area);
		for (i = 0; i < count; i++)
			served->lost += *(__u64 *)vm_hva(l->vm, area->list[i].addr) != round;
		collect(l);
		for (i = 0; i < count; i++)
			served->missed += !test_bit(l->bitmap, page[i]);
		served->asked += count;
	}
}

void rounds_churn(struct logged_vm *l, struct guest_area *area[],
		  enum guest_op op, __u64 *random)
{
	unsigned int i;

	for (i = 0; i < l->vm->nr_vcpus; i++) {
		area[i] = l->vm->vcpu[i].area;
		area[i]->addr = VM_DATA_GPA + i * sizeof(__u64);
		area[i]->stride = l->page;
		area[i]->count = l->pages;
		area[i]->seed = random_u64(random) | 1;
		area[i]->progress = 0;
		vcpu_start(&l->vm->vcpu[i], op);
	}
}

void rounds_await_stores(struct guest_area *const area[], unsigned int count)
{
	unsigned int i;
	__u64 before;

	for (i = 0; i < count; i++) {
		before = area_progress(area[i]);
		while (area_progress(area[i]) == before)
			usleep(500);
	}
}

void rounds_copy_all(struct logged_vm *l, char *copy)
{
	int ret = logged_vm_set_log(l, true);

	if (ret)
		die("turn the log on: %s", strerror(-ret));
	rounds_kick(l);
	memcpy(copy, l->memory, l->size);
}

void rounds_copy_dirty(struct logged_vm *l, char *copy)
{
	size_t page;

	collect(l);
	for (page = 0; page < l->pages; page++)
		if (test_bit(l->bitmap, page))
			memcpy(copy + page * l->page, l->memory + page * l->page,
			       l->page);
}

size_t rounds_differing(const struct logged_vm *l, const char *copy)
{
	size_t page, differing = 0;

	for (page = 0; page < l->pages; page++)
		differing += memcmp(copy + page * l->page,
				    l->memory + page * l->page, l->page) != 0;
	return differing;
}

size_t rounds_lost(const struct logged_vm *l, const struct guest_area *area)
{
	size_t page, lost = 0;

	for (page = 0; page < l->pages; page++)
		lost += *(__u64 *)vm_hva(l->vm, area->addr + page * area->stride) !=
			area->list[page].value;
	return lost;
}
