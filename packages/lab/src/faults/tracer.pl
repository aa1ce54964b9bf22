#!/usr/bin/perl
# Runs a command under ptrace, counts the calls that change a file system over all its threads and processes, writes
# each to a log, and at the n-th kills everything or makes the call fail. Perl because every Debian has perl-base.
#
# strace cannot do this: its "when=N" counts for each thread and each kind of call apart.
#
#   tracer.pl LOG BELOW FIRST LAST ACTION ERRNO SHAPES -- COMMAND...
#
#   BELOW   only calls on paths at or below this directory count; "" for all
#   FIRST, LAST   the action hits counted calls FIRST..LAST; 0 0 for none
#   ACTION  none | kill | fail        ERRNO  number, for fail
#   SHAPES  NAME=NR:SHAPE,...  where SHAPE says which arguments are paths and when the call counts, its parts joined by "+":
#           pN path   aN directory fd N and path N+1   fN open file   oN open flags   wN pointer to open_how   iN ioctl request
#
# Log: N TAB PID TAB NAME TAB PATH (TAB PATH), bytes below 0x20, "%" and 0x7f written %XX.
use strict;
use warnings;
use Errno;

use constant {
    PTRACE_CONT             => 7,
    PTRACE_POKEUSER         => 6,
    PTRACE_SEIZE            => 0x4206,
    PTRACE_LISTEN           => 0x4208,
    PTRACE_GET_SYSCALL_INFO => 0x420e,
    EVENT_SECCOMP           => 7,
    EVENT_STOP              => 128,
    PTRACE_SYSCALL          => 24,
    # SIGTRAP with the bit that TRACESYSGOOD adds: the end of a call
    CALL_ENDED => 5 | 0x80,
    # EXITKILL, TRACESYSGOOD, and TRACE of fork, vfork, clone, exec, seccomp
    OPTIONS => 0x100000 | 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x80,
    WALL    => 0x40000000,
    # O_CREAT, O_TRUNC, and the bit of O_TMPFILE that O_DIRECTORY has not (the same on x86-64 and arm64)
    OPEN_CHANGES => 0100 | 01000 | 020000000,
    AT_FDCWD     => 4294967196,    # -100 as the low half of a register
};

# ioctls that change a file: FICLONE, FICLONERANGE, FIDEDUPERANGE, FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, FS_IOC_ENABLE_VERITY
my %CHANGING_IOCTL = map { $_ => 1 } (0x40049409, 0x4020940d, 0xc0189436, 0x40086602, 0x401c5820, 0x40806685);

my ($log_path, $below, $first, $last, $action, $errno, $shapes, $dashes, @command) = @ARGV;
die "usage: tracer.pl LOG BELOW FIRST LAST ACTION ERRNO SHAPES -- COMMAND...\n" unless defined $dashes && $dashes eq '--' && @command;

my $machine = do { my @u = split ' ', `uname -m`; $u[0] };
my $arm     = $machine eq 'aarch64';
die "tracer.pl: not on $machine\n" unless $machine eq 'x86_64' || $arm;
my $SYS_ptrace  = $arm ? 117 : 101;
my $SYS_wait4   = $arm ? 260 : 61;
my $SYS_prctl   = $arm ? 167 : 157;
my $AUDIT_ARCH  = $arm ? 0xc00000b7 : 0xc000003e;
die "tracer.pl: making a call fail works on x86-64 only\n" if $arm && $action eq 'fail';

my %call;
for (split /,/, $shapes) {
    my ($name, $number, $shape) = /^(\w+)=(\d+):(.*)$/ or die "tracer.pl: bad shape $_\n";
    $call{$number} = { name => $name, parts => [ map { [ substr($_, 0, 1), substr($_, 1) + 0 ] } split /\+/, $shape ] };
}

open my $log, '>', $log_path or die "tracer.pl: $log_path: $!\n";
binmode $log;

sub ptrace {
    # The last one unnamed: the kernel writes into the caller's buffer, not into a copy.
    return syscall($SYS_ptrace, $_[0] + 0, $_[1] + 0, $_[2] + 0, $_[3]);
}

