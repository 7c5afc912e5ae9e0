// mmap.c - files mapped into memory: the mappings of a process, and their pages.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "memlayout.h"
#include "fcntl.h"
#include "spinlock.h"
#include "sleeplock.h"
#include "fs.h"
#include "file.h"
#include "stat.h"
#include "proc.h"
#include "vm.h"
#include "defs.h"
#if LAB_TASK >= 3

// ---- the VMA table: p->vma[0] to p->vma[p->nvma-1], in order of address, without overlap

// The index of the first VMA that ends after va: the one that holds va, if any does.
static int
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
static void
insertvma(struct proc *p, int i, struct vma v)
{
  memmove(&p->vma[i + 1], &p->vma[i], (p->nvma - i) * sizeof(v));
  p->nvma++;
  p->vma[i] = v;
  filedup(v.file);
}

// Where len bytes fit, at the lowest address above the heap; 0 if they don't.
static uint64
place(struct proc *p, uint64 len)
{
  uint64 at = p->sz > MMAPBASE ? PGROUNDUP(p->sz) : MMAPBASE;

  for (int i = 0; i < p->nvma && p->vma[i].start - at < len; i++)
    at = p->vma[i].end;
  return at + len <= MMAPTOP ? at : 0;
}

// Offsets end here, so that the number of a file's page fits in an int.
#define MAXOFFSET (1UL << 43)

// May f be mapped so?
static int
mappable(struct file *f, int prot, int flags)
{
  if (f->type != FD_INODE || f->ip->type != T_FILE || !f->readable)
    return 0;
  return f->writable || !(flags & MAP_SHARED) || !(prot & PROT_WRITE);
}
#endif
#if LAB_TASK >= 5

// Remove the VMA with index i, whose pages are gone.
static void
removevma(struct proc *p, int i)
{
  struct file *f = p->vma[i].file;

  p->nvma--;
  memmove(&p->vma[i], &p->vma[i + 1], (p->nvma - i) * sizeof(p->vma[0]));
  fileclose(f);
}

// Cut the VMA with index i in two at va. There is a free slot.
static void
splitvma(struct proc *p, int i, uint64 va)
{
  struct vma upper = p->vma[i];

  upper.off += va - upper.start;
  upper.start = va;
  p->vma[i].end = va;
  insertvma(p, i + 1, upper);
}
#endif
#if LAB_TASK >= 8

// ---- shared pages
//
// Every mapping of a page of a file has the same frame, if it is MAP_SHARED. Which page of which file
// a frame holds stands in shared.page[], by frame number. A frame is listed as long as some PTE maps it; each
// PTE has a reference to it. While it is listed a VMA keeps the file open, so the inode stays in memory.

#define NFRAME        ((PHYSTOP - KERNBASE) / PGSIZE)
#define FRAME(pa)     (((uint64)(pa) - KERNBASE) / PGSIZE)
#define NCHAIN        1024   // a power of two

static struct {
  struct spinlock lock;
  uint            chain[NCHAIN];   // first frame of each hash chain; 0 ends a chain
  struct {
    struct inode *ip;
    uint          pageno;          // page of the file
    uint          next;            // in the chain
  } page[NFRAME];
} shared;

void
mmapinit(void)
{
  initlock(&shared.lock, "shared");
}

// The chain of page pageno of ip.
static uint *
chainof(struct inode *ip, uint pageno)
{
  return &shared.chain[(ip->inum * 67 + pageno) % NCHAIN];
}

// The frame that holds page pageno of ip, with a reference for the caller; 0 if there is none.
static void *
sharedfind(struct inode *ip, uint pageno)
{
  void *pa = 0;

  acquire(&shared.lock);
  uint n = *chainof(ip, pageno);
  while (n && (shared.page[n].ip != ip || shared.page[n].pageno != pageno))
    n = shared.page[n].next;
  if (n) {
    pa = (void *)(KERNBASE + (uint64)n * PGSIZE);
    kref(pa);
  }
  release(&shared.lock);
  return pa;
}

// List frame pa as the one that holds page pageno of ip, which no frame did. ip is locked.
static void
sharedadd(struct inode *ip, uint pageno, void *pa)
{
  acquire(&shared.lock);
  uint *chain = chainof(ip, pageno);
  uint n = FRAME(pa);
  shared.page[n].ip = ip;
  shared.page[n].pageno = pageno;
  shared.page[n].next = *chain;
  *chain = n;
  release(&shared.lock);
}

// Drop a PTE's reference to the shared frame pa; the last one takes it off the list.
static void
shareddrop(void *pa)
{
  acquire(&shared.lock);
  if (!kshared(pa)) {
    uint n = FRAME(pa);
    uint *link = chainof(shared.page[n].ip, shared.page[n].pageno);
    while (*link != n)
      link = &shared.page[*link].next;
    *link = shared.page[n].next;
  }
  kfree(pa);
  release(&shared.lock);
}
#endif
#if LAB_TASK >= 4

