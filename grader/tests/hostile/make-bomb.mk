# make calls itself without end.
# expect: make was stopped|Resource temporarily unavailable|fork

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	+$(MAKE) attack
