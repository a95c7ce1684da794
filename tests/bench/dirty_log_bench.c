// SPDX-License-Identifier: GPL-2.0
/*
 * Measure what the dirty log costs in each phase, on stock and on the module
 *
 * One round is the life of a VM with one memslot. Its phases are those of the
 * kernel's dirty_log_perf_test, and some more:
 *
 *	populate	the guest stores to each page, none of which is mapped
 *	control		the guest stores to each page again: a pass without log
 *	enable		the log is switched on
 *	first		a pass over all pages, in the state that enable has left
 *	pass		passes, for each of the percentages of pages
 *	disable		the log is switched off
 *	after		the guest stores to each page once more
 *	read		the log is on again, and the guest only loads
 *
 * A pass has three phases: "dirty" (the guest stores), "get"
 * (KVM_GET_DIRTY_LOG) and, with manual protection, "clear"
 * (KVM_CLEAR_DIRTY_LOG).
 *
 * Memslots that are larger than the host's memory (--scale) show how costs
 * grow. They map the same few huge pages again and again. Their phases are:
 *
 *	populate	the guest stores once to each huge page
 *	enable		the log is switched on
 *	split, clear	64 pages are cleared at three places: first in a huge
 *			page, which is split, and then once more
 *	get, clear	the whole memslot
 *	dirty, get	64 pages at its end
 *	disable		the log is switched off
 *	delete		the memslot is deleted
 *
 * The benchmark inserts and removes the module again and again, so that stock
 * and the module take turns and other load on the host affects both alike. It
 * either times a round or counts its events. It prints results as lines of
 * JSON; report.py evaluates them.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "../ktap/logged_vm.h"
#include "../ktap/module.h"
#include "counters.h"
#include "crew.h"

#define MIB		0x100000ull
#define MAX_LIST	8
#define WORD		64	/* pages per word of a bitmap */
#define OVERCOMMIT	"/proc/sys/vm/overcommit_memory"

/**
 * enum mode - protection mode of the log
 * @MODE_PLAIN: KVM_GET_DIRTY_LOG also cleans the pages
 * @MODE_MANUAL: only KVM_CLEAR_DIRTY_LOG cleans pages
 * @MODE_INITIAL: as @MODE_MANUAL, and enabling the log makes all pages dirty
 */
enum mode {
	MODE_PLAIN,
	MODE_MANUAL,
	MODE_INITIAL,
	NR_MODES,
};

static const struct {
	const char *name;
	__u64 flags;	/* of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 */
} modes[NR_MODES] = {
	[MODE_PLAIN] = { "plain", 0 },
	[MODE_MANUAL] = { "manual", KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE },
	[MODE_INITIAL] = { "initial", KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
				      KVM_DIRTY_LOG_INITIALLY_SET },
};

static const char *const subjects[] = { "stock", "ours" };

/**
 * struct list - list of numbers that an option takes
 * @nr: number of values
 * @value: the values
 */
struct list {
	unsigned int nr;
	unsigned int value[MAX_LIST];
};

static struct list sizes = { 2, { 64, 256 } };
static struct list vcpus = { 2, { 1, 4 } };
static struct list percents = { 4, { 0, 1, 50, 100 } };
static struct list empties = { 1, { 4096 } };
static struct list backings = { 2, { BACKING_SMALL, BACKING_THP } };
static struct list scales = { 1, { 0 } };
static unsigned int rounds = 3, passes = 3, counted = 1;
static const char *parameters = "";

/**
 * struct round - the life of one VM
 * @subject: index in subjects
 * @number: number of the round with this kind of VM, from 1
 * @counted: count events; the times are not used
 * @backing: name of the kind of memory
 * @mib: size of the memslot
 * @mode: protection mode of the log
 * @l: the VM and its memslot
 * @crew: threads of its vCPUs
 * @before: counts at the begin of a phase; at its end, the counts of the phase
 * @begin: time at the begin of a phase
 */
struct round {
	unsigned int subject;
	unsigned int number;
	bool counted;
	const char *backing;
	unsigned int mib;
	enum mode mode;
	struct logged_vm *l;
	struct crew *crew;
	struct counters before;
	__u64 begin;
};

static __u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void begin(struct round *r)
{
	if (r->counted)
		counters_begin(&r->before);
	r->begin = now();
}

