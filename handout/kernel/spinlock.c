// spinlock.c - locks that a hart spins on, with interrupts off while it holds one.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "spinlock.h"
#include "proc.h"
#include "defs.h"

// Make lk a free lock; name shows in panics.
void
initlock(struct spinlock *lk, char *name)
{
  *lk = (struct spinlock){ .name = name };
}

// Turn interrupts off; pop_off turns them on again when it was called as
// often as push_off, if they were on before the first.
void
push_off(void)
{
  int on = intr_off();
  struct cpu *c = mycpu();

  if (c->noff++ == 0)
    c->intena = on;
}

void
pop_off(void)
{
  struct cpu *c = mycpu();
  if (intr_get() || c->noff == 0)
    panic("pop_off: interrupts are on, or no push_off before it");
  if (--c->noff > 0)
    return;
  if (c->nudges)
    nudgeharts();
  if (c->intena)
    intr_on();
}

// Does this hart hold lk? Interrupts must be off.
int
holding(struct spinlock *lk)
{
  return lk->locked && lk->cpu == mycpu();
}

// Wait for lk and take it. Interrupts stay off until release.
// A hart that takes a lock twice would wait for itself: panic.
void
acquire(struct spinlock *lk)
{
  push_off();
  if (holding(lk))
    panic("acquire: this hart holds %s already", lk->name);
  while (__atomic_exchange_n(&lk->locked, 1, __ATOMIC_ACQUIRE))
    while (__atomic_load_n(&lk->locked, __ATOMIC_RELAXED))
      ;
  lk->cpu = mycpu();
}

// Give lk up. This hart must hold it.
void
release(struct spinlock *lk)
{
  if (!holding(lk))
    panic("release: this hart does not hold %s", lk->name);
  lk->cpu = 0;
  __atomic_store_n(&lk->locked, 0, __ATOMIC_RELEASE);
  pop_off();
}
