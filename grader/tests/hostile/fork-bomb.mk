# Forks without end.
# expect: ran more than 40 processes

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	perl -e 'fork while 1'
