/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What an agent asks for besides commits: another channel for a task, a timer.
 */
#ifndef RV_ROUTE_H
#define RV_ROUTE_H

#include "enclave.h"

/* Routes a task's messages to another channel, unless some are still unread in the old one. */
SEC("syscall")
int rv_route_task(struct rv_route *args)
{
	struct rv_status_word *word;
	struct rv_task *t;
	u32 slot = slot_of(args->task), old;

	t = task_at(slot);
	word = bpf_map_lookup_elem(&status_words, &slot);
	args->result = -ESRCH;
	if (!t || !word || t->id != args->task || t->state == RV_DEAD)
		return 0;
	args->result = -EPERM;
	if (t->enclave != args->enclave)
		return 0;
	args->result = -EINVAL;
	if (args->channel >= RV_CHANNELS_PER_ENCLAVE)
		return 0;
	args->result = -ESTALE;
	if (t->seq != args->seq)
		return 0;
	old = t->channel;
	t->channel = args->channel;
	word->channel = args->channel;
	/* A message of meanwhile may be in either channel. */
	if (t->seq != args->seq) {
		t->channel = old;
		word->channel = old;
		return 0;
	}
	args->result = 0;
	return 0;
}

struct alarm {
	struct bpf_timer timer;
	u32 enclave;
	u32 is_made;
};

/* One a CPU. Pinned like the watchdog's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RV_CPUS_MAX);
	__type(key, u32);
	__type(value, struct alarm);
} alarms SEC(".maps");

static int ring_alarm(void *map, u32 *key, struct alarm *alarm)
{
	tell_of_cpu(alarm->enclave, RV_CPU_TIMER_EXPIRED, *key, bpf_ktime_get_ns());
	return 0;
}

/* CPU_TIMER_EXPIRED after a while; 0: not at all. */
SEC("syscall")
int rv_set_timer(struct rv_timer *args)
{
	u32 cpu = args->cpu;
	struct alarm *alarm = bpf_map_lookup_elem(&alarms, &cpu);

	args->result = -EINVAL;
	if (!alarm || args->enclave >= RV_ENCLAVES_MAX)
		return 0;
	if (!__sync_val_compare_and_swap(&alarm->is_made, 0, 1)) {
		args->result = bpf_timer_init(&alarm->timer, &alarms, 1 /* CLOCK_MONOTONIC */);
		if (args->result)
			return 0;
	}
	alarm->enclave = args->enclave;
	/* Every time: a timer that was cancelled has lost its callback. */
	if (args->after_ns)
		args->result = bpf_timer_set_callback(&alarm->timer, ring_alarm);
	if (args->after_ns && !args->result)
		args->result = bpf_timer_start(&alarm->timer, args->after_ns, 0);
	else if (!args->after_ns)
		args->result = bpf_timer_cancel(&alarm->timer) < 0 ? -EINVAL : 0;
	return 0;
}

#endif
