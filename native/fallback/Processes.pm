# Looking at, stopping and killing what runs inside, and the memory watch, as in native/src/processes.c: a process belongs to
# the command whose number it carries as its RLIMIT_RTTIME.
package Lachesis;
use strict;
use warnings;
use POSIX ();

our $is_s390;

my $page = POSIX::sysconf(POSIX::_SC_PAGESIZE());

sub pids {
  opendir my $directory, "/proc" or return;
  my @pids = grep { /^\d+$/ && $_ > 1 } readdir $directory;
  closedir $directory;
  return @pids;
}

sub state_in {
  my $text = slurp($_[0], 512) // return "";
  return $text =~ /.*\) (\S)/s && $1 ne "Z" && $1 ne "X" ? $1 : "";
}

# A process whose first thread has ended looks dead and lives on in its other threads. Gives its state and where in /proc it
# is seen; () when all threads are dead.
sub living {
  my ($pid) = @_;
  my $state = state_in("/proc/$pid/stat");
  return ($state, "/proc/$pid") if $state;
  opendir my $tasks, "/proc/$pid/task" or return;
  my @threads = grep { /^\d+$/ } readdir $tasks;
  closedir $tasks;
  for my $thread (@threads) {
    $state = state_in("/proc/$pid/task/$thread/stat");
    return ($state, "/proc/$pid/task/$thread") if $state;
  }
  return;
}

sub tag_of {
  my $text = slurp("/proc/$_[0]/limits", 4096) // return 0;
  my ($value) = $text =~ /^Max realtime timeout\s+(\d+)/m or return 0;
  return $value >= TAG_BASE && $value < TAG_BASE + 0xffffffff ? $value - TAG_BASE : 0;
}

# One pass over the processes whose tag is chosen; gives how many still lived.
sub tags_kill {
  my ($chosen) = @_;
  my $count = 0;
  for my $pid (pids()) {
    next unless $chosen->(tag_of($pid)) && living($pid);
    kill "KILL", $pid;
    $count++;
  }
  return $count;
}

sub tree_kill {
  my ($tag) = @_;
  return $tag == 0 ? 0 : tags_kill(sub { $_[0] == $tag });
}

# ---- stopping everything, for a snapshot ----

my %frozen;

sub processes_freeze {
  for (1 .. 200) {
    my $moving = 0;
    for my $pid (pids()) {
      my ($state) = living($pid) or next;
      next if $state eq "T" || $state eq "t";
      $moving++;
      $frozen{$pid} = 1 if !$frozen{$pid} && kill "STOP", $pid;
    }
    return 1 if $moving == 0;
    select undef, undef, undef, 0.001;
  }
  processes_thaw();
  return 0; # something sits in the kernel and can't be stopped now
}

sub processes_thaw {
  kill "CONT", $_ for keys %frozen;
  %frozen = ();
}

# ---- memory ----

my %seen; # shared anonymous memory, in one look at all processes

# Shared anonymous mappings: all that was mapped counts, once for all that share it.
sub shared_mappings {
  my ($where, $other) = @_;
  my $text = slurp("$where/maps", 4 << 20) // return 0;
  return $other if length $text >= 4 << 20;
  my $sum = 0;
  while ($text =~ m{^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ (\d+)\s+/dev/zero \(deleted\)$}mg) {
    my ($extent, $inode) = (hex($3) + hex($2) - hex($1), $4);
    my $more = $extent - ($seen{$inode} // 0);
    next if $more <= 0;
    $seen{$inode} = $extent;
    $sum += $more;
  }
  return $sum;
}

sub usage_now {
  my ($mappings, $pss) = @_;
  my %usage = (sum => 0, hidden => 0, largest => 0, pid => 0, count => 0);
  %seen = ();
  for my $pid (pids()) {
    my (undef, $where) = living($pid) or next;
    my ($size, $resident, $shared, undef, undef, $data) = split / /, slurp("$where/statm", 200) // next;
    next if !defined $data || $resident < $shared;
    my $bytes = ($resident - $shared) * $page;
    my $hidden = $size > $data ? ($size - $data) * $page : 0;
    if ($pss) { $bytes = $1 << 10 if (slurp("$where/smaps_rollup", 4096) // "") =~ /^Pss_Anon:\s+(\d+)/m }
    $bytes += shared_mappings($where, $hidden) if $mappings;
    $usage{hidden} += $hidden;
    $usage{count}++;
    $usage{sum} += $bytes;
    @usage{qw(largest pid)} = ($bytes, $pid) if $bytes >= $usage{largest};
  }
  return \%usage;
}

# System V segments live outside the tmpfs. When they alone are too much they are removed.
sub shared_segments {
  my ($drop) = @_;
  my $sum = 0;
  for my $line (split /\n/, slurp("/proc/sysvipc/shm", 1 << 20) // "") {
    my @field = split " ", $line;
    next unless @field >= 16 && $field[1] =~ /^\d+$/;
    $sum += $field[14] + $field[15];
    shmctl $field[1], 0, 0 if $drop;
  }
  return $sum;
}

sub files_bytes {
  my ($store) = @_;
  my $buffer = "\0" x 256;
  call("fstatfs", $store->{root}, $buffer) // return 0;
  my ($size, $blocks, $free) = $is_s390 ? unpack "x4LQQ", $buffer : unpack "x8QQQ", $buffer;
  return ($blocks - $free) * $size;
}

# Kills the largest process while the total is above the limit. Gives ms until the next look, the victim's tag or 0, and how
# many processes there are.
sub memory_watch {
  my ($config, $store) = @_;
  my ($files, $segments) = (files_bytes($store), shared_segments(0));
  my $floor = $config->{memory} >> 2; # whatever files take, a fair part is left to processes
  my $fixed = $files + $segments;
  my $budget = $fixed + $floor > $config->{memory} ? $floor : $config->{memory} - $fixed;
  my $usage = usage_now(0, 0);
  my $count = $usage->{count};
  $usage = usage_now(1, 0) if $usage->{sum} + $usage->{hidden} > $budget;
  if ($usage->{sum} > $budget) {
    $usage = usage_now(1, 1);
    shared_segments(1) if $segments > $config->{memory} >> 1;
    if ($usage->{sum} > $budget && $usage->{pid} > 1) {
      my $tag = tag_of($usage->{pid});
      kill "KILL", $usage->{pid};
      return (2, $tag, $count);
    }
  } elsif ($segments > $config->{memory}) {
    shared_segments(1);
  }
  my $wait = int(($budget - ($usage->{sum} < $budget ? $usage->{sum} : $budget)) / (4 << 20));
  return ($wait < 10 ? 10 : $wait > 200 ? 200 : $wait, 0, $count);
}

1;
