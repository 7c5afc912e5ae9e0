# Includes itself twice, again and again.
# expect: nested too deeply|memory|CPU time

include usual.mk
kernel/kernel: bomb.o
bomb.o:
	printf '#include "bomb.c"\n#include "bomb.c"\n' > bomb.c
	riscv64-unknown-elf-gcc -fmax-include-depth=25 -c -o $@ bomb.c > /dev/null 2>&1 || riscv64-unknown-elf-gcc -fmax-include-depth=3 -c -o $@ bomb.c