// ---- pages

// How many bytes of ip's page at offset off lie before its end. ip is locked.
static uint
bytesinfile(struct inode *ip, uint64 off)
{
  if (off >= ip->size)
    return 0;
  return ip->size - off < PGSIZE ? ip->size - off : PGSIZE;
}

// A new page with what ip has at offset off, and zeroes behind the end of the file.
// ip is locked. Returns 0 if memory is out, or the file can't be read.
static void *
readpage(struct inode *ip, uint64 off)
{
  char *page = kalloc();
  if (page == 0)
    return 0;
  int n = bytesinfile(ip, off);
  if (n > 0 && readi(ip, 0, (uint64)page, off, n) != n) {
    kfree(page);
    return 0;
  }
  memset(page + n, 0, PGSIZE - n);
  return page;
}

// The page to map at va in v, with a reference for the PTE. 0 if memory is out.
static void *
getpage(struct vma *v, uint64 va)
{
  struct inode *ip = v->file->ip;
  uint64 off = v->off + (va - v->start);
  void *page = 0;

  // The lock is held from the search to the listing, and by write-back:
  // no two frames can be made for one page, nor one from a file that is being written.
  ilock(ip);
#if LAB_TASK >= 8
  int share = v->flags & MAP_SHARED;
  if (share)
    page = sharedfind(ip, off / PGSIZE);
  if (page == 0) {
    page = readpage(ip, off);
    if (page && share)
      sharedadd(ip, off / PGSIZE, page);
  }
#else
  // TODO(task 8): a page of a MAP_SHARED mapping may be in memory already. See docs/task8.md.
  page = readpage(ip, off);
#endif
  iunlock(ip);
  return page;
}

// Drop the reference that a PTE of v had.
static void
droppage(struct vma *v, void *page)
{
#if LAB_TASK >= 8
  if (v->flags & MAP_SHARED) {
    shareddrop(page);
    return;
  }
#else
  // TODO(task 8): others may have the page too. See docs/task8.md.
#endif
  kfree(page);
}

// Does v let the process make this access (FAULT_*)? No hardware can write without reading.
static int
allows(struct vma *v, int access)
{
  int need = access == FAULT_STORE ? PROT_WRITE : access == FAULT_FETCH ? PROT_EXEC : PROT_READ | PROT_WRITE;

  return (v->prot & need) != 0;
}

// The PTE bits of a page of v that is mapped for such an access. A page of a MAP_SHARED mapping gets
// PTE_W only with the first store, so that PTE_W says: written, to be written back.
static int
pteperm(struct vma *v, int access)
{
  int perm = PTE_U;

  if (v->prot & (PROT_READ | PROT_WRITE))
    perm |= PTE_R;
  if (v->prot & PROT_EXEC)
    perm |= PTE_X;
  if ((v->prot & PROT_WRITE) && (access == FAULT_STORE || (v->flags & MAP_PRIVATE)))
    perm |= PTE_W;
  return perm;
}

// Make the access possible that p, the current process, tried at va, which is no heap. Returns
// the physical address of the page; 0 if no mapping allows it, or memory is out. May sleep.
uint64
mmapfault(struct proc *p, uint64 va, int access)
{
  int i = findvma(p, va);
  struct vma *v = &p->vma[i];

  if (i == p->nvma || va < v->start || !allows(v, access))
    return 0;
  va = PGROUNDDOWN(va);

  pte_t *pte = walk(p->pagetable, va, 0);
  if (pte && *pte) {   // here already: this is its first store
    *pte |= PTE_W | PTE_D;
    return PTE2PA(*pte);
  }
  void *page = getpage(v, va);
  if (page && mappages(p->pagetable, va, PGSIZE, (uint64)page, pteperm(v, access)) < 0) {
    droppage(v, page);
    page = 0;
  }
  return (uint64)page;
}
#endif
#if LAB_TASK >= 5

// Write page back to offset off of ip, as far as the file reaches. A log operation is open.
static void
writepage(struct inode *ip, uint64 off, uint64 page)
{
  ilock(ip);
  uint n = bytesinfile(ip, off);
  if (n > 0 && writei(ip, 0, page, off, n) != n)
    panic("writepage: inode %d, offset %lu", ip->inum, off);
  iunlock(ip);
}

// Pages that one log operation can hold: their blocks, and the inode's.
#define PAGESPEROP ((MAXOPBLOCKS - 1) / (PGSIZE / BSIZE))

