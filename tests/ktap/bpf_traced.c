// SPDX-License-Identifier: GPL-2.0
/*
 * BPF programs that trace a function which the module redirects
 *
 * Both must work, whichever was attached first: the BPF program runs on each
 * call, and the module serves calls for tracked VMs, kvm-hv all others. The
 * trampoline of a program that runs on return (fexit) calls the function
 * itself, and must reach the replacement.
 */
#include "ktap.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "logged_vm.h"
#include "module.h"

#define OWNER		"kvm_hv"
#define FUNCTION	"kvmppc_book3s_instantiate_page"
#define NR_PAGES	64

/* Error of kernels that lack BPF trampolines for functions. */
#define KERNEL_ENOTSUPP	524

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	int ret = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return ret < 0 ? -errno : ret;
}

/**
 * struct types - BTF of the kernel, or of a module, which extends that of the
 * kernel
 * @header: contents of the file
 * @first: ID of the first type
 * @first_string: offset of the first name; those of a module follow the
 * kernel's
 */
struct types {
	struct btf_header *header;
	__u32 first;
	__u32 first_string;
};

static bool types_read(struct types *t, const char *name)
{
	char path[64];
	struct stat st;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/btf/%s", name);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (fstat(fileno(file), &st))
		die("%s: %m", path);
	t->header = malloc(st.st_size);
	if (fread(t->header, 1, st.st_size, file) != (size_t)st.st_size)
		die("%s: cannot be read", path);
	fclose(file);
	return true;
}

static size_t type_size(const struct btf_type *type)
{
	size_t vlen = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return sizeof(*type) + 4;
	case BTF_KIND_ARRAY:
		return sizeof(*type) + sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return sizeof(*type) + vlen * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return sizeof(*type) + vlen * sizeof(struct btf_enum);
	case BTF_KIND_FUNC_PROTO:
		return sizeof(*type) + vlen * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return sizeof(*type) + vlen * sizeof(struct btf_var_secinfo);
	case BTF_KIND_ENUM64:
		return sizeof(*type) + vlen * 12;
	default:
		return sizeof(*type);
	}
}

/* Return the type ID of a function, or if NULL the ID after the last type. */
static __u32 types_find(const struct types *t, const char *function)
{
	const char *base = (const char *)t->header + t->header->hdr_len;
	const char *at = base + t->header->type_off, *end = at + t->header->type_len;
	const char *strings = base + t->header->str_off;
	__u32 number;

	for (number = t->first; at < end; number++) {
		const struct btf_type *type = (const struct btf_type *)at;

		if (function && BTF_INFO_KIND(type->info) == BTF_KIND_FUNC &&
		    type->name_off >= t->first_string &&
		    !strcmp(strings + type->name_off - t->first_string, function))
			return number;
		at += type_size(type);
	}
	if (function)
		die("no function %s in the BTF of " OWNER, function);
	return number;
}

/* Return the type ID of FUNCTION, or 0 if the kernel has no BTF. */
static __u32 function_number(void)
{
	struct types kernel = { .first = 1 }, module;

	if (!types_read(&kernel, "vmlinux") || !types_read(&module, OWNER))
		return 0;
	module.first = types_find(&kernel, NULL);
	module.first_string = kernel.header->str_len;
	return types_find(&module, FUNCTION);
}

/* Return a file descriptor of the BTF of kvm-hv. */
static int owner_types(void)
{
	__u32 id = 0;

	for (;;) {
		union bpf_attr attr = { .start_id = id };
		struct bpf_btf_info info = { 0 };
		char name[64] = "";
		int fd;

		if (bpf(BPF_BTF_GET_NEXT_ID, &attr))
			die("the kernel has no BTF of " OWNER);
		id = attr.next_id;
		attr = (union bpf_attr){ .btf_id = id };
		fd = bpf(BPF_BTF_GET_FD_BY_ID, &attr);
		if (fd < 0)
			continue;
		info.name = (unsigned long)name;
		info.name_len = sizeof(name);
		attr = (union bpf_attr){
			.info.bpf_fd = fd,
			.info.info_len = sizeof(info),
			.info.info = (unsigned long)&info,
		};
		if (!bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) && !strcmp(name, OWNER))
			return fd;
		close(fd);
	}
}