static void print_counts(const struct counters *c)
{
	const char *comma = "";
	unsigned int i;

	printf(",\"counts\":{\"faults\":%lu,\"set_rc\":%lu,\"tlbie\":%lu,\"hcalls\":{",
	       c->faults, c->set_rc, c->tlbie);
	for (i = 0; i < c->nr_hcalls; i++) {
		if (!c->hcall[i].count)
			continue;
		printf("%s\"0x%lx\":%lu", comma, c->hcall[i].nr, c->hcall[i].count);
		comma = ",";
	}
	printf("}");
	if (counters_see_locks())
		printf(",\"mmu_lock\":{\"holds\":%lu,\"ns\":%lu,\"longest_ns\":%lu}",
		       c->holds, c->held_ns, c->longest_ns);
	printf("}");
}

/* @percent and @reported are negative if the phase has none. */
static void end(struct round *r, const char *part, const char *phase, int percent,
		unsigned int pass, long reported)
{
	__u64 ns = now() - r->begin;

	if (r->counted)
		counters_end(&r->before);
	printf("{\"kind\":\"phase\",\"subject\":\"%s\",\"mode\":\"%s\",\"round\":%u",
	       subjects[r->subject], modes[r->mode].name, r->number);
	printf(",\"backing\":\"%s\",\"mib\":%u,\"vcpus\":%u", r->backing, r->mib,
	       r->l->vm->nr_vcpus);
	printf(",\"part\":\"%s\",\"phase\":\"%s\"", part, phase);
	if (percent >= 0)
		printf(",\"percent\":%d,\"pass\":%u", percent, pass);
	if (reported >= 0)
		printf(",\"reported\":%ld", reported);
	if (r->counted)
		print_counts(&r->before);
	else
		printf(",\"ns\":%llu", ns);
	printf("}\n");
}

static int manual_flags(struct vm *vm)
{
	int flags = ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);

	return flags < 0 ? 0 : flags;
}

static void set_mode(struct vm *vm, enum mode mode)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args = { modes[mode].flags },
	};

	if (mode != MODE_PLAIN && ioctl(vm->fd, KVM_ENABLE_CAP, &cap))
		die("KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: %m");
}

static void set_log(struct round *r, bool on)
{
	int ret = logged_vm_set_log(r->l, on);

	if (ret)
		die("the log cannot be switched %s: %s", on ? "on" : "off",
		    strerror(-ret));
}

static void collect(struct round *r, const char *part, int percent, unsigned int pass)
{
	struct logged_vm *l = r->l;
	struct kvm_clear_dirty_log clear = {
		.slot = l->slot,
		.num_pages = l->pages,
		.dirty_bitmap = l->bitmap,
	};
	int ret;

	memset(l->bitmap, 0, l->bitmap_bytes);
	begin(r);
	ret = vm_get_dirty_log(l->vm, l->slot, l->bitmap);
	end(r, part, "get", percent, pass, logged_vm_count(l));
	if (ret)
		die("KVM_GET_DIRTY_LOG: %s", strerror(-ret));
	if (r->mode == MODE_PLAIN)
		return;
	begin(r);
	ret = ioctl(l->vm->fd, KVM_CLEAR_DIRTY_LOG, &clear);
	end(r, part, "clear", percent, pass, -1);
	if (ret)
		die("KVM_CLEAR_DIRTY_LOG: %m");
}

static void access_pages(struct round *r, const char *part, const char *phase,
			 enum guest_op op, int percent, unsigned int pass)
{
	begin(r);
	crew_work(r->crew, op, percent);
	end(r, part, phase, percent, pass, -1);
}

static void switch_log(struct round *r, const char *part, bool on)
{
	begin(r);
	set_log(r, on);
	end(r, part, part, -1, 0, -1);
}

static void one_pass(struct round *r, const char *part, int percent, unsigned int pass)
{
	access_pages(r, part, "dirty", GUEST_STORE, percent, pass);
	collect(r, part, percent, pass);
}

