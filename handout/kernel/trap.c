// trap.c - system calls, faults and interrupts, from user space and from the kernel itself.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "memlayout.h"
#include "spinlock.h"
#include "proc.h"
#include "vm.h"
#include "defs.h"

#define TICK 1000000   // of the machine's 10 MHz clock: 1/10 s

struct spinlock tickslock = { .name = "ticks" };
uint ticks;            // since boot; protected by tickslock

extern char trampoline[], uservec[];   // trampoline.S
void kernelvec(void);                  // kernelvec.S

// Take traps, and the clock, on this hart.
void
trapinithart(void)
{
  w_stvec((uint64)kernelvec);
  w_sie(SIE_SSIE | SIE_STIE | SIE_SEIE);
  asm volatile("csrw scounteren, %0" : : "r"(MCOUNTEREN_TM));   // user programs may read the clock
  w_stimecmp(r_time() + TICK);
}

// A tick has passed. Hart 0 counts them.
static void
clockintr(void)
{
  w_stimecmp(r_time() + TICK);
  if (cpuid() == 0) {
    acquire(&tickslock);
    ticks++;
    wakeup(&ticks);
    release(&tickslock);
  }
}

// Serve the devices that ask for it.
static void
deviceintr(void)
{
  for (int irq; (irq = plic_claim()) != 0; plic_complete(irq)) {
    if (irq == UART0_IRQ)
      uartintr();
    else if (irq == VIRTIO0_IRQ)
      virtio_disk_intr();
    else
      printf("interrupt from unknown device %d\n", irq);
  }
}

// Serve the interrupt that scause names. Returns 0 if it is none that we know.
static int
interrupt(uint64 cause)
{
  switch (cause) {
  case SCAUSE_EXTERNAL:
    deviceintr();
    return 1;
  case SCAUSE_TIMER:
    clockintr();
    return 1;
  case SCAUSE_SOFTWARE:   // another hart made work for this one, or killed its process: see after the trap
    asm volatile("csrc sip, %0" : : "r"(SIP_SSIP));
    return 1;
  }
  return 0;
}

// Make a page fault at va good. Returns 0 if that can't be.
static int
pagefault(struct proc *p, uint64 cause, uint64 va)
{
  int access = cause == SCAUSE_STORE ? FAULT_STORE : cause == SCAUSE_LOAD ? FAULT_LOAD : FAULT_FETCH;

  intr_on();   // it may sleep
  return vmfault(p->pagetable, va, access) != 0;
}

// Serve an exception of the process: a system call, or a fault. One that
// can't be served kills it.
static void
exception(struct proc *p, uint64 cause)
{
  uint64 va = r_stval();

  if (cause == SCAUSE_ECALL) {
    p->trapframe->epc += 4;   // go on behind the ecall
    intr_on();
    if (!killed(p))
      syscall();
    return;
  }
  if (cause >= SCAUSE_FETCH && cause <= SCAUSE_STORE && cause != 14 && pagefault(p, cause, va))
    return;
  printf("usertrap(): unexpected scause 0x%lx pid=%d\n            sepc=0x%lx stval=0x%lx\n",
         cause, p->pid, p->trapframe->epc, va);
  setkilled(p);
}

// Called by trampoline.S for every trap from user space. Returns the satp to go back with.
uint64
usertrap(void)
{
  w_stvec((uint64)kernelvec);

  struct proc *p = myproc();
  uint64 cause = r_scause();
  p->trapframe->epc = r_sepc();
  if (!interrupt(cause))
    exception(p, cause);

  if (cause == SCAUSE_TIMER)
    yield();
  if (killed(p))
    kexit(-1);

  prepare_return();
  return MAKE_SATP(p->pagetable);
}

// Set this hart up for the way to user space. Interrupts are off afterwards: from here on a
// trap would go to uservec, which expects to come from user space.
void
prepare_return(void)
{
  intr_off();
  w_stvec(TRAMPOLINE + (uservec - trampoline));

  struct proc *p = myproc();
  struct trapframe *tf = p->trapframe;
  tf->kernel_satp = r_satp();
  tf->kernel_sp = p->kstack + KSTACKPAGES * PGSIZE;
  tf->kernel_trap = (uint64)usertrap;
  tf->kernel_hartid = cpuid();
  w_sscratch(TRAPFRAME);

  w_sstatus((r_sstatus() & ~SSTATUS_SPP) | SSTATUS_SPIE);   // sret: to user mode, interrupts on
  w_sepc(tf->epc);
}

// Called by kernelvec.S for every trap from the kernel: an interrupt, or the end.
void
kerneltrap(void)
{
  uint64 sepc = r_sepc(), sstatus = r_sstatus(), cause = r_scause();

  if (!interrupt(cause))
    panic("kerneltrap: scause 0x%lx sepc=0x%lx stval=0x%lx", cause, sepc, r_stval());
  if (cause == SCAUSE_TIMER && myproc())
    yield();

  w_sepc(sepc);   // yield may have let other traps in
  w_sstatus(sstatus);
}
