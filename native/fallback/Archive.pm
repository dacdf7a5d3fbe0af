# Trees in and out, as a stream of entries on a child's stdin or stdout; the format stands in native/src/archive.c. Packing
# follows no symlink and opens regular files only; unpacking never leaves its root and gives no set-id bits.
package Lachesis;
use strict;
use warnings;
use Errno qw(EINTR EEXIST EACCES ENXIO ELOOP ENAMETOOLONG EPIPE EFBIG ENOTDIR EISDIR EINVAL);
use POSIX ();

use constant { HOLE => 0x80000000, DEPTH_MAX => 256, OPAQUE => "user.overlay.opaque" };

my $pending = "";
my ($layer, $overlay) = (0, 0);

sub quit {
  my ($what, $path, $error) = @_;
  local $! = $error;
  my $text = $error + 0 . " $what $path: $!\n";
  POSIX::write(2, $text, length $text);
  POSIX::_exit(1);
}

# ---- packing ----

sub emit {
  $pending .= $_[0];
  return if length $pending < ($_[1] // CHUNK);
  while (length $pending) {
    my $n = POSIX::write(1, $pending, length $pending);
    if (!defined $n) { next if $! == EINTR; POSIX::_exit(1) }
    substr($pending, 0, $n, "");
  }
}

sub emit_entry {
  my ($type, $st, $path, $link, $opaque, $size) = @_;
  emit(pack("aVq<VVCQ<vv", $type, $st ? $st->{mode} & 07777 : 0, $st ? $st->{mtime} : 0, $st ? $st->{uid} : 0, $st ? $st->{gid} : 0,
    $opaque, $size, length $path, length $link) . $path . $link);
}

sub emit_skipped {
  my ($path, $error) = @_;
  quit("keep", $path, $error) if $layer; # a snapshot is whole or none
  emit_entry("S", undef, $path, "", 0, $error + 0);
}

sub emit_content {
  my ($fd, $size) = @_;
  my $at = 0;
  while ($at < $size) {
    my $data = POSIX::lseek($fd, $at, 3); # SEEK_DATA
    $data = defined $data ? $data + 0 : $! == ENXIO ? $size : $at;
    $data = $size if $data > $size;
    if ($data > $at) { emit(pack "VQ<", HOLE, $data - $at); $at = $data; next }
    my $hole = POSIX::lseek($fd, $at, 4); # SEEK_HOLE
    $hole = !defined $hole || $hole <= $at || $hole > $size ? $size : $hole + 0;
    while ($at < $hole) {
      my $want = $hole - $at < CHUNK * 2 ? $hole - $at : CHUNK * 2;
      my $buffer = "\0" x $want;
      my $n = call("pread64", $fd, $buffer, $want, $at);
      if (!$n) { $size = $at; last } # it became shorter: what was there is what is sent
      emit(pack("V", $n) . substr($buffer, 0, $n));
      $at += $n;
    }
  }
  emit(pack "V", 0);
}

# Opens what its owner has shut even to itself, and gives the mode back.
sub open_shut {
  my ($parent, $name, $flags, $st) = @_;
  my $fd = call("openat", $parent, $name, $flags, 0);
  return $fd if defined $fd || $! != EACCES;
  my $mode = $st->{mode} & 07777;
  call("fchmodat", $parent, $name, $mode | ($st->{kind} == IS_DIRECTORY ? 0700 : 0400)) // return undef;
  $fd = call("openat", $parent, $name, $flags, 0);
  my $error = $!;
  call("fchmodat", $parent, $name, $mode);
  $! = $error;
  return $fd;
}

sub pack_directory {
  my ($fd, $st, $path, $depth) = @_;
  my $names = names_in($fd);
  if (!$names) { emit_skipped($path, $!); POSIX::close($fd); return }
  my $opaque = "\0";
  my $is_opaque = $overlay && (call("fgetxattr", $fd, OPAQUE, $opaque, 1) // 0) == 1 && $opaque eq "y";
  emit_entry("D", $st, $path, "", $is_opaque ? 1 : 0, 0);
  for my $name (@$names) {
    next if $layer && $depth == 0 && ($name eq "proc" || $name eq "dev"); # every sandbox makes these anew
    if (length($path) + length($name) + 2 > 4096) { emit_skipped($path, ENAMETOOLONG); next }
    pack_entry($fd, $name, length $path ? "$path/$name" : "$name", $depth + 1);
  }
  POSIX::close($fd);
}

sub pack_entry {
  my ($parent, $name, $path, $depth) = @_;
  my $st = stat_at($parent, $name, 0x100) or return emit_skipped($path, $!);
  if ($st->{kind} == IS_LINK) {
    my $link = link_at($parent, $name) // return emit_skipped($path, $!);
    emit_entry("L", $st, $path, $link, 0, 0);
  } elsif ($overlay && $st->{kind} == IS_CHARACTER && $st->{major} == 0 && $st->{minor} == 0) {
    emit_entry("W", $st, $path, "", 0, 0);
  } elsif ($st->{kind} == IS_FILE || $st->{kind} == IS_DIRECTORY) {
    my $directory = $st->{kind} == IS_DIRECTORY;
    return emit_skipped($path, ELOOP) if $directory && $depth >= DEPTH_MAX;
    my $flags = POSIX::O_RDONLY() | O_NOFOLLOW() | POSIX::O_NONBLOCK() | O_CLOEXEC | ($directory ? O_DIRECTORY() : 0);
    my $fd = open_shut($parent, $name, $flags, $st) // return emit_skipped($path, $!);
    return pack_directory($fd, $st, $path, $depth) if $directory;
    my $now = fd_stat($fd);
    if ($now && $now->{kind} == IS_FILE) {
      emit_entry("F", $now, $path, "", 0, $now->{size});
      emit_content($fd, $now->{size});
    } else {
      emit_skipped($path, EINVAL);
    }
    POSIX::close($fd);
  } elsif (!$layer) { # fifos, sockets, devices: of no use outside; a snapshot drops them
    emit_skipped($path, EINVAL);
  }
}

sub archive_pack {
  my ($path, $store) = @_;
  my $fd;
  if ($store) {
    ($layer, $overlay) = (1, $store->{overlay});
    $fd = call("openat", $store->{directory}, ".", POSIX::O_RDONLY() | O_DIRECTORY() | O_CLOEXEC, 0);
  } else {
    $fd = path_open(AT_FDCWD, $path, POSIX::O_RDONLY() | POSIX::O_NONBLOCK() | POSIX::O_NOCTTY());
  }
  my $st = defined $fd ? fd_stat($fd) : undef;
  quit("open", $path, $! == ENXIO ? EINVAL : $!) unless $st;
  my $denied = $store ? 0 : path_denied($fd);
  quit("open", $path, $denied) if $denied;
  if ($st->{kind} == IS_DIRECTORY) { pack_directory($fd, $st, "", 0) }
  elsif ($st->{kind} == IS_FILE) { emit_entry("F", $st, "", "", 0, $st->{size}); emit_content($fd, $st->{size}) }
  else { quit("open", $path, EINVAL) }
  emit_entry("E", undef, "", "", 0, 0);
  emit("", 0);
  return 0;
}

# ---- unpacking ----

my $arrived = "";

sub take {
  my ($length) = @_;
  while (length $arrived < $length) {
    my $n = POSIX::read(0, my $piece, CHUNK * 2);
    next if !defined $n && $! == EINTR;
    quit("read", "the archive", defined $n ? EPIPE : $!) if !$n || $n == 0;
    $arrived .= $piece;
  }
  return substr($arrived, 0, $length, "");
}

# The directory that holds the last part of an entry's path, made if it is missing, and that part.
sub walk {
  my ($root, $path) = @_;
  my @parts = split m{/}, $path, -1;
  quit("unpack", $path, EINVAL) if grep { $_ eq "" || $_ eq "." || $_ eq ".." } @parts;
  my $name = pop @parts;
  my $at = POSIX::dup($root) // quit("unpack", $path, $!);
  $at += 0;
  for my $part (@parts) {
    defined call("mkdirat", $at, "$part", 0755) or $! == EEXIST or quit("make", $path, $!);
    my $next = call("openat", $at, "$part", POSIX::O_RDONLY() | O_DIRECTORY() | O_NOFOLLOW() | O_CLOEXEC, 0) // quit("enter", $path, $!);
    POSIX::close($at);
    $at = $next;
  }
  return ($at, "$name");
}

sub set_time {
  my ($at, $name, $ms, $flags) = @_;
  my $seconds = POSIX::floor($ms / 1000);
  my $times = pack("qq", $seconds, ($ms - $seconds * 1000) * 1000000) x 2;
  call("utimensat", $at, $name, $times, $flags); # a date that the file system can't hold is no reason to fail
}

sub unpack_content {
  my ($fd, $path) = @_;
  my $at = 0;
  for (;;) {
    my $length = unpack "V", take(4);
    last if $length == 0;
    if ($length & HOLE) {
      my $hole = unpack "Q<", take(8);
      quit("write", $path, EFBIG) if $hole > (1 << 62) - $at;
      $at += $hole;
      next;
    }
    while ($length > 0) {
      my $piece = take($length < CHUNK * 2 ? $length : CHUNK * 2);
      $length -= length $piece;
      while (length $piece) {
        my $n = call("pwrite64", $fd, $piece, length $piece, $at);
        if (!defined $n) { next if $! == EINTR; quit("write", $path, $!) }
        substr($piece, 0, $n, "");
        $at += $n;
      }
    }
  }
  call("ftruncate", $fd, $at) // quit("write", $path, $!);
}

# A change of owner that the sandbox may not make is left out.
sub own {
  my ($done, $path) = @_;
  defined $done or $! == EPERM or $! == EINVAL or quit("own", $path, $!);
}

sub is_own { my ($e) = @_; my ($gid) = split / /, $); $e->{uid} == $> && $e->{gid} == $gid }

sub unpack_file {
  my ($at, $name, $path, $e, $keep_owner) = @_;
  my $flags = POSIX::O_WRONLY() | POSIX::O_CREAT() | O_NOFOLLOW() | POSIX::O_NONBLOCK() | POSIX::O_NOCTTY() | O_CLOEXEC;
  my $fd = call("openat", $at, $name, $flags | POSIX::O_TRUNC(), 0600);
  my $error = $!+0;
  my $st = defined $fd ? fd_stat($fd) : undef;
  if (!$st || $st->{kind} != IS_FILE) { # a link, a fifo, a running program: make room
    POSIX::close($fd) if defined $fd;
    call("unlinkat", $at, $name, 0) // quit("replace", $path, $error);
    $fd = call("openat", $at, $name, $flags | POSIX::O_EXCL(), 0600) // quit("make", $path, $!);
  }
  unpack_content($fd, $path);
  own(call("fchown", $fd, $e->{uid}, $e->{gid}), $path) if $keep_owner && !is_own($e);
  call("fchmod", $fd, $e->{mode} & 0777) // quit("mode of", $path, $!);
  set_time($fd, 0, $e->{mtime}, 0);
  POSIX::close($fd);
}

sub set_opaque {
  my ($fd, $path) = @_;
  call("fsetxattr", $fd, OPAQUE, "y", 1, 0) // quit("hide below", $path, $!);
}

sub archive_unpack {
  my ($target, $as_layer) = @_;
  my ($root, $root_is_file, @late);
  umask 022;
  my ($above, $root_name) = parent_open($target, 1);
  quit("make the parents of", $target, $!) unless defined $above;
  umask 0;
  for (;;) {
    my %e;
    (@e{qw(type mode mtime uid gid opaque size)}, my $path_length, my $link_length) = unpack "aVq<VVCQ<vv", take(34);
    my ($path, $link) = (take($path_length), take($link_length));
    quit("unpack", $path, EINVAL) if index("$path$link", "\0") >= 0;
    last if $e{type} eq "E";
    next if $e{type} eq "S";
    quit("unpack", $path, EINVAL) if $root_is_file;
    if ($path eq "") {
      quit("unpack", $target, EINVAL) if defined $root;
      if ($e{type} eq "F") {
        my $st = stat_at($above, $root_name, 0);
        quit("replace", $target, EISDIR) if $st && $st->{kind} == IS_DIRECTORY;
        unpack_file($above, $root_name, $target, \%e, $as_layer);
        $root_is_file = 1;
        next;
      }
      quit("unpack", $target, EINVAL) if $e{type} ne "D";
      defined call("mkdirat", $above, $root_name, 0755) or $! == EEXIST or quit("make", $target, $!);
      $root = path_open($above, $root_name, POSIX::O_RDONLY() | O_DIRECTORY()) // quit("enter", $target, $!);
      set_opaque($root, $target) if $as_layer && $e{opaque};
      next;
    }
    quit("unpack", $path, EINVAL) unless defined $root;
    my ($at, $name) = walk($root, $path);
    if ($e{type} eq "D") {
      if (!defined call("mkdirat", $at, $name, 0700)) {
        quit("make", $path, $!) if $! != EEXIST;
        my $st = stat_at($at, $name, 0x100) or quit("make", $path, $!);
        quit("make", $path, ENOTDIR) if $st->{kind} != IS_DIRECTORY;
      }
      if ($as_layer && $e{opaque}) {
        my $fd = call("openat", $at, $name, POSIX::O_RDONLY() | O_DIRECTORY() | O_NOFOLLOW() | O_CLOEXEC, 0) // quit("hide below", $path, $!);
        set_opaque($fd, $path);
        POSIX::close($fd);
      }
      push @late, [$path, $e{mode} & 01777, $e{mtime}]; # modes come last: a shut directory still gets its content
    } elsif ($e{type} eq "F") {
      unpack_file($at, $name, $path, \%e, $as_layer);
    } elsif ($e{type} eq "L") {
      defined call("symlinkat", $link, $at, $name)
        or $! == EEXIST && defined call("unlinkat", $at, $name, 0) && defined call("symlinkat", $link, $at, $name)
        or quit("link", $path, $!);
      set_time($at, $name, $e{mtime}, 0x100);
    } elsif ($e{type} eq "W" && $as_layer) {
      call("mknodat", $at, $name, IS_CHARACTER | 0600, 0) // quit("hide", $path, $!);
    } else {
      quit("unpack", $path, EINVAL);
    }
    own(call("fchownat", $at, $name, $e{uid}, $e{gid}, 0x100), $path) if $as_layer && $e{type} =~ /[DL]/ && !is_own(\%e);
    POSIX::close($at);
  }
  for my $directory (reverse @late) { # the deepest first
    my ($path, $mode, $mtime) = @$directory;
    my ($at, $name) = walk($root, $path);
    call("fchmodat", $at, $name, $mode) // quit("mode of", $path, $!);
    set_time($at, $name, $mtime, 0x100);
    POSIX::close($at);
  }
  return 0;
}

1;
