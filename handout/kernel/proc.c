// proc.c - processes: their making and ending, and which of them runs on which hart.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "memlayout.h"
#include "spinlock.h"
#include "proc.h"
#include "defs.h"

struct cpu cpus[NCPU];

static struct proc proc[NPROC];
static struct proc *initproc;

// Protects the family tree: parent, child, sibling. Taken before the other locks here. A process holds it
// while it becomes a zombie, and its parent while it looks for one: so the parent does not sleep past that.
static struct spinlock wait_lock;

#define NSLEEPQ 64   // a power of two

static struct {
  struct spinlock lock;              // protects all of this, and p->state, chan and qnext
  struct proc    *first, *last;      // RUNNABLE, in the order in which they run
  struct proc    *asleep[NSLEEPQ];   // SLEEPING, by hash of chan
  struct proc    *unused;            // UNUSED
  uint            idle;              // bit h: hart h waits for work
} sched;

extern char trampoline[];            // trampoline.S
extern char userret[];

// The first thing that a new process does in the kernel.
static void forkret(void);
static void firstret(void);

// ---- the queues; sched.lock is held in all of this part

// Make another hart trap into the kernel, or come out of wfi, as soon as this one holds no
// lock: QEMU may take long to do it.
static void
nudge(int hart)
{
  mycpu()->nudges |= 1U << hart;
}

// Tell another hart that there is work, if one is idle: it sits in scheduler(), in wfi.
static void
wakehart(void)
{
  uint others = sched.idle & ~(1U << cpuid());

  if (others == 0)
    return;
  int hart = 0;
  while ((others >> hart & 1) == 0)
    hart++;
  sched.idle &= ~(1U << hart);
  nudge(hart);
}

// p may run from now on. If this hart is idle itself, it will look at the queue
// when the interrupt that brought it here is over: the first process needs no other.
static void
ready(struct proc *p)
{
  int mine = mycpu()->proc == 0 && sched.first == 0;

  p->state = RUNNABLE;
  p->qnext = 0;
  if (sched.first)
    sched.last->qnext = p;
  else
    sched.first = p;
  sched.last = p;
  if (!mine)
    wakehart();
}

// Take the process out of the queue whose turn it is; 0 if there is none.
static struct proc *
nextready(void)
{
  struct proc *p = sched.first;

  if (p) {
    sched.first = p->qnext;
    p->state = RUNNING;
  }
  return p;
}

// The sleep queue for chan.
static struct proc **
sleepq(void *chan)
{
  uint64 a = (uint64)chan;

  return &sched.asleep[(a >> 3 ^ a >> 9 ^ a >> 15) % NSLEEPQ];
}

// Take the sleeping process that *link points to out of its queue, and make it ready.
static void
rouse(struct proc **link)
{
  struct proc *p = *link;

  *link = p->qnext;
  p->chan = 0;
  ready(p);
}

// Leave this hart to the next process that is ready, or to scheduler(). The caller has set
// p->state and queued p; returns when p runs again, maybe elsewhere. Only sched.lock is held.
static void
switchaway(void)
{
  struct cpu *c = mycpu();
  struct proc *p = c->proc;

  if (c->noff != 1)
    panic("pid %d sleeps while it holds a spinlock", p->pid);
  struct proc *next = nextready();
  if (next == p)
    return;
  int intena = c->intena;
  c->proc = next;
  swtch(&p->context, next ? &next->context : &c->idle);
  mycpu()->intena = intena;
}

// ---- running and waiting

// What a hart does when it is started, and whenever no process is ready. Never returns.
void
scheduler(void)
{
  struct cpu *c = mycpu();
  uint me = 1U << cpuid();

  for (;;) {
    intr_on();    // take what came in during wfi
    intr_off();

    acquire(&sched.lock);
    struct proc *p = nextready();
    if (p) {
      sched.idle &= ~me;
      c->proc = p;
      swtch(&c->idle, &p->context);
      c->intena = 0;   // whatever it was for p: an interrupt between release and wfi would be slept over
    }
    sched.idle |= me;
    int work = sched.first != 0;
    release(&sched.lock);

    // An interrupt ends the wait though they are off.
    if (!work)
      asm volatile("wfi");
  }
}

// Is a process ready that no hart runs? Only a hint: takes no lock.
int
anyready(void)
{
  return __atomic_load_n(&sched.first, __ATOMIC_RELAXED) != 0;
}

// Let the other processes that are ready run first.
void
yield(void)
{
  acquire(&sched.lock);
  if (sched.first) {
    ready(myproc());
    switchaway();
  }
  release(&sched.lock);
}

