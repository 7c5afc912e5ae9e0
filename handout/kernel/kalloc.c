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
};

#define NFRAME   ((PHYSTOP - KERNBASE) / PGSIZE)
#define NOFRAME  0   // frame 0 holds the kernel, so it can mark the list's end

static struct {
  struct spinlock lock;      // protects everything here
  uint            freelist;  // frames that were used and given back
  uint            fresh;     // frames from here on were never used; they are in no list
  struct frame    frame[NFRAME];
} mem;

extern char end[];           // kernel.ld: first address after the kernel

void
kinit(void)
{
  initlock(&mem.lock, "mem");
  mem.fresh = ((uint64)end - KERNBASE) / PGSIZE;
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
  return (void *)(KERNBASE + (uint64)n * PGSIZE);
}

// Take a free frame for use as kind. Returns its address, or 0 if there is none that was not promised.
static void *
take(enum kind kind)
{
  void *pa = 0;

  acquire(&mem.lock);
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
