/*
 * What pid 1 and the commands may do. pid 1 gives up everything that setting up needed and takes the seccomp list;
 * commands get, besides, resource limits. Nothing that is given up here can be had again: no_new_privs is set, the bounding
 * set is empty (a root file system view keeps the few capabilities that package managers use on the sandbox's own files).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail.h"

#define BIT(capability) (1ull << (capability))
#define ROOTFS_CAPABILITIES (BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_KILL))

void privileges_drop(const struct config *config) {
  uint64_t keep = config->inner_id == 0 ? ROOTFS_CAPABILITIES : 0;
  for (int capability = 0; capability < 64; capability++) {
    if (keep & BIT(capability)) continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) {
      if (errno == EINVAL) break; /* past the last one that the kernel knows */
      fail("empty the bounding set: %m");
    }
  }
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) fail("clear the ambient set: %m");
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {
    {.effective = (uint32_t)keep, .permitted = (uint32_t)keep},
    {.effective = (uint32_t)(keep >> 32), .permitted = (uint32_t)(keep >> 32)},
  };
  if (syscall(SYS_capset, &header, data) < 0) fail("drop the capabilities: %m");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) fail("no_new_privs: %m");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) fail("not dumpable: %m");
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) fail("death with the parent: %m");
}

/* What lets pid 1's own children set the mark: two arguments that the call does not have, so the kernel ignores them, but
 * the seccomp list sees them. Nobody inside can read pid 1's memory, nor that of its children before they run a program. */
static unsigned long mark_key[2];

static void limit(int resource, uint64_t soft, uint64_t hard) {
  struct rlimit now, wanted = {.rlim_cur = soft, .rlim_max = hard};
  if (getrlimit(resource, &now) < 0) _exit(126);
  if (wanted.rlim_max > now.rlim_max) wanted.rlim_max = now.rlim_max;
  if (wanted.rlim_cur > wanted.rlim_max) wanted.rlim_cur = wanted.rlim_max;
  if (setrlimit(resource, &wanted) < 0) _exit(126);
}

void child_limits(const struct config *config, uint32_t tag) {
  /* The mark by which everything that a command starts is known; the seccomp list forbids to change it. It is a
   * limit on real-time scheduling, which RLIMIT_RTPRIO 0 refuses anyway, so it has no other effect. */
  struct rlimit mark = {.rlim_cur = TAG_BASE + tag, .rlim_max = TAG_BASE + tag};
  if (syscall(SYS_prlimit64, 0, RLIMIT_RTTIME, &mark, NULL, mark_key[0], mark_key[1]) < 0) _exit(126);
  limit(RLIMIT_RTPRIO, 0, 0);
  limit(RLIMIT_CORE, 0, 0);
  limit(RLIMIT_NPROC, config->pids, config->pids);
  limit(RLIMIT_NOFILE, config->files < 1024 ? config->files : 1024, config->files);
  limit(RLIMIT_MEMLOCK, 8u << 20, 8u << 20);
  limit(RLIMIT_MSGQUEUE, 1u << 16, 1u << 16);
  limit(RLIMIT_SIGPENDING, 4096, 4096);
  /* A backstop only: the watch over the sum is the limit, and run-times may map more than they use. */
  limit(RLIMIT_DATA, config->memory * 2 + (256u << 20), config->memory * 2 + (256u << 20));
}

/* ---- seccomp ---- */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCHITECTURE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define ARCHITECTURE AUDIT_ARCH_S390X
#else
#error "The seccomp list does not know this architecture."
#endif

/* Numbers that are the same everywhere (since Linux 5.1), for C libraries that do not know them yet. */
enum { IO_URING_SETUP = 425, OPEN_TREE = 428, FSPICK = 433, CLONE3 = 435, PIDFD_GETFD = 438, MOUNT_SETATTR = 442, QUOTACTL_FD = 443,
       LANDLOCK_CREATE = 444, MEMFD_SECRET = 447, OPEN_TREE_ATTR = 467 };

static const int refused[] = { /* EPERM */
  SYS_unshare, SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, MOUNT_SETATTR, OPEN_TREE_ATTR,
  SYS_add_key, SYS_request_key, SYS_keyctl, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd,
  SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, PIDFD_GETFD, SYS_process_madvise,
  SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_fanotify_init, SYS_quotactl, QUOTACTL_FD, SYS_lookup_dcookie,
  SYS_kexec_load, SYS_kexec_file_load, SYS_init_module, SYS_finit_module, SYS_delete_module,
  SYS_reboot, SYS_swapon, SYS_swapoff, SYS_acct, SYS_syslog, SYS_vhangup, SYS_sethostname, SYS_setdomainname,
  SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex, MEMFD_SECRET,
  SYS_msgget, /* message queues are kernel memory that no limit here counts */
#ifdef SYS_iopl
  SYS_iopl, SYS_ioperm,
#endif
#ifdef SYS_modify_ldt
  SYS_modify_ldt,
#endif
};

