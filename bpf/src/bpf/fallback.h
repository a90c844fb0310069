/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The fallback: an enclave without an agent is served first-in first-out, in turns.
 */
#ifndef RV_FALLBACK_H
#define RV_FALLBACK_H

#include "fast_path.h"

/*
 * In `dispatch`. Begins at another queue each time: a CPU that the fair class keeps would else leave
 * the tasks of its queue to CPUs that have their own to serve first, for ever.
 */
static __always_inline bool serve_orphan(struct rv_enclave *e, u32 enclave)
{
	struct rv_machine *m = the_machine();
	u32 cpus = m ? m->cpus : 0, first, other;
	int i;

	if (!cpus || cpus > RV_CPUS_MAX)
		return false;
	first = (u32)e->fallback_runs % cpus;
	bpf_for(i, 0, cpus) {
		other = first + i;
		if (other >= cpus)
			other -= cpus;
		if (scx_bpf_dsq_move_to_local(hold_of(enclave, other))) {
			__sync_fetch_and_add(&e->fallback_runs, 1);
			return true;
		}
	}
	return false;
}

/* Makes every CPU of an enclave look for work. */
static __noinline int kick_enclave(u32 enclave, u64 flags)
{
	struct rv_machine *m = the_machine();
	u32 cpus = m ? m->cpus : 0;
	struct rv_cpu *c;
	int i;

	if (cpus > RV_CPUS_MAX)
		return 0;
	bpf_for(i, 0, cpus) {
		c = cpu_at(i);
		if (c && c->owner == enclave + 1 && c->is_online)
			scx_bpf_kick_cpu(i, flags);
	}
	return 0;
}

/* An enclave loses its agent: its tasks go on at once. */
static __always_inline void orphan(struct rv_enclave *e, u32 enclave)
{
	u32 tgid = e->agent_tgid;

	if (e->state != RV_ENCLAVE_ATTACHED)
		return;
	/* Before the state, which a successor waits for. */
	e->orphaned_ns = bpf_ktime_get_ns();
	if (__sync_val_compare_and_swap(&e->state, RV_ENCLAVE_ATTACHED, RV_ENCLAVE_ORPHAN) != RV_ENCLAVE_ATTACHED)
		return;
	__sync_val_compare_and_swap(&e->agent_tgid, tgid, 0);
	/* What runs may have been given its CPU for ever. */
	kick_enclave(enclave, SCX_KICK_PREEMPT);
	kick_enclave(enclave, SCX_KICK_IDLE);
}

/* Its number may soon be another thread's. */
static __noinline int forget_agent_thread(u32 tid)
{
	struct rv_machine *m = the_machine();
	u32 cpus = m ? m->cpus : 0;
	struct rv_cpu *c;
	int i;

	if (cpus > RV_CPUS_MAX)
		return 0;
	bpf_for(i, 0, cpus) {
		c = cpu_at(i);
		if (c)
			__sync_val_compare_and_swap(&c->agent_tid, tid, 0);
	}
	return 0;
}

/* In whichever comes first of the two ends below, which every thread of the machine passes. */
static __always_inline void notice_death(const struct task_struct *p)
{
	u32 tid = p->pid;
	struct agent *found = bpf_map_lookup_elem(&agents, &tid), agent;
	struct rv_enclave *e;

	if (!found)
		return;
	agent = *found;
	bpf_map_delete_elem(&agents, &tid);
	forget_agent_thread(tid);
	e = enclave_at(agent.enclave);
	if (e && e->agent_tgid == (u32)p->tgid && e->orphaned_ns == agent.after_ns)
		orphan(e, agent.enclave);
}

/*
 * Before a dying agent gives its memory back, which takes long where much of it was locked: its threads
 * should not have to wait for that. Kernels before 6.16 come here afterwards; `exit_task` is no later.
 */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(rv_thread_exit, struct task_struct *p)
{
	notice_death(p);
	return 0;
}

#endif
