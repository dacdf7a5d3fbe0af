#!/usr/bin/perl
# The sandbox helper without a binary, for architectures that have none and machines that may not execute it: the same
# protocol, view, limits and seccomp rules as native/src, in the Perl that every Debian has. Slower, nothing less closed.
# This file is the launcher, as native/src/main.c.
package Lachesis;
use strict;
use warnings;
use Errno qw(EINTR EPERM EROFS);
use Fcntl ();
use POSIX ();
use Socket ();

my $here;
BEGIN { ($here) = __FILE__ =~ m{^(.*)/}s; $here //= "." }
BEGIN { require "$here/$_.pm" for qw(Numbers Wire Privileges View Files Archive Processes Serve) }
use Carp ();
@INC = (); # nothing is loaded any more: inside, the files belong to the sandbox

use constant { RANGE_START => 200000, RANGE_LENGTH => 65536 };
use constant { NEWNS => 0x20000, NEWCGROUP => 0x02000000, NEWUTS => 0x04000000, NEWIPC => 0x08000000, NEWUSER => 0x10000000,
  NEWPID => 0x20000000, NEWNET => 0x40000000, FILES => 0x400, SIGCHLD => 17 };

our (%N, $supported, $machine_name, $is_s390);

sub read_exactly {
  my ($length) = @_;
  my $bytes = "";
  while (length $bytes < $length) {
    my $n = POSIX::read(0, my $piece, $length - length $bytes);
    if (!defined $n) { next if $! == EINTR; fail("read the configuration: $!") }
    POSIX::_exit(0) if $n == 0;
    $bytes .= $piece;
  }
  return $bytes;
}

# The first frame: NUL-terminated key=value texts. Unknown keys are errors, as in native/src/config.c.
sub read_config {
  my ($length, $type) = (unpack "VVa", read_exactly(9))[0, 2];
  fail("the first frame is not a configuration") if $type ne "C" || $length > FRAME_MAX;
  my $text = read_exactly($length);
  fail("configuration: the last text has no end") if $text !~ /\0\z/;
  my %c = (
    memory => 2048 << 20, disk => 1024 << 20, pids => 512, files => 4096, inner_id => 1000, workdir => "/workspace", home => "/home/agent",
    hostname => "sandbox", view => "host", network => "none", resolver => undef, map { $_ => [] } qw(lower readonly sockets blocked),
  );
  my %numbers = (memory => [0, 1 << 50], disk => [0, 1 << 50], pids => [1, 1000000], files => [16, 1000000], uid => [0, 65534]);
  my %words = (view => qr/^(host|rootfs|layer)\z/, network => qr/^(none|user|host)\z/, hostname => qr/^.{0,64}\z/s, resolver => qr/^.*\z/s);
  my %lists = (lower => "lower", readonly => "readonly", socket => "sockets", block => "blocked");
  for my $pair (split /\0/, substr($text, 0, -1), -1) {
    my ($key, $value) = $pair =~ /^([^=]*)=(.*)\z/s or fail("configuration: " . substr $pair, 0, 200);
    my $good;
    if (my $range = $numbers{$key}) {
      $good = $value =~ /^\d{1,16}\z/ && $value >= $range->[0] && $value <= $range->[1];
      $c{$key eq "uid" ? "inner_id" : $key} = $value + 0 if $good;
    } elsif ($words{$key}) {
      $good = $value =~ $words{$key};
      $c{$key} = $value;
    } elsif ($lists{$key}) {
      $good = @{$c{$lists{$key}}} < 128 && ($key eq "block" ? $value ne "" : $value =~ m{^/}) && ($key ne "socket" || length $value <= 100);
      push @{$c{$lists{$key}}}, $value;
    } elsif ($key =~ /^(rootfs|layer|workdir|home)\z/) {
      $good = $value =~ m{^/};
      $c{$key} = $value;
    }
    fail("configuration: " . substr $pair, 0, 200) unless $good;
  }
  fail("configuration: a view of a root file system needs rootfs=DIR") if $c{view} eq "rootfs" && !defined $c{rootfs};
  fail("configuration: a layer needs layer=DIR") if $c{view} eq "layer" && !defined $c{layer};
  fail("configuration: the limits are too small") if $c{memory} < 16 << 20 || $c{disk} < 1 << 20;
  return \%c;
}

sub write_text {
  my ($path, $text) = @_;
  spit($path, $text) or fail("write $path: $!");
}

# Whether real root's unused range of ids can be given away here, and whether this is real root at all.
sub id_range {
  my ($range, $real) = (0, 0);
  for (split /\n/, slurp("/proc/self/uid_map", 4096) // fail("open /proc/self/uid_map: $!")) {
    my ($inside, $outside, $length) = split " ";
    $range = 1 if $inside <= RANGE_START && $length >= RANGE_START - $inside + RANGE_LENGTH;
    $real = 1 if $inside == 0 && $outside == 0 && $length == 0xffffffff;
  }
  return ($range, $real);
}

sub map_ids {
  my ($child, $range, $inner) = @_;
  write_text("/proc/$child/setgroups", "deny") unless $range;
  write_text("/proc/$child/uid_map", $range ? "0 " . RANGE_START . " " . RANGE_LENGTH : "$inner " . ($> + 0) . " 1");
  my ($gid) = split / /, $);
  write_text("/proc/$child/gid_map", $range ? "0 " . RANGE_START . " " . RANGE_LENGTH : "$inner $gid 1");
}