static const int missing[] = { /* ENOSYS: programs have another way */
  CLONE3, /* its flags lie in memory that a filter can't see; C libraries fall back to clone */
  SYS_memfd_create, /* memory that no limit here counts; programs fall back to /dev/shm and /tmp */
  SYS_io_setup, /* draws on a number that all of the machine shares */
#ifdef SYS_ipc
  SYS_ipc, /* old ways around the rules below */
#endif
#ifdef SYS_socketcall
  SYS_socketcall,
#endif
};

#define MAX_RULES 400
struct rules { struct sock_filter code[MAX_RULES]; unsigned short count; };

static void rule(struct rules *r, unsigned short code, uint32_t k, uint8_t yes, uint8_t no) {
  if (r->count >= MAX_RULES) _exit(126);
  r->code[r->count++] = (struct sock_filter){.code = code, .jt = yes, .jf = no, .k = k};
}
static void load(struct rules *r, size_t offset) { rule(r, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0); }
static void answer(struct rules *r, uint32_t action) { rule(r, BPF_RET | BPF_K, action, 0, 0); }
static void if_not_skip(struct rules *r, uint32_t value, uint8_t skip) { rule(r, BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip); }
static size_t low(int n) { return offsetof(struct seccomp_data, args) + 8u * (unsigned)n + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0); }
static size_t high(int n) { return offsetof(struct seccomp_data, args) + 8u * (unsigned)n + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 0 : 4); }

#define ALLOW SECCOMP_RET_ALLOW
#define ERRNO(number) (SECCOMP_RET_ERRNO | (number))
#define NUMBER offsetof(struct seccomp_data, nr)

/* Refuses a call when a bit of `mask` is set in the low half of argument `n`. The number of the call is loaded. */
static void refuse_bits(struct rules *r, long call, int n, uint32_t mask, int error) {
  if_not_skip(r, (uint32_t)call, 4);
  load(r, low(n));
  rule(r, BPF_JMP | BPF_JSET | BPF_K, mask, 0, 1);
  answer(r, ERRNO((uint32_t)error));
  answer(r, ALLOW);
}

