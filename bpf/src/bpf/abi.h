/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What the kernel half and the agents share: the layout of the mapped memory and the arguments of
 * the calls. bpf/src/abi.rs mirrors this file; both sides check sizes and offsets when they are
 * compiled. Whoever changes a line here raises RV_ABI_VERSION.
 */
#ifndef RV_ABI_H
#define RV_ABI_H

#define RV_ABI_VERSION 3

/* Bounds of every table. */
#define RV_CPUS_MAX 512
#define RV_ENCLAVES_MAX 16
#define RV_TASKS_MAX 16384
/* One channel for each CPU's agent and one for the enclave's global agent. */
#define RV_CHANNELS_PER_ENCLAVE 513
#define RV_CHANNELS_MAX (RV_ENCLAVES_MAX * RV_CHANNELS_PER_ENCLAVE)
#define RV_CHANNEL_DEFAULT 0
/* Buckets of a histogram of times: the last begins at 2 s. */
#define RV_DELAYS 32
/* Tasks an agent can offer to CPUs that are about to idle; a power of two. */
#define RV_OFFERS_MAX 256

enum rv_message_kind {
	RV_TASK_NEW,
	RV_TASK_WAKEUP,
	RV_TASK_BLOCKED,
	RV_TASK_PREEMPTED,
	RV_TASK_YIELD,
	RV_TASK_DEAD,
	RV_TASK_DEPARTED,
	RV_TASK_AFFINITY_CHANGED,
	RV_TASK_PRIORITY_CHANGED,
	RV_TASK_ON_CPU,
	RV_TASK_LATCH_FAILED,
	RV_CPU_TICK,
	RV_CPU_TIMER_EXPIRED,
	RV_CPU_AVAILABLE,
	RV_CPU_BUSY,
	RV_CPU_NOT_IDLE,
	RV_AGENT_BLOCKED,
	RV_AGENT_WAKEUP,
};

enum rv_task_state {
	RV_DEAD,
	RV_BLOCKED,
	RV_QUEUED,
	RV_LATCHED,
	RV_ON_CPU,
};

enum rv_outcome {
	RV_COMMITTED,
	RV_STALE,
	RV_NOT_FOUND,
	RV_NOT_RUNNABLE,
	RV_TASK_RUNS, /* "on-cpu" */
	RV_CPU_UNAVAILABLE,
	RV_CPU_OFFLINE,
	RV_INVALID_CPU,
	RV_INVALID_TARGET,
	RV_NOT_PERMITTED,
	RV_AGENT_STALE,
	RV_ABORTED,
	RV_OUTCOMES,
};

struct rv_message {
	__u16 kind;
	__u16 cpu;
	__u32 seq;
	__u64 task;
	__u64 time_ns;
	__u64 runtime_ns;
};

/*
 * A status word. Its first 40 bytes are those of the Rust StatusWord: a seqlock whose version is odd
 * while a write is under way. The one writer is the CPU that holds the task's run-queue lock.
 */
struct rv_status_word {
	__u64 version;
	__u64 task; /* generation << 32 | slot */
	__u64 seq_state_cpu; /* seq | state << 32 | cpu << 48 */
	__u64 runtime_ns;
	__u64 since_ns;
	/* Not under the version: set before the task is announced, and true for its life. */
	__u32 tid;
	__u32 tgid;
	__u32 enclave;
	__u32 weight; /* the kernel's: 100 is nice 0 */
	__u32 channel;
	__u32 unused;
};

/* A channel's bounds and counters; its messages are in a ring buffer. */
struct rv_channel {
	__u64 seq; /* messages meant for it, lost ones included: the agent's sequence number */
	__u64 lost; /* messages that found it full */
	__u64 read; /* written by the reader only */
	__u32 capacity;
	__u32 wakes; /* nonzero: its reader sleeps on it */
	__u64 unused[4];
};

enum rv_transaction_flags {
	RV_IDLE_ONLY = 1,
	RV_ALLOW_ON_CPU = 2,
};

struct rv_transaction {
	__u64 task;
	__u64 slice_ns;
	__u32 seq;
	__u16 cpu;
	__u8 flags;
	__u8 outcome;
	__u64 unused;
};

enum rv_enclave_state {
	RV_ENCLAVE_FREE,
	RV_ENCLAVE_ORPHAN, /* no agent: its tasks are served first-in first-out */
	RV_ENCLAVE_ATTACHED,
	RV_ENCLAVE_DESTROYED, /* its tasks run like strays until somebody takes them back */
};

enum rv_enclave_flags {
	RV_DELIVER_TICKS = 1,
	RV_DELIVER_AGENTS = 2, /* AGENT_BLOCKED, AGENT_WAKEUP */
	RV_FAST_PATH = 4,
	RV_DELIVER_NOT_IDLE = 8,
	RV_PER_CPU_AGENTS = 16, /* a task's messages go to its CPU's channel */
};

enum rv_reason {
	RV_NO_REASON,
	RV_ASKED, /* somebody asked for it */
	RV_NO_AGENT, /* no agent within the limit */
	RV_UNSERVED, /* a runnable task waited longer than the watchdog allows */
	RV_SILENT, /* the agent stopped taking turns */
};

