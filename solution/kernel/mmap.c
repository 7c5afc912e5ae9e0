// mmap.c - mapped memory: what a process mapped, and the pages of it. vma.c keeps the table.
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

// Offsets end here, so that the number of a file's page fits in an int.
#define MAXOFFSET (1UL << 43)

// May f be mapped so?
static int
mappable(struct file *f, int prot, int flags)
{
#if LAB_TASK >= 9
  if (f == 0)
    return 1;
#endif
  if (f->type != FD_INODE || f->ip->type != T_FILE || !f->readable)
    return 0;
  return f->writable || !(flags & MAP_SHARED) || !(prot & PROT_WRITE);
}
#endif
#if LAB_TASK >= 8

// ---- shared pages
//
// Every mapping of a page of a file has the same frame, if it is MAP_SHARED. Which page of which file
// a frame holds stands in shared.page[], by frame number. A frame is listed as long as it has a reference: each
// PTE that maps it has one. While it is listed a VMA keeps the file open, so the inode stays in memory.

#define NFRAME        ((PHYSTOP - KERNBASE) / PGSIZE)
#define FRAME(pa)     (((uint64)(pa) - KERNBASE) / PGSIZE)
#define NCHAIN        8192   // a power of two

static struct {
  struct spinlock lock;
  uint            chain[NCHAIN];   // first frame of each hash chain; 0 ends a chain
  struct {
    void         *object;          // the inode, or the anonymous file; 0 if the frame is not listed
    uint          pageno;          // page of the object
    uint          next;            // in the chain
  } page[NFRAME];
} shared;

void
mmapinit(void)
{
  initlock(&shared.lock, "shared");
}

// Is the frame at pa, which the caller has a reference to, listed?
static int
listed(void *pa)
{
  return shared.page[FRAME(pa)].object != 0;
}

// The chain of page pageno of object.
static uint *
chainof(void *object, uint pageno)
{
  return &shared.chain[((uint64)object / 8 * 67 + pageno) % NCHAIN];
}

// The number of the frame that is listed for page pageno of object; 0 if none is. shared.lock is held.
static uint
lookup(void *object, uint pageno)
{
  uint n = *chainof(object, pageno);

  while (n && (shared.page[n].object != object || shared.page[n].pageno != pageno))
    n = shared.page[n].next;
  return n;
}

// The frame that holds page pageno of object, with a reference for the caller; 0 if there is none.
static void *
sharedfind(void *object, uint pageno)
{
  void *pa = 0;

  if (__atomic_load_n(chainof(object, pageno), __ATOMIC_RELAXED) == 0)
    return 0;   // most often: without the lock
  acquire(&shared.lock);
  uint n = lookup(object, pageno);
  if (n) {
    pa = (void *)(KERNBASE + (uint64)n * PGSIZE);
    kref(pa);
  }
  release(&shared.lock);
  return pa;
}

// List frame pa as the one that holds page pageno of object. Returns 0, and does nothing, if there is one already.
static int
sharedadd(void *object, uint pageno, void *pa)
{
  acquire(&shared.lock);
  int fresh = lookup(object, pageno) == 0;
  if (fresh) {
    uint *chain = chainof(object, pageno);
    uint n = FRAME(pa);
    shared.page[n].object = object;
    shared.page[n].pageno = pageno;
    shared.page[n].next = *chain;
    *chain = n;
  }
  release(&shared.lock);
  return fresh;
}

// Drop a reference to the listed frame pa; the last one takes it off the list.
static void
shareddrop(void *pa)
{
  acquire(&shared.lock);
  if (!kshared(pa)) {
    uint n = FRAME(pa);
    uint *link = chainof(shared.page[n].object, shared.page[n].pageno);
    while (*link != n)
      link = &shared.page[*link].next;
    *link = shared.page[n].next;
    shared.page[n].object = 0;
  }
  kfree(pa);
  release(&shared.lock);
}
#endif
#if LAB_TASK >= 9

// ---- anonymous files: what a MAP_SHARED mapping of no file maps, so that forked processes find the same pages.
// Their pages stay listed, with a reference of the file's own, until the last mapping of the file is gone.

// A new one, of so many pages. Returns 0 if NFILE files are open.
static struct file *
anonfile(uint npages)
{
  struct file *f = filealloc();

  if (f) {
    f->type = FD_ANON;
    f->off = npages;
  }
  return f;
}

// Page pageno of f, with a reference for the caller. Returns 0 if memory is out.
static void *
anonpage(struct file *f, uint pageno)
{
  void *page = sharedfind(f, pageno);

  if (page)
    return page;
  page = kzalloc();
  if (page && !sharedadd(f, pageno, page))
    kfree(page);   // another process was first
  return page ? sharedfind(f, pageno) : 0;
}

