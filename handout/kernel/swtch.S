# swtch.S - void swtch(struct context *from, struct context *to):
# keep the caller's registers in from, go on with those in to.

.macro each op, base
        \op     ra, 0(\base)
        \op     sp, 8(\base)
        \op     s0, 16(\base)
        \op     s1, 24(\base)
        \op     s2, 32(\base)
        \op     s3, 40(\base)
        \op     s4, 48(\base)
        \op     s5, 56(\base)
        \op     s6, 64(\base)
        \op     s7, 72(\base)
        \op     s8, 80(\base)
        \op     s9, 88(\base)
        \op     s10, 96(\base)
        \op     s11, 104(\base)
.endm

.global swtch
swtch:
        each    sd, a0
        each    ld, a1
        ret
