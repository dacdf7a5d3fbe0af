# File operations of pid 1, as in native/src/files.c: paths resolve in the sandbox's own root, only regular files are opened,
# and neither pid 1's own /proc directory nor what its descriptors lead to can be reached.
package Lachesis;
use strict;
use warnings;
use Errno qw(EINTR EAGAIN ENOENT EEXIST ELOOP EISDIR EINVAL ENXIO EACCES ENAMETOOLONG EIO ENOTDIR);
use Fcntl ();
use POSIX ();

sub O_NOFOLLOW { Fcntl::O_NOFOLLOW() }
sub O_DIRECTORY { Fcntl::O_DIRECTORY() }

# Follows symlinks, but none of /proc's that lead to open files.
sub path_open {
  my ($at, $path, $flags) = @_;
  my $how = pack "QQQ", $flags | O_CLOEXEC, 0, 2;
  for (;;) {
    my $fd = call("openat2", $at, "$path", $how, 24);
    return $fd if defined $fd || $! != EINTR && $! != EAGAIN;
  }
}

sub path_denied {
  my ($fd) = @_;
  my $path = readlink "/proc/self/fd/$fd";
  return $!+0 unless defined $path;
  return $path =~ m{^/proc/1(/|$)} ? EACCES : 0;
}

# An errno, or 0 and the answer's payload.
sub file_stat {
  my ($path, $follow) = @_;
  my $fd = path_open(AT_FDCWD, $path, O_PATH | ($follow ? 0 : O_NOFOLLOW()));
  return $!+0 unless defined $fd;
  my $st = fd_stat($fd);
  my $error = $!+0;
  POSIX::close($fd);
  return $error unless $st;
  my $kind = $st->{kind} == IS_FILE ? "F" : $st->{kind} == IS_DIRECTORY ? "D" : $st->{kind} == IS_LINK ? "L" : "O";
  return (0, pack "aQ<Vq<", $kind, $st->{size}, $st->{mode} & 07777, $st->{mtime});
}

sub file_open_read {
  my ($path) = @_;
  my $fd = path_open(AT_FDCWD, $path, POSIX::O_RDONLY() | POSIX::O_NONBLOCK() | POSIX::O_NOCTTY());
  return $! == ENXIO ? EINVAL : $!+0 unless defined $fd;
  my $st = fd_stat($fd);
  my $error = !$st ? $!+0 : $st->{kind} == IS_DIRECTORY ? EISDIR : $st->{kind} != IS_FILE ? EINVAL : path_denied($fd);
  return (0, $fd) unless $error;
  POSIX::close($fd);
  return $error;
}

# The directory that holds the last part of the path, made if that is asked for, and that part. () with $!.
sub parent_open {
  my ($path, $make) = @_;
  $path =~ s{(?<=.)/+\z}{}s;
  if ($path eq "") { $! = ENOENT; return }
  if (length $path >= 4096) { $! = ENAMETOOLONG; return }
  my ($above, $name) = $path =~ m{^(.*/)?([^/]*)\z}s;
  if (length $name >= 256) { $! = ENAMETOOLONG; return }
  $name = "." if $name eq "";
  my $at = path_open(AT_FDCWD, $above // ".", O_PATH | O_DIRECTORY());
  return ($at, $name) if defined $at;
  return if $! != ENOENT || !$make;
  $at = path_open(AT_FDCWD, $path =~ m{^/} ? "/" : ".", O_PATH | O_DIRECTORY());
  for my $part (grep { length } split m{/}, $above // "") {
    return unless defined $at;
    my $error = defined call("mkdirat", $at, "$part", 0755) || $! == EEXIST ? 0 : $!+0;
    my $next = path_open($at, $part, O_PATH | O_DIRECTORY());
    $error ||= $!+0;
    POSIX::close($at);
    $at = $next;
    $! = $error unless defined $at;
  }
  return defined $at ? ($at, $name) : ();
}

# The path that a write reaches when the last part is followed through symlinks, dangling ones too. undef with $!.
sub follow_last {
  my ($current) = @_;
  for (1 .. 40) {
    my $link = readlink $current;
    return $current unless defined $link;
    my ($above) = $current =~ m{^(.*)/}s;
    $current = $link =~ m{^/} || !defined $above ? $link : "$above/$link";
  }
  $! = ELOOP;
  return undef;
}

# Starts to replace a file's content; an errno or 0. The new content takes the file's place at the end.
sub writer_open {
  my ($w, $path, $mode, $parents) = @_;
  return EISDIR if $path =~ m{/\z} || $path eq "";
  $w->{mode} = $mode & 07777;
  my $target = follow_last($path) // return $!+0;
  my ($at, $name) = parent_open($target, $parents);
  return $!+0 unless defined $at;
  @$w{qw(directory name)} = ($at, $name);
  my $st = stat_at($at, $name, 0x100);
  if ($st) {
    return EISDIR if $st->{kind} == IS_DIRECTORY;
    return EINVAL if $st->{kind} != IS_FILE;
    $w->{mode} = $st->{mode} & 07777;
    call("faccessat", $at, $name, 2) // return $!+0;
  } elsif ($! != ENOENT) {
    return $!+0;
  }
  my $random = "\0" x 8;
  (call("getrandom", $random, 8, 0) // 0) == 8 or return EIO;
  my $temporary = ".lachesis-" . unpack "H*", $random;
  my $fd = call("openat", $at, $temporary, POSIX::O_WRONLY() | POSIX::O_CREAT() | POSIX::O_EXCL() | O_CLOEXEC, 0600) // return $!+0;
  @$w{qw(fd temporary)} = ($fd, $temporary);
  if ($st && $st->{uid} != $>) { defined call("fchown", $fd, $st->{uid}, $st->{gid}) or $! == EPERM or $! == EINVAL or return $!+0 }
  return 0;
}

sub writer_commit {
  my ($w) = @_;
  call("fchmod", $w->{fd}, $w->{mode}) // return $!+0;
  call("renameat2", $w->{directory}, $w->{temporary}, $w->{directory}, $w->{name}, 0) // return $!+0;
  delete $w->{temporary};
  return 0;
}

sub writer_abort {
  my ($w) = @_;
  POSIX::close($w->{fd}) if defined $w->{fd};
  call("unlinkat", $w->{directory}, $w->{temporary}, 0) if defined $w->{temporary};
  POSIX::close($w->{directory}) if defined $w->{directory};
}

1;
