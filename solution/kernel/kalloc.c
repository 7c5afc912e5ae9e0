// kalloc.c - page frames: who has them, and how often.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "memlayout.h"
#include "spinlock.h"
#include "defs.h"

// What a page frame is used for.
enum kind {
  RESERVED,   // the kernel's own image; never given out
  FREE,
  PAGE,       // data, with a reference count
  TABLE       // a page of a page table
};

struct frame {
  uint   nextfree;   // FREE: the next frame of the free list
  ushort refs;       // PAGE: references
  uchar  kind;
#if LAB_TASK >= 13
  uchar  sure;       // PAGE: all its owners but the last were promised a copy, see kcow
#endif
};

#define NFRAME   ((PHYSTOP - KERNBASE) / PGSIZE)
#define NOFRAME  0   // frame 0 holds the kernel, so it can mark the list's end

static struct {
  struct spinlock lock;      // protects everything here
  uint            freelist;  // frames that were used and given back
  uint            fresh;     // frames from here on were never used; they are in no list
#if LAB_TASK >= 13
  uint            nfree;     // frames that are free
  uint            promised;  // of these: for owners of copy-on-write pages, see kcow; refs - 1 for each that is sure
#endif
  struct frame    frame[NFRAME];
} mem;

extern char end[];           // kernel.ld: first address after the kernel

void
kinit(void)
{
  initlock(&mem.lock, "mem");
  mem.fresh = ((uint64)end - KERNBASE) / PGSIZE;
#if LAB_TASK >= 13
  mem.nfree = NFRAME - mem.fresh;
#endif
}

// The frame at pa. Panics, as who, unless pa is a page that was given out.
static struct frame *
lookup(void *pa, char *who)
{
  uint64 n = ((uint64)pa - KERNBASE) / PGSIZE;

  if ((uint64)pa % PGSIZE || (uint64)pa < (uint64)end || n >= NFRAME)
    panic("%s: %p is not the address of a page", who, pa);
  if (n >= mem.fresh || mem.frame[n].kind == FREE)
    panic("%s: page %p is free already", who, pa);
  return &mem.frame[n];
}

// A free frame, as kind from now on; 0 if there is none. mem.lock is held.
static void *
pick(enum kind kind)
{
  uint n = mem.freelist;
  if (n != NOFRAME)
    mem.freelist = mem.frame[n].nextfree;
  else if (mem.fresh < NFRAME)
    n = mem.fresh++;
  else
    return 0;
  mem.frame[n] = (struct frame){ .kind = kind, .refs = 1 };
#if LAB_TASK >= 13
  mem.nfree--;
#endif
  return (void *)(KERNBASE + (uint64)n * PGSIZE);
}

#if LAB_TASK >= 13

// Are n frames free that nobody was promised? mem.lock is held.
static int
spare(uint n)
{
#ifdef FAILALLOC
  if (n > 0 && failnow())
    return 0;
#endif
  return mem.nfree - mem.promised >= n;
}
#endif

// Take a free frame for use as kind. Returns its address, or 0 if there is none that was not promised.
static void *
take(enum kind kind)
{
  void *pa = 0;

  acquire(&mem.lock);
#if LAB_TASK >= 13
  if (spare(1))
#endif
    pa = pick(kind);
  release(&mem.lock);
  return pa;
}

// Put f in the free list. mem.lock is held.
static void
giveback(struct frame *f)
{
  f->kind = FREE;
  f->nextfree = mem.freelist;
  mem.freelist = f - mem.frame;
#if LAB_TASK >= 13
  mem.nfree++;
#endif
}

// A page with one reference and undefined content, or 0 if memory is out.
void *
kalloc(void)
{
  return take(PAGE);
}

// As kalloc, filled with zeroes.
void *
kzalloc(void)
{
  void *pa = take(PAGE);

  if (pa)
    memset(pa, 0, PGSIZE);
  return pa;
}

// Add a reference to the page at pa: it takes one more kfree to free it.
void
kref(void *pa)
{
  acquire(&mem.lock);
  lookup(pa, "kref")->refs++;
  release(&mem.lock);
}

#if LAB_TASK >= 13

// Another owner for the page at pa, until one of them stores: then kown gives each but the last a copy. If sure,
// or if the page was before, the frames for that are promised now. Returns -1 if there are not enough: better that fork
// fails than a store.
int
kcow(void *pa, int sure)
{
  acquire(&mem.lock);
  struct frame *f = lookup(pa, "kcow");
  uint need = f->sure ? 1 : sure ? f->refs : 0;   // promises, so that there are as many as owners so far
  int enough = spare(need);
  if (enough) {
    f->refs++;
    f->sure = need > 0;
    mem.promised += need;
  }
  release(&mem.lock);
  return enough ? 0 : -1;
}

// f has lost an owner, not the last: one promise less. mem.lock is held.
static void
unpromise(struct frame *f)
{
  mem.promised -= f->sure;
  if (f->refs == 1)
    f->sure = 0;
}

// An owner of the page at pa wants to store. Returns the page if it is the only owner by now, or else
// a copy, for which it has given the page up; 0 if memory is out and it was promised none. The lock is held while
// the copy is made, lest two owners copy and none is the last.
void *
kown(void *pa)
{
  void *mine = pa;

  acquire(&mem.lock);
  struct frame *f = lookup(pa, "kown");
  if (f->refs > 1) {
    mine = f->sure || spare(1) ? pick(PAGE) : 0;
    if (mine) {
      memmove(mine, pa, PGSIZE);
      f->refs--;
      unpromise(f);
    }
  }
  release(&mem.lock);
  return mine;
}
#endif

// Drop a reference to the page at pa; the last one frees it.
void
kfree(void *pa)
{
  acquire(&mem.lock);
  struct frame *f = lookup(pa, "kfree");
  if (f->kind == TABLE)
    panic("kfree: %p is a page of a page table", pa);
  if (--f->refs == 0)
    giveback(f);
#if LAB_TASK >= 13
  else
    unpromise(f);
#endif
  release(&mem.lock);
}

// Has the page at pa more than one reference?
int
kshared(void *pa)
{
  acquire(&mem.lock);
  int shared = lookup(pa, "kshared")->refs > 1;
  release(&mem.lock);
  return shared;
}

// An empty page for a page table, or 0 if memory is out.
void *
tablealloc(void)
{
  void *pa = take(TABLE);

  if (pa)
    memset(pa, 0, PGSIZE);
  return pa;
}

// Free a page of a page table.
void
tablefree(void *pa)
{
  acquire(&mem.lock);
  struct frame *f = lookup(pa, "tablefree");
  if (f->kind != TABLE)
    panic("tablefree: %p is not a page of a page table", pa);
  giveback(f);
  release(&mem.lock);
}
#ifdef FAILALLOC

// For failalloc.c: how many frames are free that nobody was promised.
int
kspare(void)
{
  acquire(&mem.lock);
  int n = mem.nfree - mem.promised;
  release(&mem.lock);
  return n;
}
#endif
