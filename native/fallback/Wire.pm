# Frames to and from the host (u32 length, u32 id, u8 type, payload; little endian), requests, and descriptors by number.
# Everything is bytes. What arrives is checked against the bytes that are there.
package Lachesis;
use strict;
use warnings;
use Errno qw(EINTR EAGAIN);
use POSIX ();

use constant { FRAME_MAX => 1 << 20, WINDOW => 1 << 20, OUTPUT_HIGH => 1 << 18, CHUNK => 65536 };
use constant { EXEC_PTY => 1, EXEC_MERGE => 2, EXEC_STDIN => 4, EXEC_PACK => 8, EXEC_UNPACK => 16, EXEC_LAYER => 32, EXEC_QUIET => 64 };
use constant { O_CLOEXEC => 02000000, O_PATH => 010000000, AT_FDCWD => -100, AT_EMPTY_PATH => 0x1000 };
use constant { TAG_BASE => 1 << 40 };

our $out = ""; # for the host

# A system call by name; undef with $! when it failed. Numbers are passed as they are, strings as pointers, which Perl
# refuses for constants: those are copied.
sub call {
  my $name = shift;
  die "no system call $name" unless defined $Lachesis::N{$name};
  for my $i (0 .. $#_) {
    next unless Internals::SvREADONLY($_[$i]);
    my $copy = $_[$i];
    splice @_, $i, 1, $copy;
  }
  my $result = syscall($Lachesis::N{$name}, @_);
  return $result == -1 ? undef : $result;
}

sub out_frame {
  my ($type, $id, $payload) = @_;
  $out .= pack("VVa", length $payload, $id, $type) . $payload;
}

sub out_number { out_frame($_[0], $_[1], pack("V", $_[2])) }

sub out_error {
  my ($id, $error, $what) = @_;
  out_frame("N", $id, pack("V", $error) . substr($what, 0, 256));
}

# False when the host does not take more now.
sub out_flush {
  while (length $out) {
    my $n = POSIX::write(1, $out, length $out > 1 << 18 ? 1 << 18 : length $out);
    if (!defined $n) {
      next if $! == EINTR;
      return 0 if $! == EAGAIN;
      POSIX::_exit(0); # the host is gone
    }
    substr($out, 0, $n, "");
  }
  return 1;
}

sub room { length $out < OUTPUT_HIGH }

# Tells the host why there is no sandbox, and ends. While it is made, descriptor 1 waits; so nothing is lost.
sub fail {
  my ($text) = @_;
  out_frame("!", 0, substr($text, 0, 1000));
  out_flush();
  POSIX::_exit(2);
}

sub bad_frame {
  my ($text) = @_;
  out_frame("!", 0, $text);
  out_flush();
  POSIX::_exit(3);
}

# The next frame in $$in as [type, id, payload]; undef when more bytes are needed.
sub frame_next {
  my ($in) = @_;
  return undef if length $$in < 9;
  my ($length, $id, $type) = unpack "VVa", $$in;
  bad_frame("a frame is too long") if $length > FRAME_MAX;
  return undef if length $$in < 9 + $length;
  my $payload = substr($$in, 9, $length);
  substr($$in, 0, 9 + $length, "");
  return [$type, $id, $payload];
}

# A text without NUL that fits in a path; undef otherwise.
sub text_of {
  my ($bytes) = @_;
  return length $bytes == 0 || length $bytes >= 4096 || index($bytes, "\0") >= 0 ? undef : $bytes;
}

sub exec_request {
  my ($payload) = @_;
  return undef if length $payload < 25 || substr($payload, -1) ne "\0";
  my %r;
  @r{qw(flags timeout max rows columns argc envc)} = unpack "VVQ<vvvv", $payload;
  return undef if $r{argc} == 0;
  my @texts = split /\0/, substr($payload, 24), -1;
  pop @texts; # behind the last NUL
  return undef if @texts != 1 + $r{argc} + $r{envc};
  $r{cwd} = shift @texts;
  $r{argv} = [splice @texts, 0, $r{argc}];
  $r{env} = \@texts;
  return \%r;
}

sub fd_close { POSIX::close($_[0]) if $_[0] >= 0 }

