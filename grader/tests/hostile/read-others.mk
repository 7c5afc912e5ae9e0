# Reads what other students handed in, results, the user's home, and passwords.
# expect: graded
# log: canary.c: No such file or directory

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	-find / -xdev -name canary* -exec cat {} +
	-cat @VICTIM@/canary.c @RESULTS@/canary.json @HOME@/canary.key /etc/shadow /etc/passwd
	-ls -a /root /home @VICTIM@/..
