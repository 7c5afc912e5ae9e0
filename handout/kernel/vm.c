// vm.c - page tables: the kernel's, and those of processes.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "memlayout.h"
#include "spinlock.h"
#include "proc.h"
#include "vm.h"
#include "defs.h"

#define SUPERPAGE (1UL << PXSHIFT(1))   // what one entry of level 1 spans: 2 MB

static pagetable_t kpagetable;

extern char etext[];        // kernel.ld: end of the kernel's text
extern char trampoline[];   // trampoline.S

// ---- the kernel's own page table

// The place of va's entry in kpgtbl, at a level; tables on the way are made.
static pte_t *
kentry(pagetable_t kpgtbl, uint64 va, int level)
{
  for (int l = 2; l > level; l--) {
    pte_t *pte = &kpgtbl[PX(l, va)];
    if (*pte == 0) {
      void *table = tablealloc();
      if (table == 0)
        panic("kvmmap: out of memory");
      *pte = PA2PTE(table) | PTE_V;
    }
    kpgtbl = (pagetable_t)PTE2PA(*pte);
  }
  return &kpgtbl[PX(level, va)];
}

// Map size bytes at va to pa, while booting. Where alignment allows, one entry maps 2 MB.
// The accessed and dirty bits are set, for hardware that faults instead of setting them.
void
kvmmap(pagetable_t kpgtbl, uint64 va, uint64 pa, uint64 size, int perm)
{
  for (uint64 step; size > 0; va += step, pa += step, size -= step) {
    int super = (va | pa) % SUPERPAGE == 0 && size >= SUPERPAGE;
    step = super ? SUPERPAGE : PGSIZE;
    *kentry(kpgtbl, va, super) = PA2PTE(pa) | perm | PTE_A | PTE_D | PTE_V;
  }
}

// Make the kernel's page table: devices and memory at their own addresses,
// the trampoline, and a stack for each process.
void
kvminit(void)
{
  pagetable_t k = tablealloc();

  kvmmap(k, FINISHER, FINISHER, PGSIZE, PTE_R | PTE_W);
  kvmmap(k, CLINT, CLINT, PGSIZE, PTE_R | PTE_W);
  kvmmap(k, PLIC, PLIC, PLIC_SIZE, PTE_R | PTE_W);
  kvmmap(k, UART0, UART0, PGSIZE, PTE_R | PTE_W);
  kvmmap(k, VIRTIO0, VIRTIO0, PGSIZE, PTE_R | PTE_W);
  kvmmap(k, KERNBASE, KERNBASE, (uint64)etext - KERNBASE, PTE_R | PTE_X);
  kvmmap(k, (uint64)etext, (uint64)etext, PHYSTOP - (uint64)etext, PTE_R | PTE_W);
  kvmmap(k, TRAMPOLINE, (uint64)trampoline, PGSIZE, PTE_R | PTE_X);
  proc_mapstacks(k);
  kpagetable = k;
}

// Use the kernel's page table on this hart.
void
kvminithart(void)
{
  sfence_vma();
  w_satp(MAKE_SATP(kpagetable));
  sfence_vma();
}

// ---- page tables in general

// The entry for va in pagetable, or 0 if a table on the way is missing and
// alloc is 0, or memory is out, or va is out of range.
pte_t *
walk(pagetable_t pagetable, uint64 va, int alloc)
{
  if (va >= MAXVA)
    return 0;
  for (int level = 2; level > 0; level--) {
    pte_t *pte = &pagetable[PX(level, va)];
    if (*pte & PTE_V) {
      pagetable = (pagetable_t)PTE2PA(*pte);
    } else {
      if (!alloc || (pagetable = tablealloc()) == 0)
        return 0;
      *pte = PA2PTE(pagetable) | PTE_V;
    }
  }
  return &pagetable[PX(0, va)];
}

// The first entry in use for an address of [*va, end), and that address in *va; 0 if there is none.
// *va and end are page-aligned. A missing table is passed in one step, however much it spans.
pte_t *
walknext(pagetable_t pagetable, uint64 *va, uint64 end)
{
  if (end > MAXVA)
    end = MAXVA;
  while (*va < end) {
    int level = 2;
    pte_t *pte = &pagetable[PX(level, *va)];
    for (; level > 0 && (*pte & PTE_V); pte = &((pagetable_t)PTE2PA(*pte))[PX(level, *va)])
      level--;
    if (*pte & PTE_V)
      return pte;
    uint64 span = 1UL << PXSHIFT(level);
    *va = (*va | (span - 1)) + 1;
  }
  return 0;
}

// The physical address of the page that va lies in, if the user may use it; else 0.
uint64
walkaddr(pagetable_t pagetable, uint64 va)
{
  pte_t *pte = walk(pagetable, va, 0);

  if (pte == 0 || (*pte & (PTE_V | PTE_U)) != (PTE_V | PTE_U))
    return 0;
  return PTE2PA(*pte);
}

