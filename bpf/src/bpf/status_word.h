/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Status words: what is known of a task, published before the message that speaks of it.
 */
#ifndef RV_STATUS_WORD_H
#define RV_STATUS_WORD_H

#include "message.h"

/*
 * Publishes a record. Runs under the task's run-queue lock, so that there is one writer. The two
 * atomic additions are the full barriers of the seqlock: no store leaves the pair.
 */
static __always_inline void publish(struct rv_task *t, u32 cpu)
{
	u32 slot = slot_of(t->id);
	struct rv_status_word *word = bpf_map_lookup_elem(&status_words, &slot);

	if (!word)
		return;
	__sync_fetch_and_add(&word->version, 1);
	word->task = t->id;
	word->seq_state_cpu = (u64)t->seq | (u64)t->state << 32 | (u64)cpu << 48;
	word->runtime_ns = t->runtime_ns;
	word->since_ns = t->since_ns;
	__sync_fetch_and_add(&word->version, 1);
}

/*
 * Whoever tells of a task holds its run-queue lock, but for latches that fail elsewhere. So this lock
 * is free nearly always. A holder that lost its CPU is not waited for longer than this: a number given
 * twice costs a rescan, a run-queue lock held for ever costs the machine.
 */
#define TELLER_ATTEMPTS 4096

static __always_inline bool begin_telling(struct rv_task *t)
{
	int i;

	if (!__sync_val_compare_and_swap(&t->is_told, 0, 1))
		return true;
	bpf_for(i, 0, TELLER_ATTEMPTS) {
		if (!__sync_val_compare_and_swap(&t->is_told, 0, 1))
			return true;
	}
	return false;
}

/* Numbers an event of a task, publishes its status word, and tells its agent. */
static __noinline int tell(struct rv_task *t, u32 kind, u32 cpu, u64 time_ns)
{
	struct rv_message message = {};
	struct rv_enclave *e;
	bool is_ours;

	if (!t)
		return 0;
	e = enclave_at(t->enclave);
	if (!e)
		return 0;
	is_ours = begin_telling(t);
	t->seq++;
	publish(t, cpu);
	message.kind = kind;
	message.cpu = cpu;
	message.seq = t->seq;
	message.task = t->id;
	message.time_ns = time_ns;
	message.runtime_ns = t->runtime_ns;
	__sync_fetch_and_add(&e->messages, 1);
	post(channel_index(t->enclave, t->channel), &message);
	if (is_ours)
		__sync_lock_test_and_set(&t->is_told, 0);
	return 0;
}

#endif
