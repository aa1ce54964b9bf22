#!/usr/bin/perl
# Runs a command as a whole process and tells what it cost, from wait4(2): itself and all the children it waited for.
#
#   measure.pl RESULT STDOUT -- COMMAND...
#
# Writes one line to RESULT: wall seconds, user seconds, system seconds, most resident kilobytes, exit code.
# The resident size cannot be told below that of this program (some 6 MB): a process starts as a copy of it.
use strict;
use warnings;
use Errno;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($result, $stdout, $dashes, @command) = @ARGV;
die "usage: measure.pl RESULT STDOUT -- COMMAND...\n" unless defined $dashes && $dashes eq '--' && @command;
chomp(my $machine = `uname -m`);
my $SYS_wait4 = $machine eq 'x86_64' ? 61 : $machine eq 'aarch64' ? 260 : die "measure.pl: not on $machine\n";

my $start = clock_gettime(CLOCK_MONOTONIC);
my $pid   = fork;
die "measure.pl: fork: $!\n" unless defined $pid;
if ($pid == 0) {
    open STDIN,  '<', '/dev/null' or die "measure.pl: $!\n";
    open STDOUT, '>', $stdout     or die "measure.pl: $stdout: $!\n";
    { no warnings 'exec'; exec { $command[0] } @command; }
    print STDERR "measure.pl: $command[0]: $!\n";
    exit 127;
}
my $status = "\0" x 8;
my $usage  = "\0" x 144;
my $done;
do { $done = syscall($SYS_wait4, $pid, $status, 0, $usage); } while ($done < 0 && $!{EINTR});
my $wall = clock_gettime(CLOCK_MONOTONIC) - $start;
die "measure.pl: wait4: $!\n" if $done < 0;
my ($us, $uu, $ss, $su, $resident) = unpack 'q5', $usage;
my $native = unpack 'l', $status;
my $code   = ($native & 0x7f) ? 128 + ($native & 0x7f) : ($native >> 8) & 0xff;
open my $out, '>', $result or die "measure.pl: $result: $!\n";
printf $out "%.6f %.6f %.6f %d %d\n", $wall, $us + $uu / 1e6, $ss + $su / 1e6, $resident, $code;
close $out or die "measure.pl: $result: $!\n";
