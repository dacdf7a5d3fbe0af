# pid 1, as in native/src/serve.c: one loop over the host's frames, the commands' output and input, forwarded sockets,
# time-outs and the memory watch. It never waits for a command and never blocks on the host.
package Lachesis;
use strict;
use warnings;
use Errno qw(EINTR EAGAIN EINVAL EBADF EBUSY ECHILD);
use POSIX ();

our ($out, %TTY);

use constant { FORWARDS_MAX => 512, DRAIN_MS => 50, FIRST_OWN_ID => 0x80000000 };
use constant { TIMED_OUT => 1, TRUNCATED => 2, MEMORY => 4, SIGNALLED => 8 };
use constant { IN => 1, OUT => 4, ERR => 8, HUP => 16 };

my ($config, $store, %commands, %readers, %writers, %forwards, @listeners, $signals);
my ($idle, $memory_due, $frozen, $next_forward) = (1, 0, 0, FIRST_OWN_ID);

# ---- commands ----

sub child_say {
  my ($name, $error) = @_;
  local $! = $error;
  my $text = "$name: " . ($error == POSIX::ENOENT() ? "command not found" : "$!") . "\n";
  POSIX::write(2, $text, length $text);
  POSIX::_exit($error == POSIX::ENOENT() ? 127 : 126);
}

sub child_run {
  my ($r, $id, $in, $out_fd, $err, $directory, $terminal) = @_;
  POSIX::setsid();
  if ($terminal >= 0) {
    call("ioctl", $terminal, $TTY{control}, 0) // POSIX::_exit(126);
    $in = $out_fd = $err = $terminal;
  }
  defined POSIX::dup2($in, 0) && defined POSIX::dup2($out_fd, 1) && defined POSIX::dup2($err, 2) or POSIX::_exit(126);
  POSIX::sigprocmask(POSIX::SIG_SETMASK(), POSIX::SigSet->new);
  $SIG{PIPE} = "DEFAULT";
  child_limits($config, $id);
  if ($r->{flags} & (EXEC_PACK | EXEC_UNPACK)) { # our own code
    my $layer = $r->{flags} & EXEC_LAYER;
    POSIX::_exit($r->{flags} & EXEC_PACK ? archive_pack($r->{argv}[0], $layer ? $store : undef) : archive_unpack($r->{argv}[0], $layer));
  }
  call("fchdir", $directory) // child_say($r->{cwd}, $!+0);
  %ENV = ();
  for (@{$r->{env}}) { $ENV{$1} = $2 if /^([^=]*)=(.*)\z/s }
  call("close_range", 3, 0xffffffff, 4); # on exec
  no warnings "exec";
  exec {$r->{argv}[0]} @{$r->{argv}};
  child_say($r->{argv}[0], $!+0);
}

# Both sides of a new pseudo-terminal; () with $!.
sub open_terminal {
  my ($r) = @_;
  my $master = POSIX::open("/dev/ptmx", POSIX::O_RDWR() | POSIX::O_NOCTTY() | POSIX::O_NONBLOCK() | O_CLOEXEC) // return;
  my ($unlock, $number) = (pack("i", 0), pack("i", 0));
  my $size = pack "SSSS", $r->{rows} || 24, $r->{columns} || 80, 0, 0;
  if (defined call("ioctl", $master, $TTY{unlock}, $unlock) && defined call("ioctl", $master, $TTY{number}, $number) && defined call("ioctl", $master, $TTY{size}, $size)) {
    my $slave = POSIX::open("/dev/pts/" . unpack("i", $number), POSIX::O_RDWR() | POSIX::O_NOCTTY() | O_CLOEXEC);
    return ($master, $slave) if defined $slave;
  }
  my $error = $!;
  POSIX::close($master);
  $! = $error;
  return;
}

