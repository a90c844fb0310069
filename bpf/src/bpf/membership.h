/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Membership: how a task enters an enclave and leaves it.
 *
 * A slot is reserved first, by `rv_join` or at a fork of a member. The task takes it when it enters
 * the scheduling class. Without a free slot the join or the fork fails; nobody else notices.
 */
#ifndef RV_MEMBERSHIP_H
#define RV_MEMBERSHIP_H

#include "hold.h"

/* A free slot, or RV_TASKS_MAX. */
static __always_inline u32 take_slot(void)
{
	struct rv_machine *m = the_machine();
	u32 slot;
	u64 fresh;

	if (!bpf_map_pop_elem(&free_slots, &slot))
		return slot;
	if (!m)
		return RV_TASKS_MAX;
	fresh = m->slots_used;
	if (fresh < m->slots_max) {
		fresh = __sync_fetch_and_add(&m->slots_used, 1);
		if (fresh < m->slots_max && fresh < RV_TASKS_MAX)
			return fresh;
		__sync_fetch_and_add(&m->slots_used, -1);
	}
	__sync_fetch_and_add(&m->tasks_refused, 1);
	return RV_TASKS_MAX;
}

static __always_inline void give_slot_back(u32 slot)
{
	/* The queue has room for every slot there is. */
	bpf_map_push_elem(&free_slots, &slot, BPF_ANY);
}

/* Reserves a slot for thread `tid`. Returns it, or a negative error. */
static __always_inline s32 reserve(u32 enclave, u32 tid, u32 tgid)
{
	struct rv_status_word *word;
	struct rv_task *t;
	u32 place, slot;

	slot = take_slot();
	if (slot >= RV_TASKS_MAX)
		return -ENOSPC;
	t = task_at(slot);
	word = bpf_map_lookup_elem(&status_words, &slot);
	if (!t || !word)
		return -EINVAL;
	/* A new generation: what is still said of the slot's last task names another one. */
	t->id = (u64)((u32)(word->task >> 32) + 1) << 32 | slot;
	t->runtime_ns = 0;
	t->since_ns = 0;
	t->stopped_ns = 0;
	t->queued_ns = 0;
	t->hold = 0;
	t->seq = 0;
	t->latch = LATCH_NONE;
	t->tid = tid;
	t->enclave = enclave;
	t->channel = RV_CHANNEL_DEFAULT;
	t->state = RV_DEAD;
	t->flags = 0;
	word->tid = tid;
	word->tgid = tgid;
	word->enclave = enclave;
	word->channel = RV_CHANNEL_DEFAULT;
	publish(t, 0);
	place = slot + 1;
	if (bpf_map_update_elem(&joining, &tid, &place, BPF_NOEXIST)) {
		give_slot_back(slot);
		return -EEXIST;
	}
	return slot;
}

/* A reservation whose task died, or was never born. */
static __always_inline void cancel_reservation(u32 tid)
{
	u32 *place = bpf_map_lookup_elem(&joining, &tid);
	u32 slot;

	if (!place)
		return;
	slot = *place - 1;
	bpf_map_delete_elem(&joining, &tid);
	give_slot_back(slot);
}

/*
 * What was said of a parent holds for its child, until more is said: a whole program has one class.
 * Its deadline does not, which is that of one request.
 */
static __always_inline void inherit_hint(u64 parent, u32 slot)
{
	u32 parents_slot = slot_of(parent);
	struct rv_hint *from = bpf_map_lookup_elem(&hints, &parents_slot);
	struct rv_hint *to = bpf_map_lookup_elem(&hints, &slot);
	struct rv_task *t = task_at(slot);

	if (!from || !to || !t || from->task != parent)
		return;
	to->deadline_ns = 0;
	to->class = from->class;
	to->tier = from->tier;
	to->weight = from->weight;
	to->task = t->id;
}

