// sysproc.c - system calls on processes, memory and time.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "spinlock.h"
#include "proc.h"
#include "vm.h"
#include "defs.h"

uint64
sys_fork(void)
{
  return kfork();
}

uint64
sys_exit(void)
{
  int status;

  argint(0, &status);
  kexit(status);
}

uint64
sys_wait(void)
{
  uint64 status;

  argaddr(0, &status);
  return kwait(status);
}

uint64
sys_kill(void)
{
  int pid;

  argint(0, &pid);
  return kkill(pid);
}

uint64
sys_getpid(void)
{
  return myproc()->pid;
}

// Change the size of the heap by n bytes; how is SBRK_EAGER or SBRK_LAZY.
// Returns where the heap ended before, or -1.
uint64
sys_sbrk(void)
{
  int n, how;
  uint64 old = myproc()->sz;

  argint(0, &n);
  argint(1, &how);
  int failed = n > 0 && how == SBRK_LAZY ? growlazy(n) : growproc(n);
  return failed ? -1 : old;
}

// Sleep for so many ticks. -1 if killed meanwhile.
uint64
sys_pause(void)
{
  int n;

  argint(0, &n);
  acquire(&tickslock);
  for (uint start = ticks; n > 0 && ticks - start < (uint)n;) {
    if (killed(myproc())) {
      release(&tickslock);
      return -1;
    }
    sleep(&ticks, &tickslock);
  }
  release(&tickslock);
  return 0;
}

// Ticks since boot.
uint64
sys_uptime(void)
{
  acquire(&tickslock);
  uint now = ticks;
  release(&tickslock);
  return now;
}
#if LAB_TASK >= 12

uint64
sys_getwmapinfo(void)
{
  uint64 addr;

  argaddr(0, &addr);
  return mapinfo(addr);
}

uint64
sys_numvp(void)
{
  return virtpages();
}

uint64
sys_numpp(void)
{
  return physpages();
}

uint64
sys_getptsize(void)
{
  return tablepages();
}

uint64
sys_va2pa(void)
{
  uint64 va;

  argaddr(0, &va);
  return physaddr(va);
}
#else
// TODO(task 12): sys_getwmapinfo, sys_numvp, sys_numpp, sys_getptsize and sys_va2pa; meminfo.c is the place for what they count. See docs/task12.md.
#endif
#if LAB_TASK >= 13

// fork, by another system's name for one that copies on write: ours does.
uint64
sys_cfork(void)
{
  return kfork();
}
#else
// TODO(task 13): sys_cfork: fork by another name. See docs/task13.md.
#endif
