// pipe.c - pipes: a ring of bytes in one page, with a reading and a writing end.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "spinlock.h"
#include "sleeplock.h"
#include "fs.h"
#include "file.h"
#include "proc.h"
#include "defs.h"

#define PIPESIZE 3584

struct pipe {
  struct spinlock lock;
  int  readers;          // is the reading end open?
  int  writers;          // is the writing end open?
  uint first;            // where in ring the oldest byte lies
  uint count;            // bytes in ring
  char ring[PIPESIZE];
};

_Static_assert(sizeof(struct pipe) <= PGSIZE, "a pipe must fit a page");

static uint
min(uint a, uint b)
{
  return a < b ? a : b;
}

// Make f one end of pi.
static void
attach(struct file *f, struct pipe *pi, int writing)
{
  f->type = FD_PIPE;
  f->readable = !writing;
  f->writable = writing;
  f->pipe = pi;
}

// Make a pipe and open files for both its ends. Returns 0, or -1 and nothing is left.
int
pipealloc(struct file **rf, struct file **wf)
{
  struct pipe *pi = kalloc();
  *rf = filealloc();
  *wf = filealloc();
  if (pi && *rf && *wf) {
    pi->readers = pi->writers = 1;
    pi->first = pi->count = 0;
    initlock(&pi->lock, "pipe");
    attach(*rf, pi, 0);
    attach(*wf, pi, 1);
    return 0;
  }
  if (*rf)
    fileclose(*rf);
  if (*wf)
    fileclose(*wf);
  if (pi)
    kfree(pi);
  return -1;
}

// One end is closed; with the second the pipe is gone.
void
pipeclose(struct pipe *pi, int writable)
{
  acquire(&pi->lock);
  if (writable)
    pi->writers = 0;
  else
    pi->readers = 0;
  int gone = !pi->readers && !pi->writers;
  wakeup(pi);
  release(&pi->lock);
  if (gone)
    kfree(pi);
}

// Copy n bytes, which there is room for, from the user to the ring: in one run, or in two where
// the ring wraps. pi->lock is held, the user's pages are present.
static int
fill(struct pipe *pi, uint64 addr, uint n)
{
  pagetable_t pt = myproc()->pagetable;
  for (uint k; n > 0; addr += k, n -= k) {
    uint at = (pi->first + pi->count) % PIPESIZE;
    k = min(n, PIPESIZE - at);
    if (copyin(pt, &pi->ring[at], addr, k) < 0)
      return -1;
    pi->count += k;
  }
  return 0;
}

// The reverse: n bytes that are there, from the ring to the user. An empty ring begins anew at
// its start, where data is aligned and in one run.
static int
drain(struct pipe *pi, uint64 addr, uint n)
{
  pagetable_t pt = myproc()->pagetable;
  for (uint k; n > 0; addr += k, n -= k) {
    k = min(n, PIPESIZE - pi->first);
    if (copyout(pt, addr, &pi->ring[pi->first], k) < 0)
      return -1;
    pi->count -= k;
    pi->first = pi->count ? (pi->first + k) % PIPESIZE : 0;
  }
  return 0;
}

// Put up to n bytes, PIPESIZE at most, into the pipe as soon as there is any room.
// Returns how many, or -1 if nobody can read them, addr is bad or the process was killed.
static int
put(struct pipe *pi, uint64 addr, uint n)
{
  struct proc *p = myproc();
  if (vmprefault(addr, n, 1) < 0)
    return -1;
  acquire(&pi->lock);
  while (pi->readers && !killed(p) && pi->count == PIPESIZE)
    sleep(pi, &pi->lock);
  int took = -1;
  if (pi->readers && !killed(p)) {
    took = min(n, PIPESIZE - pi->count);
    if (fill(pi, addr, took) < 0)
      took = -1;
    wakeup(pi);
  }
  release(&pi->lock);
  return took;
}

// Write n bytes from user address addr; sleeps while the pipe is full. Returns n, or fewer if
// addr turned bad on the way, or -1.
int
pipewrite(struct pipe *pi, uint64 addr, int n)
{
  int done = 0;
  while (done < n) {
    int k = put(pi, addr + done, min(n - done, PIPESIZE));
    if (k < 0)
      return -1;
    done += k;
  }
  return n;
}

// Sleep until the pipe has a byte or will never have one. pi->lock is held.
// Returns how many there are, or -1 if the process was killed.
static int
await(struct pipe *pi)
{
  struct proc *p = myproc();
  while (pi->count == 0 && pi->writers) {
    if (killed(p))
      return -1;
    sleep(pi, &pi->lock);
  }
  return pi->count;
}

// Read up to n bytes to user address addr; sleeps while the pipe is empty and may still be
// written to. Returns how many, 0 at the end, or -1.
int
piperead(struct pipe *pi, uint64 addr, int n)
{
  uint ready = 0;   // so many bytes at addr are known to be writable
  if (n == 0)
    return 0;
  for (;;) {
    acquire(&pi->lock);
    int got = await(pi);
    if (got > 0 && ready > 0) {
      got = min(got, ready);
      if (drain(pi, addr, got) < 0)
        got = -1;
      wakeup(pi);
      release(&pi->lock);
      return got;
    }
    release(&pi->lock);
    if (got <= 0)
      return got;
    // Only now is it known how much the pipe has; user memory must not be waited for with the lock held.
    ready = min(got, n);
    if (vmprefault(addr, ready, 0) < 0)
      return -1;
  }
}