// Send the nudges that this hart owes. Called by pop_off, with interrupts off and no lock held.
void
nudgeharts(void)
{
  struct cpu *c = mycpu();

  for (int hart = 0; hart < NCPU; hart++)
    if (c->nudges >> hart & 1)
      *(volatile uint32 *)CLINT_MSIP(hart) = 1;
  c->nudges = 0;
}

// Release lk, sleep until wakeup(chan), and take lk again; no wakeup after the release is missed.
// If a kill may end the sleep, a killed process only lets others run: so a kill just before is not missed either.
static void
suspend(void *chan, struct spinlock *lk, int killable)
{
  acquire(&sched.lock);
  release(lk);

  struct proc *p = myproc();
  if (killable && killed(p)) {
    ready(p);
  } else {
    struct proc **q = sleepq(chan);
    p->state = SLEEPING;
    p->chan = chan;
    p->qnext = *q;
    *q = p;
  }
  switchaway();

  release(&sched.lock);
  acquire(lk);
}

// Release lk, sleep until wakeup(chan) or a kill, and take lk again.
// May return early: the caller looks whether what it waits for is so, and whether it is killed.
void
sleep(void *chan, struct spinlock *lk)
{
  suspend(chan, lk, 1);
}

// As sleep, for what is sure to come and must be waited for, killed or not: the disk, and who uses it.
void
deepsleep(void *chan, struct spinlock *lk)
{
  suspend(chan, lk, 0);
}

// Make all processes ready that sleep on chan.
void
wakeup(void *chan)
{
  acquire(&sched.lock);
  struct proc **link = sleepq(chan);
  while (*link) {
    if ((*link)->chan == chan)
      rouse(link);
    else
      link = &(*link)->qnext;
  }
  release(&sched.lock);
}

// ---- making and freeing

// Set the process table up.
void
procinit(void)
{
  initlock(&wait_lock, "wait_lock");
  initlock(&sched.lock, "sched");
  for (int i = NPROC - 1; i >= 0; i--) {
    initlock(&proc[i].lock, "proc");
    proc[i].kstack = KSTACK(i);
    proc[i].qnext = sched.unused;
    sched.unused = &proc[i];
  }
}

// Map a kernel stack for each process, with a page that is not mapped below it.
void
proc_mapstacks(pagetable_t kpgtbl)
{
  for (int i = 0; i < NPROC; i++)
    for (int page = 0; page < KSTACKPAGES; page++)
      kvmmap(kpgtbl, KSTACK(i) + page * PGSIZE, (uint64)kalloc(), PGSIZE, PTE_R | PTE_W);
}

// A page table with no user memory, only p's trapframe and the trampoline. 0 if memory is out.
pagetable_t
proc_pagetable(struct proc *p)
{
  pagetable_t pagetable = uvmcreate();

  if (pagetable == 0)
    return 0;
  if (mappages(pagetable, TRAMPOLINE, PGSIZE, (uint64)trampoline, PTE_R | PTE_X | PTE_D) < 0 ||
      mappages(pagetable, TRAPFRAME, PGSIZE, (uint64)p->trapframe, PTE_R | PTE_W | PTE_D) < 0) {
    proc_freepagetable(pagetable, 0);
    return 0;
  }
  return pagetable;
}

// Free a page table and the sz bytes of user memory in it. The trapframe stays.
void
proc_freepagetable(pagetable_t pagetable, uint64 sz)
{
  uvmunmap(pagetable, TRAPFRAME, 2, 0);
  uvmfree(pagetable, sz);
}

// Free p's memory, trapframe included. p never goes back to user space.
static void
freememory(struct proc *p)
{
  if (p->pagetable)
    proc_freepagetable(p->pagetable, p->sz);
  if (p->trapframe)
    kfree(p->trapframe);
  p->pagetable = 0;
  p->trapframe = 0;
  p->sz = 0;
}

// Free p, which has ended or was never started, and its place in the table.
static void
freeproc(struct proc *p)
{
  freememory(p);

  acquire(&p->lock);
  p->pid = 0;
  p->killed = 0;
  p->xstate = 0;
  p->name[0] = 0;
  release(&p->lock);

  acquire(&sched.lock);   // which p held until it had left its stack
  p->state = UNUSED;
  p->qnext = sched.unused;
  sched.unused = p;
  release(&sched.lock);
}

