/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The numbers of the table in bpf/src/abi/layout.rs. */
#ifndef RV_ABI_CHECK_H
#define RV_ABI_CHECK_H

#include "abi.h"

#define SIZE(TYPE, BYTES) _Static_assert(sizeof(struct TYPE) == BYTES, "size of " #TYPE)
#define AT(TYPE, FIELD, BYTES) \
	_Static_assert(__builtin_offsetof(struct TYPE, FIELD) == BYTES, "offset of " #TYPE "." #FIELD)

SIZE(rv_message, 32);
AT(rv_message, cpu, 2);
AT(rv_message, seq, 4);
AT(rv_message, task, 8);
AT(rv_message, time_ns, 16);
AT(rv_message, runtime_ns, 24);
SIZE(rv_status_word, 64);
AT(rv_status_word, task, 8);
AT(rv_status_word, seq_state_cpu, 16);
AT(rv_status_word, runtime_ns, 24);
AT(rv_status_word, since_ns, 32);
AT(rv_status_word, tid, 40);
AT(rv_status_word, tgid, 44);
AT(rv_status_word, enclave, 48);
AT(rv_status_word, weight, 52);
AT(rv_status_word, channel, 56);
SIZE(rv_channel, 64);
AT(rv_channel, lost, 8);
AT(rv_channel, read, 16);
AT(rv_channel, capacity, 24);
AT(rv_channel, wakes, 28);
SIZE(rv_transaction, 32);
AT(rv_transaction, slice_ns, 8);
AT(rv_transaction, seq, 16);
AT(rv_transaction, cpu, 20);
AT(rv_transaction, flags, 22);
AT(rv_transaction, outcome, 23);
SIZE(rv_enclave, 576);
AT(rv_enclave, flags, 4);
AT(rv_enclave, agent_tgid, 12);
AT(rv_enclave, heartbeat_ns, 16);
AT(rv_enclave, orphan_limit_ns, 40);
AT(rv_enclave, watchdog_ns, 48);
AT(rv_enclave, tasks, 56);
AT(rv_enclave, steps_down, 60);
AT(rv_enclave, reason, 64);
AT(rv_enclave, reason_ns, 72);
AT(rv_enclave, messages, 80);
AT(rv_enclave, fast_path_runs, 96);
AT(rv_enclave, outcomes, 104);
AT(rv_enclave, created_ns, 200);
AT(rv_enclave, blackout_ns, 208);
AT(rv_enclave, turns, 216);
AT(rv_enclave, agent_cpu, 232);
AT(rv_enclave, delays, 256);
AT(rv_enclave, name, 512);
AT(rv_enclave, policy, 544);
SIZE(rv_cpu, 128);
AT(rv_cpu, current, 8);
AT(rv_cpu, latched, 16);
AT(rv_cpu, is_busy, 24);
AT(rv_cpu, is_busy_told, 28);
AT(rv_cpu, agent_tid, 32);
AT(rv_cpu, is_wanted, 36);
AT(rv_cpu, is_armed, 40);
AT(rv_cpu, latch_slice_ns, 48);
AT(rv_cpu, busy_times, 56);
SIZE(rv_offer, 24);
AT(rv_offer, slice_ns, 8);
AT(rv_offer, seq, 16);
SIZE(rv_offers, 6272);
AT(rv_offers, tail, 64);
AT(rv_offers, ring, 128);
SIZE(rv_hint, 32);
AT(rv_hint, deadline_ns, 8);
AT(rv_hint, class, 16);
AT(rv_hint, tier, 18);
AT(rv_hint, weight, 20);
SIZE(rv_machine, 264);
AT(rv_machine, cpus, 4);
AT(rv_machine, has_immediate, 8);
AT(rv_machine, exit_kind, 12);
AT(rv_machine, watchdog_ticks, 24);
AT(rv_machine, slots_used, 48);
AT(rv_machine, slots_max, 56);
AT(rv_machine, strays_now, 64);
AT(rv_machine, exit_reason, 72);
AT(rv_machine, exit_message, 136);
SIZE(rv_commit, 40);
AT(rv_commit, is_all_or_none, 8);
AT(rv_commit, seq_read, 16);
AT(rv_commit, local_cpu, 24);
AT(rv_commit, first, 28);
AT(rv_commit, result, 32);
SIZE(rv_join, 24);
AT(rv_join, task, 8);
AT(rv_join, result, 16);
SIZE(rv_attach, 16);
AT(rv_attach, cpu, 8);
AT(rv_attach, result, 12);
SIZE(rv_resize, 144);
AT(rv_resize, cpu, 4);
AT(rv_resize, claim, 8);
AT(rv_resize, release, 72);
AT(rv_resize, result, 136);
SIZE(rv_route, 24);
AT(rv_route, enclave, 8);
AT(rv_route, seq, 12);
AT(rv_route, channel, 16);
AT(rv_route, result, 20);
SIZE(rv_named, 8);
AT(rv_named, result, 4);
SIZE(rv_timer, 24);
AT(rv_timer, after_ns, 8);
AT(rv_timer, result, 16);

#endif
