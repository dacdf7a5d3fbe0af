# What pid 1 and the commands may do; the same rules as in native/src/privileges.c. A number that the architecture does not
# have is no rule.
package Lachesis;
use strict;
use warnings;
use POSIX ();

our ($is_x86, $is_s390, $audit_architecture, %N, %TTY);

use constant { EPERM => 1, ENOSYS => 38, ENOMEM => 12, ENOSPC => 28, EAFNOSUPPORT => 97, EPROTONOSUPPORT => 93 };
use constant { RLIMIT_DATA => 2, RLIMIT_CORE => 4, RLIMIT_NPROC => 6, RLIMIT_NOFILE => 7, RLIMIT_MEMLOCK => 8, RLIMIT_SIGPENDING => 11,
  RLIMIT_MSGQUEUE => 12, RLIMIT_RTPRIO => 14, RLIMIT_RTTIME => 15 };
# chown, dac_override, fowner, fsetid, kill, setgid, setuid
use constant ROOTFS_CAPABILITIES => 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7;

my @mark_key = (0, 0);

sub prctl { call("prctl", $_[0], $_[1] // 0, $_[2] // 0, 0, 0) }

sub privileges_drop {
  my ($config) = @_;
  my $keep = $config->{inner_id} == 0 ? ROOTFS_CAPABILITIES : 0;
  for my $capability (0 .. 63) {
    next if $keep >> $capability & 1;
    next if defined prctl(24, $capability);
    last if $! == 22; # past the last one that the kernel knows
    fail("empty the bounding set: $!");
  }
  prctl(47, 4) // fail("clear the ambient set: $!");
  my $header = pack "Li", 0x20080522, 0;
  my $data = pack "LLL LLL", $keep, $keep, 0, 0, 0, 0;
  call("capset", $header, $data) // fail("drop the capabilities: $!");
  call("prctl", 38, 1, 0, 0, 0) // fail("no_new_privs: $!");
  prctl(4, 0) // fail("not dumpable: $!");
  prctl(1, 9) // fail("death with the parent: $!");
}

sub limit {
  my ($resource, $soft, $hard) = @_;
  my $now = pack "QQ", 0, 0;
  call("prlimit64", 0, $resource, 0, $now) // POSIX::_exit(126);
  my $most = (unpack "QQ", $now)[1];
  $hard = $most if $hard > $most;
  $soft = $hard if $soft > $hard;
  my $wanted = pack "QQ", $soft, $hard;
  call("prlimit64", 0, $resource, $wanted, 0) // POSIX::_exit(126);
}

# The mark by which everything that a command starts is known, and its limits.
sub child_limits {
  my ($config, $tag) = @_;
  my $mark = pack "QQ", TAG_BASE + $tag, TAG_BASE + $tag;
  call("prlimit64", 0, RLIMIT_RTTIME, $mark, 0, @mark_key) // POSIX::_exit(126);
  limit(RLIMIT_RTPRIO, 0, 0);
  limit(RLIMIT_CORE, 0, 0);
  limit(RLIMIT_NPROC, $config->{pids}, $config->{pids});
  limit(RLIMIT_NOFILE, $config->{files} < 1024 ? $config->{files} : 1024, $config->{files});
  limit(RLIMIT_MEMLOCK, 8 << 20, 8 << 20);
  limit(RLIMIT_MSGQUEUE, 1 << 16, 1 << 16);
  limit(RLIMIT_SIGPENDING, 4096, 4096);
  my $data = $config->{memory} * 2 + (256 << 20);
  limit(RLIMIT_DATA, $data, $data);
}

# ---- seccomp ----

my @refused = qw(
  unshare setns mount umount2 pivot_root chroot mount_setattr open_tree_attr add_key request_key keyctl bpf perf_event_open userfaultfd
  ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise open_by_handle_at name_to_handle_at fanotify_init quotactl
  quotactl_fd lookup_dcookie kexec_load kexec_file_load init_module finit_module delete_module reboot swapon swapoff acct syslog vhangup
  sethostname setdomainname settimeofday clock_settime clock_adjtime adjtimex memfd_secret msgget iopl ioperm modify_ldt
);
my @missing = qw(clone3 memfd_create io_setup ipc socketcall);

use constant { LOAD => 0x20, RETURN => 0x06, EQUAL => 0x15, AT_LEAST => 0x35, MORE => 0x25, BITS => 0x45, AND => 0x54, ALLOW => 0x7fff0000 };

my @code;
sub rule { push @code, [@_] } # code, value, skipped when true, skipped when false
sub load_at { rule(LOAD, $_[0], 0, 0) }
sub low { 16 + 8 * $_[0] + ($is_s390 ? 4 : 0) }
sub high { 16 + 8 * $_[0] + ($is_s390 ? 0 : 4) }
sub allow { rule(RETURN, ALLOW, 0, 0) }
sub refuse { rule(RETURN, 0x00050000 | $_[0], 0, 0) }
# A block that is entered with the number loaded, when the call is this one; it must end with an answer.
sub when_call {
  my ($name, $block) = @_;
  return unless defined $N{$name};
  my $at = @code;
  rule(EQUAL, $N{$name}, 0, 0);
  $block->();
  $code[$at][3] = @code - $at - 1;
}
sub refuse_bits {
  my ($name, $argument, $mask, $error) = @_;
  when_call($name, sub { load_at(low($argument)); rule(BITS, $mask, 0, 1); refuse($error); allow() });
}
sub refuse_value {
  my ($name, $argument, $value) = @_;
  when_call($name, sub { load_at(low($argument)); rule(EQUAL, $value, 0, 1); refuse(EPERM); allow() });
}
# Goes on when the argument is this 64-bit value, else skips `otherwise` rules more.
sub is_value {
  my ($argument, $value, $otherwise) = @_;
  load_at(low($argument));
  rule(EQUAL, $value & 0xffffffff, 0, $otherwise + 2);
  load_at(high($argument));
  rule(EQUAL, $value >> 32 & 0xffffffff, 0, $otherwise);
}
# Answers by whether the loaded value is one of these.
sub one_of {
  my ($values, $yes, $no) = @_;
  for my $i (0 .. $#$values) { rule(EQUAL, $values->[$i], $#$values - $i + 1, 0) }
  $no->();
  $yes->();
}

sub seccomp_install {
  my $random = "\0" x 16;
  (call("getrandom", $random, 16, 0) // 0) == 16 or return undef;
  @mark_key = map { $_ >> 1 } unpack "QQ", $random;
  @code = ();
  load_at(4);
  rule(EQUAL, $audit_architecture, 1, 0);
  refuse(ENOSYS);
  load_at(0);
  if ($is_x86) { rule(AT_LEAST, 0x40000000, 0, 1); refuse(ENOSYS) }
  for (@refused) { when_call($_, sub { refuse(EPERM) }) }
  rule(AT_LEAST, 425, 0, 2); # io_uring
  rule(MORE, 427, 1, 0);
  refuse(EPERM);
  rule(AT_LEAST, 428, 0, 2); # open_tree … fspick
  rule(MORE, 433, 1, 0);
  refuse(EPERM);
  for (@missing) { when_call($_, sub { refuse(ENOSYS) }) }
  refuse_value($_, 0, 1) for qw(sched_setscheduler sched_setparam sched_setattr sched_setaffinity);
  refuse_value("setrlimit", 0, RLIMIT_RTTIME);
  when_call("prlimit64", sub { # none for pid 1, no new mark without the key; asking is free
    is_value(2, 0, 1);
    allow();
    load_at(low(0));
    rule(EQUAL, 1, 0, 1);
    refuse(EPERM);
    load_at(low(1));
    rule(EQUAL, RLIMIT_RTTIME, 1, 0);
    allow();
    is_value(4, $mark_key[0], 5);
    is_value(5, $mark_key[1], 1);
    allow();
    refuse(EPERM);
  });
  when_call("setpriority", sub {
    load_at(low(0));
    rule(EQUAL, 2, 2, 0); # PRIO_USER
    load_at(low(1));
    rule(EQUAL, 1, 0, 1);
    refuse(EPERM);
    allow();
  });
  when_call("semget", sub { load_at(low(1)); rule(MORE, 32, 0, 1); refuse(ENOSPC); allow() });
  refuse_bits("shmget", 2, 04000, ENOMEM);
  refuse_bits("mmap", 3, 0x40000, ENOMEM);
  refuse_bits("clone", $is_s390 ? 1 : 0, 0x7e020000, EPERM); # every CLONE_NEW…
  for (["mknodat", 2], ["mknod", 1]) {
    my ($name, $mode) = @$_;
    when_call($name, sub {
      load_at(low($mode));
      rule(AND, 0170000, 0, 0);
      one_of([0020000, 0060000], sub { refuse(EPERM) }, sub { allow() });
    });
  }
  when_call("ioctl", sub { load_at(low(1)); one_of([@TTY{qw(push discipline linux)}], sub { refuse(EPERM) }, sub { allow() }) });
  when_call("socket", sub { # unix, routing information, and IP with the protocols that need no kernel module
    load_at(low(0));
    rule(EQUAL, 1, 17, 0);
    rule(EQUAL, 2, 5, 0);
    rule(EQUAL, 10, 4, 0);
    rule(EQUAL, 16, 1, 0);
    refuse(EAFNOSUPPORT);
    load_at(low(2));
    rule(EQUAL, 0, 11, 10);
    load_at(low(1));
    rule(AND, 0xf, 0, 0);
    rule(AT_LEAST, 1, 0, 7);
    rule(MORE, 3, 6, 0);
    load_at(low(2));
    rule(EQUAL, 0, 5, 0);
    rule(EQUAL, 1, 4, 0);
    rule(EQUAL, 6, 3, 0);
    rule(EQUAL, 17, 2, 0);
    rule(EQUAL, 58, 1, 0);
    refuse(EPROTONOSUPPORT);
    allow();
  });
  when_call("socketpair", sub { load_at(low(0)); rule(EQUAL, 1, 1, 0); refuse(EAFNOSUPPORT); allow() });
  allow();
  my $filter = join "", map { pack "SCCL", @$_[0, 2, 3, 1] } @code;
  my $program = pack("Sx6", scalar @code) . pack("p", $filter);
  return call("seccomp", 1, 0, $program);
}

1;
