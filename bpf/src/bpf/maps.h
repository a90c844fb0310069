/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Every table, and who may write what.
 *
 * - `tasks` is the kernel half's own. A record belongs to the task whose slot it is. Its fields are
 *   written under that task's run-queue lock, but for `latch`, which is claimed by cmpxchg.
 * - `status_words`, `channels` and `machine` are mapped by agents, who write only `channels.read`.
 * - `enclaves` and `cpus` are mapped by agents, who write heartbeats; ownership changes by cmpxchg.
 * - `transactions` and `offers` are written by the agents of the enclave they belong to. Nothing read
 *   from them is trusted: a commit checks everything it is told.
 * - `hints` are written by applications and read by agents; a fork copies them.
 *
 * Whoever can open these maps is trusted with every enclave: that is root, by the mode of the pins.
 */
#ifndef RV_MAPS_H
#define RV_MAPS_H

#include "kernel.h"
#include "abi_check.h"

#define MAPPED_ARRAY(NAME, TYPE, ENTRIES)              \
	struct {                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY);      \
		__uint(map_flags, BPF_F_MMAPABLE);     \
		__uint(max_entries, ENTRIES);          \
		__type(key, u32);                      \
		__type(value, TYPE);                   \
	} NAME SEC(".maps")

struct rv_task {
	struct task_struct __kptr *task;
	u64 id;
	u64 runtime_ns; /* of the present job, up to the last stint's end */
	u64 since_ns; /* when the present stint began */
	u64 stopped_ns; /* when the last one ended */
	u64 queued_ns;
	u64 hold; /* the queue it is or was held in */
	u32 seq;
	u32 latch;
	u32 tid;
	u32 enclave;
	u32 channel;
	u32 state;
	u32 flags;
	u32 weight;
	u32 is_told; /* somebody numbers an event of it */
	u32 unused;
};

enum {
	TASK_ANNOUNCED = 1, /* TASK_NEW was sent */
	TASK_YIELDED = 2, /* the stint that just ended did so by sched_yield */
	TASK_OFF = 4, /* its stint ended, and it was not queued here yet */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RV_TASKS_MAX);
	__type(key, u32);
	__type(value, struct rv_task);
} tasks SEC(".maps");

/* Slots whose task is gone, in the order they became free: an id is reused as late as possible. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, RV_TASKS_MAX);
	__type(value, u32);
} free_slots SEC(".maps");

/* Thread id -> slot + 1, from the moment a slot is reserved to the task's entry into the class. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RV_TASKS_MAX);
	__type(key, u32);
	__type(value, u32);
} joining SEC(".maps");

/*
 * A thread of an agent. A process may be the agent of one enclave after another, and a thread that
 * served an earlier one dies whenever it likes: so it is known which attachment it belongs to.
 */
struct agent {
	u64 after_ns; /* the enclave's `orphaned_ns` when the thread attached: no two attachments share it */
	u32 enclave;
	u32 unused;
};

/* Thread id -> agent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RV_ENCLAVES_MAX * RV_CPUS_MAX);
	__type(key, u32);
	__type(value, struct agent);
} agents SEC(".maps");

MAPPED_ARRAY(status_words, struct rv_status_word, RV_TASKS_MAX);
MAPPED_ARRAY(channels, struct rv_channel, RV_CHANNELS_MAX);
MAPPED_ARRAY(transactions, struct rv_transaction, RV_ENCLAVES_MAX * RV_CPUS_MAX);
MAPPED_ARRAY(enclaves, struct rv_enclave, RV_ENCLAVES_MAX);
MAPPED_ARRAY(cpus, struct rv_cpu, RV_CPUS_MAX);
MAPPED_ARRAY(offers, struct rv_offers, RV_ENCLAVES_MAX);
MAPPED_ARRAY(hints, struct rv_hint, RV_TASKS_MAX);
MAPPED_ARRAY(machine, struct rv_machine, 1);

/* The messages of a channel. Sizes may differ: an agent makes its own. */
struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, RV_CHANNELS_MAX);
	__type(key, u32);
	__array(values, struct ring);
} rings SEC(".maps");

static __always_inline struct rv_machine *the_machine(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&machine, &zero);
}

static __always_inline struct rv_enclave *enclave_at(u32 index)
{
	return bpf_map_lookup_elem(&enclaves, &index);
}

static __always_inline struct rv_cpu *cpu_at(u32 index)
{
	return bpf_map_lookup_elem(&cpus, &index);
}

static __always_inline struct rv_task *task_at(u32 slot)
{
	return bpf_map_lookup_elem(&tasks, &slot);
}

static __always_inline u32 slot_of(u64 id)
{
	return (u32)id;
}

#endif
