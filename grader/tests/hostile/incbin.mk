# Assembles other people's files into the kernel.
# expect: file not found: /etc/shadow|No such file

include usual.mk
kernel/kernel: spy.o
spy.o:
	printf '.incbin "/etc/shadow"\n.incbin "@VICTIM@/canary.c"\n' > spy.s
	riscv64-unknown-elf-as -o $@ spy.s
