# Never ends, and does nothing.
# wall: 2
# expect: did not end within

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	sleep 1000
