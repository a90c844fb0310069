/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Enclaves: their CPUs, their agents, their end.
 *
 * | from      | to        | by |
 * |-----------|-----------|----|
 * | FREE      | ORPHAN    | `rv_create` |
 * | ORPHAN    | ATTACHED  | `rv_attach` |
 * | ATTACHED  | ORPHAN    | `rv_detach`, the agent's death or silence |
 * | ATTACHED, ORPHAN | DESTROYED | `rv_destroy_enclave`, the watchdog |
 * | DESTROYED | FREE      | `rv_free`, when its tasks have left |
 */
#ifndef RV_ENCLAVE_H
#define RV_ENCLAVE_H

#include "watchdog.h"

/* Makes the hold queues of an enclave; they stay for the next one in its place. */
static __always_inline s32 make_holds(u32 enclave)
{
	struct rv_machine *m = the_machine();
	u32 cpus = m ? m->cpus : 0;
	s32 error = 0, result;
	int i;

	if (cpus > RV_CPUS_MAX)
		return -EINVAL;
	bpf_for(i, 0, cpus) {
		result = scx_bpf_create_dsq(hold_of(enclave, i), -1);
		if (result && result != -EEXIST)
			error = result;
	}
	return error;
}

/* Nothing of the last enclave in this place is this one's. */
static __always_inline void begin_anew(struct rv_enclave *e, u32 enclave)
{
	struct rv_offers *o = bpf_map_lookup_elem(&offers, &enclave);

	e->flags = 0;
	e->silence_limit_ns = 0;
	e->orphan_limit_ns = 0;
	e->watchdog_ns = 0;
	e->agent_tgid = 0;
	e->steps_down = 0;
	e->keeper_tgid = 0;
	e->reason = RV_NO_REASON;
	e->reason_tid = 0;
	e->reason_ns = 0;
	e->messages = 0;
	e->fallback_runs = 0;
	e->fast_path_runs = 0;
	e->blackout_ns = 0;
	e->turns = 0;
	e->handoffs = 0;
	__builtin_memset(e->outcomes, 0, sizeof(e->outcomes));
	__builtin_memset(e->delays, 0, sizeof(e->delays));
	if (o)
		o->head = o->tail;
}

/* Takes the first free place. Limits, name and policy are the caller's to fill in before it attaches. */
SEC("syscall")
int rv_create(struct rv_named *args)
{
	struct rv_enclave *e;
	int i;

	args->result = -ENOSPC;
	bpf_for(i, 0, RV_ENCLAVES_MAX) {
		e = enclave_at(i);
		if (!e || e->state != RV_ENCLAVE_FREE)
			continue;
		args->result = make_holds(i);
		if (args->result)
			return 0;
		e->orphaned_ns = bpf_ktime_get_ns();
		e->created_ns = e->orphaned_ns;
		e->generation++;
		begin_anew(e, i);
		if (__sync_val_compare_and_swap(&e->state, RV_ENCLAVE_FREE, RV_ENCLAVE_ORPHAN) != RV_ENCLAVE_FREE)
			continue;
		args->enclave = i;
		return 0;
	}
	return 0;
}

static __always_inline bool names(const u64 *words, u32 cpu)
{
	return words[(cpu / 64) & (RV_CPUS_MAX / 64 - 1)] & 1ULL << (cpu % 64);
}

/* Gives CPUs to an enclave and takes others from it. All or none: a CPU in the way is named. */
SEC("syscall")
int rv_resize_enclave(struct rv_resize *args)
{
	u32 owner = args->enclave + 1, conflict = RV_CPUS_MAX, old;
	struct rv_resize given;
	struct rv_machine *m = the_machine();
	u32 cpus = m ? m->cpus : 0;
	struct rv_cpu *c;
	int i;

	args->result = -EINVAL;
	if (args->enclave >= RV_ENCLAVES_MAX || cpus > RV_CPUS_MAX)
		return 0;
	given = *args;
	bpf_for(i, 0, cpus) {
		c = cpu_at(i);
		if (!c || !names(given.claim, i))
			continue;
		old = __sync_val_compare_and_swap(&c->owner, 0, owner);
		if (old && old != owner) {
			conflict = i;
			break;
		}
		/* What it had before stays its own, also after a conflict. */
		if (!old)
			c->is_busy_told = 0;
		else
			given.claim[(i / 64) & (RV_CPUS_MAX / 64 - 1)] &= ~(1ULL << (i % 64));
	}
	bpf_for(i, 0, cpus) {
		c = cpu_at(i);
		if (!c || c->owner != owner)
			continue;
		/* After a conflict, what was claimed before it is given back instead. */
		if (conflict < RV_CPUS_MAX ? names(given.claim, i) && i < conflict : names(given.release, i)) {
			c->owner = 0;
			fail_latch(c, i);
			scx_bpf_kick_cpu(i, SCX_KICK_PREEMPT);
		}
	}
	args->cpu = conflict;
	args->result = conflict < RV_CPUS_MAX ? -EBUSY : 0;
	return 0;
}

