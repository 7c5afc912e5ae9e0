// sleeplock.c - locks that are held across sleeps, such as disk reads.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "spinlock.h"
#include "sleeplock.h"
#include "proc.h"
#include "defs.h"

// Make lk a free lock; name shows in panics.
void
initsleeplock(struct sleeplock *lk, char *name)
{
  *lk = (struct sleeplock){ .name = name };
  initlock(&lk->lk, name);
}

// Sleep until lk is free, then take it. No spinlock may be held.
// A process that takes a lock twice would sleep for ever: panic.
void
acquiresleep(struct sleeplock *lk)
{
  int me = myproc()->pid;

  acquire(&lk->lk);
  if (lk->locked && lk->pid == me)
    panic("acquiresleep: pid %d holds %s already", me, lk->name);
  lk->waiting++;
  while (lk->locked)
    deepsleep(lk, &lk->lk);
  lk->waiting--;
  lk->locked = 1;
  lk->pid = me;
  release(&lk->lk);
}

// Give lk up; wakes those who wait for it.
void
releasesleep(struct sleeplock *lk)
{
  acquire(&lk->lk);
  if (!lk->locked || lk->pid != myproc()->pid)
    panic("releasesleep: pid %d does not hold %s", myproc()->pid, lk->name);
  lk->locked = 0;
  lk->pid = 0;
  if (lk->waiting)
    wakeup(lk);
  release(&lk->lk);
}

// Does the current process hold lk?
int
holdingsleep(struct sleeplock *lk)
{
  acquire(&lk->lk);
  int mine = lk->locked && lk->pid == myproc()->pid;
  release(&lk->lk);
  return mine;
}
