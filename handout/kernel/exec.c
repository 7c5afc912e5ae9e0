// exec.c - replace the current process's program by one from a file.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "memlayout.h"
#include "spinlock.h"
#include "sleeplock.h"
#include "fs.h"
#include "file.h"
#include "proc.h"
#include "elf.h"
#include "defs.h"

// A program in the making. It becomes the process's only when nothing can fail any more.
struct image {
  pagetable_t pagetable;
  uint64      sz;       // bytes of user memory, from 0
  uint64      entry;
  uint64      sp;
  int         argc;     // the argument addresses lie at sp
};

// Read the n bytes at off of the locked ip. Returns -1 unless all are there.
static int
readall(struct inode *ip, void *dst, uint64 off, uint64 n)
{
  return readi(ip, 0, (uint64)dst, off, n) == n ? 0 : -1;
}

// Read segment ph of ip into its pages, which img has. Returns -1 if the file is too short.
static int
fill(struct image *img, struct inode *ip, struct proghdr *ph)
{
  for (uint64 done = 0, n; done < ph->filesz; done += n) {
    n = ph->filesz - done < PGSIZE ? ph->filesz - done : PGSIZE;
    void *page = (void *)walkaddr(img->pagetable, ph->vaddr + done);
    if (page == 0 || readall(ip, page, ph->off + done, n) < 0)
      return -1;
  }
  return 0;
}

// Add segment ph of the locked ip to img. Returns -1 if it is malformed, or memory is out.
static int
addsegment(struct image *img, struct inode *ip, struct proghdr *ph)
{
  uint64 end = ph->vaddr + ph->memsz;
  int perm = (ph->flags & ELF_PROG_FLAG_WRITE ? PTE_W : 0) | (ph->flags & ELF_PROG_FLAG_EXEC ? PTE_X : 0);

  if (ph->vaddr % PGSIZE || ph->memsz < ph->filesz || end < ph->vaddr || end > TRAPFRAME)
    return -1;
  if (ph->off + ph->filesz > ip->size || ph->off + ph->filesz < ph->off)
    return -1;
  uint64 sz = uvmalloc(img->pagetable, img->sz, end, perm);
  if (sz == 0)
    return -1;
  img->sz = sz;
  return fill(img, ip, ph);
}

// Load the ELF file ip, which is locked, into img. Returns -1 if it is none, or memory is out.
static int
loadfile(struct image *img, struct inode *ip)
{
  struct elfhdr elf;
  struct proghdr ph;

  if (readall(ip, &elf, 0, sizeof(elf)) < 0 || elf.magic != ELF_MAGIC)
    return -1;
  for (int i = 0; i < elf.phnum; i++) {
    if (readall(ip, &ph, elf.phoff + i * sizeof(ph), sizeof(ph)) < 0)
      return -1;
    if (ph.type == ELF_PROG_LOAD && addsegment(img, ip, &ph) < 0)
      return -1;
  }
  img->entry = elf.entry;
  return 0;
}

// Load the file at path into img. Returns -1 if there is none, it is no program, or memory is out.
static int
load(struct image *img, char *path)
{
  begin_op();
  struct inode *ip = namei(path);
  int result = -1;
  if (ip) {
    ilock(ip);
    result = loadfile(img, ip);
    iunlockput(ip);
  }
  end_op();
  return result;
}

// Add a stack to img, with a page below it that the user can't use. Returns -1 if memory is out.
static int
addstack(struct image *img)
{
  uint64 guard = PGROUNDUP(img->sz);
  uint64 sz = uvmalloc(img->pagetable, guard, guard + (1 + USERSTACK) * PGSIZE, PTE_W);

  if (sz == 0)
    return -1;
  uvmclear(img->pagetable, guard);
  img->sz = img->sp = sz;
  return 0;
}

// Put n bytes on img's stack. Returns -1 if there is no room.
static int
push(struct image *img, void *src, uint64 n)
{
  uint64 sp = (img->sp - n) & ~15UL;   // the calling convention's alignment

  if (sp < img->sz - USERSTACK * PGSIZE)
    return -1;
  img->sp = sp;
  return copyout(img->pagetable, sp, src, n);
}

// Put the arguments on img's stack: the strings, below them their addresses, then 0.
// Returns -1 if there are too many, or no room.
static int
pushargs(struct image *img, char **argv)
{
  uint64 at[MAXARG + 1];
  int n;

  for (n = 0; argv[n]; n++) {
    if (n == MAXARG || push(img, argv[n], strlen(argv[n]) + 1) < 0)
      return -1;
    at[n] = img->sp;
  }
  at[n] = 0;
  img->argc = n;
  return push(img, at, (n + 1) * sizeof(at[0]));
}

// Make img the program of p, and free the one it had.
static void
become(struct proc *p, struct image *img, char *path)
{
  pagetable_t oldtable = p->pagetable;
  uint64 oldsz = p->sz;
  char *name = path;

  for (char *s = path; *s; s++)
    if (*s == '/')
      name = s + 1;
  safestrcpy(p->name, name, sizeof(p->name));

  // TODO(task 6): the new program does not have the old one's mappings. See docs/task6.md.
  p->pagetable = img->pagetable;
  p->sz = img->sz;
  p->trapframe->epc = img->entry;
  p->trapframe->sp = img->sp;
  p->trapframe->a1 = img->sp;   // argv; a0, argc, is the return value of exec
  proc_freepagetable(oldtable, oldsz);
}

// Run the program in the file at path, with argv, in the current process.
// Returns argc; -1 if it can't be run: then the old program goes on.
int
kexec(char *path, char **argv)
{
  struct proc *p = myproc();
  struct image img = { .pagetable = proc_pagetable(p) };

  if (img.pagetable == 0)
    return -1;
  if (load(&img, path) < 0 || addstack(&img) < 0 || pushargs(&img, argv) < 0) {
    proc_freepagetable(img.pagetable, img.sz);
    return -1;
  }
  become(p, &img, path);
  return img.argc;
}