// Drop the pages of the anonymous file f, which nobody maps any more.
void
anonclose(struct file *f)
{
  for (uint pageno = 0; pageno < f->off; pageno++) {
    void *page = sharedfind(f, pageno);
    if (page) {
      kfree(page);
      shareddrop(page);
    }
  }
}
#else
// TODO(task 9): what a MAP_SHARED mapping of no file maps, so that forked processes find the same pages. See docs/task9.md.
#endif
#if LAB_TASK >= 14

// ---- one truth for file data: while a page of a file is listed, its frame has what the file holds. readi,
// writei and itrunc look here, with the inode locked.

#define FILEPAGES   (MAXFILE * BSIZE / PGSIZE)   // pages of the largest file

// The frame with page pageno of ip, and a reference for pagedone; 0 if none is listed.
char *
filepage(struct inode *ip, uint pageno)
{
  return sharedfind(ip, pageno);
}

void
pagedone(char *page)
{
  shareddrop(page);
}

// n bytes, which don't cross a page, were written to ip at off; data has them. They came from src, unless that is 0.
void
filepagewrite(struct inode *ip, uint off, void *data, uint n, void *src)
{
  char *page = sharedfind(ip, off / PGSIZE);

  if (page == 0)
    return;
  if (page + off % PGSIZE != src)   // else this is write-back, and a store may have come since
    memmove(page + off % PGSIZE, data, n);
  shareddrop(page);
}

// ip was made empty.
void
filepagetrunc(struct inode *ip)
{
  for (uint pageno = 0; pageno < FILEPAGES; pageno++) {
    char *page = sharedfind(ip, pageno);
    if (page) {
      memset(page, 0, PGSIZE);
      shareddrop(page);
    }
  }
}
#else
// TODO(task 14): let readi, writei and itrunc find the pages of a file that are mapped. See docs/task14.md.
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

