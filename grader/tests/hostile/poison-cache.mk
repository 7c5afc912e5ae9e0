# Writes to the compiler cache: by the compiler, told that it may, and by hand.
# expect: graded
# log: Read-only file system

include usual.mk
kernel/kernel: attack
.PHONY: attack
attack:
	-unset CCACHE_READONLY CCACHE_NOSTATS; export CCACHE_REMOTE_STORAGE=file:///ccache; echo 'int x;' > poison.c; riscv64-unknown-elf-gcc -c poison.c
	-ccache --clear
	-ccache --set-config=read_only=false
	-find /ccache -type f -exec sh -c 'echo poison > {}' ';' 2>&1 | tail -1
	-umount /ccache; mount -o remount,rw /ccache
