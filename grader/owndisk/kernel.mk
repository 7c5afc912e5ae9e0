# kernel.mk - builds the kernel of the tree in the current directory from its sources, as the official Makefile does.
#
#   make -f this CC=compiler OUT=directory SOURCES="kernel/entry.S ..." OPTIONS="-O2 ..."

OBJS    = $(patsubst kernel/%,$(OUT)/kernel/%.o,$(basename $(SOURCES)))

CFLAGS  = -march=rv64imac_zicsr_zifencei -mabi=lp64 -mcmodel=medany -mno-relax
CFLAGS += -ffreestanding -nostdlib -fno-common -fno-stack-protector -fno-pie -w -I. -MD
CFLAGS += -ggdb -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-asynchronous-unwind-tables
CFLAGS += -fno-delete-null-pointer-checks -fno-strict-aliasing -fno-tree-loop-distribute-patterns
CFLAGS += $(OPTIONS)

$(OUT)/kernel/kernel: $(OBJS) kernel/kernel.ld
	$(CC:gcc=ld) -z max-page-size=4096 -T kernel/kernel.ld -o $@ $(OBJS)

$(OUT)/kernel/%.o: kernel/%.c
	$(CC) $(CFLAGS) -c -o $@ $<

$(OUT)/kernel/%.o: kernel/%.S
	$(CC) $(CFLAGS) -c -o $@ $<