// The page to map at va in v for such an access, with a reference for the PTE. 0 if memory is out.
static void *
getpage(struct vma *v, uint64 va, int access)
{
#if LAB_TASK >= 9
  if (v->file == 0)
    return kzalloc();
  if (v->file->type == FD_ANON)
    return anonpage(v->file, (v->off + (va - v->start)) / PGSIZE);
#else
  // TODO(task 9): a page of anonymous memory. See docs/task9.md.
#endif
  struct inode *ip = v->file->ip;
  uint64 off = v->off + (va - v->start);
  void *page = 0;

  // The lock is held from the search to the listing, and by write-back:
  // no two frames can be made for one page, nor one from a file that is being written.
  ilock(ip);
#if LAB_TASK >= 8
  int share = v->flags & MAP_SHARED;
#if LAB_TASK >= 14
  share |= access != FAULT_STORE;   // a MAP_PRIVATE page is the file's until the first store
#else
  // TODO(task 14): until the first store a MAP_PRIVATE page is the file's. See docs/task14.md.
#endif
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

// Drop a reference to a page of user memory.
static void
droppage(void *page)
{
#if LAB_TASK >= 8
  if (listed(page)) {
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

// The PTE bits of a page of v that is mapped for such an access. A page of a MAP_SHARED mapping gets PTE_W
// only with the first store, and PTE_D then too: so PTE_D says that it was written, whether or not hardware sets it.
static int
pteperm(struct vma *v, int access)
{
  int perm = PTE_U;

  if (v->prot & (PROT_READ | PROT_WRITE))
    perm |= PTE_R;
  if (v->prot & PROT_EXEC)
    perm |= PTE_X;
  if ((v->prot & PROT_WRITE) && access == FAULT_STORE)
    perm |= PTE_W | PTE_D;
  return perm;
}
#endif
#if LAB_TASK >= 14

// Let *pte, of a MAP_PRIVATE mapping, have a copy of the listed page that it has. Returns -1 if memory is out.
static int
privatecopy(pte_t *pte)
{
  void *page = (void *)PTE2PA(*pte), *copy = kalloc();

  if (copy == 0)
    return -1;
  memmove(copy, page, PGSIZE);
  *pte = PA2PTE(copy) | PTE_FLAGS(*pte);
  shareddrop(page);
  return 0;
}
#endif
#if LAB_TASK >= 13

// Make *pte, which is read-only because others may have the page too, writable: with a copy, unless the process
// is the only owner left. Returns the page; 0 if memory is out.
uint64
cowfault(pte_t *pte)
{
  void *own = kown((void *)PTE2PA(*pte));

  if (own)
    *pte = PA2PTE(own) | (PTE_FLAGS(*pte) & ~PTE_COW) | PTE_W | PTE_D;
  return (uint64)own;
}
#else
// TODO(task 13): cowfault, for a store to a page that others may have too: a copy, unless nobody else has it any more. See docs/task13.md.
#endif
#if LAB_TASK >= 4

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
#if LAB_TASK >= 14
    if ((v->flags & MAP_PRIVATE) && listed((void *)PTE2PA(*pte)) && privatecopy(pte) < 0)
      return 0;
#else
    // TODO(task 14): a MAP_PRIVATE page may be the file's still. See docs/task14.md.
#endif
#if LAB_TASK >= 13
    if (v->flags & MAP_PRIVATE)
      return cowfault(pte);
#else
    // TODO(task 13): others may have a MAP_PRIVATE page too. See docs/task13.md.
#endif
    *pte |= PTE_W | PTE_D;
    return PTE2PA(*pte);
  }
  void *page = getpage(v, va, access);
  if (page && mappages(p->pagetable, va, PGSIZE, (uint64)page, pteperm(v, access)) < 0) {
    droppage(page);
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

  if (!(v->flags & MAP_SHARED))
    return;
#if LAB_TASK >= 9
  if (v->file->type == FD_ANON)
    return;
#endif
  begin_op();
  for (pte_t *pte; (pte = walknext(p->pagetable, &start, end)) != 0; start += PGSIZE) {
    if (!(*pte & PTE_D))
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
    droppage((void *)PTE2PA(*pte));
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

// Give the child the pages that its parent has in v, MAP_PRIVATE. Returns -1 if memory is out.
static int
copyprivate(struct proc *from, struct proc *to, struct vma *v)
{
  uint64 va = v->start;

  for (pte_t *pte; (pte = walknext(from->pagetable, &va, v->end)) != 0; va += PGSIZE) {
#if LAB_TASK >= 14
    if (listed((void *)PTE2PA(*pte)))
      continue;   // it is the file's still: the child finds it by a fault of its own
#endif
#if LAB_TASK >= 13
    void *page = (void *)PTE2PA(*pte);
    if (kcow(page, (va - v->start) / PGSIZE < SUREPAGES) < 0)
      return -1;
    *pte &= ~PTE_W;   // both have it until one stores
#else
    // TODO(task 13): share the page until one of the two stores to it. See docs/task13.md.
    void *page = kalloc();
    if (page == 0)
      return -1;
    memmove(page, (void *)PTE2PA(*pte), PGSIZE);
#endif
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

#if LAB_TASK >= 9

// Give v, which maps no file, what it maps instead. Returns -1 if too many files are open.
static int
anonymous(struct vma *v)
{
  if (v->flags == MAP_PRIVATE) {
    v->off = v->start;   // of the address space itself: neighbours continue each other
    return 0;
  }
  v->off = 0;
  v->file = anonfile((v->end - v->start) / PGSIZE);
  return v->file ? 0 : -1;
}
#endif
#if LAB_TASK >= 10

// Where len bytes are to be mapped: at addr if it is fixed, or else if there is room; 0 if nowhere.
static uint64
choose(struct proc *p, uint64 addr, uint64 len, int fixed)
{
  if (fixed)
    return addr % PGSIZE == 0 && addr >= MMAPBASE && addr >= p->sz && addr <= MMAPTOP - len ? addr : 0;
  if (addr && addr < MMAPTOP && freerange(p, PGROUNDUP(addr), PGROUNDUP(addr) + len))
    return PGROUNDUP(addr);
  return placevma(p, len);
}

// Put v, which has a place, into p's table, in the place of what is mapped there, and join it with its
// neighbours if they are alike. Returns -1 if the table is too full.
static int
replace(struct proc *p, struct vma *v)
{
  if (p->nvma + slots(p, v->start, v->end) > NVMA || (v->file == 0 && anonymous(v) < 0))
    return -1;
  do_munmap(v->start, v->end - v->start);
  int i = findvma(p, v->start);
  insertvma(p, i, *v);
  mergevma(p, i);
  mergevma(p, i - 1);
  return 0;
}
#else
// TODO(task 10): where a hint, or MAP_FIXED, puts a mapping; what was there is replaced, and alike neighbours become one. See docs/task10.md.
#endif

// Map len bytes of f from offset off into the current process; f is 0 for MAP_ANONYMOUS.
// Nothing is read yet. Returns the address; -1 if an argument is bad, or there is no room.
uint64
do_mmap(uint64 addr, uint64 len, int prot, int flags, struct file *f, uint64 off)
{
#if LAB_TASK >= 3
  struct proc *p = myproc();
#if LAB_TASK >= 10
  int fixed = flags & MAP_FIXED;

  flags &= ~MAP_FIXED;
#endif

  if (len == 0 || len > MMAPTOP - MMAPBASE || off % PGSIZE || off > MAXOFFSET)
    return -1;
  if ((prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)) || (flags != MAP_SHARED && flags != MAP_PRIVATE))
    return -1;
  if (p->nvma == NVMA || !mappable(f, prot, flags))
    return -1;

  len = PGROUNDUP(len);
#if LAB_TASK >= 10
  uint64 start = choose(p, addr, len, fixed);
#else
  // TODO(task 10): addr is a hint, or with MAP_FIXED an order. See docs/task10.md.
  uint64 start = placevma(p, len);
#endif
  if (start == 0)
    return -1;
  struct vma v = { .start = start, .end = start + len, .prot = prot, .flags = flags, .file = f, .off = off };
#if LAB_TASK >= 10
  if (replace(p, &v) < 0)
    return -1;
#else
  // TODO(task 10): with MAP_FIXED, unmap what is there; merge with neighbours that are alike. See docs/task10.md.
#if LAB_TASK >= 9
  if (f == 0 && anonymous(&v) < 0)
    return -1;
#endif
  insertvma(p, findvma(p, start), v);
#endif
#if LAB_TASK >= 9
  if (v.file != f)
    fileclose(v.file);   // the VMA has it
#endif
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
#if LAB_TASK >= 11

// Is all of [addr, end) mapped by VMAs that may have prot?
static int
allmapped(struct proc *p, uint64 addr, uint64 end, int prot)
{
  for (int i = findvma(p, addr); addr < end; addr = p->vma[i++].end) {
    struct vma *v = &p->vma[i];
    if (i == p->nvma || v->start > addr)
      return 0;
    if ((prot & PROT_WRITE) && v->flags == MAP_SHARED && v->file->type == FD_INODE && !v->file->writable)
      return 0;
  }
  return 1;
}

// Give v another prot, and its pages: what is taken away is gone at once, PTE_W comes with a store.
static void
setprot(struct proc *p, struct vma *v, int prot)
{
  v->prot = prot;
  int perm = pteperm(v, FAULT_LOAD);
  if (prot == PROT_NONE)
    perm = PTE_R;   // a leaf, but not the user's
  if (prot & PROT_WRITE)
    perm |= PTE_W;  // if it has it

  uint64 va = v->start;
  for (pte_t *pte; (pte = walknext(p->pagetable, &va, v->end)) != 0; va += PGSIZE)
    *pte = (*pte & ~(PTE_R | PTE_W | PTE_X | PTE_U)) | (perm & (*pte | ~PTE_W));
}

// Change what may be done with [addr, addr+len), len rounded up to pages. Returns -1, and changes nothing,
// if the range is none, has a hole, may not be written to, or the table is full.
int
do_mprotect(uint64 addr, uint64 len, int prot)
{
  struct proc *p = myproc();
  uint64 end = addr + PGROUNDUP(len);

  if (addr % PGSIZE || len > MAXVA || end < addr || (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)))
    return -1;
  if (addr == end)
    return 0;
  if (!allmapped(p, addr, end, prot) || p->nvma + cuts(p, addr, end) > NVMA)
    return -1;

  int first = findvma(p, addr);
  if (p->vma[first].start < addr)
    splitvma(p, first++, addr);
  for (int i = first; i < p->nvma && p->vma[i].start < end; i++) {
    if (p->vma[i].end > end)
      splitvma(p, i, end);
    setprot(p, &p->vma[i], prot);
  }
  for (int i = first - 1; i < p->nvma && (i < 0 || p->vma[i].start < end);)
    if (!mergevma(p, i))
      i++;
  return 0;
}
#else
// TODO(task 11): do_mprotect. See docs/task11.md.
#endif
#if LAB_TASK >= 14

// Write what was stored to the MAP_SHARED pages of [addr, addr+len), len rounded up to pages, back to their files.
// Returns when it is durable; -1 if the range is none, or has a hole.
int
do_msync(uint64 addr, uint64 len)
{
  struct proc *p = myproc();
  uint64 end = addr + PGROUNDUP(len);

  if (addr % PGSIZE || len > MAXVA || end < addr || !allmapped(p, addr, end, PROT_NONE))
    return -1;
  for (int i = findvma(p, addr); i < p->nvma && p->vma[i].start < end; i++) {
    struct vma *v = &p->vma[i];
    uint64 va = v->start > addr ? v->start : addr, to = v->end < end ? v->end : end;
    writeback(p, v, va, to);
    for (pte_t *pte; v->flags == MAP_SHARED && (pte = walknext(p->pagetable, &va, to)) != 0; va += PGSIZE)
      *pte &= ~(PTE_W | PTE_D);   // clean; the next store says otherwise
  }
  return 0;
}
#else
// TODO(task 14): do_msync. See docs/task14.md.
#endif