sub fd_nonblock { call("fcntl", $_[0], 4, POSIX::O_NONBLOCK()) }

sub fd_cloexec { call("fcntl", $_[0], 2, 1) }

# Both ends of a pipe, neither of which a program inherits.
sub pipe_pair {
  my @ends = POSIX::pipe() or return;
  fd_cloexec($_) for @ends;
  return @ends;
}

# Waits for descriptors: [fd, events], …; gives the events that came, in order. A time in ms, or -1.
sub wait_for {
  my ($watched, $ms) = @_;
  my $list = join "", map { pack "iss", $_->[0], $_->[1], 0 } @$watched;
  my $time = $ms < 0 ? 0 : pack "qq", int($ms / 1000), ($ms % 1000) * 1000000;
  my $n = call("ppoll", $list, scalar @$watched, $time, 0, 8);
  if (!defined $n) {
    POSIX::_exit(4) if $! != EINTR;
    return map { 0 } @$watched;
  }
  return map { (unpack "iss", substr($list, $_ * 8, 8))[2] } 0 .. $#$watched;
}

# All of a small file, up to $max bytes; undef when it can't be read.
sub slurp {
  my ($path, $max) = @_;
  my $fd = POSIX::open($path, POSIX::O_RDONLY() | O_CLOEXEC);
  return undef unless defined $fd;
  my $text = "";
  my $n;
  while (length $text < $max && ($n = POSIX::read($fd, my $piece, $max - length $text))) {
    last if $n == 0;
    $text .= $piece;
  }
  POSIX::close($fd);
  return defined $n ? $text : undef;
}

sub spit {
  my ($path, $text, $flags) = @_;
  my $fd = POSIX::open($path, POSIX::O_WRONLY() | O_CLOEXEC | ($flags // 0), 0644);
  my $n = defined $fd ? POSIX::write($fd, $text, length $text) : undef;
  my $error = $!;
  POSIX::close($fd) if defined $fd;
  $! = $error;
  return defined $n && $n == length $text;
}

# What statx says: mode, size, uid, gid, mtime in ms, inode, device. undef with $!. Flags: 0x100 for symlinks themselves.
sub stat_at {
  my ($at, $name, $flags) = @_;
  my $buffer = "\0" x 256;
  defined call("statx", $at, $name, $flags, 0x7ff, $buffer) or return undef;
  my %st;
  @st{qw(uid gid mode ino size)} = unpack "x20LLSx2QQ", $buffer;
  my ($seconds, $nanoseconds) = unpack "x112qL", $buffer;
  $st{mtime} = $seconds * 1000 + int($nanoseconds / 1000000);
  ($st{major}, $st{minor}) = unpack "x128LL", $buffer;
  $st{kind} = $st{mode} & 0170000;
  return \%st;
}

sub fd_stat { stat_at($_[0], "", AT_EMPTY_PATH) }

use constant { IS_FILE => 0100000, IS_DIRECTORY => 0040000, IS_LINK => 0120000, IS_CHARACTER => 0020000 };

# The names in an open directory, without . and ..
sub names_in {
  my ($fd) = @_;
  my @names;
  for (;;) {
    my $buffer = "\0" x 32768;
    my $n = call("getdents64", $fd, $buffer, length $buffer);
    return undef unless defined $n;
    last if $n == 0;
    for (my $at = 0; $at < $n;) {
      my $length = unpack "S", substr($buffer, $at + 16, 2);
      my $name = unpack "Z*", substr($buffer, $at + 19, $length - 19);
      push @names, $name if $name ne "." && $name ne "..";
      $at += $length;
    }
  }
  return \@names;
}

sub link_at {
  my ($at, $name) = @_;
  my $buffer = "\0" x 4096;
  my $n = call("readlinkat", $at, $name, $buffer, 4095);
  return defined $n ? substr($buffer, 0, $n) : undef;
}

sub now_ms {
  my $time = "\0" x 16;
  call("clock_gettime", 1, $time);
  my ($seconds, $nanoseconds) = unpack "qq", $time;
  return $seconds * 1000 + int($nanoseconds / 1000000);
}

1;
