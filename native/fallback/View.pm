# What a sandbox sees; the same view as native/src/view.c makes, in the same order: sources are opened as detached mounts,
# the root changes, and only then are the places inside made, so that a planted symlink can't lead out.
package Lachesis;
use strict;
use warnings;
use Errno qw(EEXIST);
use POSIX ();

our (%N, $is_s390);

use constant BASE => "/tmp"; # where the tmpfs is put while the view is made
use constant { NOSUID => 2, NODEV => 4, NOEXEC => 8, READONLY => 1 };

my @etc_files = qw(
  ld.so.cache ld.so.conf nsswitch.conf protocols services localtime timezone mime.types magic bash.bashrc profile inputrc shells
  os-release debian_version host.conf gai.conf locale.alias
);
my @etc_directories = qw(
  alternatives ld.so.conf.d ssl/certs ca-certificates pki/tls/certs pki/ca-trust/extracted fonts python3 python3.11 python3.12 python3.13
  perl terminfo vim java-17-openjdk java-21-openjdk
);
my @devices = qw(null zero full random urandom tty);
my @system = map { { name => $_ } } qw(/usr /bin /sbin /lib /lib64 /lib32 /libx32);

sub tree_open { call("open_tree", AT_FDCWD, "$_[0]", 1 | O_CLOEXEC | 0x8000) } # a copy, with what is mounted below

sub tree_protect {
  my ($tree, $attributes) = @_;
  my $attr = pack "QQQQ", $attributes, 0, 0, 0;
  return call("mount_setattr", $tree, "", AT_EMPTY_PATH | 0x8000, $attr, 32);
}

# The owners of a tree shifted into a user namespace; a file system that can't be shifted stays as it is.
sub tree_shift {
  my ($tree, $namespace) = @_;
  my $attr = pack "QQQQ", 0x100000, 0, 0, $namespace;
  call("mount_setattr", $tree, "", AT_EMPTY_PATH, $attr, 32);
}

sub attach {
  my ($tree, $target) = @_;
  call("move_mount", $tree, "", AT_FDCWD, "$target", 4) // fail("mount at $target: $!");
  POSIX::close($tree);
}

sub protected_tree {
  my ($path, $attributes) = @_;
  my $tree = tree_open($path) // fail("open $path: $!");
  tree_protect($tree, $attributes) // fail("protect $path: $!");
  return $tree;
}

sub folder {
  my ($path, $mode) = @_;
  if (mkdir $path, $mode) { chmod $mode, $path or fail("mode of $path: $!") }
  elsif ($! != EEXIST) { fail("make $path: $!") }
}

sub folders {
  my ($path, $mode) = @_;
  make_parents($path) or fail("make the parents of $path: $!");
  folder($path, $mode);
}

sub make_parents {
  my ($path) = @_;
  my $at = "";
  my @parts = grep { length } split m{/}, $path;
  pop @parts;
  for (@parts) {
    $at .= "/$_";
    next if mkdir $at, 0755 or $! == EEXIST;
    my $error = $!;
    next if -d $at;
    $! = $error;
    return 0;
  }
  return 1;
}

sub empty_file {
  my ($path) = @_;
  my $fd = POSIX::open($path, POSIX::O_CREAT() | Fcntl::O_NOFOLLOW() | POSIX::O_NONBLOCK() | O_CLOEXEC, 0644);
  POSIX::close($fd) if defined $fd;
}

sub text_file {
  my ($path, $text) = @_;
  spit($path, $text, POSIX::O_CREAT() | POSIX::O_TRUNC()) or fail("write $path: $!");
}

sub detached {
  my ($type, %options) = @_;
  my $context = call("fsopen", "$type", 1) // fail("file system $type: $!");
  for my $key (sort keys %options) {
    call("fsconfig", $context, 1, "$key", "$options{$key}", 0) // fail("option $key of $type: $!");
  }
  call("fsconfig", $context, 6, 0, 0, 0) // fail("make a $type: $!");
  my $tree = call("fsmount", $context, 1, NOSUID | NOEXEC) // fail("mount a $type: $!");
  POSIX::close($context);
  return $tree;
}

# A world-readable regular file of the host's /etc; what is missing or private is left out.
sub copy_etc {
  my ($name) = @_;
  my $fd = POSIX::open("/etc/$name", POSIX::O_RDONLY() | POSIX::O_NONBLOCK() | O_CLOEXEC) // return;
  my $st = fd_stat($fd);
  if ($st && $st->{kind} == IS_FILE && $st->{mode} & 04 && $st->{size} <= 1 << 20) {
    my $text = "";
    while (POSIX::read($fd, my $piece, 65536)) { last if $piece eq ""; $text .= $piece }
    text_file(BASE . "/etc/$name", $text);
  }
  POSIX::close($fd);
}

