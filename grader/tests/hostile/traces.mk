# Attaches a debugger to every process that it sees.
# expect: graded
# log: 1: no: Function not implemented

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	perl -e 'for (glob "/proc/[0-9]*") { ($$p) = /(\d+)/; next if $$p == $$$$ || $$p > 1; print "$$p: ", syscall(101, 16, $$p + 0, 0, 0) < 0 ? "no: $$!" : "yes", "\n" }'
	ls /proc | grep -c '^[0-9]'
