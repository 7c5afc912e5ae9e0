# Computes in children that nobody waits for, so that the time of those that ended is lost.
# wall: 4
# expect: CPU time|did not end within

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	perl -e '$$SIG{CHLD} = "IGNORE"; for (;;) { if (!fork) { for ($$i = 0; $$i < 200000; $$i++) {} exit } select(undef, undef, undef, .01) }'