// A new process with an empty page table, that will begin in the kernel at entry.
// Returns 0 if there is no place for one, or no memory.
static struct proc *
allocproc(void (*entry)(void))
{
  static int lastpid;

  acquire(&sched.lock);
  struct proc *p = sched.unused;
  if (p) {
    sched.unused = p->qnext;
    p->state = USED;
  }
  release(&sched.lock);
  if (p == 0)
    return 0;

  acquire(&p->lock);
  p->pid = __atomic_add_fetch(&lastpid, 1, __ATOMIC_RELAXED);
  release(&p->lock);

  // TODO(task 2): a new process has no mappings. See docs/task2.md.
  p->trapframe = kzalloc();
  if (p->trapframe)
    p->pagetable = proc_pagetable(p);
  if (p->pagetable == 0) {
    freeproc(p);
    return 0;
  }
  p->context = (struct context){
    .ra = (uint64)entry,
    .sp = p->kstack + KSTACKPAGES * PGSIZE,
  };
  return p;
}

// Make the first process.
void
userinit(void)
{
  initproc = allocproc(firstret);
  safestrcpy(initproc->name, "init", sizeof(initproc->name));
  acquire(&sched.lock);
  ready(initproc);
  release(&sched.lock);
}

// Go to user space, as usertrap's end does.
static void
touser(void)
{
  prepare_return();
  uint64 satp = MAKE_SATP(myproc()->pagetable);
  uint64 fn = TRAMPOLINE + (userret - trampoline);
  ((void (*)(uint64))fn)(satp);
}

static void
forkret(void)
{
  release(&sched.lock);   // taken by whoever switched to here
  if (killed(myproc()))
    kexit(-1);
  touser();
}

// As forkret, for the first process: only now can the kernel sleep, and so use the disk.
static void
firstret(void)
{
  release(&sched.lock);

  struct proc *p = myproc();
  char *argv[] = { "/init", 0 };
  fsinit(ROOTDEV);
  p->cwd = namei("/");
  int argc = kexec("/init", argv);
  if (argc < 0)
    panic("there is no /init on the disk that can be run");
  p->trapframe->a0 = argc;
  touser();
}

// ---- memory

// One past the highest address that p's heap may reach.
static uint64
heaplimit(struct proc *p)
{
  return TRAPFRAME;
}

// Grow the current process by n bytes with pages, or shrink it. To shrink by more than there is changes
// nothing, and is no error: programs for xv6 count on that.
// Returns -1, and changes nothing, if there is no room or no memory.
int
growproc(int n)
{
  struct proc *p = myproc();
  uint64 sz = p->sz + n;

  if (n < 0) {
    if (p->sz < -(uint64)n)
      return 0;
    uvmdealloc(p->pagetable, p->sz, sz);
  } else if (sz > heaplimit(p) || uvmalloc(p->pagetable, p->sz, sz, PTE_W) != sz) {
    return -1;
  }
  p->sz = sz;
  return 0;
}

// Grow the current process by n >= 0 bytes; their pages come with the first touch.
// Returns -1 if there is no room.
int
growlazy(int n)
{
  struct proc *p = myproc();

  if (p->sz + n > heaplimit(p))
    return -1;
  p->sz += n;
  return 0;
}

// ---- fork, exit, wait, kill

// Give np what its parent p has: memory and mappings. Returns -1 if memory is out.
static int
copymemory(struct proc *p, struct proc *np)
{
  if (uvmcopy(p->pagetable, np->pagetable, p->sz) < 0)
    return -1;
  np->sz = p->sz;
  // TODO(task 7): the child has its parent's mappings too. See docs/task7.md.
  return 0;
}

// Make a child of the current process, which is its copy.
// Returns its pid; to the child, 0; -1 if there is no place or no memory for it.
int
kfork(void)
{
  struct proc *p = myproc();
  struct proc *np = allocproc(forkret);

  if (np == 0)
    return -1;
  if (copymemory(p, np) < 0) {
    freeproc(np);
    return -1;
  }

  *np->trapframe = *p->trapframe;
  np->trapframe->a0 = 0;
  for (int fd = 0; fd < NOFILE; fd++)
    np->ofile[fd] = p->ofile[fd] ? filedup(p->ofile[fd]) : 0;
  np->cwd = idup(p->cwd);
  safestrcpy(np->name, p->name, sizeof(np->name));

  acquire(&wait_lock);
  np->parent = p;
  np->child = 0;
  np->sibling = p->child;
  p->child = np;
  release(&wait_lock);

  int pid = np->pid;
  acquire(&sched.lock);
  ready(np);
  release(&sched.lock);
  return pid;
}

// Give p's children to init. wait_lock is held.
static void
abandon(struct proc *p)
{
  struct proc **end = &p->child;

  if (*end == 0)
    return;
  for (; *end; end = &(*end)->sibling)
    (*end)->parent = initproc;
  *end = initproc->child;
  initproc->child = p->child;
  p->child = 0;
  wakeup(initproc);   // some may have ended
}