pipe(my $go_read, my $go_write) or die "tracer.pl: pipe: $!\n";
my $root = fork;
die "tracer.pl: fork: $!\n" unless defined $root;
if ($root == 0) {
    close $log;
    close $go_write;
    sysread $go_read, my $byte, 1;
    filter();
    { no warnings 'exec'; exec { $command[0] } @command; }
    print STDERR "tracer.pl: $command[0]: $!\n";
    exit 127;
}
close $go_read;
ptrace(PTRACE_SEIZE, $root, 0, OPTIONS) == 0 or die "tracer.pl: seize: $!\n";
syswrite $go_write, 'x';
close $go_write;

my %traced   = ($root => 1);
my %inflight = ();    # threads that are inside a counted call
my $count    = 0;
my $dying    = 0;     # the n-th call has been reached: nobody goes on, and when the calls before it are done all are killed
my $status   = 0;

while (1) {
    # Not waitpid: Perl does not hand on the status of a stopped process.
    my $native = "\0" x 8;
    my $pid    = syscall($SYS_wait4, -1, $native, WALL, 0);
    if ($pid < 0) { next if $!{EINTR}; last; }
    $native = unpack 'L', $native;
    if (($native & 0xff) != 0x7f) {
        delete $traced{$pid};
        delete $inflight{$pid};
        $status = $native if $pid == $root;
        finish_off() if $dying;
        next;
    }
    $traced{$pid} = 1;
    my $signal = ($native >> 8) & 0xff;
    my $event  = $native >> 16;
    delete $inflight{$pid} if $signal == CALL_ENDED && !$event;
    if ($dying) {
        finish_off();
    } elsif ($event == EVENT_SECCOMP) {
        my $counted = at_call($pid);
        if ($dying) { finish_off(); next; }
        # A counted call is awaited, so that at a kill it is known to have been carried out.
        $inflight{$pid} = 1 if $counted;
        ptrace($counted ? PTRACE_SYSCALL : PTRACE_CONT, $pid, 0, 0);
    } elsif ($event == EVENT_STOP) {
        # A real stop (SIGSTOP and its like) is kept; the one that greets a new thread is not.
        my $stopping = $signal == 19 || $signal == 20 || $signal == 21 || $signal == 22;
        ptrace($stopping ? PTRACE_LISTEN : PTRACE_CONT, $pid, 0, 0);
    } else {
        # A signal that comes in the middle of a counted call leaves that call to be awaited still.
        my $request = $inflight{$pid} ? PTRACE_SYSCALL : PTRACE_CONT;
        ptrace($request, $pid, 0, $event || $signal == CALL_ENDED ? 0 : $signal);
    }
}
close $log or die "tracer.pl: $log_path: $!\n";
exit(($status & 0x7f) ? 128 + ($status & 0x7f) : $status >> 8);