# Real root opens what the child, which is nobody on the host, may not be able to reach.
sub open_sources {
  my ($config, $child, $sources) = @_;
  my $open = sub { tree_open($_[0]) // fail("open $_[0]: $!") };
  if (defined $config->{rootfs}) {
    my $namespace = POSIX::open("/proc/$child/ns/user", POSIX::O_RDONLY() | O_CLOEXEC) // fail("open the user namespace: $!");
    $sources->{rootfs} = $open->($config->{rootfs});
    tree_shift($sources->{rootfs}, $namespace);
    POSIX::close($namespace);
  }
  $sources->{layer} = $open->($config->{layer}) if defined $config->{layer};
  $sources->{$_} = [map { $open->($_) } @{$config->{$_}}] for qw(lower readonly);
}

# The descriptors as a message to the child, and back.
sub sources_text {
  my ($s) = @_;
  my @lists = map { $s->{$_} // [] } qw(lower readonly namespaces);
  return pack "l*", $s->{rootfs} // -1, $s->{layer} // -1, $s->{death}, map { (scalar @$_, @$_) } @lists;
}

sub sources_of {
  my @n = unpack "l*", $_[0];
  my %s;
  for (qw(rootfs layer death)) { my $n = shift @n; $s{$_} = $n if $n >= 0 }
  for (qw(lower readonly namespaces)) { my $count = shift @n; $s{$_} = [splice @n, 0, $count] }
  return \%s;
}

# Numbers that the kernel counts for the host's user as a whole; and a second wall against nested namespaces.
sub own_share {
  my %shares = (max_user_namespaces => 0, max_inotify_instances => 16, max_inotify_watches => 16384);
  for (sort keys %shares) {
    next if spit("/proc/sys/user/$_", "$shares{$_}") || $! == EPERM || $! == EROFS || $! == POSIX::ENOENT() || $! == POSIX::EACCES();
    fail("set $_: $!");
  }
}

sub inside {
  my ($config, $parent_end, $own_end, $range) = @_;
  prctl(1, 9) // fail("death with the parent: $!");
  # Should the launcher have been killed before that, the end of the input is what tells.
  my ($told) = wait_for([[$own_end, 1], [0, 0x2000]], -1);
  my $n = $told & 1 ? POSIX::read($own_end, my $text, 65536) : undef;
  POSIX::_exit(0) if !$n || $n == 0; # the launcher failed and said so, or is gone
  my $sources = sources_of($text);
  defined call("unshare", FILES) && defined POSIX::write($own_end, "x", 1) or fail("own descriptors: $!");
  POSIX::close($_) for $parent_end, $own_end, $sources->{death}, @{$sources->{namespaces}};
  POSIX::setsid();
  $0 = "lachesis-sandbox"; # where the program lies on the host is shown to nobody inside
  write_text("/proc/self/oom_score_adj", "300");
  own_share();
  my $id = $config->{inner_id};
  $range and (call("setgroups", 0, 0) // fail("leave the groups: $!"));
  prctl(8, 1) // fail("keep the capabilities: $!");
  defined call("setresgid", $id, $id, $id) && defined call("setresuid", $id, $id, $id) or fail("take the inner id $id: $!");
  prctl(1, 9) // fail("death with the parent: $!"); # a change of ids clears it
  my %store;
  view_enter($config, $sources, \%store);
  network_up($config) if $config->{view} ne "layer";
  privileges_drop($config);
  serve_with($config, \%store);
  forwards_listen() or fail("listen on a forwarded socket: $!");
  if ($config->{view} ne "layer") { seccomp_install() // fail("seccomp: $!") } # a layer's whiteouts are device nodes
  out_frame("Y", 0, "");
  out_flush();
  serve();
}

sub launch {
  my $parent = getppid;
  $SIG{PIPE} = "IGNORE";
  fail("no system call numbers for $machine_name; a C compiler would make a helper") unless $supported;
  call("close_range", 3, 0xffffffff, 0) // fail("close inherited descriptors (Linux 5.14 or newer is needed): $!");
  prctl(1, 9) // fail("death with the parent: $!");
  POSIX::_exit(0) if getppid != $parent;
  POSIX::setsid();
  my $config = read_config();
  my ($range, $real) = $> == 0 ? id_range() : (0, 0);
  fail("real root without an unused range of ids") if $> == 0 && !$range && $real;
  # A channel whose messages stay whole.
  socketpair my $a, my $b, 1, 5, 0 or fail("socket pair: $!");
  my @channel = (fileno $a, fileno $b);
  my $flags = NEWUSER | NEWNS | NEWPID | NEWIPC | NEWUTS | NEWCGROUP | FILES | SIGCHLD;
  $flags |= NEWNET if $config->{network} ne "host";
  my $child = call("clone", $is_s390 ? (0, $flags) : ($flags, 0), 0, 0, 0) // fail("make the namespaces: $!");
  inside($config, @channel, $range) if $child == 0;
  map_ids($child, $range, $config->{inner_id});
  my %sources;
  open_sources($config, $child, \%sources) if $range;
  # A user-mode network attaches from outside, by the launcher's descriptors 0 (user) and 1 (network).
  if ($config->{network} eq "user") {
    $sources{namespaces} = [map { POSIX::open("/proc/$child/ns/$_", POSIX::O_RDONLY() | O_CLOEXEC) // fail("open a namespace: $!") } qw(user net)];
  }
  # The table of descriptors is shared until the child has its own, so its end has to be watched for.
  $sources{death} = call("pidfd_open", $child, 0) // fail("watch pid 1: $!");
  out_number("H", 0, $child);
  out_flush();
  my $text = sources_text(\%sources);
  defined POSIX::write($channel[0], $text, length $text) or fail("start pid 1: $!");
  my ($answer) = wait_for([[$channel[0], 1], [$sources{death}, 1]], -1);
  if ($answer & 1 && POSIX::read($channel[0], my $taken, 1)) {
    my @namespaces = @{$sources{namespaces} // []};
    POSIX::dup2($namespaces[$_], $_) for 0 .. $#namespaces;
    call("close_range", scalar @namespaces, 0xffffffff, 0);
  }
  my $waited;
  do { $waited = waitpid $child, 0 } while $waited < 0 && $! == EINTR;
  POSIX::_exit($waited == $child && ($? & 127) == 0 ? $? >> 8 : 1);
}

binmode $_ for *STDIN, *STDOUT, *STDERR;
eval { launch(); 1 } or fail($@ =~ s/\n\z//r);
