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
// TODO(task 3): find a VMA by an address, insert one, find a place for one. See docs/task3.md.
// TODO(task 5): remove a VMA, and cut one in two. See docs/task5.md.
