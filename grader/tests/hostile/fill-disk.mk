# Fills the disk with files just small enough.
# expect: filled its scratch folder|No space left on device|exit|Error

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	i=0; while head -c 8000000 /dev/zero > fill$$i; do i=$$((i+1)); done; sleep 1000