// Is there a page at va?
int
ismapped(pagetable_t pagetable, uint64 va)
{
  pte_t *pte = walk(pagetable, va, 0);

  return pte != 0 && (*pte & PTE_V) != 0;
}

// Map the pages of [va, va+size), both page-aligned, to those from pa on.
// Returns -1 if memory for a table is out; the pages before are mapped then.
int
mappages(pagetable_t pagetable, uint64 va, uint64 size, uint64 pa, int perm)
{
  if (va % PGSIZE || size % PGSIZE || size == 0)
    panic("mappages: 0x%lx+0x%lx is not page-aligned", va, size);

  for (uint64 end = va + size; va < end; va += PGSIZE, pa += PGSIZE) {
    pte_t *pte = walk(pagetable, va, 1);
    if (pte == 0)
      return -1;
    if (*pte & PTE_V)
      panic("mappages: 0x%lx is mapped already", va);
    *pte = PA2PTE(pa) | perm | PTE_A | PTE_V;
  }
  return 0;
}

// ---- memory of processes

// An empty page table, or 0 if memory is out.
pagetable_t
uvmcreate(void)
{
  return tablealloc();
}

// Remove the pages of [va, va + npages pages) that are there, and drop their frames if do_free.
void
uvmunmap(pagetable_t pagetable, uint64 va, uint64 npages, int do_free)
{
  if (va % PGSIZE)
    panic("uvmunmap: 0x%lx is not page-aligned", va);

  uint64 end = va + npages * PGSIZE;
  for (pte_t *pte; (pte = walknext(pagetable, &va, end)) != 0; va += PGSIZE) {
    if (do_free)
      kfree((void *)PTE2PA(*pte));
    *pte = 0;
  }
}

// Grow from oldsz to newsz bytes with zeroed pages that the user may read, and use as xperm says.
// Returns newsz, or 0 if memory is out; then nothing has changed.
uint64
uvmalloc(pagetable_t pagetable, uint64 oldsz, uint64 newsz, int xperm)
{
  if (newsz < oldsz)
    return oldsz;

  for (uint64 va = PGROUNDUP(oldsz); va < newsz; va += PGSIZE) {
    void *page = kzalloc();
    if (page && mappages(pagetable, va, PGSIZE, (uint64)page, PTE_R | PTE_U | xperm) == 0)
      continue;
    if (page)
      kfree(page);
    uvmdealloc(pagetable, va, oldsz);
    return 0;
  }
  return newsz;
}

// Shrink from oldsz to newsz bytes. Returns the size then: newsz, if it is smaller.
uint64
uvmdealloc(pagetable_t pagetable, uint64 oldsz, uint64 newsz)
{
  if (newsz >= oldsz)
    return oldsz;
  uint64 first = PGROUNDUP(newsz), end = PGROUNDUP(oldsz);
  if (first < end)
    uvmunmap(pagetable, first, (end - first) / PGSIZE, 1);
  return newsz;
}

// Free a page table and all those below it. No page may be mapped any more.
static void
freewalk(pagetable_t table)
{
  for (int i = 0; i < 512; i++) {
    if ((table[i] & PTE_V) == 0)
      continue;
    if (PTE_LEAF(table[i]))
      panic("freewalk: leaf");
    freewalk((pagetable_t)PTE2PA(table[i]));
  }
  tablefree(table);
}

// Free the sz bytes of user memory from 0, then the page table.
void
uvmfree(pagetable_t pagetable, uint64 sz)
{
  uvmunmap(pagetable, 0, PGROUNDUP(sz) / PGSIZE, 1);
  freewalk(pagetable);
}

// Copy the pages that old has below sz into new, for fork. A page that nobody can store to is shared: the program's code.
// Returns -1 if memory is out; then new is as it was.
int
uvmcopy(pagetable_t old, pagetable_t new, uint64 sz)
{
  uint64 va = 0;

  for (pte_t *pte; (pte = walknext(old, &va, PGROUNDUP(sz))) != 0; va += PGSIZE) {
    void *frame = (void *)PTE2PA(*pte);
    if (!(*pte & PTE_W))
      kref(frame);
    else if ((frame = kalloc()) == 0)
      goto undo;
    else
      memmove(frame, (void *)PTE2PA(*pte), PGSIZE);
    if (mappages(new, va, PGSIZE, (uint64)frame, PTE_FLAGS(*pte)) < 0) {
      kfree(frame);
      goto undo;
    }
  }
  return 0;

undo:
  uvmunmap(new, 0, va / PGSIZE, 1);
  return -1;
}

// Take the page at va from the user: the guard page below the stack.
void
uvmclear(pagetable_t pagetable, uint64 va)
{
  pte_t *pte = walk(pagetable, va, 0);

  if (pte == 0)
    panic("uvmclear: no page at 0x%lx", va);
  *pte &= ~PTE_U;
}