/* The calling process becomes the agent; called by each of its threads. */
SEC("syscall")
int rv_attach_agent(struct rv_attach *args)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32, tid = bpf_get_current_pid_tgid();
	struct rv_enclave *e = enclave_at(args->enclave);
	struct agent agent = { .enclave = args->enclave };
	struct rv_cpu *c;

	args->result = -EINVAL;
	if (!e || (e->state != RV_ENCLAVE_ORPHAN && e->state != RV_ENCLAVE_ATTACHED))
		return 0;
	agent.after_ns = e->orphaned_ns;
	args->result = bpf_map_update_elem(&agents, &tid, &agent, BPF_ANY);
	if (args->result)
		return 0;
	/* Before the state: the watchdog looks at it as soon as that says there is an agent. */
	e->heartbeat_ns = bpf_ktime_get_ns();
	if (__sync_val_compare_and_swap(&e->state, RV_ENCLAVE_ORPHAN, RV_ENCLAVE_ATTACHED) == RV_ENCLAVE_ORPHAN) {
		e->agent_tgid = tgid;
		e->blackout_ns = e->heartbeat_ns - e->orphaned_ns;
		e->reason = RV_NO_REASON;
		e->steps_down = 0;
	} else if (e->agent_tgid != tgid) {
		bpf_map_delete_elem(&agents, &tid);
		args->result = -EBUSY;
		return 0;
	}
	c = cpu_at(args->cpu);
	if (c)
		c->agent_tid = tid;
	return 0;
}

/* The calling thread is an agent no more; with its process's last one goes the enclave's agent. */
SEC("syscall")
int rv_detach_agent(struct rv_attach *args)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32, tid = bpf_get_current_pid_tgid();
	struct rv_enclave *e = enclave_at(args->enclave);
	struct rv_cpu *c;

	args->result = -EINVAL;
	if (!e || e->agent_tgid != tgid)
		return 0;
	bpf_map_delete_elem(&agents, &tid);
	c = cpu_at(args->cpu);
	if (c && c->agent_tid == tid)
		c->agent_tid = 0;
	orphan(e, args->enclave);
	args->result = 0;
	return 0;
}

SEC("syscall")
int rv_destroy_enclave(struct rv_named *args)
{
	destroy(args->enclave, RV_ASKED, 0, 0);
	args->result = 0;
	return 0;
}

/* The place of a destroyed enclave is free again, and so are its CPUs. */
SEC("syscall")
int rv_free(struct rv_named *args)
{
	struct rv_machine *m = the_machine();
	u32 cpus = m ? m->cpus : 0, enclave = args->enclave;
	struct rv_enclave *e = enclave_at(enclave);
	struct rv_cpu *c;
	int i;

	args->result = -EINVAL;
	if (!e || e->state != RV_ENCLAVE_DESTROYED || cpus > RV_CPUS_MAX)
		return 0;
	args->result = -EBUSY;
	if (e->tasks)
		return 0;
	bpf_for(i, 0, cpus) {
		c = cpu_at(i);
		if (c && c->owner == enclave + 1) {
			c->agent_tid = 0;
			c->is_armed = 0;
			c->latched = 0;
			c->owner = 0;
		}
	}
	args->result = 0;
	__sync_val_compare_and_swap(&e->state, RV_ENCLAVE_DESTROYED, RV_ENCLAVE_FREE);
	return 0;
}

#endif
