# A macro that stands for 10^12 others.
# expect: memory|CPU time|terminated|Killed

include usual.mk
kernel/kernel: bomb.o
bomb.o:
	perl -e 'print "#define A0 1,1,1,1,1,1,1,1,1,1\n"; for (1..12) { $$p = $$_ - 1; print "#define A$$_ ", join(",", ("A$$p") x 10), "\n" } print "int a[] = {A12};\n"' > bomb.c
	riscv64-unknown-elf-gcc -c -o $@ bomb.c