sub command_start {
  my ($id, $r) = @_;
  my ($in_read, $in, $out_fd, $out_write, $err, $err_write, $slave, $master, $directory) = (-1) x 9;
  my $builtin = $r->{flags} & (EXEC_PACK | EXEC_UNPACK);
  bad_frame("a layer runs no commands") if !$builtin && $config->{view} eq "layer";
  my $failed = eval {
    if (!$builtin) { $directory = path_open(AT_FDCWD, $r->{cwd}, POSIX::O_RDONLY() | O_DIRECTORY()) // return $r->{cwd} }
    if ($r->{flags} & EXEC_PTY) {
      ($master, $slave) = open_terminal($r) or do { $master = $slave = -1; return "pseudo-terminal" };
      return "";
    }
    if ($r->{flags} & EXEC_STDIN) { ($in_read, $in) = pipe_pair() or do { $in_read = $in = -1; return "pipe" } }
    else { $in_read = POSIX::open("/dev/null", POSIX::O_RDONLY() | O_CLOEXEC) // -1; return "pipe" if $in_read < 0 && $config->{view} ne "layer" }
    ($out_fd, $out_write) = pipe_pair() or do { $out_fd = $out_write = -1; return "pipe" };
    if (!($r->{flags} & EXEC_MERGE)) { ($err, $err_write) = pipe_pair() or do { $err = $err_write = -1; return "pipe" } }
    return "";
  };
  my $error = $!+0;
  my $pid;
  if ($failed eq "") {
    $pid = fork;
    if (!defined $pid) { ($failed, $error) = ("fork", $!+0) }
    elsif ($pid == 0) {
      eval { child_run($r, $id, $in_read, $out_write, $err_write >= 0 ? $err_write : $out_write, $directory, $slave) };
      POSIX::_exit(126);
    }
  }
  if ($failed ne "") {
    out_error($id, $error, $failed);
    fd_close($_) for $in_read, $in, $out_fd, $out_write, $err, $err_write, $slave, $master, $directory;
    return;
  }
  fd_close($_) for $in_read, $out_write, $err_write, $slave, $directory;
  my $c = $commands{$id} = {
    id => $id, pid => $pid, builtin => $builtin, pty => $master >= 0, out => [$master >= 0 ? $master : $out_fd, $err], max => $r->{max}, sent => [0, 0],
    in => $master >= 0 ? POSIX::dup($master) + 0 : $in, input => "", input_ended => 0, flags => 0, deadline => $r->{timeout} ? now_ms() + $r->{timeout} : 0,
    ended => 0, status => 0, killing => 0, give_up => 0, reported => 0, drain_until => 0, quiet_until => 0, wide => [0, 0],
  };
  fd_cloexec($c->{in}) if $c->{pty};
  for (@{$c->{out}}, $c->{in}) { fd_nonblock($_) if $_ >= 0 }
  $memory_due = $idle ? now_ms() + 10 : 0;
  $idle = 0;
  out_number("P", $id, $pid) unless $r->{flags} & EXEC_QUIET;
}

sub command_kill {
  my ($c) = @_;
  kill "KILL", $c->{pid} unless $c->{ended}; # its mark may not be set yet
  $c->{give_up} = now_ms() + 10000 unless $c->{killing};
  $c->{killing} = 1;
}

sub command_close_input {
  my ($c) = @_;
  fd_close($c->{in});
  $c->{in} = -1;
}

sub command_report {
  my ($c) = @_;
  my $signal = $c->{status} & 127;
  out_frame("T", $c->{id}, pack "VV", $signal || $c->{status} >> 8, $c->{flags} | ($signal ? SIGNALLED : 0));
  $c->{reported} = 1;
  command_close_input($c);
  $c->{input} = "";
}

# Takes output that nobody wants: the command must not wait for it.
sub command_discard {
  my ($c, $stream) = @_;
  my $fd = $c->{out}[$stream];
  for my $round (1 .. 8) {
    my $n = POSIX::read($fd, my $piece, 1 << 20);
    return if !defined $n && ($! == EAGAIN || $! == EINTR);
    if (!$n || $n == 0) { POSIX::close($fd); $c->{out}[$stream] = -1; return }
    $c->{flags} |= TRUNCATED unless $c->{reported};
    if (!$c->{wide}[$stream]) { $c->{wide}[$stream] = 1; call("fcntl", $fd, 1031, 1 << 20) } # fewer turns
  }
}

sub command_output {
  my ($c, $stream) = @_;
  my $fd = $c->{out}[$stream];
  return if $fd < 0;
  return command_discard($c, $stream) if $c->{reported} || $c->{sent}[$stream] >= $c->{max};
  my $n = POSIX::read($fd, my $piece, CHUNK);
  return if !defined $n && ($! == EAGAIN || $! == EINTR);
  if (!$n || $n == 0) {
    if ($c->{pty} && !$c->{ended}) { $c->{quiet_until} = now_ms() + 50; return } # nobody has it open now; closing would hang it up
    POSIX::close($fd);
    $c->{out}[$stream] = -1;
    return;
  }
  my $left = $c->{max} - $c->{sent}[$stream];
  if ($n > $left) { $piece = substr($piece, 0, $left); $c->{flags} |= TRUNCATED }
  $c->{sent}[$stream] += length $piece;
  out_frame($stream ? "2" : "1", $c->{id}, $piece) if length $piece;
}

sub command_input {
  my ($c) = @_;
  while (length $c->{input} && $c->{in} >= 0) {
    my $n = POSIX::write($c->{in}, $c->{input}, length $c->{input});
    if (!defined $n) {
      next if $! == EINTR;
      return if $! == EAGAIN;
      $n = length $c->{input}; # the command does not read any more: take the rest, so that the host can go on
      command_close_input($c);
    }
    substr($c->{input}, 0, $n, "");
    out_number("A", $c->{id}, $n + 0);
  }
  return if !$c->{input_ended} || $c->{in} < 0;
  return if $c->{pty} && !defined POSIX::write($c->{in}, "\004", 1) && $! == EAGAIN;
  command_close_input($c);
}

sub commands_reap {
  while (POSIX::read($signals, my $info, 128)) { last if $info eq "" }
  for (;;) {
    my $bytes = pack "i", 0; # not waitpid: $? says nothing of those that were stopped
    my $pid = call("wait4", -1, $bytes, 1 | 2, 0); # WNOHANG, WUNTRACED
    return if !$pid;
    my $status = unpack "i", $bytes;
    for my $c (values %commands) {
      next if $c->{ended} || $c->{pid} != $pid;
      if (($status & 0xff) == 0x7f) { # a command has stopped a transfer, for which the host would wait for ever
        kill "CONT", $pid if $c->{builtin} && !$frozen;
        next;
      }
      @$c{qw(ended status drain_until)} = (1, $status, now_ms() + DRAIN_MS);
    }
  }
}

# Moves every command on; gives the time until one of them needs to be looked at again, or -1.
sub commands_step {
  my $now = now_ms();
  my $due;
  my $sooner = sub { $due = $_[0] if !defined $due || $_[0] < $due };
  for my $c (values %commands) {
    if ($c->{deadline} && !$c->{ended} && !$c->{killing}) {
      if ($now >= $c->{deadline}) { $c->{flags} |= TIMED_OUT; command_kill($c) } else { $sooner->($c->{deadline}) }
    }
    $c->{quiet_until} = 0 if $c->{quiet_until} && ($c->{ended} || $now >= $c->{quiet_until});
    $sooner->($c->{quiet_until}) if $c->{quiet_until};
    if ($c->{killing} && !$c->{reported}) {
      if (tree_kill($c->{id}) > 0 && $now < $c->{give_up}) { $sooner->($now + 1); next }
      $c->{killing} = $c->{ended} ? 0 : 1;
      if ($c->{killing}) { $sooner->($now + 1) } else { $c->{drain_until} = $now }
    }
    my ($first, $second) = @{$c->{out}};
    if ($c->{ended} && !$c->{reported} && !$c->{killing}) {
      if ($first < 0 && $second < 0) { command_report($c) }
      elsif ($now >= $c->{drain_until} && room()) { # what a dead command wrote is in the pipes already
        my @events = wait_for([[$first, IN], [$second, IN]], 0);
        if (!grep({ $_ } @events) || $now >= $c->{drain_until} + 2000) { command_report($c) } else { $sooner->($now + 1) }
      } else { $sooner->($c->{drain_until}) if $c->{drain_until} > $now }
    }
    if ($c->{reported} && $c->{out}[0] < 0 && $c->{out}[1] < 0) {
      command_close_input($c);
      delete $commands{$c->{id}};
    }
  }
  return !defined $due ? -1 : $due <= $now ? 0 : $due - $now > 60000 ? 60000 : $due - $now;
}

sub memory_step {
  my $now = now_ms();
  if (!%commands) {
    my $info = "\0" x 128;
    $idle = 1 if !defined call("waitid", 0, 0, $info, 4 | 1 | 0x01000000, 0) && $! == ECHILD;
  }
  return -1 if $idle;
  return $memory_due - $now if $now < $memory_due;
  my ($wait, $tag, $count) = memory_watch($config, $store);
  $commands{$tag}{flags} |= MEMORY if $tag && $commands{$tag};
  $memory_due = now_ms() + $wait;
  if ($count + 8 >= $config->{pids}) { # what ended commands left behind must not keep the next one from starting
    for (1 .. 32) { last unless tags_kill(sub { $_[0] && !($commands{$_[0]} && !$commands{$_[0]}{reported}) }) }
  }
  if ($count > $config->{pids} * 2) { # several users inside, each with the limit of its own
    command_kill($_) for grep { !$_->{reported} } values %commands;
  }
  return $wait;
}

# ---- files ----

sub readers_step {
  for my $id (keys %readers) {
    my $r = $readers{$id};
    while ($r->{left} > 0 && room()) {
      my $want = $r->{left} < CHUNK ? $r->{left} : CHUNK;
      my $piece = "\0" x $want;
      my $n = call("pread64", $r->{fd}, $piece, $want, $r->{offset});
      if (!defined $n) { out_error($id, $!+0, "read"); last }
      $r->{left} = 0, last if $n == 0;
      out_frame("d", $id, substr($piece, 0, $n));
      $r->{left} -= $n;
      $r->{offset} += $n;
      $r->{more} = $r->{left} > 0;
    }
    next if $r->{left} > 0 && $r->{more} && !room();
    out_frame("o", $id, "") if $r->{left} <= 0;
    POSIX::close($r->{fd});
    delete $readers{$id};
  }
  return scalar %readers;
}

sub read_start {
  my ($id, $payload) = @_;
  my $path = length $payload > 16 ? text_of(substr $payload, 16) : undef;
  return out_error($id, EINVAL, "read") unless defined $path;
  my ($offset, $count) = unpack "Q<Q<", $payload;
  my ($error, $fd) = file_open_read($path);
  if (!$error && $offset >> 63) { $error = EINVAL; POSIX::close($fd) }
  return out_error($id, $error, "read") if $error;
  $readers{$id} = {fd => $fd, offset => $offset, left => $count > 1 << 62 ? 1 << 62 : $count, more => 1};
}

sub write_start {
  my ($id, $payload) = @_;
  my $path = length $payload > 5 ? text_of(substr $payload, 5) : undef;
  my $w = {};
  my ($mode, $parents) = length $payload > 5 ? unpack "VC", $payload : (0, 0);
  $w->{error} = defined $path ? writer_open($w, $path, $mode, $parents) : EINVAL;
  writer_abort($writers{$id}) if $writers{$id};
  $writers{$id} = $w;
}

sub write_data {
  my ($id, $piece) = @_;
  my $w = $writers{$id} or return; # aborted before
  while (!$w->{error} && length $piece) {
    my $n = POSIX::write($w->{fd}, $piece, length $piece);
    if (!defined $n) { next if $! == EINTR; $w->{error} = $!+0; last }
    substr($piece, 0, $n, "");
  }
}

sub write_finish {
  my ($id, $commit) = @_;
  my $w = delete $writers{$id};
  if (!$w) { out_error($id, EBADF, "write") if $commit; return }
  $w->{error} = writer_commit($w) if $commit && !$w->{error};
  writer_abort($w); # closes; removes the temporary file unless it was renamed
  return unless $commit;
  if ($w->{error}) { out_error($id, $w->{error}, "write") } else { out_frame("o", $id, "") }
}

# ---- forwarded sockets ----

sub forwards_listen {
  for my $path (@{$config->{sockets}}) {
    make_parents($path) or return 0;
    unlink $path or $! == POSIX::ENOENT() or return 0;
    my $address = pack "Sa*x", 1, $path;
    my $fd = call("socket", 1, 1 | O_CLOEXEC | POSIX::O_NONBLOCK(), 0) // return 0;
    defined call("bind", $fd, $address, length $address) && defined call("listen", $fd, 64) && chmod(0666, $path) or return 0;
    push @listeners, $fd;
  }
  return 1;
}

sub forward_accept {
  my ($index) = @_;
  my $fd = call("accept4", $listeners[$index], 0, 0, O_CLOEXEC | POSIX::O_NONBLOCK()) // return;
  my $id = $next_forward++;
  $next_forward = FIRST_OWN_ID if $next_forward > 0xffffffff;
  $forwards{$id} = {id => $id, fd => $fd, output => "", unacknowledged => 0, ended_in => 0, ended_out => 0};
  out_number("n", $id, $index);
}

sub forward_read {
  my ($f) = @_;
  my $n = POSIX::read($f->{fd}, my $piece, CHUNK);
  return if !defined $n && ($! == EAGAIN || $! == EINTR);
  if (!$n || $n == 0) {
    $f->{ended_in} = 1;
    $f->{ended_out} = 1 unless defined $n;
    out_frame(defined $n ? "y" : "z", $f->{id}, "");
    return;
  }
  out_frame("x", $f->{id}, $piece);
  $f->{unacknowledged} += $n;
}

sub forward_write {
  my ($f) = @_;
  while (length $f->{output}) {
    my $n = POSIX::write($f->{fd}, $f->{output}, length $f->{output});
    if (!defined $n) {
      next if $! == EINTR;
      return if $! == EAGAIN;
      $n = length $f->{output};
      $f->{ended_in} = $f->{ended_out} = 1;
      out_frame("z", $f->{id}, "");
    }
    substr($f->{output}, 0, $n, "");
    out_number("q", $f->{id}, $n + 0);
  }
  call("shutdown", $f->{fd}, 1) if $f->{ended_out};
}

sub forwards_sweep {
  for my $f (values %forwards) {
    next if !$f->{ended_in} || !$f->{ended_out} || length $f->{output};
    POSIX::close($f->{fd});
    delete $forwards{$f->{id}};
  }
}

sub forward_frame {
  my ($type, $id, $payload) = @_;
  my $f = $forwards{$id} or return; # closed on this side already
  if ($type eq "x") {
    bad_frame("a socket's window was exceeded") if length($f->{output}) + length($payload) > WINDOW;
    $f->{output} .= $payload;
    forward_write($f);
  } elsif ($type eq "y") {
    $f->{ended_out} = 1;
    forward_write($f);
  } elsif ($type eq "q" && length $payload == 4) {
    my $n = unpack "V", $payload;
    $f->{unacknowledged} -= $n < $f->{unacknowledged} ? $n : $f->{unacknowledged};
  } else {
    $f->{ended_in} = $f->{ended_out} = 1;
    $f->{output} = "";
  }
}

# ---- the host's frames ----

sub on_frame {
  my ($type, $id, $payload) = @_;
  my $c = $commands{$id};
  if ($type eq "E") {
    bad_frame("an exec has an id that is in use or out of range") if $id == 0 || $id >= FIRST_OWN_ID || $c;
    command_start($id, exec_request($payload) // bad_frame("an exec request is malformed"));
  } elsif ($type eq "I" || $type eq "D") {
    return unless $c;
    if ($type eq "D") { $c->{input_ended} = 1 }
    elsif (length($c->{input}) + length($payload) > WINDOW) { bad_frame("a command's input window was exceeded") }
    elsif ($c->{in} < 0) { out_number("A", $id, length $payload) }
    else { $c->{input} .= $payload }
    command_input($c);
  } elsif ($type eq "K") {
    return command_kill($c) if $c && !$c->{reported};
    # The command itself ended before; what it left running is known by its mark.
    for (1 .. 500) { last unless tree_kill($id); select undef, undef, undef, 0.001 }
  } elsif ($type eq "Z") {
    return if !$c || !$c->{pty} || $c->{in} < 0 || length $payload != 4;
    my $size = pack "SSSS", unpack("vv", $payload), 0, 0;
    call("ioctl", $c->{in}, $TTY{size}, $size);
  } elsif ($type eq "S") {
    my $path = length $payload > 1 ? text_of(substr $payload, 1) : undef;
    my ($error, $answer) = defined $path ? file_stat($path, ord $payload) : EINVAL;
    if ($error) { out_error($id, $error, "stat") } else { out_frame("s", $id, $answer) }
  } elsif ($type eq "R") { read_start($id, $payload) }
  elsif ($type eq "W") { write_start($id, $payload) }
  elsif ($type eq "w") { write_data($id, $payload) }
  elsif ($type eq "e") { write_finish($id, 1) }
  elsif ($type eq "a") { write_finish($id, 0) }
  elsif ($type eq "F") {
    $frozen = processes_freeze();
    if ($frozen) { out_frame("o", $id, "") } else { out_error($id, EBUSY, "freeze") }
  } elsif ($type eq "f") { $frozen = 0; processes_thaw(); out_frame("o", $id, "") }
  elsif ($type eq "p") { out_frame("o", $id, "") }
  elsif ($type =~ /^[xyzq]$/) { forward_frame($type, $id, $payload) }
  else { bad_frame("a frame has an unknown type") }
}

sub sooner { $_[0] < 0 ? $_[1] : $_[1] < 0 ? $_[0] : $_[0] < $_[1] ? $_[0] : $_[1] }

sub serve_with { ($config, $store) = @_ }

sub serve {
  my $in = "";
  my $child = POSIX::SigSet->new(POSIX::SIGCHLD());
  POSIX::sigprocmask(POSIX::SIG_BLOCK(), $child) or fail("block a signal: $!");
  my $mask = pack "Q", 1 << (POSIX::SIGCHLD() - 1);
  $signals = call("signalfd4", -1, $mask, 8, O_CLOEXEC | POSIX::O_NONBLOCK()) // fail("signalfd: $!");
  fd_nonblock($_) for 0, 1;
  for (;;) {
    my $wait = sooner(commands_step(), memory_step());
    forwards_sweep();
    readers_step();
    out_flush();
    $wait = 0 if %readers && room();

    my $readable = room();
    my @watched = ([0, IN], [1, length $out ? OUT : 0], [$signals, IN]);
    my @turns;
    my $accepting = $readable && keys %forwards < FORWARDS_MAX && length $out < OUTPUT_HIGH / 2;
    for my $i (0 .. $#listeners) {
      push @watched, [$listeners[$i], $accepting ? IN : 0];
      push @turns, sub { forward_accept($i) if $_[0] & IN };
    }
    for my $c (values %commands) {
      for my $stream (0, 1) {
        push @watched, [($readable || $c->{reported}) && !($stream == 0 && $c->{quiet_until}) ? $c->{out}[$stream] : -1, IN];
        push @turns, sub { command_output($c, $stream) };
      }
      push @watched, [length $c->{input} ? $c->{in} : -1, OUT];
      push @turns, sub { command_input($c) };
    }
    for my $f (values %forwards) {
      my $events = (!$f->{ended_in} && $readable && $f->{unacknowledged} < WINDOW / 4 ? IN : 0) | (length $f->{output} ? OUT : 0);
      push @watched, [$events ? $f->{fd} : -1, $events];
      push @turns, sub {
        forward_read($f) if $events & IN && $_[0] & (IN | HUP | ERR);
        forward_write($f) if $_[0] & (OUT | ERR);
      };
    }
    my @events = wait_for(\@watched, $wait);
    for my $i (0 .. $#turns) { $turns[$i]->($events[$i + 3]) if $events[$i + 3] }
    commands_reap() if $events[2];
    next unless $events[0];
    my $n = POSIX::read(0, my $piece, CHUNK * 4);
    next if !defined $n && ($! == EAGAIN || $! == EINTR);
    POSIX::_exit(0) if !$n || $n == 0; # the host closed or is gone: the end of the sandbox
    $in .= $piece;
    while (my $frame = frame_next(\$in)) { on_frame(@$frame) }
  }
}

1;
