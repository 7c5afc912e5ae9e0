# Takes memory that belongs to no process: files without a name, shared segments, a file system of its own.
# expect: graded
# log: no memfd: .*\n(?s:.*)no shm: (?s:.*)unshare failed

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	-perl -e 'print syscall(319, "x", 0) < 0 ? "no memfd: $$!\n" : "memfd\n"'
	-perl -e 'print shmget(1, 1 << 30, 01600) ? "shm\n" : "no shm: $$!\n"'
	-unshare -Urm sh -c 'mount -t tmpfs none /opt && echo mounted'
