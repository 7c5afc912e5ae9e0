# trampoline.S - between user space and the kernel. This page is mapped at
# TRAMPOLINE in every page table, so that satp can be changed while it runs.
#include "riscv.h"
#include "memlayout.h"

# Each general register but a0, at its place in struct trapframe.
.macro each op
        \op     ra, 40(a0)
        \op     sp, 48(a0)
        \op     gp, 56(a0)
        \op     tp, 64(a0)
        \op     t0, 72(a0)
        \op     t1, 80(a0)
        \op     t2, 88(a0)
        \op     s0, 96(a0)
        \op     s1, 104(a0)
        \op     a1, 120(a0)
        \op     a2, 128(a0)
        \op     a3, 136(a0)
        \op     a4, 144(a0)
        \op     a5, 152(a0)
        \op     a6, 160(a0)
        \op     a7, 168(a0)
        \op     s2, 176(a0)
        \op     s3, 184(a0)
        \op     s4, 192(a0)
        \op     s5, 200(a0)
        \op     s6, 208(a0)
        \op     s7, 216(a0)
        \op     s8, 224(a0)
        \op     s9, 232(a0)
        \op     s10, 240(a0)
        \op     s11, 248(a0)
        \op     t3, 256(a0)
        \op     t4, 264(a0)
        \op     t5, 272(a0)
        \op     t6, 280(a0)
.endm

.section trampsec
.global trampoline
.balign 4
trampoline:

# stvec points here while user code runs: supervisor mode, user page table,
# interrupts off, sscratch = TRAPFRAME.
.global uservec
uservec:
        csrrw   a0, sscratch, a0
        each    sd
        csrr    t0, sscratch            # the user's a0
        sd      t0, 112(a0)

        ld      t1, 0(a0)               # kernel_satp
        ld      sp, 8(a0)               # kernel_sp
        ld      t0, 16(a0)              # kernel_trap
        ld      tp, 32(a0)              # kernel_hartid
        li      fp, 0                   # a backtrace ends here
        csrw    satp, t1
        sfence.vma zero, zero
        jalr    t0                      # usertrap returns the user's satp in a0

# userret(satp): into user space, as p->trapframe says.
.global userret
userret:
        csrw    satp, a0
        sfence.vma zero, zero
        li      a0, TRAPFRAME
        csrw    sscratch, a0
        each    ld
        ld      a0, 112(a0)
        sret
