// ut_trap.c - tests of usertests: programs that do what they may not, and traps that must leave no trace.
#include "user/ut.h"

static void
load(long a)
{
  *(volatile char *)a;
}

static void
store(long a)
{
  *(volatile char *)a = 1;
}

static void
jump(long a)
{
  ((void (*)(void))a)();
}

// Memory of the kernel, of devices, or of nobody: the process dies, nothing else does.
static void
load_forbidden(void)
{
  for (int i = 0; badaddr(i); i++)
    dies(load, badaddr(i), "load from");
}

static void
store_forbidden(void)
{
  for (int i = 0; badaddr(i); i++)
    dies(store, badaddr(i), "store to");
}

static void
jump_forbidden(void)
{
  for (int i = 0; badaddr(i); i++)
    dies(jump, badaddr(i), "jump to");
}

static void
text_is_readonly(void)
{
  char *text = (char *)text_is_readonly;
  char before = *text;
  dies(store, (long)text, "store to text");
  dies(store, 0, "store to text");
  equal(*text, before, "a byte of text");
}

// Data, stack and heap, eager or lazy, hold no instructions.
static void
data_is_no_text(void)
{
  static uint data = 0x00008067;   // ret
  uint stack = data;
  uint *heap = (uint *)lastpage();
  uint *lazy = (uint *)sbrklazy(PGSIZE);
  *heap = *lazy = data;
  asm volatile("fence.i" : : "r"(&stack) : "memory");
  dies(jump, (long)&data, "jump to data");
  dies(jump, (long)&stack, "jump to stack");
  dies(jump, (long)heap, "jump to heap");
  dies(jump, (long)lazy, "jump to lazy heap");
}

static void
zeroes(long unused)
{
  asm volatile(".word 0");
}

static void
satp(long unused)
{
  asm volatile("csrw satp, zero");
}

static void
sstatus(long unused)
{
  asm volatile("csrsi sstatus, 2");
}

static void
return_from_trap(long unused)
{
  asm volatile("sret");
}

static void
flush(long unused)
{
  asm volatile("sfence.vma");
}

static void
breakpoint(long unused)
{
  asm volatile("ebreak");
}

// What only the kernel may execute, and what nobody may.
static void
instruction_forbidden(void)
{
  static const body tries[] = {zeroes, satp, sstatus, return_from_trap, flush, breakpoint};
  for (int i = 0; i < COUNT(tries); i++)
    dies(tries[i], i, "forbidden instruction");
}

static int
deeper(volatile int depth)
{
  volatile char frame[200];
  frame[0] = depth;
  return depth < 0 ? 0 : deeper(depth + 1) + frame[0];
}

static void
recurse(long unused)
{
  deeper(0);
}

// A stack that overflows meets the guard page, before it meets data.
static void
stack_overflow(void)
{
  static char data[3 * PGSIZE];
  paint(data, sizeof(data), 1, 0);
  for (int i = 0; i < 3; i++)
    dies(recurse, 0, "endless recursion");
  painted(data, sizeof(data), 1, 0, "data below the stack");
}

static void
losestack(long a)
{
  asm volatile("mv sp, %0\n li a7, 14\n ecall\n sd zero, -8(sp)" : : "r"(a) : "memory");
}

// The kernel does not trust the stack pointer.
static void
stack_elsewhere(void)
{
  dies(losestack, 0, "stack pointer");
  for (int i = 0; badaddr(i); i += 3)
    dies(losestack, badaddr(i) & -16L, "stack pointer");
}

// Faults of many processes at once.
static void
faultrounds(long who)
{
  for (int i = 0; i < 5; i++)
    dies(who % 2 ? load : store, badaddr(who + i), "access to");
}

static void
faults_together(void)
{
  crowd(4, faultrounds);
}

// Puts a value made from seed into every register, spins, so that interrupts come, and makes
// a system call without arguments. Returns 0, or the number of a register that is no longer
// what it was (sp, a0, a7 and t6 are not looked at: the code needs them).
int carry(long seed, long spins, long call);

asm(
  ".macro each what\n"
  ".irp r, 1,3,4,5,6,7,8,9,11,12,13,14,15,16,18,19,20,21,22,23,24,25,26,27,28,29,30\n"
  "  \\what \\r\n"
  ".endr\n"
  ".endm\n"
  ".macro keep r\n  sd x\\r, 8*\\r(sp)\n .endm\n"
  ".macro bring r\n  ld x\\r, 8*\\r(sp)\n .endm\n"
  ".macro put r\n  addi x\\r, a0, \\r\n .endm\n"
  ".macro check r\n  addi t6, a0, \\r\n  bne t6, x\\r, 2f\n .endm\n"
  "carry:\n"
  "  addi sp, sp, -256\n"
  "  each keep\n"
  "  sd a0, 80(sp)\n"
  "  mv t6, a1\n"
  "  mv a7, a2\n"
  "  each put\n"
  "1: addi t6, t6, -1\n"
  "  bnez t6, 1b\n"
  "  ecall\n"
  "  ld a0, 80(sp)\n"
  "  each check\n"
  "  mv t6, a0\n"
  "2: sub a0, t6, a0\n"
  "  each bring\n"
  "  addi sp, sp, 256\n"
  "  ret\n"
);

static void
carryon(long who)
{
  for (int start = uptime(); uptime() - start < 2;)
    for (int i = 0; i < 20; i++)
      equal(carry((who + 1) << 40, 1 + i * i * 100, SYS_getpid), 0, "register that a trap changed");
}

static void
registers_survive(void)
{
  crowd(6, carryon);
}

// A child begins with its parent's registers.
static void
registers_forked(void)
{
  for (int i = 0; i < 10; i++) {
    int parent = getpid();
    equal(carry(i << 20, 1, SYS_fork), 0, "register that fork changed");
    if (getpid() != parent)
      exit(0);
    endall(1);
  }
}

struct test trap_tests[] = {
  QUICK(load_forbidden),
  QUICK(store_forbidden),
  QUICK(jump_forbidden),
  QUICK(text_is_readonly),
  QUICK(data_is_no_text),
  QUICK(instruction_forbidden),
  QUICK(stack_overflow),
  QUICK(stack_elsewhere),
  QUICK(faults_together),
  QUICK(registers_survive),
  QUICK(registers_forked),
  END_OF_TESTS
};
