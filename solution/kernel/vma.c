// vma.c - the VMA table of a process: p->vma[0] to p->vma[p->nvma-1], in order of address, without overlap.
//
// Only the process itself uses its table, so no lock is needed. Nothing here touches a page: whoever
// removes a VMA has unmapped its pages before.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "memlayout.h"
#include "spinlock.h"
#include "proc.h"
#include "defs.h"
#if LAB_TASK >= 3

// The index of the first VMA that ends after va: the one that holds va, if any does.
int
findvma(struct proc *p, uint64 va)
{
  int low = 0, high = p->nvma;

  while (low < high) {
    int mid = (low + high) / 2;
    if (p->vma[mid].end > va)
      high = mid;
    else
      low = mid + 1;
  }
  return low;
}

// Make v the VMA with index i. There is a free slot. Takes a reference to v's file.
void
insertvma(struct proc *p, int i, struct vma v)
{
  memmove(&p->vma[i + 1], &p->vma[i], (p->nvma - i) * sizeof(v));
  p->nvma++;
  p->vma[i] = v;
#if LAB_TASK >= 9
  if (v.file == 0)
    return;
#endif
  filedup(v.file);
}

// Where len bytes fit, at the lowest address above the heap; 0 if they don't.
uint64
placevma(struct proc *p, uint64 len)
{
  uint64 at = p->sz > MMAPBASE ? PGROUNDUP(p->sz) : MMAPBASE;

  for (int i = 0; i < p->nvma && p->vma[i].start - at < len; i++)
    at = p->vma[i].end;
  return at + len <= MMAPTOP ? at : 0;
}
#else
// TODO(task 3): find a VMA by an address, insert one, find a place for one. See docs/task3.md.
#endif
#if LAB_TASK >= 5

// Remove the VMA with index i, whose pages are gone.
void
removevma(struct proc *p, int i)
{
  struct file *f = p->vma[i].file;

  p->nvma--;
  memmove(&p->vma[i], &p->vma[i + 1], (p->nvma - i) * sizeof(p->vma[0]));
#if LAB_TASK >= 9
  if (f == 0)
    return;
#endif
  fileclose(f);
}

// Cut the VMA with index i in two at va. There is a free slot.
void
splitvma(struct proc *p, int i, uint64 va)
{
  struct vma upper = p->vma[i];

  upper.off += va - upper.start;
  upper.start = va;
  p->vma[i].end = va;
  insertvma(p, i + 1, upper);
}
#else
// TODO(task 5): remove a VMA, and cut one in two. See docs/task5.md.
#endif
#if LAB_TASK >= 10

// Is [start, end) free for a mapping?
int
freerange(struct proc *p, uint64 start, uint64 end)
{
  int i = findvma(p, start);

  return start >= MMAPBASE && start >= p->sz && end <= MMAPTOP && (i == p->nvma || p->vma[i].start >= end);
}

// How many more slots it takes to put one VMA in the place of what lies in [start, end). What is wholly there gives
// its own; what is cut in its middle takes one.
int
slots(struct proc *p, uint64 start, uint64 end)
{
  int first = findvma(p, start), last = findvma(p, end);

  return 1 + (first < p->nvma && p->vma[first].start < start) - (last - first);
}

// Make the VMA with index i and the next one, if they are alike and adjacent, one. Is it so?
int
mergevma(struct proc *p, int i)
{
  struct vma *v = &p->vma[i], *next = v + 1;

  if (i < 0 || i + 1 >= p->nvma || v->end != next->start || v->off + (v->end - v->start) != next->off)
    return 0;
  if (v->prot != next->prot || v->flags != next->flags || v->file != next->file)
    return 0;
  v->end = next->end;
  removevma(p, i + 1);
  return 1;
}
#else
// TODO(task 10): what hints, MAP_FIXED and merging need to know of the table, and do to it. See docs/task10.md.
#endif
#if LAB_TASK >= 11

// How many more slots it takes to have VMAs begin and end at start and end, if they don't.
int
cuts(struct proc *p, uint64 start, uint64 end)
{
  int first = findvma(p, start), last = findvma(p, end);

  return (first < p->nvma && p->vma[first].start < start) + (last < p->nvma && p->vma[last].start < end);
}
#else
// TODO(task 11): what mprotect needs to know of the table before it cuts. See docs/task11.md.
#endif
