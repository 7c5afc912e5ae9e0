// hidden1calls.c - task 1: the calls have their numbers, and the constants their values.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "hid.h"

// A system call by its number, without the library.
static uint64
call(uint64 number, uint64 *arg)
{
  register uint64 a0 __asm__("a0") = arg[0], a1 __asm__("a1") = arg[1], a2 __asm__("a2") = arg[2];
  register uint64 a3 __asm__("a3") = arg[3], a4 __asm__("a4") = arg[4], a5 __asm__("a5") = arg[5];
  register uint64 a7 __asm__("a7") = number;

  __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7) : "memory");
  return a0;
}

// What works through the library must work by number. In a child, since there may be no munmap yet.
static void
numbered(void)
{
  int fd = opened(FILE1, O_RDWR);
  uint64 mapping[6] = { 0, PGSIZE, PROT_READ, MAP_PRIVATE, fd, 0 };
  int works = mmap(0, PGSIZE, PROT_READ, MAP_PRIVATE, fd, 0) != FAILED;
  uint64 p = call(22, mapping);

  check((p != 0 && p != (uint64)FAILED) == works, "mmap is not system call 22");
  if (!works)
    return;
  works = munmap((char *)p, PGSIZE) == 0;
  if (!works)
    return;
  uint64 again[6] = { call(22, mapping), PGSIZE };
  check(call(23, again) == 0, "munmap is not system call 23");
}

static void
numbers(void)
{
  uint64 none[6] = { 0 };

  newfile(1, PGSIZE);
  check(call(11, none) == getpid(), "getpid is not system call 11 any more");
  check(call(14, none) <= uptime(), "uptime is not system call 14 any more");
  alone(numbered, 0, "a child that calls mmap by number did not end well");
}

static void
constants(void)
{
  check(PROT_NONE == 0 && PROT_READ == 1 && PROT_WRITE == 2 && PROT_EXEC == 4, "fcntl.h: a PROT_ constant has another value");
  check(MAP_SHARED == 1 && MAP_PRIVATE == 2, "fcntl.h: MAP_SHARED is not 1, or MAP_PRIVATE not 2");
}

static struct section all[] = {
  { "numbers",   "call numbers",        numbers },
  { "constants", "values of constants", constants },
};

int
main(int argc, char *argv[])
{
  exit(sections(argc, argv, all, sizeof(all) / sizeof(all[0])));
}