/* Refuses a call whose argument `n` is `value`; `only_change`, when it is not -1, is an argument that must not be NULL for that. */
static void refuse_value(struct rules *r, long call, int n, uint32_t value, int only_change) {
  if_not_skip(r, (uint32_t)call, only_change < 0 ? 4 : 8);
  load(r, low(n));
  if_not_skip(r, value, only_change < 0 ? 1 : 5);
  if (only_change >= 0) {
    load(r, low(only_change));
    if_not_skip(r, 0, 2);
    load(r, high(only_change));
    rule(r, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
  }
  answer(r, ERRNO(EPERM));
  answer(r, ALLOW);
}

/* Refuses to make device nodes. */
static void refuse_devices(struct rules *r, long call, int mode) {
  if_not_skip(r, (uint32_t)call, 6);
  load(r, low(mode));
  rule(r, BPF_ALU | BPF_AND | BPF_K, S_IFMT, 0, 0);
  rule(r, BPF_JMP | BPF_JEQ | BPF_K, S_IFCHR, 1, 0);
  rule(r, BPF_JMP | BPF_JEQ | BPF_K, S_IFBLK, 0, 1);
  answer(r, ERRNO(EPERM));
  answer(r, ALLOW);
}

/* Goes on to the next rule when the argument is `value`, else skips `otherwise` further ones. */
static void is_value(struct rules *r, int n, unsigned long value, uint8_t otherwise) {
  load(r, low(n));
  if_not_skip(r, (uint32_t)value, otherwise + 2);
  load(r, high(n));
  if_not_skip(r, (uint32_t)((uint64_t)value >> 32), otherwise);
}

/* New limits: none for pid 1, and no new mark but with the key. Asking for limits is free. */
static void refuse_limits(struct rules *r) {
#ifdef SYS_setrlimit
  if_not_skip(r, SYS_setrlimit, 4);
  load(r, low(0));
  if_not_skip(r, RLIMIT_RTTIME, 1);
  answer(r, ERRNO(EPERM));
  answer(r, ALLOW);
#endif
  if_not_skip(r, SYS_prlimit64, 21);
  is_value(r, 2, 0, 1);
  answer(r, ALLOW);
  load(r, low(0));
  if_not_skip(r, 1, 1);
  answer(r, ERRNO(EPERM));
  load(r, low(1));
  rule(r, BPF_JMP | BPF_JEQ | BPF_K, RLIMIT_RTTIME, 1, 0);
  answer(r, ALLOW);
  is_value(r, 4, mark_key[0], 5);
  is_value(r, 5, mark_key[1], 1);
  answer(r, ALLOW);
  answer(r, ERRNO(EPERM));
}

/* The list, for pid 1 and so for everything inside: made once, not for every command. */
int seccomp_install(void) {
  struct rules r = {.count = 0};
  if (getrandom(mark_key, sizeof mark_key, 0) != sizeof mark_key) return -1;
  load(&r, offsetof(struct seccomp_data, arch));
  rule(&r, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
  answer(&r, ERRNO(ENOSYS)); /* calls of another architecture (32 bit) are not there */
  load(&r, NUMBER);
#if defined(__x86_64__)
  rule(&r, BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1); /* x32 */
  answer(&r, ERRNO(ENOSYS));
#endif
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    if_not_skip(&r, (uint32_t)refused[i], 1);
    answer(&r, ERRNO(EPERM));
  }
  rule(&r, BPF_JMP | BPF_JGE | BPF_K, IO_URING_SETUP, 0, 2); /* io_uring_setup, _enter, _register */
  rule(&r, BPF_JMP | BPF_JGT | BPF_K, IO_URING_SETUP + 2, 1, 0);
  answer(&r, ERRNO(EPERM));
  rule(&r, BPF_JMP | BPF_JGE | BPF_K, OPEN_TREE, 0, 2); /* open_tree, move_mount, fsopen … fspick */
  rule(&r, BPF_JMP | BPF_JGT | BPF_K, FSPICK, 1, 0);
  answer(&r, ERRNO(EPERM));
  for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
    if_not_skip(&r, (uint32_t)missing[i], 1);
    answer(&r, ERRNO(ENOSYS));
  }
  /* pid 1 has the user id of the commands, which would give them power over its limits and its share of the processor. */
  static const int scheduling[] = {SYS_sched_setscheduler, SYS_sched_setparam, SYS_sched_setattr, SYS_sched_setaffinity};
  for (size_t i = 0; i < sizeof scheduling / sizeof *scheduling; i++) refuse_value(&r, scheduling[i], 0, 1, -1);
  refuse_limits(&r);
  if_not_skip(&r, SYS_setpriority, 6);
  load(&r, low(0));
  rule(&r, BPF_JMP | BPF_JEQ | BPF_K, 2 /* PRIO_USER */, 2, 0);
  load(&r, low(1));
  if_not_skip(&r, 1, 1);
  answer(&r, ERRNO(EPERM));
  answer(&r, ALLOW);
  /* Kernel memory, and memory pools of the host, that no limit here counts. */
  if_not_skip(&r, SYS_semget, 4);
  load(&r, low(1));
  rule(&r, BPF_JMP | BPF_JGT | BPF_K, 32, 0, 1);
  answer(&r, ERRNO(ENOSPC));
  answer(&r, ALLOW);
  refuse_bits(&r, SYS_shmget, 2, 04000 /* SHM_HUGETLB */, ENOMEM);
  refuse_bits(&r, SYS_mmap, 3, 0x40000 /* MAP_HUGETLB */, ENOMEM);
#ifdef __s390x__
  const int clone_flags = 1;
#else
  const int clone_flags = 0;
#endif
  refuse_bits(&r, SYS_clone, clone_flags, CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET, EPERM);
  refuse_devices(&r, SYS_mknodat, 2);
#ifdef SYS_mknod
  refuse_devices(&r, SYS_mknod, 1);
#endif
  /* ioctl: pushing characters into a terminal; line disciplines, which load kernel modules */
  if_not_skip(&r, SYS_ioctl, 6);
  load(&r, low(1));
  rule(&r, BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 2, 0);
  rule(&r, BPF_JMP | BPF_JEQ | BPF_K, TIOCSETD, 1, 0);
  rule(&r, BPF_JMP | BPF_JEQ | BPF_K, 0x541C /* TIOCLINUX */, 0, 1);
  answer(&r, ERRNO(EPERM));
  answer(&r, ALLOW);
  /* sockets: unix, routing information, and IP with the protocols that need no kernel module */
  if_not_skip(&r, SYS_socket, 20);
  load(&r, low(0));
  rule(&r, BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 17, 0);
  rule(&r, BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 5, 0);
  rule(&r, BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 4, 0);
  rule(&r, BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 1, 0);
  answer(&r, ERRNO(EAFNOSUPPORT));
  load(&r, low(2));
  rule(&r, BPF_JMP | BPF_JEQ | BPF_K, 0 /* NETLINK_ROUTE */, 11, 10);
  load(&r, low(1));
  rule(&r, BPF_ALU | BPF_AND | BPF_K, 0xf, 0, 0);
  rule(&r, BPF_JMP | BPF_JGE | BPF_K, SOCK_STREAM, 0, 7);
  rule(&r, BPF_JMP | BPF_JGT | BPF_K, SOCK_RAW, 6, 0);
  load(&r, low(2));
  rule(&r, BPF_JMP | BPF_JEQ | BPF_K, 0, 5, 0);
  rule(&r, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMP, 4, 0);
  rule(&r, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 3, 0);
  rule(&r, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 2, 0);
  rule(&r, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 1, 0);
  answer(&r, ERRNO(EPROTONOSUPPORT));
  answer(&r, ALLOW);
  if_not_skip(&r, SYS_socketpair, 4);
  load(&r, low(0));
  rule(&r, BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0);
  answer(&r, ERRNO(EAFNOSUPPORT));
  answer(&r, ALLOW);
  answer(&r, ALLOW);
  struct sock_fprog program = {.len = r.count, .filter = r.code};
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}