# Stops only at the calls that we look at: everything else runs at full speed.
sub filter {
    my @numbers = sort { $a <=> $b } keys %call;
    my @code;
    push @code, [ 0x20, 0, 0, 4 ];                                    # load arch
    push @code, [ 0x15, 0, scalar(@numbers) + 1, $AUDIT_ARCH ];       # another: allow
    push @code, [ 0x20, 0, 0, 0 ];                                    # load number
    for my $i (0 .. $#numbers) { push @code, [ 0x15, scalar(@numbers) - $i, 0, $numbers[$i] ]; }
    push @code, [ 0x06, 0, 0, 0x7fff0000 ];                           # allow
    push @code, [ 0x06, 0, 0, 0x7ff00000 ];                           # trace
    my $program = join '', map { pack 'SCCL', @$_ } @code;
    my $header  = pack 'S x6 P', scalar(@code), $program;
    # Without no_new_privs only root may; with it set-id programs lose their powers, as under strace.
    if ($> != 0) { syscall($SYS_prctl, 38, 1, 0, 0, 0) == 0 or die "tracer.pl: no_new_privs: $!\n"; }
    syscall($SYS_prctl, 22, 2, $header, 0, 0) == 0 or die "tracer.pl: seccomp: $!\n";
}

# Kills everything as soon as no counted call is under way. The call at which it stands is not carried out: a fatal signal
# is pending when it would begin.
sub finish_off {
    return if %inflight;
    kill 'KILL', keys %traced;
}

# Looks at a call; true if it was counted and goes on. Sets $dying at the one to be killed at.
sub at_call {
    my ($pid) = @_;
    my $info = "\0" x 96;
    my $size = ptrace(PTRACE_GET_SYSCALL_INFO, $pid, length $info, $info);
    return 0 if $size < 80;
    my ($number, @args) = unpack 'x24 Q Q6', $info;
    my $known = $call{$number} or return 0;
    my @paths;
    for my $part (@{ $known->{parts} }) {
        my ($kind, $n) = @$part;
        if    ($kind eq 'p') { push @paths, resolve(cwd($pid), text($pid, $args[$n])); }
        elsif ($kind eq 'a') { push @paths, resolve(directory($pid, $args[$n]), text($pid, $args[ $n + 1 ])); }
        elsif ($kind eq 'o') { return 0 unless $args[$n] & OPEN_CHANGES; }
        elsif ($kind eq 'w') { return 0 unless unpack('Q', memory($pid, $args[$n], 8)) & OPEN_CHANGES; }
        elsif ($kind eq 'i') { return 0 unless $CHANGING_IOCTL{ $args[$n] & 0xffffffff }; }
        elsif ($kind eq 'f') {
            my $path = opened($pid, $args[$n]);
            # Pipes, sockets, event counters, terminals and kernel files are no file system state.
            return 0 if $path !~ m{^/} || $path =~ m{^/(?:dev|proc|sys)/|^/memfd:};
            push @paths, $path;
        }
    }
    if ($below ne '') { return 0 unless grep { $_ eq $below || index($_, "$below/") == 0 } @paths; }
    $count++;
    print $log join("\t", $count, $pid, $known->{name}, map { escaped($_) } @paths), "\n";
    return 1 unless $count >= $first && $count <= $last;
    if ($action eq 'kill') {
        $dying = 1;
        return 0;
    }
    return 1 if $action ne 'fail';
    # No call (number -1), and the result in its place: fields orig_rax and rax of struct user.
    ptrace(PTRACE_POKEUSER, $pid, 15 * 8, -1);
    ptrace(PTRACE_POKEUSER, $pid, 10 * 8, -$errno);
    return 0;
}

sub memory {
    my ($pid, $address, $length) = @_;
    open my $mem, '<:raw', "/proc/$pid/mem" or return "\0" x $length;
    sysseek $mem, $address, 0;
    my $read = sysread($mem, my $bytes, $length);
    return defined $read ? $bytes : "\0" x $length;
}

sub text {
    my ($pid, $address) = @_;
    return '' if $address == 0;
    my $bytes = memory($pid, $address, 4096);
    $bytes =~ s/\0.*//s;
    return $bytes;
}

sub cwd { my ($pid) = @_; return inside($pid, readlink("/proc/$pid/cwd") // '?'); }

sub opened { my ($pid, $fd) = @_; return inside($pid, readlink("/proc/$pid/fd/" . ($fd & 0xffffffff)) // '?'); }

# The kernel tells paths from our root; a process in a chroot names the same file without the chroot's part.
sub inside {
    my ($pid, $path) = @_;
    my $root = readlink("/proc/$pid/root") // '/';
    return $root ne '/' && index($path, "$root/") == 0 ? substr($path, length $root) : $path;
}

sub directory {
    my ($pid, $fd) = @_;
    return ($fd & 0xffffffff) == AT_FDCWD ? cwd($pid) : opened($pid, $fd);
}

sub resolve {
    my ($base, $name) = @_;
    my $path = $name =~ m{^/} ? $name : $name eq '' ? $base : "$base/$name";
    1 while $path =~ s{/\.(?=/|$)}{};
    $path =~ s{(?<=.)/+$}{};
    return $path eq '' ? '/' : $path;
}

sub escaped { my ($text) = @_; $text =~ s/([\x00-\x1f%\x7f])/sprintf '%%%02X', ord $1/ge; return $text; }
