# A kernel that asks QEMU to open a file of the machine for writing, as a debugger's guest may.
# expect: graded

include usual.mk
kernel/kernel: kernel/kernel.c semi.s
	riscv64-unknown-elf-gcc -march=rv64ima -mabi=lp64 -nostdlib -static -Wl,-Ttext=0x80000000 -o $@ semi.s
semi.s:
	printf '.globl _start\n_start:\n li a0, 1\n la a1, block\n .balign 16\n .word 0x01f01013, 0x00100073, 0x40705013\nloop: j loop\n.balign 8\nblock: .dword path, 4, 20\npath: .asciz "@VICTIM@/intruder"\n' > $@
