# Makes debug information that is nested without end, of units that say to be huge.
# cpu: 60
# expect: graded

include usual.mk
fs.img: dwarf
.PHONY: dwarf
dwarf: kernel/kernel
	printf '.section .debug_abbrev,"",@progbits\n.byte 1,0x13,1,3,8,0,0,0\n.section .debug_info,"",@progbits\n.4byte 0x2000000\n.2byte 4\n.4byte 0\n.byte 8\n.rept 2000000\n.byte 1\n.asciz "p"\n.endr\n' > dwarf.s
	riscv64-unknown-elf-as -o dwarf.o dwarf.s
	riscv64-unknown-elf-objcopy --dump-section .debug_info=info --dump-section .debug_abbrev=abbrev dwarf.o
	riscv64-unknown-elf-objcopy --remove-section .debug_info --remove-section .debug_abbrev --add-section .debug_info=info --add-section .debug_abbrev=abbrev kernel/kernel
