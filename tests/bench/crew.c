// SPDX-License-Identifier: GPL-2.0
/*
 * Threads on which all vCPUs of a VM access one memslot
 */
#include "crew.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/**
 * struct member - a vCPU of a crew, and its thread
 * @crew: its crew
 * @vcpu: the vCPU
 * @thread: the thread that runs it
 */
struct member {
	struct crew *crew;
	struct vcpu *vcpu;
	pthread_t thread;
};

/**
 * struct crew - the vCPUs of a VM
 * @l: the VM and its memslot
 * @begin: barrier of all threads and the caller before work
 * @end: barrier of all threads and the caller after work
 * @leave: the threads must end
 * @op: loads or stores
 * @percent: percentage of the pages to access
 * @stored: base of the values stored last; each crew_work() stores new ones
 * @member: one for each vCPU
 */
struct crew {
	struct logged_vm *l;
	pthread_barrier_t begin;
	pthread_barrier_t end;
	bool leave;
	enum guest_op op;
	unsigned int percent;
	__u64 stored;
	struct member member[GUEST_MAX_VCPUS];
};

size_t crew_pages(const struct logged_vm *l, unsigned int percent)
{
	return l->pages * percent / 100;
}

/* Each vCPU accesses one contiguous range of the memslot. */
static void work(struct member *m)
{
	const struct crew *crew = m->crew;
	const struct logged_vm *l = crew->l;
	size_t pages = crew_pages(l, crew->percent), stride = 100 / crew->percent;
	size_t first = pages * m->vcpu->id / l->vm->nr_vcpus;
	size_t end = pages * (m->vcpu->id + 1) / l->vm->nr_vcpus;
	__u64 addr = logged_vm_gpa(l, first * stride);

	if (crew->op == GUEST_STORE)
		vcpu_store_pages(m->vcpu, addr, stride * l->page, end - first,
				 crew->stored + first);
	else
		vcpu_load_pages(m->vcpu, addr, stride * l->page, end - first);
}

/* First fault in the vCPU's own pages, which are not in the memslot. */
static void *member_thread(void *arg)
{
	struct member *m = arg;

	vcpu_load_pages(m->vcpu, GUEST_AREA(m->vcpu->id), 0, GUEST_LIST_MAX);
	pthread_barrier_wait(&m->crew->end);
	for (;;) {
		pthread_barrier_wait(&m->crew->begin);
		if (m->crew->leave)
			return NULL;
		work(m);
		pthread_barrier_wait(&m->crew->end);
	}
}

struct crew *crew_create(struct logged_vm *l)
{
	struct crew *crew = calloc(1, sizeof(*crew));
	unsigned int i;
	int ret;

	if (!crew)
		die("no memory for the threads of vCPUs");
	crew->l = l;
	pthread_barrier_init(&crew->begin, NULL, l->vm->nr_vcpus + 1);
	pthread_barrier_init(&crew->end, NULL, l->vm->nr_vcpus + 1);
	for (i = 0; i < l->vm->nr_vcpus; i++) {
		struct member *m = &crew->member[i];

		m->crew = crew;
		m->vcpu = &l->vm->vcpu[i];
		ret = pthread_create(&m->thread, NULL, member_thread, m);
		if (ret)
			die("thread of vCPU %u: %s", i, strerror(ret));
	}
	pthread_barrier_wait(&crew->end);
	return crew;
}

void crew_destroy(struct crew *crew)
{
	unsigned int i;

	crew->leave = true;
	pthread_barrier_wait(&crew->begin);
	for (i = 0; i < crew->l->vm->nr_vcpus; i++)
		pthread_join(crew->member[i].thread, NULL);
	pthread_barrier_destroy(&crew->begin);
	pthread_barrier_destroy(&crew->end);
	free(crew);
}

void crew_work(struct crew *crew, enum guest_op op, unsigned int percent)
{
	if (!percent)
		return;
	crew->op = op;
	crew->percent = percent;
	crew->stored += crew->l->pages;
	pthread_barrier_wait(&crew->begin);
	pthread_barrier_wait(&crew->end);
}