struct rv_enclave {
	__u32 state;
	__u32 flags;
	__u32 generation; /* one more for every enclave that had this place */
	__u32 agent_tgid;
	__u64 heartbeat_ns; /* written by the agent, once a turn */
	__u64 orphaned_ns;
	__u64 silence_limit_ns; /* an agent that takes no turn for so long is no agent */
	__u64 orphan_limit_ns;
	__u64 watchdog_ns;
	__u32 tasks;
	__u32 steps_down; /* nonzero: the agent is asked to make way for a successor */
	__u32 reason;
	__u32 reason_tid; /* RV_UNSERVED: who waited */
	__u64 reason_ns; /* how long */
	__u64 messages;
	__u64 fallback_runs; /* tasks served without an agent */
	__u64 fast_path_runs;
	__u64 outcomes[12];
	__u64 created_ns;
	__u64 blackout_ns; /* how long the last change of agents left it without one */
	/* Written by the agent. */
	__u64 turns;
	__u64 handoffs;
	__u32 agent_cpu; /* where a global agent is now */
	__u32 keeper_tgid; /* the process that looks after the enclave's end */
	__u64 unused[2];
	/* Times from queued to running: bucket n counts those of 2^n to 2^(n+1) ns. */
	__u64 delays[RV_DELAYS];
	char name[32];
	char policy[32];
};

struct rv_cpu {
	__u32 owner; /* enclave + 1; 0: nobody's */
	__u32 is_online;
	__u64 current; /* the task of ours that runs here */
	__u64 latched; /* the task a transaction put here, until it runs or fails to */
	__u32 is_busy; /* a higher class runs here */
	__u32 is_busy_told; /* the agent was told so */
	__u32 agent_tid; /* the agent thread that runs here */
	__u32 is_wanted; /* a fair thread waits behind the agent */
	/* The latch. */
	__u32 is_armed;
	__u32 latch_seq;
	__u64 latch_slice_ns;
	__u64 busy_times; /* how often a higher class took it */
	__u64 unused[8];
};

struct rv_offer {
	__u64 task;
	__u64 slice_ns;
	__u32 seq;
	__u32 unused;
};

/* Agent-filled: `tail` is the agent's, `head` is taken by CPUs. */
struct rv_offers {
	__u64 head;
	__u64 unused[7];
	__u64 tail;
	__u64 unused2[7];
	struct rv_offer ring[RV_OFFERS_MAX];
};

/* What an application says of a task; read by agents, never by the kernel half. */
struct rv_hint {
	__u64 task; /* a hint for another id than the slot's present one is void */
	__u64 deadline_ns;
	__u16 class;
	__u8 tier;
	__u8 unused;
	__u16 weight;
	__u16 unused2;
	__u64 unused3;
};

/* Of the whole scheduler. */
struct rv_machine {
	__u32 abi_version;
	__u32 cpus; /* numbers below this exist */
	__u32 has_immediate; /* SCX_ENQ_IMMED can be used */
	__u32 exit_kind; /* nonzero: the scheduler has ended */
	__u64 exit_code;
	__u64 watchdog_ticks;
	__u64 tasks_refused; /* newcomers that found no status word */
	__u64 strays; /* tasks in the class but in no enclave, ever */
	__u64 slots_used; /* status words that were ever given out */
	__u64 slots_max; /* how many may be: all of them, unless a test makes them scarce */
	__u64 strays_now; /* tasks in the class but in no enclave */
	char exit_reason[64];
	char exit_message[128];
};

/* Arguments of the calls. `result` is 0 or a negative errno. */

struct rv_commit {
	__u32 enclave;
	__u32 count;
	__u32 is_all_or_none;
	__u32 channel; /* of a local commit */
	__u64 seq_read;
	__u32 local_cpu; /* RV_CPUS_MAX: the commit is remote */
	__u32 first; /* place of its first transaction: each local agent has one, at its CPU's number */
	__s32 result;
	__u32 unused;
};

struct rv_join {
	__u32 enclave;
	__u32 tid;
	__u64 task; /* filled in */
	__s32 result;
	__u32 unused;
};

struct rv_attach {
	__u32 enclave;
	__u32 tid;
	__u32 cpu; /* of this agent thread; RV_CPUS_MAX: it moves */
	__s32 result;
};

struct rv_resize {
	__u32 enclave;
	__u32 cpu; /* the CPU in the way, if the result is EBUSY */
	__u64 claim[RV_CPUS_MAX / 64];
	__u64 release[RV_CPUS_MAX / 64];
	__s32 result;
	__u32 unused;
};

struct rv_route {
	__u64 task;
	__u32 enclave;
	__u32 seq; /* the task's, as the agent knows it */
	__u32 channel;
	__s32 result; /* -ESTALE: messages are pending */
};

struct rv_named {
	__u32 enclave;
	__s32 result;
};

struct rv_timer {
	__u32 enclave;
	__u32 cpu;
	__u64 after_ns;
	__s32 result;
	__u32 unused;
};

#endif
