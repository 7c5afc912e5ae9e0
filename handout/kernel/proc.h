// proc.h - harts and processes.
#pragma once

// Registers that a function keeps for its caller (RISC-V calling convention);
// what swtch saves and restores.
struct context {
  uint64 ra;
  uint64 sp;
  uint64 s[12];
};

struct cpu {
  struct proc   *proc;     // the process that runs here, or 0
  struct context idle;     // swtch here when there is nothing to run
  int            noff;     // depth of push_off
  uint           nudges;   // bit h: hart h is to be nudged, when this one holds no lock any more
  int            intena;   // interrupts were on before the first push_off
};

extern struct cpu cpus[NCPU];

// The registers of a process while it is in the kernel. Lies in a page of its own,
// mapped at TRAPFRAME in the user page table; trampoline.S knows the offsets.
struct trapframe {
  /*   0 */ uint64 kernel_satp;
  /*   8 */ uint64 kernel_sp;
  /*  16 */ uint64 kernel_trap;     // usertrap
  /*  24 */ uint64 epc;             // user program counter
  /*  32 */ uint64 kernel_hartid;
  /*  40 */ uint64 ra;
  /*  48 */ uint64 sp;
  /*  56 */ uint64 gp;
  /*  64 */ uint64 tp;
  /*  72 */ uint64 t0;
  /*  80 */ uint64 t1;
  /*  88 */ uint64 t2;
  /*  96 */ uint64 s0;
  /* 104 */ uint64 s1;
  /* 112 */ uint64 a0;
  /* 120 */ uint64 a1;
  /* 128 */ uint64 a2;
  /* 136 */ uint64 a3;
  /* 144 */ uint64 a4;
  /* 152 */ uint64 a5;
  /* 160 */ uint64 a6;
  /* 168 */ uint64 a7;
  /* 176 */ uint64 s2;
  /* 184 */ uint64 s3;
  /* 192 */ uint64 s4;
  /* 200 */ uint64 s5;
  /* 208 */ uint64 s6;
  /* 216 */ uint64 s7;
  /* 224 */ uint64 s8;
  /* 232 */ uint64 s9;
  /* 240 */ uint64 s10;
  /* 248 */ uint64 s11;
  /* 256 */ uint64 t3;
  /* 264 */ uint64 t4;
  /* 272 */ uint64 t5;
  /* 280 */ uint64 t6;
};
// TODO(task 2): struct vma, a mapping: where it lies, what may be done there, the file and the offset. See docs/task2.md.

enum procstate { UNUSED, USED, SLEEPING, RUNNABLE, RUNNING, ZOMBIE };

struct proc {
  struct spinlock lock;          // protects pid and xstate

  // Protected by the scheduler's lock.
  enum procstate  state;
  void           *chan;          // what it sleeps for
  struct proc    *qnext;         // in the run queue, a sleep queue or the free list

  int             killed;        // to end soon; set and read without a lock, see killed()

  // Protected by p->lock.
  int             xstate;        // exit status, for the parent
  int             pid;

  // Protected by wait_lock.
  struct proc    *parent;
  struct proc    *child;         // youngest child
  struct proc    *sibling;       // next older child of the same parent

  // The process's own: nobody else looks.
  uint64           kstack;       // virtual address of the kernel stack's lowest byte
  uint64           sz;           // bytes of user memory, from 0
  pagetable_t      pagetable;
  struct trapframe *trapframe;
  struct context   context;      // swtch here to run it
  struct file     *ofile[NOFILE];
  struct inode    *cwd;
  char             name[16];
  // TODO(task 2): a table of 16 VMAs. See docs/task2.md.
};

// This hart's number, and what is known of it. Interrupts must be off, or the process may move on.
static inline int
cpuid(void)
{
  return r_tp();
}

static inline struct cpu *
mycpu(void)
{
  return &cpus[cpuid()];
}

// The process that runs on this hart, or 0.
static inline struct proc *
myproc(void)
{
  int on = intr_off();
  struct proc *p = mycpu()->proc;

  if (on)
    intr_on();
  return p;
}