sub etc_tree {
  my ($config) = @_;
  folder(BASE . "/etc", 0755);
  copy_etc($_) for @etc_files;
  for my $name (@etc_directories) {
    my $st = stat_at(AT_FDCWD, "/etc/$name", 0x100);
    next if !$st || $st->{kind} != IS_DIRECTORY;
    my $tree = tree_open("/etc/$name") // fail("open /etc/$name: $!");
    folders(BASE . "/etc/$name", 0755);
    attach($tree, BASE . "/etc/$name");
  }
  copy_etc("ssl/openssl.cnf") if -d BASE . "/etc/ssl";
  text_file(BASE . "/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nagent:x:1000:1000:agent:$config->{home}:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
  text_file(BASE . "/etc/group", "root:x:0:\ntty:x:5:\nagent:x:1000:\nnogroup:x:65534:\n");
  text_file(BASE . "/etc/hosts", "127.0.0.1 localhost $config->{hostname}\n::1 localhost\n");
  text_file(BASE . "/etc/hostname", "$config->{hostname}\n");
  text_file(BASE . "/etc/resolv.conf", defined $config->{resolver} ? "nameserver $config->{resolver}\n" : "");
  if (!defined $config->{resolver} && $config->{network} eq "host") { unlink BASE . "/etc/resolv.conf"; copy_etc("resolv.conf") }
  return protected_tree(BASE . "/etc", READONLY | NOSUID | NODEV);
}

sub system_open {
  for my $place (@system) {
    my $st = stat_at(AT_FDCWD, "$place->{name}", 0x100) or next;
    if ($st->{kind} == IS_LINK) { $place->{link} = readlink $place->{name} }
    elsif ($st->{kind} == IS_DIRECTORY) { $place->{tree} = protected_tree($place->{name}, READONLY | NOSUID | NODEV) }
  }
}

sub system_place {
  for my $place (@system) {
    symlink $place->{link}, $place->{name} or $! == EEXIST or fail("link $place->{name}: $!") if defined $place->{link};
    next unless defined $place->{tree};
    folder($place->{name}, 0755);
    attach($place->{tree}, $place->{name});
  }
}

# The writable root as a detached mount: a plain directory, or an overlay when there is something below it.
sub writable_root {
  my ($config, $sources, $store) = @_;
  my @lowers = (@{$sources->{lower}}, $config->{view} eq "rootfs" ? $sources->{rootfs} : ());
  $store->{overlay} = @lowers > 0;
  if ($config->{view} eq "layer") {
    tree_protect($sources->{layer}, NOSUID | NODEV) // fail("open the layer $config->{layer}: $!");
    folder(BASE . "/data", 0755);
    folder(BASE . "/data/layer", 0755);
    attach($sources->{layer}, BASE . "/data/layer");
    return protected_tree(BASE . "/data", NOSUID | NODEV);
  }
  my $directory_flags = POSIX::O_RDONLY() | Fcntl::O_DIRECTORY() | O_CLOEXEC;
  if (!@lowers) {
    folder(BASE . "/data", 0755);
    $store->{directory} = POSIX::open(BASE . "/data", $directory_flags) // fail("open the store: $!");
    return protected_tree(BASE . "/data", NOSUID | NODEV);
  }
  folder(BASE . "/$_", 0755) for qw(up wk m l);
  my $options = "userxattr,volatile,upperdir=" . BASE . "/up,workdir=" . BASE . "/wk,lowerdir=";
  for my $i (0 .. $#lowers) {
    my $path = BASE . "/l/$i";
    tree_protect($lowers[$i], READONLY | NOSUID | NODEV) // fail("protect a layer: $!");
    folder($path, 0755);
    attach($lowers[$i], $path);
    $options .= ($i ? ":" : "") . $path;
  }
  fail("too many layers (" . @lowers . ")") if length $options > 4000;
  call("mount", "overlay", BASE . "/m", "overlay", 2 | 4, $options) // fail("mount an overlay: $!");
  $store->{directory} = POSIX::open(BASE . "/up", $directory_flags) // fail("open the store: $!");
  return protected_tree(BASE . "/m", NOSUID | NODEV);
}

sub view_enter {
  my ($config, $sources, $store) = @_;
  @$store{qw(directory root)} = (-1, -1);
  call("mount", 0, "/", 0, 0x4000 | 0x40000, 0) // fail("make the mounts private: $!");
  my @device_trees = map { protected_tree("/dev/$_", NOSUID | NOEXEC) } @devices;
  my @readonly;
  for my $i (0 .. $#{$config->{readonly}}) {
    my $tree = $sources->{readonly}[$i] // tree_open($config->{readonly}[$i]);
    defined $tree && defined tree_protect($tree, READONLY | NOSUID | NODEV) or fail("open $config->{readonly}[$i]: $!");
    push @readonly, $tree;
  }
  system_open() if $config->{view} eq "host";
  for my $name (qw(rootfs layer)) {
    $sources->{$name} //= tree_open($config->{$name}) // fail("open $config->{$name}: $!") if defined $config->{$name};
  }
  $sources->{lower}[$_] //= tree_open($config->{lower}[$_]) // fail("open $config->{lower}[$_]: $!") for 0 .. $#{$config->{lower}};
  my $id = $config->{inner_id};
  my $options = "size=$config->{disk},nr_inodes=" . (($config->{disk} >> 12) + 8192) . ",mode=0755,uid=$id,gid=$id";
  call("mount", "tmpfs", BASE, "tmpfs", 2 | 4, $options) // fail("mount a tmpfs: $!");
  $store->{root} = POSIX::open(BASE, POSIX::O_RDONLY() | Fcntl::O_DIRECTORY() | O_CLOEXEC) // fail("open the tmpfs: $!");
  my $etc = $config->{view} eq "host" ? etc_tree($config) : undef;
  my $root = writable_root($config, $sources, $store);
  folder(BASE . "/root", 0755);
  attach($root, BASE . "/root");
  my ($proc, $pts);
  if ($config->{view} ne "layer") {
    $proc = detached("proc");
    $pts = detached("devpts", mode => "0620", ptmxmode => "0666", max => "128");
  }
  chdir BASE . "/root" or fail("enter the new root: $!");
  call("pivot_root", ".", ".") // fail("change the root: $!");
  call("umount2", ".", 2) // fail("leave the old root: $!");
  chdir "/" or fail("enter /: $!");
  umask 022;
  return if $config->{view} eq "layer";

  folder("/proc", 0555);
  attach($proc, "/proc");
  for my $path (map { "/proc/$_" } qw(sys sysrq-trigger irq bus fs acpi)) {
    attach(protected_tree($path, READONLY | NOSUID | NODEV | NOEXEC), $path) if -e $path;
  }
  folder("/dev", 0755);
  for my $i (0 .. $#devices) {
    empty_file("/dev/$devices[$i]");
    attach($device_trees[$i], "/dev/$devices[$i]");
  }
  folder("/dev/pts", 0755);
  attach($pts, "/dev/pts");
  folder("/dev/shm", 01777);
  my @links = (["pts/ptmx", "ptmx"], ["/proc/self/fd", "fd"], map { ["/proc/self/fd/$_->[0]", $_->[1]] } [0, "stdin"], [1, "stdout"], [2, "stderr"]);
  for (@links) { symlink $_->[0], "/dev/$_->[1]" or $! == EEXIST or fail("link /dev/$_->[1]: $!") }
  if ($config->{view} eq "host") {
    system_place();
    folder("/etc", 0755);
    attach($etc, "/etc");
    folders("/var/lib", 0755);
    folder($_, 0755) for qw(/var/cache /var/log /run);
  }
  for my $i (0 .. $#readonly) {
    my $path = $config->{readonly}[$i];
    my $st = fd_stat($readonly[$i]) or fail("look at $path: $!");
    make_parents($path) or fail("make the parents of $path: $!");
    if ($st->{kind} == IS_DIRECTORY) { folder($path, 0755) } else { empty_file($path) }
    attach($readonly[$i], $path);
  }
  folder("/tmp", 01777);
  folders("/var/tmp", 01777);
  folders($config->{home}, 0755);
  folders($config->{workdir}, 0755);
  call("sethostname", "$config->{hostname}", length $config->{hostname}) // fail("set the host name: $!");
}

# ---- the network: a loopback of its own, or routes that refuse for a user-mode network that attaches later ----

sub network_up {
  my ($config) = @_;
  return if $config->{network} eq "host";
  my $fd = call("socket", 2, 2 | O_CLOEXEC, 0);
  my $request = pack "a16s x22", "lo", 0x41; # up, running
  defined $fd && defined call("ioctl", $fd, 0x8914, $request) or fail("bring the loopback up: $!");
  POSIX::close($fd);
  return unless @{$config->{blocked}};
  socket my $netlink, 16, 3, 0 or fail("open netlink: $!");
  for my $network (@{$config->{blocked}}) {
    my ($address, $bits) = $network =~ m{^([0-9a-fA-F:.]+)/(\d+)$} or fail("blocked network $network: not an address and a length");
    my $family = $address =~ /:/ ? 10 : 2;
    my $bytes = Socket::inet_pton($family, $address) // fail("blocked network $network: not an address");
    fail("blocked network $network: not an address") if $bits > 8 * length $bytes;
    my $route = pack "CCCCCCCCL", $family, $bits, 0, 0, 254, 4, 0, 7, 0; # main table, static, unreachable
    my $body = $route . pack("SS", 4 + length $bytes, 1) . $bytes;
    my $message = pack("LSSLL", 16 + length $body, 24, 0x1 | 0x400 | 0x4, 0, 0) . $body;
    defined send $netlink, $message, 0 or fail("block $network: $!");
    defined recv $netlink, my $answer, 4096, 0 or fail("block $network: $!");
    my ($type, $error) = (unpack("x4S", $answer), unpack("x16l", $answer));
    fail("block $network: no answer") if $type != 2;
    next if $error == 0 || -$error == EEXIST || $family == 10;
    $! = -$error;
    fail("block $network: $!");
  }
  close $netlink;
}

1;
