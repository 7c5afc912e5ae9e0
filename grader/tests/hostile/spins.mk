# Never ends, and computes.
# expect: CPU time

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	perl -e '1 while 1'