static void live(struct round *r)
{
	unsigned int i, pass;

	access_pages(r, "populate", "dirty", GUEST_STORE, 100, 1);
	access_pages(r, "control", "dirty", GUEST_STORE, 100, 1);
	switch_log(r, "enable", true);
	one_pass(r, "first", 100, 1);
	for (i = 0; i < percents.nr; i++)
		for (pass = 1; pass <= passes; pass++)
			one_pass(r, "pass", percents.value[i], pass);
	switch_log(r, "disable", false);
	access_pages(r, "after", "dirty", GUEST_STORE, 100, 1);
	/* the pages are mapped as after control, except for C */
	set_log(r, true);
	access_pages(r, "read", "load", GUEST_LOAD, 100, 1);
	collect(r, "read", 100, 1);
}

/* A memslot that the guest never accesses. */
static void live_empty(struct round *r)
{
	unsigned int pass;

	switch_log(r, "enable", true);
	for (pass = 1; pass <= passes; pass++)
		collect(r, "pass", 0, pass);
	switch_log(r, "disable", false);
}

static void store_word(struct round *r, size_t page)
{
	struct logged_vm *l = r->l;

	vcpu_store_pages(&l->vm->vcpu[0], logged_vm_gpa(l, page), l->page, WORD, r->number);
}

static void clear_word(struct round *r, const char *part, const char *phase, size_t page)
{
	struct logged_vm *l = r->l;
	__u64 all = ~0ull;
	int ret;

	store_word(r, page);
	begin(r);
	ret = vm_clear_dirty_log(l->vm, l->slot, page, WORD, &all);
	end(r, part, phase, -1, 0, -1);
	if (ret)
		die("KVM_CLEAR_DIRTY_LOG: %s", strerror(-ret));
}

/* A large memslot that maps the same huge pages again and again. */
static void live_large(struct round *r)
{
	struct logged_vm *l = r->l;
	const struct {
		const char *part;
		size_t page;
	} places[] = {
		{ "start", 0 },
		{ "middle", l->pages / 2 / WORD * WORD },
		{ "end", (l->pages / WORD - 1) * WORD },
	};
	size_t i;
	int ret;

	begin(r);
	vcpu_store_pages(&l->vm->vcpu[0], l->gpa, THP_SIZE, l->size / THP_SIZE, 1);
	end(r, "populate", "dirty", -1, 0, -1);
	switch_log(r, "enable", true);
	for (i = 0; r->mode != MODE_PLAIN && i < ARRAY_SIZE(places); i++) {
		clear_word(r, places[i].part, "split", places[i].page);
		clear_word(r, places[i].part, "clear", places[i].page);
	}
	collect(r, "whole", -1, 0);
	begin(r);
	store_word(r, places[2].page);
	end(r, "word", "dirty", -1, 0, -1);
	collect(r, "word", -1, 0);
	switch_log(r, "disable", false);
	begin(r);
	ret = vm_set_memslot(l->vm, l->slot, l->gpa, 0, NULL, 0);
	end(r, "delete", "delete", -1, 0, -1);
	if (ret)
		die("delete a memslot: %s", strerror(-ret));
}

static void insert_for(unsigned int subject)
{
	int ret = subject ? module_insert(parameters) : 0;

	if (ret)
		die("the module cannot be inserted: %s", strerror(-ret));
}

static void remove_for(unsigned int subject)
{
	int ret = subject ? module_remove() : 0;

	if (ret)
		die("the module cannot be removed: %s", strerror(-ret));
}

/* The host will not have this memory later: skip memslots of this size on. */
static void not_there(const struct round *r, unsigned int *limit, const char *why)
{
	*limit = r->mib;
	printf("{\"kind\":\"missing\",\"backing\":\"%s\",\"mib\":%u", r->backing,
	       r->mib);
	printf(",\"why\":\"%s\"}\n", why);
}

static void run_round(struct round *r, unsigned int nr_vcpus, enum backing backing,
		      void (*life)(struct round *r))
{
	struct vm_config config = { .mmu = VM_MMU_RADIX, .nr_vcpus = nr_vcpus };
	static unsigned int limits[BACKING_REPEATED + 1];	/* MiB, 0: none */
	unsigned int *limit = &limits[backing];
	const char *why;

	if (*limit && r->mib >= *limit)
		return;
	why = logged_vm_create(&r->l, &config, r->mib * MIB / page_size(), backing);
	if (why) {
		not_there(r, limit, why);
		return;
	}
	if (r->l->vm->ours != r->subject)
		die("a new VM is not %s", subjects[r->subject]);
	set_log(r, false);
	set_mode(r->l->vm, r->mode);
	r->crew = crew_create(r->l);
	if (r->counted)
		counters_on();
	life(r);
	if (r->counted)
		counters_off();
	crew_destroy(r->crew);
	logged_vm_destroy(r->l);
}