// Close all that p has open.
static void
closeall(struct proc *p)
{
  for (int fd = 0; fd < NOFILE; fd++) {
    if (p->ofile[fd])
      fileclose(p->ofile[fd]);
    p->ofile[fd] = 0;
  }
  begin_op();
  iput(p->cwd);
  end_op();
  p->cwd = 0;
}

// End the current process. It is a zombie until its parent waits for it. Does not return.
// Interrupts may be off: the caller may not have got further than the start of a trap.
void
kexit(int status)
{
  struct proc *p = myproc();

  if (p == initproc)
    panic("init exits with status %d", status);
  intr_on();   // closing files may wait for the disk
  // TODO(task 6): the mappings end with the process. See docs/task6.md.
  closeall(p);
  freememory(p);

  acquire(&wait_lock);
  abandon(p);
  wakeup(p->parent);
  acquire(&p->lock);
  p->xstate = status;
  release(&p->lock);

  acquire(&sched.lock);
  p->state = ZOMBIE;
  release(&wait_lock);
  switchaway();
  panic("a zombie runs");
}

// Take a child of p that has ended out of the family. 0 if none has. wait_lock is held.
static struct proc *
takezombie(struct proc *p)
{
  for (struct proc **link = &p->child; *link; link = &(*link)->sibling) {
    struct proc *c = *link;
    if (c->state == ZOMBIE) {
      *link = c->sibling;
      return c;
    }
  }
  return 0;
}

// Wait for a child to end, free it, and store its exit status at user address addr, unless that is 0.
// Returns its pid; -1 if there is no child, the process is killed, or addr is bad.
int
kwait(uint64 addr)
{
  struct proc *p = myproc();
  struct proc *c;

  if (addr && vmprefault(addr, sizeof(int), 0) < 0)
    return -1;

  acquire(&wait_lock);
  while ((c = takezombie(p)) == 0) {
    if (p->child == 0 || killed(p)) {
      release(&wait_lock);
      return -1;
    }
    sleep(p, &wait_lock);
  }
  release(&wait_lock);

  int pid = c->pid;
  int status = c->xstate;
  freeproc(c);
  if (addr)
    copyout(p->pagetable, addr, (char *)&status, sizeof(status));
  return pid;
}

// Have p see soon that it was killed: wake it if it sleeps, and if it runs
// elsewhere make it trap.
static void
interrupt(struct proc *p)
{
  acquire(&sched.lock);
  if (p->state == SLEEPING) {
    struct proc **link = sleepq(p->chan);
    while (*link != p)
      link = &(*link)->qnext;
    rouse(link);
  }
  for (int hart = 0; hart < NCPU; hart++)
    if (cpus[hart].proc == p && hart != cpuid())
      nudge(hart);
  release(&sched.lock);
}

// Have process pid end when it next goes to user space, or leaves a sleep that can be left.
// Returns -1 if there is no such process.
int
kkill(int pid)
{
  if (pid <= 0)
    return -1;
  for (struct proc *p = proc; p < proc + NPROC; p++) {
    acquire(&p->lock);
    int found = p->pid == pid;
    if (found)
      setkilled(p);
    release(&p->lock);
    if (found) {
      interrupt(p);
      return 0;
    }
  }
  return -1;
}

// Have p end soon: see kkill.
void
setkilled(struct proc *p)
{
  __atomic_store_n(&p->killed, 1, __ATOMIC_RELAXED);
}

// Is p to end?
int
killed(struct proc *p)
{
  return __atomic_load_n(&p->killed, __ATOMIC_RELAXED);
}

// ---- copying to and from "user or kernel" addresses

// As copyout, or to kernel address dst unless user_dst.
int
either_copyout(int user_dst, uint64 dst, void *src, uint64 len)
{
  if (user_dst)
    return copyout(myproc()->pagetable, dst, src, len);
  memmove((void *)dst, src, len);
  return 0;
}

// As copyin, or from kernel address src unless user_src.
int
either_copyin(void *dst, int user_src, uint64 src, uint64 len)
{
  if (user_src)
    return copyin(myproc()->pagetable, dst, src, len);
  memmove(dst, (void *)src, len);
  return 0;
}

// Print all processes, when ^P is typed. Takes no lock: the machine may be stuck.
void
procdump(void)
{
  static char *names[] = {
    [USED] = "new", [SLEEPING] = "sleeping", [RUNNABLE] = "ready", [RUNNING] = "running", [ZOMBIE] = "zombie",
  };

  printf("\n");
  for (struct proc *p = proc; p < proc + NPROC; p++)
    if (p->state != UNUSED)
      printf("%d %s %s\n", p->pid, names[p->state], p->name);
}
