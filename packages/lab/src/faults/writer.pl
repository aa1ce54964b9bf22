#!/usr/bin/perl
# The second program: holds a lock on a file, or writes in a loop, until its standard input ends.
#
#   writer.pl lock KIND MODE PATH     KIND flock | ofd | record    MODE exclusive | shared
#   writer.pl append|replace PATH BYTES
#
# Says "ready" when the lock is held or the first round is written; "rounds N" at the end.
use strict;
use warnings;
use Errno;
use Fcntl qw(:flock F_SETLK F_SETLKW F_RDLCK F_WRLCK);
use IO::Handle;

STDOUT->autoflush(1);
my ($what, @rest) = @ARGV;
if ($what eq 'lock') {
    my ($kind, $mode, $path) = @rest;
    open my $file, '+>>', $path or die "writer.pl: $path: $!\n";
    if ($kind eq 'flock') {
        flock($file, $mode eq 'shared' ? LOCK_SH : LOCK_EX) or die "writer.pl: flock: $!\n";
    } else {
        # struct flock on 64 bits: type, whence, start, length, pid. F_OFD_SETLKW is 38 and wants pid 0.
        my $lock = pack 's s x4 q q l x4', $mode eq 'shared' ? F_RDLCK : F_WRLCK, 0, 0, 0, 0;
        fcntl($file, $kind eq 'ofd' ? 38 : F_SETLKW, $lock) or die "writer.pl: fcntl: $!\n";
    }
    print "ready\n";
    1 while sysread STDIN, my ($ignored), 4096;
    print "rounds 1\n";
    exit 0;
}
my ($path, $bytes) = @rest;
my $rounds = 0;
my $waiting = '';
vec($waiting, fileno(STDIN), 1) = 1;
while (1) {
    my $content = substr(sprintf('%d ', $rounds) x (1 + $bytes / 2), 0, $bytes);
    if ($what eq 'append') {
        open my $file, '>>', $path or die "writer.pl: $path: $!\n";
        syswrite $file, $content or die "writer.pl: $path: $!\n";
        close $file;
    } else {
        open my $file, '>', "$path.new" or die "writer.pl: $path.new: $!\n";
        syswrite $file, $content or die "writer.pl: $path.new: $!\n";
        close $file;
        rename "$path.new", $path or die "writer.pl: rename: $!\n";
    }
    print "ready\n" if ++$rounds == 1;
    my $ready = $waiting;
    if (select $ready, undef, undef, 0) { last unless sysread STDIN, my ($ignored), 4096; }
}
print "rounds $rounds\n";