// ---- faults, and the kernel's use of user memory

// Does this entry let the user make this access (FAULT_*)?
static int
permits(pte_t pte, int access)
{
  int need = PTE_V | PTE_U;

  need |= access == FAULT_STORE ? PTE_W : access == FAULT_FETCH ? PTE_X : PTE_R;
  return (pte & need) == need;
}

// Give the current process a zeroed page at va, which is heap that was never touched.
// Returns the page, or 0 if memory is out.
static uint64
heapfault(struct proc *p, uint64 va)
{
  void *page = kzalloc();

  if (page && mappages(p->pagetable, PGROUNDDOWN(va), PGSIZE, (uint64)page, PTE_R | PTE_W | PTE_U) < 0) {
    kfree(page);
    page = 0;
  }
  return (uint64)page;
}

// Make the access possible that the current process tried at va: read is FAULT_LOAD, FAULT_STORE or
// FAULT_FETCH. Returns the physical address of va's page; 0 if the process
// may not do that there, or memory is out. It may sleep: no lock is held, nor a log operation open.
uint64
vmfault(pagetable_t pagetable, uint64 va, int read)
{
  struct proc *p = myproc();

  if (p == 0 || pagetable != p->pagetable || va >= MAXVA)
    return 0;

  pte_t *pte = walk(pagetable, va, 0);
  if (pte && permits(*pte, read)) {
    // The hardware wants the software to set these bits.
    *pte |= PTE_A | (read == FAULT_STORE ? PTE_D : 0);
    return PTE2PA(*pte);
  }
  if (va < p->sz)
    return (pte && *pte) || read == FAULT_FETCH ? 0 : heapfault(p, va);
  // TODO(task 4): a fault in a mapping: bring the page in. See docs/task4.md.
  return 0;
}

// Make the current process's memory at [va, va+len) present, so that it can be copied from (read = 1)
// or to (read = 0) while a lock is held. Returns 0, or -1 if some of it may not be used so, or memory is out.
int
vmprefault(uint64 va, uint64 len, int read)
{
  pagetable_t pagetable = myproc()->pagetable;

  if (va + len < va)
    return -1;
  for (uint64 a = PGROUNDDOWN(va); a < va + len; a += PGSIZE) {
    pte_t *pte = walk(pagetable, a, 0);
    if ((pte == 0 || !permits(*pte, read)) && vmfault(pagetable, a, read) == 0)
      return -1;
  }
  return 0;
}

// Where the kernel finds the user's byte at va for such an access, and in *left
// how many bytes of the page lie there and after. 0 if the user may not do that.
static char *
userbyte(pagetable_t pagetable, uint64 va, int access, uint64 *left)
{
  pte_t *pte = walk(pagetable, va, 0);
  uint64 page = pte && permits(*pte, access) ? PTE2PA(*pte) : vmfault(pagetable, va, access);

  if (page == 0)
    return 0;
  *left = PGSIZE - va % PGSIZE;
  return (char *)page + va % PGSIZE;
}

// Copy len bytes between user address va and the kernel's mem, to the user if access is FAULT_STORE.
static int
usercopy(pagetable_t pagetable, uint64 va, char *mem, uint64 len, int access)
{
  for (uint64 n; len > 0; va += n, mem += n, len -= n) {
    char *user = userbyte(pagetable, va, access, &n);
    if (user == 0)
      return -1;
    if (n > len)
      n = len;
    if (access == FAULT_STORE)
      memmove(user, mem, n);
    else
      memmove(mem, user, n);
  }
  return 0;
}

// Copy len bytes to user address dstva. Returns 0, or -1 if some of them can't be written.
// May sleep in a fault, unless vmprefault went before.
int
copyout(pagetable_t pagetable, uint64 dstva, char *src, uint64 len)
{
  return usercopy(pagetable, dstva, src, len, FAULT_STORE);
}

// Copy len bytes from user address srcva. Returns 0, or -1 if some of them can't be read.
// May sleep in a fault, unless vmprefault went before.
int
copyin(pagetable_t pagetable, char *dst, uint64 srcva, uint64 len)
{
  return usercopy(pagetable, srcva, dst, len, FAULT_LOAD);
}

// Copy the string at user address srcva with its end mark, max bytes at most.
// Returns 0, or -1 if it is longer or can't be read.
int
copyinstr(pagetable_t pagetable, char *dst, uint64 srcva, uint64 max)
{
  while (max > 0) {
    uint64 n;
    char *from = userbyte(pagetable, srcva, FAULT_LOAD, &n);
    if (from == 0)
      return -1;
    if (n > max)
      n = max;
    for (uint64 i = 0; i < n; i++)
      if ((*dst++ = from[i]) == 0)
        return 0;
    srcva += n;
    max -= n;
  }
  return -1;
}
