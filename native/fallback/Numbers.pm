# Numbers of system calls and what else differs between architectures. Perl has no headers to ask; an architecture that is
# not listed here gets no sandbox rather than a half-closed one.
package Lachesis;
use strict;
use warnings;
use Config;
use POSIX ();

# x86_64, the generic table (riscv64, loongarch64, aarch64), ppc64le, s390x; undef where a call does not exist.
my %table = (
  clock_gettime => [228, 113, 246, 260], wait4 => [61, 260, 114, 114],
  accept4 => [288, 242, 344, 364], acct => [163, 89, 51, 51], add_key => [248, 217, 269, 278], adjtimex => [159, 171, 124, 124],
  bind => [49, 200, 327, 361], bpf => [321, 280, 361, 351], capset => [126, 91, 184, 185], chroot => [161, 51, 61, 61],
  clock_adjtime => [305, 266, 347, 337], clock_settime => [227, 112, 245, 259], clone => [56, 220, 120, 120],
  delete_module => [176, 106, 129, 129], faccessat => [269, 48, 298, 300], fanotify_init => [300, 262, 323, 332],
  fchdir => [81, 50, 133, 133], fchmod => [91, 52, 94, 94], fchmodat => [268, 53, 297, 299], fchown => [93, 55, 95, 207],
  fchownat => [260, 54, 289, 291], fcntl => [72, 25, 55, 55], fgetxattr => [193, 10, 214, 229], finit_module => [313, 273, 353, 344],
  fsetxattr => [190, 7, 211, 226], fstatfs => [138, 44, 100, 100], ftruncate => [77, 46, 93, 93], getdents64 => [217, 61, 202, 220],
  getrandom => [318, 278, 359, 349], init_module => [175, 105, 128, 128], io_setup => [206, 0, 227, 243], ioctl => [16, 29, 54, 54],
  ioperm => [173, undef, 101, undef], iopl => [172, undef, 110, undef], ipc => [undef, undef, 117, 117], kcmp => [312, 272, 354, 343],
  kexec_file_load => [320, 294, 382, 381], kexec_load => [246, 104, 268, 277], keyctl => [250, 219, 271, 280],
  listen => [50, 201, 329, 363], lookup_dcookie => [212, 18, 235, 110], memfd_create => [319, 279, 360, 350],
  mkdirat => [258, 34, 287, 289], mknod => [133, undef, 14, 14], mknodat => [259, 33, 288, 290], mmap => [9, 222, 90, 90],
  modify_ldt => [154, undef, 123, undef], mount => [165, 40, 21, 21], msgget => [68, 186, 399, 399],
  name_to_handle_at => [303, 264, 345, 335], open_by_handle_at => [304, 265, 346, 336], openat => [257, 56, 286, 288],
  perf_event_open => [298, 241, 319, 331], pivot_root => [155, 41, 203, 217], ppoll => [271, 73, 281, 302], prctl => [157, 167, 171, 172],
  pread64 => [17, 67, 179, 180], prlimit64 => [302, 261, 325, 334], process_vm_readv => [310, 270, 351, 340],
  process_vm_writev => [311, 271, 352, 341], ptrace => [101, 117, 26, 26], pwrite64 => [18, 68, 180, 181], quotactl => [179, 60, 131, 131],
  readlinkat => [267, 78, 296, 298], reboot => [169, 142, 88, 88], renameat2 => [316, 276, 357, 347], request_key => [249, 218, 270, 279],
  sched_setaffinity => [203, 122, 222, 239], sched_setattr => [314, 274, 355, 345], sched_setparam => [142, 118, 154, 154],
  sched_setscheduler => [144, 119, 156, 156], seccomp => [317, 277, 358, 348], semget => [64, 190, 393, 393],
  setdomainname => [171, 162, 121, 121], setgroups => [116, 159, 81, 206], sethostname => [170, 161, 74, 74], setns => [308, 268, 350, 339],
  setpriority => [141, 140, 97, 97], setresgid => [119, 149, 169, 210], setresuid => [117, 147, 164, 208], setrlimit => [160, 164, 75, 75],
  settimeofday => [164, 170, 79, 79], shmget => [29, 194, 395, 395], shutdown => [48, 210, 338, 373], signalfd4 => [289, 74, 313, 322],
  socket => [41, 198, 326, 359], socketcall => [undef, undef, 102, 102], socketpair => [53, 199, 333, 360], statx => [332, 291, 383, 379],
  swapoff => [168, 225, 115, 115], swapon => [167, 224, 87, 87], symlinkat => [266, 36, 295, 297], syslog => [103, 116, 103, 103],
  umount2 => [166, 39, 52, 52], unlinkat => [263, 35, 292, 294], unshare => [272, 97, 282, 303], userfaultfd => [323, 282, 364, 355],
  utimensat => [280, 88, 304, 315], vhangup => [153, 58, 111, 111], waitid => [247, 95, 272, 281],
);
# The same everywhere, since Linux 5.1.
our %N = (
  open_tree => 428, move_mount => 429, fsopen => 430, fsconfig => 431, fsmount => 432, clone3 => 435, close_range => 436, openat2 => 437,
  pidfd_open => 434, pidfd_getfd => 438, process_madvise => 440, mount_setattr => 442, quotactl_fd => 443, memfd_secret => 447, open_tree_attr => 467,
);

my $machine = (POSIX::uname())[4];
my %column = (x86_64 => 0, riscv64 => 1, loongarch64 => 1, aarch64 => 1, ppc64le => 2, s390x => 3);
my %audit = (
  x86_64 => 0xc000003e, riscv64 => 0xc00000f3, loongarch64 => 0xc0000102, aarch64 => 0xc00000b7, ppc64le => 0xc0000015, s390x => 0x80000016,
);
our $supported = exists $column{$machine} && $Config{ptrsize} == 8 && $Config{ivsize} == 8;
our $machine_name = $machine;
our $audit_architecture = $audit{$machine};
our $is_x86 = $machine eq "x86_64";
our $is_s390 = $machine eq "s390x";
if ($supported) {
  for my $name (keys %table) {
    my $number = $table{$name}[$column{$machine}];
    $N{$name} = $number if defined $number;
  }
}

# Terminals: the requests of ppc64 carry sizes.
our %TTY = $machine eq "ppc64le"
  ? (unlock => 0x80045431, number => 0x40045430, size => 0x80087467, control => 0x540e, push => 0x5412, discipline => 0x5423, linux => 0x541c)
  : (unlock => 0x40045431, number => 0x80045430, size => 0x5414, control => 0x540e, push => 0x5412, discipline => 0x5423, linux => 0x541c);

1;
