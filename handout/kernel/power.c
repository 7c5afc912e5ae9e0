// power.c - the device that ends the machine: QEMU's test finisher (hw/misc/sifive_test.c).
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "memlayout.h"
#include "spinlock.h"
#include "sleeplock.h"
#include "fs.h"
#include "file.h"
#include "defs.h"

#define FINISHER_PASS 0x5555   // QEMU exits with status 0

// A write, of anything, ends the machine; what the disk's log holds is brought home before.
static int
powerwrite(int user, uint64 addr, int n)
{
  log_flush();
  *(volatile uint32 *)FINISHER = FINISHER_PASS;
  return n;
}

void
powerinit(void)
{
  devsw[POWER].write = powerwrite;
}
