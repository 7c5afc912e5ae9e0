// start.c - machine mode: hand the hart to supervisor mode, keep only the passing on of software interrupts.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "memlayout.h"

void main(void);
void machinevec(void);

// What machinevec needs: two words of its own, and the address of the hart's MSIP register.
static uint64 machinescratch[NCPU][3];

// Let hart's software interrupts reach supervisor mode: machinevec turns
// each into a supervisor one. CLINT has no supervisor bit of its own.
static void
passinterrupts(uint64 hart)
{
  machinescratch[hart][2] = CLINT_MSIP(hart);
  w_mscratch((uint64)machinescratch[hart]);
  w_mtvec((uint64)machinevec);
  w_mie(r_mie() | MIE_MSIE);
}

// Ask for machine mode's timer interrupt at the end of time. It is pending from the start, and though nobody
// takes it, QEMU wakes a hart that has one at every change of any device's interrupt, just to let it sleep again.
static void
stoptimer(uint64 hart)
{
  *(volatile uint64 *)CLINT_MTIMECMP(hart) = ~0UL;
}

// Called by entry.S on every hart, in machine mode, without paging. Goes to main() in supervisor mode.
void
start(void)
{
  passinterrupts(r_mhartid());
  stoptimer(r_mhartid());

  w_medeleg(0xffff);                             // every exception,
  w_mideleg(SIE_SSIE | SIE_STIE | SIE_SEIE);     // and every supervisor interrupt, is ours
  w_pmpaddr0(~0UL >> 10);                        // one region: all of memory,
  w_pmpcfg0(0xf);                                // top of range, read, write, execute
  w_menvcfg(r_menvcfg() | MENVCFG_STCE);
  w_mcounteren(r_mcounteren() | MCOUNTEREN_TM);
  w_satp(0);

  w_mepc((uint64)main);
  w_mstatus((r_mstatus() & ~MSTATUS_MPP_MASK) | MSTATUS_MPP_S);
  asm volatile("mret");
}
