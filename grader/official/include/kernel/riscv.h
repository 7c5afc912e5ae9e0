// riscv.h - the machine: control registers and page table entries
// (RISC-V Instruction Set Manual, Volume II: Privileged Architecture).
#pragma once

#ifndef __ASSEMBLER__

// Accessors of the control and status registers: r_NAME() and w_NAME(x).
#define READER(instruction, name)                             \
  static inline uint64 r_##name(void)                         \
  {                                                           \
    uint64 x;                                                 \
    asm volatile(instruction " %0, " #name : "=r"(x));        \
    return x;                                                 \
  }
#define CSR_READ(name) READER("csrr", name)
#define CSR_WRITE(name)                                       \
  static inline void w_##name(uint64 x)                       \
  {                                                           \
    asm volatile("csrw " #name ", %0" : : "r"(x) : "memory"); \
  }
#define CSR(name) CSR_READ(name) CSR_WRITE(name)

// Machine level, used by start.c alone.
CSR_READ(mhartid)
CSR(mstatus)
CSR(mepc)
CSR(mie)
CSR(medeleg)
CSR(mideleg)
CSR(mcounteren)
CSR(mtvec)
CSR(mscratch)
CSR(pmpcfg0)
CSR(pmpaddr0)

// Supervisor level.
CSR(sstatus)
CSR(sie)
CSR(sip)
CSR(sepc)
CSR(stvec)
CSR(scause)
CSR(stval)
CSR(satp)
CSR(sscratch)
CSR_READ(time)

// menvcfg and stimecmp (Sstc extension), by number: older assemblers lack the names.
static inline uint64
r_menvcfg(void)
{
  uint64 x;
  asm volatile("csrr %0, 0x30a" : "=r"(x));
  return x;
}

static inline void
w_menvcfg(uint64 x)
{
  asm volatile("csrw 0x30a, %0" : : "r"(x));
}

static inline void
w_stimecmp(uint64 x)
{
  asm volatile("csrw 0x14d, %0" : : "r"(x));
}

#define MSTATUS_MPP_MASK (3L << 11)  // mode that mret returns to
#define MSTATUS_MPP_S    (1L << 11)
#define MIE_MSIE         (1L << 3)   // machine software interrupt
#define MIE_STIE         (1L << 5)   // supervisor timer interrupt
#define MENVCFG_STCE     (1L << 63)  // supervisor may use stimecmp
#define MCOUNTEREN_TM    (1L << 1)   // supervisor may read time

#define SSTATUS_SPP      (1L << 8)   // mode before the trap: 1 supervisor, 0 user
#define SSTATUS_SPIE     (1L << 5)   // interrupts enabled before the trap
#define SSTATUS_SIE      (1L << 1)   // interrupts enabled
#define SIE_SSIE         (1L << 1)   // software
#define SIE_STIE         (1L << 5)   // timer
#define SIE_SEIE         (1L << 9)   // external
#define SIP_SSIP         (1L << 1)   // a software interrupt is pending

// scause
#define SCAUSE_INTERRUPT (1UL << 63)
#define SCAUSE_SOFTWARE  (SCAUSE_INTERRUPT | 1)
#define SCAUSE_TIMER     (SCAUSE_INTERRUPT | 5)
#define SCAUSE_EXTERNAL  (SCAUSE_INTERRUPT | 9)
#define SCAUSE_ECALL     8
#define SCAUSE_FETCH     12          // page faults
#define SCAUSE_LOAD      13
#define SCAUSE_STORE     15

static inline void
intr_on(void)
{
  asm volatile("csrsi sstatus, 2" : : : "memory");
}

// Returns whether they were on.
static inline int
intr_off(void)
{
  uint64 old;
  asm volatile("csrrci %0, sstatus, 2" : "=r"(old) : : "memory");
  return (old & SSTATUS_SIE) != 0;
}

static inline int
intr_get(void)
{
  return (r_sstatus() & SSTATUS_SIE) != 0;
}

// The same for general registers.
READER("mv", sp)
READER("mv", tp)
READER("mv", ra)
READER("mv", fp)

static inline void
w_tp(uint64 x)
{
  asm volatile("mv tp, %0" : : "r"(x));
}

// Forget every cached address translation of this hart.
static inline void
sfence_vma(void)
{
  asm volatile("sfence.vma zero, zero" : : : "memory");
}

typedef uint64  pte_t;
typedef uint64 *pagetable_t;   // 512 PTEs

#endif // __ASSEMBLER__

#define PGSIZE   4096
#define PGSHIFT  12
#define PGROUNDUP(n)    (((n) + PGSIZE - 1) & ~((uint64)PGSIZE - 1))
#define PGROUNDDOWN(a)  ((a) & ~((uint64)PGSIZE - 1))

// A page table entry (Sv39, section "Sv39: Page-Based 39-bit Virtual-Memory System").
#define PTE_V (1L << 0)   // valid
#define PTE_R (1L << 1)
#define PTE_W (1L << 2)
#define PTE_X (1L << 3)
#define PTE_U (1L << 4)   // user mode may use it
#define PTE_G (1L << 5)
#define PTE_A (1L << 6)   // accessed
#define PTE_D (1L << 7)   // dirty
#define PTE_COW (1L << 8) // left to software: to be copied before a store, as others may have the page too

#define PA2PTE(pa)      ((((uint64)(pa)) >> 12) << 10)
#define PTE2PA(pte)     ((((pte) >> 10) & ((1UL << 44) - 1)) << 12)
#define PTE_FLAGS(pte)  ((pte) & 0x3ff)
#define PTE_LEAF(pte)   (((pte) & (PTE_R | PTE_W | PTE_X)) != 0)

// The index of va in the page table of a level: 2 is the root.
#define PXSHIFT(level)  (PGSHIFT + 9 * (level))
#define PX(level, va)   ((((uint64)(va)) >> PXSHIFT(level)) & 0x1ff)

// One past the highest virtual address: half of what Sv39 offers,
// so that no address has to be sign-extended.
#define MAXVA (1L << 38)

#define SATP_SV39 (8L << 60)
#define MAKE_SATP(pagetable) (SATP_SV39 | ((uint64)(pagetable) >> 12))