// Write the pages of [start, end), in v, back that p has written to.
static void
writeback(struct proc *p, struct vma *v, uint64 start, uint64 end)
{
  int n = 0;   // pages written

  if (!(v->flags & MAP_SHARED) || !(v->prot & PROT_WRITE))
    return;
  begin_op();
  for (pte_t *pte; (pte = walknext(p->pagetable, &start, end)) != 0; start += PGSIZE) {
    if (!(*pte & PTE_W))
      continue;
    if (n > 0 && n % PAGESPEROP == 0)
      next_op();
    writepage(v->file->ip, v->off + (start - v->start), PTE2PA(*pte));
    n++;
  }
  end_op();
}

// Take the pages of [start, end), in v, out of p's memory. Those that have to be are written back.
static void
unmappages(struct proc *p, struct vma *v, uint64 start, uint64 end)
{
  writeback(p, v, start, end);
  for (pte_t *pte; (pte = walknext(p->pagetable, &start, end)) != 0; start += PGSIZE) {
    droppage(v, (void *)PTE2PA(*pte));
    *pte = 0;
  }
}
#endif
#if LAB_TASK >= 6

// End all mappings of p: at exit and exec, and when fork fails.
void
munmapall(struct proc *p)
{
  while (p->nvma > 0) {
    struct vma *v = &p->vma[p->nvma - 1];
    unmappages(p, v, v->start, v->end);
    removevma(p, p->nvma - 1);
  }
}
#endif
#if LAB_TASK >= 7

// Copy the pages that the child's parent has in v, its own and the child's.
// Returns -1 if memory is out.
static int
copyprivate(struct proc *from, struct proc *to, struct vma *v)
{
  uint64 va = v->start;

  for (pte_t *pte; (pte = walknext(from->pagetable, &va, v->end)) != 0; va += PGSIZE) {
    void *page = kalloc();
    if (page == 0)
      return -1;
    memmove(page, (void *)PTE2PA(*pte), PGSIZE);
    if (mappages(to->pagetable, va, PGSIZE, (uint64)page, PTE_FLAGS(*pte)) < 0) {
      kfree(page);
      return -1;
    }
  }
  return 0;
}

// Give the mappings of from to its new child. A MAP_PRIVATE page is copied as it is now; a
// MAP_SHARED page the child finds by a fault of its own.
// Returns -1 if memory is out; then to has none.
int
mmapcopy(struct proc *from, struct proc *to)
{
  for (int i = 0; i < from->nvma; i++) {
    struct vma *v = &from->vma[i];
    insertvma(to, i, *v);
    if ((v->flags & MAP_PRIVATE) && copyprivate(from, to, v) < 0) {
      munmapall(to);
      return -1;
    }
  }
  return 0;
}
#endif

// ---- the system calls

// Map len bytes of f from offset off into the current process. addr is a hint, and not used.
// Nothing is read yet. Returns the address; -1 if an argument is bad, or there is no room.
uint64
do_mmap(uint64 addr, uint64 len, int prot, int flags, struct file *f, uint64 off)
{
#if LAB_TASK >= 3
  struct proc *p = myproc();

  if (len == 0 || len > MMAPTOP - MMAPBASE || off % PGSIZE || off > MAXOFFSET)
    return -1;
  if ((prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)) || (flags != MAP_SHARED && flags != MAP_PRIVATE))
    return -1;
  if (p->nvma == NVMA || !mappable(f, prot, flags))
    return -1;

  len = PGROUNDUP(len);
  uint64 start = place(p, len);
  if (start == 0)
    return -1;
  struct vma v = { .start = start, .end = start + len, .prot = prot, .flags = flags, .file = f, .off = off };
  insertvma(p, findvma(p, start), v);
  return start;
#else
  // TODO(task 3): check the arguments, choose an address, record the mapping. See docs/task3.md.
  return -1;
#endif
}

// End what the current process has mapped of [addr, addr+len), len rounded up to pages. Returns -1,
// and changes nothing, if the range is none, or a mapping must be split and the table is full.
int
do_munmap(uint64 addr, uint64 len)
{
#if LAB_TASK >= 5
  struct proc *p = myproc();
  uint64 end = addr + PGROUNDUP(len);

  if (addr % PGSIZE || len == 0 || len > MAXVA || end < addr || end > MAXVA)
    return -1;

  int i = findvma(p, addr);
  if (i < p->nvma && p->vma[i].start < addr && end < p->vma[i].end) {
    if (p->nvma == NVMA)
      return -1;
    splitvma(p, i, end);
  }
  while (i < p->nvma && p->vma[i].start < end) {
    struct vma *v = &p->vma[i];
    uint64 from = v->start > addr ? v->start : addr;
    uint64 to = v->end < end ? v->end : end;
    unmappages(p, v, from, to);
    if (from > v->start) {          // the head stays
      v->end = from;
      i++;
    } else if (to < v->end) {       // the tail stays
      v->off += to - v->start;
      v->start = to;
    } else {
      removevma(p, i);
    }
  }
  return 0;
#else
  // TODO(task 5): write back, unmap, and shorten, split or remove the VMAs. See docs/task5.md.
  return -1;
#endif
}
