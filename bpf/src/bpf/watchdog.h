/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The watchdog: a timer that outlives every process. It notices agents that hang, enclaves that got
 * no new agent in time, and tasks that nobody serves. It also keeps orphaned CPUs looking for work.
 *
 * The kernel cancels a timer whose map nobody in user space holds: this one's map is pinned.
 */
#ifndef RV_WATCHDOG_H
#define RV_WATCHDOG_H

#include "fallback.h"

/* Half of the 20 ms within which an orphan's tasks must go on, with room for a late timer. */
#define WATCHDOG_PERIOD_NS (4ULL * 1000000)
/* The whole table of tasks is looked through every 64 periods: a quarter of a second. */
#define WATCHDOG_TASKS (RV_TASKS_MAX / 64)

/*
 * Tasks that belong to nobody run when a CPU looks for work, and a CPU whose task has no limit never
 * does: then one of 32 periods is theirs. Without that, the kernel would end the whole scheduler after
 * 30 s, for which any user could arrange.
 */
#define STRAY_PERIODS 32
/* How long the tasks of the last enclave may stay behind after its end, while nobody takes them back. */
#define REMAINS_NS (1000ULL * 1000000)

struct watchdog {
	struct bpf_timer timer;
	u32 cursor;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct watchdog);
} watchdogs SEC(".maps");

static __always_inline bool has_passed(u64 now_ns, u64 since_ns, u64 limit_ns)
{
	/* Signed: another CPU's clock may be ahead of this one's. */
	return limit_ns && (s64)(now_ns - since_ns) > (s64)limit_ns;
}

static __noinline int destroy(u32 enclave, u32 reason, u32 tid, u64 after_ns)
{
	struct rv_enclave *e = enclave_at(enclave);
	u32 state;

	if (!e)
		return 0;
	state = e->state;
	if (state != RV_ENCLAVE_ATTACHED && state != RV_ENCLAVE_ORPHAN)
		return 0;
	e->reason = reason;
	e->reason_tid = tid;
	e->reason_ns = after_ns;
	if (__sync_val_compare_and_swap(&e->state, state, RV_ENCLAVE_DESTROYED) != state)
		return 0;
	e->agent_tgid = 0;
	e->orphaned_ns = bpf_ktime_get_ns();
	kick_enclave(enclave, SCX_KICK_PREEMPT);
	kick_enclave(enclave, SCX_KICK_IDLE);
	return 0;
}

/* The tasks a destroyed enclave holds become strays, which any CPU may run. */
static __noinline int release_held(u32 enclave)
{
	struct rv_machine *m = the_machine();
	u32 cpus = m ? m->cpus : 0;
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	int i;

	if (cpus > RV_CPUS_MAX)
		return 0;
	bpf_for(i, 0, cpus) {
		if (scx_bpf_dsq_nr_queued(hold_of(enclave, i)) <= 0)
			continue;
		bpf_iter_scx_dsq_new(&it, hold_of(enclave, i), 0);
		while ((p = bpf_iter_scx_dsq_next(&it)))
			scx_bpf_dsq_move(&it, p, SCX_DSQ_GLOBAL, 0);
		bpf_iter_scx_dsq_destroy(&it);
	}
	return 0;
}

/* Lets every CPU look for work, also those that have some if it is the strays' turn. */
static __always_inline void serve_strays(u64 ticks)
{
	struct rv_machine *m = the_machine();
	u32 cpus = m ? m->cpus : 0;
	struct rv_cpu *c;
	int i;

	if (cpus > RV_CPUS_MAX)
		return;
	bpf_for(i, 0, cpus) {
		c = cpu_at(i);
		if (c && c->is_online)
			scx_bpf_kick_cpu(i, ticks % STRAY_PERIODS ? SCX_KICK_IDLE : SCX_KICK_PREEMPT);
	}
}