/* Run a round for each kind of VM. */
static void run_all(struct round *r)
{
	unsigned int s, b, v;

	for (s = 0; s < empties.nr && empties.value[s]; s++) {
		r->mib = empties.value[s];
		r->backing = "none";
		run_round(r, 1, BACKING_SMALL, live_empty);
	}
	for (s = 0; s < scales.nr && scales.value[s]; s++) {
		r->mib = scales.value[s];
		r->backing = backing_name(BACKING_REPEATED);
		run_round(r, 1, BACKING_REPEATED, live_large);
	}
	for (s = 0; s < sizes.nr && sizes.value[s]; s++) {
		r->mib = sizes.value[s];
		for (b = 0; b < backings.nr; b++) {
			r->backing = backing_name(backings.value[b]);
			for (v = 0; v < vcpus.nr; v++)
				run_round(r, vcpus.value[v], backings.value[b], live);
		}
	}
}

/* The last rounds count events. Every other round begins with the module. */
static void measure(const int *flags)
{
	struct round r;
	unsigned int i;

	for (r.number = 1; r.number <= rounds + counted; r.number++) {
		r.counted = r.number > rounds;
		for (i = 0; i < 2; i++) {
			r.subject = (i + r.number + 1) % 2;
			insert_for(r.subject);
			for (r.mode = 0; r.mode < NR_MODES; r.mode++)
				if (!(modes[r.mode].flags & ~flags[r.subject]))
					run_all(&r);
			remove_for(r.subject);
		}
	}
}

/* Flags of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, on stock and on the module. */
static void find_flags(int *flags)
{
	struct vm_config config = { .mmu = VM_MMU_RADIX };
	struct vm *vm;
	int i;

	for (i = 0; i < 2; i++) {
		insert_for(i);
		vm = vm_create(&config);
		flags[i] = manual_flags(vm);
		vm_destroy(vm);
		remove_for(i);
	}
}

static const char *truth(bool value)
{
	return value ? "true" : "false";
}

static void print_host(const int *flags)
{
	struct utsname name;

	uname(&name);
	printf("{\"kind\":\"host\",\"kernel\":\"%s\",\"page\":%zu,\"cpus\":%ld",
	       name.release, page_size(), sysconf(_SC_NPROCESSORS_ONLN));
	printf(",\"lpar\":%s,\"locks\":%s", truth(host_is_lpar()),
	       truth(counters_see_locks()));
	printf(",\"manual\":{\"stock\":%d,\"ours\":%d}}\n", flags[0], flags[1]);
}

/* Allow mappings larger than the host's memory; return the old setting. */
static char allow_large(void)
{
	FILE *file = fopen(OVERCOMMIT, "r");
	int before = file ? fgetc(file) : EOF;

	if (before == EOF)
		die("read " OVERCOMMIT ": %m");
	fclose(file);
	write_file(OVERCOMMIT, "1");
	return before;
}

static void __noreturn usage(int status)
{
	fprintf(status ? stderr : stdout,
		"Usage: dirty_log_bench [OPTION]...\n"
		"\n"
		"Measures what the dirty log of a guest costs on this host, on stock and with\n"
		"the module in KTAP_MODULE (/lab/modules/kvm-hv-ext.ko), which must not be\n"
		"loaded. Prints lines of JSON. A LIST is separated by commas.\n"
		"\n"
		"  --sizes LIST     MiB of memslots (64,256); 0: none\n"
		"  --empty LIST     MiB of memslots that the guest never accesses (4096); 0: none\n"
		"  --scale LIST     MiB of memslots that map the same memory repeatedly (0: none)\n"
		"  --vcpus LIST     numbers of vCPUs (1,4), at most %d\n"
		"  --backings LIST  memory: small, thp (small,thp)\n"
		"  --percents LIST  percentages of pages that a pass stores to (0,1,50,100)\n"
		"  --passes N       passes for each percentage (3)\n"
		"  --rounds N       number of timed rounds, each with new VMs (3)\n"
		"  --counted N      number of additional rounds that count events (1)\n"
		"  --set TEXT       module parameters (none)\n"
		"  --help           show this text\n", GUEST_MAX_VCPUS);
	exit(status);
}

