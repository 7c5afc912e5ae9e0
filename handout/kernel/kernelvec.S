# kernelvec.S - traps taken while the kernel runs, and the machine-mode trap.

# Registers that a called C function may change; all others it keeps itself.
.macro each op
        \op     ra, 0(sp)
        \op     gp, 8(sp)
        \op     t0, 16(sp)
        \op     t1, 24(sp)
        \op     t2, 32(sp)
        \op     t3, 40(sp)
        \op     t4, 48(sp)
        \op     t5, 56(sp)
        \op     t6, 64(sp)
        \op     a0, 72(sp)
        \op     a1, 80(sp)
        \op     a2, 88(sp)
        \op     a3, 96(sp)
        \op     a4, 104(sp)
        \op     a5, 112(sp)
        \op     a6, 120(sp)
        \op     a7, 128(sp)
.endm

# tp is left alone: the process may go on upon another hart.
# Above the registers lies a frame as gcc makes it, as if the function that was
# interrupted had called kerneltrap at sepc: so a backtrace shows it.
.global kernelvec
.balign 4
kernelvec:
        addi    sp, sp, -160
        each    sd
        sd      fp, 144(sp)
        csrr    t0, sepc
        sd      t0, 152(sp)
        addi    fp, sp, 160
        call    kerneltrap
        ld      fp, 144(sp)
        each    ld
        addi    sp, sp, 160
        sret

# The only machine-mode trap is a software interrupt from another hart:
# take it back at the CLINT and raise supervisor mode's instead.
# mscratch points to two words of this hart's, then the address of its MSIP.
.global machinevec
.balign 4
machinevec:
        csrrw   a0, mscratch, a0
        sd      a1, 0(a0)
        ld      a1, 16(a0)
        sw      zero, 0(a1)
        li      a1, 2                   # SSIP
        csrs    mip, a1
        ld      a1, 0(a0)
        csrrw   a0, mscratch, a0
        mret
