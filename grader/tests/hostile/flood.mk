# Prints without end.
# expect: printed more than 1 MiB

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	yes
