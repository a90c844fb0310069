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

/* Numbers an event of a task, publishes its status word, and tells its agent. */
static __noinline int tell(struct rv_task *t, u32 kind, u32 cpu, u64 time_ns)
{
	struct rv_message message = {};
	struct rv_enclave *e;
	u32 channel;

	if (!t)
		return 0;
	e = enclave_at(t->enclave);
	if (!e)
		return 0;
	t->seq++;
	publish(t, cpu);
	message.kind = kind;
	message.cpu = cpu;
	message.seq = t->seq;
	message.task = t->id;
	message.time_ns = time_ns;
	message.runtime_ns = t->runtime_ns;
	channel = t->channel;
	__sync_fetch_and_add(&e->messages, 1);
	post(channel_index(t->enclave, channel), &message);
	return 0;
}

#endif
