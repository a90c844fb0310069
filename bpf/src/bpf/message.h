/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Messages: what agents are told. A message goes to its task's channel, else to the enclave's
 * default one. A full channel loses it and says so in `lost`; the reader then rescans the status
 * words, which are always published first.
 */
#ifndef RV_MESSAGE_H
#define RV_MESSAGE_H

#include "maps.h"

static __always_inline void lose(struct rv_channel *channel)
{
	__sync_fetch_and_add(&channel->lost, 1);
}

/* Out of line: called from every operation. */
static __noinline int post(u32 channel_index, struct rv_message *message)
{
	struct rv_channel *channel;
	struct rv_message *place;
	void *ring;
	bool wakes;
	u64 seq;

	if (!message)
		return 0;
	channel = bpf_map_lookup_elem(&channels, &channel_index);
	if (!channel)
		return 0;
	/* The agent's own number counts what it was not told, too. Pairs with its read before draining. */
	seq = __sync_fetch_and_add(&channel->seq, 1);
	/* Signed: what a new reader skipped may be counted as read before it is as sent. */
	if ((s64)(seq - channel->lost - channel->read) >= (s64)channel->capacity) {
		lose(channel);
		return 0;
	}
	ring = bpf_map_lookup_elem(&rings, &channel_index);
	place = ring ? bpf_ringbuf_reserve(ring, sizeof(*place), 0) : NULL;
	if (!place) {
		lose(channel);
		return 0;
	}
	*place = *message;
	/*
	 * That a task runs is what its agent has just decided. To wake a local agent for it would take
	 * the CPU from the task at once, without end. Forced, as such a message may lie unread before.
	 */
	wakes = channel->wakes && message->kind != RV_TASK_ON_CPU;
	/* The ring's submit is the release its reader's acquire pairs with. */
	bpf_ringbuf_submit(place, wakes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	return 0;
}

static __always_inline u32 channel_index(u32 enclave, u32 channel)
{
	return enclave * RV_CHANNELS_PER_ENCLAVE + channel;
}

/* About a CPU of `enclave`. Per-CPU agents have a channel each, numbered from 1. */
static __always_inline void tell_of_cpu(u32 enclave, u32 kind, u32 cpu, u64 now_ns)
{
	struct rv_message message = { .kind = kind, .cpu = cpu, .time_ns = now_ns };
	struct rv_enclave *e = enclave_at(enclave);
	u32 channel = RV_CHANNEL_DEFAULT;

	if (!e)
		return;
	if (e->flags & RV_PER_CPU_AGENTS)
		channel = cpu + 1;
	__sync_fetch_and_add(&e->messages, 1);
	post(channel_index(enclave, channel), &message);
}

#endif
