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

// ---- the system calls

// Map len bytes of f from offset off into the current process; f is 0 for MAP_ANONYMOUS.
// Nothing is read yet. Returns the address; -1 if an argument is bad, or there is no room.
uint64
do_mmap(uint64 addr, uint64 len, int prot, int flags, struct file *f, uint64 off)
{
  // TODO(task 3): check the arguments, choose an address, record the mapping. See docs/task3.md.
  return -1;
}

// End what the current process has mapped of [addr, addr+len), len rounded up to pages. Returns -1,
// and changes nothing, if the range is none, or a mapping must be split and the table is full.
int
do_munmap(uint64 addr, uint64 len)
{
  // TODO(task 5): write back, unmap, and shorten, split or remove the VMAs. See docs/task5.md.
  return -1;
}
