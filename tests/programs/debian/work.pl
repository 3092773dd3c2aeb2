# Hashes, sorting, regular expressions, closures, formats, local sockets of a pipe: Perl as scripts use it.
use strict;
use warnings;

my ($words, $numbers) = @ARGV;
open my $in, '<', $words or die "$words: $!";
my %by_length;
while (my $word = <$in>) {
    chomp $word;
    push @{ $by_length{ length $word } }, $word;
}
close $in;
for my $length (sort { $a <=> $b } keys %by_length) {
    my @sorted = sort { reverse($a) cmp reverse($b) } @{ $by_length{$length} };
    printf "%2d %3d %s\n", $length, scalar @sorted, join ' ', @sorted[0 .. ($#sorted < 3 ? $#sorted : 3)];
}

my $text = do { local (@ARGV, $/) = $numbers; <> };
my $count = () = $text =~ /^(?=.*7)(?!.*3)\d+$/mg;
print "with a 7 and no 3: $count\n";
(my $copy = $text) =~ s{(\d+)}{sprintf '%x', $1}ge;
print substr($copy, 0, 60) =~ tr/\n/ /r, "\n";

my @counters = map { my $n = $_; sub { $n += shift // 1 } } 1 .. 5;
$_->(10) for @counters;
print join(',', map { $_->() } @counters), "\n";

sub ackermann { my ($m, $n) = @_; return $m == 0 ? $n + 1 : $n == 0 ? ackermann($m - 1, 1) : ackermann($m - 1, ackermann($m, $n - 1)) }
print 'ackermann ', ackermann(2, 9), "\n";

my @matrix = map { my $i = $_; [ map { ($i * 7 + $_ * 3) % 11 } 0 .. 29 ] } 0 .. 29;
my $trace = 0;
for my $i (0 .. 29) { for my $j (0 .. 29) { $trace += $matrix[$i][$j] * $matrix[$j][$i] } }
print "trace $trace\n";

pipe my $read, my $write or die;
if (my $child = fork) {
    close $write;
    print "child said: $_" while <$read>;
    waitpid $child, 0;
    print 'status ', $? >> 8, "\n";
} else {
    close $read;
    print $write "line $_\n" for 1 .. 3;
    exit 12;
}
local $@;
eval { die { code => 42 } };
print "died with $@->{code}\n";
