// meminfo.c - counts what memory a process has: mappings, pages, page tables.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "spinlock.h"
#include "proc.h"
#include "wmap.h"
#include "defs.h"

#if LAB_TASK >= 12

// How many pages of [va, end) are present. Both are page-aligned.
static int
loaded(pagetable_t pagetable, uint64 va, uint64 end)
{
  int n = 0;

  for (; walknext(pagetable, &va, end); va += PGSIZE)
    n++;
  return n;
}

// Put what the current process has mapped at user address addr, a struct wmapinfo. Returns 0, or -1 if addr is bad.
int
mapinfo(uint64 addr)
{
  struct proc *p = myproc();
  struct wmapinfo info;

  memset(&info, 0, sizeof(info));
  info.total_mmaps = p->nvma;
  for (int i = 0; i < p->nvma && i < MAX_WMMAP_INFO; i++) {
    struct vma *v = &p->vma[i];
    info.addr[i] = v->start;
    info.length[i] = v->end - v->start;
    info.n_loaded_pages[i] = loaded(p->pagetable, v->start, v->end);
  }
  return copyout(p->pagetable, addr, (char *)&info, sizeof(info));
}

// How many pages the current process has from address 0 to the end of its heap; the guard page below
// the stack is one of them.
int
virtpages(void)
{
  return PGROUNDUP(myproc()->sz) / PGSIZE;
}

// How many of these are present; the guard page is.
int
physpages(void)
{
  struct proc *p = myproc();

  return loaded(p->pagetable, 0, PGROUNDUP(p->sz));
}

// How many pages table and the tables below it are.
static int
tables(pagetable_t table, int level)
{
  int n = 1;

  for (int i = 0; level > 0 && i < 512; i++)
    if (table[i] & PTE_V)
      n += tables((pagetable_t)PTE2PA(table[i]), level - 1);
  return n;
}

// How many pages the current process's page table has.
int
tablepages(void)
{
  return tables(myproc()->pagetable, 2);
}

// The physical address behind va of the current process; -1 if there is none, or the process may not use it.
uint64
physaddr(uint64 va)
{
  uint64 page = walkaddr(myproc()->pagetable, va);

  return page ? page + va % PGSIZE : -1;
}
#else
// TODO(task 12): what getwmapinfo, numvp, numpp, getptsize and va2pa tell. See docs/task12.md.
#endif
