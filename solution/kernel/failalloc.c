// failalloc.c - for tests: the device FAIL, that has one allocation fail. Compiled with make FAILALLOC=1 only, of the whole tree.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "spinlock.h"
#include "sleeplock.h"
#include "fs.h"
#include "file.h"
#include "defs.h"

static int left;   // allocations until the one that fails; 0: it has failed, or none is to

// Is this the allocation that fails?
int
failnow(void)
{
  if (__atomic_load_n(&left, __ATOMIC_RELAXED) <= 0)
    return 0;
  return __atomic_sub_fetch(&left, 1, __ATOMIC_RELAXED) == 0;
}

// The write of an int n: the n-th allocation from now on fails; 0: none. Returns 4, or -1.
static int
failwrite(int user, uint64 addr, int n)
{
  int at;

  if (n != sizeof(at) || either_copyin(&at, user, addr, n) < 0)
    return -1;
  __atomic_store_n(&left, at, __ATOMIC_RELAXED);
  return n;
}

// The read of two ints: how many allocations are left until one fails, and how many pages there are to allocate.
// Returns 8, or -1.
static int
failread(int user, uint64 addr, int n)
{
  int known[] = { __atomic_load_n(&left, __ATOMIC_RELAXED), kspare() };

  return n == sizeof(known) && either_copyout(user, addr, known, n) == 0 ? n : -1;
}

void
failinit(void)
{
  devsw[FAIL] = (struct devsw){ .read = failread, .write = failwrite };
}
