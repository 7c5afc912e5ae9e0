# Includes a file that never ends.
# expect: error|memory|CPU time|terminated|Killed

include usual.mk
kernel/kernel: zero.o
zero.o:
	echo '#include "/dev/zero"' | riscv64-unknown-elf-gcc -c -o $@ -xc -