/* Load an empty program for calls of the function, or for its returns. */
static int load(enum bpf_attach_type when, __u32 function)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_TRACING,
		.expected_attach_type = when,
		.insns = (unsigned long)nothing,
		.insn_cnt = 2,
		.license = (unsigned long)"GPL",
		.attach_btf_id = function,
		.attach_btf_obj_fd = owner_types(),
	};
	int prog = bpf(BPF_PROG_LOAD, &attr);

	close(attr.attach_btf_obj_fd);
	if (prog < 0)
		die("BPF_PROG_LOAD: %s", strerror(-prog));
	return prog;
}

static int attach(int prog)
{
	union bpf_attr attr = { .raw_tracepoint.prog_fd = prog };

	return bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
}

static unsigned long runs(int prog)
{
	struct bpf_prog_info info = { 0 };
	union bpf_attr attr = {
		.info.bpf_fd = prog,
		.info.info_len = sizeof(info),
		.info.info = (unsigned long)&info,
	};
	int ret = bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);

	if (ret)
		die("information about a BPF program: %s", strerror(-ret));
	return info.run_cnt;
}

FIXTURE(traced) {
	__u32 function;
	int prog;
	int link;
	int stats;
};

FIXTURE_VARIANT(traced) {
	enum bpf_attach_type when;
};

FIXTURE_VARIANT_ADD(traced, call) { BPF_TRACE_FENTRY };
FIXTURE_VARIANT_ADD(traced, return) { BPF_TRACE_FEXIT };

FIXTURE_SETUP(traced)
{
	union bpf_attr attr = { .enable_stats.type = BPF_STATS_RUN_TIME };

	SKIP_IF(return, vm_mmu_missing(VM_MMU_RADIX));
	ASSERT_FALSE(module_loaded());
	self->function = function_number();
	if (!self->function)
		SKIP(return, "this kernel has no BTF of " OWNER);
	self->stats = bpf(BPF_ENABLE_STATS, &attr);
	ASSERT_LE(0, self->stats);
	self->prog = load(variant->when, self->function);
	self->link = attach(self->prog);
	if (self->link == -KERNEL_ENOTSUPP)
		SKIP(return, "BPF programs cannot trace functions of this kernel");
	ASSERT_LE(0, self->link);
}

FIXTURE_TEARDOWN(traced)
{
	close(self->link);
	close(self->prog);
	close(self->stats);
	if (module_loaded())
		EXPECT_EQ(0, module_remove());
}

static struct logged_vm *create(void)
{
	struct vm_config config = { 0 };
	struct logged_vm *l;
	const char *why = logged_vm_create(&l, &config, NR_PAGES, BACKING_SMALL);

	if (why)
		die("%s", why);
	return l;
}

/*
 * Store to each page: the BPF program must see each fault, the log each store.
 */
static void use(struct __test_metadata *_metadata, struct logged_vm *l, int prog)
{
	unsigned long before = runs(prog), page;

	vcpu_store_pages(l->vm->vcpu, l->gpa, l->page, NR_PAGES, 0x5afe);
	EXPECT_LE(NR_PAGES, runs(prog) - before);
	ASSERT_EQ(0, logged_vm_collect(l));
	EXPECT_EQ(NR_PAGES, logged_vm_count(l));
	for (page = 0; page < NR_PAGES; page++)
		EXPECT_EQ(0x5afe + page, *(__u64 *)(l->memory + page * l->page));
	logged_vm_destroy(l);
}

TEST_F(traced, before_the_module)
{
	struct logged_vm *stock = create(), *ours;

	ASSERT_EQ(0, module_insert(""));
	ours = create();
	EXPECT_TRUE(ours->vm->ours);
	use(_metadata, stock, self->prog);
	use(_metadata, ours, self->prog);
	ASSERT_EQ(0, module_remove());
	use(_metadata, create(), self->prog);
}

TEST_F(traced, after_the_module)
{
	struct logged_vm *stock = create(), *ours;

	close(self->link);
	ASSERT_EQ(0, module_insert(""));
	ours = create();
	EXPECT_TRUE(ours->vm->ours);
	self->link = attach(self->prog);
	ASSERT_LE(0, self->link);
	use(_metadata, stock, self->prog);
	use(_metadata, ours, self->prog);

	/* detach it before the module is removed */
	close(self->link);
	self->link = -1;
	ours = create();
	vcpu_store_pages(ours->vm->vcpu, ours->gpa, ours->page, NR_PAGES, 1);
	ASSERT_EQ(0, logged_vm_collect(ours));
	EXPECT_EQ(NR_PAGES, logged_vm_count(ours));
	logged_vm_destroy(ours);
}

TEST_HARNESS_MAIN