static void __noreturn refuse(const char *option, const char *value, const char *want)
{
	fprintf(stderr, "dirty_log_bench: --%s %s: needs %s (see --help)\n", option,
		value, want);
	exit(2);
}

static unsigned int number_of(const char *option, const char *text, unsigned int least,
			      unsigned int most, const char *want)
{
	unsigned long value;
	char *after;

	errno = 0;
	value = strtoul(text, &after, 10);
	if (errno || after == text || *after || *text == '-' || value < least ||
	    value > most)
		refuse(option, text, want);
	return value;
}

static unsigned int backing_of(const char *option, const char *text)
{
	if (!strcmp(text, backing_name(BACKING_SMALL)))
		return BACKING_SMALL;
	if (strcmp(text, backing_name(BACKING_THP)))
		refuse(option, text, "small or thp");
	return BACKING_THP;
}

static void read_list(struct list *list, const char *option, char *text,
		      unsigned int least, unsigned int most, const char *want)
{
	char *save, *word;

	list->nr = 0;
	for (word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		if (list->nr == MAX_LIST)
			refuse(option, word, "fewer values at a time");
		list->value[list->nr++] = want ?
			number_of(option, word, least, most, want) :
			backing_of(option, word);
	}
	if (!list->nr)
		refuse(option, "''", "at least one value");
}

/* MiB of memslots, 0: none; each has room for a huge page and WORD pages. */
static void read_sizes(struct list *list, const char *option, char *text)
{
	static const char *const want = "MiB, from 4 to 1048576, or 0";
	unsigned int i;

	read_list(list, option, text, 0, 1 << 20, want);
	for (i = 0; i < list->nr; i++)
		if (list->value[i] && list->value[i] < 4)
			refuse(option, optarg, want);
}

static void read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "sizes", required_argument, NULL, 's' },
		{ "empty", required_argument, NULL, 'e' },
		{ "scale", required_argument, NULL, 'l' },
		{ "vcpus", required_argument, NULL, 'v' },
		{ "backings", required_argument, NULL, 'b' },
		{ "percents", required_argument, NULL, 'd' },
		{ "passes", required_argument, NULL, 'p' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "counted", required_argument, NULL, 'c' },
		{ "set", required_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int which, i;

	while ((which = getopt_long(argc, argv, "", options, &i)) != -1) {
		switch (which) {
		case 's':
			read_sizes(&sizes, "sizes", optarg);
			break;
		case 'e':
			read_sizes(&empties, "empty", optarg);
			break;
		case 'l':
			read_sizes(&scales, "scale", optarg);
			break;
		case 'v':
			read_list(&vcpus, "vcpus", optarg, 1, GUEST_MAX_VCPUS,
				  "numbers from 1 to 8");
			break;
		case 'b':
			read_list(&backings, "backings", optarg, 0, 0, NULL);
			break;
		case 'd':
			read_list(&percents, "percents", optarg, 0, 100,
				  "numbers from 0 to 100");
			break;
		case 'p':
			passes = number_of("passes", optarg, 1, 1000, "1 to 1000");
			break;
		case 'r':
			rounds = number_of("rounds", optarg, 0, 1000, "0 to 1000");
			break;
		case 'c':
			counted = number_of("counted", optarg, 0, 1000, "0 to 1000");
			break;
		case 'm':
			parameters = optarg;
			break;
		case 'h':
			usage(0);
		default:
			usage(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "dirty_log_bench: '%s' is no option (see --help)\n",
			argv[optind]);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	char overcommit[2] = "";
	const char *why;
	int flags[2];

	read_options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	why = vm_mmu_missing(VM_MMU_RADIX) ?: counted ? counters_missing() : NULL;
	if (why)
		die("cannot measure: %s", why);
	if (module_loaded())
		die("the module is loaded: remove it first, the benchmark inserts it");
	overcommit[0] = allow_large();
	find_flags(flags);
	print_host(flags);
	measure(flags);
	write_file(OVERCOMMIT, overcommit);
	printf("{\"kind\":\"end\"}\n");
	return 0;
}