/* A child belongs where its parent does. */
static __always_inline s32 inherit(struct task_struct *child)
{
	struct task_struct *parent = bpf_get_current_task_btf();
	struct rv_task *t = record_of(parent);
	struct rv_enclave *e;
	s32 slot;

	if (!t || child->policy != SCHED_EXT)
		return 0;
	e = enclave_at(t->enclave);
	if (!e || e->state == RV_ENCLAVE_FREE || e->state == RV_ENCLAVE_DESTROYED)
		return 0;
	slot = reserve(t->enclave, child->pid, child->tgid);
	if (slot == -ENOSPC)
		return -EAGAIN; /* what fork reports when it lacks resources */
	if (slot >= 0)
		inherit_hint(t->id, slot);
	return 0;
}

static __always_inline void enter(struct task_struct *p)
{
	struct rv_machine *m = the_machine();
	struct task_struct *old, *own;
	u32 tid = p->pid, place;
	struct rv_enclave *e;
	struct rv_task *t;
	u32 *found;

	found = bpf_map_lookup_elem(&joining, &tid);
	if (!found) {
		set_slot(p, 0);
		if (m) {
			__sync_fetch_and_add(&m->strays, 1);
			__sync_fetch_and_add(&m->strays_now, 1);
		}
		return;
	}
	place = *found;
	bpf_map_delete_elem(&joining, &tid);
	t = task_at(place - 1);
	if (!t)
		return;
	own = bpf_task_acquire(p);
	if (own) {
		old = bpf_kptr_xchg(&t->task, own);
		if (old)
			bpf_task_release(old);
	}
	set_slot(p, place);
	/* Asleep, until its first enqueue or stint announces it. */
	t->state = RV_BLOCKED;
	t->weight = p->scx.weight;
	e = enclave_at(t->enclave);
	if (e)
		__sync_fetch_and_add(&e->tasks, 1);
	publish(t, scx_bpf_task_cpu(p));
}

static __always_inline void leave(struct task_struct *p)
{
	struct rv_task *t = record_of(p);
	struct rv_machine *m = the_machine();
	struct task_struct *old;
	struct rv_enclave *e;
	u64 ended_ns;
	u32 cpu;
	bool dies;

	if (!t) {
		if (m)
			__sync_fetch_and_add(&m->strays_now, -1);
		return;
	}
	cpu = scx_bpf_task_cpu(p);
	dies = p->flags & PF_EXITING;
	/* Its stint ended when it stopped running; a task that waited ends now. */
	ended_ns = t->state == RV_ON_CPU ? t->stopped_ns : bpf_ktime_get_ns();
	if (t->latch) {
		release_cpu(t->latch & LATCH_CPU, t->id);
		t->latch = LATCH_NONE;
	}
	t->state = RV_DEAD;
	if (t->flags & TASK_ANNOUNCED)
		tell(t, dies ? RV_TASK_DEAD : RV_TASK_DEPARTED, cpu, ended_ns);
	else
		publish(t, cpu);
	e = enclave_at(t->enclave);
	if (e)
		__sync_fetch_and_add(&e->tasks, -1);
	t->tid = 0;
	old = bpf_kptr_xchg(&t->task, NULL);
	if (old)
		bpf_task_release(old);
	give_slot_back(slot_of(t->id));
}

/* Reserves a slot for a thread, which user space then puts into the class. */
SEC("syscall")
int rv_join(struct rv_join *args)
{
	struct rv_enclave *e = enclave_at(args->enclave);
	struct task_struct *p;
	struct rv_task *t;
	s32 slot;

	args->result = -EINVAL;
	if (!e || (e->state != RV_ENCLAVE_ATTACHED && e->state != RV_ENCLAVE_ORPHAN))
		return 0;
	args->result = -ESRCH;
	p = bpf_task_from_pid(args->tid);
	if (!p)
		return 0;
	/* A stray, or a member already: it must first leave the class. */
	if (p->policy == SCHED_EXT) {
		args->result = -EEXIST;
	} else {
		slot = reserve(args->enclave, p->pid, p->tgid);
		args->result = slot < 0 ? slot : 0;
		t = slot < 0 ? NULL : task_at(slot);
		if (t)
			args->task = t->id;
	}
	bpf_task_release(p);
	return 0;
}

/* User space could not put the thread into the class after all. */
SEC("syscall")
int rv_cancel(struct rv_join *args)
{
	cancel_reservation(args->tid);
	args->result = 0;
	return 0;
}

#endif
