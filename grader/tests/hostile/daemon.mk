# Leaves processes behind that left its session and hold its output open.
# expect: graded
# log: left them

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	perl -MPOSIX -e 'fork and exit; setsid; fork and exit; $$0 = "@MARK@"; $$SIG{$$_} = "IGNORE" for qw(HUP TERM INT PIPE); sleep 1 while 1' &
	setsid sleep @MARK@000 &
	echo left them
