# kernel.mk - builds the kernel of the tree in the current directory from its sources, as the official Makefile does.
#
#   make -f this CC=compiler OUT=directory SOURCES="kernel/entry.S ..." CFLAGS="-O2 ..."

# A linker script can name objects, as kernel/entry.o: the linker works in OUT, where only those are that are made here.
OBJS    = $(patsubst kernel/%,$(OUT)/kernel/%.o,$(basename $(SOURCES)))

$(OUT)/kernel/kernel: $(OBJS) kernel/kernel.ld
	cd $(OUT) && $(CC:gcc=ld) -z max-page-size=4096 -T $(CURDIR)/kernel/kernel.ld -o kernel/kernel $(OBJS:$(OUT)/%=%)

$(OUT)/kernel/%.o: kernel/%.c
	$(CC) $(CFLAGS) -c -o $@ $<

$(OUT)/kernel/%.o: kernel/%.S
	$(CC) $(CFLAGS) -c -o $@ $<