static __always_inline void watch_enclave(u32 enclave, u64 now_ns)
{
	struct rv_enclave *e = enclave_at(enclave);

	if (!e)
		return;
	if (e->state == RV_ENCLAVE_ATTACHED && has_passed(now_ns, e->heartbeat_ns, e->silence_limit_ns)) {
		e->reason = RV_SILENT;
		orphan(e, enclave);
	}
	if (e->state == RV_ENCLAVE_ORPHAN) {
		if (has_passed(now_ns, e->orphaned_ns, e->orphan_limit_ns))
			destroy(enclave, e->reason == RV_SILENT ? RV_SILENT : RV_NO_AGENT, 0, now_ns - e->orphaned_ns);
		else if (e->tasks)
			kick_enclave(enclave, SCX_KICK_IDLE);
	}
	if (e->state == RV_ENCLAVE_DESTROYED && e->tasks)
		release_held(enclave);
}

/* What the enclaves' ends have left. */
static __always_inline void watch_remains(u64 now_ns)
{
	struct rv_machine *m = the_machine();
	bool remain = m && (s64)m->strays_now > 0, is_late = false, is_used = false;
	char message[] = "the last enclave was destroyed, and nobody took its threads back";
	unsigned long long nothing = 0;
	struct rv_enclave *e;
	int i;

	bpf_for(i, 0, RV_ENCLAVES_MAX) {
		e = enclave_at(i);
		if (!e || e->state == RV_ENCLAVE_FREE)
			continue;
		if (e->state != RV_ENCLAVE_DESTROYED) {
			is_used = true;
		} else if (e->tasks) {
			remain = true;
			is_late |= has_passed(now_ns, e->orphaned_ns, REMAINS_NS);
		}
	}
	if (is_late && !is_used)
		scx_bpf_exit_bstr(0, message, &nothing, sizeof(nothing));
	else if (remain)
		serve_strays(m ? m->watchdog_ticks : 0);
}

static __always_inline void watch_task(u32 slot, u64 now_ns)
{
	struct rv_task *t = task_at(slot);
	struct rv_enclave *e;

	if (!t || t->state != RV_QUEUED)
		return;
	e = enclave_at(t->enclave);
	if (!e || e->state == RV_ENCLAVE_DESTROYED)
		return;
	if (has_passed(now_ns, t->queued_ns, e->watchdog_ns))
		destroy(t->enclave, RV_UNSERVED, t->tid, now_ns - t->queued_ns);
}

static __always_inline void watch_tasks(struct watchdog *dog, u64 now_ns)
{
	struct rv_machine *m = the_machine();
	u32 used = m ? m->slots_used : 0, slot = dog->cursor;
	int i;

	bpf_for(i, 0, WATCHDOG_TASKS) {
		if (slot >= used) {
			slot = 0;
			break;
		}
		watch_task(slot, now_ns);
		slot++;
	}
	dog->cursor = slot;
}

static int watch(void *map, u32 *key, struct watchdog *dog)
{
	struct rv_machine *m = the_machine();
	u64 now_ns = bpf_ktime_get_ns();
	int i;

	bpf_for(i, 0, RV_ENCLAVES_MAX)
		watch_enclave(i, now_ns);
	watch_tasks(dog, now_ns);
	watch_remains(now_ns);
	if (m)
		m->watchdog_ticks++;
	bpf_timer_start(&dog->timer, WATCHDOG_PERIOD_NS, 0);
	return 0;
}

/* A program of its own, since the kernel ties a timer to the map's owner in user space. */
SEC("syscall")
int rv_start_watchdog(struct rv_named *args)
{
	struct watchdog *dog;
	u32 zero = 0;

	dog = bpf_map_lookup_elem(&watchdogs, &zero);
	args->result = -EINVAL;
	if (!dog)
		return 0;
	args->result = bpf_timer_init(&dog->timer, &watchdogs, 1 /* CLOCK_MONOTONIC */);
	if (args->result)
		return 0;
	bpf_timer_set_callback(&dog->timer, watch);
	args->result = bpf_timer_start(&dog->timer, WATCHDOG_PERIOD_NS, 0);
	return 0;
}

#endif
